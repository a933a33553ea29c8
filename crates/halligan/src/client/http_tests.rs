#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use halligan_connect::oidc::SignedIn;
use halligan_server::views::{MeView, ReasonBody};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::profile::SignInProfile;
use super::super::sign_in::kept::{TokenFile, Tokens};
use super::super::surroundings::Surroundings;
use super::super::token::tests::Still;
use super::*;

type Seen = Arc<Mutex<Vec<(String, HeaderMap, String)>>>;

/// A broker that gives one answer to everything and remembers what it was asked.
struct Fake {
    url: Url,
    seen: Seen,
}

type Reply = Arc<dyn Fn() -> Response + Send + Sync>;

impl Fake {
    async fn answering(reply: impl Fn() -> Response + Send + Sync + 'static) -> Self {
        let seen = Seen::default();
        let router = Router::new().fallback(remember).with_state((seen.clone(), Arc::new(reply) as Reply));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/base/", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    fn broker(&self) -> Broker {
        broker(self.url.clone())
    }

    fn seen(&self) -> Vec<(String, HeaderMap, String)> {
        self.seen.lock().unwrap().clone()
    }
}

async fn remember(State((seen, reply)): State<(Seen, Reply)>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let line = format!("{} {}", parts.method, parts.uri);
    seen.lock().unwrap().push((line, parts.headers, String::from_utf8_lossy(&body).into_owned()));
    reply()
}

fn broker(url: Url) -> Broker {
    let still = || Arc::new(Still("2026-03-01T02:40:00Z".parse().unwrap()));
    Broker::new(Account { url, identity: Identity::Token("secret-token".into()) }, still(), still()).unwrap()
}

fn me() -> Response {
    axum::Json(json!({
        "kind": "person", "name": "alice", "issuer": "i", "subject": "s", "groups": ["on-call"], "channel": "api",
        "deployment": "d", "incident_providers": ["incidents"], "new": 1
    }))
    .into_response()
}

#[tokio::test]
async fn a_question_is_put_as_the_api_has_it() {
    let fake = Fake::answering(me).await;
    let query = [("incident", "incidents:INC 219&x"), ("limit", "5")];
    let answer: Answer<MeView> = fake.broker().get(&["v1", "../me"], &query).await.unwrap();
    assert_eq!((answer.value.name.as_str(), &answer.json["new"]), ("alice", &json!(1)), "unknown fields are kept");
    let (line, headers, _) = fake.seen().remove(0);
    assert_eq!(line, "GET /base/v1/..%2Fme?incident=incidents%3AINC+219%26x&limit=5");
    assert_eq!(headers["authorization"], "Bearer secret-token");
    assert!(!headers.contains_key("idempotency-key"));
}

#[tokio::test]
async fn a_change_has_one_key_a_run_and_a_mint_has_none() {
    let fake = Fake::answering(me).await;
    let broker = fake.broker();
    let body = ReasonBody { reason: "r".into() };
    for _ in 0..2 {
        let _: Answer<MeView> = broker.post(&["v1", "x"], &body).await.unwrap();
    }
    let _: MeView = broker.post_for_secret(&["v1", "x"]).await.unwrap();
    let seen = fake.seen();
    assert_eq!(seen[0].1["idempotency-key"], seen[1].1["idempotency-key"]);
    assert_eq!(seen[0].2, r#"{"reason":"r"}"#);
    assert!(!seen[2].1.contains_key("idempotency-key"));
}

#[tokio::test]
async fn a_problem_is_a_refusal_and_anything_else_is_not() {
    let fake = Fake::answering(|| {
        let problem =
            json!({ "type": "urn:halligan:problem:incident-closed", "title": "t", "status": 409, "detail": "d" });
        (StatusCode::CONFLICT, axum::Json(problem)).into_response()
    });
    let failure = fake.await.broker().get::<Value>(&["v1"], &[]).await.unwrap_err();
    assert!(matches!(&failure, Failure::Refused(refused) if refused.problem.slug() == Some("incident-closed")));

    let page = || (StatusCode::BAD_GATEWAY, "<html>\u{1b}[2Jproxy</html>").into_response();
    let failure = Fake::answering(page).await.broker().get::<Value>(&["v1"], &[]).await.unwrap_err();
    assert!(matches!(&failure, Failure::Garbled { status: 502, .. }), "{failure}");
    assert!(failure.is_passing() && !failure.chain().contains('\u{1b}'));

    let wrong = Fake::answering(|| axum::Json(json!({ "kind": 1 })).into_response()).await;
    let failure = wrong.broker().get::<MeView>(&["v1"], &[]).await.unwrap_err();
    assert!(matches!(failure, Failure::Garbled { status: 200, .. }));
}

#[tokio::test]
async fn the_token_follows_no_redirect() {
    let elsewhere = Fake::answering(me).await;
    let location = elsewhere.url.to_string();
    let fake = Fake::answering(move || axum::response::Redirect::temporary(&location).into_response()).await;
    let failure = fake.broker().get::<Value>(&["v1"], &[]).await.unwrap_err();
    assert!(matches!(failure, Failure::Garbled { status: 307, .. }), "{failure}");
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let fake = Fake::answering(|| vec![b' '; ANSWER_BYTES_MAX + 1].into_response()).await;
    let failure = fake.broker().get::<Value>(&["v1"], &[]).await.unwrap_err();
    assert!(failure.to_string().contains("longer than"), "{failure}");
}

/// Listens, hangs up on the first `lost` calls without a word, answers the next. Says how many came.
async fn hanging_up(lost: usize) -> (Url, tokio::sync::watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let (count, counted) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Read first: what is hung up on unread is reset, which is another error.
            let mut bytes = [0; 4096];
            let _ = stream.read(&mut bytes).await;
            count.send_modify(|count| *count += 1);
            if *count.borrow() > lost {
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (url, counted)
}

#[tokio::test]
async fn what_the_network_lost_is_said_again_if_that_is_harmless() {
    let (url, calls) = hanging_up(1).await;
    broker(url).get::<Value>(&["v1"], &[]).await.unwrap();
    assert_eq!(*calls.borrow(), 2);

    let (url, calls) = hanging_up(1).await;
    broker(url).post::<Value>(&["v1"], &json!({})).await.unwrap();
    assert_eq!(*calls.borrow(), 2, "its key makes it one call");

    let (url, calls) = hanging_up(1).await;
    let failure = broker(url).post_for_secret::<Value>(&["v1"]).await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable { .. }), "{failure}");
    assert_eq!(*calls.borrow(), 1, "each mint is a mint of its own");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let failure = broker(url.clone()).post_for_secret::<Value>(&["v1"]).await.unwrap_err();
    assert!(failure.chain().contains(&format!("can't reach the broker at {url}")), "{}", failure.chain());
    assert!(!failure.chain().contains("secret-token"));
}

#[tokio::test]
async fn a_refusal_that_can_be_healed_says_by_which_command_or_page() {
    let home = tempfile::tempdir().unwrap();
    let profile = SignInProfile {
        url: "https://halligan.example.com/".into(),
        provider: "okta".into(),
        issuer: "https://id.example.com".into(),
        client_id: "c".into(),
    };
    profile.save(Some(home.path()), "alice").unwrap();
    let kept = TokenFile::of(Some(home.path()), "alice").unwrap();
    let signed_in = SignedIn {
        id_token: "id".into(),
        refresh_token: None,
        claims: json!({ "sub": "alice" }).as_object().unwrap().clone(),
        expires_at: "2026-03-01T03:40:00Z".parse().unwrap(),
    };
    kept.write(&kept.turn().await.unwrap(), &Tokens::of(&profile, signed_in)).unwrap();
    let surroundings = Surroundings { home: Some(home.path().to_owned()), ..Surroundings::default() };
    let signed_in = Account::settle(Some("alice"), &surroundings).unwrap().identity;

    let mut said = Vec::new();
    let acknowledge: &[&str] = &["v1", "grants", "02z5", "acknowledge"];
    for (who, identity) in [("signed in", signed_in), ("a token", Identity::Token("t".into()))] {
        // Where a fresh proof would help, the API answers 401.
        for (status, obligations, path) in [
            (401, json!(["stepUp"]), acknowledge),
            (401, json!(["stepUp"]), &["v1", "grants"]),
            (403, json!(["sign"]), acknowledge),
            (401, json!(["sign", "stepUp"]), acknowledge),
            (403, json!([]), acknowledge),
            (401, json!([]), acknowledge),
        ] {
            let body = json!({
                "type": "urn:halligan:problem:x", "title": "t", "status": status, "detail": "d", "obligations": obligations,
            });
            let fake = Fake::answering(move || {
                (StatusCode::from_u16(status).unwrap(), axum::Json(body.clone())).into_response()
            });
            let url = fake.await.url;
            let still = || Arc::new(Still("2026-03-01T02:40:00Z".parse().unwrap()));
            let broker =
                Broker::new(Account { url: url.clone(), identity: identity.clone() }, still(), still()).unwrap();
            let failure = broker.post::<Value>(path, &json!({})).await.unwrap_err();
            let Failure::Refused(refused) = failure else { panic!("{failure}") };
            let advice = refused
                .advice
                .unwrap_or_else(|| "nothing".to_owned())
                .replace(url.as_str(), "https://halligan.example.com/");
            let what = path.last().unwrap();
            said.push(format!("{who}, {what}, {status} [{}]: {advice}", refused.problem.obligations.join(" ")));
        }
    }
    insta::assert_snapshot!(said.join("\n"), @"
    signed in, acknowledge, 401 [stepUp]: halligan login --profile alice --fresh, then the same again
    signed in, grants, 401 [stepUp]: halligan login --profile alice --fresh, then the same again
    signed in, acknowledge, 403 [sign]: sign it with your passkey at https://halligan.example.com/grants/02z5
    signed in, acknowledge, 401 [sign stepUp]: sign it with your passkey at https://halligan.example.com/grants/02z5
    signed in, acknowledge, 403 []: nothing
    signed in, acknowledge, 401 []: halligan login --profile alice
    a token, acknowledge, 401 [stepUp]: do it at https://halligan.example.com/grants/02z5, where you can prove who you are: keys and tokens of your own don't say when you did
    a token, grants, 401 [stepUp]: halligan login --profile NAME --url https://halligan.example.com/, then the same with that profile: keys and tokens of your own don't say when you proved who you are
    a token, acknowledge, 403 [sign]: sign it with your passkey at https://halligan.example.com/grants/02z5
    a token, acknowledge, 401 [sign stepUp]: sign it with your passkey at https://halligan.example.com/grants/02z5
    a token, acknowledge, 403 []: nothing
    a token, acknowledge, 401 []: nothing
    ");
}
