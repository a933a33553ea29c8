//! The API over a real broker on fakes: what goes in by HTTP and what comes out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod docs;
mod hygiene;
mod idempotency;
mod life;
mod log;
mod malformed;
mod strangers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use halligan_core::event::Event;
use halligan_core::id::{GroupId, PersonId, ProviderId};
use halligan_core::incident::{IncidentRef, IncidentStatus};
use halligan_engine::authority::GroupAuthority;
use halligan_engine::broker::{Broker, Ports, Settings};
use halligan_engine::fakes::fixtures;
use halligan_engine::fakes::world::FakeWorld;
use halligan_engine::ports::{Authority, Clock as _, Incidents};
use jiff::SignedDuration;
use jsonwebtoken::{EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use tower::ServiceExt as _;

use crate::auth::{Algorithm, Authenticator, Issuer, TokenKey};
use crate::{App, router};

const ISSUER: &str = "https://id.example.com";

/// The API over a broker. alice and bob may ask, bob and carol acknowledge, carol revokes.
pub(crate) struct TestApp {
    pub world: FakeWorld,
    pub broker: Arc<Broker>,
    pub gate: Arc<Gate>,
    pub app: App,
    router: Router,
    key: EncodingKey,
}

/// The incident tool behind a gate that a test can shut.
pub(crate) struct Gate {
    inner: Arc<dyn Incidents>,
    /// Told of each call that arrives.
    pub arrived: Notify,
    open: Semaphore,
}

impl Gate {
    pub fn shut(&self) {
        self.open.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub fn open(&self) {
        self.open.add_permits(Semaphore::MAX_PERMITS);
    }
}

#[async_trait]
impl Incidents for Gate {
    async fn check(&self, incident: &IncidentRef) -> IncidentStatus {
        self.arrived.notify_one();
        drop(self.open.acquire().await);
        self.inner.check(incident).await
    }

    fn providers(&self) -> Vec<ProviderId> {
        self.inner.providers()
    }
}

/// An answer, its body read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn field(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }

    /// Checks that this is a whole problem+json of that type, and gives its `field`.
    #[track_caller]
    pub fn is_problem(&self, status: u16, slug: &str) -> Option<String> {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json");
        let json = self.json();
        assert_eq!(json["type"], format!("urn:halligan:problem:{slug}"), "{}", self.text);
        assert_eq!(json["status"], status);
        let id = self.headers["x-request-id"].to_str().unwrap();
        assert_eq!(json["instance"], format!("urn:uuid:{id}"));
        for member in ["title", "detail"] {
            assert!(!json[member].as_str().unwrap().is_empty(), "{}", self.text);
        }
        assert!(!self.text.chars().any(|c| c.is_control()), "{:?}", self.text);
        json["field"].as_str().map(str::to_owned)
    }
}

/// One request in the making.
pub(crate) struct Call<'a> {
    app: &'a TestApp,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Call<'_> {
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn body(self, body: &Value) -> Self {
        self.header("content-type", "application/json").bytes(body.to_string())
    }

    pub fn anonymous(mut self) -> Self {
        self.headers.retain(|(name, _)| *name != "authorization");
        self
    }

    pub async fn send(self) -> Answer {
        // As a worker does at the start.
        if !self.app.broker.publisher().is_synced() {
            drop(self.app.broker.publisher().publish().await);
        }
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(self.body)).unwrap();
        let response = self.app.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8_lossy(&to_bytes(body, usize::MAX).await.unwrap()).into_owned();
        Answer { status: parts.status, headers: parts.headers, text }
    }
}

impl TestApp {
    pub fn new() -> Self {
        Self::with_authority(groups())
    }

    pub fn with_authority(authority: Arc<dyn Authority>) -> Self {
        Self::with(authority, Vec::new())
    }

    /// Behind these proxies.
    pub fn with(authority: Arc<dyn Authority>, trusted_proxies: Vec<ipnet::IpNet>) -> Self {
        let world = FakeWorld::new(authority);
        let gate = Arc::new(Gate {
            inner: world.incidents.clone(),
            arrived: Notify::new(),
            open: Semaphore::new(Semaphore::MAX_PERMITS),
        });
        let aws = Arc::new(world.aws.clone());
        let ports = Ports {
            clock: world.clock.clone(),
            entropy: world.entropy.clone(),
            grants: world.store.clone(),
            idempotency: world.store.clone(),
            publish: world.publish_ports(),
            authority: world.authority.clone(),
            incidents: gate.clone(),
            minter: aws.clone(),
            console: Some(aws.clone()),
            clock_offset: aws,
        };
        let publish = world.publish_settings("one");
        let settings = Settings {
            publish,
            log_wait: SignedDuration::from_secs(2),
            mints_per_minute: 3,
            log_readers: [fixtures::human("carol").person].into(),
        };
        let broker = Arc::new(Broker::new(world.catalogue.clone(), ports, settings));
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let issuer = Issuer {
            issuer: ISSUER.to_owned(),
            audience: "halligan".to_owned(),
            keys: vec![TokenKey { kid: None, pem: pair.public_key_pem() }],
            algorithms: vec![Algorithm::EdDSA],
            people: true,
            max_lifetime: SignedDuration::from_hours(1),
        };
        let people = ["alice", "bob", "carol"].map(fixtures::human);
        let mut links: BTreeMap<_, _> = people.into_iter().map(|human| (human.principal, human.person)).collect();
        let mut second = fixtures::human("alice");
        second.principal.subject = "alice-at-home".to_owned();
        links.insert(second.principal, second.person);
        let authenticator = Authenticator::new(vec![issuer], links, world.clock.clone()).unwrap();
        let app =
            App::new(broker.clone(), authenticator, world.clock.clone(), world.entropy.clone(), trusted_proxies, None);
        let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self { world, broker, gate, router: router(app.clone()), app, key }
    }

    pub fn token(&self, subject: &str) -> String {
        let now = self.world.clock.now().as_second();
        let claims = json!({"iss": ISSUER, "sub": subject, "aud": "halligan", "iat": now, "exp": now + 600});
        jsonwebtoken::encode(&Header::new(jsonwebtoken::Algorithm::EdDSA), &claims, &self.key).unwrap()
    }

    pub fn call(&self, who: &str, method: Method, path: &str) -> Call<'_> {
        let authorization = ("authorization", format!("Bearer {}", self.token(who)));
        Call { app: self, method, path: path.to_owned(), headers: vec![authorization], body: Vec::new() }
    }

    pub async fn get(&self, who: &str, path: &str) -> Answer {
        self.call(who, Method::GET, path).send().await
    }

    pub async fn post(&self, who: &str, path: &str, body: Value) -> Answer {
        self.call(who, Method::POST, path).body(&body).send().await
    }

    /// alice asks.
    pub async fn pending(&self) -> (String, String) {
        let answer = self.post("alice", "/v1/grants", ask()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        (answer.field("id"), answer.field("request_hash"))
    }

    /// alice asks, bob acknowledges.
    pub async fn active(&self) -> String {
        let (id, hash) = self.pending().await;
        let answer = self.post("bob", &format!("/v1/grants/{id}/acknowledge"), json!({"request_hash": hash})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        id
    }

    /// What there is: entries other than those of refusals. A refusal must leave this as it was.
    pub fn happened(&self) -> usize {
        let entries = self.world.store.entries();
        entries.iter().filter(|entry| !matches!(entry.sealed.entry.event, Event::ActionRefused { .. })).count()
    }

    /// The refusals that were recorded: who, what, why.
    pub fn refusals(&self) -> Vec<(String, String, String)> {
        let refusal = |event: Event, person: String| match event {
            Event::ActionRefused { action, problem, .. } => Some((person, action, problem)),
            _ => None,
        };
        let entries = self.world.store.entries().into_iter().map(|queued| queued.sealed.entry);
        entries.filter_map(|entry| refusal(entry.event, entry.actor.human?.person.to_string())).collect()
    }
}

/// Who is in which group of the fixtures' roles.
pub(crate) fn groups() -> Arc<GroupAuthority> {
    let member = |name: &str, of: &[&str]| -> (PersonId, BTreeSet<GroupId>) {
        (fixtures::person(name), of.iter().map(|group| group.parse().unwrap()).collect())
    };
    Arc::new(GroupAuthority::new(BTreeMap::from([
        member("alice", &["on-call"]),
        member("bob", &["on-call", "leads"]),
        member("carol", &["leads", "security"]),
    ])))
}

/// A legal request.
pub(crate) fn ask() -> Value {
    json!({
        "target": {"kind": "aws-role", "id": "prod-admin"},
        "incident": {"provider": "file", "id": "INC-219"},
        "reason": "the database is full",
        "duration_seconds": 1800
    })
}
