//! A grant's life by HTTP.

use axum::http::{Method, StatusCode};
use halligan_core::incident::{IncidentStatus, OpenIncident};
use halligan_engine::fakes::fixtures;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{TestApp, ask};
use crate::views::{GrantState, GrantView};

#[tokio::test]
async fn ask_acknowledge_use_return() {
    let app = TestApp::new();
    let asked = app.post("alice", "/v1/grants", ask()).await;
    assert_eq!(asked.status, StatusCode::CREATED);
    let view: GrantView = serde_json::from_str(&asked.text).unwrap();
    assert_eq!(asked.headers["location"], format!("/v1/grants/{}", view.id));
    assert_eq!((view.state, view.requester.as_str(), view.scope.as_str()), (GrantState::Pending, "alice", "read"));
    assert!(view.acknowledge_by.is_some() && view.ends_at.is_none());

    let path = format!("/v1/grants/{}", view.id);
    let early = app.call("alice", Method::POST, &format!("{path}/credentials")).send().await;
    early.is_problem(409, "wrong-state");
    let same =
        app.post("alice-at-home", &format!("{path}/acknowledge"), json!({"request_hash": view.request_hash})).await;
    same.is_problem(403, "same-person");
    let yes = app.post("bob", &format!("{path}/acknowledge"), json!({"request_hash": view.request_hash})).await;
    assert_eq!((yes.field("state"), yes.field("acknowledged_by")), ("active".to_owned(), "bob".to_owned()));
    assert_eq!(yes.field("ends_at"), "2026-03-01T03:30:00Z");

    let credentials = app.call("alice", Method::POST, &format!("{path}/credentials")).send().await;
    assert_eq!(credentials.status, StatusCode::OK, "{}", credentials.text);
    assert_eq!(credentials.headers["cache-control"], "no-store");
    let key = credentials.field("AccessKeyId");
    assert_eq!(
        credentials.json(),
        json!({
            "Version": 1, "AccessKeyId": key, "SecretAccessKey": format!("secret-of-{key}"),
            "SessionToken": format!("token-of-{key}"), "Expiration": "2026-03-01T03:30:00Z"
        })
    );
    app.call("bob", Method::POST, &format!("{path}/credentials")).send().await.is_problem(403, "not-requester");
    let console = app.post("alice", &format!("{path}/console"), json!({})).await;
    assert_eq!(console.headers["cache-control"], "no-store");
    assert!(console.field("url").starts_with("https://console.example.com/"), "{}", console.text);

    let extended = app
        .post("alice", &format!("{path}/extend"), json!({"duration_seconds": 600, "reason": "it takes longer"}))
        .await;
    assert_eq!(extended.json()["extension"]["duration_seconds"], 600, "{}", extended.text);
    let hash = extended.json()["extension"]["hash"].clone();
    let later = app.post("carol", &format!("{path}/acknowledge"), json!({"request_hash": hash})).await;
    assert_eq!(
        (later.field("ends_at"), later.json()["extension"].clone()),
        ("2026-03-01T03:40:00Z".to_owned(), Value::Null)
    );

    let returned = app.call("alice", Method::POST, &format!("{path}/return")).send().await;
    assert_eq!((returned.field("state"), returned.field("ended_by")), ("returned".to_owned(), "alice".to_owned()));
    assert_eq!(returned.json()["containment"]["state"], "enforcing");
    assert_eq!(returned.json()["credentials_issued"], 2);
    let again = app.call("alice", Method::POST, &format!("{path}/return")).send().await;
    again.is_problem(409, "wrong-state");

    let read = app.get("carol", &path).await;
    let timeline: Vec<String> =
        read.json()["timeline"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap().to_owned()).collect();
    for (place, kind) in
        ["grant.requested", "action.refused", "action.refused", "grant.acknowledged", "grant.activated"]
            .iter()
            .enumerate()
    {
        assert_eq!(timeline[place], *kind, "{timeline:?}");
    }
    assert!(timeline.contains(&"credentials.issued".to_owned()));
    let first = &read.json()["timeline"][0];
    assert_eq!((first["actor"].as_str(), first["reason"].as_str()), (Some("alice"), Some("the database is full")));
    for secret in ["secret-of", "token-of", "console.example.com"] {
        assert!(!read.text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn second_persons_and_requesters_end_what_they_may() {
    let app = TestApp::new();
    let (id, _) = app.pending().await;
    let declined = app.post("bob", &format!("/v1/grants/{id}/decline"), json!({"reason": "not needed"})).await;
    assert_eq!(
        (declined.field("state"), declined.field("ended_because")),
        ("declined".to_owned(), "not needed".to_owned())
    );
    let (id, _) = app.pending().await;
    let withdrawn = app.post("alice", &format!("/v1/grants/{id}/withdraw"), json!({})).await;
    assert_eq!(withdrawn.field("state"), "withdrawn");
    let id = app.active().await;
    let refused = app.post("bob", &format!("/v1/grants/{id}/revoke"), json!({"reason": "over"})).await;
    refused.is_problem(403, "not-permitted");
    assert!(refused.json()["unmet"][0].as_str().unwrap().contains("security"), "{}", refused.text);
    let revoked = app.post("carol", &format!("/v1/grants/{id}/revoke"), json!({"reason": "over"})).await;
    assert_eq!((revoked.field("state"), revoked.field("ended_by")), ("revoked".to_owned(), "carol".to_owned()));
}

#[tokio::test]
async fn an_emergency_start_is_active_at_once_and_says_until_when() {
    let app = TestApp::new();
    let mut body = ask();
    body["emergency"] = json!(true);
    let started = app.post("alice", "/v1/grants", body).await;
    assert_eq!(
        (started.field("state"), started.field("ack_due")),
        ("active".to_owned(), "2026-03-01T03:05:00Z".to_owned())
    );
    assert_eq!(started.json()["acknowledged_by"], Value::Null);
}

#[tokio::test]
async fn the_big_red_button_ends_what_is_selected() {
    let app = TestApp::new();
    let (one, two) = (app.active().await, app.active().await);
    let (waiting, _) = app.pending().await;
    for body in [json!({"reason": "x"}), json!({"all": true, "requester": "alice", "reason": "x"})] {
        assert_eq!(
            app.post("carol", "/v1/revocations", body).await.is_problem(400, "invalid-request").as_deref(),
            Some("all")
        );
    }
    app.post("bob", "/v1/revocations", json!({"all": true, "reason": "x"})).await.is_problem(403, "not-permitted");
    let nobody = app.post("carol", "/v1/revocations", json!({"requester": "bob", "reason": "x"})).await;
    assert_eq!(nobody.json(), json!({"grants": []}));
    let ended =
        app.post("carol", "/v1/revocations", json!({"requester": "alice", "reason": "a laptop was stolen"})).await;
    let mut ids: Vec<String> = ended.json()["grants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| {
            assert_eq!(g["state"], "revoked");
            g["id"].as_str().unwrap().to_owned()
        })
        .collect();
    ids.sort();
    let mut expected = vec![one, two];
    expected.sort();
    assert_eq!(ids, expected);
    assert_eq!(app.get("carol", &format!("/v1/grants/{waiting}")).await.field("state"), "pending");
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let app = TestApp::new();
    let mut ids = Vec::new();
    for _ in 0..5 {
        app.world.clock.advance(SignedDuration::from_secs(1));
        ids.insert(0, app.pending().await.0);
    }
    app.post("alice", &format!("/v1/grants/{}/withdraw", ids[4]), json!({})).await;
    let mut seen = Vec::new();
    let mut path =
        "/v1/grants?state=pending&target=prod-admin&incident=file:INC-219&requester=alice&limit=3".to_owned();
    loop {
        let page = app.get("bob", &path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        seen.extend(page.json()["grants"].as_array().unwrap().iter().map(|g| g["id"].as_str().unwrap().to_owned()));
        match page.json()["next"].as_str() {
            Some(next) => path = format!("/v1/grants?state=pending&limit=3&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ids[..4]);
    assert_eq!(app.get("bob", "/v1/grants?requester=carol").await.json(), json!({"grants": []}));
}

#[tokio::test]
async fn what_can_be_asked_for() {
    let app = TestApp::new();
    let roles = app.get("alice", "/v1/roles").await.json();
    assert_eq!(roles["roles"].as_array().unwrap().len(), 2);
    let role = &roles["roles"][0];
    assert_eq!(role["target"], json!({"kind": "aws-role", "id": "prod-admin"}));
    assert_eq!(role["account"], "123456789012");
    assert_eq!((role["duration_seconds_max"].clone(), role["emergency"].clone()), (json!(3_600), json!(true)));
    assert!(role["may"].as_array().unwrap().contains(&json!("request")), "{role}");
    let me = app.get("alice-at-home", "/v1/me").await.json();
    let expected = json!({"kind": "person", "name": "alice", "issuer": "https://id.example.com",
        "subject": "alice-at-home", "groups": ["on-call"], "channel": "api", "deployment": "example",
        "incident_providers": ["file"]});
    assert_eq!(me, expected);
}

#[tokio::test]
async fn incidents_are_looked_up_by_ids_of_any_tool() {
    let app = TestApp::new();
    let open = OpenIncident {
        severity: Some("sev1".to_owned()),
        creator: Some("carol".to_owned()),
        opened_at: Some(fixtures::start()),
        title: Some("checkout answers 500".to_owned()),
    };
    app.world.incidents.set(fixtures::incident("example/api#12"), IncidentStatus::Open(open));
    let unknown = IncidentStatus::Unknown { reason: "the tool timed out".to_owned() };
    app.world.incidents.set(fixtures::incident("INC-7"), unknown);
    let found = app.get("alice", "/v1/incidents/file/example%2Fapi%2312").await.json();
    let expected = json!({"provider": "file", "id": "example/api#12", "status": "open", "severity": "sev1",
        "creator": "carol", "opened_at": "2026-03-01T03:00:00Z", "title": "checkout answers 500"});
    assert_eq!(found, expected);
    assert_eq!(app.get("alice", "/v1/incidents/file/INC-7").await.json()["reason"], "the tool timed out");
    let closed = app.get("alice", "/v1/incidents/file/INC-8").await.json();
    assert_eq!((closed["status"].as_str(), closed["known"].as_bool()), (Some("closed"), Some(false)));
}

#[test]
fn every_standing_of_a_grant_is_shown() {
    let mut shown = String::new();
    for (name, grant) in fixtures::lives(1) {
        let view = GrantView::from(&grant);
        let (state, over) = (view.state, view.state.is_over());
        assert_eq!(over, view.ended_at.is_some(), "{name}");
        assert_eq!(state.to_string(), serde_json::to_value(state).unwrap().as_str().unwrap());
        // What is written can be read back: the command line does.
        assert_eq!(serde_json::from_str::<GrantView>(&serde_json::to_string(&view).unwrap()).unwrap(), view);
        let (by, because) = (view.ended_by.unwrap_or_default(), view.ended_because.unwrap_or_default());
        let containment = view.containment.map(|c| format!("{:?}", c.state)).unwrap_or_default();
        shown.push_str(&format!("{name}: {state} | by {by} | because {because} | {containment}\n"));
    }
    let expected = "\
pending: pending | by  | because  | 
active: active | by  | because  | 
active, minted: active | by  | because  | 
active, an extension waits: active | by  | because  | 
active, not acknowledged: active | by  | because  | 
active, acknowledged late: active | by  | because  | 
declined: declined | by bob | because not now | 
withdrawn: withdrawn | by alice | because  | 
cancelled: cancelled | by  | because its incident closed | 
lapsed: lapsed | by  | because nobody acknowledged it in time | 
expired: expired | by  | because its end came | Fenced
expired, minted: expired | by  | because its end came | Fenced
revoked: revoked | by carol | because it is fixed | Enforcing
revoked, stuck: revoked | by carol | because it is fixed | Stuck
revoked, contained: revoked | by carol | because it is fixed | Contained
revoked, its incident closed: revoked | by  | because its incident closed | Enforcing
revoked, not acknowledged in time: revoked | by  | because nobody acknowledged it in time | Fenced
revoked, an emergency start declined: revoked | by bob | because not now | Enforcing
returned: returned | by alice | because  | Enforcing
active, extended twice: active | by  | because  | 
returned, extended: returned | by alice | because  | Enforcing
";
    assert_eq!(shown, expected);
}
