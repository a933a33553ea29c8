//! Who is who and who may do what, swapped while the broker serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use halligan_core::id::{GroupId, PersonId};
use halligan_engine::access::{Access, AccessInForce, Applied, Reload};
use halligan_engine::broker::Broker;
use halligan_engine::fakes::fixtures;
use halligan_engine::fakes::store::Fault;
use halligan_engine::fakes::world::{FakeWorld, caller};
use halligan_engine::ports::StoreError;
use halligan_engine::problem::ProblemKind;
use serde_json::{Value, json};

use crate::support::{ask, types, world};

/// The fixtures' rules for these people, known by `sha256`.
fn access(sha256: &str, people: &[(&str, &[&str])]) -> Access {
    let groups = |groups: &[&str]| -> BTreeSet<GroupId> { groups.iter().map(|group| group.parse().unwrap()).collect() };
    let people: BTreeMap<PersonId, BTreeSet<GroupId>> =
        people.iter().map(|(person, names)| (fixtures::person(person), groups(names))).collect();
    Access { sha256: sha256.to_owned(), ..fixtures::access(people) }
}

fn with_alice(sha256: &str) -> Access {
    access(sha256, &[("alice", &["on-call"]), ("bob", &["leads"])])
}

fn without_alice(sha256: &str) -> Access {
    access(sha256, &[("bob", &["leads"])])
}

fn reload(world: &FakeWorld, broker: &Broker) -> Reload {
    Reload::new(world.access.clone(), world.store.clone(), broker.recorder().clone(), world.clock.clone())
}

/// What the last entry says.
fn last(world: &FakeWorld) -> Value {
    let entry = serde_json::to_value(&world.store.entries().last().unwrap().sealed.entry).unwrap();
    json!([entry["type"], entry["data"], entry["subject"]["id"]])
}

#[tokio::test(start_paused = true)]
async fn what_changed_is_written_down_and_decides_from_then_on() {
    let (world, _) = world();
    world.access.replace(with_alice("one"));
    let running = world.start();
    let reload = reload(&world, &running.broker);
    running.broker.request(&caller("alice"), ask()).await.unwrap();

    assert_eq!(reload.apply(with_alice("one")).await.unwrap(), Applied::Unchanged);
    assert!(!types(&world.store.entries()).contains(&"policy.changed".to_owned()), "nothing has changed");
    let changed = Applied::Changed { before: "one".to_owned(), after: "two".to_owned() };
    assert_eq!(reload.apply(without_alice("two")).await.unwrap(), changed);
    assert_eq!(last(&world), json!(["policy.changed", {"before": "one", "after": "two"}, "policy"]));
    let refused = running.broker.request(&caller("alice"), ask()).await.unwrap_err();
    assert_eq!(refused.kind, ProblemKind::UnlinkedPrincipal, "a person removed counts at the next check");
}

#[tokio::test(start_paused = true)]
async fn what_can_t_be_written_down_decides_nothing() {
    for (fault, entries_after) in [(Fault::NotDone, 1), (Fault::Done, 1)] {
        let (world, _) = world();
        world.access.replace(with_alice("one"));
        let running = world.start();
        let reload = reload(&world, &running.broker);
        world.store.fail_write(0, fault);
        let failed = reload.apply(without_alice("two")).await;
        assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{fault:?}: {failed:?}");
        assert_eq!(world.access.now().sha256, "one", "{fault:?}");
        running.broker.request(&caller("alice"), ask()).await.unwrap();
        // The next attempt finds what the first left behind.
        reload.apply(without_alice("two")).await.unwrap();
        assert_eq!(world.access.now().sha256, "two", "{fault:?}");
        let changes = types(&world.store.entries()).iter().filter(|kind| *kind == "policy.changed").count();
        assert_eq!(changes, entries_after, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_several_replicas_one_writes_it_down() {
    let (world, _) = world();
    world.access.replace(with_alice("one"));
    let first = world.start_as("first");
    let other = FakeWorld { access: Arc::new(AccessInForce::new(with_alice("one"))), ..world.clone() };
    let second = other.start_as("second");
    let (one, two) = (reload(&world, &first.broker), reload(&other, &second.broker));
    let (left, right) = tokio::join!(one.apply(without_alice("two")), two.apply(without_alice("two")));
    let changed = Applied::Changed { before: "one".to_owned(), after: "two".to_owned() };
    assert_eq!((left.unwrap(), right.unwrap()), (changed.clone(), changed));
    let changes = types(&world.store.entries()).iter().filter(|kind| *kind == "policy.changed").count();
    assert_eq!(changes, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_faulty_is_written_down_and_decides_nothing() {
    let (world, _) = world();
    world.access.replace(with_alice("one"));
    let running = world.start();
    let reload = reload(&world, &running.broker);
    let mut reasons = vec!["policies/on-call.cedar:3:9: unexpected token `}`\n  | permit }\n  |        ^".to_owned()];
    reload.reject(reasons.clone()).await;
    let because = ["policies/on-call.cedar:3:9: unexpected token `}`   | permit }   |        ^"];
    assert_eq!(last(&world), json!(["policy.rejected", {"kept": "one", "because": because}, "policy"]));
    running.broker.request(&caller("alice"), ask()).await.unwrap();

    // However much is wrong, it is an entry.
    reasons.resize(10_000, "x".repeat(10_000));
    reload.reject(reasons).await;
    let entry = world.store.entries().last().unwrap().sealed.entry.to_json();
    assert!(entry.len() <= 4_096, "{}", entry.len());
    assert!(last(&world)[1]["because"].to_string().contains("more"));
}
