//! The test vectors of the specification
//! ([§16](https://www.w3.org/TR/webauthn-3/#sctn-test-vectors)), made by an implementation
//! that shares nothing with this one. In most of them the user is not verified, which is
//! refused here; as that is checked last, the refusal says that all else was good, the
//! signature too.

use std::collections::BTreeMap;

use halligan_log::passkey::{Algorithm, Assertion, Enrolled, PasskeyFault, Registration};
use serde::Deserialize;

use super::{Attempt, encode};

#[derive(Deserialize)]
struct Vector {
    registration: Made,
    authentication: Option<Used>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    challenge: String,
    #[serde(rename = "credential_id")]
    credential_id: String,
    aaguid: String,
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Used {
    challenge: String,
    authenticator_data: String,
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    signature: String,
}

fn vector(name: &str) -> Vector {
    let mut all: BTreeMap<String, Vector> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    all.remove(name).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn attempt(challenge: &str) -> Attempt {
    Attempt {
        relying: "example.org".to_owned(),
        origins: vec!["https://example.org".to_owned()],
        challenge: bytes(challenge).try_into().unwrap(),
    }
}

impl Made {
    fn registration(&self) -> Registration {
        let [client_data, attestation_object] =
            [&self.client_data, &self.attestation_object].map(|part| encode(bytes(part)));
        Registration { client_data, attestation_object }
    }

    fn verify(&self) -> Result<Enrolled, PasskeyFault> {
        attempt(&self.challenge).registration(&self.registration())
    }

    /// What it would be had the user been verified: nothing in a registration is signed, so
    /// the flag can be set.
    fn verify_with_user(&self) -> Enrolled {
        let mut object = bytes(&self.attestation_object);
        let relying = bytes("bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b5");
        let at = object.windows(32).position(|window| window == relying).unwrap();
        object[at + 32] |= 0x04;
        let registration = Registration { attestation_object: encode(object), ..self.registration() };
        attempt(&self.challenge).registration(&registration).unwrap()
    }
}

impl Used {
    fn assertion(&self, credential: &str) -> Assertion {
        let parts = [&self.authenticator_data, &self.client_data, &self.signature];
        let [authenticator_data, client_data, signature] = parts.map(|part| encode(bytes(part)));
        Assertion { credential: credential.to_owned(), authenticator_data, client_data, signature }
    }
}

#[test]
fn registrations() {
    let unverified = Err(PasskeyFault::NotVerified);
    let cases = [
        ("none-es256", unverified, Algorithm::ES256),
        ("packed-es256", Ok(()), Algorithm::ES256),
        ("packed-rs256", Ok(()), Algorithm::RS256),
        ("packed-eddsa", unverified, Algorithm::EdDSA),
    ];
    for (name, expected, algorithm) in cases {
        let made = vector(name).registration;
        assert_eq!(made.verify().map(drop), expected, "{name}");
        let enrolled = made.verify_with_user();
        assert_eq!(enrolled.public_key.algorithm, algorithm, "{name}");
        assert_eq!(enrolled.credential, encode(bytes(&made.credential_id)), "{name}");
        assert_eq!(enrolled.aaguid.simple().to_string(), made.aaguid, "{name}");
        assert_eq!(enrolled.counter, 0, "{name}");
        enrolled.public_key.check().unwrap();
    }
}

#[test]
fn registrations_that_are_not_taken() {
    let cases = [("none-es256-crossOrigin", PasskeyFault::CrossOrigin), ("packed-ed448", PasskeyFault::Algorithm)];
    for (name, expected) in cases {
        assert_eq!(vector(name).registration.verify(), Err(expected), "{name}");
    }
}

#[test]
fn assertions() {
    let unverified = Some(PasskeyFault::NotVerified);
    let cases = [
        ("none-es256", unverified),
        ("none-es256-crossOrigin", Some(PasskeyFault::CrossOrigin)),
        ("packed-es256", None),
        ("packed-rs256", unverified),
        ("packed-eddsa", unverified),
    ];
    for (name, expected) in cases {
        let Vector { registration, authentication } = vector(name);
        let used = authentication.unwrap();
        let key = if expected == Some(PasskeyFault::CrossOrigin) {
            // Its registration is refused: any key will do to see the assertion refused.
            vector("packed-es256").registration.verify_with_user().public_key
        } else {
            registration.verify_with_user().public_key
        };
        let assertion = used.assertion(&encode(bytes(&registration.credential_id)));
        assert_eq!(attempt(&used.challenge).assertion(&assertion, &key).err(), expected, "{name}");
    }
}

type Put = fn(&mut Assertion, String);

/// Each bit that is signed, and each of the signature: none can be another.
#[test]
fn a_flipped_bit_is_refused() {
    for name in ["none-es256", "packed-es256", "packed-rs256", "packed-eddsa"] {
        let Vector { registration, authentication } = vector(name);
        let (key, used) = (registration.verify_with_user().public_key, authentication.unwrap());
        let attempt = attempt(&used.challenge);
        let good = used.assertion("AQ");
        // The flags too: an unverified user can't be made a verified one.
        let else_good = |result: Result<_, PasskeyFault>| {
            matches!(result, Ok(_) | Err(PasskeyFault::NotVerified | PasskeyFault::NotPresent))
        };
        assert!(else_good(attempt.assertion(&good, &key)), "{name}");
        let parts: [(&str, &str, Put); 3] = [
            ("authenticator data", &used.authenticator_data, |all, part| all.authenticator_data = part),
            ("client data", &used.client_data, |all, part| all.client_data = part),
            ("signature", &used.signature, |all, part| all.signature = part),
        ];
        for (part, text, put) in parts {
            let whole = bytes(text);
            for bit in 0..whole.len() * 8 {
                let mut flipped = whole.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let mut assertion = good.clone();
                put(&mut assertion, encode(flipped));
                assert!(!else_good(attempt.assertion(&assertion, &key)), "{name}: {part}, bit {bit}");
            }
        }
    }
}
