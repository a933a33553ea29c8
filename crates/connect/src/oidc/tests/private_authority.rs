//! A provider for whose host only its own authority vouches.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::fake::{Fake, Key};
use super::*;

/// TLS, before a provider that says what a test wants.
struct Behind {
    fake: Fake,
    issuer: String,
    files: TempDir,
}

impl Behind {
    async fn start() -> Self {
        let (fake, files) = (Fake::start().await, TempDir::new().unwrap());
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(files.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, behind) = (listener.local_addr().unwrap().port(), fake.server.address);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Whoever doesn't trust us hangs up.
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut behind = TcpStream::connect(behind).await.unwrap();
                    drop(copy_bidirectional(&mut stream, &mut behind).await);
                });
            }
        });
        let issuer = format!("https://localhost:{port}");
        let at = |path: &str| format!("{issuer}{path}");
        fake.describe(json!({
            "issuer": issuer, "jwks_uri": at("/keys"), "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"), "device_authorization_endpoint": at("/device"),
            "revocation_endpoint": at("/revoke"),
        }));
        Self { fake, issuer, files }
    }

    fn provider(&self, ca_file: Option<&str>) -> OidcProvider {
        let ca_file = ca_file.map(|name| self.files.path().join(name));
        let settings = OidcSettings { ca_file, ..settings(&self.issuer, ("halligan", "halligan-secret")) };
        OidcProvider(RelyingParty::new(settings, PATIENT).unwrap())
    }
}

#[tokio::test]
async fn who_signs_in_trusts_the_issuers_authority() {
    let behind = Behind::start().await;
    let key = Key::new("one");
    behind.fake.keys(&[key.jwk()]);
    let provider = behind.provider(Some("ca.pem"));
    provider.answers().await.unwrap();
    let sign_in = SignIn::nth(1);
    let url = sign_in.url(&provider).await.unwrap();
    assert!(url.starts_with(&format!("{}/authorize?", behind.issuer)), "{url}");
    // The token endpoint and the key set are asked over the same TLS.
    let second = now().as_second();
    let claims = json!({
        "iss": behind.issuer, "sub": "alice", "aud": "halligan", "nonce": "nonce-1", "iat": second, "exp": second + 300,
    });
    behind.fake.give(&key.sign(&json!({ "alg": "ES256", "kid": "one" }), &claims));
    let answer = Answer { code: "code".into(), issuer: None, state: None };
    assert_eq!(sign_in.exchange(&provider, &answer).await.unwrap()["sub"], "alice");
}

#[tokio::test]
async fn no_other_authority_will_do() {
    let behind = Behind::start().await;
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(behind.files.path().join("other.pem"), other.cert.pem()).unwrap();
    for (name, ca_file) in [("this machine's", None), ("another", Some("other.pem"))] {
        let reason = unavailable(SignIn::nth(1).url(&behind.provider(ca_file)).await);
        assert!(reason.starts_with("its description of itself can't be reached: "), "{name}: {reason}");
    }
    // Where an authority is named, those of this machine count for nothing.
    let settings = OidcSettings { ca_file: Some("none.pem".into()), ..settings(&behind.issuer, real::WEB) };
    let problem = OidcProvider::new(settings).unwrap_err();
    assert!(problem.starts_with("ca_file: can't be read ("), "{problem}");
}
