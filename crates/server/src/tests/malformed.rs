//! Bad input: refused with the field's name, recorded, and nothing changes.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, TestApp, ask};

/// `ask()` with one member changed.
fn with(path: &str, value: Value) -> Value {
    let mut body = ask();
    *body.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value;
    body
}

fn plus(name: &str, value: Value) -> Value {
    let mut body = ask();
    body[name] = value;
    body
}

fn without(name: &str) -> Value {
    let mut body = ask();
    body.as_object_mut().unwrap().remove(name);
    body
}

#[tokio::test]
async fn a_request_of_any_wrong_kind_is_refused_by_name() {
    let app = TestApp::new();
    let long = "1".repeat(10_240);
    let named = |id: &str| with("/incident/id", json!(id));
    let cases = [
        // Mass assignment: what the server decides is no field of a request.
        ("state", plus("state", json!("active")), 400, "invalid-request", "state"),
        ("acknowledged_by", plus("acknowledged_by", json!("bob")), 400, "invalid-request", "acknowledged_by"),
        ("ends_at", plus("ends_at", json!("2030-01-01T00:00:00Z")), 400, "invalid-request", "ends_at"),
        ("requester", plus("requester", json!("bob")), 400, "invalid-request", "requester"),
        ("an escape for a name", plus("\u{1b}[2Jstate", json!(1)), 400, "invalid-request", "[2Jstate"),
        (
            "nested",
            with("/target", json!({"kind": "aws-role", "id": "prod-admin", "arn": "x"})),
            400,
            "invalid-request",
            "target.arn",
        ),
        ("no target", without("target"), 400, "invalid-request", "target"),
        ("no incident", without("incident"), 400, "invalid-request", "incident"),
        ("no reason", without("reason"), 400, "invalid-request", "reason"),
        ("no duration", without("duration_seconds"), 400, "invalid-request", "duration_seconds"),
        ("half an incident", with("/incident", json!({"provider": "file"})), 400, "invalid-request", "incident.id"),
        ("a text for a number", with("/duration_seconds", json!("1800")), 400, "invalid-request", "duration_seconds"),
        ("a fraction", with("/duration_seconds", json!(1800.5)), 400, "invalid-request", "duration_seconds"),
        ("beyond any number", with("/duration_seconds", json!(1e300)), 400, "invalid-request", "duration_seconds"),
        ("null", with("/reason", Value::Null), 400, "invalid-request", "reason"),
        ("a list for a text", with("/reason", json!(["x"])), 400, "invalid-request", "reason"),
        ("a number for a flag", plus("emergency", json!(1)), 400, "invalid-request", "emergency"),
        ("another kind", with("/target/kind", json!("gate")), 400, "invalid-request", "target.kind"),
        ("duration 0", with("/duration_seconds", json!(0)), 422, "duration-out-of-bounds", "duration_seconds"),
        (
            "a negative duration",
            with("/duration_seconds", json!(-1)),
            422,
            "duration-out-of-bounds",
            "duration_seconds",
        ),
        (
            "past the longest",
            with("/duration_seconds", json!(3_601)),
            422,
            "duration-out-of-bounds",
            "duration_seconds",
        ),
        (
            "a huge duration",
            with("/duration_seconds", json!(i64::MAX)),
            422,
            "duration-out-of-bounds",
            "duration_seconds",
        ),
        (
            "the least duration",
            with("/duration_seconds", json!(i64::MIN)),
            422,
            "duration-out-of-bounds",
            "duration_seconds",
        ),
        ("an empty reason", with("/reason", json!("  ")), 400, "invalid-request", "reason"),
        ("a long reason", with("/reason", json!("x".repeat(1_001))), 400, "invalid-request", "reason"),
        ("a terminal escape", with("/reason", json!("\u{1b}]0;owned\u{7}")), 400, "invalid-request", "reason"),
        ("a text that runs backwards", with("/reason", json!("a\u{202e}b")), 400, "invalid-request", "reason"),
        ("an unknown role", with("/target/id", json!("prod-owner")), 422, "unknown-role", "target"),
        ("a path for a role", with("/target/id", json!("../prod-admin")), 422, "unknown-role", "target"),
        ("an unknown scope", plus("scope", json!("everything")), 422, "unknown-scope", "scope"),
        ("a path for an incident", named("../INC-219"), 400, "invalid-request", "incident.id"),
        ("a path inside", named("INC/../INC-219"), 400, "invalid-request", "incident.id"),
        ("a URL", named("https://evil.example.com/INC-219"), 400, "invalid-request", "incident.id"),
        ("an anchor first", named("#INC-219"), 400, "invalid-request", "incident.id"),
        ("10 kB", named(&long), 400, "invalid-request", "incident.id"),
        (
            "a provider that is a path",
            with("/incident/provider", json!("../file")),
            400,
            "invalid-request",
            "incident.provider",
        ),
        ("another provider", with("/incident/provider", json!("pager")), 409, "incident-closed", "incident"),
        ("an unknown incident with an anchor", named("example/api#12"), 409, "incident-closed", "incident"),
    ];
    let count = cases.len();
    for (name, body, status, slug, field) in cases {
        let answer = app.post("alice", "/v1/grants", body).await;
        let named = answer.is_problem(status, slug);
        assert_eq!(named.as_deref(), Some(field), "{name}: {}", answer.text);
        assert!(answer.text.len() < 2_000, "{name}");
        let (who, action, problem) = app.refusals().pop().unwrap();
        assert_eq!((who.as_str(), action.as_str(), problem.as_str()), ("alice", "request", slug), "{name}");
    }
    assert_eq!(app.refusals().len(), count);
    assert_eq!(app.happened(), 0);
}

#[tokio::test]
async fn html_is_text() {
    let app = TestApp::new();
    let html = "<script>alert(1)</script> & \"quotes\"";
    let answer = app.post("alice", "/v1/grants", with("/reason", json!(html))).await;
    assert_eq!((answer.status, answer.field("reason")), (StatusCode::CREATED, html.to_owned()));
    // No browser takes it for a page.
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert!(answer.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
}

#[tokio::test]
async fn bodies_that_are_no_json_object_are_refused() {
    let app = TestApp::new();
    let send = async |kind: &str, bytes: &[u8]| -> Answer {
        app.call("alice", Method::POST, "/v1/grants").header("content-type", kind).bytes(bytes).send().await
    };
    let json = "application/json";
    for bytes in
        [&b"{"[..], b"[]", b"null", b"\"x\"", b"\xff\xfe", b"{} {}", b"{\"reason\": \"\xff\"}", b" ", b"{\"reason\":"]
    {
        let answer = send(json, bytes).await;
        // No field is to blame for what is no JSON.
        let field = answer.is_problem(400, "invalid-request");
        assert!(field.is_none_or(|field| bytes == b"{} {}" && field == "target"), "{}", answer.text);
    }
    // Fields by their place instead of their name: the parser would take them.
    let asked = ask();
    let places = json!([asked["target"], null, asked["incident"], asked["reason"], asked["duration_seconds"], false]);
    let listed = send(json, places.to_string().as_bytes()).await;
    assert_eq!(listed.is_problem(400, "invalid-request"), None);
    for (field, list) in [("target", json!(["aws-role", "prod-admin"])), ("incident", json!(["file", "INC-219"]))] {
        let answer = send(json, with(&format!("/{field}"), list).to_string().as_bytes()).await;
        assert_eq!(answer.is_problem(400, "invalid-request").as_deref(), Some(field), "{}", answer.text);
    }
    let nothing =
        app.call("alice", Method::POST, "/v1/grants/0000000000000000000000/withdraw").header("content-type", json);
    nothing.bytes("[]").send().await.is_problem(400, "invalid-request");
    let and_more = format!("{} {{}}", ask());
    send(json, and_more.as_bytes()).await.is_problem(400, "invalid-request");
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    send(json, deep.as_bytes()).await.is_problem(400, "invalid-request");
    let empty = app.call("alice", Method::POST, "/v1/grants").header("content-type", json).send().await;
    assert!(empty.text.contains("empty"), "{}", empty.text);
    let twice = ask().to_string().replacen('{', "{\"reason\":\"first\",", 1);
    assert_eq!(send(json, twice.as_bytes()).await.is_problem(400, "invalid-request").as_deref(), Some("reason"));
    for (kind, field) in
        [("text/plain", "Content-Type"), ("application/x-www-form-urlencoded", "Content-Type"), ("", "Content-Type")]
    {
        let answer = send(kind, ask().to_string().as_bytes()).await;
        assert_eq!(answer.is_problem(415, "invalid-request").as_deref(), Some(field), "{kind}");
    }
    let untyped = app.call("alice", Method::POST, "/v1/grants").bytes(ask().to_string()).send().await;
    assert_eq!(untyped.is_problem(415, "invalid-request").as_deref(), Some("Content-Type"));
    let packed =
        app.call("alice", Method::POST, "/v1/grants").header("content-encoding", "gzip").body(&ask()).send().await;
    assert_eq!(packed.is_problem(415, "invalid-request").as_deref(), Some("Content-Encoding"));
    assert_eq!(app.happened(), 0);
    let charset = send("application/json; charset=utf-8", ask().to_string().as_bytes()).await;
    assert_eq!(charset.status, StatusCode::CREATED);
}

#[tokio::test]
async fn sizes_are_bounded() {
    let app = TestApp::new();
    let large = app.post("alice", "/v1/grants", with("/reason", json!("x".repeat(100_000)))).await;
    large.is_problem(413, "too-large");
    assert!(large.text.contains("65536"), "{}", large.text);
    let path = format!("/v1/incidents/file/{}", "1".repeat(10_240));
    let long = app.get("alice", &path).await;
    assert_eq!(long.is_problem(414, "too-large").as_deref(), Some("path"));
    assert!(long.text.contains("2048"));
    let recorded: Vec<String> =
        app.refusals().into_iter().map(|(_, action, problem)| format!("{action}: {problem}")).collect();
    assert_eq!(recorded, ["request: too-large", "read: too-large"]);
    assert_eq!(app.happened(), 0);
}

#[tokio::test]
async fn each_call_knows_its_fields() {
    let app = TestApp::new();
    let id = app.active().await;
    let happened = app.happened();
    for (call, action, body, field) in [
        ("acknowledge", "acknowledge", json!({}), "request_hash"),
        ("acknowledge", "acknowledge", json!({"request_hash": "00", "state": "active"}), "state"),
        ("acknowledge", "acknowledge", json!({"request_hash": "00", "signature": {}}), "signature.nonce"),
        ("decline", "decline", json!({}), "reason"),
        ("extend", "extend", json!({"duration_seconds": 60}), "reason"),
        (
            "extend",
            "extend",
            json!({"duration_seconds": 60, "reason": "x", "ends_at": "2030-01-01T00:00:00Z"}),
            "ends_at",
        ),
        ("revoke", "revoke", json!({"reason": ""}), "reason"),
        ("revoke", "revoke", json!({"reason": "x", "force": true}), "force"),
        ("withdraw", "withdraw", json!({"state": "withdrawn"}), "state"),
        ("return", "return", json!({"ended_at": "x"}), "ended_at"),
        ("credentials", "mint", json!({"duration_seconds": 43_200}), "duration_seconds"),
        ("console", "mint", json!({"destination": "https://evil.example.com"}), "destination"),
    ] {
        let answer = app.post("alice", &format!("/v1/grants/{id}/{call}"), body).await;
        assert_eq!(answer.is_problem(400, "invalid-request").as_deref(), Some(field), "{call}: {}", answer.text);
        assert_eq!(app.refusals().pop().unwrap().1, action);
    }
    let hash = app.post("bob", &format!("/v1/grants/{id}/acknowledge"), json!({"request_hash": "zz"})).await;
    assert_eq!(hash.is_problem(400, "invalid-request").as_deref(), Some("request_hash"));
    for duration in [0, -1, i64::MAX] {
        let answer = app
            .post("alice", &format!("/v1/grants/{id}/extend"), json!({"duration_seconds": duration, "reason": "x"}))
            .await;
        assert_eq!(answer.is_problem(422, "duration-out-of-bounds").as_deref(), Some("duration_seconds"), "{duration}");
    }
    let unknown = app.post("carol", "/v1/revocations", json!({"everything": true, "reason": "x"})).await;
    assert_eq!(unknown.is_problem(400, "invalid-request").as_deref(), Some("everything"));
    assert_eq!(app.happened(), happened);
}

#[tokio::test]
async fn paths_and_queries_of_any_wrong_kind_are_refused() {
    let app = TestApp::new();
    for (path, status, slug, field) in [
        ("/v1/grants/x", 400, "invalid-request", Some("grant")),
        ("/v1/grants/..%2F..%2Fetc", 400, "invalid-request", Some("grant")),
        ("/v1/grants/%1b%5b2J", 400, "invalid-request", Some("grant")),
        ("/v1/grants/%ff", 400, "invalid-request", Some("path")),
        ("/v1/grants/0000000000000000000000", 404, "not-found", Some("grant")),
        ("/v1/incidents/file/..%2Fadmin", 400, "invalid-request", Some("incident.id")),
        ("/v1/incidents/file/https:%2F%2Fevil.example.com", 400, "invalid-request", Some("incident.id")),
        ("/v1/incidents/..%2F/INC-219", 400, "invalid-request", Some("incident.provider")),
        ("/v1/grants?state=open", 400, "invalid-request", Some("state")),
        ("/v1/grants?owner=alice", 400, "invalid-request", Some("owner")),
        ("/v1/grants?limit=many", 400, "invalid-request", Some("limit")),
        ("/v1/grants?limit=-1", 400, "invalid-request", Some("limit")),
        ("/v1/grants?state=active&state=pending", 400, "invalid-request", Some("state")),
        ("/v1/grants?incident=INC-219", 400, "invalid-request", Some("incident")),
        ("/v1/grants?cursor=x", 400, "invalid-request", Some("cursor")),
        ("/v1/grants?requester=Alice%20", 400, "invalid-request", Some("requester")),
        ("/v1/nothing", 404, "not-found", None),
    ] {
        let answer = app.get("alice", path).await;
        assert_eq!(answer.is_problem(status, slug).as_deref(), field, "{path}: {}", answer.text);
        assert_eq!(app.refusals().pop().unwrap().2, slug, "{path}");
    }
    assert_eq!(app.happened(), 0);
}

/// A link preview or a mail scanner follows links with GET and HEAD.
#[tokio::test]
async fn following_a_link_changes_nothing() {
    let app = TestApp::new();
    let (id, _) = app.pending().await;
    let happened = app.happened();
    for call in ["acknowledge", "decline", "withdraw", "return", "revoke", "extend", "credentials", "console"] {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let answer = app.call("bob", method.clone(), &format!("/v1/grants/{id}/{call}")).send().await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {call}");
            assert_eq!(answer.headers["allow"], "POST", "{method} {call}");
            if method != Method::HEAD {
                answer.is_problem(405, "method-not-allowed");
            }
        }
    }
    assert_eq!(app.happened(), happened);
    assert_eq!(app.get("alice", &format!("/v1/grants/{id}")).await.field("state"), "pending");
}
