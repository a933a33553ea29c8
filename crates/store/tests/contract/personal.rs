//! Personal parts: erased when their time is over, and nothing breaks.

use halligan_engine::fakes::fixtures::{Asking, at};
use halligan_engine::ports::{Import, QueuedEntry, StoreError};

use crate::places::{Store, explained, properties, tree};

properties!(
    Store: what_is_older_is_erased_and_nothing_else,
    erasing_leaves_the_log_and_the_timelines_whole,
    many_are_erased_in_one_go,
    what_an_import_brings_back_is_erased_again,
    erasing_beside_writers_erases_what_was_there,
);

/// The positions of the entries that have a personal part.
fn kept(entries: &[QueuedEntry]) -> Vec<u64> {
    for entry in entries {
        assert_eq!(entry.sealed.personal.is_some(), entry.leaf.personal.is_some());
    }
    entries.iter().filter(|entry| entry.sealed.personal.is_some()).map(|entry| entry.position).collect()
}

async fn what_is_older_is_erased_and_nothing_else(store: Store) {
    assert_eq!(store.personal.erase_before(at(1_000)).await.unwrap(), 0, "there is nothing yet");
    let grant = Asking::new(1).grant();
    for number in 1..=9 {
        let now = at(10 * i64::try_from(number).unwrap());
        match number % 3 {
            0 => store.note(&grant, &[number], now).await.unwrap(),
            _ => store.explain(&grant, &[number], now).await.unwrap(),
        };
    }
    assert_eq!(kept(&store.entries().await), [1, 2, 4, 5, 7, 8]);
    let steps: [(i64, u64, &[u64]); 7] = [
        (10, 0, &[1, 2, 4, 5, 7, 8]),
        (11, 1, &[2, 4, 5, 7, 8]),
        (5, 0, &[2, 4, 5, 7, 8]),
        (50, 2, &[5, 7, 8]),
        (50, 0, &[5, 7, 8]),
        (80, 2, &[8]),
        (1_000, 1, &[]),
    ];
    for (time, erased, left) in steps {
        assert_eq!(store.personal.erase_before(at(time)).await.unwrap(), erased, "before {time}");
        assert_eq!(kept(&store.entries().await), left, "before {time}");
    }
    store.explain(&grant, &[10], at(1_001)).await.unwrap();
    assert_eq!(store.personal.erase_before(at(1_001)).await.unwrap(), 0);
    assert_eq!(store.personal.erase_before(at(1_002)).await.unwrap(), 1);
}

async fn erasing_leaves_the_log_and_the_timelines_whole(store: Store) {
    let grant = Asking::new(1).grant();
    store.explain(&grant, &[1, 2], at(0)).await.unwrap();
    let before = store.entries().await;
    store.log.advance(tree(&before[..1])).await.unwrap();
    store.personal.erase_before(at(1)).await.unwrap();
    let after = store.entries().await;
    assert_eq!(kept(&after), [] as [u64; 0]);
    assert_eq!(tree(&after), tree(&before), "the tree is of the entries alone");
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&after.leaf.entry, &after.sealed.entry), (&before.leaf.entry, &before.sealed.entry));
        assert!(after.sealed.entry.personal_sha256.is_some(), "what it commits to stays");
    }
    assert_eq!(store.log.timeline(grant.request.id).await.unwrap(), after);
    // Publishing goes on, and so do commits.
    store.log.advance(tree(&after)).await.unwrap();
    store.explain(&grant, &[3], at(2)).await.unwrap();
    let all = store.entries().await;
    assert_eq!(kept(&all), [3]);
    store.log.advance(tree(&all)).await.unwrap();
    assert_eq!(store.log.head().await.unwrap().size, 3);
}

async fn many_are_erased_in_one_go(store: Store) {
    let grant = Asking::new(1).grant();
    // More than twice what a transaction takes; the times change on both sides of its ends.
    for (number, count) in (0..).zip([999, 2, 998, 2, 1_250]) {
        let first = 10_000 * (number + 1);
        let numbers: Vec<u64> = (first..first + count).collect();
        store.explain(&grant, &numbers, at(i64::try_from(number).unwrap())).await.unwrap();
    }
    let erase = async |seconds| store.personal.erase_before(at(seconds)).await.unwrap();
    assert_eq!((erase(0).await, erase(1).await), (0, 999));
    assert_eq!((erase(3).await, kept(&store.entries().await).len()), (1_000, 1_252));
    assert_eq!((erase(100).await, kept(&store.entries().await).len()), (1_252, 0));
}

async fn what_an_import_brings_back_is_erased_again(store: Store) {
    let grant = Asking::new(1).grant();
    for number in 1..=4 {
        store.explain(&grant, &[number], at(i64::try_from(number).unwrap())).await.unwrap();
    }
    let entries = store.entries().await;
    assert_eq!(store.personal.erase_before(at(4)).await.unwrap(), 3);
    let back = entries[1..3].to_vec();
    let tail = vec![entries[3].sealed.clone()];
    let head = tree(&entries[..3]);
    let import = Import {
        after: 1,
        last: 4,
        known: None,
        entries: back,
        tail,
        grants: vec![],
        effects: vec![],
        passkeys: vec![],
        sign_outs: vec![],
        head,
    };
    store.restore.import(import, at(9)).await.unwrap();
    assert_eq!(kept(&store.entries().await), [2, 3, 4]);
    assert_eq!(store.personal.erase_before(at(4)).await.unwrap(), 2);
    assert_eq!(kept(&store.entries().await), [4]);
}

async fn erasing_beside_writers_erases_what_was_there(store: Store) {
    let grant = Asking::new(1).grant();
    let numbers: Vec<u64> = (1..=50).collect();
    store.explain(&grant, &numbers, at(0)).await.unwrap();
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 100..130 {
                store.explain(&Asking::new(1).grant(), &[number], at(60)).await.unwrap();
            }
        }
    });
    let renumber = tokio::spawn({
        let store = store.clone();
        async move {
            // What was erased comes back, as from an archive, as often as it can.
            let parts: Vec<QueuedEntry> = (1..=50)
                .map(|number| QueuedEntry::new(number, explained(&Asking::new(1).grant(), number).seal(at(0), at(0))))
                .collect();
            let head = tree(&parts);
            let mut done = 0;
            while done < 5 {
                let all = store.entries().await;
                let tail = all[50..].iter().map(|entry| entry.sealed.clone()).collect();
                let (last, entries) = (all.len() as u64, parts[20..].to_vec());
                let import = Import {
                    after: 20,
                    last,
                    known: None,
                    entries,
                    tail,
                    grants: vec![],
                    effects: vec![],
                    passkeys: vec![],
                    sign_outs: vec![],
                    head,
                };
                match store.restore.import(import, at(99)).await {
                    Ok(()) => done += 1,
                    Err(StoreError::Conflict) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    while !(writer.is_finished() && renumber.is_finished()) {
        store.personal.erase_before(at(30)).await.unwrap();
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    renumber.await.unwrap();
    store.personal.erase_before(at(30)).await.unwrap();
    assert_eq!(kept(&store.entries().await), (51..=80).collect::<Vec<_>>());
}
