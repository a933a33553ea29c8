//! Registrations: each rule broken alone.

use ciborium::Value;
use halligan_log::passkey::soft::SoftAuthenticator;
use halligan_log::passkey::{Algorithm, PasskeyFault, Registration, Verb};

use super::{Attempt, decode, encode, soft};

fn read(bytes: &[u8]) -> Vec<(Value, Value)> {
    ciborium::from_reader::<Value, _>(bytes).unwrap().into_map().unwrap()
}

fn write(map: Vec<(Value, Value)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&Value::Map(map), &mut bytes).unwrap();
    bytes
}

/// A registration taken apart.
struct Parts {
    client_data: Vec<u8>,
    object: Vec<(Value, Value)>,
    /// Authenticator data before the key.
    data: Vec<u8>,
    key: Vec<(Value, Value)>,
    /// What stands after the key.
    rest: Vec<u8>,
}

impl Parts {
    fn of(passkey: &SoftAuthenticator) -> Self {
        let made = passkey.register(&Attempt::of(Verb::Enrol).challenge).unwrap();
        let object = read(&decode(&made.attestation_object));
        let data = object[2].1.as_bytes().unwrap().clone();
        let length = usize::from(u16::from_be_bytes([data[53], data[54]]));
        let (before, key) = data.split_at(55 + length);
        let (client_data, key) = (decode(&made.client_data), read(key));
        Self { client_data, object, data: before.to_vec(), key, rest: Vec::new() }
    }

    fn object(&self) -> Vec<u8> {
        let data = [self.data.clone(), write(self.key.clone()), self.rest.clone()].concat();
        let mut object = self.object.clone();
        if let Some((_, value)) = object.get_mut(2).filter(|(key, _)| key.as_text() == Some("authData")) {
            *value = Value::from(data);
        }
        write(object)
    }

    fn registration(&self) -> Registration {
        Registration { client_data: encode(&self.client_data), attestation_object: encode(self.object()) }
    }

    fn verify(&self) -> Option<PasskeyFault> {
        Attempt::of(Verb::Enrol).registration(&self.registration()).err()
    }

    /// Puts `value` under `label` of the key, or takes the label away.
    fn set(&mut self, label: i64, value: Option<Value>) {
        self.key.retain(|(known, _)| *known != Value::from(label));
        self.key.extend(value.map(|value| (Value::from(label), value)));
    }
}

#[test]
fn a_good_registration_gives_the_key() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let mut passkey = soft(algorithm).named(&[9; 1_023]);
        (passkey.synced, passkey.counter) = (true, 7);
        let attempt = Attempt::of(Verb::Enrol);
        let enrolled = attempt.registration(&passkey.register(&attempt.challenge).unwrap()).unwrap();
        assert_eq!(enrolled.public_key, passkey.public_key().unwrap());
        assert_eq!((enrolled.credential, enrolled.counter), (passkey.credential(), 7));
        assert!(enrolled.backed_up && enrolled.backup_eligible && enrolled.aaguid.is_nil());
        let used = passkey.assert(&attempt.challenge).unwrap();
        assert!(attempt.assertion(&used, &enrolled.public_key).is_ok());
    }
}

type Break = fn(&mut Parts);

fn flags(parts: &mut Parts, clear: u8, set: u8) {
    parts.data[32] = parts.data[32] & !clear | set;
}

fn client_data(parts: &mut Parts, from: &str, to: &str) {
    let good = String::from_utf8(parts.client_data.clone()).unwrap();
    assert!(good.contains(from), "{from}");
    parts.client_data = good.replace(from, to).into_bytes();
}

const BROKEN: &[(&str, PasskeyFault, Break)] = &[
    ("an assertion", PasskeyFault::Ceremony, |parts| client_data(parts, "webauthn.create", "webauthn.get")),
    ("of another origin", PasskeyFault::Origin, |parts| client_data(parts, "https://", "https://a.")),
    ("in a frame", PasskeyFault::CrossOrigin, |parts| client_data(parts, ":false", ":true")),
    ("of another challenge", PasskeyFault::Challenge, |parts| {
        client_data(parts, &encode(Attempt::of(Verb::Enrol).challenge), &encode([0; 32]));
    }),
    ("of another relying party", PasskeyFault::RelyingParty, |parts| parts.data[0] ^= 1),
    ("untouched", PasskeyFault::NotPresent, |parts| flags(parts, 0x01, 0)),
    ("unverified", PasskeyFault::NotVerified, |parts| flags(parts, 0x04, 0)),
    ("backed up and not eligible", PasskeyFault::BackupState, |parts| flags(parts, 0x08, 0x10)),
    ("without a credential", PasskeyFault::AttestedCredential, |parts| flags(parts, 0x40, 0)),
    ("of no credential id", PasskeyFault::CredentialId, |parts| parts.data[53..55].fill(0)),
    ("of too long a credential id", PasskeyFault::CredentialId, |parts| {
        parts.data[53..55].copy_from_slice(&1_024_u16.to_be_bytes());
        parts.data.extend([1; 1_024]);
    }),
    ("cut in the credential id", PasskeyFault::AuthenticatorData, |parts| parts.data[53] = 3),
    ("with extensions announced and absent", PasskeyFault::AuthenticatorData, |parts| flags(parts, 0, 0x80)),
    ("with something after the key", PasskeyFault::AuthenticatorData, |parts| parts.rest = vec![0xa0]),
    ("that attests none, with a statement", PasskeyFault::Statement, |parts| {
        parts.object[1].1 = Value::Map(vec![("sig".into(), Value::from(vec![1]))]);
    }),
    ("of a format that is no text", PasskeyFault::AttestationObject, |parts| parts.object[0].1 = 1.into()),
    ("of a statement that is no map", PasskeyFault::AttestationObject, |parts| parts.object[1].1 = Value::Null),
    ("without a format", PasskeyFault::AttestationObject, |parts| parts.object[0].0 = "form".into()),
    ("without a statement", PasskeyFault::AttestationObject, |parts| parts.object[1].0 = "statement".into()),
    ("without data", PasskeyFault::AttestationObject, |parts| parts.object.truncate(2)),
    ("with data in words", PasskeyFault::AttestationObject, |parts| {
        parts.object[2] = ("authData".into(), "words".into());
        parts.object.swap(1, 2);
    }),
    ("with two formats", PasskeyFault::AttestationObject, |parts| {
        parts.object.push(("fmt".into(), "packed".into()));
    }),
    ("with a key that is neither number nor text", PasskeyFault::AttestationObject, |parts| {
        parts.object.push((Value::Bool(true), Value::Null));
    }),
    ("with far too many fields", PasskeyFault::AttestationObject, |parts| {
        parts.object.extend((0..14).map(|at| (Value::from(at), Value::Null)));
    }),
    ("nested too deeply", PasskeyFault::AttestationObject, |parts| {
        let deep = (0..100).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        parts.object.push(("more".into(), deep));
    }),
    ("nested too deeply in tags", PasskeyFault::AttestationObject, |parts| {
        let deep = (0..100).fold(Value::Null, |inner, _| Value::Tag(0, Box::new(inner)));
        parts.object.push(("more".into(), deep));
    }),
    ("of another curve's algorithm", PasskeyFault::Algorithm, |parts| parts.set(3, Some((-35).into()))),
    ("of an algorithm that says the same in other numbers", PasskeyFault::Algorithm, |parts| {
        parts.set(3, Some((-9).into()));
    }),
    ("of an algorithm in words", PasskeyFault::PublicKey, |parts| parts.set(3, Some("ES256".into()))),
    ("without an algorithm", PasskeyFault::PublicKey, |parts| parts.set(3, None)),
    ("of an algorithm of another kind", PasskeyFault::PublicKey, |parts| parts.set(3, Some((-8).into()))),
    ("of RSA by its algorithm alone", PasskeyFault::PublicKey, |parts| parts.set(3, Some((-257).into()))),
    ("of another kind", PasskeyFault::PublicKey, |parts| parts.set(1, Some(1.into()))),
    ("of another curve", PasskeyFault::PublicKey, |parts| parts.set(-1, Some(2.into()))),
    ("of half a point", PasskeyFault::PublicKey, |parts| parts.set(-3, None)),
    ("of a compressed point", PasskeyFault::PublicKey, |parts| parts.set(-3, Some(Value::Bool(true)))),
    ("of a short point", PasskeyFault::PublicKey, |parts| parts.set(-2, Some(Value::from(vec![1; 31])))),
    ("of a long point", PasskeyFault::PublicKey, |parts| parts.set(-2, Some(Value::from(vec![1; 33])))),
    ("of a point that is not on the curve", PasskeyFault::PublicKey, |parts| {
        parts.set(-3, Some(Value::from(vec![1; 32])));
    }),
    ("of no point", PasskeyFault::PublicKey, |parts| {
        parts.set(-2, Some(Value::from(vec![0; 32])));
        parts.set(-3, Some(Value::from(vec![0; 32])));
    }),
    ("of a point beyond the field", PasskeyFault::PublicKey, |parts| {
        parts.set(-2, Some(Value::from(vec![0xff; 32])));
    }),
    ("with a private key", PasskeyFault::PublicKey, |parts| parts.set(-4, Some(Value::from(vec![7; 32])))),
    ("with two curves", PasskeyFault::PublicKey, |parts| parts.key.push((Value::from(-1), Value::from(2)))),
];

#[test]
fn what_breaks_one_rule_is_refused_for_it() {
    assert_eq!(Parts::of(&soft(Algorithm::ES256)).verify(), None);
    for (name, expected, breaks) in BROKEN {
        let mut parts = Parts::of(&soft(Algorithm::ES256));
        breaks(&mut parts);
        assert_eq!(parts.verify(), Some(*expected), "a registration {name}");
    }
}

#[test]
fn the_other_algorithms() {
    let rsa = |n: Vec<u8>, e: Vec<u8>| {
        let mut parts = Parts::of(&soft(Algorithm::EdDSA));
        let fields = [(1, 3.into()), (3, (-257).into()), (-1, Value::from(n)), (-2, Value::from(e))];
        parts.key = fields.into_iter().map(|(label, value): (i64, Value)| (label.into(), value)).collect();
        parts
    };
    let modulus = [vec![0xc1; 255], vec![1]].concat();
    let ed = |label: i64, value: Value| {
        let mut parts = Parts::of(&soft(Algorithm::EdDSA));
        parts.set(label, Some(value));
        parts
    };
    let refused = Some(PasskeyFault::PublicKey);
    let cases = [
        ("RSA with 2,048 bits", rsa(modulus.clone(), vec![1, 0, 1]), None),
        ("RSA with 1,024 bits", rsa(modulus[128..].to_vec(), vec![1, 0, 1]), refused),
        ("RSA with 8,192 bits", rsa([vec![0xc1; 768], modulus.clone()].concat(), vec![1, 0, 1]), refused),
        ("RSA with a zero before it", rsa([vec![0], modulus.clone()].concat(), vec![1, 0, 1]), refused),
        ("RSA of a small exponent", rsa(modulus.clone(), vec![3]), refused),
        ("RSA of the exponent 1", rsa(modulus.clone(), vec![1]), refused),
        ("RSA of no exponent", rsa(modulus, Vec::new()), refused),
        ("RSA of no modulus", rsa(Vec::new(), vec![1, 0, 1]), refused),
        ("Ed25519 of 31 bytes", ed(-2, Value::from(vec![1; 31])), refused),
        ("Ed25519 with a y", ed(-3, Value::from(vec![1; 32])), refused),
        ("Ed448", ed(-1, 7.into()), refused),
        ("Ed25519 as P-256", ed(-1, 1.into()), refused),
    ];
    for (name, parts, expected) in cases {
        assert_eq!(parts.verify(), expected, "{name}");
    }
}

#[test]
fn what_is_passed_over() {
    let mut parts = Parts::of(&soft(Algorithm::ES256));
    parts.object[0].1 = "packed".into();
    parts.object[1].1 = Value::Map(vec![("sig".into(), Value::from(vec![1])), ("alg".into(), 7.into())]);
    assert_eq!(parts.verify(), None, "a statement that is not asked for");
    parts.object.push(("more".into(), Value::Null));
    assert_eq!(parts.verify(), None, "a field that nobody knows");
    flags(&mut parts, 0, 0x80);
    parts.rest = vec![0xa1, 0x61, 0x61, 0xf5];
    assert_eq!(parts.verify(), None, "extensions");
}

#[test]
fn a_key_that_may_be_copied_is_not_one_that_was() {
    let mut parts = Parts::of(&soft(Algorithm::ES256));
    flags(&mut parts, 0x10, 0x08);
    let enrolled = Attempt::of(Verb::Enrol).registration(&parts.registration()).unwrap();
    assert!(enrolled.backup_eligible && !enrolled.backed_up);
}

/// Cut anywhere it is refused, and never for what is checked last.
#[test]
fn a_cut_is_refused() {
    let attempt = Attempt::of(Verb::Enrol);
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let parts = Parts::of(&soft(algorithm));
        let whole = parts.object();
        for end in 0..whole.len() {
            let cut = Registration { attestation_object: encode(&whole[..end]), ..parts.registration() };
            assert_eq!(attempt.registration(&cut), Err(PasskeyFault::AttestationObject), "{end}");
        }
        let data = [parts.data.clone(), write(parts.key.clone())].concat();
        for end in 0..data.len() {
            let mut cut = Parts::of(&soft(algorithm));
            cut.object[2] = ("authData".into(), Value::from(&data[..end]));
            cut.object.swap(1, 2);
            let refused = [PasskeyFault::AuthenticatorData, PasskeyFault::PublicKey];
            assert!(cut.verify().is_some_and(|fault| refused.contains(&fault)), "{end}");
        }
        let longer = Registration { attestation_object: encode([&whole[..], &[0]].concat()), ..parts.registration() };
        assert_eq!(attempt.registration(&longer), Err(PasskeyFault::AttestationObject));
    }
}

#[test]
fn what_is_too_long_is_not_read() {
    let (attempt, good) = (Attempt::of(Verb::Enrol), Parts::of(&soft(Algorithm::ES256)).registration());
    let long = Registration { attestation_object: "o".repeat(21_847), ..good.clone() };
    assert_eq!(attempt.registration(&long), Err(PasskeyFault::TooLong));
    let long = Registration { client_data: "e".repeat(1_025), ..good };
    assert_eq!(attempt.registration(&long), Err(PasskeyFault::TooLong));
}
