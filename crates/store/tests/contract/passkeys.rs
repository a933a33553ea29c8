//! Passkeys: compared, swapped and entered, or none of it.

use halligan_engine::fakes::fixtures::{Asking, at, human, person, uuid};
use halligan_engine::ports::{Passkey, StoreError};
use halligan_log::passkey::{Algorithm, PublicKey};
use jiff::SignedDuration;

use crate::places::{Store, properties};
use crate::sessions::entry;

properties!(
    Store: a_passkey_is_read_as_it_was_kept,
    passkeys_come_by_person_and_by_age,
    what_was_known_otherwise_is_a_conflict,
    a_passkey_whose_entry_is_refused_is_not_kept,
    of_several_who_change_it_at_once_one_does,
    a_removed_passkey_is_gone,
    nobody_confirms_their_own,
);

/// Somebody's passkey, enrolled so many seconds after the start.
pub fn passkey(name: &str, whose: &str, seconds: i64) -> Passkey {
    Passkey {
        credential: name.to_owned(),
        person: person(whose),
        principal: human(whose).principal,
        label: format!("{whose}'s key \u{1f511}"),
        public_key: PublicKey { algorithm: Algorithm::ES256, spki: "MFkwEwYH".to_owned() },
        enrolled_at: at(seconds),
        noticed_at: None,
        confirmed: None,
        counter: 0,
    }
}

pub fn confirmed(passkey: &Passkey, by: &str, seconds: i64) -> Passkey {
    Passkey { confirmed: Some((person(by), at(seconds))), ..passkey.clone() }
}

async fn keep(store: &Store, passkey: &Passkey) {
    store.passkeys.keep(passkey, None, vec![], at(0)).await.unwrap();
}

fn names(passkeys: &[Passkey]) -> Vec<&str> {
    passkeys.iter().map(|passkey| passkey.credential.as_str()).collect()
}

async fn a_passkey_is_read_as_it_was_kept(store: Store) {
    assert_eq!(store.passkeys.passkey("a").await.unwrap(), None);
    let exact = at(5) + SignedDuration::from_nanos(123_456_789);
    let enrolled = Passkey { enrolled_at: exact, ..passkey("a", "alice", 5) };
    store.passkeys.keep(&enrolled, None, vec![entry(1)], at(5)).await.unwrap();
    assert_eq!(store.passkeys.passkey("a").await.unwrap(), Some(enrolled.clone()));
    // One thing after the other becomes known of it.
    let noticed = Passkey { noticed_at: Some(exact), ..enrolled.clone() };
    let used = Passkey { counter: u32::MAX, ..confirmed(&noticed, "bob", 9) };
    for (number, known, passkey) in [(2, &enrolled, &noticed), (3, &noticed, &used), (4, &used, &used)] {
        store.passkeys.keep(passkey, Some(known), vec![entry(number)], at(3)).await.unwrap();
        assert_eq!(store.passkeys.passkey("a").await.unwrap().as_ref(), Some(passkey));
    }
    assert_eq!(store.passkeys.passkey("A").await.unwrap(), None);
    let entries = store.entries().await;
    let found: Vec<_> = entries.iter().map(|entry| (entry.sealed.entry.id, entry.sealed.entry.time)).collect();
    assert_eq!(found, (1..=4).map(|number| (uuid(number), at(5))).collect::<Vec<_>>());
}

async fn passkeys_come_by_person_and_by_age(store: Store) {
    let moment = at(3) + SignedDuration::from_nanos(1);
    keep(&store, &passkey("b", "alice", 3)).await;
    keep(&store, &passkey("a", "alice", 3)).await;
    keep(&store, &passkey("B", "alice", 3)).await;
    keep(&store, &Passkey { enrolled_at: moment, ..passkey("0", "bob", 0) }).await;
    keep(&store, &passkey("z", "alice", 1)).await;
    keep(&store, &confirmed(&passkey("c", "alice", 0), "bob", 9)).await;
    let of = async |name| store.passkeys.passkeys_of(&person(name)).await.unwrap();
    assert_eq!(names(&of("alice").await), ["c", "z", "B", "a", "b"]);
    assert_eq!((names(&of("bob").await), of("carol").await), (vec!["0"], vec![]));
    let unconfirmed = async |limit| store.passkeys.unconfirmed(limit).await.unwrap();
    assert_eq!(names(&unconfirmed(10).await), ["z", "B", "a", "b", "0"]);
    assert_eq!((names(&unconfirmed(2).await), unconfirmed(0).await), (vec!["z", "B"], vec![]));
    let z = passkey("z", "alice", 1);
    store.passkeys.keep(&confirmed(&z, "carol", 9), Some(&z), vec![], at(9)).await.unwrap();
    assert_eq!(names(&unconfirmed(10).await), ["B", "a", "b", "0"]);
}

async fn what_was_known_otherwise_is_a_conflict(store: Store) {
    let first = passkey("a", "alice", 0);
    let conflict = async |known: Option<&Passkey>| {
        let kept = store.passkeys.keep(&confirmed(&first, "bob", 9), known, vec![entry(9)], at(9)).await;
        assert!(matches!(kept, Err(StoreError::Conflict)), "{known:?}: {kept:?}");
    };
    conflict(Some(&first)).await;
    keep(&store, &first).await;
    let others = [
        Passkey { counter: 1, ..first.clone() },
        Passkey { noticed_at: Some(at(0)), ..first.clone() },
        Passkey { label: "another".to_owned(), ..first.clone() },
        confirmed(&first, "bob", 9),
        Passkey { credential: "b".to_owned(), ..first.clone() },
    ];
    conflict(None).await;
    for known in &others {
        conflict(Some(known)).await;
    }
    assert_eq!(store.passkeys.passkey("a").await.unwrap(), Some(first));
    assert!(store.entries().await.is_empty(), "half of it was done");
}

async fn a_passkey_whose_entry_is_refused_is_not_kept(store: Store) {
    store.note(&Asking::new(1).grant(), &[1], at(0)).await.unwrap();
    let first = passkey("a", "alice", 0);
    let twice = || vec![entry(2), entry(1)];
    let refused = store.passkeys.keep(&first, None, twice(), at(1)).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert_eq!(store.passkeys.passkey("a").await.unwrap(), None);
    keep(&store, &first).await;
    let refused = store.passkeys.keep(&confirmed(&first, "bob", 2), Some(&first), twice(), at(1)).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    let refused = store.passkeys.remove("a", twice(), at(1)).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert_eq!((store.passkeys.passkey("a").await.unwrap(), store.entries().await.len()), (Some(first), 1));
}

async fn of_several_who_change_it_at_once_one_does(store: Store) {
    let mut known = None;
    for round in 1..=8_u32 {
        let changes = (0..4_u32).map(|number| {
            let (store, known): (_, Option<Passkey>) = (store.clone(), known.clone());
            tokio::spawn(async move {
                let changed = Passkey { counter: 10 * round + number, ..passkey("a", "alice", 0) };
                let entry = entry(u64::from(100 * round + number));
                match store.passkeys.keep(&changed, known.as_ref(), vec![entry], at(0)).await {
                    Ok(()) => Some(changed),
                    Err(StoreError::Conflict) => None,
                    Err(error) => panic!("{error}"),
                }
            })
        });
        let mut first = Vec::new();
        for change in changes.collect::<Vec<_>>() {
            first.extend(change.await.unwrap());
        }
        assert_eq!(first.len(), 1, "{first:?}");
        known = first.pop();
        assert_eq!(store.passkeys.passkey("a").await.unwrap(), known);
        assert_eq!(store.entries().await.len(), round as usize);
    }
}

async fn a_removed_passkey_is_gone(store: Store) {
    let gone = async |number| {
        let removed = store.passkeys.remove("a", vec![entry(number)], at(9)).await;
        assert!(matches!(removed, Err(StoreError::Conflict)), "{removed:?}");
    };
    gone(9).await;
    let (first, other) = (passkey("a", "alice", 0), passkey("b", "alice", 0));
    keep(&store, &first).await;
    keep(&store, &other).await;
    store.passkeys.remove("a", vec![entry(1), entry(2)], at(5)).await.unwrap();
    gone(9).await;
    assert_eq!(store.passkeys.passkeys_of(&person("alice")).await.unwrap(), [other]);
    let back = store.passkeys.keep(&confirmed(&first, "bob", 6), Some(&first), vec![], at(6)).await;
    assert!(matches!(back, Err(StoreError::Conflict)), "{back:?}");
    assert_eq!(store.entries().await.len(), 2);
}

async fn nobody_confirms_their_own(store: Store) {
    let first = passkey("a", "alice", 0);
    let own = confirmed(&first, "alice", 1);
    let refused = store.passkeys.keep(&own, None, vec![entry(1)], at(1)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    keep(&store, &first).await;
    let refused = store.passkeys.keep(&own, Some(&first), vec![entry(1)], at(1)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!((store.passkeys.passkey("a").await.unwrap(), store.entries().await.len()), (Some(first), 0));
}
