//! What a policy demands, and what heals it: a fresh second factor, a signature.

use axum::http::{Method, StatusCode};
use halligan_engine::access::{Access, Directory, IssuerRules};
use halligan_engine::fakes::fixtures;
use halligan_engine::ports::{Clock as _, Passkey, Passkeys as _};
use halligan_log::passkey::Algorithm;
use halligan_log::passkey::soft::SoftAuthenticator;
use serde_json::{Value, json};

use super::{Answer, ISSUER, PIPELINES, TestApp};

const FRESH: &str = r#"
    @id("fresh") @satisfiedBy("prove who you are, with a second factor") @obliges("stepUp")
    forbid (principal is Halligan::Person, action == Halligan::Action::"acknowledge", resource)
    unless { context has mfaAgeSeconds && context.mfaAgeSeconds <= 900 };
"#;
const SIGNED: &str = r#"
    @id("signed") @satisfiedBy("sign it with a passkey") @obliges("sign")
    forbid (principal, action == Halligan::Action::"acknowledge", resource) unless { context.signed };
"#;

#[tokio::test]
async fn who_must_prove_themselves_again_is_told_how_and_the_fresh_token_does() {
    let app = TestApp::with_policies(FRESH);
    let (id, hash) = app.pending().await;
    let path = format!("/v1/grants/{id}/acknowledge");
    let now = app.world.clock.now().as_second();
    let token = |auth_time: i64, amr: &[&str]| {
        app.token_of(&json!({"iss": ISSUER, "sub": "bob", "auth_time": auth_time, "amr": amr}))
    };
    let said = "Bearer realm=\"halligan\", error=\"insufficient_user_authentication\", \
                error_description=\"prove who you are again, with a second factor\", max_age=\"0\", \
                acr_values=\"phrh urn:example:mfa\"";
    for (name, token) in [
        ("nobody said when", app.token("bob")),
        ("too long ago", token(now - 901, &["pwd", "mfa"])),
        ("without a second factor", token(now, &["pwd"])),
    ] {
        let refused = app.send(&token, &path, json!({"request_hash": hash})).await;
        refused.is_problem(401, "not-permitted");
        assert_eq!(refused.headers["www-authenticate"], said, "{name}");
        let json = refused.json();
        assert_eq!(
            (&json["rules"], &json["unmet"], &json["obligations"]),
            (&json!(["fresh"]), &json!(["prove who you are, with a second factor"]), &json!(["stepUp"])),
            "{name}"
        );
    }
    let refused = app.world.store.entries().pop().unwrap();
    let event = serde_json::to_value(&refused.sealed.entry.event).unwrap();
    assert_eq!((&event["data"]["rules"], &event["data"]["problem"]), (&json!(["fresh"]), &json!("not-permitted")));
    let me = app.bearing(&token(now - 60, &["mfa"]), Method::GET, "/v1/me").send().await.json();
    assert_eq!((&me["auth_age_seconds"], &me["mfa_age_seconds"]), (&json!(60), &json!(60)));
    let yes = app.send(&token(now - 60, &["mfa"]), &path, json!({"request_hash": hash})).await;
    assert_eq!(yes.field("state"), "active", "{}", yes.text);
}

#[tokio::test]
async fn whoever_holds_their_own_key_proves_nothing_by_saying_so() {
    let app = TestApp::with_policies(FRESH);
    let now = app.world.clock.now().as_second();
    let claims = json!({"iss": ISSUER, "sub": "bob", "auth_time": now, "amr": ["mfa"], "acr": "phrh"});
    let (id, hash) = app.pending().await;
    let before = app.world.access.now();
    let issuers = [ISSUER, PIPELINES].into_iter().filter_map(|issuer| before.directory.rules(issuer).cloned());
    let issuers = issuers.map(|rules| IssuerRules { auth_time: false, ..rules }).collect();
    let people = before.directory.people().clone();
    let directory = Directory::new(issuers, people, before.directory.machines().clone());
    app.world.access.replace(Access { directory, ..Access::clone(&before) });
    let me = app.bearing(&app.token_of(&claims), Method::GET, "/v1/me").send().await.json();
    assert_eq!((&me["auth_age_seconds"], &me["mfa_age_seconds"]), (&Value::Null, &Value::Null));
    let path = format!("/v1/grants/{id}/acknowledge");
    let refused = app.send(&app.token_of(&claims), &path, json!({"request_hash": hash})).await;
    refused.is_problem(401, "not-permitted");
    assert_eq!(refused.json()["rules"], json!(["fresh"]));
    // What is no time is no token, believed or not.
    let mut bad = claims.clone();
    bad["auth_time"] = json!("yesterday");
    let refused = app.bearing(&app.token_of(&bad), Method::GET, "/v1/me").send().await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    // As it was asked for, it counts.
    app.world.access.replace(Access::clone(&before));
    let yes = app.send(&app.token_of(&claims), &path, json!({"request_hash": hash})).await;
    assert_eq!(yes.field("state"), "active", "{}", yes.text);
}

#[tokio::test]
async fn an_ordinary_refusal_is_no_step_up() {
    let app = TestApp::with_policies(FRESH);
    let now = app.world.clock.now().as_second();
    let fresh = app.token_of(&json!({"iss": ISSUER, "sub": "bob", "auth_time": now, "amr": ["mfa"]}));
    let active = app.active_by(&fresh).await;
    let refused = app.post("bob", &format!("/v1/grants/{active}/revoke"), json!({"reason": "over"})).await;
    refused.is_problem(403, "not-permitted");
    assert!(!refused.headers.contains_key("www-authenticate"));
    assert_eq!(refused.json()["obligations"], Value::Null);
}

/// A passkey of somebody's, which alice confirmed.
async fn enrolled(app: &TestApp, name: &str, seed: u8) -> SoftAuthenticator {
    let url = "https://halligan.example.com";
    let key = SoftAuthenticator::from_seed(Algorithm::ES256, [seed; 32], "halligan.example.com", url).unwrap();
    let now = app.world.clock.now();
    let passkey = Passkey {
        credential: key.credential(),
        person: fixtures::person(name),
        principal: fixtures::human(name).principal,
        label: "blue key".to_owned(),
        public_key: key.public_key().unwrap(),
        enrolled_at: now,
        noticed_at: None,
        // By somebody who has no part in the grant.
        confirmed: Some((fixtures::person(if name == "bob" { "carol" } else { "bob" }), now)),
        counter: 0,
    };
    app.world.store.keep(&passkey, None, Vec::new(), now).await.unwrap();
    key
}

async fn signature(app: &TestApp, who: &str, id: &str, key: &SoftAuthenticator) -> Value {
    let asked = app.call(who, Method::POST, &format!("/v1/grants/{id}/acknowledge/challenge")).send().await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.text);
    let asked = asked.json();
    assert_eq!(asked["rp_id"], "halligan.example.com");
    let mut challenge = [0; 32];
    hex::decode_to_slice(asked["challenge"].as_str().unwrap(), &mut challenge).unwrap();
    let mut answer = serde_json::to_value(key.assert(&challenge).unwrap()).unwrap();
    answer["nonce"] = asked["nonce"].clone();
    answer
}

async fn acknowledged(app: &TestApp, who: &str, id: &str, body: Value) -> Answer {
    app.post(who, &format!("/v1/grants/{id}/acknowledge"), body).await
}

#[tokio::test]
async fn an_acknowledgement_is_signed_where_the_policy_says_so() {
    let app = TestApp::with_policies(SIGNED);
    let (bobs, carols) = (enrolled(&app, "bob", 1).await, enrolled(&app, "carol", 2).await);
    let (id, hash) = app.pending().await;
    let unsigned = acknowledged(&app, "bob", &id, json!({"request_hash": hash})).await;
    unsigned.is_problem(403, "not-permitted");
    assert!(!unsigned.headers.contains_key("www-authenticate"));
    assert_eq!(unsigned.json()["obligations"], json!(["sign"]));

    let another = app.pending().await.0;
    let good = signature(&app, "bob", &id, &bobs).await;
    for (name, signature) in [
        ("of another's key", signature(&app, "bob", &id, &carols).await),
        ("for another request", signature(&app, "bob", &another, &bobs).await),
        ("for somebody else", signature(&app, "carol", &id, &bobs).await),
        (
            "made up",
            json!({"nonce": "00", "credential": "", "authenticator_data": "", "client_data": "", "signature": ""}),
        ),
    ] {
        let refused = acknowledged(&app, "bob", &id, json!({"request_hash": hash, "signature": signature})).await;
        refused.is_problem(403, "passkey-refused");
        assert!(!refused.text.contains(&hash), "{name}");
    }
    let yes = acknowledged(&app, "bob", &id, json!({"request_hash": hash, "signature": good})).await;
    assert_eq!((yes.field("state").as_str(), &yes.json()["acknowledgements"][0]["signed"]), ("active", &json!(true)));
    // Once.
    let hash = app.get("bob", &format!("/v1/grants/{another}")).await.field("request_hash");
    let again = acknowledged(&app, "bob", &another, json!({"request_hash": hash, "signature": good})).await;
    again.is_problem(403, "passkey-refused");
}

#[tokio::test]
async fn who_has_no_passkey_or_is_a_machine_gets_no_challenge() {
    let app = TestApp::new();
    let (id, _) = app.pending().await;
    let path = format!("/v1/grants/{id}/acknowledge/challenge");
    app.call("bob", Method::POST, &path).send().await.is_problem(404, "not-found");
    app.send(&app.pipeline("number-of-bob"), &path, json!({})).await.is_problem(403, "not-permitted");
    let keyed = app.call("bob", Method::POST, &path).header("idempotency-key", "k1").send().await;
    keyed.is_problem(400, "idempotency-not-supported");
}
