//! Sessions: what was ended stays ended, and no use of one goes back.

use std::collections::BTreeSet;

use halligan_core::actor::Principal;
use halligan_core::entry::Draft;
use halligan_engine::fakes::fixtures::{self, Asking, at, uuid};
use halligan_engine::ports::{Proof, Room, SecretHash, Session, SignInMethod, StoreError};
use jiff::{SignedDuration, Timestamp};

use crate::places::{Store, happened, properties};

properties!(
    Store: a_session_is_read_as_it_was_opened,
    a_token_is_opened_once,
    a_session_whose_entry_is_refused_is_not_opened,
    a_use_is_told_and_never_goes_back,
    an_ended_session_is_not_touched_back_to_life,
    a_session_ends_with_its_entries_or_not_at_all,
    of_several_who_end_it_at_once_one_does,
    every_session_of_a_login_ends_and_no_other,
    what_is_old_is_forgotten_and_nothing_else,
    uses_at_once_are_all_told,
    a_token_that_is_no_hash_is_not_kept,
);

/// A hash that is always the same for the same `number`.
pub fn hash(number: u64) -> SecretHash {
    SecretHash::of(&format!("secret {number}").into())
}

/// Room for so many.
pub fn room(max: u32) -> Room {
    Room { name: "known", max }
}

pub fn login(subject: &str) -> Principal {
    Principal { issuer: "https://id.example.com".to_owned(), subject: subject.to_owned() }
}

pub fn proof(seconds: i64) -> Proof {
    Proof { method: SignInMethod::Provider, at: Some(at(seconds)), mfa_at: None, at_provider: None }
}

/// Somebody's session, since so many seconds.
pub fn session(number: u64, subject: &str, seconds: i64) -> Session {
    Session {
        token: hash(number),
        id: uuid(number),
        principal: login(subject),
        proof: proof(seconds),
        opened_at: at(seconds),
        seen_at: at(seconds),
        address: None,
    }
}

pub fn entry(number: u64) -> Draft {
    fixtures::draft(&Asking::new(1).grant(), happened(), number)
}

async fn opened(store: &Store, session: &Session) {
    store.sessions.open(session, vec![], session.opened_at).await.unwrap();
}

async fn found(store: &Store, number: u64) -> Option<Session> {
    store.sessions.session(&hash(number)).await.unwrap()
}

/// The ids and times of the entries.
async fn entries(store: &Store) -> Vec<(String, Timestamp)> {
    let entries = store.entries().await;
    entries.iter().map(|entry| (entry.sealed.entry.id.to_string(), entry.sealed.entry.time)).collect()
}

fn noted(number: u64, time: Timestamp) -> (String, Timestamp) {
    (uuid(number).to_string(), time)
}

async fn a_session_is_read_as_it_was_opened(store: Store) {
    assert_eq!(found(&store, 1).await, None);
    let exact = at(5) + SignedDuration::from_nanos(123_456_789);
    let with_passkey = Session {
        principal: Principal { issuer: "https://id.example.com/'x'".to_owned(), subject: "\u{1f512} a|b".to_owned() },
        proof: Proof { method: SignInMethod::Passkey, at: Some(exact), mfa_at: Some(exact), at_provider: Some(exact) },
        address: Some("2001:db8::7".parse().unwrap()),
        opened_at: exact,
        seen_at: exact,
        ..session(1, "alice", 5)
    };
    store.sessions.open(&with_passkey, vec![entry(1), entry(2)], exact).await.unwrap();
    // A clock that is behind: the session says what it said, and the entries' time doesn't go back.
    let other = session(2, "bob", 3);
    store.sessions.open(&other, vec![entry(3)], at(3)).await.unwrap();
    assert_eq!((found(&store, 1).await, found(&store, 2).await), (Some(with_passkey), Some(other)));
    assert_eq!(found(&store, 3).await, None);
    assert_eq!(entries(&store).await, [noted(1, exact), noted(2, exact), noted(3, exact)]);
}

async fn a_token_is_opened_once(store: Store) {
    let first = session(1, "alice", 0);
    opened(&store, &first).await;
    let second = store.sessions.open(&session(1, "bob", 1), vec![entry(1)], at(1)).await;
    assert!(matches!(second, Err(StoreError::Conflict)), "{second:?}");
    assert_eq!((found(&store, 1).await, entries(&store).await), (Some(first), vec![]));
}

async fn a_session_whose_entry_is_refused_is_not_opened(store: Store) {
    store.note(&Asking::new(1).grant(), &[1], at(0)).await.unwrap();
    for entries in [vec![entry(2), entry(1)], vec![entry(3), entry(3)]] {
        let refused = store.sessions.open(&session(1, "alice", 1), entries, at(1)).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    }
    assert_eq!((found(&store, 1).await, entries(&store).await.len()), (None, 1));
}

async fn a_use_is_told_and_never_goes_back(store: Store) {
    opened(&store, &session(1, "alice", 0)).await;
    let with = |at_seconds, mfa: Option<i64>| Proof { mfa_at: mfa.map(at), ..proof(at_seconds) };
    let key = |at_seconds, mfa: Option<i64>| Proof { method: SignInMethod::Passkey, ..with(at_seconds, mfa) };
    // What was told, and what is known after it.
    let cases = [
        ("a use", 60, with(0, None), 60, with(0, None)),
        ("one that comes late", 30, with(0, None), 60, with(0, None)),
        // How somebody came in stays, however they proved themselves since.
        ("a step-up by passkey", 90, key(90, Some(90)), 90, with(90, Some(90))),
        ("one that was read before the step-up", 95, with(0, None), 95, with(90, Some(90))),
        ("a newer sign-in without a second factor", 120, with(110, None), 120, with(110, Some(90))),
        ("an older second factor", 120, with(100, Some(80)), 120, with(110, Some(90))),
        ("the same again", 120, with(110, Some(90)), 120, with(110, Some(90))),
    ];
    for (name, seconds, told, seen, known) in cases {
        store.sessions.touch(&hash(1), &told, at(seconds)).await.unwrap();
        let expected = Session { proof: known, seen_at: at(seen), ..session(1, "alice", 0) };
        assert_eq!(found(&store, 1).await, Some(expected), "{name}");
    }
}

async fn an_ended_session_is_not_touched_back_to_life(store: Store) {
    let gone = async |number| {
        let touched = store.sessions.touch(&hash(number), &proof(9), at(9)).await;
        assert!(matches!(touched, Err(StoreError::Conflict)), "{touched:?}");
        assert_eq!(found(&store, number).await, None);
    };
    gone(1).await;
    for number in 1..=3 {
        opened(&store, &session(number, &format!("person{number}"), 0)).await;
    }
    assert!(store.sessions.end(&hash(1), vec![], at(1)).await.unwrap());
    assert_eq!(store.sessions.end_of(&[login("person2")].into()).await.unwrap(), 1);
    assert_eq!(store.sessions.forget(at(1), at(1), 10).await.unwrap(), 1);
    for number in 1..=3 {
        gone(number).await;
    }
    // While it is used all the time.
    for number in 10..20 {
        opened(&store, &session(number, "alice", 0)).await;
        let uses = (0..4).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for second in 0..5 {
                    match store.sessions.touch(&hash(number), &proof(second), at(second)).await {
                        Ok(()) | Err(StoreError::Conflict) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        });
        let uses: Vec<_> = uses.collect();
        assert!(store.sessions.end(&hash(number), vec![], at(9)).await.unwrap());
        assert_eq!(found(&store, number).await, None);
        for used in uses {
            used.await.unwrap();
        }
        gone(number).await;
    }
}

async fn a_session_ends_with_its_entries_or_not_at_all(store: Store) {
    opened(&store, &session(1, "alice", 0)).await;
    store.note(&Asking::new(1).grant(), &[1], at(5)).await.unwrap();
    assert!(!store.sessions.end(&hash(2), vec![entry(2)], at(6)).await.unwrap());
    assert_eq!(entries(&store).await.len(), 1, "nothing ended, and nothing says so");
    let refused = store.sessions.end(&hash(1), vec![entry(2), entry(1)], at(6)).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert!(found(&store, 1).await.is_some() && entries(&store).await.len() == 1, "half of it was done");
    assert!(store.sessions.end(&hash(1), vec![entry(2), entry(3)], at(4)).await.unwrap());
    assert_eq!(entries(&store).await, [noted(1, at(5)), noted(2, at(5)), noted(3, at(5))]);
    assert!(!store.sessions.end(&hash(1), vec![entry(4)], at(7)).await.unwrap());
    assert_eq!(entries(&store).await.len(), 3);
}

async fn of_several_who_end_it_at_once_one_does(store: Store) {
    for round in 1..=10_u64 {
        opened(&store, &session(round, "alice", 0)).await;
        let ends = (0..4).map(|number| {
            let store = store.clone();
            let entries = vec![entry(100 * round + number)];
            tokio::spawn(async move { store.sessions.end(&hash(round), entries, at(1)).await.unwrap() })
        });
        let mut ended = 0;
        for end in ends.collect::<Vec<_>>() {
            ended += u32::from(end.await.unwrap());
        }
        assert_eq!((ended, entries(&store).await.len() as u64), (1, round));
    }
}

async fn every_session_of_a_login_ends_and_no_other(store: Store) {
    let people = ["alice", "alice", "bob", "ALICE", "alice ", "carol", "carol"];
    for (number, subject) in (1..).zip(people) {
        opened(&store, &session(number, subject, 0)).await;
    }
    let elsewhere = Principal { issuer: "https://other.example.com".to_owned(), ..login("alice") };
    opened(&store, &Session { principal: elsewhere, ..session(8, "", 0) }).await;
    let left = async || {
        let mut left = BTreeSet::new();
        for number in 1..=8 {
            left.extend(found(&store, number).await.map(|_| number));
        }
        left
    };
    assert_eq!(store.sessions.end_of(&BTreeSet::new()).await.unwrap(), 0);
    assert_eq!(store.sessions.end_of(&[login("nobody")].into()).await.unwrap(), 0);
    assert_eq!(left().await.len(), 8);
    assert_eq!(store.sessions.end_of(&[login("alice"), login("carol"), login("x")].into()).await.unwrap(), 4);
    assert_eq!(left().await, [3, 4, 5, 8].into());
    assert_eq!(store.sessions.end_of(&[login("alice"), login("carol")].into()).await.unwrap(), 0);
}

async fn what_is_old_is_forgotten_and_nothing_else(store: Store) {
    let open = async |number, opened_at, seen_at| {
        let session = Session { opened_at, seen_at, ..session(number, "alice", 0) };
        opened(&store, &session).await;
    };
    for (number, (opened, seen)) in (1..).zip([(0, 0), (0, 50), (10, 10), (10, 60), (20, 20), (20, 70)]) {
        open(number, at(opened), at(seen)).await;
    }
    let left = async || {
        let mut left = Vec::new();
        for number in 1..=9 {
            left.extend(found(&store, number).await.map(|_| number));
        }
        left
    };
    let steps: [(i64, i64, u32, u64, &[u64]); 6] = [
        (0, 0, 10, 0, &[1, 2, 3, 4, 5, 6]),
        (0, 50, 0, 0, &[1, 2, 3, 4, 5, 6]),
        (1, 1, 10, 2, &[3, 4, 5, 6]),
        (0, 20, 10, 1, &[4, 5, 6]),
        (20, 0, 10, 1, &[5, 6]),
        (20, 71, 10, 2, &[]),
    ];
    for (opened, seen, limit, forgotten, rest) in steps {
        let name = format!("opened before {opened}, seen before {seen}, {limit}");
        assert_eq!(store.sessions.forget(at(opened), at(seen), limit).await.unwrap(), forgotten, "{name}");
        assert_eq!(left().await, rest, "{name}");
    }
    // In portions, and to less than a millisecond.
    let exact = at(90) + SignedDuration::from_nanos(1_500_000);
    for number in 1..=5 {
        open(number, exact, exact).await;
    }
    assert_eq!(store.sessions.forget(exact, exact, 10).await.unwrap(), 0);
    let after = exact + SignedDuration::from_millis(1);
    for (limit, forgotten) in [(2, 2), (2, 2), (2, 1), (2, 0)] {
        assert_eq!(store.sessions.forget(after, after, limit).await.unwrap(), forgotten);
    }
}

async fn uses_at_once_are_all_told(store: Store) {
    opened(&store, &session(1, "alice", 0)).await;
    let uses = (1..=20).map(|number| {
        let store = store.clone();
        let proof = Proof { mfa_at: (number == 7).then(|| at(7)), ..proof(number % 5) };
        tokio::spawn(async move { store.sessions.touch(&hash(1), &proof, at(number)).await.unwrap() })
    });
    for used in uses.collect::<Vec<_>>() {
        used.await.unwrap();
    }
    let found = found(&store, 1).await.unwrap();
    assert_eq!((found.seen_at, found.proof.at, found.proof.mfa_at), (at(20), Some(at(4)), Some(at(7))));
}

async fn a_token_that_is_no_hash_is_not_kept(store: Store) {
    let upper = hash(1).0.to_uppercase();
    for text in ["", "the-token-itself", &hash(1).0[1..], &upper, &format!("{}0", hash(1).0)] {
        let token = SecretHash(text.to_owned());
        let refused = store.sessions.open(&Session { token: token.clone(), ..session(1, "a", 0) }, vec![], at(0)).await;
        let told = refused.unwrap_err().to_string();
        assert!(text.is_empty() || !told.contains(text), "{told}");
        assert_eq!(store.sessions.session(&token).await.unwrap(), None, "{text}");
        let refused = store.ceremonies.begin(&token, "body", at(9), room(9), at(0)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{text}: {refused:?}");
        assert_eq!(store.ceremonies.take(&token, at(0)).await.unwrap(), None, "{text}");
    }
}
