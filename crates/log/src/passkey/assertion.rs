//! Using a passkey.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::authenticator::{ATTESTED, AuthenticatorData, BACKED_UP, BACKUP_ELIGIBLE};
use super::client::{self, Ceremony};
use super::fault::PasskeyFault;
use super::key::PublicKey;
use super::relying::Relying;
use super::{AUTHENTICATOR_DATA_BYTES_MAX, CREDENTIAL_BYTES_MAX, SIGNATURE_BYTES_MAX, decode};

/// What a browser got from `navigator.credentials.get`, each part in base64url without
/// padding. It goes into the log as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The credential's id: says which key to verify with, and is not signed.
    pub credential: String,
    /// What the authenticator says.
    pub authenticator_data: String,
    /// What the browser says: the bytes of its JSON.
    pub client_data: String,
    /// The signature over both.
    pub signature: String,
}

/// What a good assertion says beyond being good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asserted {
    /// How often the key has signed; 0 for those that don't count, as synced ones don't.
    /// One that doesn't grow may be a copy of the key.
    pub counter: u32,
    /// Whether the key may be copied to other devices. It never changes.
    pub backup_eligible: bool,
    /// Whether it has been.
    pub backed_up: bool,
}

impl Assertion {
    /// Whether the holder of `key` answered `challenge` at `relying`, touching the
    /// authenticator and verified by it.
    ///
    /// It is for the caller to find `key` by [`Assertion::credential`], to have made the
    /// challenge's nonce, and to take it once: the same assertion verifies for ever, which
    /// is what the log needs. The signature is not a name of the assertion: from one of
    /// ES256 anybody can make another that verifies over the same bytes.
    ///
    /// # Errors
    /// The first [`PasskeyFault`] of what is wrong.
    pub fn verify(
        &self,
        relying: &Relying<'_>,
        key: &PublicKey,
        challenge: &[u8; 32],
    ) -> Result<Asserted, PasskeyFault> {
        if decode(&self.credential, CREDENTIAL_BYTES_MAX)?.is_empty() {
            return Err(PasskeyFault::CredentialId);
        }
        let mut signed = decode(&self.authenticator_data, AUTHENTICATOR_DATA_BYTES_MAX)?;
        let signature = decode(&self.signature, SIGNATURE_BYTES_MAX)?;
        let client_data = client::check(&self.client_data, Ceremony::Get, relying, challenge)?;
        let data_bytes = signed.len();
        signed.extend_from_slice(&Sha256::digest(&client_data));

        let data = AuthenticatorData::parse(signed.get(..data_bytes).unwrap_or_default())?;
        if data.has(ATTESTED) {
            return Err(PasskeyFault::AttestedCredential);
        }
        data.check_extensions(data.rest)?;
        data.check_relying(relying)?;
        key.verify(&signed, &signature)?;
        data.check_user()?;
        Ok(Asserted {
            counter: data.counter,
            backup_eligible: data.has(BACKUP_ELIGIBLE),
            backed_up: data.has(BACKED_UP),
        })
    }
}
