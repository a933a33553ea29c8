//! The policy's `signIn` is asked of a person's token, too: no rule for browsers is gone
//! round by a command line.

use axum::http::{Method, StatusCode};
use halligan_engine::ports::Clock as _;
use serde_json::json;

use super::{ISSUER, TestApp};

const THIS_MORNING: &str = r#"
    @id("proved-this-morning") @satisfiedBy("sign in again: the last time must not be more than 12 hours ago")
    @obliges("stepUp")
    forbid (principal, action == Halligan::Action::"signIn", resource)
    unless { context has authAgeSeconds && context.authAgeSeconds <= 43200 };
"#;

#[tokio::test]
async fn a_persons_token_is_let_in_by_the_policy_or_not_at_all() {
    let app = TestApp::with_policies(THIS_MORNING);
    let now = app.world.clock.now().as_second();
    let token = |auth_time: i64| app.token_of(&json!({"iss": ISSUER, "sub": "bob", "auth_time": auth_time}));
    for (name, token) in [("nobody said when", app.token("bob")), ("too long ago", token(now - 43_201))] {
        for (method, path) in [(Method::GET, "/v1/me"), (Method::GET, "/v1/nothing"), (Method::POST, "/v1/revocations")]
        {
            let refused = app.bearing(&token, method, path).send().await;
            refused.is_problem(401, "not-permitted");
            assert_eq!(refused.json()["rules"], json!(["proved-this-morning"]), "{name}: {path}");
            assert_eq!(refused.json()["detail"], "`bob` may not sign in here", "{name}: {path}");
        }
    }
    let entry = app.world.store.entries().pop().unwrap();
    let event = serde_json::to_value(&entry.sealed.entry.event).unwrap();
    assert_eq!(
        (&event["type"], &event["data"]["action"], &event["data"]["rules"]),
        (&json!("action.refused"), &json!("sign_in"), &json!(["proved-this-morning"]))
    );
    let known = app.bearing(&token(now - 43_200), Method::GET, "/v1/me").send().await;
    assert_eq!(known.status, StatusCode::OK, "{}", known.text);
}

/// Which way somebody comes is the policy's to tell apart. Machines don't sign in.
#[tokio::test]
async fn a_policy_can_close_the_api_to_people() {
    let app = TestApp::with_policies(
        r#"@id("browsers-only") @satisfiedBy("use a browser")
        forbid (principal, action == Halligan::Action::"signIn", resource) unless { context.channel == "web" };"#,
    );
    app.get("alice", "/v1/me").await.is_problem(403, "not-permitted");
    let machine = app.bearing(&app.pipeline("number-of-alice"), Method::GET, "/v1/me").send().await;
    assert_eq!(machine.status, StatusCode::OK, "{}", machine.text);
}
