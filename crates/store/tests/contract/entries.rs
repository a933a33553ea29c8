//! Entries: one order, without gaps, whatever happens at the same time.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::actor::Actor;
use halligan_core::entry::{Draft, Links, Sealed, Subject};
use halligan_core::event::{Event, Personal, Recorded};
use halligan_core::grant::Transition;
use halligan_core::id::GrantId;
use halligan_engine::fakes::fixtures::{self, Asking, acknowledge, at, mint, revoke, uuid};
use halligan_engine::ports::{Change, Committed, QueuedEntry, StoreError};
use jiff::SignedDuration;

use crate::places::{Store, happened, properties};

properties!(
    Store: entries_are_read_as_they_were_written,
    an_entry_is_written_once,
    time_never_goes_back,
    concurrent_commits_make_one_order_without_gaps,
    a_reader_never_sees_a_gap,
    a_timeline_is_one_grants,
    a_change_of_nothing_is_nothing,
);

async fn entries_are_read_as_they_were_written(store: Store) {
    let asked = Asking::new(1).emergency().open();
    let active = acknowledge(&asked.grant, "bob", at(60));
    let minted = mint(&active.grant, 50, at(90)).0;
    let ended = revoke(&minted.grant, "carol", at(100));
    let transitions = [asked, active, minted, ended];
    let about = transitions.iter().flat_map(|Transition { grant, events, .. }| {
        events.iter().map(|event| fixtures::draft(grant, event.clone(), 0))
    });
    let alone = [
        Event::ActionRefused {
            action: "request".to_owned(),
            problem: "incident-closed".to_owned(),
            unmet: vec!["an incident that is open".to_owned()],
            rules: vec!["requesters-may-ask".to_owned()],
        },
        Event::RefusalsCounted { since: at(0), counts: BTreeMap::from([("unauthenticated".to_owned(), u64::MAX)]) },
        Event::RevocationDrift { found: "other".to_owned(), adopted: BTreeSet::from([GrantId::new(uuid(7))]) },
        Event::ContainmentObserved(fixtures::evidence(at(3))),
        Event::ClockSkewed { skew_ms: -11_000, stopped: true },
    ];
    let alone = alone.into_iter().map(|event| Draft {
        id: uuid(0),
        salt: [3; 16],
        actor: Actor::SYSTEM,
        subject: Subject::broker("test"),
        incident: None,
        links: Links::default(),
        recorded: Recorded { event, personal: Personal::default().with("address", "203.0.113.7 \u{1f512} 'quoted'") },
    });
    let mut drafts: Vec<Draft> = about.chain(alone).collect();
    for (number, draft) in (1_000..).zip(&mut drafts) {
        draft.id = uuid(number);
    }
    let committed =
        store.grants.commit(Change { entries: drafts.clone(), ..Change::default() }, at(100)).await.unwrap();
    assert_eq!(committed, Committed { version: None, position: Some(drafts.len() as u64) });
    let found = store.entries().await;
    assert_eq!(found.len(), drafts.len());
    for ((position, draft), found) in (1..).zip(drafts).zip(found) {
        // Bytes and all.
        assert_eq!(found, QueuedEntry::new(position, draft.seal(at(100), at(100))));
    }
}

async fn an_entry_is_written_once(store: Store) {
    let grant = Asking::new(1).grant();
    store.note(&grant, &[1, 2], at(0)).await.unwrap();
    assert!(matches!(store.note(&grant, &[3, 2], at(0)).await, Err(StoreError::Conflict)));
    assert_eq!(store.entries().await.len(), 2);
    assert_eq!(store.note(&grant, &[3], at(0)).await.unwrap().position, Some(3), "no position is lost");
}

async fn time_never_goes_back(store: Store) {
    let grant = Asking::new(1).grant();
    let exact = at(10) + SignedDuration::from_nanos(123_456_789);
    let earlier = at(10) + SignedDuration::from_nanos(123_456_788);
    for (number, now) in (1..).zip([exact, at(5), earlier, at(11)]) {
        store.note(&grant, &[number], now).await.unwrap();
    }
    let times = store.entries().await.into_iter().map(|QueuedEntry { sealed: Sealed { entry, .. }, .. }| {
        // What was decided by another time says so, and nothing else does.
        assert_eq!(entry.decided_at.is_none(), entry.decided_at() == entry.time);
        (entry.time, entry.decided_at())
    });
    let expected = [(exact, exact), (exact, at(5)), (exact, earlier), (at(11), at(11))];
    assert_eq!(times.collect::<Vec<_>>(), expected);
}

async fn concurrent_commits_make_one_order_without_gaps(store: Store) {
    let commits = (0..40_u64).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let grant = Asking::new(number + 1).grant();
            let numbers: Vec<u64> = (0..=number % 3).map(|n| 1_000 + 10 * number + n).collect();
            // Clocks of replicas differ, and step.
            let now = at(i64::try_from((number * 7) % 40).unwrap());
            (numbers.clone(), store.note(&grant, &numbers, now).await.unwrap().position.unwrap(), now)
        })
    });
    let mut expected = BTreeMap::new();
    for commit in commits.collect::<Vec<_>>() {
        let (numbers, last, now) = commit.await.unwrap();
        let first = last + 1 - numbers.len() as u64;
        expected.extend((first..).zip(numbers).map(|(position, number)| (position, (uuid(number), now))));
    }
    let found = store.entries().await;
    assert_eq!(found.len(), expected.len(), "two were given the same position");
    let mut time = fixtures::start();
    for ((position, (id, now)), entry) in expected.into_iter().zip(&found) {
        assert_eq!((entry.position, entry.sealed.entry.id), (position, id));
        assert!(entry.sealed.entry.time >= time.max(now), "time went back at {position}");
        time = entry.sealed.entry.time;
    }
    assert_eq!(found.last().map(|last| last.position), Some(found.len() as u64));
}

async fn a_reader_never_sees_a_gap(store: Store) {
    let writers = (0..8_u64).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let grant = Asking::new(writer + 1).grant();
            for n in 0..10 {
                let number = 1_000 + 100 * writer + 2 * n;
                store.note(&grant, &[number, number + 1], at(0)).await.unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut seen = Vec::new();
    loop {
        let over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let found = store.entries().await;
        let positions: Vec<u64> = found.iter().map(|entry| entry.position).collect();
        assert_eq!(positions, (1..=found.len() as u64).collect::<Vec<_>>());
        assert!(found.len() % 2 == 0, "half of a commit was seen");
        assert!(found.starts_with(&seen), "what was seen has changed");
        seen = found;
        if over {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(seen.len(), 160);
}

async fn a_timeline_is_one_grants(store: Store) {
    let (mine, other) = (Asking::new(1).grant(), Asking::new(2).grant());
    store.note(&mine, &[1], at(0)).await.unwrap();
    store.note(&other, &[2, 3], at(0)).await.unwrap();
    let alone = Draft { links: Links::default(), ..fixtures::draft(&mine, happened(), 4) };
    store.grants.commit(Change { entries: vec![alone], ..Change::default() }, at(0)).await.unwrap();
    store.note(&mine, &[5], at(0)).await.unwrap();
    let found = store.log.timeline(mine.request.id).await.unwrap();
    let found: Vec<_> = found.iter().map(|entry| (entry.position, entry.sealed.entry.id)).collect();
    assert_eq!(found, [(1, uuid(1)), (5, uuid(5))]);
    assert!(store.log.timeline(GrantId::new(uuid(99))).await.unwrap().is_empty());
}

async fn a_change_of_nothing_is_nothing(store: Store) {
    let committed = store.grants.commit(Change::default(), at(0)).await.unwrap();
    assert_eq!(committed, Committed { version: None, position: None });
    assert!(store.entries().await.is_empty());
}
