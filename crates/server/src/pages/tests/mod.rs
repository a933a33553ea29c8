//! The pages over a real broker on fakes, as a browser sees them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod answers;
mod browser;
mod frame;
mod html;
mod keys;
mod origins;
mod refusals;
mod sessions;
mod sign_in;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, REFRESH, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use halligan_core::event::Event;
use halligan_core::grant::Grant;
use halligan_engine::access::Access;
use halligan_engine::broker::{Broker, Ports, Settings};
use halligan_engine::caller::RequestAsk;
use halligan_engine::fakes::fixtures;
use halligan_engine::fakes::identity::FakeNotices;
use halligan_engine::fakes::world::{FakeWorld, caller, identity_settings};
use halligan_engine::identity::{IdentityPorts, IdentitySettings};
use halligan_engine::ports::{
    AuthorizeAsk, Claims, Clock as _, IdentityProvider, Passkey, Passkeys as _, ProviderError, Returned,
};
use halligan_policy::{Known, PolicySet, Source};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tower::ServiceExt as _;

use crate::auth::Authenticator;
use crate::auth::tests::FakeKeySets;
use crate::tests::access;
use crate::{App, Parts, SignIns, router};

pub(super) const URL: &str = "https://halligan.example.com";

/// The pages of a broker. alice and bob may ask, bob and carol acknowledge; a stranger has no part.
pub(super) struct Site {
    pub world: FakeWorld,
    pub broker: Arc<Broker>,
    pub router: Router,
}

/// Signs in whomever the code names, with a second factor if the code says so.
struct FakeProvider {
    fails: bool,
}

#[async_trait]
impl IdentityProvider for FakeProvider {
    fn issuer(&self) -> &str {
        fixtures::ISSUER
    }

    async fn answers(&self) -> Result<(), ProviderError> {
        if self.fails { Err(ProviderError::Unavailable("it is down".to_owned())) } else { Ok(()) }
    }

    async fn authorize(&self, ask: &AuthorizeAsk<'_>) -> Result<String, ProviderError> {
        self.answers().await?;
        let max_age = ask.max_age.map(|age| format!("&max_age={}", age.as_secs())).unwrap_or_default();
        Ok(format!("https://id.example.com/authorize?state={}{max_age}&redirect_uri={}", ask.state, ask.redirect_uri))
    }

    async fn exchange(&self, returned: &Returned<'_>, now: Timestamp) -> Result<Claims, ProviderError> {
        let (who, mfa) = match returned.code.expose_secret().split_once('+') {
            Some((who, _)) => (who, json!(["pwd", "mfa"])),
            None => (returned.code.expose_secret(), json!(["pwd"])),
        };
        let claims = json!({"sub": who, "auth_time": now.as_second(), "amr": mfa});
        Ok(claims.as_object().unwrap().clone())
    }
}

impl Site {
    pub fn new() -> Self {
        Self::with(access(), identity_settings())
    }

    /// With these policies beside the default ones.
    pub fn with_policies(text: &str) -> Self {
        let sources = [Source::new("default.cedar", halligan_policy::DEFAULT), Source::new("more.cedar", text)];
        let policies = PolicySet::load(&sources, &Known::default()).unwrap();
        Self::with(Access { policies, ..access() }, identity_settings())
    }

    pub fn with(access: Access, identity: IdentitySettings) -> Self {
        let provider = |fails| -> Arc<dyn IdentityProvider> { Arc::new(FakeProvider { fails }) };
        let providers = [("okta", provider(false)), ("broken", provider(true))];
        Self::with_providers(access, identity, providers.into())
    }

    pub fn with_providers(
        access: Access,
        identity: IdentitySettings,
        providers: BTreeMap<&str, Arc<dyn IdentityProvider>>,
    ) -> Self {
        let mut world = FakeWorld::new(access);
        world.providers = providers.into_iter().map(|(name, provider)| (name.parse().unwrap(), provider)).collect();
        Self::over(world, identity)
    }

    /// Where somebody takes notices to people.
    pub fn telling(access: Access, identity: IdentitySettings) -> Self {
        let mut world = Self::with(access, identity.clone()).world;
        world.notices = Some(Arc::new(FakeNotices::default()));
        Self::over(world, identity)
    }

    fn over(world: FakeWorld, identity: IdentitySettings) -> Self {
        let aws = Arc::new(world.aws.clone());
        let ports = Ports {
            clock: world.clock.clone(),
            entropy: world.entropy.clone(),
            grants: world.store.clone(),
            idempotency: world.store.clone(),
            publish: world.publish_ports(),
            access: world.access.clone(),
            identity: IdentityPorts {
                sessions: world.store.clone(),
                sign_outs: world.store.clone(),
                ceremonies: world.store.clone(),
                groups: world.store.clone(),
                passkeys: world.store.clone(),
                providers: world.providers.clone(),
                notices: world.notices.clone(),
            },
            incidents: world.incidents.clone(),
            minter: aws.clone(),
            console: None,
            clock_offset: aws,
        };
        let settings = Settings {
            publish: world.publish_settings("one"),
            log_wait: SignedDuration::from_secs(2),
            mints_per_minute: 3,
            identity,
            rates: world.rates,
        };
        let broker = Arc::new(Broker::new(world.catalogue.clone(), ports, settings));
        let app = App::new(Parts {
            broker: broker.clone(),
            authenticator: Authenticator::new(Vec::new(), &FakeKeySets::none(), world.clock.clone()).unwrap().into(),
            clock: world.clock.clone(),
            entropy: world.entropy.clone(),
            trusted_proxies: Vec::new(),
            metrics: None,
            sign_in: SignIns::new(Vec::new()),
        });
        Self { router: router(app), world, broker }
    }

    /// A browser in which nobody has signed in.
    pub fn browser(&self) -> Browser<'_> {
        Browser { site: self, cookies: BTreeMap::new() }
    }

    /// A browser in which somebody has.
    pub async fn signed_in(&self, who: &str) -> Browser<'_> {
        let mut browser = self.browser();
        let back = browser.sign_in(who, "/").await;
        assert_eq!(back.location(), "/", "{}", back.text);
        browser
    }

    /// alice asks for `prod-admin`.
    pub async fn pending(&self) -> Grant {
        self.pending_because("the database is full").await
    }

    pub async fn pending_because(&self, reason: &str) -> Grant {
        self.asked("prod-admin", reason).await
    }

    pub async fn asked(&self, role: &str, reason: &str) -> Grant {
        self.serve().await;
        let ask = RequestAsk {
            target: role.to_owned(),
            scope: None,
            incident: ("file".to_owned(), "INC-219".to_owned()),
            reason: reason.to_owned(),
            duration_seconds: 1_800,
            emergency: false,
        };
        self.broker.request(&caller("alice"), ask).await.unwrap()
    }

    /// As a worker does at the start.
    pub async fn serve(&self) {
        if !self.broker.publisher().is_synced() {
            drop(self.broker.publisher().publish().await);
        }
    }

    pub async fn state(&self, grant: &Grant) -> String {
        let id = grant.request.id.to_string();
        self.broker.grant(&caller("alice"), &id).await.unwrap().grant.phase().to_string()
    }

    /// What there is: entries other than those of refusals.
    pub fn happened(&self) -> usize {
        let entries = self.world.store.entries();
        entries.iter().filter(|entry| !matches!(entry.sealed.entry.event, Event::ActionRefused { .. })).count()
    }

    /// What was refused: who, what, why.
    pub fn refusals(&self) -> Vec<(String, String, String)> {
        let entries = self.world.store.entries().into_iter().map(|queued| queued.sealed.entry);
        let refused = entries.filter_map(|entry| match entry.event {
            Event::ActionRefused { action, problem, .. } => {
                Some((entry.actor.party?.as_str().to_owned(), action, problem))
            }
            _ => None,
        });
        refused.collect()
    }

    /// What was counted of strangers' refusals since the last time, by their problem. A minute goes by.
    pub async fn counted(&self) -> BTreeMap<String, u64> {
        let (before, recorder) = (self.world.store.entries().len(), self.broker.recorder());
        recorder.close_window(self.world.clock.now()).await;
        self.wait(SignedDuration::from_secs(61));
        recorder.close_window(self.world.clock.now()).await;
        let mut counted = BTreeMap::new();
        for queued in self.world.store.entries().split_off(before) {
            if let Event::RefusalsCounted { counts, .. } = queued.sealed.entry.event {
                counts.into_iter().for_each(|(problem, count)| *counted.entry(problem).or_default() += count);
            }
        }
        counted
    }

    /// As though this passkey's notice had been told a week ago.
    pub async fn count(&self, credential: &str) {
        let known = self.world.store.passkey(credential).await.unwrap().unwrap();
        let noticed_at = Some(known.enrolled_at - SignedDuration::from_hours(7 * 24));
        let told = Passkey { noticed_at, ..known.clone() };
        self.world.store.keep(&told, Some(&known), Vec::new(), known.enrolled_at).await.unwrap();
    }

    pub fn wait(&self, duration: SignedDuration) {
        self.world.clock.advance(duration);
    }
}

/// What a browser shows.
#[derive(Debug)]
pub(super) struct Shown {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Shown {
    pub fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        self.headers[LOCATION].to_str().unwrap()
    }

    /// Checks that it is a page that refuses, with these words on it.
    #[track_caller]
    pub fn refuses(&self, status: u16, words: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(self.text.contains(words), "{words} is not in {}", self.text);
        assert!(self.text.contains("Reference for the operators"), "{}", self.text);
    }

    pub fn has(&self, words: &str) -> bool {
        self.text.contains(words)
    }
}

/// Keeps cookies, as browsers do.
pub(super) struct Browser<'a> {
    pub site: &'a Site,
    /// By name: path and value.
    pub cookies: BTreeMap<String, (String, String)>,
}

impl Browser<'_> {
    pub async fn open(&mut self, path: &str) -> Shown {
        self.ask(Method::GET, path, &[(ACCEPT.as_str(), "text/html")], "").await
    }

    /// Sends a form of ours.
    pub async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let headers = [(ACCEPT.as_str(), "text/html"), ("sec-fetch-site", "same-origin")];
        self.send_with(path, &headers, fields).await
    }

    /// As the script does.
    pub async fn fetch(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let headers = [(ACCEPT.as_str(), "application/json"), ("sec-fetch-site", "same-origin")];
        self.send_with(path, &headers, fields).await
    }

    pub async fn send_with(&mut self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Shown {
        let mut headers = headers.to_vec();
        headers.push((CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded"));
        self.ask(Method::POST, path, &headers, &form(fields)).await
    }

    pub async fn ask(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Shown {
        self.site.serve().await;
        let mut request = Request::builder().method(method).uri(path).header("host", "halligan.example.com");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let ours = self.cookies.iter().filter(|(_, (of, _))| path.starts_with(of.as_str()));
        let cookies = ours.map(|(name, (_, value))| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let (parts, body) = self.site.router.clone().oneshot(request).await.unwrap().into_parts();
        for cookie in parts.headers.get_all(SET_COOKIE) {
            self.keep(cookie.to_str().unwrap());
        }
        let text = String::from_utf8_lossy(&to_bytes(body, usize::MAX).await.unwrap()).into_owned();
        Shown { status: parts.status, headers: parts.headers, text }
    }

    fn keep(&mut self, cookie: &str) {
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        let path = cookie.split("; Path=").nth(1).unwrap().split(';').next().unwrap();
        if cookie.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), (path.to_owned(), value.to_owned()));
        }
    }

    /// Signs in at `okta`, and comes back.
    pub async fn sign_in(&mut self, who: &str, back_to: &str) -> Shown {
        let away = self.send("/sign-in/okta", &[("back_to", back_to)]).await;
        assert_eq!(away.status, StatusCode::OK, "{}", away.text);
        self.come_back("okta", who, &state(&away)).await
    }

    pub async fn come_back(&mut self, provider: &str, code: &str, state: &str) -> Shown {
        let path = format!("/sign-in/{provider}/callback?code={}&state={state}", code.replace('+', "%2B"));
        self.open(&path).await
    }
}

/// The state that a page sends a browser away with.
pub(super) fn state(away: &Shown) -> String {
    let refresh = away.headers[REFRESH].to_str().unwrap();
    refresh.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned()
}

pub(super) fn form(fields: &[(&str, &str)]) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

pub(super) fn path_of(grant: &Grant) -> String {
    format!("/grants/{}", grant.request.id)
}
