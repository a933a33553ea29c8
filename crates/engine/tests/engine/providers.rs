//! The providers that people sign in with: whether any answers, and others in their place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use halligan_engine::fakes::identity::FakeProvider;
use halligan_engine::identity::{Back, ByName, SentAway};
use halligan_engine::ports::{AuthorizeAsk, Claims, Clock as _, IdentityProvider, ProviderError, Returned};
use halligan_engine::problem::{Problem, ProblemKind};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use crate::sign_ins::doors;

/// Answers after so long, well or not, and counts how often it was asked.
struct Slow {
    issuer: &'static str,
    after: Duration,
    well: bool,
    asked: AtomicU32,
}

impl Slow {
    fn new(after_seconds: u64, well: bool) -> Arc<Self> {
        let after = Duration::from_secs(after_seconds);
        Arc::new(Self { issuer: "https://slow.example.com", after, well, asked: AtomicU32::new(0) })
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl IdentityProvider for Slow {
    fn issuer(&self) -> &str {
        self.issuer
    }

    async fn answers(&self) -> Result<(), ProviderError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        sleep(self.after).await;
        if self.well { Ok(()) } else { Err(ProviderError::Unavailable("it is down".to_owned())) }
    }

    async fn authorize(&self, _: &AuthorizeAsk<'_>) -> Result<String, ProviderError> {
        self.answers().await.map(|()| self.issuer.to_owned())
    }

    async fn exchange(&self, _: &Returned<'_>, _: Timestamp) -> Result<Claims, ProviderError> {
        panic!("a code of another issuer was handed over")
    }
}

fn named(providers: &[&Arc<Slow>]) -> ByName {
    let named = |(index, provider): (usize, &&Arc<Slow>)| {
        (format!("p{index}").parse().unwrap(), Arc::clone(provider) as Arc<dyn IdentityProvider>)
    };
    providers.iter().enumerate().map(named).collect()
}

#[tokio::test(start_paused = true)]
async fn they_are_asked_at_once_and_one_that_answers_will_do() {
    const HOUR: u64 = 3_600;
    let doors = doors();
    let identity = doors.running.broker.identity();
    for (name, providers, down, seconds) in [
        ("none", vec![], false, 0),
        ("well", vec![(1, true)], false, 1),
        ("the first is slow", vec![(4, false), (1, true)], false, 1),
        ("the last is slow", vec![(1, true), (HOUR, false)], false, 1),
        ("all are down", vec![(1, false), (4, false), (2, false)], true, 4),
        ("all hang", vec![(HOUR, true), (HOUR, false), (HOUR, true)], true, 5),
        ("one hangs", vec![(HOUR, true), (1, false)], true, 5),
    ] {
        let slow: Vec<Arc<Slow>> = providers.into_iter().map(|(after, well)| Slow::new(after, well)).collect();
        identity.replace_providers(named(&slow.iter().collect::<Vec<_>>()));
        let began = Instant::now();
        assert_eq!(identity.providers_are_down().await, down, "{name}");
        assert_eq!(began.elapsed().as_secs(), seconds, "{name}");
        assert!(slow.iter().all(|provider| provider.asked() == 1), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_known_for_a_few_seconds() {
    let doors = doors();
    let identity = doors.running.broker.identity();
    let (bad, good) = (Slow::new(1, false), Slow::new(1, true));
    identity.replace_providers(named(&[&bad]));
    // Of many at once, one asks.
    let many = futures::future::join_all((0..20).map(|_| identity.providers_are_down())).await;
    assert!(many.into_iter().all(|down| down));
    assert_eq!(bad.asked(), 1);
    doors.world.clock.advance(SignedDuration::from_millis(4_999));
    assert!(identity.providers_are_down().await);
    assert_eq!(bad.asked(), 1);
    doors.world.clock.advance(SignedDuration::from_millis(1));
    assert!(identity.providers_are_down().await);
    assert_eq!(bad.asked(), 2);
    // Of other providers it says nothing.
    identity.replace_providers(named(&[&good]));
    assert!(!identity.providers_are_down().await);
    assert_eq!((bad.asked(), good.asked()), (2, 1));
}

#[tokio::test]
async fn a_code_goes_to_nobody_but_the_issuer_that_gave_it() {
    let doors = doors();
    let identity = doors.running.broker.identity();
    let id = "id".parse().unwrap();
    let come_back = async |then: Option<Arc<dyn IdentityProvider>>| -> Result<(), Problem> {
        let first = doors.provider.clone() as Arc<dyn IdentityProvider>;
        identity.replace_providers([("id".parse().unwrap(), first)].into());
        let SentAway { browser, .. } = identity.send_away(&id, "/", None, None).await?;
        let asked = doors.provider.asked().unwrap();
        let code = doors.provider.signs_in(&asked.nonce, "alice", doors.world.clock.now(), true).into();
        identity.replace_providers(then.into_iter().map(|provider| ("id".parse().unwrap(), provider)).collect());
        let back =
            Back { code: Some(&code), state: Some(&asked.state), issuer: None, error: None, browser: Some(&browser) };
        identity.take_back(&id, &back, None).await.map(drop)
    };
    // The same issuer, with another secret, say.
    come_back(Some(doors.provider.clone())).await.unwrap();
    let problem = come_back(Some(Slow::new(0, true))).await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::SignIn);
    assert!(problem.detail.contains("is another than when this sign-in was begun"), "{}", problem.detail);
    let problem = come_back(None).await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::NotFound);
    assert_eq!(identity.providers(), []);
    let other: Arc<dyn IdentityProvider> = Arc::new(FakeProvider::default());
    identity.replace_providers([("other".parse().unwrap(), other)].into());
    assert_eq!(identity.providers(), ["other".parse().unwrap()]);
}
