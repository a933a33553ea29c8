#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use halligan_server::views::{AcknowledgementView, IncidentRefView, PartyKind, ProblemView, TargetView};
use jiff::ToSpan as _;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::super::cache::{FileShelf, MemoryShelf};
use super::super::failure::Refused;
use super::*;

/// A clock that the test moves.
pub struct Moved(StdMutex<Timestamp>);

impl Moved {
    pub fn at(text: &str) -> Arc<Self> {
        Arc::new(Self(StdMutex::new(text.parse().unwrap())))
    }

    pub fn advance(&self, length: jiff::Span) {
        let mut now = self.0.lock().unwrap();
        *now += length;
    }
}

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A broker with one grant, whose tokens live at most an hour.
pub struct FakeIssuer {
    clock: Arc<Moved>,
    pub grant: StdMutex<GrantView>,
    pub failing: StdMutex<Option<u16>>,
    pub reads: AtomicUsize,
    pub tries: StdMutex<Option<Tries>>,
    pub mints: AtomicUsize,
}

impl FakeIssuer {
    pub fn new(clock: &Arc<Moved>, ends_in: jiff::Span) -> Arc<Self> {
        let grant = active(clock.now(), clock.now() + ends_in);
        Arc::new(Self {
            clock: clock.clone(),
            grant: StdMutex::new(grant),
            failing: StdMutex::default(),
            reads: AtomicUsize::default(),
            tries: StdMutex::default(),
            mints: AtomicUsize::default(),
        })
    }

    fn mints(&self) -> usize {
        self.mints.load(Ordering::SeqCst)
    }

    fn fail(&self, status: Option<u16>) {
        *self.failing.lock().unwrap() = status;
    }

    fn check(&self) -> Result<(), Failure> {
        match *self.failing.lock().unwrap() {
            None => Ok(()),
            Some(status) => Err(problem(status)),
        }
    }
}

pub fn problem(status: u16) -> Failure {
    let json =
        json!({ "type": "urn:halligan:problem:x", "title": "x", "status": status, "detail": "refused for the test" });
    let problem = serde_json::from_value::<ProblemView>(json.clone()).unwrap();
    Failure::Refused(Box::new(Refused { problem, json, advice: None }))
}

pub fn active(now: Timestamp, ends_at: Timestamp) -> GrantView {
    GrantView {
        id: id().to_string(),
        state: GrantState::Active,
        target: TargetView::role("prod-admin"),
        role_arn: "arn:aws:iam::123456789012:role/break-glass".into(),
        scope: "read-only".into(),
        incident: IncidentRefView { provider: "incidents".into(), id: "INC-219".into() },
        requester: "alice".into(),
        requester_kind: PartyKind::Person,
        on_behalf_of: None,
        reason: "checkout answers 500".into(),
        duration_seconds: 1800,
        emergency: false,
        requested_at: now,
        request_hash: "6b".repeat(32),
        acknowledge_by: None,
        activated_at: Some(now),
        ends_at: Some(ends_at),
        ack_due: None,
        acknowledgements: vec![AcknowledgementView { by: "bob".into(), at: now, signed: false }],
        acknowledgements_needed: 0,
        extended: Vec::new(),
        acknowledged_by: Some("bob".into()),
        acknowledged_at: Some(now),
        extension: None,
        ended_at: None,
        ended_by: None,
        ended_because: None,
        containment: None,
        credentials_issued: 0,
    }
}

pub fn id() -> GrantId {
    GrantId::new(uuid::Uuid::from_u128(0x0195_0000_0000_7000_8000_0000_0000_0001))
}

#[async_trait]
impl Issuer for FakeIssuer {
    async fn grant(&self, _: GrantId, tries: Tries) -> Result<GrantView, Failure> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        *self.tries.lock().unwrap() = Some(tries);
        tokio::task::yield_now().await;
        self.check()?;
        Ok(self.grant.lock().unwrap().clone())
    }

    async fn mint(&self, _: GrantId) -> Result<CredentialsView, Failure> {
        // Lets every other task in: a race shows.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.check()?;
        let Some(fence) = fence_of(&self.grant.lock().unwrap()) else { return Err(problem(409)) };
        let n = self.mints.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(CredentialsView {
            version: 1,
            access_key_id: format!("ASIA{n}"),
            secret_access_key: "secret".to_owned().into(),
            session_token: "token".to_owned().into(),
            expiration: fence.min(self.clock.now() + 1.hour()),
        })
    }
}

struct Setting {
    clock: Arc<Moved>,
    issuer: Arc<FakeIssuer>,
    source: Source,
    warnings: Arc<StdMutex<Vec<String>>>,
    home: tempfile::TempDir,
}

impl Setting {
    fn new(ends_in: jiff::Span) -> Self {
        let clock = Moved::at("2026-03-01T02:40:00Z");
        let issuer = FakeIssuer::new(&clock, ends_in);
        let warnings = Arc::<StdMutex<Vec<String>>>::default();
        let home = tempfile::tempdir().unwrap();
        let source = source(&issuer, &clock, &warnings, &home);
        Self { clock, issuer, source, warnings, home }
    }

    async fn key(&self) -> Result<String, Failure> {
        Ok(self.source.current().await?.access_key_id)
    }

    fn files(&self) -> usize {
        let entries = std::fs::read_dir(self.home.path()).unwrap();
        entries.filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "json")).count()
    }
}

fn source(
    issuer: &Arc<FakeIssuer>,
    clock: &Arc<Moved>,
    warnings: &Arc<StdMutex<Vec<String>>>,
    home: &tempfile::TempDir,
) -> Source {
    let shelf = FileShelf::open(home.path(), "https://broker/", id(), "alice").unwrap();
    let warnings = warnings.clone();
    let warn = Arc::new(move |text: &str| warnings.lock().unwrap().push(text.to_owned()));
    Source::new(issuer.clone(), Box::new(shelf), clock.clone(), warn, id())
}

#[tokio::test(start_paused = true)]
async fn one_mint_serves_until_the_end() {
    let setting = Setting::new(30.minutes());
    for _ in 0..29 {
        assert_eq!(setting.key().await.unwrap(), "ASIA1");
        setting.clock.advance(1.minute());
    }
    assert_eq!(setting.issuer.mints(), 1, "the fence is the end of these: a mint would add nothing");
    assert!(setting.warnings.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_handed_out_within_seconds_of_the_end() {
    let setting = Setting::new(30.minutes());
    setting.key().await.unwrap();
    setting.clock.advance(29.minutes().seconds(54));
    assert_eq!(setting.key().await.unwrap(), "ASIA1");
    setting.clock.advance(1.second());
    let failure = setting.key().await.unwrap_err();
    assert!(matches!(&failure, Failure::Over(text) if text.contains("ends at 2026-03-01 03:10:00 UTC")), "{failure}");
    assert_eq!((setting.issuer.mints(), setting.files()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_the_sdks_begin_to_nag() {
    let setting = Setting::new(3.hours());
    assert_eq!(setting.key().await.unwrap(), "ASIA1");
    setting.clock.advance(44.minutes());
    assert_eq!(setting.key().await.unwrap(), "ASIA1");
    setting.clock.advance(1.second());
    let renewed = setting.source.current().await.unwrap();
    assert_eq!(renewed.access_key_id, "ASIA2");
    assert_eq!(renewed.expiration.duration_since(setting.clock.now()), SignedDuration::from_hours(1));
}

#[tokio::test(start_paused = true)]
async fn a_moved_end_is_noticed_at_once() {
    let setting = Setting::new(30.minutes());
    assert_eq!(setting.key().await.unwrap(), "ASIA1");
    setting.issuer.grant.lock().unwrap().ends_at = Some(setting.clock.now() + 45.minutes());
    assert_eq!(setting.key().await.unwrap(), "ASIA2");
    assert_eq!(setting.key().await.unwrap(), "ASIA2");
}

#[tokio::test(start_paused = true)]
async fn an_emergency_start_is_minted_anew_once_it_is_acknowledged() {
    let setting = Setting::new(30.minutes());
    setting.issuer.grant.lock().unwrap().ack_due = Some(setting.clock.now() + 5.minutes());
    let first = setting.source.current().await.unwrap();
    assert_eq!(first.expiration, setting.clock.now() + 5.minutes());
    setting.issuer.grant.lock().unwrap().ack_due = None;
    let second = setting.source.current().await.unwrap();
    assert_eq!(second.expiration, setting.clock.now() + 30.minutes());
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_is_over_leaves_nothing_behind() {
    let setting = Setting::new(30.minutes());
    setting.key().await.unwrap();
    assert_eq!(setting.files(), 1);
    {
        let mut grant = setting.issuer.grant.lock().unwrap();
        grant.state = GrantState::Revoked;
        grant.ended_at = Some(setting.clock.now());
        grant.ended_by = Some("bob".into());
        grant.ended_because = Some("wrong \u{1b}[31maccount".into());
    }
    let failure = setting.key().await.unwrap_err();
    insta::assert_snapshot!(failure, @r"grant 02z5IjAP8ychUMTu3yGwJV is over: revoked at 2026-03-01 02:40:00 UTC by bob (wrong \u{1b}[31maccount)");
    assert_eq!((setting.files(), setting.issuer.mints()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_is_bridged_and_told_until_the_end() {
    for status in [500, 503, 429] {
        let setting = Setting::new(30.minutes());
        setting.key().await.unwrap();
        assert_eq!(*setting.issuer.tries.lock().unwrap(), Some(Tries::Several));
        setting.issuer.fail(Some(status));
        assert_eq!(setting.key().await.unwrap(), "ASIA1");
        assert_eq!(*setting.issuer.tries.lock().unwrap(), Some(Tries::One), "no long wait before each AWS call");
        assert!(setting.warnings.lock().unwrap()[0].contains("until 03:10:00 UTC"));
        setting.clock.advance(29.minutes().seconds(56));
        assert!(setting.key().await.is_err(), "never past the end");
    }
}

#[tokio::test(start_paused = true)]
async fn a_no_of_the_broker_is_a_no() {
    for (status, files) in [(403, 0), (404, 0), (409, 0), (401, 1)] {
        let setting = Setting::new(30.minutes());
        setting.key().await.unwrap();
        setting.issuer.fail(Some(status));
        assert!(setting.key().await.is_err(), "{status}");
        assert_eq!(setting.files(), files, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_kept_credentials_a_silent_broker_is_a_failure() {
    let setting = Setting::new(30.minutes());
    setting.issuer.fail(Some(503));
    assert!(setting.key().await.unwrap_err().is_passing());
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_waits_is_for_the_broker_to_refuse() {
    let setting = Setting::new(30.minutes());
    {
        let mut grant = setting.issuer.grant.lock().unwrap();
        (grant.state, grant.ends_at) = (GrantState::Pending, None);
    }
    let failure = setting.key().await.unwrap_err();
    assert!(matches!(failure, Failure::Refused(refused) if refused.problem.status == 409));
}

#[tokio::test(start_paused = true)]
async fn ten_processes_at_once_cause_one_mint() {
    let setting = Setting::new(30.minutes());
    let sources: Vec<_> =
        (0..10).map(|_| source(&setting.issuer, &setting.clock, &setting.warnings, &setting.home)).collect();
    for answer in join_all(sources.iter().map(Source::current)).await {
        assert_eq!(answer.unwrap().access_key_id, "ASIA1");
    }
    assert_eq!(setting.issuer.mints(), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_questions_in_one_process_cause_one_mint() {
    let setting = Setting::new(30.minutes());
    let memory = Box::new(MemoryShelf::default());
    let source = Source::new(setting.issuer.clone(), memory, setting.clock.clone(), Arc::new(|_| {}), id());
    for answer in join_all((0..10).map(|_| source.current())).await {
        assert_eq!(answer.unwrap().secret_access_key.expose_secret(), "secret");
    }
    assert_eq!(setting.issuer.mints(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_spoilt_cache_is_told_and_replaced() {
    let setting = Setting::new(30.minutes());
    setting.key().await.unwrap();
    let file = std::fs::read_dir(setting.home.path()).unwrap().map(|e| e.unwrap().path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|e| e == "json")).unwrap();
    std::fs::write(&file, "nonsense").unwrap();
    assert_eq!(setting.key().await.unwrap(), "ASIA2");
    assert_eq!(setting.key().await.unwrap(), "ASIA2");
    assert_eq!(setting.warnings.lock().unwrap().len(), 1);
}
