//! What a passkey is asked to sign: a canonical encoding, hashed.
//!
//! The encoding is that of request hashes: each field as its length in bytes (32 bits,
//! big-endian) and its bytes, in the order written here, a domain first. No two
//! different sequences of fields have the same encoding.
//!
//! ```python
//! import hashlib
//!
//! def digest(*fields):
//!     encoded = b"".join(len(f).to_bytes(4, "big") + f for f in (x.encode() if isinstance(x, str) else x for x in fields))
//!     return hashlib.sha256(encoded)
//!
//! thing, nonce = bytes([7] * 32), bytes([9] * 32)
//! for verb in ("acknowledge", "enrol", "confirm", "sign-in", "step-up"):
//!     print(digest("halligan/passkey/v1", verb, thing, nonce).hexdigest())
//! print(digest("halligan/person/v1", "alice").hexdigest())
//! print(digest("halligan/enrolment/v1", "alice", "AQID", "EdDSA", "BAUG").hexdigest())
//! ```
//!
//! prints the test vectors:
//!
//! ```text
//! 5c63f3675359a65a09027dc0d07a9ae68f4ca372e3ef9dbc8bf4f734b29012c6
//! 61f6b3922fed2c4006fdf8c1a0838241c42a3e7dfee1dbd7eea3b08cce967005
//! 4159bda16e8d1c83e8de4a1b2888106b7ac82e0cde7748953eee3f70c8ebf8d7
//! 2973ed681531943b9386fb570f1ce839c6c271b8ec0ca47bdd2c94ffbb52cc9e
//! 8f06003881fb28ebd65f827fac490d1eacfa9bb4279a0d58db6afaeab137a70a
//! 6be68308dc02f9bfcaacd078ec8c41920db0f2a3d1758f306ce095f582236976
//! 57936327e947c3a23af37d36b6aebbd855b93649e4e247ff26370173e7196e48
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::key::PublicKey;

/// What a person does by touching their passkey. One that was touched for one of these
/// is worth nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Acknowledges a request: the thing is the request's hash.
    Acknowledge,
    /// Enrols this passkey: the thing is the [`person_hash`].
    Enrol,
    /// Says that somebody else's enrolment is theirs: the thing is its [`enrolment_hash`].
    Confirm,
    /// Signs in while the identity provider is down.
    SignIn,
    /// Proves who they are once more: the thing is the [`person_hash`].
    StepUp,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Acknowledge, Self::Enrol, Self::Confirm, Self::SignIn, Self::StepUp];

    /// As it is hashed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Enrol => "enrol",
            Self::Confirm => "confirm",
            Self::SignIn => "sign-in",
            Self::StepUp => "step-up",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The challenge of one ceremony: what is done, to what, and a nonce of the broker's that
/// it takes back once. The nonce is what makes an assertion good for one use, so it has to
/// be 32 fresh bytes of a cryptographic source.
#[must_use]
pub fn challenge(verb: Verb, thing: &[u8; 32], nonce: &[u8; 32]) -> [u8; 32] {
    hash(&[b"halligan/passkey/v1", verb.as_str().as_bytes(), thing, nonce])
}

/// Names a person: what is enrolled for, and stepped up as.
#[must_use]
pub fn person_hash(person: &str) -> [u8; 32] {
    hash(&[b"halligan/person/v1", person.as_bytes()])
}

/// Names one enrolment: whose, which credential, which key; what a second person's
/// [`Verb::Confirm`] signs. `credential` is the id in base64url, as the log has it.
#[must_use]
pub fn enrolment_hash(person: &str, credential: &str, key: &PublicKey) -> [u8; 32] {
    let PublicKey { algorithm, spki } = key;
    let fields = ["halligan/enrolment/v1", person, credential, algorithm.as_str(), spki];
    hash(&fields.map(str::as_bytes))
}

fn hash(fields: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}
