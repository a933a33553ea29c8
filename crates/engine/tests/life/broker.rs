//! What the broker itself writes, on good days and on bad ones, makes the grants that its store has.

use std::collections::BTreeMap;

use halligan_core::entry::Sealed;
use halligan_core::grant::{Command, Grant, Phase};
use halligan_core::incident::IncidentStatus;
use halligan_engine::caller::RequestAsk;
use halligan_engine::fakes::fixtures;
use halligan_engine::fakes::store::Fault;
use halligan_engine::fakes::world::{FakeWorld, Running, caller};
use halligan_engine::life::Lives;
use halligan_engine::ports::{Filter, GrantStore as _, MintError};
use jiff::SignedDuration;

use crate::story::judge;

fn world() -> FakeWorld {
    let groups = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    let people = BTreeMap::from([
        (fixtures::person("alice"), groups(&["on-call"])),
        (fixtures::person("bob"), groups(&["on-call", "leads"])),
        (fixtures::person("carol"), groups(&["leads", "security"])),
    ]);
    FakeWorld::new(fixtures::access(people))
}

fn pass(world: &FakeWorld, milliseconds: i64) {
    world.clock.advance(SignedDuration::from_millis(milliseconds));
}

/// Every grant of the store is what its entries make.
async fn check(world: &FakeWorld, what: &str) -> Lives {
    let entries: Vec<Sealed> = world.store.entries().into_iter().map(|entry| entry.sealed).collect();
    let lives = judge(&entries).unwrap_or_else(|illegal| panic!("{what}: {illegal}"));
    let grants = world.store.grants(&Filter::default(), 100).await.unwrap().grants;
    for found in &grants {
        assert_eq!(lives.grant(found.grant.request.id), Some(&found.grant), "{what}");
    }
    assert_eq!(lives.grants().count(), grants.len(), "{what}");
    lives
}

/// What people do in a night, each step as far as it goes.
async fn story(world: &FakeWorld, running: &Running) {
    let broker = &running.broker;
    let (alice, bob, carol) = (caller("alice"), caller("bob"), caller("carol"));
    let id = |grant: &Grant| grant.request.id.to_string();
    pass(world, 250);
    if let Ok(grant) = broker.request(&alice, fixtures::ask()).await {
        let hash = grant.request_hash.to_string();
        drop(broker.acknowledge(&alice, &id(&grant), &hash, None).await);
        pass(world, 1_001);
        drop(broker.acknowledge(&bob, &id(&grant), &hash, None).await);
        drop(broker.mint(&alice, &id(&grant)).await);
        world.aws.fail_mint(MintError::OutcomeUnknown("reset".to_owned()));
        drop(broker.mint(&alice, &id(&grant)).await);
        if let Ok(extended) = broker.extend(&alice, &id(&grant), 900, "it takes longer").await
            && let halligan_core::grant::State::Active(active) = &extended.state
            && let Some(extension) = &active.extension
        {
            pass(world, 40_000);
            drop(broker.acknowledge(&bob, &id(&grant), &extension.hash.to_string(), None).await);
        }
        drop(broker.extend(&alice, &id(&grant), 60, "a little more").await);
        drop(broker.console(&alice, &id(&grant)).await);
        drop(broker.revoke(&carol, &id(&grant), "stop").await);
    }
    if let Ok(grant) = broker.request(&bob, RequestAsk { emergency: true, ..fixtures::ask() }).await {
        drop(broker.mint(&bob, &id(&grant)).await);
        drop(broker.acknowledge(&carol, &id(&grant), &grant.request_hash.to_string(), None).await);
        drop(broker.give_back(&bob, &id(&grant)).await);
    }
    drop(broker.request(&alice, RequestAsk { emergency: true, ..fixtures::ask() }).await);
    drop(broker.request(&alice, fixtures::ask()).await);
    drop(running.settle().await);
    pass(world, 400_000);
    drop(running.settle().await);
    world.incidents.set(fixtures::incident("INC-219"), IncidentStatus::Closed { known: true });
    drop(running.settle().await);
}

#[tokio::test(start_paused = true)]
async fn a_night_is_rebuilt_from_its_entries() {
    let world = world();
    story(&world, &world.start()).await;
    let lives = check(&world, "no fault").await;
    let mut phases: Vec<Phase> = lives.grants().map(Grant::phase).collect();
    phases.sort_unstable();
    assert_eq!(phases, [Phase::Cancelled, Phase::Revoked, Phase::Revoked, Phase::Returned]);
}

#[tokio::test(start_paused = true)]
async fn a_night_in_which_a_write_fails_or_is_lost_is_rebuilt_too() {
    let clean = world();
    story(&clean, &clean.start()).await;
    let writes = clean.store.writes();
    assert!(writes > 40, "the story has too few steps to tell anything: {writes}");
    for nth in 0..writes {
        for fault in [Fault::NotDone, Fault::Done] {
            let world = world();
            world.store.fail_write(nth, fault);
            story(&world, &world.start()).await;
            // The process dies, and another goes on.
            let running = world.start_as("two");
            for _ in 0..3 {
                pass(&world, 61_000);
                drop(running.settle().await);
            }
            check(&world, &format!("write {nth} {fault:?}")).await;
        }
    }
}

/// What the world outside decides is found in the record as what it was.
#[tokio::test(start_paused = true)]
async fn a_clock_that_steps_back_changes_no_life() {
    let world = world();
    let running = world.start();
    let grant = running.broker.request(&caller("alice"), fixtures::ask()).await.unwrap();
    pass(&world, -5_000);
    let id = grant.request.id.to_string();
    running.broker.acknowledge(&caller("bob"), &id, &grant.request_hash.to_string(), None).await.unwrap();
    pass(&world, -5_000);
    running.broker.mint(&caller("alice"), &id).await.unwrap();
    let lives = check(&world, "back").await;
    let stepped = world.store.entries().iter().filter(|entry| entry.sealed.entry.decided_at.is_some()).count();
    assert!(stepped >= 4, "{stepped}");
    let rebuilt = lives.grant(grant.request.id).unwrap();
    assert_eq!(rebuilt.activation().unwrap().activated_at, fixtures::start() - SignedDuration::from_secs(5));
    // The rebuilt grant lives on like the one that it was made from.
    let expected = world.store.grant(grant.request.id).await.unwrap().unwrap().grant;
    let end = expected.next_deadline().unwrap();
    let elapse = || Command::Elapse(expected.due(end).unwrap());
    assert_eq!(rebuilt.apply(elapse(), end), expected.apply(elapse(), end));
}
