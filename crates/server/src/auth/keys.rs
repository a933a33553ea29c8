//! Keys that tokens are checked with: of the configuration, or of a JWK set (RFC 7517).
//!
//! What a set holds beside keys for signatures of ours is passed over, and a name that
//! two keys have is nobody's: a token can't choose between them, nor between algorithms.

use std::collections::BTreeMap;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{AlgorithmFamily, DecodingKey};
use serde_json::Value;

use super::algorithm::Algorithm;

/// More keys than any issuer has; what comes after them is not looked at.
const KEYS_MAX: usize = 100;
/// An RSA modulus of 2,048 bits, in base64url.
const MODULUS_CHARACTERS_MIN: usize = 342;
/// 32 and 48 bytes in base64url: coordinates of P-256 and Ed25519, and of P-384.
const CHARACTERS_32: usize = 43;
const CHARACTERS_48: usize = 64;

/// A public key, and the algorithms that it may be used with.
pub(super) struct Key {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// Keys of one issuer.
pub(super) struct KeySet(Vec<Key>);

impl Key {
    /// A key of the configuration: any usable sort, with those of `algorithms` that fit it.
    pub fn from_pem(kid: Option<String>, pem: &str, algorithms: &[Algorithm]) -> Option<Self> {
        // The library takes an RSA private key or a certificate for a public key.
        // Neither belongs into a configuration of public halves.
        let public = ["-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----"]
            .iter()
            .any(|begin| pem.trim_start().starts_with(begin));
        if !public {
            return None;
        }
        let bytes = pem.as_bytes();
        let key = DecodingKey::from_ed_pem(bytes)
            .or_else(|_| DecodingKey::from_ec_pem(bytes))
            .or_else(|_| DecodingKey::from_rsa_pem(bytes))
            .ok()?;
        Some(Self { kid, algorithms: of_family(key.family(), algorithms), key })
    }

    /// A key of a set, if it is one for signatures of `algorithms`.
    fn from_jwk(jwk: &Value, algorithms: &[Algorithm]) -> Option<Self> {
        // A private or a secret half that is published is anybody's.
        if ["d", "k"].iter().any(|secret| jwk.get(secret).is_some()) {
            return None;
        }
        let read: Jwk = serde_json::from_value(jwk.clone()).ok()?;
        let common = &read.common;
        if common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature)
            || common.key_operations.as_ref().is_some_and(|allowed| !allowed.contains(&KeyOperations::Verify))
        {
            return None;
        }
        let mut fitting = match &read.algorithm {
            AlgorithmParameters::RSA(key) if key.n.len() >= MODULUS_CHARACTERS_MIN && !key.e.is_empty() => {
                of_family(AlgorithmFamily::Rsa, algorithms)
            }
            AlgorithmParameters::EllipticCurve(key) => match &key.curve {
                EllipticCurve::P256 if [&key.x, &key.y].iter().all(|text| text.len() == CHARACTERS_32) => {
                    only(Algorithm::ES256, algorithms)
                }
                EllipticCurve::P384 if [&key.x, &key.y].iter().all(|text| text.len() == CHARACTERS_48) => {
                    only(Algorithm::ES384, algorithms)
                }
                _ => Vec::new(),
            },
            AlgorithmParameters::OctetKeyPair(key)
                if key.curve == EllipticCurve::Ed25519 && key.x.len() == CHARACTERS_32 =>
            {
                only(Algorithm::EdDSA, algorithms)
            }
            _ => Vec::new(),
        };
        // Read as text: the library takes what it doesn't know for something that it is not.
        if let Some(named) = jwk.get("alg") {
            fitting.retain(|algorithm| named.as_str() == Some(algorithm.as_str()));
        }
        if fitting.is_empty() {
            return None;
        }
        let key = DecodingKey::from_jwk(&read).ok()?;
        Some(Self { kid: read.common.key_id, algorithms: fitting, key })
    }

    /// Whether it may be used with it.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }
}

impl KeySet {
    /// Of these.
    pub const fn new(keys: Vec<Key>) -> Self {
        Self(keys)
    }

    /// The usable keys of a JWK set. None: it has none, or is no JWK set.
    pub fn from_jwks(text: &str, algorithms: &[Algorithm]) -> Option<Self> {
        let set: Value = serde_json::from_str(text).ok()?;
        let all = set.get("keys")?.as_array()?;
        let usable = all.iter().take(KEYS_MAX).filter_map(|jwk| Key::from_jwk(jwk, algorithms));
        let mut keys: Vec<Key> = usable.collect();
        let mut of_name: BTreeMap<String, usize> = BTreeMap::new();
        for kid in keys.iter().filter_map(|key| key.kid.as_ref()) {
            *of_name.entry(kid.clone()).or_default() += 1;
        }
        keys.retain(|key| key.kid.as_ref().is_none_or(|kid| of_name.get(kid) == Some(&1)));
        if keys.is_empty() { None } else { Some(Self(keys)) }
    }

    /// Whether it has a key of this name.
    pub fn knows(&self, kid: Option<&str>) -> bool {
        self.0.iter().any(|key| key.kid.as_deref() == kid)
    }

    /// The keys that a token of this header may be signed with.
    pub fn fitting<'a>(&'a self, kid: Option<&'a str>, algorithm: Algorithm) -> impl Iterator<Item = &'a DecodingKey> {
        let fits = move |key: &&Key| key.kid.as_deref() == kid && key.fits(algorithm);
        self.0.iter().filter(fits).map(|key| &key.key)
    }
}

fn of_family(family: AlgorithmFamily, algorithms: &[Algorithm]) -> Vec<Algorithm> {
    algorithms.iter().copied().filter(|algorithm| algorithm.family() == family).collect()
}

fn only(one: Algorithm, algorithms: &[Algorithm]) -> Vec<Algorithm> {
    algorithms.iter().copied().filter(|algorithm| *algorithm == one).collect()
}
