//! Sign-ins with a provider that nobody here wrote, towards a broker that says whatever a test wants.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures::future::join_all;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinHandle;

use super::*;
use crate::cli::logout::{self, Gone};
use crate::cli::{Global, whoami};
use crate::client::failure::Exit;
use crate::client::identity::IdentityError;
use crate::client::private;
use crate::client::surroundings::Surroundings;

#[allow(dead_code, reason = "shared with the tests of the whole")]
#[path = "../../../../../tests/support/browser.rs"]
mod headless;
#[allow(dead_code, reason = "shared with the tests of the whole")]
#[path = "../../../../../tests/support/provider.rs"]
mod real;

use headless::Browser;
use real::{CLI, Provider};

/// No page of a provider: a redirect there is followed to its end.
const NOWHERE: &str = "nowhere:";

/// A broker that knows alice, and says with whom to sign in.
struct FakeBroker {
    url: String,
    told: Told,
}

type Told = Arc<Mutex<(Value, StatusCode, Vec<String>)>>;

impl FakeBroker {
    async fn naming(providers: Value) -> Self {
        let told: Told = Arc::new(Mutex::new((json!({ "providers": providers }), StatusCode::OK, Vec::new())));
        let router = Router::new().route("/v1/sign-in", get(named)).route("/v1/me", get(me)).with_state(told.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, told }
    }

    async fn of(provider: &Provider) -> Self {
        Self::naming(named_so(&provider.issuer, CLI)).await
    }

    fn name(&self, providers: Value) {
        self.told.lock().unwrap().0 = json!({ "providers": providers });
    }

    fn know(&self, status: StatusCode) {
        self.told.lock().unwrap().1 = status;
    }

    /// The tokens that it was shown.
    fn shown(&self) -> Vec<String> {
        self.told.lock().unwrap().2.clone()
    }
}

fn named_so(issuer: &str, client_id: &str) -> Value {
    json!([{ "name": "sso", "issuer": issuer, "client_id": client_id, "scopes": ["openid", "offline_access"] }])
}

async fn named(State(told): State<Told>, headers: HeaderMap) -> Response {
    assert!(!headers.contains_key("authorization"), "nothing is shown to be told with whom to sign in");
    axum::Json(told.lock().unwrap().0.clone()).into_response()
}

async fn me(State(told): State<Told>, headers: HeaderMap) -> Response {
    let mut told = told.lock().unwrap();
    let shown = headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    told.2.push(shown);
    let problem = json!({
        "type": "urn:halligan:problem:unlinked-principal", "title": "The login belongs to nobody", "status": told.1.as_u16(),
        "detail": "the login `alice` belongs to no person here: ask the operators to link it"
    });
    match told.1 {
        StatusCode::OK => axum::Json(serde_json::to_value(whoami::tests::alice()).unwrap()).into_response(),
        status => (status, axum::Json(problem)).into_response(),
    }
}

/// Does what it is shown, as this person.
struct Person {
    name: &'static str,
    browser: Arc<AsyncMutex<Browser>>,
    steps: Mutex<Vec<Step>>,
    /// To what they were asked to agree.
    asked: Mutex<Vec<First>>,
    agrees: bool,
    at_work: AsyncMutex<Option<JoinHandle<String>>>,
}

impl Person {
    fn named(name: &'static str) -> Self {
        let browser = Arc::new(AsyncMutex::new(Browser::new()));
        let (steps, asked) = (Mutex::default(), Mutex::default());
        Self { name, browser, steps, asked, agrees: true, at_work: AsyncMutex::default() }
    }

    fn page(&self) -> reqwest::Url {
        let steps = self.steps.lock().unwrap();
        let Step::Open(page) = steps.last().unwrap() else { panic!("no page to open") };
        page.parse().unwrap()
    }

    /// What the browser showed in the end.
    async fn saw(&self) -> String {
        self.at_work.lock().await.take().unwrap().await.unwrap()
    }
}

#[async_trait]
impl Companion for Person {
    fn agree(&self, first: &First) -> Result<(), Failure> {
        self.asked.lock().unwrap().push(first.clone());
        if self.agrees { Ok(()) } else { Err(Failure::Unconfirmed("no".into())) }
    }

    fn show(&self, step: &Step) {
        self.steps.lock().unwrap().push(step.clone());
        let (name, step, browser) = (self.name, step.clone(), self.browser.clone());
        let work = tokio::spawn(async move {
            let browser = &mut *browser.lock().await;
            match step {
                Step::Open(page) => {
                    let page = browser.open(&page, NOWHERE).await;
                    // Whoever is known there is asked to consent, and for no proof.
                    let asked = page.text.contains(r#"name="prompt" value="login""#);
                    let page = browser.submit(&page, &[("login", name)], NOWHERE).await;
                    format!("asked: {asked}\n{}", page.text)
                }
                Step::Elsewhere { complete, .. } => {
                    let page = browser.open(&complete.unwrap(), NOWHERE).await;
                    let page = browser.submit(&page, &[], NOWHERE).await;
                    let page = browser.submit(&page, &[("confirm", "yes")], NOWHERE).await;
                    browser.submit(&page, &[("login", name)], NOWHERE).await.text
                }
            }
        });
        *self.at_work.try_lock().unwrap() = Some(work);
    }

    // The provider is asked again when the person is done: nobody waits for a clock.
    async fn pause(&self, _: Duration) {
        self.saw().await;
    }
}

/// Somebody's machine.
struct Machine {
    home: TempDir,
    context: Context,
}

impl Machine {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut context = Context::of_process(Global { profile: Some("alice".into()), json: false });
        context.surroundings = Surroundings { home: Some(home.path().to_owned()), ..Surroundings::default() };
        Self { home, context }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join("profiles").join(name)
    }

    async fn sign_in(&self, args: &Args, person: &Person) -> Result<(SignInProfile, Tokens), Failure> {
        sign_in(args, &self.context, person).await
    }

    /// As if an hour had passed.
    fn age(&self) {
        let path = self.file("alice.sign-in.json");
        let mut kept: Value = serde_json::from_slice(&private::read(&path).unwrap()).unwrap();
        kept["expires_at"] = json!("2026-03-01T02:40:00Z");
        private::replace(&path, kept.to_string().as_bytes()).unwrap();
    }

    /// The token for one call, as a process of its own would have it.
    async fn bearer(&self) -> Result<String, Failure> {
        let account = self.context.account()?.unwrap();
        let token = account.identity.bearer(self.context.clock.as_ref(), self.context.entropy.as_ref()).await?;
        Ok(token.unwrap().expose_secret().to_owned())
    }
}

fn args(url: &str) -> Args {
    Args { url: Some(url.to_owned()), provider: None, device: false, fresh: false, yes: false }
}

#[tokio::test]
async fn through_a_browser_here_then_renewed_then_out() {
    let provider = Provider::start(&[]);
    let (broker, machine, alice) = (FakeBroker::of(&provider).await, Machine::new(), Person::named("alice"));
    let (profile, tokens) = machine.sign_in(&args(&broker.url), &alice).await.unwrap();
    assert_eq!(
        (profile.issuer.as_str(), profile.client_id.as_str(), tokens.subject.as_str()),
        (provider.issuer.as_str(), CLI, "alice")
    );
    assert!(alice.saw().await.contains("Back to your terminal"));
    for file in ["alice.toml", "alice.sign-in.json"] {
        let mode = std::fs::metadata(machine.file(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let kept = std::fs::read_to_string(machine.file("alice.toml")).unwrap();
    assert!(!kept.contains("token"), "{kept}");

    // The same token is what the broker is shown.
    let me: Answer<MeView> = machine.context.broker().unwrap().get(&["v1", "me"], &[]).await.unwrap();
    assert_eq!((me.value.name.as_str(), broker.shown()), ("alice", vec![tokens.id_token.expose_secret().to_owned()]));

    // Renewed by one of many, and again with the refresh token that came of it.
    for round in 1..=2 {
        machine.age();
        let before = provider.asked("/token").await;
        let shown = join_all((0..8).map(|_| machine.bearer())).await;
        let shown: std::collections::BTreeSet<String> = shown.into_iter().map(Result::unwrap).collect();
        assert_eq!((shown.len(), provider.asked("/token").await - before), (1, 1), "round {round}");
    }

    // Out: what was kept is gone, and a copy of it is good for nothing.
    machine.age();
    let copy = private::read(&machine.file("alice.sign-in.json")).unwrap();
    let file = TokenFile::of(Some(machine.home.path()), "alice").unwrap();
    assert_eq!(logout::sign_out(&profile, &file).await.unwrap(), Gone::Revoked);
    assert_eq!(logout::sign_out(&profile, &file).await.unwrap(), Gone::Nothing);
    assert_eq!(machine.bearer().await.unwrap_err().exit(), Exit::NoAccess);
    private::replace(&machine.file("alice.sign-in.json"), &copy).unwrap();
    let error = machine.bearer().await.unwrap_err();
    assert_eq!(error.exit(), Exit::NoAccess);
    assert!(error.chain().contains("sign in again with `halligan login --profile alice`"), "{}", error.chain());
}

#[tokio::test]
async fn on_another_device() {
    let provider = Provider::start(&[]);
    let (broker, machine, alice) = (FakeBroker::of(&provider).await, Machine::new(), Person::named("alice"));
    let args = Args { device: true, ..args(&broker.url) };
    let (_, tokens) = machine.sign_in(&args, &alice).await.unwrap();
    assert_eq!((tokens.subject.as_str(), tokens.refresh_token.is_some()), ("alice", true));
    assert!(machine.bearer().await.is_ok());
}

#[tokio::test]
async fn a_fresh_proof_is_demanded_of_the_provider() {
    let provider = Provider::start(&[]);
    let (broker, machine, alice) = (FakeBroker::of(&provider).await, Machine::new(), Person::named("alice"));
    for (fresh, asked) in [(false, true), (false, false), (true, true)] {
        machine.sign_in(&Args { fresh, ..args(&broker.url) }, &alice).await.unwrap();
        let saw = alice.saw().await;
        assert!(saw.starts_with(&format!("asked: {asked}\n")), "{fresh}: {saw}");
        let page = alice.page();
        let demanded = |pair: &str| page.query().unwrap().split('&').any(|found| found == pair);
        assert_eq!((demanded("max_age=0"), demanded("prompt=login")), (fresh, fresh), "{page}");
    }
}

#[tokio::test]
async fn the_first_time_the_person_is_asked_before_anything_else_is() {
    let provider = Provider::start(&[]);
    let (broker, machine) = (FakeBroker::of(&provider).await, Machine::new());
    let wary = Person { agrees: false, ..Person::named("alice") };
    let error = machine.sign_in(&args(&broker.url), &wary).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Stopped);
    assert_eq!(provider.asked("/.well-known/openid-configuration").await, 0, "not even the provider is asked");
    assert!(wary.steps.lock().unwrap().is_empty() && !machine.file("alice.toml").exists());

    // A yes is for good, and for what was shown.
    let alice = Person::named("alice");
    let (profile, _) = machine.sign_in(&args(&broker.url), &alice).await.unwrap();
    assert_eq!(*alice.asked.lock().unwrap(), [First::new("alice", &profile, None)]);
    machine.sign_in(&args(&broker.url), &wary).await.unwrap();
    assert_eq!(wary.asked.lock().unwrap().len(), 1);

    // A script says it beforehand.
    let (elsewhere, silent) = (Machine::new(), Person { agrees: false, ..Person::named("alice") });
    elsewhere.sign_in(&Args { yes: true, ..args(&broker.url) }, &silent).await.unwrap();
    assert!(silent.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_no_keeps_nothing() {
    let provider = Provider::start(&[]);
    let (broker, machine, nobody) = (FakeBroker::of(&provider).await, Machine::new(), Person::named("nobody"));
    let error = machine.sign_in(&args(&broker.url), &nobody).await.unwrap_err();
    assert_eq!(error.exit(), Exit::NoAccess);
    insta::assert_snapshot!(error.chain(), @"the identity provider let nobody in (`access_denied`): begin again with `halligan login`");
    assert!(!machine.file("alice.toml").exists() && !machine.file("alice.sign-in.json").exists());
}

#[tokio::test]
async fn a_broker_can_lead_nobody_to_another_provider() {
    let (provider, other) = (Provider::start(&[]), Provider::start(&[]));
    let (broker, machine, alice) = (FakeBroker::of(&provider).await, Machine::new(), Person::named("alice"));
    machine.sign_in(&args(&broker.url), &alice).await.unwrap();
    let before = machine.bearer().await.unwrap();
    for named in [named_so(&other.issuer, CLI), named_so(&provider.issuer, "halligan")] {
        broker.name(named);
        let error = machine.sign_in(&args(&broker.url), &alice).await.unwrap_err();
        assert!(matches!(&error, Failure::Identity(IdentityError::SignIn(SignInError::Moved { .. }))), "{error}");
        assert_eq!(error.exit(), Exit::Stopped);
    }
    assert_eq!(other.asked("/.well-known/openid-configuration").await, 0, "it isn't even asked");
    assert_eq!(machine.bearer().await.unwrap(), before, "what was kept is kept");
}

#[tokio::test]
async fn a_provider_that_says_it_is_another_is_refused() {
    let provider = Provider::start(&[]);
    provider.behave(&json!({ "issuer": "https://id.example.com" })).await;
    let (broker, machine, alice) = (FakeBroker::of(&provider).await, Machine::new(), Person::named("alice"));
    let error = machine.sign_in(&args(&broker.url), &alice).await.unwrap_err();
    assert_eq!(error.exit(), Exit::NoAccess);
    assert!(error.chain().contains("it describes itself as the issuer `https://id.example.com`"), "{}", error.chain());
    assert!(alice.steps.lock().unwrap().is_empty(), "no page is opened");
}

#[tokio::test]
async fn a_provider_that_is_away_is_no_refusal() {
    let provider = Provider::start(&[]);
    provider.behave(&json!({ "status": 503 })).await;
    let (broker, machine, alice) = (FakeBroker::of(&provider).await, Machine::new(), Person::named("alice"));
    let error = machine.sign_in(&args(&broker.url), &alice).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Unreachable);
    insta::assert_snapshot!(error.chain(), @"the identity provider can't be reached: its description of itself answered 503; try again in a moment");
}

#[tokio::test]
async fn what_can_not_be_signed_in_with() {
    let broker = FakeBroker::naming(json!([])).await;
    let (machine, alice) = (Machine::new(), Person::named("alice"));
    let nowhere = Args { url: None, ..args("") };
    let mut said = Vec::new();
    for (title, args) in [
        ("nothing says where", &nowhere),
        ("no address", &args("halligan.example.com")),
        ("a broker without providers", &args(&broker.url)),
        ("no such provider", &Args { provider: Some("okta".into()), ..args(&broker.url) }),
    ] {
        let error = machine.sign_in(args, &alice).await.unwrap_err();
        said.push(format!("{title} ({:?}): {}", error.exit(), error.chain()));
    }
    broker.name(json!([
        { "name": "okta", "issuer": "http://id.example.com", "client_id": "c", "scopes": [] },
        { "name": "entra", "issuer": "https://id.example.com", "client_id": "c", "scopes": [] },
    ]));
    let error = machine.sign_in(&args(&broker.url), &alice).await.unwrap_err();
    said.push(format!("several ({:?}): {}", error.exit(), error.chain()));
    let plain = Args { provider: Some("okta".into()), ..args(&broker.url) };
    let error = machine.sign_in(&plain, &alice).await.unwrap_err();
    said.push(format!("in the open ({:?}): {}", error.exit(), error.chain()));

    let bound = SignInProfile {
        url: "https://halligan.example.com/".into(),
        provider: "okta".into(),
        issuer: "https://id.example.com".into(),
        client_id: "c".into(),
    };
    bound.save(Some(machine.home.path()), "alice").unwrap();
    let error = machine.sign_in(&args("https://other.example.com"), &alice).await.unwrap_err();
    said.push(format!("another broker ({:?}): {}", error.exit(), error.chain()));

    let key = "url = \"https://h\"\nkey_file = \"k\"\nissuer = \"i\"\naudience = \"a\"\nsubject = \"s\"\n";
    private::replace(&machine.file("alice.toml"), key.as_bytes()).unwrap();
    let error = machine.sign_in(&args(&broker.url), &alice).await.unwrap_err();
    said.push(format!("a key ({:?}): {}", error.exit(), error.chain()));
    insta::assert_snapshot!(said.join("\n").replace(&broker.url, "http://127.0.0.1:1234/"), @"
    nothing says where (Usage): there is no profile `alice` yet, so the broker has to be said: add --url, such as `halligan login --url https://halligan.example.com`
    no address (NoAccess): `halligan.example.com` is no broker's address: expected https://HOST[:PORT], or http:// on this machine alone, since the token would be readable on the way
    a broker without providers (Usage): the broker names no identity provider that command lines can sign in with: its callers have keys or tokens (see `halligan token`), or `issuers.sign_in.command_line_client_id` is missing in its configuration
    no such provider (Usage): the broker names no identity provider `okta`: it names none
    several (Usage): the broker names several identity providers: add --provider and one of `okta`, `entra`
    in the open (Stopped): the identity provider can't be used: issuer: is not https: expected https, or http to this machine's loopback
    another broker (Usage): the profile `alice` is for the broker https://halligan.example.com/: sign in to https://other.example.com/ with another one, by --profile
    a key (Usage): the profile `alice` has a key of its own, which signs a token for each call: sign in with another one, such as --profile alice-sso
    ");
}

#[tokio::test]
async fn whoever_has_just_signed_in_is_shown_and_not_told_to_sign_in() {
    let provider = Provider::start(&[]);
    let (broker, machine, alice) = (FakeBroker::of(&provider).await, Machine::new(), Person::named("alice"));
    let Machine { home: _home, mut context } = machine;
    // What is in the environment is somebody else.
    context.surroundings.token = Some("of the environment".into());
    signed_in(&args(&broker.url), &context, &alice).await.unwrap();
    assert!(!broker.shown().contains(&"of the environment".to_owned()));

    broker.know(StatusCode::UNAUTHORIZED);
    let error = signed_in(&args(&broker.url), &context, &alice).await.unwrap_err();
    let Failure::Refused(refused) = error else { panic!("{error}") };
    insta::assert_snapshot!(refused.advice.unwrap(), @"tell the operators: it takes a change of the broker's configuration");
}

#[tokio::test]
async fn a_login_that_the_broker_does_not_know_is_kept_for_when_it_does() {
    let provider = Provider::start(&[]);
    let (broker, machine, alice) = (FakeBroker::of(&provider).await, Machine::new(), Person::named("alice"));
    machine.sign_in(&args(&broker.url), &alice).await.unwrap();
    broker.know(StatusCode::FORBIDDEN);
    let me: Result<Answer<MeView>, Failure> = machine.context.broker().unwrap().get(&["v1", "me"], &[]).await;
    assert_eq!(me.unwrap_err().exit(), Exit::NoAccess);
    assert!(machine.bearer().await.is_ok());
}

#[test]
fn what_a_person_is_told() {
    let open = Step::Open("https://id.example.com/authorize?client_id=c".into());
    let elsewhere = Step::Elsewhere {
        page: "https://id.example.com/device".into(),
        complete: None,
        code: "BDWD-HQPK".into(),
        minutes: 10,
    };
    insta::assert_snapshot!([told(&open, true), told(&open, false), told(&elsewhere, false)].join("---\n"), @"
    Your browser should show the sign-in now. If it doesn't, open this page on this machine:

      https://id.example.com/authorize?client_id=c
    ---
    Open this page on this machine to sign in (where there is no browser, stop and add --device):

      https://id.example.com/authorize?client_id=c
    ---
    Open this page on any device, within 10 minutes, and go on only if it shows this code or asks for it:

      https://id.example.com/device

      code  BDWD-HQPK
    ");
}

#[test]
fn a_proof_of_a_moment_before_is_fresh_by_another_clock() {
    let begun: Timestamp = "2026-03-01T02:40:00Z".parse().unwrap();
    for (auth_time, fresh) in [
        (json!(begun.as_second() + 30), true),
        (json!(begun.as_second() - 5), true),
        (json!(begun.as_second() - 6), false),
        (json!("2026-03-01T02:41:00Z"), false),
        (json!(null), false),
    ] {
        let claims = json!({ "auth_time": auth_time }).as_object().unwrap().clone();
        let signed_in = SignedIn { id_token: "i".into(), refresh_token: None, claims, expires_at: begun };
        assert_eq!(is_proven_since(&signed_in, begun), fresh, "{auth_time}");
    }
}
