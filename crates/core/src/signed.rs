//! What a passkey signed, as entries carry it.

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
const CHARACTERS_MAX: usize = 800;

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
