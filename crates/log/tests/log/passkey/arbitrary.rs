//! Whatever comes in: an answer, never a panic, and never a yes that nobody signed.

use halligan_log::passkey::{Algorithm, Assertion, PublicKey, Registration, Verb};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Attempt, decode, encode, soft};

/// Bytes in base64url mostly, any text at times.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![4 => vec(any::<u8>(), 0..300).prop_map(encode), 1 => ".{0,80}"]
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(Algorithm::ALL.to_vec())
}

/// `whole` with some bytes put over others.
fn scribbled(whole: &[u8], at: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for (index, byte) in at {
        bytes[index.index(whole.len())] = *byte;
    }
    bytes
}

proptest! {
    #[test]
    fn assertions(parts in [part(), part(), part(), part()], algorithm in algorithm(), spki in part()) {
        let [credential, authenticator_data, client_data, signature] = parts;
        let attempt = Attempt::of(Verb::Acknowledge);
        let assertion = Assertion { credential, authenticator_data, client_data, signature };
        let key = PublicKey { algorithm, spki };
        prop_assert!(attempt.assertion(&assertion, &key).is_err());
        let good = soft(Algorithm::ES256).assert(&attempt.challenge).unwrap();
        let key = soft(Algorithm::ES256).public_key().unwrap();
        let unsigned = Assertion { client_data: good.client_data, ..assertion };
        prop_assert!(attempt.assertion(&unsigned, &key).is_err());
    }

    #[test]
    fn registrations(client_data in part(), attestation_object in part()) {
        let attempt = Attempt::of(Verb::Enrol);
        let good = soft(Algorithm::ES256).register(&attempt.challenge).unwrap();
        let registration = Registration { client_data, attestation_object };
        prop_assert!(attempt.registration(&registration).is_err());
        let half = Registration { client_data: good.client_data, ..registration };
        prop_assert!(attempt.registration(&half).is_err());
    }

    #[test]
    fn keys(algorithm in algorithm(), bytes in vec(any::<u8>(), 0..600)) {
        let key = PublicKey { algorithm, spki: encode(&bytes) };
        // Whatever is taken has one text.
        if let Ok(made) = PublicKey::new(algorithm, &bytes) {
            prop_assert!(made.check().is_ok());
            prop_assert_eq!(key.check().is_ok(), key == made);
        } else {
            prop_assert!(key.check().is_err());
        }
    }

    /// Near misses reach further in than noise. Whatever is taken is a whole credential.
    #[test]
    fn scribbled_registrations(
        at in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ed in any::<bool>(),
    ) {
        let attempt = Attempt::of(Verb::Enrol);
        let good = soft(if ed { Algorithm::EdDSA } else { Algorithm::ES256 }).register(&attempt.challenge).unwrap();
        let object = encode(scribbled(&decode(&good.attestation_object), &at));
        if let Ok(enrolled) = attempt.registration(&Registration { attestation_object: object, ..good }) {
            prop_assert!(enrolled.public_key.check().is_ok());
            prop_assert!(!decode(&enrolled.credential).is_empty());
        }
    }

    /// What was signed can't be scribbled on.
    #[test]
    fn scribbled_assertions(
        at in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        which in 0usize..3,
        ed in any::<bool>(),
    ) {
        let attempt = Attempt::of(Verb::Acknowledge);
        let passkey = soft(if ed { Algorithm::EdDSA } else { Algorithm::ES256 });
        let mut assertion = passkey.assert(&attempt.challenge).unwrap();
        let parts = [&mut assertion.authenticator_data, &mut assertion.client_data, &mut assertion.signature];
        let part = parts.into_iter().nth(which).unwrap();
        let whole = decode(part);
        let other = scribbled(&whole, &at);
        prop_assume!(other != whole);
        *part = encode(other);
        prop_assert!(attempt.assertion(&assertion, &passkey.public_key().unwrap()).is_err());
    }

    /// What was asked for is what is answered.
    #[test]
    fn any_challenge(request: [u8; 32], nonce: [u8; 32], other: [u8; 32]) {
        prop_assume!(other != nonce && other != request);
        let passkey = soft(Algorithm::EdDSA);
        let key = passkey.public_key().unwrap();
        let challenge = |verb, request, nonce| halligan_log::passkey::challenge(verb, request, nonce);
        let asked = challenge(Verb::Acknowledge, &request, &nonce);
        let assertion = passkey.assert(&asked).unwrap();
        let mut attempt = Attempt { challenge: asked, ..Attempt::of(Verb::Acknowledge) };
        prop_assert!(attempt.assertion(&assertion, &key).is_ok());
        for challenge in [
            challenge(Verb::Confirm, &request, &nonce),
            challenge(Verb::Acknowledge, &other, &nonce),
            challenge(Verb::Acknowledge, &request, &other),
        ] {
            attempt.challenge = challenge;
            prop_assert!(attempt.assertion(&assertion, &key).is_err());
        }
    }
}
