//! One way to tell a story, so that the tests don't bind to the API.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use halligan_core::actor::Principal;
use halligan_core::event::Event;
use halligan_core::grant::{Grant, Phase};
use halligan_core::id::{GroupId, PersonId};
use halligan_engine::access::{Access, AccessInForce, Directory};
use halligan_engine::broker::Broker;
use halligan_engine::caller::{Minted, RequestAsk};
use halligan_engine::fakes::fixtures;
pub use halligan_engine::fakes::fixtures::ask;
use halligan_engine::fakes::world::{FakeWorld, Running, caller};
use halligan_engine::ports::{Clock as _, GrantStore as _, QueuedEntry, Sink};
use halligan_engine::problem::{Problem, ProblemKind};
use halligan_engine::reconcile::{Forwarding, ForwardingPorts};
use halligan_policy::PolicySet;
use jiff::SignedDuration;

/// People whose groups can be changed under way.
pub struct Groups {
    people: Mutex<BTreeMap<PersonId, BTreeSet<GroupId>>>,
    access: Arc<AccessInForce>,
}

impl Groups {
    pub fn put(&self, person: &str, groups: &[&str]) {
        let groups = groups.iter().map(|group| group.parse().unwrap()).collect();
        let mut people = self.people.lock().unwrap();
        people.insert(fixtures::person(person), groups);
        self.access.replace(fixtures::access(people.clone()));
    }

    /// They are no person here any more.
    pub fn remove(&self, person: &str) {
        let mut people = self.people.lock().unwrap();
        people.remove(&fixtures::person(person));
        self.access.replace(fixtures::access(people.clone()));
    }

    /// They are the same person, by another login.
    pub fn relink(&self, person: &str, subject: &str) {
        let access = fixtures::access(self.people.lock().unwrap().clone());
        let mut people = access.directory.people().clone();
        let principal = Principal { issuer: fixtures::ISSUER.to_owned(), subject: subject.to_owned() };
        people.get_mut(&fixtures::person(person)).unwrap().principals = [principal].into();
        let issuers =
            [fixtures::ISSUER, fixtures::CI_ISSUER].map(|issuer| access.directory.rules(issuer).unwrap().clone());
        let directory = Directory::new(issuers.into(), people, access.directory.machines().clone());
        self.access.replace(Access { directory, ..access });
    }

    /// With these policies in place of the built-in ones.
    pub fn decide_by(&self, policies: PolicySet) {
        let access = fixtures::access(self.people.lock().unwrap().clone());
        self.access.replace(Access { policies, ..access });
    }
}

/// The groups that the fixtures' roles name, so that alice and bob may ask, bob
/// and carol acknowledge, carol revoke.
pub fn world() -> (FakeWorld, Groups) {
    let world = FakeWorld::new(fixtures::access(BTreeMap::new()));
    let groups = Groups { people: Mutex::default(), access: world.access.clone() };
    groups.put("alice", &["on-call"]);
    groups.put("bob", &["on-call", "leads"]);
    groups.put("carol", &["leads", "security"]);
    (world, groups)
}

pub fn emergency() -> RequestAsk {
    RequestAsk { emergency: true, ..ask() }
}

pub fn id(grant: &Grant) -> String {
    grant.request.id.to_string()
}

/// alice asks, bob acknowledges.
pub async fn active(broker: &Broker) -> Grant {
    let grant = broker.request(&caller("alice"), ask()).await.unwrap();
    broker.acknowledge(&caller("bob"), &id(&grant), &grant.request_hash.to_string(), None).await.unwrap()
}

pub async fn mint(broker: &Broker, grant: &Grant) -> Result<Minted, Problem> {
    broker.mint(&caller("alice"), &id(grant)).await
}

/// The key of credentials that were minted just now.
pub async fn minted(broker: &Broker, grant: &Grant) -> String {
    mint(broker, grant).await.unwrap().credentials.access_key_id
}

/// As [`minted`], for somebody else's grant.
pub async fn minted_by(name: &str, broker: &Broker, grant: &Grant) -> String {
    broker.mint(&caller(name), &id(grant)).await.unwrap().credentials.access_key_id
}

pub async fn now(world: &FakeWorld, grant: &Grant) -> Grant {
    world.store.grant(grant.request.id).await.unwrap().unwrap().grant
}

pub async fn phase(world: &FakeWorld, grant: &Grant) -> Phase {
    now(world, grant).await.phase()
}

pub fn advance(world: &FakeWorld, seconds: i64) {
    world.clock.advance(SignedDuration::from_secs(seconds));
}

/// What takes the log to `sink`.
pub fn forwarding(world: &FakeWorld, running: &Running, sink: Arc<dyn Sink>) -> Forwarding {
    let ports = ForwardingPorts {
        log: world.store.clone(),
        cursors: world.store.clone(),
        leases: world.store.clone(),
        publisher: running.broker.publisher().clone(),
        overrides: running.broker.overrides().clone(),
    };
    Forwarding::new(sink, ports, "one".to_owned())
}

/// The types of the entries, in order.
pub fn types(entries: &[QueuedEntry]) -> Vec<String> {
    let name =
        |entry: &QueuedEntry| serde_json::to_value(&entry.sealed.entry).unwrap()["type"].as_str().unwrap().to_owned();
    entries.iter().map(name).collect()
}

/// Checks that something was refused so, recorded, and changed nothing.
pub fn refused<T: std::fmt::Debug>(world: &FakeWorld, outcome: Result<T, Problem>, kind: ProblemKind) -> Problem {
    let problem = outcome.expect_err("it was not refused");
    assert_eq!(problem.kind, kind, "{problem}");
    let entries = world.store.entries();
    let last = serde_json::to_value(&entries.last().unwrap().sealed.entry).unwrap();
    assert_eq!(last["type"], "action.refused", "{last}");
    assert_eq!(last["data"]["problem"], kind.slug(), "{last}");
    problem
}

/// What was counted of strangers' refusals since the last time, by their problem. A minute goes by.
pub async fn counted(world: &FakeWorld, running: &Running) -> BTreeMap<String, u64> {
    let before = world.store.entries().len();
    let recorder = running.broker.recorder();
    recorder.close_window(world.clock.now()).await;
    advance(world, 61);
    recorder.close_window(world.clock.now()).await;
    let mut counted = BTreeMap::new();
    for queued in world.store.entries().split_off(before) {
        if let Event::RefusalsCounted { counts, .. } = queued.sealed.entry.event {
            counts.into_iter().for_each(|(problem, count)| *counted.entry(problem).or_default() += count);
        }
    }
    counted
}

/// The refusals of people who are known, as entries have them: who, what, why.
pub fn refusals(world: &FakeWorld) -> Vec<(String, String, String)> {
    let entries = world.store.entries().into_iter().map(|queued| queued.sealed.entry);
    let refused = entries.filter_map(|entry| match entry.event {
        Event::ActionRefused { action, problem, .. } => Some((entry.actor.party?.as_str().to_owned(), action, problem)),
        _ => None,
    });
    refused.collect()
}
