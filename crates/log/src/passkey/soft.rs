//! A passkey in software, for tests and demonstrations.
//!
//! It makes keys, registrations and assertions as a browser with an authenticator would.
//! Its key is as safe as its seed: it is no substitute for an authenticator.

use aws_lc_rs::agreement::{self, ECDH_P256};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use ciborium::Value;
use sha2::{Digest as _, Sha256};

use super::assertion::Assertion;
use super::authenticator::{ATTESTED, BACKED_UP, BACKUP_ELIGIBLE, PRESENT, VERIFIED};
use super::client::Ceremony;
use super::encode;
use super::fault::PasskeyFault;
use super::key::{Algorithm, PublicKey};
use super::registration::Registration;

enum Pair {
    Es256(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// One passkey: a key, the site it belongs to, and how its holder treats it.
pub struct SoftAuthenticator {
    pair: Pair,
    credential: Vec<u8>,
    /// The relying party's id.
    pub relying: String,
    /// Where the browser says it is.
    pub origin: String,
    /// Whether somebody touches it.
    pub present: bool,
    /// Whether it verifies who.
    pub verified: bool,
    /// Whether it is a synced passkey.
    pub synced: bool,
    /// How often it has signed, as it will say next: it doesn't count by itself.
    pub counter: u32,
}

impl SoftAuthenticator {
    /// A passkey of ES256 or EdDSA whose key and credential id follow from `seed`: 32 bytes of a
    /// cryptographic source, or any in a test. It is touched, verifies its user, is not synced,
    /// and doesn't count.
    ///
    /// # Errors
    /// [`PasskeyFault::Algorithm`] for RS256, whose keys no seed gives; [`PasskeyFault::PublicKey`]
    /// for the few seeds that are no key.
    pub fn from_seed(algorithm: Algorithm, seed: [u8; 32], relying: &str, origin: &str) -> Result<Self, PasskeyFault> {
        let wrong = |_| PasskeyFault::PublicKey;
        let pair = match algorithm {
            Algorithm::ES256 => Pair::Es256(es256(&seed)?),
            Algorithm::EdDSA => Pair::Ed(Ed25519KeyPair::from_seed_unchecked(&seed).map_err(wrong)?),
            Algorithm::RS256 => return Err(PasskeyFault::Algorithm),
        };
        let credential = Sha256::digest(public_bytes(&pair)).to_vec();
        let (relying, origin) = (relying.to_owned(), origin.to_owned());
        Ok(Self { pair, credential, relying, origin, present: true, verified: true, synced: false, counter: 0 })
    }

    /// The same passkey under another credential id.
    #[must_use]
    pub fn named(self, credential: &[u8]) -> Self {
        Self { credential: credential.to_vec(), ..self }
    }

    /// The credential's id, base64url.
    #[must_use]
    pub fn credential(&self) -> String {
        encode(&self.credential)
    }

    /// The public key.
    ///
    /// # Errors
    /// None that is known of: the key was made here.
    pub fn public_key(&self) -> Result<PublicKey, PasskeyFault> {
        PublicKey::new(self.algorithm(), public_bytes(&self.pair))
    }

    /// What `navigator.credentials.create` gives for `challenge`.
    ///
    /// # Errors
    /// [`PasskeyFault::CredentialId`]: its length doesn't fit two bytes.
    pub fn register(&self, challenge: &[u8; 32]) -> Result<Registration, PasskeyFault> {
        let length = u16::try_from(self.credential.len()).map_err(|_| PasskeyFault::CredentialId)?.to_be_bytes();
        let (data, key) = (self.authenticator_data(ATTESTED), to_bytes(&self.cose_key())?);
        let data = [data.as_slice(), &[0; 16], &length, &self.credential, &key].concat();
        let object = Value::Map(vec![
            ("fmt".into(), "none".into()),
            ("attStmt".into(), Value::Map(Vec::new())),
            ("authData".into(), Value::from(data)),
        ]);
        let client_data = encode(&self.client_data(Ceremony::Create.as_str(), challenge));
        Ok(Registration { client_data, attestation_object: encode(&to_bytes(&object)?) })
    }

    /// What `navigator.credentials.get` gives for `challenge`.
    ///
    /// # Errors
    /// [`PasskeyFault::Signature`]: the key doesn't sign.
    pub fn assert(&self, challenge: &[u8; 32]) -> Result<Assertion, PasskeyFault> {
        self.sign(&self.authenticator_data(0), &self.client_data(Ceremony::Get.as_str(), challenge))
    }

    /// An assertion over exactly these bytes, for tests of what is wrong with them.
    ///
    /// # Errors
    /// [`PasskeyFault::Signature`]: the key doesn't sign.
    pub fn sign(&self, authenticator_data: &[u8], client_data: &[u8]) -> Result<Assertion, PasskeyFault> {
        let wrong = |_| PasskeyFault::Signature;
        let message = [authenticator_data, Sha256::digest(client_data).as_slice()].concat();
        let signature = match &self.pair {
            // The library draws the nonce itself, whatever source it is given.
            Pair::Es256(pair) => pair.sign(&SystemRandom::new(), &message).map_err(wrong)?.as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(&message).as_ref().to_vec(),
        };
        Ok(Assertion {
            credential: self.credential(),
            authenticator_data: encode(authenticator_data),
            client_data: encode(client_data),
            signature: encode(&signature),
        })
    }

    /// The client data of a browser, for this ceremony: `webauthn.create` or `webauthn.get`.
    #[must_use]
    pub fn client_data(&self, ceremony: &str, challenge: &[u8; 32]) -> Vec<u8> {
        let fields = [("type", ceremony), ("challenge", &encode(challenge)), ("origin", &self.origin)];
        let fields = fields.map(|(name, value)| format!("\"{name}\":{}", serde_json::Value::from(value)));
        format!("{{{},\"crossOrigin\":false}}", fields.join(",")).into_bytes()
    }

    /// The first 37 bytes of authenticator data, with these flags beside those of its fields.
    #[must_use]
    pub fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let own = [(self.present, PRESENT), (self.verified, VERIFIED), (self.synced, BACKUP_ELIGIBLE | BACKED_UP)];
        let flags = own.into_iter().filter(|(set, _)| *set).fold(flags, |flags, (_, flag)| flags | flag);
        let relying = Sha256::digest(self.relying.as_bytes());
        [relying.as_slice(), &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// Its public key as COSE has it.
    fn cose_key(&self) -> Value {
        let public = public_bytes(&self.pair);
        let mut fields = vec![(3, Value::from(self.algorithm().cose()))];
        match &self.pair {
            Pair::Es256(_) => {
                // An uncompressed point: 0x04, x, y.
                let (x, y) = public.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
                fields.extend([(1, 2.into()), (-1, 1.into()), (-2, Value::from(x)), (-3, Value::from(y))]);
            }
            Pair::Ed(_) => fields.extend([(1, 1.into()), (-1, 6.into()), (-2, Value::from(public))]),
        }
        Value::Map(fields.into_iter().map(|(label, value): (i64, Value)| (Value::from(label), value)).collect())
    }

    const fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Es256(_) => Algorithm::ES256,
            Pair::Ed(_) => Algorithm::EdDSA,
        }
    }
}

fn es256(seed: &[u8]) -> Result<EcdsaKeyPair, PasskeyFault> {
    let wrong = PasskeyFault::PublicKey;
    let private = agreement::PrivateKey::from_private_key(&ECDH_P256, seed).map_err(|_| wrong)?;
    let pkcs8: Pkcs8V1Der<'_> = private.as_der().map_err(|_| wrong)?;
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).map_err(|_| wrong)
}

fn public_bytes(pair: &Pair) -> &[u8] {
    match pair {
        Pair::Es256(pair) => pair.public_key().as_ref(),
        Pair::Ed(pair) => pair.public_key().as_ref(),
    }
}

fn to_bytes(value: &Value) -> Result<Vec<u8>, PasskeyFault> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|_| PasskeyFault::AttestationObject)?;
    Ok(bytes)
}
