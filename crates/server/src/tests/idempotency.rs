//! The same call twice does one thing.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, TestApp, ask};

async fn keyed(app: &TestApp, who: &str, path: &str, key: &str, body: &Value) -> Answer {
    app.call(who, Method::POST, path).header("idempotency-key", key).body(body).send().await
}

#[tokio::test]
async fn a_replay_gets_the_first_answer_again() {
    let app = TestApp::new();
    let first = keyed(&app, "alice", "/v1/grants", "k1", &ask()).await;
    let happened = app.happened();
    let second = keyed(&app, "alice", "/v1/grants", "k1", &ask()).await;
    assert_eq!((first.status, second.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(first.text, second.text);
    assert_eq!(app.happened(), happened);
    // As it was then, whatever has become of the grant.
    let path = format!("/v1/grants/{}/acknowledge", first.field("id"));
    let yes = json!({"request_hash": first.field("request_hash")});
    let acknowledged = keyed(&app, "bob", &path, "k1", &yes).await;
    assert_eq!(acknowledged.field("state"), "active");
    assert_eq!(keyed(&app, "alice", "/v1/grants", "k1", &ask()).await.field("state"), "pending");
    assert_eq!(keyed(&app, "bob", &path, "k1", &yes).await.text, acknowledged.text);
}

#[tokio::test]
async fn a_key_is_of_one_person_one_route_and_one_body() {
    let app = TestApp::new();
    let first = keyed(&app, "alice", "/v1/grants", "k1", &ask()).await;
    let mut other = ask();
    other["duration_seconds"] = json!(60);
    let reused = keyed(&app, "alice", "/v1/grants", "k1", &other).await;
    assert_eq!(reused.is_problem(422, "idempotency-key-reused").as_deref(), Some("Idempotency-Key"));
    // The same JSON in other bytes is another body: bytes are what was sent.
    let spaced = app
        .call("alice", Method::POST, "/v1/grants")
        .header("idempotency-key", "k1")
        .header("content-type", "application/json");
    spaced.bytes(format!(" {}", ask())).send().await.is_problem(422, "idempotency-key-reused");
    let bobs = keyed(&app, "bob", "/v1/grants", "k1", &ask()).await;
    assert_ne!(bobs.field("id"), first.field("id"));
    // Another grant's path is another route.
    let other = app.pending().await.0;
    let reason = json!({"reason": "no"});
    for id in [first.field("id"), other] {
        let declined = keyed(&app, "carol", &format!("/v1/grants/{id}/decline"), "k2", &reason).await;
        assert_eq!((declined.field("id"), declined.field("state")), (id, "declined".to_owned()));
    }
}

#[tokio::test]
async fn a_refused_call_leaves_its_key_free() {
    let app = TestApp::new();
    let mut wrong = ask();
    wrong["incident"]["id"] = json!("INC-1");
    keyed(&app, "alice", "/v1/grants", "k1", &wrong).await.is_problem(409, "incident-closed");
    assert_eq!(keyed(&app, "alice", "/v1/grants", "k1", &ask()).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_call_in_flight_is_not_begun_again() {
    let app = TestApp::new();
    app.gate.shut();
    let body = ask();
    let mut first = std::pin::pin!(keyed(&app, "alice", "/v1/grants", "k1", &body));
    tokio::select! {
        _ = &mut first => panic!("the gate is shut"),
        () = app.gate.arrived.notified() => {}
    }
    let second = keyed(&app, "alice", "/v1/grants", "k1", &body).await;
    second.is_problem(409, "idempotency-in-flight");
    assert_eq!(second.headers["retry-after"], "1");
    app.gate.open();
    let first = first.await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(keyed(&app, "alice", "/v1/grants", "k1", &body).await.text, first.text);
}

#[tokio::test]
async fn a_caller_who_hangs_up_finds_the_answer_later() {
    let app = TestApp::new();
    app.gate.shut();
    let body = ask();
    {
        let mut first = std::pin::pin!(keyed(&app, "alice", "/v1/grants", "k1", &body));
        tokio::select! {
            _ = &mut first => panic!("the gate is shut"),
            () = app.gate.arrived.notified() => {}
        }
    }
    app.gate.open();
    let mut answer = keyed(&app, "alice", "/v1/grants", "k1", &body).await;
    // The work goes on by itself: a bounded number of turns of the scheduler is all it takes.
    for _ in 0..1_000 {
        if answer.status != StatusCode::CONFLICT {
            break;
        }
        tokio::task::yield_now().await;
        answer = keyed(&app, "alice", "/v1/grants", "k1", &body).await;
    }
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(app.get("alice", "/v1/grants").await.json()["grants"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn issuances_take_no_key() {
    let app = TestApp::new();
    let id = app.active().await;
    let happened = app.happened();
    for call in ["credentials", "console"] {
        let answer = keyed(&app, "alice", &format!("/v1/grants/{id}/{call}"), "k1", &json!({})).await;
        assert_eq!(answer.is_problem(400, "idempotency-not-supported").as_deref(), Some("Idempotency-Key"));
    }
    assert_eq!(app.happened(), happened);
    let refusal = ("alice".to_owned(), "mint".to_owned(), "idempotency-not-supported".to_owned());
    assert_eq!(app.refusals(), [refusal.clone(), refusal]);
    // Without one, each is another issuance.
    let mint = async || {
        app.call("alice", Method::POST, &format!("/v1/grants/{id}/credentials")).send().await.field("AccessKeyId")
    };
    assert_ne!(mint().await, mint().await);
    assert_eq!(app.world.aws.sessions().len(), 2);
}

#[tokio::test]
async fn the_big_red_button_ends_what_is_active_now_whatever_its_key() {
    let app = TestApp::new();
    let body = json!({"all": true, "reason": "a laptop was stolen"});
    for _ in 0..2 {
        let id = app.active().await;
        let ended = keyed(&app, "carol", "/v1/revocations", "k1", &body).await;
        assert_eq!(ended.json()["grants"][0]["id"], id, "{}", ended.text);
        assert_eq!(ended.json()["grants"][0]["state"], "revoked");
    }
}

#[tokio::test]
async fn issuances_are_rate_limited() {
    let app = TestApp::new();
    let path = format!("/v1/grants/{}/credentials", app.active().await);
    for _ in 0..3 {
        assert_eq!(app.call("alice", Method::POST, &path).send().await.status, StatusCode::OK);
    }
    let limited = app.call("alice", Method::POST, &path).send().await;
    limited.is_problem(429, "rate-limited");
    assert!(limited.headers.contains_key("retry-after"));
    assert_eq!(app.world.aws.sessions().len(), 3);
}

#[tokio::test]
async fn malformed_keys_are_refused() {
    let app = TestApp::new();
    for key in ["", "a b", "é", &"k".repeat(129)] {
        let answer = keyed(&app, "alice", "/v1/grants", key, &ask()).await;
        assert_eq!(answer.is_problem(400, "invalid-request").as_deref(), Some("Idempotency-Key"), "{key}");
    }
    let twice =
        app.call("alice", Method::POST, "/v1/grants").header("idempotency-key", "a").header("idempotency-key", "a");
    assert_eq!(twice.body(&ask()).send().await.is_problem(400, "invalid-request").as_deref(), Some("Idempotency-Key"));
    assert_eq!(app.happened(), 0);
    assert_eq!(keyed(&app, "alice", "/v1/grants", &"k".repeat(128), &ask()).await.status, StatusCode::CREATED);
}
