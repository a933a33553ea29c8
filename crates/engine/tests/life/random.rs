//! Whatever people, deadlines, replicas and clocks do: the entries make the grants.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use halligan_core::actor::Actor;
use halligan_core::entry::{Draft, Sealed};
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::{
    Command, Deadline, ExtensionHash, Grant, MintDraft, Refusal, RequestHash, State, Transition, Yes,
};
use halligan_core::iam::{SessionName, SourceIdentity, session_policy};
use halligan_core::id::{GrantId, MintId, Nonce};
use halligan_engine::fakes::fixtures::{self, Asking, human};
use halligan_engine::fakes::store::FakeStore;
use halligan_engine::life::Lives;
use halligan_engine::ports::{Change, GrantStore as _, Version};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use crate::story::{api, erased, judge, without_reasons};

const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];
/// Replicas' clocks, in milliseconds from the right time.
const CLOCKS: [i64; 3] = [0, 3_250, -4_500];

/// What somebody may try, before it is filled in from the grant as it is.
#[derive(Debug, Clone)]
enum Try {
    Request { emergency: bool },
    Acknowledge { right_hash: bool },
    Decline,
    Withdraw,
    Extend { seconds: i64 },
    AcknowledgeExtension,
    DeclineExtension,
    Return,
    Revoke,
    CloseIncident,
    FindEnded,
    Elapse(Deadline),
    Contain,
    Stick,
    Mint,
    Outcome { how: u8 },
    Refused,
    Noise,
}

#[derive(Debug, Clone)]
struct Step {
    attempt: Try,
    person: usize,
    grant: usize,
    replica: usize,
    passed: i64,
}

fn tries() -> impl Strategy<Value = Try> {
    prop_oneof![
        2 => any::<bool>().prop_map(|emergency| Try::Request { emergency }),
        8 => prop::bool::weighted(0.9).prop_map(|right_hash| Try::Acknowledge { right_hash }),
        1 => Just(Try::Decline),
        2 => Just(Try::Withdraw),
        6 => (1..4_000_i64).prop_map(|seconds| Try::Extend { seconds }),
        7 => Just(Try::AcknowledgeExtension),
        3 => Just(Try::DeclineExtension),
        1 => Just(Try::Return),
        1 => Just(Try::Revoke),
        1 => Just(Try::CloseIncident),
        1 => Just(Try::FindEnded),
        3 => prop_oneof![
            Just(Deadline::Lapse), Just(Deadline::AcknowledgementOverdue), Just(Deadline::Expire), Just(Deadline::ExtensionLapse)
        ].prop_map(Try::Elapse),
        3 => Just(Try::Contain),
        1 => Just(Try::Stick),
        8 => Just(Try::Mint),
        6 => (0..3_u8).prop_map(|how| Try::Outcome { how }),
        1 => Just(Try::Refused),
        1 => Just(Try::Noise),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let passed = prop_oneof![12 => 0..1_500_i64, 3 => 0..200_000_i64, 1 => 0..2_000_000_i64];
    let step = (tries(), 0..9_usize, 0..3_usize, 0..CLOCKS.len(), passed)
        .prop_map(|(attempt, person, grant, replica, passed)| Step { attempt, person, grant, replica, passed });
    prop::collection::vec(step, 1..120)
}

/// A deployment whose broker is the lifecycle and a store.
struct Deployment {
    store: FakeStore,
    now: Timestamp,
    ids: Vec<GrantId>,
    open: Vec<(GrantId, MintId)>,
    number: u64,
}

impl Deployment {
    fn new() -> Self {
        Self { store: FakeStore::new(), now: fixtures::start(), ids: Vec::new(), open: Vec::new(), number: 0 }
    }

    fn number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn take(&mut self, step: &Step) {
        self.now += SignedDuration::from_millis(step.passed);
        let now = self.now + SignedDuration::from_millis(CLOCKS[step.replica]);
        let by = PEOPLE.get(step.person).copied();
        if let Try::Request { emergency } = step.attempt {
            return self.request(by.unwrap_or("alice"), emergency, now);
        }
        // Of the newest few.
        let Some(id) = self.ids.iter().rev().nth(step.grant).copied() else { return };
        let (grant, version) = self.grant(id);
        let by = by.unwrap_or_else(|| fitting(&grant, &step.attempt));
        match &step.attempt {
            Try::Mint => self.mint(&grant, version, by, now),
            Try::Outcome { how } => self.outcome(&grant, *how, now),
            Try::Refused => {
                let event = Event::ActionRefused {
                    action: "mint".to_owned(),
                    problem: "x".to_owned(),
                    rules: Vec::new(),
                    unmet: Vec::new(),
                };
                self.append(&grant, api(by), event, now);
            }
            Try::Noise => self.append(&grant, Actor::SYSTEM, Event::ClockSkewed { skew_ms: 5, stopped: false }, now),
            attempt => {
                let (command, actor) = command(&grant, attempt, by, now);
                match grant.apply(command, now) {
                    Ok(transition) => self.commit(transition, Some(version), &actor, now),
                    Err(Refusal::Overdue(deadline)) => {
                        let transition = grant.apply(Command::Elapse(deadline), now).unwrap();
                        self.commit(transition, Some(version), &Actor::SYSTEM, now);
                    }
                    Err(_) => {}
                }
            }
        }
    }

    fn request(&mut self, by: &str, emergency: bool, now: Timestamp) {
        let number = u64::try_from(now.duration_since(fixtures::start()).as_millis().max(0)).unwrap();
        if self.ids.iter().any(|id| *id == Asking::new(number).grant().request.id) {
            return;
        }
        let asking = Asking::new(number).at(now).by(by);
        let asking = if emergency { asking.emergency() } else { asking };
        let transition = asking.open();
        self.ids.push(transition.grant.request.id);
        self.commit(transition, None, &api(by), now);
    }

    fn mint(&mut self, grant: &Grant, version: Version, by: &str, now: Timestamp) {
        // Through another login of the same person, now and then.
        let mut by = human(by);
        let number = self.number();
        if number.is_multiple_of(3) {
            by.principal.subject.push_str(r#"-phone","actor":{"channel":"system"}\"#);
        }
        let Ok(fence) = grant.mint_fence(&by.clone().into(), now) else { return };
        let role = fixtures::role(grant.request.target.id.as_str());
        let draft = MintDraft {
            mint: MintId(fixtures::uuid(number)),
            role_arn: role.arn.clone(),
            external_id: role.external_id.clone(),
            session_name: SessionName::new(*fixtures::uuid(number).as_bytes()),
            source_identity: SourceIdentity::new("whatever is shown", &by.principal.issuer, &by.principal.subject),
            policy: session_policy(&role.scopes[&role.default_scope], fence).unwrap(),
            token_seconds: MintDraft::token_seconds(now, fence, role.session_max),
            rules: Vec::new(),
        };
        let mint = draft.mint;
        let (transition, _) = grant.intend_mint(&by.clone().into(), draft, false, now).unwrap();
        self.commit(transition, Some(version), &Actor::api(by), now);
        self.open.push((grant.request.id, mint));
    }

    fn outcome(&mut self, grant: &Grant, how: u8, now: Timestamp) {
        let Some(at) = self.open.iter().position(|(id, _)| *id == grant.request.id) else { return };
        let mint = self.open.remove(at).1;
        let event = match how {
            0 => Event::CredentialsIssued { mint, access_key_id: "ASIA0".to_owned(), packed_policy_percent: None },
            1 => Event::CredentialsDiscarded { mint, access_key_id: "ASIA1".to_owned(), because: "late".to_owned() },
            _ => Event::CredentialsFailed { mint, because: "down".to_owned(), outcome_unknown: true },
        };
        self.append(grant, Actor::api(grant.request.requester.clone()), event, now);
    }

    fn append(&mut self, grant: &Grant, actor: Actor, event: Event, now: Timestamp) {
        let draft = self.draft(grant, &actor, Recorded::plain(event));
        self.write(Change { entries: vec![draft], ..Change::default() }, now);
    }

    fn commit(&mut self, transition: Transition, version: Option<Version>, actor: &Actor, now: Timestamp) {
        let Transition { grant, events, effects } = transition;
        let entries = events.into_iter().map(|event| self.draft(&grant, actor, event)).collect();
        self.write(Change { grant: Some((grant, version)), entries, effects, answers: None }, now);
    }

    fn draft(&mut self, grant: &Grant, actor: &Actor, recorded: Recorded) -> Draft {
        let id = fixtures::uuid(10_000_000 + self.number());
        Draft::about(grant, actor.clone(), recorded, id, *id.as_bytes())
    }

    fn write(&self, change: Change, now: Timestamp) {
        // The store in memory makes nobody wait.
        self.store.commit(change, now).now_or_never().unwrap().unwrap();
    }

    fn grant(&self, id: GrantId) -> (Grant, Version) {
        let found = self.store.grant(id).now_or_never().unwrap().unwrap().unwrap();
        (found.grant, found.version)
    }

    fn entries(&self) -> Vec<Sealed> {
        self.store.entries().into_iter().map(|entry| entry.sealed).collect()
    }
}

/// Somebody of whom that would be taken.
fn fitting(grant: &Grant, attempt: &Try) -> &'static str {
    let requester = grant.request.requester.as_str();
    let is_requesters = matches!(attempt, Try::Withdraw | Try::Extend { .. } | Try::Return | Try::Mint);
    PEOPLE.into_iter().find(|person| (*person == requester) == is_requesters).unwrap()
}

fn command(grant: &Grant, attempt: &Try, by: &str, now: Timestamp) -> (Command, Actor) {
    let extension = match &grant.state {
        State::Active(active) => active.extension.as_ref().map(|extension| extension.hash),
        State::Pending(_) | State::Dropped(_) | State::Ended(_) => None,
    };
    let wrong = "00".repeat(32);
    let (who, why) = (human(by), fixtures::reason("because of \"this\" \u{2764} and that"));
    let command = match attempt {
        Try::Acknowledge { right_hash: true } => {
            Command::Acknowledge { by: who, hash: grant.request_hash, yes: Yes::default() }
        }
        Try::Acknowledge { right_hash: false } => {
            Command::Acknowledge { by: who, hash: RequestHash::try_from(wrong).unwrap(), yes: Yes::default() }
        }
        Try::Decline => Command::Decline { by: who, reason: why, rules: Vec::new() },
        Try::Withdraw => Command::Withdraw { by: who.into() },
        Try::Extend { seconds } => Command::RequestExtension {
            by: who,
            duration: SignedDuration::from_secs(*seconds),
            reason: why,
            nonce: Nonce([u8::try_from(seconds % 251).unwrap(); 32]),
            rules: Vec::new(),
        },
        Try::AcknowledgeExtension => {
            let hash = extension.unwrap_or_else(|| ExtensionHash::try_from(wrong).unwrap());
            Command::AcknowledgeExtension { by: who, hash, yes: Yes::default() }
        }
        Try::DeclineExtension => Command::DeclineExtension { by: who, reason: why, rules: Vec::new() },
        Try::Return => Command::Return { by: who.into() },
        Try::Revoke => Command::Revoke { by: who, reason: why, rules: Vec::new() },
        Try::CloseIncident => return (Command::CloseIncident, Actor::SYSTEM),
        Try::FindEnded => return (Command::FindEnded, Actor::SYSTEM),
        Try::Elapse(deadline) => return (Command::Elapse(*deadline), Actor::SYSTEM),
        Try::Contain => return (Command::Contain(fixtures::evidence(now)), Actor::SYSTEM),
        Try::Stick => return (Command::Stick { because: r#"not "seen","actor":{"#.to_owned() }, Actor::SYSTEM),
        Try::Request { .. } | Try::Mint | Try::Outcome { .. } | Try::Refused | Try::Noise => {
            unreachable!("they have ways of their own")
        }
    };
    (command, api(by))
}

fn lived(steps: &[Step]) -> Deployment {
    let mut deployment = Deployment::new();
    for step in steps {
        deployment.take(step);
    }
    deployment
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_entries_make_the_grants(steps in steps()) {
        let deployment = lived(&steps);
        let entries = deployment.entries();
        let mut lives = judge(&entries).unwrap();
        for id in &deployment.ids {
            prop_assert_eq!(lives.grant(*id), Some(&deployment.grant(*id).0));
        }
        prop_assert_eq!(lives.grants().count(), deployment.ids.len());
        prop_assert_eq!(lives.begun(), deployment.ids.len() as u64);
        prop_assert_eq!(lives.settle(), Vec::new());
    }

    #[test]
    fn what_was_erased_changes_no_life_but_its_words(steps in steps()) {
        let deployment = lived(&steps);
        let entries: Vec<Sealed> = deployment.entries().iter().map(erased).collect();
        let lives = judge(&entries).unwrap();
        for id in &deployment.ids {
            let (grant, _) = deployment.grant(*id);
            prop_assert_eq!(lives.grant(*id).unwrap(), &without_reasons(&grant));
            let rebuilt = lives.grant(*id).unwrap();
            prop_assert!(rebuilt.mint_fence(&rebuilt.request.requester, deployment.now).is_err());
        }
    }

    #[test]
    fn a_life_goes_on_from_the_grant_that_it_made(steps in steps(), cut in 0.0..1.0_f64) {
        let deployment = lived(&steps);
        let entries = deployment.entries();
        // Not within a transition: its entries share their instant and their grant.
        let mut cut = (entries.len() as f64 * cut) as usize;
        while cut > 0 && cut < entries.len() && same_transition(&entries[cut - 1], &entries[cut]) {
            cut -= 1;
        }
        let before = judge(&entries[..cut]).unwrap();
        let mut lives = Lives::new(fixtures::catalogue().deployment);
        before.grants().cloned().for_each(|grant| lives.resume(grant));
        for (index, sealed) in entries.iter().enumerate().skip(cut) {
            lives.enter(index as u64, sealed).unwrap();
        }
        for id in &deployment.ids {
            prop_assert_eq!(lives.grant(*id), Some(&deployment.grant(*id).0));
        }
    }

    #[test]
    fn forgetting_forgets_only_what_is_over(steps in steps(), often in 1..9_usize) {
        let deployment = lived(&steps);
        let mut lives = Lives::new(fixtures::catalogue().deployment);
        for (index, sealed) in deployment.entries().iter().enumerate() {
            lives.enter(index as u64, sealed).unwrap();
            if index % often == 0 {
                lives.forget(sealed.entry.time);
            }
        }
        for id in &deployment.ids {
            let (grant, _) = deployment.grant(*id);
            match lives.grant(*id) {
                Some(kept) => prop_assert_eq!(kept, &grant),
                None => prop_assert!(!grant.is_unfinished(deployment.now), "an unfinished grant was forgotten"),
            }
        }
    }

    #[test]
    fn what_is_told_twice_is_found_at_its_index(steps in steps(), which in any::<prop::sample::Index>()) {
        let mut entries = lived(&steps).entries();
        let told: Vec<usize> = (0..entries.len()).filter(|at| is_of_a_life_once(&entries[*at])).collect();
        prop_assume!(!told.is_empty());
        let at = told[which.index(told.len())];
        entries.insert(at + 1, entries[at].clone());
        let illegal = judge(&entries).unwrap_err();
        prop_assert_eq!((illegal.index, illegal.grant), (at as u64 + 1, entries[at].entry.links.grant));
    }

    #[test]
    fn a_life_of_another_grant_is_found(steps in steps(), which in any::<prop::sample::Index>()) {
        let mut entries = lived(&steps).entries();
        let told: Vec<usize> = (0..entries.len()).filter(|at| is_of_a_life_once(&entries[*at])).collect();
        prop_assume!(!told.is_empty());
        let at = told[which.index(told.len())];
        entries[at].entry.links.grant = Some(GrantId::new(fixtures::uuid(987_654_321)));
        let illegal = judge(&entries).unwrap_err();
        prop_assert!(illegal.index >= at as u64, "{}", illegal);
    }
}

fn same_transition(one: &Sealed, two: &Sealed) -> bool {
    let key = |sealed: &Sealed| (sealed.entry.links.grant, sealed.entry.decided_at(), sealed.entry.actor.clone());
    key(one) == key(two)
}

/// Whether it is part of a life, and can't be twice in a row.
fn is_of_a_life_once(sealed: &Sealed) -> bool {
    halligan_engine::life::concerned(&sealed.entry).is_some()
        && !matches!(sealed.entry.event, Event::ContainmentStuck { .. })
}

/// The tests above would hold of a log in which nothing happens: they see everything.
#[test]
fn random_lives_have_every_entry() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for _ in 0..400 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        for sealed in lived(&steps).entries() {
            let (count, elsewhen) = seen.entry(sealed.entry.event.kind()).or_default();
            *count += 1;
            *elsewhen += u32::from(sealed.entry.decided_at.is_some());
        }
    }
    let concerned = seen.keys().filter(|kind| {
        kind.starts_with("grant.") || kind.starts_with("ext") || kind.starts_with("cred") || kind.starts_with("cont")
    });
    assert_eq!(concerned.count(), 20, "{seen:?}");
    assert!(seen.values().all(|(count, _)| *count > 5), "{seen:?}");
    let elsewhen: u32 = seen.values().map(|(_, elsewhen)| elsewhen).sum();
    assert!(elsewhen > 200, "replicas' clocks hardly differed: {seen:?}");
}
