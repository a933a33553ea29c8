//! Assertions: each rule broken alone.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use halligan_log::passkey::soft::SoftAuthenticator;
use halligan_log::passkey::{Algorithm, Asserted, Assertion, PasskeyFault, PublicKey, Relying, Verb, challenge};
use sha2::{Digest as _, Sha256};

use super::{Attempt, NONCE, ORIGIN, RELYING, REQUEST, decode, encode, soft};

/// What a test may break.
struct Case {
    passkey: SoftAuthenticator,
    /// What the verifier has.
    key: PublicKey,
    attempt: Attempt,
    /// What is asked of the passkey.
    challenge: [u8; 32],
    /// Set: signed instead of what the passkey makes.
    client_data: Option<Vec<u8>>,
    authenticator_data: Option<Vec<u8>>,
}

impl Case {
    fn of(algorithm: Algorithm) -> Self {
        let (passkey, attempt) = (soft(algorithm), Attempt::of(Verb::Acknowledge));
        let (key, challenge) = (passkey.public_key().unwrap(), attempt.challenge);
        Self { passkey, key, attempt, challenge, client_data: None, authenticator_data: None }
    }

    fn good_client_data(&self) -> String {
        String::from_utf8(self.passkey.client_data("webauthn.get", &self.challenge)).unwrap()
    }

    /// The client data with `from` made `to`.
    fn replace(&mut self, from: &str, to: &str) {
        let good = self.good_client_data();
        assert!(good.contains(from), "{from}");
        self.client_data = Some(good.replace(from, to).into_bytes());
    }

    fn assertion(&self) -> Assertion {
        let good = self.passkey.assert(&self.challenge).unwrap();
        let client_data = self.client_data.clone().unwrap_or_else(|| decode(&good.client_data));
        let data = self.authenticator_data.clone().unwrap_or_else(|| decode(&good.authenticator_data));
        self.passkey.sign(&data, &client_data).unwrap()
    }

    fn verify(&self) -> Result<Asserted, PasskeyFault> {
        self.attempt.assertion(&self.assertion(), &self.key)
    }
}

#[test]
fn a_good_assertion_says_what_the_authenticator_says() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let mut case = Case::of(algorithm);
        let plain = Asserted { counter: 0, backup_eligible: false, backed_up: false };
        assert_eq!(case.verify(), Ok(plain), "{algorithm}");
        case.passkey.synced = true;
        case.passkey.counter = u32::MAX;
        let synced = Asserted { counter: u32::MAX, backup_eligible: true, backed_up: true };
        assert_eq!(case.verify(), Ok(synced), "{algorithm}");
        case.passkey.synced = false;
        case.authenticator_data = Some(case.passkey.authenticator_data(0x08));
        let single = Asserted { backed_up: false, ..synced };
        assert_eq!(case.verify(), Ok(single), "{algorithm}");
    }
}

type Break = fn(&mut Case);

/// Signed, and wrong.
const BROKEN: &[(&str, PasskeyFault, Break)] = &[
    ("for another verb", PasskeyFault::Challenge, |case| {
        case.challenge = challenge(Verb::StepUp, &REQUEST, &NONCE);
    }),
    ("for another request", PasskeyFault::Challenge, |case| {
        case.challenge = challenge(Verb::Acknowledge, &[3; 32], &NONCE);
    }),
    ("for another nonce", PasskeyFault::Challenge, |case| {
        case.challenge = challenge(Verb::Acknowledge, &REQUEST, &[3; 32]);
    }),
    ("with the challenge padded", PasskeyFault::Challenge, |case| {
        let text = encode(case.challenge);
        case.replace(&text, &format!("{text}="));
    }),
    ("a registration", PasskeyFault::Ceremony, |case| case.replace("webauthn.get", "webauthn.create")),
    ("of a ceremony in capitals", PasskeyFault::Ceremony, |case| case.replace("webauthn.get", "WebAuthn.Get")),
    ("on another host", PasskeyFault::Origin, |case| case.passkey.origin = "https://example.com:8443".to_owned()),
    ("on a host below", PasskeyFault::Origin, |case| case.replace("https://", "https://a.")),
    ("on another port", PasskeyFault::Origin, |case| case.replace(":8443", "")),
    ("without encryption", PasskeyFault::Origin, |case| case.replace("https:", "http:")),
    ("with a path", PasskeyFault::Origin, |case| case.replace(":8443", ":8443/")),
    ("in capitals", PasskeyFault::Origin, |case| case.replace("halligan", "Halligan")),
    ("on no origin", PasskeyFault::Origin, |case| case.replace(ORIGIN, "null")),
    ("in a frame", PasskeyFault::CrossOrigin, |case| case.replace(":false", ":true")),
    ("in a frame that is named", PasskeyFault::CrossOrigin, |case| {
        case.replace(":false", ":false,\"topOrigin\":\"https://example.com\"");
    }),
    ("for another relying party", PasskeyFault::RelyingParty, |case| case.passkey.relying = "example.com".to_owned()),
    ("untouched", PasskeyFault::NotPresent, |case| case.passkey.present = false),
    ("unverified", PasskeyFault::NotVerified, |case| case.passkey.verified = false),
    ("backed up and not eligible", PasskeyFault::BackupState, |case| {
        case.authenticator_data = Some(case.passkey.authenticator_data(0x10));
    }),
    ("with a credential", PasskeyFault::AttestedCredential, |case| {
        case.authenticator_data = Some([case.passkey.authenticator_data(0x40), vec![0; 100]].concat());
    }),
    ("with extensions announced and absent", PasskeyFault::AuthenticatorData, |case| {
        case.authenticator_data = Some(case.passkey.authenticator_data(0x80));
    }),
    ("with something after its end", PasskeyFault::AuthenticatorData, |case| {
        case.authenticator_data = Some([case.passkey.authenticator_data(0), vec![0xa0]].concat());
    }),
    ("cut", PasskeyFault::AuthenticatorData, |case| {
        case.authenticator_data = Some(case.passkey.authenticator_data(0)[..36].to_vec());
    }),
    ("of nothing", PasskeyFault::AuthenticatorData, |case| case.authenticator_data = Some(Vec::new())),
    ("by another key", PasskeyFault::Signature, |case| {
        let other = SoftAuthenticator::from_seed(Algorithm::ES256, [8; 32], RELYING, ORIGIN).unwrap();
        case.key = other.public_key().unwrap();
    }),
    ("by a key of another algorithm", PasskeyFault::Signature, |case| case.passkey = soft(Algorithm::EdDSA)),
    ("by a key of another algorithm, the other way", PasskeyFault::Signature, |case| {
        case.key = soft(Algorithm::EdDSA).public_key().unwrap();
    }),
    ("by a key that is given another algorithm", PasskeyFault::PublicKey, |case| case.key.algorithm = Algorithm::EdDSA),
    ("by a key that is given RSA", PasskeyFault::PublicKey, |case| case.key.algorithm = Algorithm::RS256),
    ("by no key", PasskeyFault::PublicKey, |case| case.key.spki = String::new()),
    ("under no credential", PasskeyFault::CredentialId, |case| case.passkey = soft(Algorithm::ES256).named(&[])),
    ("under too long a credential", PasskeyFault::TooLong, |case| {
        case.passkey = soft(Algorithm::ES256).named(&[1; 1_024]);
    }),
    ("with too much client data", PasskeyFault::TooLong, |case| {
        case.replace(":false", &format!(":false,\"extra\":\"{}\"", "x".repeat(768)));
    }),
    ("with too many extensions", PasskeyFault::TooLong, |case| {
        case.authenticator_data = Some([case.passkey.authenticator_data(0x80), vec![0; 220]].concat());
    }),
];

#[test]
fn what_breaks_one_rule_is_refused_for_it() {
    assert!(Case::of(Algorithm::ES256).verify().is_ok());
    for (name, expected, breaks) in BROKEN {
        let mut case = Case::of(Algorithm::ES256);
        breaks(&mut case);
        assert_eq!(case.verify(), Err(*expected), "an assertion {name}");
    }
}

#[test]
fn client_data_is_what_browsers_make() {
    let good = Case::of(Algorithm::ES256).good_client_data();
    let fields = good.trim_start_matches('{').trim_end_matches('}');
    let text = encode(Attempt::of(Verb::Acknowledge).challenge);
    let deep = format!("{{{fields},\"more\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let wrong = [
        ("nothing", String::new()),
        ("a list", format!("[{good}]")),
        ("two objects", format!("{good}{good}")),
        ("a mark before it", format!("\u{feff}{good}")),
        ("a challenge that stands twice", format!("{{\"challenge\":\"{text}\",{fields}}}")),
        ("an origin that stands twice", format!("{{{fields},\"origin\":\"{ORIGIN}\"}}")),
        ("a frame that stands twice", format!("{{{fields},\"crossOrigin\":true}}")),
        ("a frame in words", good.replace("false", "\"false\"")),
        ("a frame that is null", good.replace("false", "null")),
        ("a type that is a number", good.replace("\"webauthn.get\"", "1")),
        ("no challenge", good.replace("challenge", "challenged")),
        ("no origin", good.replace("origin", "origins")),
        ("no type", good.replace("type", "types")),
    ];
    for (name, text) in wrong {
        let mut case = Case::of(Algorithm::ES256);
        case.client_data = Some(text.into_bytes());
        assert_eq!(case.verify(), Err(PasskeyFault::ClientData), "{name}");
    }
    let mut case = Case::of(Algorithm::ES256);
    case.client_data = Some(vec![0xff, 0xfe]);
    assert_eq!(case.verify(), Err(PasskeyFault::ClientData), "no text");

    let hint = "\"other_keys_can_be_added_here\":\"do not compare clientDataJSON against a template\"";
    let right = [
        ("as it is", good.clone()),
        ("without a frame", good.replace(",\"crossOrigin\":false", "")),
        ("in another order, with white space", format!("{{ {hint}, {fields} }}")),
        ("with more fields", format!("{{{fields},{hint},\"tokenBinding\":{{\"status\":\"supported\"}}}}")),
        ("with something deep", deep),
        ("with escapes", good.replace("https:", "https\\u003a")),
    ];
    for (name, text) in right {
        case.client_data = Some(text.into_bytes());
        assert!(case.verify().is_ok(), "{name}");
    }
}

#[test]
fn what_nobody_signed_is_refused() {
    let attempt = Attempt::of(Verb::Acknowledge);
    let case = Case::of(Algorithm::ES256);
    let good = case.assertion();
    let other = case.passkey.assert(&challenge(Verb::Acknowledge, &[3; 32], &NONCE)).unwrap();
    let spaced = encode(case.good_client_data().replace(',', ", "));
    let counted = [&decode(&good.authenticator_data)[..36], &[9]].concat();
    let signature = decode(&good.signature);
    let cases = [
        (
            "the client data of another",
            PasskeyFault::Challenge,
            Assertion { client_data: other.client_data.clone(), ..good.clone() },
        ),
        ("the signature of another", PasskeyFault::Signature, Assertion { signature: other.signature, ..good.clone() }),
        ("other white space", PasskeyFault::Signature, Assertion { client_data: spaced, ..good.clone() }),
        ("another counter", PasskeyFault::Signature, Assertion { authenticator_data: encode(counted), ..good.clone() }),
        ("no signature", PasskeyFault::Signature, Assertion { signature: String::new(), ..good.clone() }),
        (
            "a longer signature",
            PasskeyFault::Signature,
            Assertion { signature: encode([&signature[..], &[0]].concat()), ..good.clone() },
        ),
        (
            "a shorter signature",
            PasskeyFault::Signature,
            Assertion { signature: encode(&signature[..signature.len() - 1]), ..good.clone() },
        ),
        ("a raw signature", PasskeyFault::Signature, Assertion { signature: encode([1; 64]), ..good.clone() }),
        ("far too long a signature", PasskeyFault::TooLong, Assertion { signature: encode([1; 513]), ..good.clone() }),
        ("padding", PasskeyFault::Encoding, Assertion { credential: "AQ==".to_owned(), ..good.clone() }),
        ("another alphabet", PasskeyFault::Encoding, Assertion { credential: "+/+/".to_owned(), ..good.clone() }),
        ("white space", PasskeyFault::Encoding, Assertion { credential: "AQ\n".to_owned(), ..good.clone() }),
        (
            "another text of the same bytes",
            PasskeyFault::Encoding,
            Assertion { credential: "AR".to_owned(), ..good.clone() },
        ),
    ];
    for (name, expected, assertion) in cases {
        assert_eq!(attempt.assertion(&assertion, &case.key).err(), Some(expected), "{name}");
    }
    assert!(attempt.assertion(&good, &case.key).is_ok());
}

#[test]
fn extensions_are_signed_and_not_read() {
    let mut case = Case::of(Algorithm::EdDSA);
    for extensions in [&[0xa0_u8][..], &[0xff; 219]] {
        case.authenticator_data = Some([&case.passkey.authenticator_data(0x80)[..], extensions].concat());
        assert!(case.verify().is_ok());
    }
}

#[test]
fn rsa_is_with_the_padding_of_rs256_alone() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let key = PublicKey::new(Algorithm::RS256, pair.public_key().as_der().unwrap().as_ref()).unwrap();
    let case = Case::of(Algorithm::ES256);
    let good = case.assertion();
    let message = [decode(&good.authenticator_data), Sha256::digest(decode(&good.client_data)).to_vec()].concat();
    let sign = |padding: &'static dyn RsaEncoding| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(padding, &SystemRandom::new(), &message, &mut signature).unwrap();
        Assertion { signature: encode(signature), ..good.clone() }
    };
    assert!(case.attempt.assertion(&sign(&RSA_PKCS1_SHA256), &key).is_ok());
    assert_eq!(case.attempt.assertion(&sign(&RSA_PSS_SHA256), &key), Err(PasskeyFault::Signature));
}

#[test]
fn a_reader_of_the_log_needs_the_relying_party_alone() {
    let cases = [
        ("halligan.example.com", "https://halligan.example.com", true),
        ("halligan.example.com", "https://halligan.example.com:8443", true),
        ("example.com", "https://halligan.example.com", true),
        ("localhost", "http://localhost:8080", true),
        ("localhost", "http://alice.localhost", true),
        ("localhost", "https://localhost", true),
        ("example.com", "http://example.com", false),
        ("example.com", "https://example.com.example.org", false),
        ("example.com", "https://badexample.com", false),
        ("example.com", "https://.example.com", false),
        ("example.com", "https://example.org", false),
        ("example.com", "https://example.org/.example.com", false),
        ("example.com", "https://alice@example.com", false),
        ("example.com", "https://example.org?.example.com", false),
        ("example.com", "https://example.org#.example.com", false),
        ("example.com", "https://EXAMPLE.com", false),
        ("example.com", "https://example.com:", false),
        ("example.com", "https://example.com:0443", false),
        ("example.com", "https://example.com:+443", false),
        ("example.com", "https://example.com:65536", false),
        ("example.com", "https://example.com:443:443", false),
        ("example.com", "https://example.com/", false),
        ("example.com", "ftp://example.com", false),
        ("example.com", "android:apk-key-hash:example.com", false),
        ("example.com", "null", false),
        ("", "https://", false),
        ("", "https://example.com", false),
        ("", "https://example.", false),
    ];
    let challenge = challenge(Verb::Acknowledge, &REQUEST, &NONCE);
    for (relying, origin, taken) in cases {
        let passkey = SoftAuthenticator::from_seed(Algorithm::ES256, [7; 32], relying, origin).unwrap();
        let (assertion, key) = (passkey.assert(&challenge).unwrap(), passkey.public_key().unwrap());
        let expected = if taken { None } else { Some(PasskeyFault::Origin) };
        let verified = assertion.verify(&Relying::of_log(relying), &key, &challenge);
        assert_eq!(verified.err(), expected, "{relying}: {origin}");
    }
    let elsewhere = Case::of(Algorithm::ES256);
    let verified = elsewhere.assertion().verify(&Relying::of_log("example.com"), &elsewhere.key, &challenge);
    assert_eq!(verified, Err(PasskeyFault::RelyingParty), "the id is the key's, not one above it");
}

#[test]
fn an_entry_has_room_for_the_longest_that_authenticators_make() {
    let mut case = Case { key: soft(Algorithm::ES256).public_key().unwrap(), ..Case::of(Algorithm::ES256) };
    case.passkey = soft(Algorithm::ES256).named(&[1; 255]);
    case.authenticator_data = Some([case.passkey.authenticator_data(0x80), vec![0xa0; 64]].concat());
    assert!(case.verify().is_ok());
    let bytes = serde_json::to_vec(&case.assertion()).unwrap().len();
    assert!(bytes < 1_500, "{bytes} of 4,096");
}
