//! The log over HTTP, and who is served before it was read.

use axum::http::Method;
use halligan_log::{Object, SignedCheckpoint, Span, bundle};
use serde_json::json;

use super::TestApp;

#[tokio::test(start_paused = true)]
async fn whoever_may_read_it_gets_the_log_object_by_object() {
    let app = TestApp::new();
    app.pending().await;
    app.get("carol", "/v1/me").await;
    app.broker.publisher().publish().await.unwrap();
    let checkpoint = app.get("carol", "/v1/log/checkpoint").await;
    assert_eq!(checkpoint.status, 200, "{}", checkpoint.text);
    let signed = SignedCheckpoint::parse(checkpoint.text.as_bytes()).unwrap();
    let size = signed.checkpoint().size;
    let span = Span::partial(size).unwrap();
    for object in [Object::Entries(span), Object::Personal(span), Object::Hashes { level: 0, span }] {
        let answer = app.get("carol", &format!("/v1/log/{object}")).await;
        assert_eq!(answer.status, 200, "{object}: {}", answer.text);
        let kept = answer.headers["cache-control"].to_str().unwrap();
        assert_eq!(kept.contains("immutable"), !object.is_personal(), "{object}: {kept}");
    }
    let stored = &app.world.archive.objects()[&Object::Entries(span)];
    let texts = bundle::read(stored, span.width.into()).unwrap();
    let entry = app.get("carol", "/v1/log/entries/0").await.json();
    assert_eq!(entry["entry"], serde_json::from_slice::<serde_json::Value>(texts[0]).unwrap());
    let successor = app.get("carol", "/v1/log/successor/000").await;
    assert_eq!(successor.status, 200, "{}", successor.text);
}

#[tokio::test(start_paused = true)]
async fn nobody_else_reads_it_and_no_other_key_is_one() {
    let app = TestApp::new();
    app.pending().await;
    for path in ["checkpoint", "tile/0/000.p/1", "entries/0", "personal/000.p/1"] {
        app.get("alice", &format!("/v1/log/{path}")).await.is_problem(403, "not-permitted");
        assert_eq!(app.call("alice", Method::GET, &format!("/v1/log/{path}")).anonymous().send().await.status, 401);
    }
    for path in ["tile/0/0", "tile/..%2f..%2fstate/halligan.db", "tile/entries/000.p/999", "personal/x", "successor/x"]
    {
        let answer = app.get("carol", &format!("/v1/log/{path}")).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
    }
    for path in ["tile/entries/x999/000", "entries/99999"] {
        assert_eq!(app.get("carol", &format!("/v1/log/{path}")).await.status, 404, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_served_before_the_log_was_read() {
    let app = TestApp::new();
    app.world.archive.set_down(true);
    for path in ["/v1/grants", "/v1/me", "/v1/roles"] {
        let answer = app.get("alice", path).await;
        answer.is_problem(503, "starting");
        assert!(answer.headers.contains_key("retry-after"));
    }
    let body = json!({"duration_seconds": 60, "reason": "the archive is down"});
    // That there is no override is said, although nobody is served.
    app.post("alice", "/v1/log/override", body).await.is_problem(403, "not-permitted");
    app.world.archive.set_down(false);
    assert_eq!(app.get("alice", "/v1/grants").await.status, 200);
    // From then on an archive may be lost: what is known stays known.
    app.world.archive.set_down(true);
    assert_eq!(app.get("alice", "/v1/grants").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn metrics_are_for_this_machine_and_for_whom_the_configuration_names() {
    let app = TestApp::new();
    // In these tests nobody's address is known: nobody gets any.
    app.call("alice", Method::GET, "/metrics").anonymous().send().await.is_problem(404, "not-found");
}
