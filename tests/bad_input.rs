//! Whatever is wrong with a call: a problem of a stable type that names the field or
//! the rule, an entry in the log, and nothing changed.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::support::{Reply, World, encode, eventually};

/// A request with one field put or replaced, or (null) taken out.
fn with(world: &World, pointer: &str, value: Value) -> Value {
    let mut body = world.asking(600);
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => parent.remove(name),
        value => parent.insert(name.to_owned(), value),
    };
    body
}

/// Every refusal that stands in the log: who, and which problem.
fn refusals(world: &World) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let refused = world.log().into_iter().filter(|entry| entry.kind() == "action.refused");
    refused.map(|entry| (text(&entry.entry["actor"]["person"]), text(&entry.data()["problem"]))).collect()
}

/// Refusals one after the other, each with its entry.
struct Refused<'a> {
    world: &'a World,
    entries: usize,
}

impl Refused<'_> {
    async fn expect(&mut self, name: &str, who: &str, reply: &Reply, status: u16, slug: &str, field: &str) {
        assert_eq!(reply.status, status, "{name}: {reply:#?}");
        reply.problem(slug);
        assert_eq!(reply.body["field"].as_str().unwrap_or_default(), field, "{name}: {reply:#?}");
        self.entries += 1;
        let entries = eventually(name, async || {
            let entries = refusals(self.world);
            (entries.len() >= self.entries).then_some(entries)
        })
        .await;
        assert_eq!(entries.len(), self.entries, "{name}: an entry too many");
        assert_eq!(entries.last(), Some(&(who.to_owned(), slug.to_owned())), "{name}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named_and_recorded() {
    let world = World::new().await;
    let mut refused = Refused { world: &world, entries: 0 };
    let table = [
        // Who sends what only the broker decides.
        ("a state", "/state", json!("active"), 400, "invalid-request", "state"),
        ("an acknowledger", "/acknowledged_by", json!("bob"), 400, "invalid-request", "acknowledged_by"),
        ("an end", "/ends_at", json!("2100-01-01T00:00:00Z"), 400, "invalid-request", "ends_at"),
        ("a requester", "/requester", json!("bob"), 400, "invalid-request", "requester"),
        ("a field of a field", "/target/account", json!("1"), 400, "invalid-request", "target.account"),
        ("no reason", "/reason", Value::Null, 400, "invalid-request", "reason"),
        ("a text for a flag", "/emergency", json!("yes"), 400, "invalid-request", "emergency"),
        ("another kind", "/target/kind", json!("gate"), 400, "invalid-request", "target.kind"),
        ("an unknown role", "/target/id", json!("prod-root"), 422, "unknown-role", "target"),
        ("a path for a role", "/target/id", json!("../prod-admin"), 422, "unknown-role", "target"),
        ("an unknown scope", "/scope", json!("all"), 422, "unknown-scope", "scope"),
        ("0 s", "/duration_seconds", json!(0), 422, "duration-out-of-bounds", "duration_seconds"),
        ("-1 s", "/duration_seconds", json!(-1), 422, "duration-out-of-bounds", "duration_seconds"),
        ("the least", "/duration_seconds", json!(i64::MIN), 422, "duration-out-of-bounds", "duration_seconds"),
        ("a second too long", "/duration_seconds", json!(3_601), 422, "duration-out-of-bounds", "duration_seconds"),
        ("the most", "/duration_seconds", json!(i64::MAX), 422, "duration-out-of-bounds", "duration_seconds"),
        ("more than that", "/duration_seconds", json!(u64::MAX), 400, "invalid-request", "duration_seconds"),
        ("half a second", "/duration_seconds", json!(600.5), 400, "invalid-request", "duration_seconds"),
        ("a text for a number", "/duration_seconds", json!("600"), 400, "invalid-request", "duration_seconds"),
        ("an empty reason", "/reason", json!(""), 400, "invalid-request", "reason"),
        ("a blank reason", "/reason", json!(" \n\t "), 400, "invalid-request", "reason"),
        ("a reason of 50 kB", "/reason", json!("x".repeat(50_000)), 400, "invalid-request", "reason"),
        ("a reason of 100 kB", "/reason", json!("x".repeat(100_000)), 413, "too-large", ""),
        ("a terminal escape", "/reason", json!("\u{1b}[2Jhello"), 400, "invalid-request", "reason"),
        ("an override", "/reason", json!("a\u{202e}b"), 400, "invalid-request", "reason"),
        ("no such tool", "/incident/provider", json!("slack"), 409, "incident-closed", "incident"),
        ("no such incident", "/incident/id", json!("INC-9"), 409, "incident-closed", "incident"),
        ("a closed incident", "/incident/id", json!("INC-2"), 409, "incident-closed", "incident"),
        ("another's number", "/incident/id", json!("INC-1#2"), 409, "incident-closed", "incident"),
        ("a path", "/incident/id", json!("../INC-1"), 400, "invalid-request", "incident.id"),
        ("a path within", "/incident/id", json!("INC-2/../INC-1"), 400, "invalid-request", "incident.id"),
        ("a fragment", "/incident/id", json!("#INC-1"), 400, "invalid-request", "incident.id"),
        ("a URL", "/incident/id", json!("https://example.com/INC-1"), 400, "invalid-request", "incident.id"),
        ("an empty id", "/incident/id", json!(""), 400, "invalid-request", "incident.id"),
        ("an id of 10 kB", "/incident/id", json!("I".repeat(10_000)), 400, "invalid-request", "incident.id"),
        ("a line break", "/incident/id", json!("INC-1\nX-Injected: 1"), 400, "invalid-request", "incident.id"),
    ];
    for (name, pointer, value, status, slug, field) in table {
        let reply = world.post("alice", "/v1/grants", &with(&world, pointer, value)).await;
        refused.expect(name, "alice", &reply, status, slug, field).await;
    }

    // What is no body at all. By bob, since refusals of one person are entries up to a rate.
    let token = world.person("bob").token();
    let raw = async |kind: &'static str, body: String| {
        let request = world.call(Method::POST, "/v1/grants", &token).header(CONTENT_TYPE, kind).body(body);
        world.send(request).await
    };
    let good = world.asking(600).to_string();
    let twice = good.replacen('{', r#"{"reason":"other","#, 1);
    for (name, kind, body, status, slug, field) in [
        ("nothing", "application/json", String::new(), 400, "invalid-request", ""),
        ("no JSON", "application/json", "reason=r".into(), 400, "invalid-request", ""),
        ("a list", "application/json", "[]".into(), 400, "invalid-request", ""),
        ("two objects", "application/json", "{}{}".into(), 400, "invalid-request", "target"),
        ("a field twice", "application/json", twice, 400, "invalid-request", "reason"),
        ("very deep", "application/json", "{\"target\":".repeat(6_000), 400, "invalid-request", "target.target"),
        ("10 MB", "application/json", " ".repeat(10_000_000), 413, "too-large", ""),
        ("a form", "application/x-www-form-urlencoded", good, 415, "invalid-request", "Content-Type"),
    ] {
        let reply = raw(kind, body).await;
        refused.expect(name, "bob", &reply, status, slug, field).await;
    }
    for (name, path, status, slug, field) in [
        ("a query that isn't", "/v1/grants?states=active", 400, "invalid-request", "states"),
        ("a state that isn't", "/v1/grants?state=open", 400, "invalid-request", "state"),
        ("nothing", "/v1/nothing", 404, "not-found", ""),
        ("a path for an id", "/v1/grants/..%2F..%2Fetc%2Fpasswd", 400, "invalid-request", "grant"),
        ("an id that isn't", "/v1/grants/INC-1", 400, "invalid-request", "grant"),
        ("a long path", &format!("/v1/grants/{}", "1".repeat(4_000)), 414, "too-large", "path"),
        ("a GET on an action", "/v1/grants/032aA1NyKmZOHxdbISH2N5/acknowledge", 405, "method-not-allowed", ""),
    ] {
        let reply = world.get("bob", path).await;
        refused.expect(name, "bob", &reply, status, slug, field).await;
    }

    let page = world.get("carol", "/v1/grants").await.ok();
    assert_eq!(page, json!({"grants": []}), "nothing was changed");
    assert!(world.log().iter().all(|entry| entry.kind() == "action.refused" || entry.kind() == "broker.started"));

    // HTML is text like any other, and stays what it is.
    let html = "<script>alert(1)</script> & \"quotes\"";
    let asked = world.post("alice", "/v1/grants", &with(&world, "/reason", json!(html))).await.ok();
    let shown = world.cli("bob", &["show", asked["id"].as_str().unwrap()]).await.ok();
    assert_eq!(asked["reason"], html);
    assert!(shown.stdout.contains(html), "{}", shown.stdout);
    world.done().await;
}

#[tokio::test]
async fn a_call_that_is_sent_again_is_done_once() {
    let world = World::new().await;
    let mut refused = Refused { world: &world, entries: 0 };
    let keyed = async |login: &str, path: &str, key: &str, body: &Value| {
        let call = world.call(Method::POST, path, &world.person(login).token());
        world.send(call.header("Idempotency-Key", key).json(body)).await
    };
    let body = world.asking(600);
    let first = keyed("alice", "/v1/grants", "key-1", &body).await.ok();
    assert_eq!(keyed("alice", "/v1/grants", "key-1", &body).await.ok(), first);
    let other = keyed("alice", "/v1/grants", "key-1", &world.asking(601)).await;
    refused.expect("another body", "alice", &other, 422, "idempotency-key-reused", "Idempotency-Key").await;
    let malformed = keyed("alice", "/v1/grants", "two words", &body).await;
    refused.expect("a malformed key", "alice", &malformed, 400, "invalid-request", "Idempotency-Key").await;
    // Another person's key of the same name is another key.
    assert_ne!(keyed("bob", "/v1/grants", "key-1", &body).await.ok()["id"], first["id"]);

    let path = format!("/v1/grants/{}", first["id"].as_str().unwrap());
    let hash = json!({"request_hash": first["request_hash"]});
    let yes = keyed("bob", &format!("{path}/acknowledge"), "key-2", &hash).await.ok();
    assert_eq!(keyed("bob", &format!("{path}/acknowledge"), "key-2", &hash).await.ok(), yes);
    let mint = keyed("alice", &format!("{path}/credentials"), "key-3", &json!({})).await;
    refused.expect("a mint", "alice", &mint, 400, "idempotency-not-supported", "Idempotency-Key").await;

    // Version 1 is acknowledged, and what is asked for is version 2.
    let second = world.post("alice", "/v1/grants", &body).await.ok();
    let wrong = world.post("bob", &format!("/v1/grants/{}/acknowledge", second["id"].as_str().unwrap()), &hash).await;
    refused.expect("another's hash", "bob", &wrong, 409, "hash-mismatch", "request_hash").await;
    assert_eq!(world.get("carol", "/v1/grants").await.ok()["grants"].as_array().unwrap().len(), 3);
    world.post("carol", &format!("{path}/revoke"), &json!({"reason": "over"})).await.ok();
    world.done().await;
}

#[tokio::test]
async fn tokens_of_every_wrong_kind_are_nobodys() {
    let mut world = World::new().await;
    let (alice, bob) = (world.person("alice"), world.person("bob"));
    let header = Header::new(Algorithm::EdDSA);
    let claim = |name: &str, value: Value| {
        let mut claims = alice.claims();
        claims[name] = value;
        claims
    };
    let now = alice.claims()["iat"].as_i64().unwrap();
    let good = alice.token();
    let (_, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    // {"alg":"none","typ":"JWT"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let public = EncodingKey::from_secret(alice.public_pem.as_bytes());
    let mut unknown_kid = header.clone();
    unknown_kid.kid = Some("other".to_owned());
    let mut without = alice.claims();
    without.as_object_mut().unwrap().remove("exp");
    let table = [
        ("no algorithm", format!("{none}.{payload}.")),
        ("no algorithm, a signature", format!("{none}.{payload}.{signature}")),
        ("HMAC with the public key", encode(&Header::new(Algorithm::HS256), &alice.claims(), &public)),
        ("an issuer of nobody", alice.sign(&header, &claim("iss", json!("halligan:mallory")))),
        ("another's issuer", alice.sign(&header, &claim("iss", json!("halligan:bob")))),
        ("another's key", bob.sign(&header, &alice.claims())),
        ("another audience", alice.sign(&header, &claim("aud", json!("other")))),
        ("expired 30 s ago", alice.sign(&header, &claim("exp", json!(now - 30)))),
        ("not before a minute", alice.sign(&header, &claim("nbf", json!(now + 60)))),
        ("issued in a minute", alice.sign(&header, &claim("iat", json!(now + 60)))),
        ("a text for a time", alice.sign(&header, &claim("exp", json!((now + 300).to_string())))),
        ("a fraction for a time", alice.sign(&header, &claim("exp", json!(now as f64 + 300.5)))),
        ("no end", alice.sign(&header, &without)),
        ("a life of a day", alice.sign(&header, &claim("exp", json!(now + 86_400)))),
        ("an unknown key id", alice.sign(&unknown_kid, &alice.claims())),
        ("another payload", format!("{none}.{}.{signature}", bob.token().split('.').nth(1).unwrap())),
        ("no token", "not-a-token-at-all".to_owned()),
    ];
    for (name, token) in &table {
        let reply = world.send(world.call(Method::GET, "/v1/me", token)).await;
        assert_eq!(reply.status, 401, "{name}: {reply:#?}");
        reply.problem("unauthenticated");
        assert!(reply.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{name}");
    }
    let bare = |value: Option<&str>| {
        let request = world.http().get(format!("{}/v1/me", world.broker.url));
        value.into_iter().fold(request, |request, value| request.header(AUTHORIZATION, value))
    };
    for (name, request) in [
        ("nothing", bare(None)),
        ("another scheme", bare(Some("Basic YWxpY2U6c2VjcmV0"))),
        ("two tokens", bare(Some(&format!("Bearer {good}"))).header(AUTHORIZATION, format!("Bearer {good}"))),
    ] {
        let reply = world.send(request).await;
        assert_eq!(reply.status, 401, "{name}");
        reply.problem("unauthenticated");
    }
    // Rightly signed, and linked to nobody.
    let nobody = alice.sign(&header, &claim("sub", json!("mallory")));
    let reply = world.send(world.call(Method::GET, "/v1/me", &nobody)).await;
    assert_eq!(reply.status, 403);
    reply.problem("unlinked-principal");
    // The good one is good.
    assert_eq!(world.get("alice", "/v1/me").await.ok()["name"], "alice");

    // Strangers leave a count a window, not an entry each. A stop ends the window.
    assert!(world.broker.stop().await.success());
    world.broker.start().await;
    let counted = world.logged("the count", |entry| entry.kind() == "refusals.counted").await;
    let counts = json!({"unauthenticated": table.len() + 3, "unlinked-principal": 1});
    assert_eq!(counted.data()["counts"], counts);
    assert_eq!(refusals(&world), []);
    world.done().await;
}
