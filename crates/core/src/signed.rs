//! What a passkey signed, and what it is, as entries carry it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::Nonce;

/// A passkey's signature ([Web Authentication](https://www.w3.org/TR/webauthn-3/), an assertion),
/// over a challenge that names what it is for. Texts are base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signed {
    /// The passkey: the id of its credential.
    pub credential: String,
    /// Part of the challenge: made by the broker, taken back once.
    pub nonce: Nonce,
    /// What the authenticator says: relying party, flags, counter.
    pub authenticator_data: String,
    /// What the browser says: challenge, origin.
    pub client_data: String,
    /// The signature over both.
    pub signature: String,
}

/// The longest of its texts, in characters: a signature of RSA is 342, client data seldom 300.
pub const CHARACTERS_MAX: usize = 800;

impl Signed {
    /// Whether it fits into an entry with everything else of it.
    #[must_use]
    pub fn is_short(&self) -> bool {
        let Self { credential, nonce: _, authenticator_data, client_data, signature } = self;
        let texts = [credential, authenticator_data, client_data, signature];
        texts.iter().all(|text| text.len() <= CHARACTERS_MAX)
            && texts.iter().map(|text| text.len()).sum::<usize>() <= 2 * CHARACTERS_MAX
    }
}

/// A passkey that somebody enrolled. Nothing of it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Enrolment {
    /// The id of its credential, base64url.
    pub credential: String,
    /// What it signs with: `ES256`, `EdDSA` or `RS256`.
    pub algorithm: String,
    /// Its public half: `SubjectPublicKeyInfo` in DER, base64url.
    pub public_key: String,
    /// For which relying party: the host that people see.
    pub rp_id: String,
    /// At which origin.
    pub origin: String,
    /// What a second person's signature confirms: SHA-256 over person, credential and key.
    pub enrolment: String,
}
