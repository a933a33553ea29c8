//! Sinks, archives' settings, trails, and what the broker is: each change is an
//! entry once, and the way round a dead archive is narrow.

use std::collections::BTreeMap;
use std::sync::Arc;

use halligan_engine::changes::Identity;
use halligan_engine::fakes::sink::{FakeSink, FakeTrails};
use halligan_engine::fakes::world::{FakeWorld, caller};
use halligan_engine::ports::{Clock as _, Cursors as _, Weakness};
use halligan_engine::problem::ProblemKind;
use halligan_engine::publish::OverrideRules;
use halligan_engine::reconcile::{GuardPorts, Guards, Reconciler as _};
use jiff::SignedDuration;

use crate::support::{active, advance, ask, forwarding, mint, minted, refused, types, world};

fn count(world: &FakeWorld, kind: &str) -> usize {
    types(&world.store.entries()).iter().filter(|found| *found == kind).count()
}

#[tokio::test(start_paused = true)]
async fn a_sink_gets_what_is_published_from_where_it_left_off() {
    let (world, _) = world();
    let running = world.start();
    let sink = Arc::new(FakeSink::named("siem"));
    let forwarding = forwarding(&world, &running, sink.clone());
    active(&running.broker).await;
    forwarding.tick(world.clock.now()).await.unwrap();
    assert_eq!(sink.positions(), [0_u64; 0], "an entry's index is given when it is published");
    running.settle().await.unwrap();
    forwarding.tick(world.clock.now()).await.unwrap();
    let first = sink.positions();
    assert!(first.len() >= 3 && first == (1..=first.len() as u64).collect::<Vec<_>>());
    sink.set_down(true);
    running.broker.request(&caller("bob"), ask()).await.unwrap();
    running.settle().await.unwrap();
    for _ in 0..3 {
        forwarding.tick(world.clock.now()).await.unwrap_err();
    }
    assert_eq!(count(&world, "log.place_failing"), 1, "an alarm is raised once");
    let health = running.broker.publisher().health().all();
    assert!(health["sink siem"].lag_entries > 0 && health["sink siem"].failure.is_some());
    sink.set_down(false);
    running.settle().await.unwrap();
    forwarding.tick(world.clock.now()).await.unwrap();
    let all = sink.positions();
    assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>(), "once each, in order");
    assert_eq!(world.store.cursor("siem").await.unwrap().position, all.len() as u64);
    assert_eq!(count(&world, "log.place_recovered"), 1);
}

#[tokio::test(start_paused = true)]
async fn without_an_archive_credentials_leave_by_an_override_alone_and_not_to_who_granted_it() {
    let (mut world, groups) = world();
    groups.put("alice", &["on-call", "security"]);
    world.overrides = OverrideRules { confirmed_by: vec!["siem".to_owned()], longest: SignedDuration::from_hours(4) };
    let running = world.start();
    let sink = Arc::new(FakeSink::named("siem"));
    let forwarding = forwarding(&world, &running, sink.clone());
    let grant = active(&running.broker).await;
    running.settle().await.unwrap();
    world.archive.set_down(true);
    refused(&world, mint(&running.broker, &grant).await, ProblemKind::LogNotDurable);

    let broker = &running.broker;
    let outcome = broker.override_log(&caller("bob"), 3_600, "both Regions are down").await;
    refused(&world, outcome, ProblemKind::NotPermitted);
    let outcome = broker.override_log(&caller("carol"), 5 * 3_600, "both Regions are down").await;
    refused(&world, outcome, ProblemKind::Invalid);
    // Who opens the way round doesn't walk it.
    broker.override_log(&caller("alice"), 3_600, "both Regions are down").await.unwrap();
    forwarding.tick(world.clock.now()).await.unwrap();
    refused(&world, mint(broker, &grant).await, ProblemKind::LogNotDurable);

    broker.override_log(&caller("carol"), 3_600, "both Regions are down").await.unwrap();
    // The sink must have it: nothing leaves before.
    sink.set_down(true);
    refused(&world, mint(broker, &grant).await, ProblemKind::LogNotDurable);
    sink.set_down(false);
    let following = async {
        loop {
            drop(forwarding.tick(world.clock.now()).await);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::select! { _ = minted(broker, &grant) => {}, () = following => {} }
    assert_eq!(count(&world, "log.override_granted"), 2);
    let intended =
        world.store.entries().iter().rposition(|entry| entry.sealed.entry.event.kind() == "credentials.intended");
    assert!(sink.positions().contains(&(intended.unwrap() as u64 + 1)), "it left before the sink had it");

    broker.end_log_override(&caller("carol")).await.unwrap();
    refused(&world, mint(broker, &grant).await, ProblemKind::LogNotDurable);
    broker.override_log(&caller("carol"), 3_600, "still down").await.unwrap();
    advance(&world, 3_601);
    assert!(mint(broker, &grant).await.is_err(), "it outlived its time");
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_protects_less_is_told_once_and_so_is_its_mending() {
    let (world, _) = world();
    let running = world.start();
    let trails = Arc::new(FakeTrails::default());
    let guards = Guards::new(GuardPorts {
        facts: world.store.clone(),
        archives: vec![world.archive.clone()],
        trails: Some(trails.clone()),
        catalogue: world.catalogue.clone(),
        recorder: running.broker.recorder().clone(),
    });
    let told = |kinds: [usize; 4]| {
        let names = ["log.archive_weakened", "log.archive_mended", "trail.missing", "trail.found"];
        assert_eq!(names.map(|name| count(&world, name)), kinds);
    };
    let weakness = |setting| Weakness { setting, finding: "expected 400 days, found 1".to_owned() };
    let look = async || assert!(guards.tick(world.clock.now()).await.unwrap().next.is_some());
    look().await;
    told([0, 0, 0, 0]);
    world.archive.weaken(vec![weakness("retention")]);
    trails.set_missing(Some("no trail covers every Region"));
    for _ in 0..2 {
        look().await;
        told([1, 0, 1, 0]);
    }
    world.archive.weaken(vec![weakness("retention"), weakness("versioning")]);
    look().await;
    told([2, 0, 1, 0]);
    // Not to be able to look is no mending.
    world.archive.set_down(true);
    look().await;
    world.archive.set_down(false);
    told([2, 0, 1, 0]);
    world.archive.weaken(Vec::new());
    trails.set_missing(None);
    look().await;
    told([2, 2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_decides_signs_and_keeps_is_compared_at_each_start() {
    let (world, _) = world();
    let running = world.start();
    let names = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, means)| ((*name).to_owned(), (*means).to_owned())).collect()
    };
    let first = Identity {
        key: "old".to_owned(),
        places: names(&[("archive a", "1"), ("sink s", "1")]),
        roles: names(&[("prod-admin", "1")]),
        policy: "1".to_owned(),
    };
    let note = async |identity: &Identity| {
        identity.note(world.store.as_ref(), running.broker.recorder(), world.clock.now()).await.unwrap();
        types(&world.store.entries())
    };
    assert!(note(&first).await.is_empty(), "what was never known has not changed");
    assert!(note(&first).await.is_empty());
    let second = Identity {
        key: "new".to_owned(),
        places: names(&[("archive a", "2"), ("archive b", "1")]),
        roles: names(&[("prod-admin", "1"), ("db-admin", "1")]),
        policy: "2".to_owned(),
    };
    let kinds = note(&second).await;
    assert_eq!(kinds, ["log.key_changed", "log.places_changed", "catalogue.changed", "policy.changed"]);
    let places = serde_json::to_value(&world.store.entries()[1].sealed.entry).unwrap();
    let data = serde_json::json!({"added": ["archive b"], "removed": ["sink s"], "changed": ["archive a"]});
    assert_eq!(places["data"], data);
    assert_eq!(note(&second).await.len(), 4, "it is told once");
}
