//! Callers who are not known get nothing, not even to learn what there is.

use axum::http::{Method, StatusCode};
use halligan_engine::fakes::world::caller;
use jiff::SignedDuration;

use super::TestApp;

const ROUTES: [(Method, &str); 14] = [
    (Method::GET, "/v1/grants"),
    (Method::POST, "/v1/grants"),
    (Method::GET, "/v1/grants/0000000000000000000000"),
    (Method::POST, "/v1/grants/0000000000000000000000/acknowledge"),
    (Method::POST, "/v1/grants/0000000000000000000000/decline"),
    (Method::POST, "/v1/grants/0000000000000000000000/extend"),
    (Method::POST, "/v1/grants/0000000000000000000000/withdraw"),
    (Method::POST, "/v1/grants/0000000000000000000000/return"),
    (Method::POST, "/v1/grants/0000000000000000000000/revoke"),
    (Method::POST, "/v1/grants/0000000000000000000000/credentials"),
    (Method::POST, "/v1/grants/0000000000000000000000/console"),
    (Method::POST, "/v1/revocations"),
    (Method::GET, "/v1/roles"),
    (Method::GET, "/v1/me"),
];

#[tokio::test]
async fn nothing_under_v1_answers_a_stranger() {
    let app = TestApp::new();
    let beside = [
        (Method::GET, "/v1/incidents/file/INC-219"),
        (Method::GET, "/v1/nothing"),
        (Method::DELETE, "/v1/grants"),
        (Method::GET, "/v1"),
    ];
    for (method, path) in ROUTES.into_iter().chain(beside) {
        let answer = app.call("alice", method.clone(), path).anonymous().send().await;
        assert_eq!(answer.is_problem(401, "unauthenticated").as_deref(), Some("Authorization"), "{method} {path}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"halligan\"", "{method} {path}");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    assert_eq!((app.happened(), app.refusals().len()), (0, 0));
    // Counted instead, in one entry a window.
    let now = halligan_engine::ports::Clock::now(&*app.world.clock);
    app.broker.recorder().close_window(now).await;
    app.broker.recorder().close_window(now + SignedDuration::from_mins(2)).await;
    let counted = app.world.store.entries().pop().unwrap().sealed.entry.event;
    let expected = u64::try_from(ROUTES.len() + 4).unwrap();
    match counted {
        halligan_core::event::Event::RefusalsCounted { counts, .. } => assert_eq!(counts["unauthenticated"], expected),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_that_breaks_a_rule_is_answered_with_the_rule() {
    let app = TestApp::new();
    let token = app.token("alice");
    app.world.clock.advance(SignedDuration::from_secs(600 + 30));
    let call = app.call("alice", Method::GET, "/v1/me").anonymous().header("authorization", &format!("Bearer {token}"));
    let answer = call.send().await;
    answer.is_problem(401, "unauthenticated");
    let challenge = answer.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("error=\"invalid_token\"") && challenge.contains("expired"), "{challenge}");
    assert!(!answer.text.contains(&token));
}

#[tokio::test]
async fn a_login_of_nobody_is_nobody() {
    let app = TestApp::new();
    let answer = app.get("stranger", "/v1/me").await;
    answer.is_problem(403, "unlinked-principal");
    assert!(answer.headers.get("www-authenticate").is_none());
}

/// A token that was good until its person was signed out everywhere: they are known, and it may be stolen.
#[tokio::test]
async fn a_token_from_before_somebody_was_signed_out_leaves_their_name() {
    let app = TestApp::new();
    let token = app.token("alice");
    assert_eq!(app.bearing(&token, Method::GET, "/v1/me").send().await.status, StatusCode::OK);
    app.broker.identity().sign_out_everywhere(&caller("alice")).await.unwrap();
    app.world.clock.advance(SignedDuration::from_secs(1));
    let answer = app.bearing(&token, Method::GET, "/v1/me").send().await;
    answer.is_problem(401, "unauthenticated");
    assert_eq!(app.refusals(), [("alice".to_owned(), "sign_in".to_owned(), "unauthenticated".to_owned())]);
    let (now, entries) = (halligan_engine::ports::Clock::now(&*app.world.clock), app.world.store.entries().len());
    app.broker.recorder().close_window(now).await;
    app.broker.recorder().close_window(now + SignedDuration::from_mins(2)).await;
    assert_eq!(app.world.store.entries().len(), entries, "it is not counted beside it");
}

#[tokio::test]
async fn a_command_line_is_told_with_whom_to_sign_in() {
    let app = TestApp::new();
    // Before the log was read, too, and whatever is down.
    app.world.archive.set_down(true);
    app.world.store.set_down(true);
    let read = app.call("alice", Method::GET, "/v1/sign-in").anonymous().send().await;
    assert_eq!(read.status, StatusCode::OK);
    let expected = serde_json::json!({"providers": [{
        "name": "example", "issuer": "https://id.example.com", "client_id": "halligan-command-line", "scopes": ["openid"]
    }]});
    assert_eq!(read.json(), expected);
    assert_eq!(read.headers["cache-control"], "no-store");
    let posted = app.call("alice", Method::POST, "/v1/sign-in").anonymous().send().await;
    posted.is_problem(405, "method-not-allowed");
}

#[tokio::test]
async fn whoever_runs_the_broker_needs_no_token() {
    let app = TestApp::new();
    let read = async |path: &str| app.call("alice", Method::GET, path).anonymous().send().await;
    assert_eq!(read("/healthz").await.json()["status"], "ok");
    assert_eq!(read("/readyz").await.json()["status"], "ok");
    app.world.store.set_down(true);
    let down = read("/readyz").await;
    down.is_problem(503, "store-unavailable");
    assert_eq!(down.headers["retry-after"], "5");
    assert_eq!(read("/healthz").await.status, StatusCode::OK);
    app.world.store.set_down(false);
    app.world.archive.set_down(true);
    app.pending().await;
    drop(app.broker.publisher().publish().await);
    let stuck = read("/readyz").await;
    stuck.is_problem(503, "log-not-durable");
    // The archive's own words stay inside.
    assert!(!stuck.text.contains("told to fail"), "{}", stuck.text);
    read("/nothing").await.is_problem(404, "not-found");
    app.call("alice", Method::POST, "/healthz").anonymous().send().await.is_problem(405, "method-not-allowed");
}
