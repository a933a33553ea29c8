//! Ceremonies: taken back once, in time, and never more than there may be.

use halligan_engine::fakes::fixtures::at;
use halligan_engine::ports::StoreError;
use jiff::SignedDuration;

use crate::places::{Store, properties};
use crate::sessions::hash;

properties!(
    Store: a_ceremony_is_taken_back_once,
    of_several_who_take_it_at_once_one_gets_it,
    what_has_expired_is_not_given_back,
    a_secret_begins_one_ceremony,
    there_are_never_more_than_may_be,
    what_has_expired_makes_room,
    whoever_may_have_more_is_not_shut_out,
    what_has_expired_is_forgotten_and_nothing_else,
);

async fn begin(store: &Store, number: u64, seconds: i64) {
    store.ceremonies.begin(&hash(number), &format!("body {number}"), at(seconds), 1_000, at(0)).await.unwrap();
}

async fn a_ceremony_is_taken_back_once(store: Store) {
    assert_eq!(store.ceremonies.take(&hash(1), at(0)).await.unwrap(), None);
    let body = "{\"verifier\":\"it's \u{1f512}\\u0000\"}\n";
    store.ceremonies.begin(&hash(1), body, at(60), 10, at(0)).await.unwrap();
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
        store.ceremonies.begin(&hash(number), "body", expires_at, 10, at(-1)).await.unwrap();
        assert_eq!(store.ceremonies.take(&hash(number), now).await.unwrap().is_some(), given, "{name}");
        // Not by a clock that is behind either: it is spent.
        assert_eq!(store.ceremonies.take(&hash(number), at(0)).await.unwrap(), None, "{name}");
    }
}

async fn a_secret_begins_one_ceremony(store: Store) {
    begin(&store, 1, 60).await;
    let again = store.ceremonies.begin(&hash(1), "another", at(90), 10, at(1)).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    assert_eq!(store.ceremonies.take(&hash(1), at(1)).await.unwrap().as_deref(), Some("body 1"));
    store.ceremonies.begin(&hash(1), "another", at(90), 10, at(1)).await.unwrap();
}

/// How many of these began, of as many at once.
async fn begun(store: &Store, numbers: std::ops::Range<u64>, max: u32) -> u32 {
    let begins = numbers.map(|number| {
        let store = store.clone();
        tokio::spawn(async move { store.ceremonies.begin(&hash(number), "body", at(60), max, at(0)).await })
    });
    let mut begun = 0;
    for begin in begins.collect::<Vec<_>>() {
        match begin.await.unwrap() {
            Ok(()) => begun += 1,
            Err(StoreError::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
    }
    begun
}

async fn there_are_never_more_than_may_be(store: Store) {
    assert_eq!(begun(&store, 1..2, 0).await, 0);
    assert_eq!(begun(&store, 1..31, 10).await, 10);
    assert_eq!(begun(&store, 31..61, 10).await, 0);
    // What is taken back makes room for as many.
    let mut taken = 0;
    for number in 1..31 {
        if taken < 3 {
            taken += u32::from(store.ceremonies.take(&hash(number), at(1)).await.unwrap().is_some());
        }
    }
    assert_eq!((taken, begun(&store, 61..91, 10).await), (3, 3));
}

async fn what_has_expired_makes_room(store: Store) {
    for number in 1..=4 {
        begin(&store, number, 10).await;
    }
    begin(&store, 5, 90).await;
    let begin = async |number, now| store.ceremonies.begin(&hash(number), "body", at(90), 5, at(now)).await;
    assert!(matches!(begin(6, 9).await, Err(StoreError::Conflict)));
    begin(6, 10).await.unwrap();
    assert_eq!(store.ceremonies.forget_ceremonies(at(10), 100).await.unwrap(), 0, "it has forgotten them");
    for number in 7..=9 {
        begin(number, 10).await.unwrap();
    }
    assert!(matches!(begin(10, 10).await, Err(StoreError::Conflict)));
    assert_eq!(store.ceremonies.take(&hash(5), at(11)).await.unwrap().as_deref(), Some("body 5"));
}

async fn whoever_may_have_more_is_not_shut_out(store: Store) {
    assert_eq!(begun(&store, 1..20, 5).await, 5);
    assert_eq!(begun(&store, 20..40, 8).await, 3);
    assert_eq!(begun(&store, 40..60, 5).await, 0);
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
