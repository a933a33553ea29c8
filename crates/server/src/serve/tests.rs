#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::*;
use crate::tests::{TestApp, access};

/// A server on a free port, stopped by [`Running::stop`].
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(app: &TestApp, tls: Option<Tls>) -> Self {
        let settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), tls };
        // As a worker does at the start.
        app.broker.publisher().publish().await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, address) = oneshot::channel();
        let app = app.app.clone();
        let task = tokio::spawn(async move {
            let until = async { stopped.await.unwrap() };
            serve(settings, app, until, |address| bound.send(address).unwrap()).await.unwrap();
        });
        Self { address: address.await.unwrap(), stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

/// Sends bytes and reads until the other side hangs up.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, sent: &str) -> String {
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn plain_http_is_served_on_loopback() {
    let app = TestApp::new();
    let running = Running::start(&app, None).await;
    let answer = exchange(running.connect().await, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("{\"status\":\"ok\"}"), "{answer}");
    assert!(!answer.contains("strict-transport-security"), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn plain_http_off_loopback_takes_a_proxy_in_front() {
    let anywhere = || Settings { listen: "0.0.0.0:0".parse().unwrap(), tls: None };
    let refused = Server::bind(anywhere(), TestApp::new().app).await.err().unwrap();
    assert!(matches!(refused, ServeError::PlainOffLoopback(_)), "{refused}");
    let proxied = TestApp::with(access(), vec!["10.0.0.0/8".parse().unwrap()]);
    assert!(Server::bind(anywhere(), proxied.app).await.is_ok());
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let app = TestApp::new();
    let running = Running::start(&app, None).await;
    let error = Server::bind(Settings { listen: running.address, tls: None }, app.app.clone()).await.err().unwrap();
    assert_eq!(error.to_string(), format!("can't listen on `{}`", running.address));
    running.stop().await;
}

/// A certificate of `localhost` in files.
fn certificate(directory: &std::path::Path) -> (Tls, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = Tls { certificate_file: directory.join("certificate.pem"), key_file: directory.join("key.pem") };
    fs::write(&tls.certificate_file, cert.pem()).unwrap();
    fs::write(&tls.key_file, signing_key.serialize_pem()).unwrap();
    (tls, cert.der().clone())
}

#[tokio::test]
async fn tls_is_served_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let (tls, certificate) = certificate(directory.path());
    let app = TestApp::new();
    let running = Running::start(&app, Some(tls)).await;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, running.connect().await).await.unwrap();
    let answer = exchange(stream, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=31536000"), "{answer}");
    // Plain HTTP gets no answer, and takes nobody else's.
    let mut plain = running.connect().await;
    plain.write_all(HEALTH.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    drop(plain.read_to_end(&mut bytes).await);
    assert!(!bytes.starts_with(b"HTTP"), "{bytes:?}");
    running.stop().await;
}

#[tokio::test]
async fn certificates_that_can_not_be_used_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let (tls, _) = certificate(directory.path());
    let refused = async |tls: Tls| {
        let settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), tls: Some(tls) };
        match Server::bind(settings, TestApp::new().app).await.err().unwrap() {
            ServeError::Tls(error) => error,
            other => panic!("{other}"),
        }
    };
    let missing = refused(Tls { key_file: directory.path().join("missing.pem"), ..tls.clone() }).await;
    assert!(matches!(&missing, TlsError::File { expected: "a private key", .. }), "{missing}");
    let swapped = refused(Tls { key_file: tls.certificate_file.clone(), ..tls.clone() }).await;
    assert!(matches!(&swapped, TlsError::File { .. }), "{swapped}");
    let other = directory.path().join("other.pem");
    fs::write(&other, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let mismatched = refused(Tls { key_file: other, ..tls.clone() }).await;
    assert!(matches!(&mismatched, TlsError::Pair { .. }), "{mismatched}");
    fs::write(&tls.certificate_file, "").unwrap();
    let empty = refused(tls).await;
    assert!(matches!(&empty, TlsError::Pair { .. } | TlsError::File { .. }), "{empty}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_not_waited_for() {
    let app = TestApp::new();
    let running = Running::start(&app, None).await;
    let begun = tokio::time::Instant::now();
    exchange(running.connect().await, "GET /healthz HTTP/1.1\r\nhost: local").await;
    let waited = begun.elapsed();
    assert!(waited >= HEAD_TIMEOUT && waited < HEAD_TIMEOUT * 2, "{waited:?}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_not_waited_for() {
    let app = TestApp::new();
    let running = Running::start(&app, None).await;
    let head = format!(
        "POST /v1/grants HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{{",
        app.token("alice")
    );
    let answer = exchange(running.connect().await, &head).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("urn:halligan:problem:timed-out"), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn a_head_of_any_size_is_not_read() {
    let app = TestApp::new();
    let running = Running::start(&app, None).await;
    let huge = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(HEAD_BYTES_MAX));
    let mut stream = running.connect().await;
    drop(stream.write_all(huge.as_bytes()).await);
    let mut bytes = vec![0; 12];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"HTTP/1.1 431");
    let many = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: 1\r\n".repeat(HEADERS_MAX));
    assert!(exchange(running.connect().await, &many).await.starts_with("HTTP/1.1 431"));
    running.stop().await;
}

#[tokio::test]
async fn one_address_leaves_room_for_others() {
    let app = TestApp::new();
    let running = Running::start(&app, None).await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_PER_ADDRESS_MAX {
        let mut stream = running.connect().await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        // Answered, and kept open.
        let mut bytes = [0; 12];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"HTTP/1.1 200");
        held.push(stream);
    }
    let mut bytes = Vec::new();
    let mut refused = running.connect().await;
    // Hung up on: an end or a reset, and no answer.
    drop(refused.write_all(HEALTH.as_bytes()).await);
    drop(refused.read_to_end(&mut bytes).await);
    assert!(bytes.is_empty(), "{bytes:?}");
    held.clear();
    // As soon as the server sees that they are gone.
    for _ in 0..1_000 {
        let mut again = running.connect().await;
        drop(again.write_all(HEALTH.as_bytes()).await);
        drop(again.read_to_end(&mut bytes).await);
        if bytes.starts_with(b"HTTP/1.1 200") {
            break;
        }
    }
    assert!(bytes.starts_with(b"HTTP/1.1 200"));
    running.stop().await;
}

#[tokio::test]
async fn what_is_in_flight_is_answered_before_the_end() {
    let app = TestApp::new();
    let running = Running::start(&app, None).await;
    app.gate.shut();
    let request = format!(
        "GET /v1/incidents/file/INC-219 HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
        app.token("alice")
    );
    let (idle, stream, address) = (running.connect().await, running.connect().await, running.address);
    let call = tokio::spawn(async move { exchange(stream, &request).await });
    app.gate.arrived.notified().await;
    let stopping = tokio::spawn(running.stop());
    // The listener goes first: nobody new comes in.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    app.gate.open();
    let answer = call.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"open\""), "{answer}");
    stopping.await.unwrap();
    drop(idle);
}

#[tokio::test]
async fn the_address_behind_a_trusted_proxy_is_recorded() {
    for (proxies, expected) in [(vec!["127.0.0.0/8".parse().unwrap()], "198.51.100.7"), (vec![], "127.0.0.1")] {
        let app = TestApp::with(access(), proxies);
        let running = Running::start(&app, None).await;
        let request = format!(
            "GET /v1/nothing HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             x-forwarded-for: 203.0.113.9, 198.51.100.7\r\nconnection: close\r\n\r\n",
            app.token("alice")
        );
        let answer = exchange(running.connect().await, &request).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        let entry = app.world.store.entries().pop().unwrap();
        assert_eq!(entry.sealed.personal.unwrap().fields.0["address"], expected);
        running.stop().await;
    }
}
