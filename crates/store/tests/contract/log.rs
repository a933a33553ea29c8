//! The log's side of the store: pages of entries, the head, cursors.

use std::collections::BTreeSet;

use halligan_engine::fakes::fixtures::{Asking, acknowledge, at};
use halligan_engine::ports::{Cursor, Head, StoreError};
use halligan_log::{Edge, Hash};

use crate::places::{Store, change, properties, tree};

properties!(
    Store: entries_come_in_pages_from_any_position,
    an_entrys_bytes_are_what_its_words_say,
    the_head_moves_forward_and_never_past_the_end,
    a_head_of_another_tree_is_noticed,
    a_cursor_moves_forward,
    a_cursor_that_is_elsewhere_by_now_is_not_moved,
    of_several_who_move_it_at_once_one_does,
    cursors_move_apart,
    concurrent_heads_end_with_the_largest,
);

async fn entries_come_in_pages_from_any_position(store: Store) {
    let positions = async |from, limit| -> Vec<u64> {
        store.log.entries(from, limit).await.unwrap().iter().map(|entry| entry.position).collect()
    };
    assert_eq!(store.log.last().await.unwrap(), 0);
    assert_eq!((positions(0, 10).await, positions(1, 10).await, positions(7, 10).await), (vec![], vec![], vec![]));
    let numbers: Vec<u64> = (1..=70).collect();
    store.note(&Asking::new(1).grant(), &numbers, at(0)).await.unwrap();
    assert_eq!(store.log.last().await.unwrap(), 70);
    let cases = [(0, 2, 1..3), (1, 2, 1..3), (2, 2, 2..4), (69, 2, 69..71), (69, 9, 69..71), (70, 9, 70..71)];
    for (from, limit, expected) in cases {
        assert_eq!(positions(from, limit).await, expected.collect::<Vec<_>>(), "{limit} from {from}");
    }
    for (from, limit) in [(1, 0), (70, 0), (71, 0), (71, 5), (u64::MAX, u32::MAX)] {
        assert_eq!(positions(from, limit).await, [0; 0], "{limit} from {from}");
    }
    assert_eq!(positions(1, u32::MAX).await, numbers);
}

async fn an_entrys_bytes_are_what_its_words_say(store: Store) {
    let asked = Asking::new(1).emergency().open();
    let active = acknowledge(&asked.grant, "bob", at(60));
    store.grants.commit(change(asked.clone(), None, 1), at(1)).await.unwrap();
    let version = store.grants.grant(asked.grant.request.id).await.unwrap().unwrap().version;
    store.grants.commit(change(active, Some(version), 10), at(0)).await.unwrap();
    let entries = store.entries().await;
    assert!(entries.iter().any(|entry| entry.leaf.personal.is_some()));
    for entry in &entries {
        assert_eq!(entry.leaf.entry, entry.sealed.entry.to_json());
        assert_eq!(entry.leaf.personal, entry.sealed.personal.as_ref().map(|part| part.to_json()));
    }
    assert_eq!(store.log.timeline(asked.grant.request.id).await.unwrap(), entries);
    let of_another_time: BTreeSet<_> =
        entries.iter().filter_map(|entry| entry.sealed.entry.decided_at.map(|at| (entry.position, at))).collect();
    let late = (entries.len() as u64, at(0));
    assert!(of_another_time.contains(&late), "the clock was behind: {of_another_time:?}");
}

async fn the_head_moves_forward_and_never_past_the_end(store: Store) {
    let empty = Head { size: 0, root: Edge::default().root() };
    assert_eq!(store.log.head().await.unwrap(), empty);
    store.log.advance(empty).await.unwrap();
    let ahead = store.log.advance(Head { size: 1, root: Hash([1; 32]) }).await;
    assert!(matches!(ahead, Err(StoreError::Conflict)), "there is nothing yet: {ahead:?}");
    store.note(&Asking::new(1).grant(), &[1, 2, 3, 4, 5], at(0)).await.unwrap();
    let entries = store.entries().await;
    // The same again is a retry, and a smaller one has come late.
    for (size, expected) in [(2, 2), (2, 2), (4, 4), (3, 4), (0, 4), (5, 5)] {
        store.log.advance(tree(&entries[..size])).await.unwrap();
        assert_eq!(store.log.head().await.unwrap(), tree(&entries[..expected]), "after {size}");
    }
    for size in [6, u64::MAX] {
        let ahead = store.log.advance(Head { size, root: Hash([1; 32]) }).await;
        assert!(matches!(ahead, Err(StoreError::Conflict)), "{size}: {ahead:?}");
    }
    assert_eq!(store.log.head().await.unwrap(), tree(&entries));
    store.note(&Asking::new(1).grant(), &[6], at(0)).await.unwrap();
    store.log.advance(tree(&store.entries().await)).await.unwrap();
    assert_eq!(store.log.head().await.unwrap().size, 6);
}

async fn a_head_of_another_tree_is_noticed(store: Store) {
    store.note(&Asking::new(1).grant(), &[1, 2], at(0)).await.unwrap();
    let empty = store.log.advance(Head { size: 0, root: Hash([1; 32]) }).await;
    assert!(matches!(empty, Err(StoreError::Conflict)), "{empty:?}");
    let head = tree(&store.entries().await);
    store.log.advance(head).await.unwrap();
    let forked = store.log.advance(Head { root: Hash([1; 32]), ..head }).await;
    assert!(matches!(forked, Err(StoreError::Conflict)), "{forked:?}");
    assert_eq!(store.log.head().await.unwrap(), head);
}

async fn a_cursor_moves_forward(store: Store) {
    assert_eq!(store.cursor("siem").await, 0);
    for (position, expected) in [(0, 0), (3, 3), (3, 3), (1, 3), (7, 7)] {
        store.move_cursor("siem", position).await;
        assert_eq!(store.cursor("siem").await, expected, "after {position}");
    }
}

async fn a_cursor_that_is_elsewhere_by_now_is_not_moved(store: Store) {
    let conflict = async |from: Cursor| {
        let moved = store.cursors.move_cursor("siem", from, 9).await;
        assert!(matches!(moved, Err(StoreError::Conflict)), "{from:?}: {moved:?}");
    };
    let begin = store.cursors.cursor("siem").await.unwrap();
    conflict(Cursor { position: 1, ..begin }).await;
    conflict(Cursor { imports: begin.imports + 1, ..begin }).await;
    let moved = store.cursors.move_cursor("siem", begin, 3).await.unwrap();
    assert_eq!(moved, Cursor { position: 3, ..begin });
    assert_eq!(store.cursors.cursor("siem").await.unwrap(), moved);
    conflict(begin).await;
    for position in [0, 2, 4] {
        conflict(Cursor { position, ..moved }).await;
    }
    conflict(Cursor { imports: moved.imports + 1, ..moved }).await;
    assert_eq!(store.cursors.cursor("siem").await.unwrap(), moved);
    // Nothing new was kept: it is where it was, and whoever says so may go on.
    assert_eq!(store.cursors.move_cursor("siem", moved, 1).await.unwrap(), moved);
    assert_eq!(store.cursors.move_cursor("siem", moved, 4).await.unwrap().position, 4);
}

async fn of_several_who_move_it_at_once_one_does(store: Store) {
    for round in 1..=8_u64 {
        let from = store.cursors.cursor("siem").await.unwrap();
        let moves = (0..4).map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.cursors.move_cursor("siem", from, 10 * round + number).await })
        });
        let mut moved = Vec::new();
        for outcome in moves.collect::<Vec<_>>() {
            match outcome.await.unwrap() {
                Ok(cursor) => moved.push(cursor),
                Err(StoreError::Conflict) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(moved, [store.cursors.cursor("siem").await.unwrap()]);
    }
}

async fn cursors_move_apart(store: Store) {
    let names = ["siem", "SIEM", "cloudwatch:eu", "with 'quotes' \u{1f512}", ""];
    let moves = (0..).zip(names).map(|(number, name)| {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 1..=10_u64 {
                store.move_cursor(name, 100 * number + round).await;
            }
        })
    });
    for moved in moves.collect::<Vec<_>>() {
        moved.await.unwrap();
    }
    for (number, name) in (0..).zip(names) {
        assert_eq!(store.cursor(name).await, 100 * number + 10, "{name}");
    }
}

async fn concurrent_heads_end_with_the_largest(store: Store) {
    let numbers: Vec<u64> = (1..=20).collect();
    store.note(&Asking::new(1).grant(), &numbers, at(0)).await.unwrap();
    let entries = store.entries().await;
    let heads = (1..=20_usize).map(|size| {
        let (store, head) = (store.clone(), tree(&entries[..size * 8 % 21]));
        tokio::spawn(async move { store.log.advance(head).await.unwrap() })
    });
    for head in heads.collect::<Vec<_>>() {
        head.await.unwrap();
    }
    assert_eq!(store.log.head().await.unwrap(), tree(&entries));
}
