//! Passkeys: what is good is taken, and what breaks one rule is refused for that rule.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use halligan_log::passkey::soft::SoftAuthenticator;
use halligan_log::passkey::{
    Algorithm, Asserted, Assertion, Enrolled, PasskeyFault, PublicKey, Registration, Relying, Verb, challenge,
};

mod arbitrary;
mod assertions;
mod hashes;
mod keys;
mod registrations;
mod vectors;

const RELYING: &str = "halligan.example.com";
const ORIGIN: &str = "https://halligan.example.com:8443";
const REQUEST: [u8; 32] = [1; 32];
const NONCE: [u8; 32] = [2; 32];

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Alice's passkey.
fn soft(algorithm: Algorithm) -> SoftAuthenticator {
    SoftAuthenticator::from_seed(algorithm, [7; 32], RELYING, ORIGIN).unwrap()
}

/// One verification: good, until a test breaks something.
#[derive(Clone)]
struct Attempt {
    relying: String,
    origins: Vec<String>,
    challenge: [u8; 32],
}

impl Attempt {
    fn of(verb: Verb) -> Self {
        let challenge = challenge(verb, &REQUEST, &NONCE);
        Self { relying: RELYING.to_owned(), origins: vec![ORIGIN.to_owned()], challenge }
    }

    fn relying(&self) -> Relying<'_> {
        Relying::new(&self.relying, &self.origins)
    }

    fn assertion(&self, assertion: &Assertion, key: &PublicKey) -> Result<Asserted, PasskeyFault> {
        assertion.verify(&self.relying(), key, &self.challenge)
    }

    fn registration(&self, registration: &Registration) -> Result<Enrolled, PasskeyFault> {
        registration.verify(&self.relying(), &self.challenge)
    }
}
