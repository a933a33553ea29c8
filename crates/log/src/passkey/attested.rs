//! The credential in a registration: the only CBOR there is
//! ([§6.5](https://www.w3.org/TR/webauthn-3/#sctn-attestation)).

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::RsaPublicKeyComponents;
use ciborium::Value;
use uuid::Uuid;

use super::CREDENTIAL_BYTES_MAX;
use super::fault::PasskeyFault;
use super::key::{Algorithm, PublicKey};

/// How deep a map may nest. Certificates in a statement are at 3.
const DEPTH_MAX: usize = 16;
/// How many entries a map may have. A key has 5.
const ENTRIES_MAX: usize = 16;

/// The authenticator data in an attestation object.
pub(super) fn authenticator_data(object: &[u8]) -> Result<Vec<u8>, PasskeyFault> {
    let malformed = PasskeyFault::AttestationObject;
    let (object, rest) = Map::read(object).ok_or(malformed)?;
    let (Some(format), Some(statement)) = (object.text("fmt"), object.map("attStmt")) else {
        return Err(malformed);
    };
    if !rest.is_empty() {
        return Err(malformed);
    }
    if format == "none" && !statement.is_empty() {
        return Err(PasskeyFault::Statement);
    }
    object.bytes(&Value::from("authData")).map(<[u8]>::to_vec).ok_or(malformed)
}

/// What an authenticator made.
pub(super) struct AttestedCredential<'a> {
    pub(super) aaguid: Uuid,
    pub(super) credential: &'a [u8],
    pub(super) public_key: PublicKey,
}

impl<'a> AttestedCredential<'a> {
    /// The credential at the start of `bytes`, and what follows it.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), PasskeyFault> {
        let short = PasskeyFault::AuthenticatorData;
        let (&aaguid, rest) = bytes.split_first_chunk().ok_or(short)?;
        let (&length, rest) = rest.split_first_chunk().ok_or(short)?;
        let length = usize::from(u16::from_be_bytes(length));
        if length == 0 || length > CREDENTIAL_BYTES_MAX {
            return Err(PasskeyFault::CredentialId);
        }
        let (credential, rest) = rest.split_at_checked(length).ok_or(short)?;
        let (key, rest) = Map::read(rest).ok_or(PasskeyFault::PublicKey)?;
        let public_key = public_key(&key)?;
        Ok((Self { aaguid: Uuid::from_bytes(aaguid), credential, public_key }, rest))
    }
}

/// Labels of COSE keys (RFC 9052, 7.1; RFC 9053, 7; RFC 8230, 4).
const KIND: i64 = 1;
const ALGORITHM: i64 = 3;
const CURVE: i64 = -1;
const X: i64 = -2;
const Y: i64 = -3;
const MODULUS: i64 = -1;
const EXPONENT: i64 = -2;

/// Kinds and curves.
const OKP: i64 = 1;
const EC2: i64 = 2;
const RSA: i64 = 3;
const P256: i64 = 1;
const CURVE_ED25519: i64 = 6;

/// The key of a COSE map that has what its algorithm demands and, as WebAuthn has it,
/// nothing else.
fn public_key(key: &Map) -> Result<PublicKey, PasskeyFault> {
    let wrong = PasskeyFault::PublicKey;
    let number = key.number(ALGORITHM).ok_or(wrong)?;
    let algorithm = Algorithm::ALL.into_iter().find(|known| known.cose() == number).ok_or(PasskeyFault::Algorithm)?;
    let (kind, curve, entries) = match algorithm {
        Algorithm::ES256 => (EC2, Some(P256), 5),
        Algorithm::EdDSA => (OKP, Some(CURVE_ED25519), 4),
        Algorithm::RS256 => (RSA, None, 4),
    };
    if key.number(KIND) != Some(kind) || key.number(CURVE) != curve || key.0.len() != entries {
        return Err(wrong);
    }
    let part = |label: i64| key.bytes(&Value::from(label)).ok_or(wrong);
    let sized = |label: i64| part(label)?.try_into().map_err(|_| wrong);
    match algorithm {
        Algorithm::ES256 => {
            let (x, y): ([u8; 32], [u8; 32]) = (sized(X)?, sized(Y)?);
            // Uncompressed, as SEC 1 has it; that it is on the curve is checked.
            PublicKey::new(algorithm, &[&[0x04], x.as_slice(), y.as_slice()].concat())
        }
        Algorithm::EdDSA => {
            let x: [u8; 32] = sized(X)?;
            PublicKey::new(algorithm, &x)
        }
        Algorithm::RS256 => {
            let components = RsaPublicKeyComponents { n: part(MODULUS)?, e: part(EXPONENT)? };
            PublicKey::new(algorithm, components.as_der().map_err(|_| wrong)?.as_ref())
        }
    }
}

/// A CBOR map whose keys are integers and texts, none of them twice.
struct Map(Vec<(Value, Value)>);

impl Map {
    /// The map at the start of `bytes`, and what follows it.
    fn read(mut bytes: &[u8]) -> Option<(Self, &[u8])> {
        let value = ciborium::de::from_reader_with_recursion_limit(&mut bytes, DEPTH_MAX).ok()?;
        let Value::Map(entries) = value else { return None };
        let named = entries.iter().all(|(key, _)| key.is_integer() || key.is_text());
        let twice = |(at, (key, _)): (usize, &(Value, Value))| entries.iter().take(at).any(|(other, _)| other == key);
        let good = entries.len() <= ENTRIES_MAX && named && !entries.iter().enumerate().any(twice);
        good.then_some((Self(entries), bytes))
    }

    fn get(&self, key: &Value) -> Option<&Value> {
        self.0.iter().find_map(|(known, value)| (known == key).then_some(value))
    }

    fn bytes(&self, key: &Value) -> Option<&[u8]> {
        self.get(key)?.as_bytes().map(Vec::as_slice)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.get(&Value::from(key))?.as_text()
    }

    fn map(&self, key: &str) -> Option<&[(Value, Value)]> {
        self.get(&Value::from(key))?.as_map().map(Vec::as_slice)
    }

    fn number(&self, label: i64) -> Option<i64> {
        self.get(&Value::from(label))?.as_integer()?.try_into().ok()
    }
}
