//! The API over a real broker on fakes: what goes in by HTTP and what comes out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod coming_in;
mod docs;
mod hygiene;
mod idempotency;
mod life;
mod log;
mod machines;
mod malformed;
mod sessions;
mod step_up;
mod strangers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use halligan_core::actor::Principal;
use halligan_core::event::Event;
use halligan_core::id::{GroupId, ProviderId};
use halligan_core::incident::{IncidentRef, IncidentStatus};
use halligan_engine::access::{Access, Directory, IssuerKind, IssuerRules, MachineRule, Member, MfaSigns};
use halligan_engine::broker::{Broker, Ports, Settings};
use halligan_engine::fakes::fixtures;
use halligan_engine::fakes::world::{FakeWorld, identity_settings};
use halligan_engine::identity::IdentityPorts;
use halligan_engine::ports::{Clock as _, Incidents, KeySets};
use halligan_policy::{Known, PolicySet, Source};
use jiff::SignedDuration;
use jsonwebtoken::{EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use tower::ServiceExt as _;

use crate::auth::tests::{FakeKeySets, jwk};
use crate::auth::{Algorithm, Authenticator, Issuer, IssuerKeys, TokenKey};
use crate::views::SignInView;
use crate::{App, Parts, SignIns, router};

const ISSUER: &str = fixtures::ISSUER;
/// Its tokens are pipelines': the machine `deploy`, at the instance of whoever `actor_id` names.
pub(crate) const PIPELINES: &str = "https://token.actions.githubusercontent.com";
/// A cluster, which publishes its keys: its service account `deployer` is the machine `workload`.
pub(crate) const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";

/// The API over a broker. alice, bob and the machine `deploy` may ask, bob and carol acknowledge, carol revokes.
pub(crate) struct TestApp {
    pub world: FakeWorld,
    pub broker: Arc<Broker>,
    pub gate: Arc<Gate>,
    /// What the cluster publishes.
    pub key_sets: Arc<FakeKeySets>,
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
        assert!(incident.id.as_str() != BREAKS, "a secret that broke it");
        self.arrived.notify_one();
        drop(self.open.acquire().await);
        self.inner.check(incident).await
    }

    fn providers(&self) -> Vec<ProviderId> {
        self.inner.providers()
    }
}

/// The incident that breaks the tool's adapter.
pub(crate) const BREAKS: &str = "INC-666";

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
        Self::with(access(), Vec::new())
    }

    /// With these policies beside the default ones.
    pub fn with_policies(text: &str) -> Self {
        let sources = [Source::new("default.cedar", halligan_policy::DEFAULT), Source::new("more.cedar", text)];
        let policies = PolicySet::load(&sources, &Known::default()).unwrap();
        Self::with(Access { policies, ..access() }, Vec::new())
    }

    /// Behind these proxies.
    pub fn with(access: Access, trusted_proxies: Vec<ipnet::IpNet>) -> Self {
        let world = FakeWorld::new(access);
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
            access: world.access.clone(),
            identity: identity_ports(&world),
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
            identity: identity_settings(),
            rates: world.rates,
        };
        let broker = Arc::new(Broker::new(world.catalogue.clone(), ports, settings));
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let issuer = |issuer: &str| Issuer {
            issuer: issuer.to_owned(),
            audiences: vec!["halligan".to_owned()],
            keys: IssuerKeys::Fixed(vec![TokenKey { kid: None, pem: pair.public_key_pem() }]),
            algorithms: vec![Algorithm::EdDSA],
            max_lifetime: SignedDuration::from_hours(1),
        };
        let cluster = Issuer { keys: IssuerKeys::Published(String::new()), ..issuer(CLUSTER) };
        let issuers = vec![issuer(ISSUER), issuer(PIPELINES), cluster];
        let key_sets = FakeKeySets::serving(&[jwk("cluster-1", &pair, &json!({"use": "sig"}))]);
        let sets: Arc<dyn KeySets> = key_sets.clone();
        let authenticator = Authenticator::new(issuers, &sets, world.clock.clone()).unwrap();
        let app = App::new(Parts {
            broker: broker.clone(),
            authenticator: authenticator.into(),
            clock: world.clock.clone(),
            entropy: world.entropy.clone(),
            trusted_proxies,
            metrics: None,
            sign_in: SignIns::new(vec![sign_in()]),
        });
        let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self { world, broker, gate, key_sets, router: router(app.clone()), app, key }
    }

    pub fn token(&self, subject: &str) -> String {
        self.token_of(&json!({"iss": ISSUER, "sub": subject}))
    }

    /// A pipeline's token, set off by whoever `actor` names: as GitHub Actions makes them.
    pub fn pipeline(&self, actor: &str) -> String {
        let now = self.world.clock.now().as_second();
        self.token_of(&json!({
            "iss": PIPELINES, "sub": "repo:example/app:ref:refs/heads/main", "repository": "example/app",
            "ref": "refs/heads/main", "actor": "someone", "actor_id": actor, "runner_environment": "github-hosted",
            "jti": "7e3a", "nbf": now, "exp": now + 300
        }))
    }

    /// A workload's token: as Kubernetes makes them.
    pub fn workload(&self, account: &str) -> String {
        let now = self.world.clock.now().as_second();
        let mut header = Header::new(jsonwebtoken::Algorithm::EdDSA);
        (header.kid, header.typ) = (Some("cluster-1".to_owned()), None);
        let claims = json!({
            "iss": CLUSTER, "aud": ["halligan", CLUSTER], "sub": format!("system:serviceaccount:{account}"),
            "iat": now, "nbf": now, "exp": now + 600,
            "kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": "deployer", "uid": "1"}}
        });
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }

    /// A token with these claims, and the times and the audience that it needs.
    pub fn token_of(&self, said: &Value) -> String {
        let now = self.world.clock.now().as_second();
        let mut claims = json!({"aud": "halligan", "iat": now, "exp": now + 600});
        claims.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        jsonwebtoken::encode(&Header::new(jsonwebtoken::Algorithm::EdDSA), &claims, &self.key).unwrap()
    }

    pub fn call(&self, who: &str, method: Method, path: &str) -> Call<'_> {
        self.bearing(&self.token(who), method, path)
    }

    /// A call with this token.
    pub fn bearing(&self, token: &str, method: Method, path: &str) -> Call<'_> {
        let authorization = ("authorization", format!("Bearer {token}"));
        Call { app: self, method, path: path.to_owned(), headers: vec![authorization], body: Vec::new() }
    }

    /// A POST with this token.
    pub async fn send(&self, token: &str, path: &str, body: Value) -> Answer {
        self.bearing(token, Method::POST, path).body(&body).send().await
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
        self.active_by(&self.token("bob")).await
    }

    /// alice asks, and whoever has this token acknowledges.
    pub async fn active_by(&self, token: &str) -> String {
        let (id, hash) = self.pending().await;
        let answer = self.send(token, &format!("/v1/grants/{id}/acknowledge"), json!({"request_hash": hash})).await;
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
        entries.filter_map(|entry| refusal(entry.event, entry.actor.party?.as_str().to_owned())).collect()
    }
}

/// Who is in which group of the fixtures' roles. alice has two logins, and a number at the pipelines'.
pub(crate) fn access() -> Access {
    let groups = |of: &[&str]| -> BTreeSet<GroupId> { of.iter().map(|group| group.parse().unwrap()).collect() };
    let login = |subject: &str| Principal { issuer: ISSUER.to_owned(), subject: subject.to_owned() };
    let member = |name: &str, logins: &[&str], of: &[&str]| {
        let principals = logins.iter().map(|subject| login(subject)).collect();
        let named = [(PIPELINES.to_owned(), "actor_id".to_owned(), format!("number-of-{name}"))].into();
        (fixtures::person(name), Member { groups: groups(of), principals, named })
    };
    let people = BTreeMap::from([
        member("alice", &["alice", "alice-at-home"], &["on-call"]),
        member("bob", &["bob", "bob-at-home"], &["on-call", "leads"]),
        member("carol", &["carol"], &["leads", "security"]),
    ]);
    let fixed = fixtures::access(BTreeMap::new());
    let deploy = MachineRule {
        machine: "deploy".parse().unwrap(),
        claims: BTreeMap::from([("repository".to_owned(), "example/app".to_owned())]),
        human_claim: Some("actor_id".to_owned()),
    };
    let pipelines = IssuerRules {
        issuer: PIPELINES.to_owned(),
        subject_claims: vec!["sub".to_owned()],
        groups: None,
        mfa: MfaSigns::default(),
        auth_time: true,
        kind: IssuerKind::Machines(vec![deploy]),
    };
    let workload = MachineRule {
        machine: "workload".parse().unwrap(),
        claims: BTreeMap::from([("sub".to_owned(), "system:serviceaccount:ci:deployer".to_owned())]),
        human_claim: None,
    };
    let cluster =
        IssuerRules { issuer: CLUSTER.to_owned(), kind: IssuerKind::Machines(vec![workload]), ..pipelines.clone() };
    let mut people_rules = fixed.directory.rules(ISSUER).unwrap().clone();
    people_rules.mfa.acr = ["phrh", "urn:example:mfa", "of no \"use"].map(str::to_owned).into();
    let issuers = vec![people_rules, pipelines, cluster];
    let machines = ["deploy", "workload"].map(|name| (name.parse().unwrap(), groups(&["on-call"])));
    let machines = BTreeMap::from(machines);
    Access { directory: Directory::new(issuers, people, machines), ..fixed }
}

fn identity_ports(world: &FakeWorld) -> IdentityPorts {
    IdentityPorts {
        sessions: world.store.clone(),
        sign_outs: world.store.clone(),
        ceremonies: world.store.clone(),
        groups: world.store.clone(),
        passkeys: world.store.clone(),
        providers: world.providers.clone(),
        notices: world.notices.clone(),
    }
}

fn sign_in() -> SignInView {
    SignInView {
        name: "example".to_owned(),
        issuer: ISSUER.to_owned(),
        client_id: "halligan-command-line".to_owned(),
        scopes: vec!["openid".to_owned()],
        audience: None,
    }
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
