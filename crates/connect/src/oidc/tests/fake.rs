//! A provider that says whatever a test wants, signed or not.

use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::test_server::TestServer;

/// A key of P-256, and its name.
pub(super) struct Key {
    pair: EcdsaKeyPair,
    pub(super) kid: &'static str,
}

impl Key {
    pub(super) fn new(kid: &'static str) -> Self {
        Self { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(), kid }
    }

    pub(super) fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let half = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": half(&point[1..33]), "y": half(&point[33..]),
        })
    }

    /// The public key, as somebody would use it who takes it for a secret.
    pub(super) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// A compact JWS with any header.
    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = signing_input(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The same by HMAC-SHA256, whatever the header says.
pub(super) fn sign_with_secret(secret: &[u8], header: &Value, claims: &Value) -> String {
    let signed = signing_input(header, claims);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

pub(super) fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// What it answers at each path, until told otherwise.
pub(super) struct Fake {
    pub(super) server: TestServer,
    answers: Arc<Mutex<Vec<(String, u16, String)>>>,
}

impl Fake {
    /// With a description of itself, and nothing else.
    pub(super) async fn start() -> Self {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let known = Arc::clone(&answers);
        let server = TestServer::start(move |request: Request, _| std::future::ready(answer(&request, &known))).await;
        let fake = Self { server, answers };
        fake.describe(json!({}));
        fake
    }

    pub(super) fn issuer(&self) -> String {
        format!("http://{}", self.server.address)
    }

    pub(super) fn describe(&self, more: Value) {
        let issuer = self.issuer();
        let mut metadata = json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/keys"),
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "device_authorization_endpoint": format!("{issuer}/device"),
            "revocation_endpoint": format!("{issuer}/revoke"),
        });
        for (name, value) in more.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        self.set("/.well-known/openid-configuration", 200, &metadata.to_string());
    }

    pub(super) fn keys(&self, keys: &[Value]) {
        self.set("/keys", 200, &json!({ "keys": keys }).to_string());
    }

    pub(super) fn give(&self, id_token: &str) {
        let tokens = json!({ "access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": id_token });
        self.set("/token", 200, &tokens.to_string());
    }

    /// The latest word on a path counts.
    pub(super) fn set(&self, path: &str, status: u16, body: &str) {
        self.answers.lock().unwrap().push((path.to_owned(), status, body.to_owned()));
    }
}

fn answer(request: &Request, answers: &Mutex<Vec<(String, u16, String)>>) -> Response {
    let answers = answers.lock().unwrap();
    match answers.iter().rev().find(|(path, ..)| path == request.uri().path()) {
        Some((_, status, body)) => {
            let status = StatusCode::from_u16(*status).unwrap();
            (status, [(CONTENT_TYPE, "application/json")], body.clone()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
