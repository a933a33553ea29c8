#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod keys;
mod published;
mod rules;
mod swapped;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use halligan_engine::fakes::environment::FakeClock;
use halligan_engine::ports::ProviderError;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use super::*;

const ISSUER: &str = "https://login.example.com";
const MACHINES: &str = "https://ci.example.com";
const NOW: i64 = 1_772_334_000;

/// What issuers publish: counted, and behind a gate.
pub(crate) struct FakeKeySets {
    answer: Mutex<Result<String, ProviderError>>,
    asked: AtomicUsize,
    /// Told of each question.
    pub arrived: Notify,
    gate: Semaphore,
}

impl FakeKeySets {
    /// They can't be reached.
    pub fn down() -> Arc<Self> {
        let down = Err(ProviderError::Unavailable("connection refused".to_owned()));
        let gate = Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self { answer: Mutex::new(down), asked: AtomicUsize::new(0), arrived: Notify::new(), gate })
    }

    /// For who has no issuer that publishes any.
    pub fn none() -> Arc<dyn KeySets> {
        Self::down()
    }

    /// They serve these keys.
    pub fn serving(keys: &[Value]) -> Arc<Self> {
        let sets = Self::down();
        sets.serve(keys);
        sets
    }

    /// From now on they do.
    pub fn serve(&self, keys: &[Value]) {
        self.answer(Ok(json!({"keys": keys}).to_string()));
    }

    pub fn answer(&self, answer: Result<String, ProviderError>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// How often they were asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// No answer leaves.
    pub fn shut(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS);
    }
}

#[async_trait]
impl KeySets for FakeKeySets {
    async fn key_set(&self, _: &str) -> Result<String, ProviderError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.arrived.notify_one();
        drop(self.gate.acquire().await);
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Two issuers with keys of their own, of people and of machines.
struct Desk {
    authenticator: Authenticator,
    people: KeyPair,
    second: KeyPair,
    machines: KeyPair,
    elliptic: KeyPair,
}

fn key_of(kind: &'static rcgen::SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(kind).unwrap()
}

fn clock() -> Arc<FakeClock> {
    Arc::new(FakeClock::at(Timestamp::from_second(NOW).unwrap()))
}

fn issuer(name: &str, keys: &[(Option<&str>, &KeyPair)], algorithms: &[Algorithm]) -> Issuer {
    let keys = keys.iter().map(|(kid, key)| TokenKey { kid: kid.map(str::to_owned), pem: key.public_key_pem() });
    Issuer {
        issuer: name.to_owned(),
        audiences: vec!["halligan".to_owned(), "command-line".to_owned()],
        keys: IssuerKeys::Fixed(keys.collect()),
        algorithms: algorithms.to_vec(),
        max_lifetime: SignedDuration::from_hours(1),
    }
}

fn authenticator(
    issuers: Vec<Issuer>,
    sets: Arc<FakeKeySets>,
    clock: Arc<FakeClock>,
) -> Result<Authenticator, IssuerError> {
    let sets: Arc<dyn KeySets> = sets;
    Authenticator::new(issuers, &sets, clock)
}

fn desk() -> Desk {
    let (people, second, machines) = (key_of(&PKCS_ED25519), key_of(&PKCS_ED25519), key_of(&PKCS_ED25519));
    let elliptic = key_of(&PKCS_ECDSA_P256_SHA256);
    let keys = [(None, &people), (Some("second"), &second), (Some("elliptic"), &elliptic)];
    let issuers = vec![
        issuer(ISSUER, &keys, &[Algorithm::EdDSA, Algorithm::ES256]),
        issuer(MACHINES, &[(None, &machines)], &[Algorithm::EdDSA]),
    ];
    let authenticator = authenticator(issuers, FakeKeySets::down(), clock()).unwrap();
    Desk { authenticator, people, second, machines, elliptic }
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "alice@example.com", "aud": "halligan", "iat": NOW - 10, "exp": NOW + 600, "jti": "1"})
}

fn with(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Value {
    let mut claims = claims();
    change(claims.as_object_mut().unwrap());
    claims
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

/// The key's own algorithm, as the library names it.
fn algorithm_of(key: &KeyPair) -> jsonwebtoken::Algorithm {
    for (kind, algorithm) in [
        (&PKCS_ED25519, jsonwebtoken::Algorithm::EdDSA),
        (&PKCS_ECDSA_P256_SHA256, jsonwebtoken::Algorithm::ES256),
        (&PKCS_ECDSA_P384_SHA384, jsonwebtoken::Algorithm::ES384),
        (&PKCS_RSA_SHA256, jsonwebtoken::Algorithm::RS256),
    ] {
        if key.is_compatible(kind) {
            return algorithm;
        }
    }
    panic!("a key of another sort")
}

fn sign(message: &str, key: &KeyPair) -> String {
    let (algorithm, pem) = (algorithm_of(key), key.serialize_pem());
    let encoding = match algorithm {
        jsonwebtoken::Algorithm::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes()),
        jsonwebtoken::Algorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
        _ => EncodingKey::from_ec_pem(pem.as_bytes()),
    };
    jsonwebtoken::crypto::sign(message.as_bytes(), &encoding.unwrap(), algorithm).unwrap()
}

/// A token of any header and payload, as bytes: libraries won't make the wrong ones.
fn token(header: &Value, payload: &str, key: &KeyPair) -> String {
    let message = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(payload.as_bytes()));
    let signature = sign(&message, key);
    format!("{message}.{signature}")
}

fn plain(claims: &Value, key: &KeyPair) -> String {
    token(&json!({"typ": "JWT", "alg": "EdDSA"}), &claims.to_string(), key)
}

/// A good token of this key, which has this name in the set.
fn named(kid: &str, key: &KeyPair) -> String {
    named_of(kid, key, &claims())
}

fn named_of(kid: &str, key: &KeyPair, claims: &Value) -> String {
    token(&json!({"alg": algorithm_of(key), "kid": kid}), &claims.to_string(), key)
}

/// The public half as a key of a set, with more members.
pub(crate) fn jwk(kid: &str, key: &KeyPair, more: &Value) -> Value {
    let pem = key.public_key_pem();
    let decoding = match algorithm_of(key) {
        jsonwebtoken::Algorithm::EdDSA => DecodingKey::from_ed_pem(pem.as_bytes()),
        jsonwebtoken::Algorithm::RS256 => DecodingKey::from_rsa_pem(pem.as_bytes()),
        _ => DecodingKey::from_ec_pem(pem.as_bytes()),
    };
    let mut jwk = serde_json::to_value(Jwk::from_decoding_key(&decoding.unwrap(), None).unwrap()).unwrap();
    jwk["kid"] = json!(kid);
    jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    jwk
}

fn header(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
}

impl Desk {
    async fn bearing(&self, token: &str) -> Result<(String, Claims), AuthError> {
        self.authenticator.verified(&header(&format!("Bearer {token}"))).await.map(|(_, said)| said)
    }

    async fn fault(&self, token: &str) -> TokenFault {
        match self.bearing(token).await {
            Err(AuthError::Token(fault)) => fault,
            other => panic!("{other:?}"),
        }
    }
}
