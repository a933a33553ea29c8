//! Coming in through a provider: what goes out with a browser comes back once, to the same
//! browser, from the same provider; and what was opened is over when it is said to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use halligan_engine::fakes::identity::FakeProvider;
use halligan_engine::fakes::world::{FakeWorld, Running};
use halligan_engine::identity::{Back, BrowserSecret, SentAway, SignedIn};
use halligan_engine::ports::{Clock as _, SecretText};
use halligan_engine::problem::{Problem, ProblemKind};
use jiff::SignedDuration;

use crate::support::{Groups, counted, refusals, types, world};

pub struct Doors {
    pub world: FakeWorld,
    pub groups: Groups,
    pub provider: Arc<FakeProvider>,
    pub other: Arc<FakeProvider>,
    pub running: Running,
    seen: AtomicUsize,
}

pub fn doors() -> Doors {
    let (mut world, groups) = world();
    let (provider, other) = (Arc::new(FakeProvider::default()), Arc::new(FakeProvider::default()));
    world.providers.insert("id".parse().unwrap(), provider.clone());
    world.providers.insert("other".parse().unwrap(), other.clone());
    let running = world.start();
    Doors { world, groups, provider, other, running, seen: AtomicUsize::new(0) }
}

pub fn back<'a>(code: &'a SecretText, state: &'a str, browser: &'a BrowserSecret) -> Back<'a> {
    Back { code: Some(code), state: Some(state), issuer: None, error: None, browser: Some(browser) }
}

impl Doors {
    /// The refusals that are entries since this was asked last: who, what, why.
    pub fn new_refusals(&self) -> Vec<(String, String, String)> {
        let mut all = refusals(&self.world);
        let seen = self.seen.swap(all.len(), Ordering::Relaxed);
        all.split_off(seen)
    }

    pub async fn send_away(&self, session: Option<&SecretText>) -> SentAway {
        let identity = self.running.broker.identity();
        identity.send_away(&"id".parse().unwrap(), "/grants/1", session, None).await.unwrap()
    }

    pub async fn take_back(&self, provider: &str, back: &Back<'_>) -> Result<(Option<SignedIn>, String), Problem> {
        self.running.broker.identity().take_back(&provider.parse().unwrap(), back, None).await
    }

    /// Somebody signs in, from beginning to end.
    pub async fn sign_in(&self, subject: &str, mfa: bool) -> SignedIn {
        let SentAway { browser, .. } = self.send_away(None).await;
        let asked = self.provider.asked().unwrap();
        let code = self.provider.signs_in(&asked.nonce, subject, self.world.clock.now(), mfa).into();
        self.take_back("id", &back(&code, &asked.state, &browser)).await.unwrap().0.unwrap()
    }

    pub async fn caller(&self, token: &SecretText) -> Result<halligan_engine::caller::Caller, ProblemKind> {
        let found = self.running.broker.identity().session(token, None).await;
        found.map(|(caller, _)| caller).map_err(|problem| problem.kind)
    }
}

pub fn kind<T>(outcome: Result<T, Problem>) -> ProblemKind {
    outcome.map(drop).unwrap_err().kind
}

#[tokio::test]
async fn somebody_signs_in_and_out_and_the_token_is_worth_nothing_then() {
    let doors = doors();
    let alice = doors.sign_in("alice", true).await;
    let caller = doors.caller(&alice.token).await.unwrap();
    assert_eq!(caller.party.as_str(), "alice");
    assert_eq!(caller.shown.fresh.mfa_age_seconds, Some(0));
    assert_eq!(doors.provider.asked().unwrap().redirect_uri, "https://halligan.example.com/sign-in/id/callback");
    let identity = doors.running.broker.identity();
    identity.sign_out(&alice.token).await.unwrap();
    assert_eq!(doors.caller(&alice.token).await.unwrap_err(), ProblemKind::Unauthenticated);
    identity.sign_out(&alice.token).await.unwrap();
    let kinds = types(&doors.world.store.entries());
    assert_eq!(kinds, ["session.opened", "session.ended"], "out is out: once");
    assert_eq!(doors.caller(&"0".repeat(64).into()).await.unwrap_err(), ProblemKind::Unauthenticated);
}

#[tokio::test]
async fn a_session_is_over_when_it_is_idle_or_old_and_never_before() {
    let doors = doors();
    let clock = &doors.world.clock;
    let alice = doors.sign_in("alice", false).await;
    for _ in 0..13 {
        clock.advance(SignedDuration::from_mins(55));
        doors.caller(&alice.token).await.unwrap();
    }
    clock.advance(SignedDuration::from_mins(5));
    assert_eq!(doors.caller(&alice.token).await.unwrap_err(), ProblemKind::Unauthenticated, "twelve hours are over");
    let bob = doors.sign_in("bob", false).await;
    clock.advance(SignedDuration::from_secs(3_599));
    doors.caller(&bob.token).await.unwrap();
    clock.advance(SignedDuration::from_secs(3_600));
    assert_eq!(doors.caller(&bob.token).await.unwrap_err(), ProblemKind::Unauthenticated, "an hour idle");
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(doors.running.broker.identity().forget_what_is_over(10).await.unwrap(), 2);
}

/// Each breaks one of the ties between a browser and what it brings back.
#[tokio::test]
async fn what_comes_back_is_good_once_in_one_browser_from_one_provider() {
    let doors = doors();
    let now = doors.world.clock.now();
    let fresh = async |subject: &str| {
        let SentAway { browser, .. } = doors.send_away(None).await;
        let asked = doors.provider.asked().unwrap();
        let code: SecretText = doors.provider.signs_in(&asked.nonce, subject, now, false).into();
        (browser, asked, code)
    };

    let (browser, asked, code) = fresh("alice").await;
    doors.take_back("id", &back(&code, &asked.state, &browser)).await.unwrap();
    assert_eq!(kind(doors.take_back("id", &back(&code, &asked.state, &browser)).await), ProblemKind::SignIn, "twice");

    let (_, asked, code) = fresh("alice").await;
    let another: BrowserSecret = "ab".repeat(32).into();
    assert_eq!(
        kind(doors.take_back("id", &back(&code, &asked.state, &another)).await),
        ProblemKind::SignIn,
        "another browser"
    );
    let (_, asked, code) = fresh("alice").await;
    let none = Back { browser: None, ..back(&code, &asked.state, &another) };
    assert_eq!(kind(doors.take_back("id", &none).await), ProblemKind::SignIn, "no browser");

    let (browser, asked, code) = fresh("alice").await;
    assert_eq!(
        kind(doors.take_back("other", &back(&code, &asked.state, &browser)).await),
        ProblemKind::SignIn,
        "mix-up"
    );
    let (browser, _, code) = fresh("alice").await;
    assert_eq!(
        kind(doors.take_back("id", &back(&code, "0123", &browser)).await),
        ProblemKind::SignIn,
        "a made-up state"
    );

    // The code of one sign-in with the state of another: its nonce is another.
    let (_, _, stolen) = fresh("alice").await;
    let (browser, asked, _) = fresh("bob").await;
    assert_eq!(
        kind(doors.take_back("id", &back(&stolen, &asked.state, &browser)).await),
        ProblemKind::SignIn,
        "a stolen code"
    );

    let (browser, asked, code) = fresh("alice").await;
    doors.world.clock.advance(SignedDuration::from_mins(10));
    assert_eq!(
        kind(doors.take_back("id", &back(&code, &asked.state, &browser)).await),
        ProblemKind::SignIn,
        "too late"
    );
    let (browser, asked, code) = fresh("stranger").await;
    let nobody = doors.take_back("id", &back(&code, &asked.state, &browser)).await;
    assert_eq!(kind(nobody), ProblemKind::UnlinkedPrincipal);
    let opened = types(&doors.world.store.entries()).iter().filter(|kind| *kind == "session.opened").count();
    assert_eq!(opened, 1, "the first alone");
    let expected = [("sign-in-refused".to_owned(), 7), ("unlinked-principal".to_owned(), 1)];
    assert_eq!(counted(&doors.world, &doors.running).await, expected.into());
    assert_eq!(doors.new_refusals(), [], "nobody of them is known");
}

#[tokio::test]
async fn who_steps_up_is_the_same_person_and_proves_it_anew() {
    let doors = doors();
    let clock = &doors.world.clock;
    let alice = doors.sign_in("alice", false).await;
    clock.advance(SignedDuration::from_mins(30));
    assert_eq!(doors.caller(&alice.token).await.unwrap().shown.fresh.auth_age_seconds, Some(1_800));
    let step_up = async |subject: &str, proved_before: i64| {
        let SentAway { browser, .. } = doors.send_away(Some(&alice.token)).await;
        let asked = doors.provider.asked().unwrap();
        assert!(asked.anew);
        let at = clock.now() - SignedDuration::from_secs(proved_before);
        let code: SecretText = doors.provider.signs_in(&asked.nonce, subject, at, true).into();
        doors.take_back("id", &back(&code, &asked.state, &browser)).await
    };
    assert_eq!(kind(step_up("alice", 60).await), ProblemKind::SignIn, "an old proof");
    assert_eq!(kind(step_up("bob", 0).await), ProblemKind::SignIn, "somebody else");
    let refused = ["alice", "bob"].map(|who| (who.to_owned(), "step_up".to_owned(), "sign-in-refused".to_owned()));
    assert_eq!(doors.new_refusals(), refused, "whose session it is, and who signed in");
    assert_eq!(doors.caller(&alice.token).await.unwrap().shown.fresh.mfa_age_seconds, None);
    step_up("alice", 0).await.unwrap();
    assert_eq!(doors.caller(&alice.token).await.unwrap().shown.fresh.mfa_age_seconds, Some(0));
    assert!(types(&doors.world.store.entries()).contains(&"session.stepped_up".to_owned()));
}

#[tokio::test]
async fn a_removed_link_ends_the_session_at_the_next_call() {
    let doors = doors();
    let alice = doors.sign_in("alice", false).await;
    doors.groups.remove("alice");
    assert_eq!(doors.caller(&alice.token).await.unwrap_err(), ProblemKind::UnlinkedPrincipal);
    doors.groups.put("alice", &["on-call"]);
    doors.caller(&alice.token).await.unwrap();
}

#[tokio::test]
async fn one_address_tries_so_often_and_a_provider_that_is_down_says_so() {
    let doors = doors();
    let identity = doors.running.broker.identity();
    let id = "id".parse().unwrap();
    doors.provider.set_down(true);
    let down = identity.send_away(&id, "/", None, None).await;
    assert_eq!(kind(down), ProblemKind::ProviderUnavailable);
    doors.provider.set_down(false);
    let address = Some("192.0.2.1".parse().unwrap());
    for _ in 0..30 {
        identity.send_away(&id, "/", None, address).await.unwrap();
    }
    assert_eq!(kind(identity.send_away(&id, "/", None, address).await), ProblemKind::RateLimited);
    identity.send_away(&id, "/", None, Some("192.0.2.2".parse().unwrap())).await.unwrap();
    let unknown = identity.send_away(&"nobody".parse().unwrap(), "/", None, None).await;
    assert_eq!(kind(unknown), ProblemKind::NotFound);
    let expected = ["not-found", "provider-unavailable", "rate-limited"].map(|problem| (problem.to_owned(), 1));
    assert_eq!(counted(&doors.world, &doors.running).await, expected.into());
}

/// Of two replicas, each sees what the other opened and ended.
#[tokio::test]
async fn replicas_share_sessions() {
    let doors = doors();
    let other = doors.world.start_as("two");
    let alice = doors.sign_in("alice", false).await;
    other.broker.identity().session(&alice.token, None).await.unwrap();
    other.broker.identity().sign_out(&alice.token).await.unwrap();
    assert_eq!(doors.caller(&alice.token).await.unwrap_err(), ProblemKind::Unauthenticated);
}
