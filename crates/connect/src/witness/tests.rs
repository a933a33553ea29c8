#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Request as Asked;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use futures::StreamExt as _;
use halligan_log::edge::read_tile;
use halligan_log::key::Kind;
use halligan_log::{Checkpoint, Edge, Leaf, Object, SigningKey};
use tokio::net::TcpListener;

use super::*;
use crate::test_server::TestServer;

const ORIGIN: &str = "log.example.com";
/// Short pauses, and deadlines that no busy machine reaches.
const PATIENT: Patience = Patience {
    attempt: Duration::from_secs(30),
    total: Duration::from_secs(60),
    first_pause: Duration::from_millis(1),
    retries: PATIENCE.retries,
};
const HURRIED: Patience = Patience { attempt: Duration::from_millis(300), retries: 0, ..PATIENT };

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, [seed; 32]).unwrap()
}

fn cosigner() -> VerifierKey {
    key("witness.example.com", 2).verifier(Kind::Cosigner)
}

fn witness(url: &str, patience: Patience) -> HttpWitness {
    HttpWitness::patiently("logging".to_owned(), url, cosigner(), patience).unwrap()
}

/// A log's checkpoint of so many entries that say `word`, and the hashes of its leaves.
fn tree(size: usize, word: &str, seed: u8) -> (SignedCheckpoint, Vec<Hash>) {
    let leaf = |nth| Arc::new(Leaf { entry: format!("{word} {nth}").into_bytes(), personal: None });
    let growth = Edge::default().grow((0..size).map(leaf)).unwrap();
    let tiles = growth.objects.iter().filter(|(object, _)| matches!(object, Object::Hashes { level: 0, .. }));
    let hashes = tiles.flat_map(|(_, bytes)| read_tile(bytes, size).unwrap()).collect();
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: growth.edge.size(), root: growth.edge.root() };
    let signature = key(ORIGIN, seed).sign(checkpoint.body().as_bytes());
    let mut signed = SignedCheckpoint::unsigned(checkpoint);
    signed.sign(&key(ORIGIN, seed).verifier(Kind::Log), signature);
    (signed, hashes)
}

/// A witness as it should be, which may lose its answer on the way.
struct Honest {
    server: TestServer,
    seen: Arc<Mutex<Option<Checkpoint>>>,
}

impl Honest {
    async fn start(lost: usize) -> Self {
        let seen: Arc<Mutex<Option<Checkpoint>>> = Arc::default();
        let held = Arc::clone(&seen);
        let server = TestServer::start(move |request, before| {
            let held = Arc::clone(&held);
            async move {
                let answer = answer(request, &held).await;
                match before < lost {
                    true => Body::from_stream(futures::stream::iter([Err::<Vec<u8>, _>("lost")])).into_response(),
                    false => answer,
                }
            }
        })
        .await;
        Self { server, seen }
    }

    async fn ask(&self, old: u64, proof: &[Hash], note: &SignedCheckpoint) -> Result<Vec<u8>, WitnessError> {
        witness(&self.server.url("/w"), PATIENT).add_checkpoint(old, proof, &note.to_bytes()).await
    }

    fn size(&self) -> u64 {
        self.seen.lock().unwrap().as_ref().map_or(0, |seen| seen.size)
    }
}

async fn answer(request: Asked, seen: &Mutex<Option<Checkpoint>>) -> Response {
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/w/add-checkpoint"));
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let mut seen = seen.lock().unwrap();
    let asked = Request::parse(&body).unwrap();
    let keys = [key(ORIGIN, 1).verifier(Kind::Log)];
    let keys = if asked.origin() == ORIGIN { &keys[..] } else { &[] };
    match asked.decide(keys, seen.as_ref()) {
        Ok(cosignable) => {
            *seen = Some(cosignable.checkpoint().clone());
            let witness = key("witness.example.com", 2);
            let signature = witness.sign(cosignable.message(1_000).as_bytes());
            cosignable.answer(&witness.verifier(Kind::Cosigner), 1_000, &signature).into_response()
        }
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap();
            (status, [(CONTENT_TYPE, refusal.content_type())], refusal.body()).into_response()
        }
    }
}

fn refusal(answer: Result<Vec<u8>, WitnessError>) -> String {
    match answer {
        Err(WitnessError::Refused(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn unavailable(answer: Result<Vec<u8>, WitnessError>) -> String {
    match answer {
        Err(WitnessError::Unavailable(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_witness_cosigns_what_extends_what_it_has_seen() {
    let honest = Honest::start(0).await;
    let ((mut one, _), (mut two, hashes)) = (tree(1, "a", 1), tree(2, "a", 1));
    let lines = honest.ask(0, &[], &one).await.unwrap();
    assert_eq!(one.add_cosignature(&lines, &cosigner()), Ok(1_000));
    let lines = honest.ask(1, &hashes[1..], &two).await.unwrap();
    assert_eq!(two.add_cosignature(&lines, &cosigner()), Ok(1_000));
    // The same tree again, as a heartbeat signs it.
    assert!(honest.ask(2, &[], &two).await.is_ok());
    assert_eq!((honest.size(), honest.server.asked()), (2, 3));
}

#[tokio::test]
async fn what_a_witness_refuses_is_said_and_not_asked_again() {
    let ((one, _), (two, hashes)) = (tree(1, "a", 1), tree(2, "a", 1));
    let mut foreign =
        SignedCheckpoint::unsigned(Checkpoint { origin: "lag.example.com".to_owned(), ..*one.checkpoint() });
    foreign.sign(&key("lag.example.com", 1).verifier(Kind::Log), vec![0; 64]);
    let cases: [(&str, u64, &[Hash], &SignedCheckpoint); 5] = [
        ("doesn't know this log", 0, &[], &foreign),
        ("doesn't know the key", 1, &hashes[1..], &tree(2, "a", 3).0),
        ("the log has forked", 1, &hashes[..1], &two),
        ("the log has forked", 1, &[], &tree(1, "b", 1).0),
        ("couldn't read the request", 2, &[], &one),
    ];
    for (because, old, proof, note) in cases {
        let honest = Honest::start(0).await;
        honest.ask(0, &[], &one).await.unwrap();
        let text = refusal(honest.ask(old, proof, note).await);
        assert!(text.contains(because), "{text}");
        assert_eq!((honest.size(), honest.server.asked()), (1, 2), "{because}");
    }
}

#[tokio::test]
async fn a_witness_says_from_where_to_prove() {
    let honest = Honest::start(0).await;
    let ((one, _), (two, _)) = (tree(1, "a", 1), tree(2, "a", 1));
    assert!(honest.ask(0, &[], &two).await.is_ok());
    for old in [0, 1] {
        let answer = honest.ask(old, &[], &two).await;
        assert!(matches!(answer, Err(WitnessError::OtherSize { size: 2 })), "{answer:?}");
    }
    // It has seen more than it is shown.
    assert!(matches!(honest.ask(0, &[], &one).await, Err(WitnessError::OtherSize { size: 2 })));
}

/// It has cosigned, and nobody knows: asked again, it says where it stands.
#[tokio::test]
async fn an_answer_that_is_lost_shows_in_the_next() {
    let honest = Honest::start(1).await;
    let (one, _) = tree(1, "a", 1);
    assert!(matches!(honest.ask(0, &[], &one).await, Err(WitnessError::OtherSize { size: 1 })));
    assert_eq!(honest.server.asked(), 2);
    assert!(honest.ask(1, &[], &one).await.is_ok());
}

#[tokio::test]
async fn a_conflict_without_a_size_is_a_refusal() {
    let (one, _) = tree(1, "a", 1);
    for (kind, body) in [
        ("text/plain", "7\n"),
        (halligan_log::witness::SIZE_TYPE, "7"),
        (halligan_log::witness::SIZE_TYPE, "-7\n"),
        (halligan_log::witness::SIZE_TYPE, "99999999999999999999\n"),
    ] {
        let server = TestServer::start(move |_, _| {
            std::future::ready((StatusCode::CONFLICT, [(CONTENT_TYPE, kind)], body).into_response())
        })
        .await;
        refusal(witness(&server.url(""), PATIENT).add_checkpoint(0, &[], &one.to_bytes()).await);
        assert_eq!(server.asked(), 1);
    }
}

#[tokio::test]
async fn a_witness_that_fails_is_asked_once_more() {
    let (one, _) = tree(1, "a", 1);
    for status in [500, 502, 503, 429] {
        let server = TestServer::always(status, "").await;
        let text = unavailable(witness(&server.url(""), PATIENT).add_checkpoint(0, &[], &one.to_bytes()).await);
        assert_eq!((text, server.asked()), (format!("the witness answered {status}"), 2));
        let server = TestServer::start(move |_, before| {
            let status = if before == 0 { status } else { 200 };
            std::future::ready((StatusCode::from_u16(status).unwrap(), "lines").into_response())
        })
        .await;
        let answer = witness(&server.url(""), PATIENT).add_checkpoint(0, &[], &one.to_bytes()).await;
        assert_eq!(answer.unwrap(), b"lines", "they are for the caller to check");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_given_up_at_the_limit() {
    let server = TestServer::start(|_, _| async {
        let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 4_096]));
        Body::from_stream(endless).into_response()
    })
    .await;
    let (one, _) = tree(1, "a", 1);
    let text = refusal(witness(&server.url(""), PATIENT).add_checkpoint(0, &[], &one.to_bytes()).await);
    assert_eq!(text, "the witness's answer is longer than 16384 bytes");
}

#[tokio::test]
async fn a_witness_that_is_silent_or_stops_is_given_up_in_time() {
    let (one, _) = tree(1, "a", 1);
    let silent = TestServer::start(|_, _| std::future::pending::<Response>()).await;
    let stops = TestServer::start(|_, _| async {
        let first = futures::stream::iter([Ok::<_, std::io::Error>("lin")]);
        Body::from_stream(first.chain(futures::stream::pending())).into_response()
    })
    .await;
    for server in [&silent, &stops] {
        let text = unavailable(witness(&server.url(""), HURRIED).add_checkpoint(0, &[], &one.to_bytes()).await);
        assert_eq!(text, "the witness gave no answer within 300ms");
    }
    let patience = Patience { total: HURRIED.attempt, ..PATIENT };
    let text = unavailable(witness(&silent.url(""), patience).add_checkpoint(0, &[], &one.to_bytes()).await);
    assert_eq!(text, "the witness gave no answer within 300ms");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TestServer::always(200, "lines").await;
    let to = elsewhere.url("/add-checkpoint");
    let server = TestServer::start(move |_, _| std::future::ready(Redirect::temporary(&to).into_response())).await;
    let (one, _) = tree(1, "a", 1);
    let text = refusal(witness(&server.url(""), PATIENT).add_checkpoint(0, &[], &one.to_bytes()).await);
    assert!(text.contains("307"), "{text}");
    assert_eq!((server.asked(), elsewhere.asked()), (1, 0));
}

#[tokio::test]
async fn what_a_witness_says_is_harmless() {
    let server = TestServer::always(400, format!("\u{1b}[31m{}", "x".repeat(10_000))).await;
    let (one, _) = tree(1, "a", 1);
    let text = refusal(witness(&server.url(""), PATIENT).add_checkpoint(0, &[], &one.to_bytes()).await);
    assert!(!text.contains('\u{1b}') && text.chars().count() <= REASON_CHARACTERS_MAX, "{text}");
}

#[tokio::test]
async fn a_witness_that_is_away_may_come_back() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let witness = witness(&format!("http://{address}"), PATIENT);
    let text = unavailable(witness.add_checkpoint(0, &[], &tree(1, "a", 1).0.to_bytes()).await);
    assert!(text.starts_with("the witness can't be reached: ") && text.contains("refused"), "{text}");
    assert_eq!((witness.name(), witness.key()), ("logging", &cosigner()));
    // What is no checkpoint isn't sent anywhere.
    refusal(witness.add_checkpoint(0, &[], b"no note").await);
}

#[test]
fn a_url_that_can_t_be_used_is_refused() {
    for (url, because) in [
        ("witness.example.com", "is not a URL"),
        ("http://witness.example.com", "is not https"),
        ("https://halligan:hunter2@witness.example.com", "holds a user name or password"),
        ("https://witness.example.com/?log=prod", "has a query or a fragment"),
    ] {
        let refusal = HttpWitness::new("logging", url, cosigner()).unwrap_err();
        assert!(refusal.starts_with("the URL ") && refusal.contains(because), "{url}: {refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
    assert!(HttpWitness::new("logging", "https://witness.example.com/prod", cosigner()).is_ok());
}
