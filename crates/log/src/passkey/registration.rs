//! Enrolling a passkey.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::attested::{self, AttestedCredential};
use super::authenticator::{ATTESTED, AuthenticatorData, BACKED_UP, BACKUP_ELIGIBLE};
use super::client::{self, Ceremony};
use super::fault::PasskeyFault;
use super::key::PublicKey;
use super::relying::Relying;
use super::{ATTESTATION_BYTES_MAX, decode, encode};

/// What a browser got from `navigator.credentials.create`, each part in base64url without
/// padding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// What the browser says: the bytes of its JSON.
    pub client_data: String,
    /// What the authenticator says: the new credential and its key.
    pub attestation_object: String,
}

/// A new passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// Its id, base64url.
    pub credential: String,
    /// Its key.
    pub public_key: PublicKey,
    /// How often it has signed; 0 for those that don't count.
    pub counter: u32,
    /// Whether the key may be copied to other devices.
    pub backup_eligible: bool,
    /// Whether it has been.
    pub backed_up: bool,
    /// The authenticator's model, by its own word; all zero: not told.
    pub aaguid: Uuid,
}

impl Registration {
    /// The new passkey, if it was made for `challenge` at `relying`, by somebody who
    /// touched the authenticator and was verified by it.
    ///
    /// Attestation is not asked for. A statement of another format than `none` is passed
    /// over and not trusted, so nothing in a registration is signed: it says what its
    /// browser says. That is why an enrolment counts for nothing until a second person has
    /// confirmed it or time and a notice have passed.
    ///
    /// # Errors
    /// The first [`PasskeyFault`] of what is wrong.
    pub fn verify(&self, relying: &Relying<'_>, challenge: &[u8; 32]) -> Result<Enrolled, PasskeyFault> {
        let object = decode(&self.attestation_object, ATTESTATION_BYTES_MAX)?;
        client::check(&self.client_data, Ceremony::Create, relying, challenge)?;
        let bytes = attested::authenticator_data(&object)?;

        let data = AuthenticatorData::parse(&bytes)?;
        if !data.has(ATTESTED) {
            return Err(PasskeyFault::AttestedCredential);
        }
        data.check_relying(relying)?;
        let (AttestedCredential { aaguid, credential, public_key }, rest) = AttestedCredential::parse(data.rest)?;
        data.check_extensions(rest)?;
        data.check_user()?;
        Ok(Enrolled {
            credential: encode(credential),
            public_key,
            counter: data.counter,
            backup_eligible: data.has(BACKUP_ELIGIBLE),
            backed_up: data.has(BACKED_UP),
            aaguid,
        })
    }
}
