//! The checked-in documents are what the code says. `UPDATE_DOCS=1` writes them again.

use std::fs;
use std::path::PathBuf;

use axum::http::StatusCode;
use halligan_engine::problem::ProblemKind;
use serde_json::Value;

use super::TestApp;
use crate::{openapi, problem};

#[track_caller]
fn is_current(name: &str, made: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "docs/{name} is not what the code says: UPDATE_DOCS=1 cargo test -p halligan-server writes it again"
    );
}

#[test]
fn the_problems_are_documented() {
    is_current("problems.md", &problem::document());
}

#[test]
fn the_description_is_documented() {
    is_current("openapi.json", &format!("{}\n", openapi::document().to_pretty_json().unwrap()));
}

#[test]
fn every_problem_has_a_status_of_its_sort_and_a_remedy() {
    for kind in ProblemKind::ALL {
        let status = problem::status(*kind);
        assert!(status.is_client_error() || status.is_server_error(), "{kind:?}");
        assert!(!problem::remedy(*kind).is_empty());
    }
}

#[tokio::test]
async fn the_description_is_served_and_names_every_route_with_its_refusals() {
    let app = TestApp::new();
    let answer = app.call("alice", axum::http::Method::GET, "/openapi.json").anonymous().send().await;
    assert_eq!(answer.status, StatusCode::OK);
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    assert_eq!(document, serde_json::to_value(openapi::document()).unwrap());
    let paths = document["paths"].as_object().unwrap();
    let mut calls: Vec<String> = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            calls.push(format!("{} {path}", method.to_uppercase()));
            let responses = operation["responses"].as_object().unwrap();
            let refusals: Vec<&Value> =
                responses.iter().filter(|(code, _)| !code.starts_with('2')).map(|(_, r)| r).collect();
            if !["/healthz", "/v1/sign-in"].contains(&path.as_str()) {
                assert!(!refusals.is_empty(), "{path}");
            }
            for refusal in refusals {
                let content = refusal["content"].as_object().unwrap();
                assert_eq!(content.keys().collect::<Vec<_>>(), ["application/problem+json"], "{path}");
            }
            if path.starts_with("/v1") && path != "/v1/sign-in" {
                assert!(responses.contains_key("401"), "{path}");
            }
            let issuance = ["/credentials", "/console", "/challenge"].iter().any(|end| path.ends_with(end));
            let keyed = operation["parameters"]
                .as_array()
                .is_some_and(|all| all.iter().any(|p| p["name"] == "Idempotency-Key"));
            assert_eq!(keyed, method == "post" && !issuance, "{method} {path}");
        }
    }
    calls.sort();
    let expected = [
        "GET /healthz",
        "GET /metrics",
        "GET /readyz",
        "GET /v1/grants",
        "GET /v1/grants/{id}",
        "GET /v1/incidents/{provider}/{id}",
        "GET /v1/log/checkpoint",
        "GET /v1/log/entries/{index}",
        "GET /v1/log/personal/{path}",
        "GET /v1/log/successor/{path}",
        "GET /v1/log/tile/{path}",
        "GET /v1/me",
        "GET /v1/me/sessions",
        "GET /v1/people/{person}/passkeys",
        "GET /v1/roles",
        "GET /v1/sign-in",
        "POST /v1/grants",
        "POST /v1/grants/{id}/acknowledge",
        "POST /v1/grants/{id}/acknowledge/challenge",
        "POST /v1/grants/{id}/console",
        "POST /v1/grants/{id}/credentials",
        "POST /v1/grants/{id}/decline",
        "POST /v1/grants/{id}/extend",
        "POST /v1/grants/{id}/return",
        "POST /v1/grants/{id}/revoke",
        "POST /v1/grants/{id}/withdraw",
        "POST /v1/log/override",
        "POST /v1/log/override/end",
        "POST /v1/me/sessions/end",
        "POST /v1/me/sessions/{id}/end",
        "POST /v1/people/{person}/passkeys/remove",
        "POST /v1/people/{person}/sessions/end",
        "POST /v1/revocations",
    ];
    assert_eq!(calls, expected);
    assert_eq!(document["security"][0]["bearer"], serde_json::json!([]));
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[test]
fn the_description_refers_to_nothing_that_is_not_in_it() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = serde_json::to_value(openapi::document()).unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
    // A client that is made from it must not send what the server decides.
    let request = &document["components"]["schemas"]["GrantRequest"];
    assert_eq!(request["additionalProperties"], false, "{request}");
}

#[tokio::test]
async fn the_page_fetches_nothing_from_elsewhere() {
    let app = TestApp::new();
    let read = async |path: &str| app.call("alice", axum::http::Method::GET, path).anonymous().send().await;
    assert_eq!(read("/docs").await.status, StatusCode::SEE_OTHER);
    let page = read("/docs/").await;
    assert_eq!(page.status, StatusCode::OK);
    for attribute in ["src=\"", "href=\""] {
        for part in page.text.split(attribute).skip(1) {
            let link = part.split('"').next().unwrap();
            assert!(!link.contains("//"), "{link}");
        }
    }
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; ") && !policy.contains("http"), "{policy}");
    // The policy allows no inline script, so the page must have none.
    for part in page.text.split("<script").skip(1) {
        let (tag, rest) = part.split_once('>').unwrap();
        assert!(tag.contains("src=") && rest.trim_start().starts_with("</script>"), "{tag}>{rest}");
    }
    let script = read("/docs/swagger-initializer.js").await;
    assert!(script.text.contains("/openapi.json") && script.text.contains("none"), "{}", script.text);
    read("/docs/nothing").await.is_problem(404, "not-found");
}
