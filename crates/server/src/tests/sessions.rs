//! Sessions by the API: one's own, all of them at once, and those of others.

use axum::http::{Method, StatusCode};
use halligan_core::actor::Principal;
use halligan_engine::fakes::fixtures::{self, person, uuid};
use halligan_engine::ports::{
    Clock as _, Passkey, Passkeys as _, Proof, SecretHash, Session, Sessions as _, SignInMethod,
};
use halligan_log::passkey::{Algorithm, PublicKey};
use jiff::SignedDuration;
use serde_json::json;

use super::{ISSUER, TestApp};

/// Somebody's session in a browser, since now.
async fn signed_in(app: &TestApp, number: u64, subject: &str) -> Session {
    let now = app.world.clock.now();
    let session = Session {
        token: SecretHash::of(&format!("secret {number}").into()),
        id: uuid(number),
        principal: Principal { issuer: ISSUER.to_owned(), subject: subject.to_owned() },
        proof: Proof { method: SignInMethod::Provider, at: Some(now), mfa_at: None, at_provider: Some(now) },
        opened_at: now,
        seen_at: now,
        address: Some("192.0.2.17".parse().unwrap()),
    };
    app.world.store.open(&session, vec![], now).await.unwrap();
    session
}

async fn is_kept(app: &TestApp, session: &Session) -> bool {
    app.world.store.session(&session.token).await.unwrap().is_some()
}

#[tokio::test]
async fn somebody_sees_their_sessions_of_every_login_and_ends_one() {
    let app = TestApp::new();
    let first = signed_in(&app, 1, "alice").await;
    app.world.clock.advance(SignedDuration::from_mins(1));
    let second = signed_in(&app, 2, "alice-at-home").await;
    let bobs = signed_in(&app, 3, "bob").await;
    let seen = app.get("alice", "/v1/me/sessions").await;
    let expected = |session: &Session| {
        json!({
            "id": session.id.to_string(), "method": "provider", "issuer": ISSUER, "address": "192.0.2.17",
            "opened_at": session.opened_at.to_string(), "seen_at": session.seen_at.to_string(),
        })
    };
    assert_eq!(seen.json(), json!({"sessions": [expected(&second), expected(&first)]}));
    for secret in [&first.token.0, "secret 1"] {
        assert!(!seen.text.contains(secret), "{}", seen.text);
    }
    let end = |id: &str| format!("/v1/me/sessions/{id}/end");
    for (name, id) in [("bob's", bobs.id.to_string()), ("nobody's", uuid(99).to_string())] {
        let refused = app.post("alice", &end(&id), json!({})).await;
        assert_eq!(refused.is_problem(404, "not-found").as_deref(), Some("id"), "{name}");
    }
    let refused = app.post("alice", &end("no-uuid"), json!({})).await;
    assert_eq!(refused.is_problem(400, "invalid-request").as_deref(), Some("id"));
    assert!(is_kept(&app, &bobs).await && is_kept(&app, &first).await);

    let ended = app.post("alice", &end(&first.id.to_string()), json!({})).await;
    assert_eq!((ended.status, ended.text.as_str()), (StatusCode::OK, "{}"));
    assert!(!is_kept(&app, &first).await && is_kept(&app, &second).await);
    app.post("alice", &end(&first.id.to_string()), json!({})).await.is_problem(404, "not-found");
    for (path, body) in [(end(&second.id.to_string()), json!({"all": true})), (end("x"), json!([]))] {
        let refused = app.post("alice", &path, body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}: {}", refused.text);
    }
    let by_get = app.get("alice", &end(&second.id.to_string())).await;
    by_get.is_problem(405, "method-not-allowed");
    app.bearing(&app.pipeline("number-of-alice"), Method::GET, "/v1/me/sessions")
        .send()
        .await
        .is_problem(403, "not-permitted");
    assert!(is_kept(&app, &second).await);
}

/// Whoever lost something can't wait for an archive.
#[tokio::test(start_paused = true)]
async fn what_was_lost_is_ended_before_the_log_was_read() {
    let app = TestApp::new();
    let (first, second) = (signed_in(&app, 1, "alice").await, signed_in(&app, 2, "alice-at-home").await);
    app.world.archive.set_down(true);
    app.get("alice", "/v1/grants").await.is_problem(503, "starting");
    let seen = app.get("alice", "/v1/me/sessions").await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
    let ended = app.post("alice", &format!("/v1/me/sessions/{}/end", first.id), json!({})).await;
    assert_eq!(ended.status, StatusCode::OK, "{}", ended.text);
    assert!(!is_kept(&app, &first).await && is_kept(&app, &second).await);
    let ended = app.post("carol", "/v1/people/alice/sessions/end", json!({"reason": "stolen"})).await;
    assert_eq!(ended.status, StatusCode::OK, "{}", ended.text);
    assert!(!is_kept(&app, &second).await);
}

#[tokio::test]
async fn signing_out_everywhere_ends_the_very_token_that_asked() {
    let app = TestApp::new();
    let (browser, bobs) = (signed_in(&app, 1, "alice").await, signed_in(&app, 2, "bob").await);
    let (one, another) = (app.token("alice"), app.token("alice-at-home"));
    app.world.clock.advance(SignedDuration::from_secs(2));
    let path = "/v1/me/sessions/end";
    let call = app.bearing(&one, Method::POST, path).header("idempotency-key", "out-1").body(&json!({}));
    let out = call.send().await;
    assert_eq!((out.status, out.json()), (StatusCode::OK, json!({"sessions": 1})));
    assert!(!is_kept(&app, &browser).await && is_kept(&app, &bobs).await);
    for token in [&one, &another] {
        let refused = app.bearing(token, Method::GET, "/v1/me").send().await;
        refused.is_problem(401, "unauthenticated");
        assert!(refused.field("detail").contains("you were signed out everywhere"), "{}", refused.text);
        assert!(refused.field("detail").ends_with("sign in again"), "{}", refused.text);
        let challenge = refused.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("invalid_token"), "{challenge}");
    }
    app.get("alice", "/v1/me").await.is_problem(401, "unauthenticated");
    app.world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(app.get("alice", "/v1/me").await.status, StatusCode::OK, "a new token, a second later");
    assert_eq!(app.get("bob", "/v1/me").await.status, StatusCode::OK);
    let pipeline = app.bearing(&app.pipeline("number-of-alice"), Method::GET, "/v1/me").send().await;
    assert_eq!(pipeline.status, StatusCode::OK, "machines aren't concerned: {}", pipeline.text);
}

/// carol is an administrator.
#[tokio::test]
async fn an_administrator_ends_what_is_somebody_elses_and_nobody_else_does() {
    let app = TestApp::new();
    let browser = signed_in(&app, 1, "alice").await;
    let passkey = Passkey {
        credential: "BwcH".to_owned(),
        person: person("alice"),
        principal: fixtures::human("alice").principal,
        label: "the phone".to_owned(),
        public_key: PublicKey { algorithm: Algorithm::ES256, spki: "MFkwEwYH".to_owned() },
        enrolled_at: fixtures::start(),
        noticed_at: None,
        confirmed: Some((person("bob"), fixtures::start())),
        counter: 0,
    };
    app.world.store.keep(&passkey, None, vec![], fixtures::start()).await.unwrap();
    let (out, passkeys) = ("/v1/people/alice/sessions/end", "/v1/people/alice/passkeys");
    let remove = "/v1/people/alice/passkeys/remove";
    let (why, which) = (json!({"reason": "stolen"}), json!({"credential": "BwcH", "reason": "stolen"}));
    let token = app.token("alice");
    app.world.clock.advance(SignedDuration::from_secs(2));
    let deploy = app.pipeline("number-of-carol");
    for (name, token) in [("bob", app.token("bob")), ("alice", app.token("alice")), ("a machine", deploy)] {
        app.send(&token, out, why.clone()).await.is_problem(403, "not-permitted");
        app.send(&token, remove, which.clone()).await.is_problem(403, "not-permitted");
        let listed = app.bearing(&token, Method::GET, passkeys).send().await;
        listed.is_problem(403, "not-permitted");
        assert!(!listed.text.contains("the phone"), "{name}");
    }
    let told = app.refusals();
    for (who, action) in [("bob", "sign_out"), ("bob", "remove_passkey"), ("deploy", "sign_out")] {
        let told = told.iter().filter(|(by, what, _)| (by.as_str(), what.as_str()) == (who, action)).count();
        assert_eq!(told, 1, "{who}: {action}");
    }
    for (path, body, status, slug) in [
        (out, json!({}), 400, "invalid-request"),
        (out, json!({"reason": "  "}), 400, "invalid-request"),
        ("/v1/people/nobody/sessions/end", why.clone(), 404, "not-found"),
        ("/v1/people/no%20name/sessions/end", why.clone(), 400, "invalid-request"),
        ("/v1/people/bob/passkeys/remove", which.clone(), 404, "not-found"),
        (remove, json!({"credential": "other", "reason": "stolen"}), 404, "not-found"),
    ] {
        app.post("carol", path, body).await.is_problem(status, slug);
    }
    assert!(is_kept(&app, &browser).await);

    let shown = app.get("carol", passkeys).await.json();
    let expected = json!({"passkeys": [{
        "credential": "BwcH", "label": "the phone", "enrolled_at": fixtures::start().to_string(),
        "counts": true, "confirmed_by": "bob",
    }]});
    assert_eq!(shown, expected);
    let removed = app.post("carol", remove, which).await;
    assert_eq!((removed.status, removed.text.as_str()), (StatusCode::OK, "{}"));
    assert_eq!(app.get("carol", passkeys).await.json(), json!({"passkeys": []}));
    assert_eq!(app.post("carol", out, why).await.json(), json!({"sessions": 1}));
    assert!(!is_kept(&app, &browser).await);
    app.bearing(&token, Method::GET, "/v1/me").send().await.is_problem(401, "unauthenticated");
}
