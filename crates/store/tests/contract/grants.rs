//! Grants: what is written is read, and of two changes one is first.

use std::collections::BTreeSet;
use std::sync::Arc;

use halligan_core::grant::{Command, Grant, Phase};
use halligan_core::id::{GrantId, PartyName};
use halligan_engine::fakes::fixtures::{self, Asking, acknowledge, at, lives, role_id, uuid};
use halligan_engine::ports::{Change, Filter, IdempotencyKey, StoreError, Version};
use jiff::SignedDuration;
use tokio::sync::Barrier;

use crate::places::{Store, change, happened, properties};

properties!(
    Store: every_life_is_read_as_it_was_written,
    an_id_is_taken_once,
    a_change_needs_the_version_that_it_was_decided_on,
    of_fifty_acknowledgements_one_wins,
    of_fifty_requests_with_one_id_one_wins,
    a_change_whose_part_fails_leaves_nothing,
    a_call_dropped_half_way_is_done_or_not,
    each_filter_selects,
    pages_are_newest_first_and_miss_nothing,
    what_is_due_comes_soonest_first_and_never_early,
    enforceable_is_what_a_revocation_policy_must_know_of,
);

async fn every_life_is_read_as_it_was_written(store: Store) {
    assert!(store.grants.grant(GrantId::new(uuid(1))).await.unwrap().is_none());
    for (name, grant) in lives(1) {
        let id = grant.request.id;
        assert_eq!(store.put(&grant, None).await.unwrap().version, Some(Version(1)), "{name}");
        let found = store.grants.grant(id).await.unwrap().unwrap();
        assert_eq!((&found.grant, found.version), (&grant, Version(1)), "{name}");
    }
    // From one state to another, by an update.
    for (name, grant) in lives(1) {
        let mut pending = Asking::new(u64::MAX / 2).grant();
        std::sync::Arc::make_mut(&mut pending.request).id = grant.request.id;
        pending.request_hash = halligan_core::grant::RequestHash::of(&pending.request);
        store.put(&pending, Some(Version(1))).await.unwrap();
        assert_eq!(store.put(&grant, Some(Version(2))).await.unwrap().version, Some(Version(3)), "{name}");
        let found = store.grants.grant(grant.request.id).await.unwrap().unwrap();
        assert_eq!((found.grant, found.version), (grant, Version(3)), "{name}");
    }
}

async fn an_id_is_taken_once(store: Store) {
    let (first, second) = (Asking::new(1).grant(), Asking::new(1).by("carol").grant());
    store.put(&first, None).await.unwrap();
    assert!(matches!(store.put(&second, None).await, Err(StoreError::Conflict)));
    assert_eq!(store.grants.grant(first.request.id).await.unwrap().unwrap().grant, first);
}

async fn a_change_needs_the_version_that_it_was_decided_on(store: Store) {
    let asking = Asking::new(1);
    let (pending, active) = (asking.grant(), asking.active());
    assert!(matches!(store.put(&pending, Some(Version(1))).await, Err(StoreError::Conflict)), "nothing is there");
    store.put(&pending, None).await.unwrap();
    for wrong in [0, 2, u64::MAX] {
        assert!(matches!(store.put(&active, Some(Version(wrong))).await, Err(StoreError::Conflict)), "{wrong}");
    }
    assert_eq!(store.grants.grant(pending.request.id).await.unwrap().unwrap().grant, pending);
    store.put(&active, Some(Version(1))).await.unwrap();
    assert!(matches!(store.put(&pending, Some(Version(1))).await, Err(StoreError::Conflict)), "it moved on");
}

async fn of_fifty_acknowledgements_one_wins(store: Store) {
    let pending = Asking::new(1).grant();
    store.put(&pending, None).await.unwrap();
    let start = Arc::new(Barrier::new(50));
    let attempts = (0..50_u64).map(|number| {
        let (store, start, id) = (store.clone(), start.clone(), pending.request.id);
        tokio::spawn(async move {
            let found = store.grants.grant(id).await.unwrap().unwrap();
            let transition = acknowledge(&found.grant, &format!("lead-{number}"), at(60));
            // All of them have read it before the first writes.
            start.wait().await;
            store.grants.commit(change(transition, Some(found.version), 100 + 10 * number), at(60)).await
        })
    });
    let (mut won, mut lost) = (0, 0);
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(_) => won += 1,
            Err(StoreError::Conflict) => lost += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((won, lost), (1, 49));
    let found = store.grants.grant(pending.request.id).await.unwrap().unwrap();
    assert_eq!((found.grant.phase(), found.version), (Phase::Active, Version(2)));
    // Acknowledged and activated, by the one who won.
    assert_eq!(store.entries().await.len(), 2);
    assert_eq!(store.work.due(at(60)).await.unwrap().first().map(|effort| effort.ask), Some(1));
}

async fn of_fifty_requests_with_one_id_one_wins(store: Store) {
    let attempts = (0..50_u64).map(|number| {
        let store = store.clone();
        let transition = Asking::new(1).by(&format!("person-{number}")).open();
        tokio::spawn(async move { store.grants.commit(change(transition, None, 100 + 10 * number), at(0)).await })
    });
    let mut won = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(_) => won += 1,
            Err(StoreError::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((won, store.entries().await.len()), (1, 1));
}

async fn a_change_whose_part_fails_leaves_nothing(store: Store) {
    let pending = Asking::new(1).grant();
    store.put(&pending, None).await.unwrap();
    let key = |key: &str| IdempotencyKey {
        person: fixtures::person("bob"),
        route: "acknowledge".to_owned(),
        key: key.to_owned(),
    };
    store.idempotency.begin(&key("a"), "body", at(0)).await.unwrap();
    let whole = || {
        let change = change(acknowledge(&pending, "bob", at(60)), Some(Version(1)), 10);
        Change { answers: Some(key("a")), ..change }
    };
    // An entry of that id is there: the same change may have been committed before.
    store.note(&pending, &[20], at(0)).await.unwrap();
    let mut twice = whole();
    twice.entries.push(fixtures::draft(&pending, happened(), 20));
    // Nobody has begun that call.
    let unbegun = Change { answers: Some(key("b")), ..whole() };
    // Somebody else has changed it.
    let stale = Change { grant: Some((pending.clone(), Some(Version(7)))), ..whole() };
    for (what, change) in [("an entry", twice), ("the answer", unbegun), ("the grant", stale)] {
        assert!(matches!(store.grants.commit(change, at(60)).await, Err(StoreError::Conflict)), "{what}");
        let found = store.grants.grant(pending.request.id).await.unwrap().unwrap();
        assert_eq!((found.grant, found.version), (pending.clone(), Version(1)), "{what}");
        assert_eq!(store.entries().await.len(), 1, "{what}");
        assert_eq!(store.work.next().await.unwrap(), None, "{what}");
    }
    let begun = store.idempotency.begin(&key("a"), "body", at(1)).await.unwrap();
    assert_eq!(begun, halligan_engine::ports::Begun::InFlight);
    // And whole it goes through, right after the others.
    let committed = store.grants.commit(whole(), at(60)).await.unwrap();
    assert_eq!((committed.version, committed.position), (Some(Version(2)), Some(3)));
}

/// A server drops what it does for a caller who has gone.
async fn a_call_dropped_half_way_is_done_or_not(store: Store) {
    let mut done = 0;
    for number in 0..60_u64 {
        let transition = Asking::new(1_000 + number).open();
        let id = transition.grant.request.id;
        let commit = store.grants.commit(change(transition, None, 2_000 + number), at(0));
        // From at once to longer than any commit takes.
        let patience = async {
            for _ in 0..1_u64 << (number / 3) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            committed = commit => drop(committed.unwrap()),
            () = patience => {}
        }
        // Whatever is still under way for it is over when the next write is.
        store.note(&Asking::new(1).grant(), &[10_000 + number], at(0)).await.unwrap();
        let there = store.grants.grant(id).await.unwrap().is_some();
        assert_eq!(store.log.timeline(id).await.unwrap().len(), usize::from(there), "the {number}th");
        done += usize::from(there);
    }
    assert!(done > 0, "nobody was patient enough");
    let positions: Vec<u64> = store.entries().await.iter().map(|entry| entry.position).collect();
    assert_eq!(positions, (1..=60 + done as u64).collect::<Vec<_>>());
}

async fn each_filter_selects(store: Store) {
    let by = |number, asking: fn(Asking) -> Asking| asking(Asking::new(number));
    let plain = by(1, |a| a).grant();
    let carols = by(2, |a| a.by("carol")).grant();
    let readers = by(3, |a| a.of("prod-reader")).grant();
    let elsewhere = by(4, |a| a.on("INC-220")).grant();
    let active = by(5, |a| a).active();
    for grant in [&plain, &carols, &readers, &elsewhere, &active] {
        store.put(grant, None).await.unwrap();
    }
    let any = Filter::default;
    let carol = PartyName::from(&fixtures::person("carol"));
    let filters: [(&str, Filter, &[&Grant]); 9] = [
        ("none", any(), &[&active, &elsewhere, &readers, &carols, &plain]),
        ("phase", Filter { phases: vec![Phase::Active], ..any() }, &[&active]),
        ("phases", Filter { phases: vec![Phase::Active, Phase::Revoked], ..any() }, &[&active]),
        ("no such phase", Filter { phases: vec![Phase::Lapsed], ..any() }, &[]),
        ("role", Filter { role: Some(role_id("prod-reader")), ..any() }, &[&readers]),
        ("incident", Filter { incident: Some(fixtures::incident("INC-220")), ..any() }, &[&elsewhere]),
        ("requester", Filter { requester: Some(carol.clone()), ..any() }, &[&carols]),
        ("before", Filter { before: Some(carols.request.id), ..any() }, &[&plain]),
        (
            "all at once",
            Filter {
                phases: vec![Phase::Pending, Phase::Active],
                role: Some(role_id("prod-admin")),
                incident: Some(fixtures::incident("INC-219")),
                requester: Some(carol),
                before: Some(active.request.id),
            },
            &[&carols],
        ),
    ];
    for (name, filter, expected) in filters {
        let page = store.grants.grants(&filter, 100).await.unwrap();
        let found: Vec<&Grant> = page.grants.iter().map(|found| &found.grant).collect();
        assert_eq!((found, page.next), (expected.to_vec(), None), "{name}");
    }
}

async fn pages_are_newest_first_and_miss_nothing(store: Store) {
    // Steps that touch every digit of the short form: people sort `a` beside `A`, bytes don't.
    let numbers: Vec<u64> = (0..90).map(|n| 1 + n * 7_919).collect();
    for number in &numbers {
        store.put(&Asking::new(*number).grant(), None).await.unwrap();
    }
    let mut found = Vec::new();
    let mut filter = Filter::default();
    loop {
        let page = store.grants.grants(&filter, 7).await.unwrap();
        assert!(page.grants.len() <= 7);
        found.extend(page.grants.into_iter().map(|found| found.grant.request.id));
        match page.next {
            Some(next) => filter.before = Some(next),
            None => break,
        }
    }
    let expected: Vec<GrantId> = numbers.iter().rev().map(|number| GrantId::new(uuid(*number))).collect();
    assert_eq!(found, expected);
    // A last page that is just full says that it is the last.
    let full = store.grants.grants(&Filter::default(), 90).await.unwrap();
    assert_eq!((full.grants.len(), full.next), (90, None));
    assert!(store.grants.grants(&Filter::default(), 0).await.unwrap().grants.is_empty());
}

async fn what_is_due_comes_soonest_first_and_never_early(store: Store) {
    let lives = lives(1);
    for (_, grant) in &lives {
        store.put(grant, None).await.unwrap();
    }
    let between = fixtures::start() + SignedDuration::from_nanos(1);
    let odd = Asking::new(100).at(between).grant();
    store.put(&odd, None).await.unwrap();
    let due = store.grants.next_due(1_000).await.unwrap();
    assert!(due.is_sorted_by_key(|due| due.due_at));
    let mut expected: Vec<&Grant> = lives.iter().map(|(_, grant)| grant).chain([&odd]).collect();
    expected.retain(|grant| grant.next_deadline().is_some());
    assert_eq!(due.len(), expected.len());
    for due in &due {
        let grant = expected.iter().find(|grant| grant.request.id == due.id).unwrap();
        let late = due.due_at.duration_since(grant.next_deadline().unwrap());
        assert!((SignedDuration::ZERO..SignedDuration::from_millis(1)).contains(&late), "{late} late");
        assert!(grant.due(due.due_at).is_some());
    }
    assert_eq!(store.grants.next_due(2).await.unwrap(), due[..2]);
}

async fn enforceable_is_what_a_revocation_policy_must_know_of(store: Store) {
    let lives = lives(1);
    for (_, grant) in &lives {
        store.put(grant, None).await.unwrap();
    }
    store.put(&Asking::new(100).of("prod-reader").active(), None).await.unwrap();
    let names = async |now| -> BTreeSet<&str> {
        let found = store.grants.enforceable(&role_id("prod-admin"), now).await.unwrap();
        let name = |id| lives.iter().find(|(_, grant)| grant.request.id == id).unwrap().0;
        found.iter().map(|found| name(found.grant.request.id)).collect()
    };
    let always = BTreeSet::from([
        "active",
        "active, minted",
        "active, an extension waits",
        "active, not acknowledged",
        "active, acknowledged late",
        "revoked",
        "revoked, stuck",
        "revoked, its incident closed",
        "revoked, an emergency start declined",
        "returned",
        "active, extended twice",
        "returned, extended",
    ]);
    // Minted at 90 s for the 1,770 s that remained; a minute for the call and the clocks.
    let while_tokens_live: BTreeSet<&str> =
        always.union(&BTreeSet::from(["expired, minted", "revoked, contained"])).copied().collect();
    assert_eq!(names(at(1_000)).await, while_tokens_live);
    assert_eq!(names(at(1_919)).await, while_tokens_live);
    assert_eq!(names(at(1_920)).await, always);
    // What ends and is contained is let go by the update.
    let revoked = &lives.iter().find(|(name, _)| *name == "revoked, its incident closed").unwrap().1;
    let contained = fixtures::apply(revoked, Command::Contain(fixtures::evidence(at(310))), at(311)).grant;
    store.put(&contained, Some(Version(1))).await.unwrap();
    assert!(!names(at(1_000)).await.contains("revoked, its incident closed"));
}
