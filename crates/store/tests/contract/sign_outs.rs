//! Who was signed out everywhere: an instant that never goes back, and no session from before.

use halligan_core::actor::Principal;
use halligan_engine::fakes::fixtures::{Asking, at, person};
use halligan_engine::ports::{Import, Session, StoreError};
use jiff::{SignedDuration, Timestamp};

use crate::import::import_of;
use crate::places::{Store, properties};
use crate::sessions::{entry, hash, login, session};

properties!(
    Store: nobody_is_signed_out_at_first,
    an_instant_is_kept_to_the_nanosecond_and_never_goes_back,
    sessions_end_with_the_instant_and_its_entries_or_not_at_all,
    sessions_of_logins_come_newest_first,
    of_several_who_sign_out_at_once_the_latest_holds,
    an_import_brings_what_the_log_says_and_keeps_what_is_later,
);

async fn since(store: &Store, name: &str) -> Option<Timestamp> {
    store.sign_outs.signed_out(&person(name)).await.unwrap()
}

async fn out(store: &Store, name: &str, before: Timestamp, number: u64) -> u64 {
    let logins = [login(name)].into();
    store.sign_outs.sign_out(&person(name), before, &logins, vec![entry(number)], before).await.unwrap()
}

async fn open(store: &Store, session: &Session) {
    store.sessions.open(session, vec![], session.opened_at).await.unwrap();
}

async fn nobody_is_signed_out_at_first(store: Store) {
    assert_eq!(since(&store, "alice").await, None);
    out(&store, "bob", at(1), 1).await;
    assert_eq!((since(&store, "alice").await, since(&store, "bob").await), (None, Some(at(1))));
}

async fn an_instant_is_kept_to_the_nanosecond_and_never_goes_back(store: Store) {
    let exact = at(5) + SignedDuration::from_nanos(123_456_789);
    for (number, before, known) in [(1, exact, exact), (2, at(5), exact), (3, at(6), at(6)), (4, at(6), at(6))] {
        out(&store, "alice", before, number).await;
        assert_eq!(since(&store, "alice").await, Some(known), "{number}");
    }
    assert_eq!(store.entries().await.len(), 4, "each is told");
}

async fn sessions_end_with_the_instant_and_its_entries_or_not_at_all(store: Store) {
    for (number, subject) in (1..).zip(["alice", "alice", "bob"]) {
        open(&store, &session(number, subject, 0)).await;
    }
    let at_home = Principal { issuer: "https://other.example.com".to_owned(), ..login("alice") };
    open(&store, &Session { principal: at_home.clone(), ..session(4, "", 0) }).await;
    store.note(&Asking::new(1).grant(), &[1], at(0)).await.unwrap();
    let logins = [login("alice"), at_home, login("nobody")].into();
    let alice = person("alice");
    let twice = vec![entry(2), entry(1)];
    let refused = store.sign_outs.sign_out(&alice, at(9), &logins, twice, at(9)).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert_eq!((since(&store, "alice").await, store.entries().await.len()), (None, 1), "half of it was done");
    assert_eq!(store.sessions.of(&logins).await.unwrap().len(), 3, "half of it was done");
    let ended = store.sign_outs.sign_out(&alice, at(9), &logins, vec![entry(2)], at(9)).await.unwrap();
    assert_eq!((ended, since(&store, "alice").await), (3, Some(at(9))));
    assert_eq!(store.sessions.of(&logins).await.unwrap(), []);
    assert!(store.sessions.session(&hash(3)).await.unwrap().is_some(), "bob's goes on");
    let again = store.sign_outs.sign_out(&alice, at(9), &logins, vec![entry(3)], at(9)).await.unwrap();
    assert_eq!((again, store.entries().await.len()), (0, 3));
}

async fn sessions_of_logins_come_newest_first(store: Store) {
    let people = [("alice", 5), ("bob", 9), ("alice", 7), ("ALICE", 8), ("alice", 7)];
    for (number, (subject, seconds)) in (1..).zip(people) {
        open(&store, &session(number, subject, seconds)).await;
    }
    let of = async |logins: &[&str]| {
        let logins = logins.iter().map(|subject| login(subject)).collect();
        let found = store.sessions.of(&logins).await.unwrap();
        found.into_iter().map(|session| session.token).collect::<Vec<_>>()
    };
    assert_eq!(of(&["alice"]).await, [hash(5), hash(3), hash(1)]);
    assert_eq!(of(&["bob", "alice", "nobody"]).await, [hash(2), hash(5), hash(3), hash(1)]);
    assert_eq!(of(&[]).await, []);
}

async fn of_several_who_sign_out_at_once_the_latest_holds(store: Store) {
    for number in 1..=8 {
        open(&store, &session(number, "alice", 0)).await;
    }
    let outs = (1..=8_u64).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { out(&store, "alice", at(i64::try_from(number).unwrap()), number).await })
    });
    let mut ended = 0;
    for out in outs.collect::<Vec<_>>() {
        ended += out.await.unwrap();
    }
    assert_eq!((ended, since(&store, "alice").await, store.entries().await.len()), (8, Some(at(8)), 8));
}

async fn an_import_brings_what_the_log_says_and_keeps_what_is_later(store: Store) {
    out(&store, "alice", at(5), 1).await;
    out(&store, "bob", at(50), 2).await;
    let own = store.entries().await;
    let sign_outs = ["carol", "alice", "bob", "alice"].map(person).into_iter().zip([at(30), at(40), at(20), at(10)]);
    let import = Import { sign_outs: sign_outs.collect(), ..import_of(&own, 2, &own) };
    let refused = store.restore.import(Import { last: 1, ..import.clone() }, at(60)).await;
    assert!(refused.is_err() && since(&store, "carol").await.is_none(), "{refused:?}");
    // The same twice is harmless.
    for _ in 0..2 {
        store.restore.import(import.clone(), at(60)).await.unwrap();
        let now = (since(&store, "alice").await, since(&store, "bob").await, since(&store, "carol").await);
        assert_eq!(now, (Some(at(40)), Some(at(50)), Some(at(30))));
    }
}
