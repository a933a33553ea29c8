//! Where issuers of other tokens publish their keys.

use std::sync::Arc;

use halligan_engine::ports::KeySets as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::fake::{Fake, Key};
use super::real::Provider;
use super::*;

fn at(issuer: &str, jwks_uri: Option<String>) -> KeySource {
    KeySource { issuer: issuer.to_owned(), jwks_uri, ..KeySource::default() }
}

#[tokio::test]
async fn they_are_found_by_discovery_or_where_the_configuration_says() {
    let (real, fake) = (Provider::start(&[BACK]), Fake::start().await);
    let key = Key::new("one");
    fake.keys(&[key.jwk()]);
    // As little as GitHub Actions says of itself.
    let little = json!({ "issuer": fake.issuer(), "jwks_uri": format!("{}/keys", fake.issuer()) });
    fake.set("/.well-known/openid-configuration", 200, &little.to_string());
    let sources = [
        at(&real.issuer, None),
        at(&fake.issuer(), None),
        at("kubernetes/serviceaccount", Some(format!("{}/keys", fake.issuer()))),
    ];
    let sets = HttpKeySets::new(sources).unwrap();
    let parsed = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    let found = parsed(sets.key_set(&real.issuer).await.unwrap());
    assert_eq!(found["keys"].as_array().unwrap().len(), 2);
    for issuer in [fake.issuer().as_str(), "kubernetes/serviceaccount"] {
        assert_eq!(parsed(sets.key_set(issuer).await.unwrap()), json!({ "keys": [key.jwk()] }), "{issuer}");
    }

    // Each call asks.
    real.rotate_keys(false).await;
    assert_ne!(parsed(sets.key_set(&real.issuer).await.unwrap()), found);
    let reason = refused(sets.key_set("https://token.actions.example.com").await);
    assert_eq!(reason, "the issuer is not among those whose tokens are taken");
}

#[tokio::test]
async fn sets_that_are_none() {
    let (real, fake) = (Provider::start(&[BACK]), Fake::start().await);
    let sets = HttpKeySets::new([at(&fake.issuer(), None), at(&real.issuer, None)]).unwrap();
    let long = "x".repeat(call::ANSWER_BYTES_MAX + 1);
    let mut said = Vec::new();
    for (name, status, body) in [
        ("no JSON", 200, "keys"),
        ("no set", 200, "{}"),
        ("a set of texts", 200, r#"{"keys": ["a"]}"#),
        ("empty", 200, r#"{"keys": []}"#),
        ("too long", 200, &long),
        ("not there", 404, ""),
        ("elsewhere", 302, ""),
        ("hidden", 401, ""),
        ("unwell", 502, ""),
    ] {
        fake.set("/keys", status, body);
        said.push(format!("{name}: {}", sets.key_set(&fake.issuer()).await.unwrap_err()));
    }
    real.behave(&json!({ "issuer": fake.issuer() })).await;
    let reason = sets.key_set(&real.issuer).await.unwrap_err().to_string();
    said.push(reason.replace(&fake.issuer(), "[fake]").replace(&real.issuer, "[real]"));
    insta::assert_snapshot!(said.join("\n"), @r#"
    no JSON: the identity provider's answer is refused: its key set is no JWK set: expected JSON with `keys`
    no set: the identity provider's answer is refused: its key set is no JWK set: expected JSON with `keys`
    a set of texts: the identity provider's answer is refused: its key set is no JWK set: expected JSON with `keys`
    empty: the identity provider can't be reached: its key set is empty
    too long: the identity provider's answer is refused: its key set answers with more than 262144 bytes
    not there: the identity provider's answer is refused: its key set answered 404
    elsewhere: the identity provider's answer is refused: its key set answered with a redirect (302), which is not followed
    hidden: the identity provider's answer is refused: its key set answered 401
    unwell: the identity provider can't be reached: its key set answered 502
    the identity provider's answer is refused: it describes itself as the issuer `[fake]`: expected `[real]`, to the letter
    "#);
}

/// A cluster's API server: its own authority, and keys for those alone who show a token.
struct Cluster {
    port: u16,
    files: TempDir,
}

impl Cluster {
    async fn start(token: &'static str) -> Self {
        let files = TempDir::new().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(files.path().join("ca.crt"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config =
            ServerConfig::builder_with_provider(Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
                .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Whoever doesn't trust us hangs up.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                let request = String::from_utf8(request).unwrap().to_lowercase();
                let answer = if request.contains(&format!("authorization: bearer {token}\r\n")) {
                    let body = r#"{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}"#;
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
                } else {
                    "HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned()
                };
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        Self { port, files }
    }

    fn source(&self) -> KeySource {
        KeySource {
            issuer: "https://kubernetes.default.svc".to_owned(),
            jwks_uri: Some(format!("https://localhost:{}/openid/v1/jwks", self.port)),
            ca_file: Some(self.files.path().join("ca.crt")),
            bearer_file: Some(self.files.path().join("token")),
        }
    }
}

#[tokio::test]
async fn a_clusters_keys_are_had_with_its_authority_and_a_token() {
    let cluster = Cluster::start("second").await;
    let issuer = "https://kubernetes.default.svc";
    let sets = HttpKeySets::new([cluster.source()]).unwrap();
    let reason = unavailable(sets.key_set(issuer).await);
    assert!(reason.starts_with("the token to show to it can't be read from `"), "{reason}");
    let token = cluster.files.path().join("token");
    std::fs::write(&token, "first\n").unwrap();
    assert_eq!(refused(sets.key_set(issuer).await), "its key set answered 403");
    // Kubernetes writes a new one now and then.
    std::fs::write(&token, "second\n").unwrap();
    assert!(sets.key_set(issuer).await.unwrap().contains("RSA"));
    std::fs::write(&token, "two\nlines").unwrap();
    assert_eq!(refused(sets.key_set(issuer).await), "its key set can't be asked for: the token is no header");

    std::fs::write(&token, "second").unwrap();
    let strangers = HttpKeySets::new([KeySource { ca_file: None, ..cluster.source() }]).unwrap();
    let reason = unavailable(strangers.key_set(issuer).await);
    assert!(reason.starts_with("its key set can't be reached: "), "{reason}");
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(cluster.files.path().join("ca.crt"), other.cert.pem()).unwrap();
    unavailable(HttpKeySets::new([cluster.source()]).unwrap().key_set(issuer).await);
}

#[test]
fn sources_that_are_no_use() {
    let files = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(files.path().join(name), text).unwrap();
        Some(files.path().join(name))
    };
    let good = || at("https://token.actions.example.com", None);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let mut said = Vec::new();
    for (name, sources) in [
        ("in the open", vec![at("http://login.example.com", None)]),
        ("a name without a place", vec![at("kubernetes/serviceaccount", None)]),
        ("keys in the open", vec![at("a", Some("http://login.example.com/keys".to_owned()))]),
        ("keys nowhere", vec![at("a", Some("keys".to_owned()))]),
        ("twice", vec![good(), good()]),
        ("no such file", vec![KeySource { ca_file: Some(files.path().join("none")), ..good() }]),
        ("an empty file", vec![KeySource { ca_file: file("empty", ""), ..good() }]),
        ("no certificate", vec![KeySource { ca_file: file("text", "hello"), ..good() }]),
        ("a broken certificate", vec![KeySource { ca_file: file("broken", broken), ..good() }]),
    ] {
        let reason = HttpKeySets::new(sources).unwrap_err();
        said.push(format!("{name}: {}", reason.replace(files.path().to_str().unwrap(), "[files]")));
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    in the open: issuer `http://login.example.com`: issuer: is not https: expected https, or http to this machine's loopback
    a name without a place: issuer `kubernetes/serviceaccount`: issuer: is not a URL (relative URL without a base): expected the provider's issuer, such as `https://example.okta.com`
    keys in the open: issuer `a`: jwks_uri: is not https: expected https, or http to this machine's loopback
    keys nowhere: issuer `a`: jwks_uri: is not a URL (relative URL without a base)
    twice: issuer `https://token.actions.example.com`: is there twice
    no such file: issuer `https://token.actions.example.com`: ca_file: can't be read (No such file or directory (os error 2)): expected a file of certificates in PEM
    an empty file: issuer `https://token.actions.example.com`: ca_file: holds no certificate: expected a file of certificates in PEM
    no certificate: issuer `https://token.actions.example.com`: ca_file: holds no certificate: expected a file of certificates in PEM
    a broken certificate: issuer `https://token.actions.example.com`: ca_file: can't be asked over TLS on this machine: builder error: invalid peer certificate: BadEncoding
    "#);
}
