//! What every answer has, and what none has.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::{BREAKS, TestApp, ask};

#[tokio::test]
async fn every_answer_is_kept_by_nobody_and_framed_by_nobody() {
    let app = TestApp::new();
    let id = app.active().await;
    for (method, path) in [
        (Method::GET, "/v1/me".to_owned()),
        (Method::GET, format!("/v1/grants/{id}")),
        (Method::POST, format!("/v1/grants/{id}/credentials")),
        (Method::POST, format!("/v1/grants/{id}/console")),
        (Method::GET, "/v1/nothing".to_owned()),
        (Method::GET, "/healthz".to_owned()),
    ] {
        let answer = app.call("alice", method, &path).header("x-request-id", "chosen-by-the-caller").send().await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.headers[name], value, "{path}");
        }
        assert_eq!(answer.headers["x-request-id"].len(), 36, "{path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
    }
}

#[tokio::test]
async fn a_defect_is_a_problem_and_tells_nothing() {
    let app = TestApp::new();
    let mut body = ask();
    body["incident"]["id"] = json!(BREAKS);
    // In the handler's own task, and in the work that outlives it.
    let reading = app.get("carol", &format!("/v1/incidents/file/{BREAKS}")).await;
    let asking = app.post("alice", "/v1/grants", body).await;
    for answer in [reading, asking] {
        answer.is_problem(500, "internal");
        assert!(!answer.text.contains("secret"), "{}", answer.text);
    }
    assert_eq!(app.get("alice", "/v1/roles").await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_given_up() {
    let app = TestApp::new();
    app.gate.shut();
    let answer = app.get("alice", "/v1/incidents/file/INC-219").await;
    answer.is_problem(503, "timed-out");
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test(start_paused = true)]
async fn outages_say_when_to_come_back() {
    let app = TestApp::new();
    let id = app.active().await;
    app.world.archive.set_down(true);
    let undurable = app.call("alice", Method::POST, &format!("/v1/grants/{id}/credentials")).send().await;
    undurable.is_problem(503, "log-not-durable");
    assert!(
        undurable.headers.contains_key("retry-after") && !undurable.text.contains("secret-of"),
        "{}",
        undurable.text
    );
    app.world.store.set_down(true);
    let down = app.get("alice", "/v1/grants").await;
    down.is_problem(503, "store-unavailable");
    assert_eq!(down.headers["retry-after"], "2");
}
