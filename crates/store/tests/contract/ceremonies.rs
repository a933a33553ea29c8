//! Ceremonies: taken back once, in time, and never more of a crowd than it has room for.

use halligan_engine::fakes::fixtures::at;
use halligan_engine::ports::{Room, StoreError};
use jiff::SignedDuration;

use crate::places::{Store, properties};
use crate::sessions::{hash, room};

properties!(
    Store: a_ceremony_is_taken_back_once,
    of_several_who_take_it_at_once_one_gets_it,
    what_has_expired_is_not_given_back,
    a_secret_begins_one_ceremony,
    there_are_never_more_than_there_is_room_for,
    what_expires_first_gives_way,
    a_crowd_takes_up_no_room_of_another,
    what_has_expired_is_forgotten_and_nothing_else,
);

async fn begin(store: &Store, number: u64, seconds: i64) {
    store.ceremonies.begin(&hash(number), &format!("body {number}"), at(seconds), room(1_000), at(0)).await.unwrap();
}

async fn a_ceremony_is_taken_back_once(store: Store) {
    assert_eq!(store.ceremonies.take(&hash(1), at(0)).await.unwrap(), None);
    let body = "{\"verifier\":\"it's \u{1f512}\\u0000\"}\n";
    store.ceremonies.begin(&hash(1), body, at(60), room(10), at(0)).await.unwrap();
    begin(&store, 2, 60).await;
    assert_eq!(store.ceremonies.take(&hash(3), at(1)).await.unwrap(), None);
    assert_eq!(store.ceremonies.take(&hash(1), at(1)).await.unwrap().as_deref(), Some(body));
    assert_eq!(store.ceremonies.take(&hash(1), at(1)).await.unwrap(), None);
    assert_eq!(store.ceremonies.take(&hash(2), at(59)).await.unwrap().as_deref(), Some("body 2"));
}

async fn of_several_who_take_it_at_once_one_gets_it(store: Store) {
    for round in 1..=15 {
        begin(&store, round, 60).await;
        let takes = (0..6).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.ceremonies.take(&hash(round), at(1)).await.unwrap() })
        });
        let mut got = Vec::new();
        for take in takes.collect::<Vec<_>>() {
            got.extend(take.await.unwrap());
        }
        assert_eq!(got, [format!("body {round}")]);
    }
}

async fn what_has_expired_is_not_given_back(store: Store) {
    let between = at(10) + SignedDuration::from_nanos(1_500_000);
    let millisecond = SignedDuration::from_millis(1);
    let cases = [
        ("well before", at(10), at(9), true),
        ("a millisecond before", at(10), at(10) - millisecond, true),
        ("at the time", at(10), at(10), false),
        ("after it", at(10), at(11), false),
        ("within a millisecond before", between, between - millisecond, true),
        ("within a millisecond after", between, between + SignedDuration::from_nanos(1), false),
        ("it never was good", at(0), at(0), false),
    ];
    for (number, (name, expires_at, now, given)) in (1..).zip(cases) {
        store.ceremonies.begin(&hash(number), "body", expires_at, room(10), at(-1)).await.unwrap();
        assert_eq!(store.ceremonies.take(&hash(number), now).await.unwrap().is_some(), given, "{name}");
        // Not by a clock that is behind either: it is spent.
        assert_eq!(store.ceremonies.take(&hash(number), at(0)).await.unwrap(), None, "{name}");
    }
}

async fn a_secret_begins_one_ceremony(store: Store) {
    begin(&store, 1, 60).await;
    let again = store.ceremonies.begin(&hash(1), "another", at(90), room(10), at(1)).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    assert_eq!(store.ceremonies.take(&hash(1), at(1)).await.unwrap().as_deref(), Some("body 1"));
    store.ceremonies.begin(&hash(1), "another", at(90), room(10), at(1)).await.unwrap();
}

/// Begins these, all at once.
async fn begin_at_once(store: &Store, numbers: std::ops::Range<u64>, seconds: i64, room: Room) {
    let begins = numbers.map(|number| {
        let store = store.clone();
        tokio::spawn(async move { store.ceremonies.begin(&hash(number), "body", at(seconds), room, at(0)).await })
    });
    for begin in begins.collect::<Vec<_>>() {
        begin.await.unwrap().unwrap();
    }
}

/// Takes back what there is of these.
async fn taken(store: &Store, numbers: std::ops::Range<u64>) -> Vec<u64> {
    let mut taken = Vec::new();
    for number in numbers {
        if store.ceremonies.take(&hash(number), at(1)).await.unwrap().is_some() {
            taken.push(number);
        }
    }
    taken
}

async fn there_are_never_more_than_there_is_room_for(store: Store) {
    begin_at_once(&store, 1..31, 60, room(10)).await;
    assert_eq!(taken(&store, 1..31).await.len(), 10);
    // What was taken back has made room.
    begin_at_once(&store, 31..34, 60, room(3)).await;
    begin_at_once(&store, 34..35, 60, room(4)).await;
    assert_eq!(taken(&store, 31..35).await, [31, 32, 33, 34]);
    // Whoever has less room than there are leaves so many.
    begin_at_once(&store, 40..60, 60, room(20)).await;
    begin_at_once(&store, 60..61, 60, room(1)).await;
    assert_eq!(taken(&store, 40..61).await, [60], "whoever comes is let in");
}

async fn what_expires_first_gives_way(store: Store) {
    for (number, seconds) in [(1, 30), (2, 10), (3, 20)] {
        store.ceremonies.begin(&hash(number), "body", at(seconds), room(3), at(0)).await.unwrap();
    }
    store.ceremonies.begin(&hash(4), "body", at(5), room(3), at(0)).await.unwrap();
    store.ceremonies.begin(&hash(5), "body", at(40), room(3), at(0)).await.unwrap();
    assert_eq!(taken(&store, 1..6).await, [1, 3, 5]);
    // What has expired gives way before anything else.
    begin(&store, 6, 2).await;
    begin(&store, 7, 9).await;
    store.ceremonies.begin(&hash(8), "body", at(90), room(2), at(2)).await.unwrap();
    assert_eq!(taken(&store, 6..9).await, [7, 8]);
    // Refused, it makes nobody give way.
    begin(&store, 9, 60).await;
    let again = store.ceremonies.begin(&hash(9), "another", at(90), room(1), at(1)).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    assert_eq!(taken(&store, 9..10).await, [9]);
}

async fn a_crowd_takes_up_no_room_of_another(store: Store) {
    let strangers = Room { name: "sign-in", max: 5 };
    begin_at_once(&store, 1..4, 10, room(3)).await;
    begin_at_once(&store, 10..40, 60, strangers).await;
    assert_eq!(taken(&store, 1..4).await, [1, 2, 3], "they were there first, and expire first");
    begin_at_once(&store, 50..54, 10, room(3)).await;
    assert_eq!((taken(&store, 50..54).await.len(), taken(&store, 10..40).await.len()), (3, 5));
}

async fn what_has_expired_is_forgotten_and_nothing_else(store: Store) {
    for number in 1..=5 {
        begin(&store, number, 10).await;
    }
    begin(&store, 6, 20).await;
    for (now, limit, forgotten) in [(9, 10, 0), (10, 0, 0), (10, 3, 3), (15, 3, 2), (19, 3, 0)] {
        assert_eq!(store.ceremonies.forget_ceremonies(at(now), limit).await.unwrap(), forgotten, "{limit} at {now}");
    }
    assert_eq!(store.ceremonies.take(&hash(6), at(19)).await.unwrap().as_deref(), Some("body 6"));
}
