//! Machines ask, use and give back; they answer for nobody. And whoever sets one off can't be its second person.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, CLUSTER, PIPELINES, TestApp, ask};

/// alice sets off a pipeline that asks.
async fn asked(app: &TestApp) -> (String, Value) {
    let answer = app.send(&app.pipeline("number-of-alice"), "/v1/grants", ask()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    (answer.field("id"), json!({"request_hash": answer.field("request_hash")}))
}

async fn acknowledged(app: &TestApp, who: &str, id: &str, yes: &Value) -> Answer {
    app.post(who, &format!("/v1/grants/{id}/acknowledge"), yes.clone()).await
}

#[tokio::test]
async fn a_pipelines_request_takes_two_people_and_its_credentials_are_its_own() {
    let app = TestApp::new();
    let token = app.pipeline("number-of-alice");
    let (id, yes) = asked(&app).await;
    let path = format!("/v1/grants/{id}");
    let view = app.bearing(&token, Method::GET, &path).send().await.json();
    assert_eq!(
        (&view["requester"], &view["requester_kind"], &view["on_behalf_of"], &view["acknowledgements_needed"]),
        (&json!("deploy"), &json!("machine"), &json!("alice"), &json!(2))
    );
    let first = acknowledged(&app, "bob", &id, &yes).await;
    assert_eq!((first.status, first.field("state").as_str()), (StatusCode::OK, "pending"), "{}", first.text);
    let given = json!([{"by": "bob", "at": "2026-03-01T03:00:00Z", "signed": false}]);
    assert_eq!((&first.json()["acknowledgements"], &first.json()["acknowledgements_needed"]), (&given, &json!(1)));
    let early = app.bearing(&token, Method::POST, &format!("{path}/credentials")).send().await;
    early.is_problem(409, "wrong-state");
    let second = acknowledged(&app, "carol", &id, &yes).await;
    assert_eq!((second.field("state").as_str(), second.field("acknowledged_by").as_str()), ("active", "carol"));
    let given = second.json()["acknowledgements"].clone();
    let names: Vec<&Value> = given.as_array().unwrap().iter().map(|yes| &yes["by"]).collect();
    assert_eq!((names, &second.json()["acknowledgements_needed"]), (vec![&json!("bob"), &json!("carol")], &json!(0)));
    let minted = app.bearing(&token, Method::POST, &format!("{path}/credentials")).send().await;
    assert_eq!(minted.status, StatusCode::OK, "{}", minted.text);
    // Set off by somebody else, the same machine is another requester; and alice is not the machine.
    let bobs = app.pipeline("number-of-bob");
    app.bearing(&bobs, Method::POST, &format!("{path}/credentials")).send().await.is_problem(403, "not-requester");
    app.call("alice", Method::POST, &format!("{path}/credentials")).send().await.is_problem(403, "not-requester");
    let returned = app.send(&token, &format!("{path}/return"), json!({})).await;
    assert_eq!((returned.field("state").as_str(), returned.field("ended_by").as_str()), ("returned", "deploy"));
}

#[tokio::test]
async fn whoever_set_a_machine_off_is_no_second_person_of_it() {
    let app = TestApp::new();
    let (id, yes) = asked(&app).await;
    for login in ["alice", "alice-at-home"] {
        acknowledged(&app, login, &id, &yes).await.is_problem(403, "same-person");
    }
    assert_eq!(acknowledged(&app, "bob", &id, &yes).await.field("state"), "pending");
}

#[tokio::test]
async fn two_logins_of_one_person_are_one_yes() {
    let app = TestApp::new();
    let (id, yes) = asked(&app).await;
    assert_eq!(acknowledged(&app, "bob", &id, &yes).await.status, StatusCode::OK);
    for login in ["bob", "bob-at-home"] {
        acknowledged(&app, login, &id, &yes).await.is_problem(403, "same-person");
    }
    let view = app.get("carol", &format!("/v1/grants/{id}")).await.json();
    assert_eq!((&view["state"], &view["acknowledgements_needed"]), (&json!("pending"), &json!(1)));
    let minted = app.bearing(&app.pipeline("number-of-alice"), Method::POST, &format!("/v1/grants/{id}/credentials"));
    minted.send().await.is_problem(409, "wrong-state");
}

#[tokio::test]
async fn a_machine_that_names_a_human_whom_nobody_knows_is_nobody() {
    let app = TestApp::new();
    let answer = app.send(&app.pipeline("number-of-mallory"), "/v1/grants", ask()).await;
    answer.is_problem(403, "unlinked-principal");
    assert!(answer.text.contains("actor_id") && !answer.text.contains("mallory"), "{}", answer.text);
    // Nor one that should name somebody and doesn't, or that says what no rule fits.
    let said = |more: Value| {
        let mut said = json!({"iss": PIPELINES, "sub": "repo:example/app", "repository": "example/app"});
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.token_of(&said)
    };
    for more in [
        json!({}),
        json!({"actor_id": ""}),
        json!({"actor_id": 583_231}),
        json!({"actor_id": ["number-of-alice"]}),
        json!({"actor_id": "number-of-alice", "repository": "example/other"}),
        json!({"actor_id": "number-of-alice", "repository": ["example/app"]}),
        json!({"actor_id": "number-of-alice", "repository": "Example/App"}),
        json!({"actor_id": "number-of-alice", "sub": ""}),
    ] {
        app.send(&said(more.clone()), "/v1/grants", ask()).await.is_problem(403, "unlinked-principal");
    }
    assert_eq!(app.happened(), 0);
}

#[tokio::test]
async fn no_machine_does_what_a_person_must() {
    let app = TestApp::new();
    let token = app.pipeline("number-of-carol");
    let (pending, hash) = app.pending().await;
    let active = app.active().await;
    let happened = app.happened();
    let because = json!({"reason": "a pipeline says so"});
    let mut emergency = ask();
    emergency["emergency"] = json!(true);
    for (path, body) in [
        (format!("/v1/grants/{pending}/acknowledge"), json!({"request_hash": hash})),
        (format!("/v1/grants/{pending}/decline"), because.clone()),
        (format!("/v1/grants/{active}/revoke"), because.clone()),
        (format!("/v1/grants/{active}/extend"), json!({"duration_seconds": 60, "reason": "it takes longer"})),
        ("/v1/revocations".to_owned(), json!({"all": true, "reason": "a pipeline says so"})),
        ("/v1/grants".to_owned(), emergency),
        ("/v1/log/override".to_owned(), json!({"duration_seconds": 60, "reason": "a pipeline says so"})),
        ("/v1/log/override/end".to_owned(), json!({})),
    ] {
        let answer = app.send(&token, &path, body).await;
        answer.is_problem(403, "not-permitted");
        assert_eq!(app.refusals().pop().unwrap().0, "deploy", "{path}");
    }
    // What is another's it doesn't use or end either.
    for call in ["credentials", "console", "return"] {
        let answer = app.bearing(&token, Method::POST, &format!("/v1/grants/{active}/{call}")).send().await;
        answer.is_problem(403, "not-requester");
    }
    app.send(&token, &format!("/v1/grants/{pending}/withdraw"), json!({})).await.is_problem(403, "not-requester");
    assert_eq!(app.happened(), happened);
}

#[tokio::test]
async fn a_machines_own_request_is_withdrawn_by_it_and_read_by_it() {
    let app = TestApp::new();
    let token = app.workload("ci:deployer");
    let asked = app.send(&token, "/v1/grants", ask()).await;
    assert_eq!((asked.status, asked.field("requester").as_str()), (StatusCode::CREATED, "workload"), "{}", asked.text);
    let path = format!("/v1/grants/{}", asked.field("id"));
    assert_eq!(app.bearing(&token, Method::GET, &path).send().await.field("state"), "pending");
    let withdrawn = app.send(&token, &format!("{path}/withdraw"), json!({})).await;
    assert_eq!((withdrawn.field("state").as_str(), withdrawn.field("ended_by").as_str()), ("withdrawn", "workload"));
    let roles = app.bearing(&token, Method::GET, "/v1/roles").send().await.json();
    assert_eq!(roles["roles"][0]["may"], json!(["request", "read"]), "{roles}");
    let other = app.send(&app.workload("ci:somebody"), "/v1/grants", ask()).await;
    other.is_problem(403, "unlinked-principal");
}

#[tokio::test]
async fn one_idempotency_key_is_not_two_peoples_although_one_machine_is() {
    let app = TestApp::new();
    let keyed = async |actor: &str| {
        let token = app.pipeline(actor);
        let call = app.bearing(&token, Method::POST, "/v1/grants");
        call.header("idempotency-key", "k1").body(&ask()).send().await
    };
    let (alices, bobs) = (keyed("number-of-alice").await, keyed("number-of-bob").await);
    assert_eq!((alices.status, bobs.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_ne!(alices.field("id"), bobs.field("id"));
    assert_eq!((alices.field("on_behalf_of").as_str(), bobs.field("on_behalf_of").as_str()), ("alice", "bob"));
    assert_eq!(keyed("number-of-alice").await.text, alices.text);
}

#[tokio::test]
async fn a_machine_is_told_who_it_is() {
    let app = TestApp::new();
    let me = app.bearing(&app.pipeline("number-of-alice"), Method::GET, "/v1/me").send().await.json();
    let expected = json!({
        "kind": "machine", "name": "deploy", "on_behalf_of": "alice", "issuer": PIPELINES,
        "subject": "repo:example/app:ref:refs/heads/main", "groups": ["on-call"], "channel": "api",
        "deployment": "example", "incident_providers": ["file"]
    });
    assert_eq!(me, expected);
}

#[tokio::test]
async fn an_issuer_that_can_not_be_reached_lets_nobody_in_and_says_when_to_come_back() {
    let app = TestApp::new();
    let down = halligan_engine::ports::ProviderError::Unavailable("connect: refused by 10.0.0.7".to_owned());
    app.key_sets.answer(Err(down));
    let answer = app.send(&app.workload("ci:deployer"), "/v1/grants", ask()).await;
    answer.is_problem(503, "provider-unavailable");
    assert_eq!(answer.headers["retry-after"], "31");
    // Where it is, is for the operators.
    assert!(!answer.text.contains("10.0.0.7") && !answer.text.contains(CLUSTER), "{}", answer.text);
    // The others are not touched by it.
    assert_eq!(app.get("alice", "/v1/me").await.status, StatusCode::OK);
}
