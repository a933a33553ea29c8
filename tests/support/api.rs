//! The API, called as tools call it.

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::World;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Reply {
    /// That it is a problem of this type, in the shape that all problems have.
    #[track_caller]
    pub fn problem(&self, slug: &str) -> &Self {
        assert_eq!(self.body["type"], format!("urn:halligan:problem:{slug}"), "{self:#?}");
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:#?}");
        assert_eq!(self.body["status"], self.status, "{self:#?}");
        for member in ["title", "detail", "instance"] {
            assert!(self.body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {self:#?}");
        }
        self
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:#?}");
        self.body
    }
}

impl World {
    /// A call, not sent yet, with this bearer token.
    pub fn call(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.remember_secret(token);
        self.http().request(method, format!("{}{path}", self.broker.url)).bearer_auth(token)
    }

    pub async fn send(&self, request: RequestBuilder) -> Reply {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        self.remember_secrets_of(&text);
        Reply { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    pub async fn get(&self, login: &str, path: &str) -> Reply {
        self.send(self.call(Method::GET, path, &self.person(login).token())).await
    }

    pub async fn post(&self, login: &str, path: &str, body: &Value) -> Reply {
        self.send(self.call(Method::POST, path, &self.person(login).token()).json(body)).await
    }

    /// The body of a request that nothing is wrong with.
    pub fn asking(&self, seconds: i64) -> Value {
        json!({
            "target": {"kind": "aws-role", "id": "prod-admin"},
            "incident": {"provider": "files", "id": "INC-1"},
            "reason": "checkout answers 500",
            "duration_seconds": seconds,
        })
    }

    /// A grant of alice's that bob has acknowledged, by the API.
    pub async fn active(&self, seconds: i64) -> Value {
        let asked = self.post("alice", "/v1/grants", &self.asking(seconds)).await.ok();
        let path = format!("/v1/grants/{}/acknowledge", asked["id"].as_str().unwrap());
        self.post("bob", &path, &json!({"request_hash": asked["request_hash"]})).await.ok()
    }

    /// The grant as carol sees it now, with its timeline.
    pub async fn grant(&self, id: &str) -> Value {
        self.get("carol", &format!("/v1/grants/{id}")).await.ok()
    }

    /// Credentials of a grant of alice's, by the API.
    pub async fn mint(&self, id: &str) -> Reply {
        self.post("alice", &format!("/v1/grants/{id}/credentials"), &json!({})).await
    }
}
