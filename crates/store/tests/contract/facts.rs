//! Facts: what is known is compared, swapped and entered, or none of it.

use halligan_core::entry::Draft;
use halligan_engine::fakes::fixtures::{self, Asking, at, uuid};
use halligan_engine::ports::{Committed, StoreError};

use crate::places::{Store, happened, properties};

properties!(
    Store: what_is_learnt_is_known,
    what_was_known_otherwise_is_a_conflict,
    a_fact_whose_entry_is_refused_is_not_learnt,
    of_two_who_learn_at_once_one_is_first,
);

fn entry(number: u64) -> Draft {
    fixtures::draft(&Asking::new(1).grant(), happened(), number)
}

async fn what_is_learnt_is_known(store: Store) {
    assert_eq!(store.facts.fact("log.key").await.unwrap(), None);
    let learnt = store.facts.learn("log.key", None, "a", vec![], at(0)).await.unwrap();
    assert_eq!(learnt, Committed { version: None, position: None });
    let learnt = store.facts.learn("log.key", Some("a"), "b 'quoted' \u{1f512}", vec![entry(1), entry(2)], at(7)).await;
    assert_eq!(learnt.unwrap(), Committed { version: None, position: Some(2) });
    store.facts.learn("log.places", None, "", vec![], at(8)).await.unwrap();
    assert_eq!(store.facts.fact("log.key").await.unwrap().as_deref(), Some("b 'quoted' \u{1f512}"));
    assert_eq!(store.facts.fact("log.places").await.unwrap().as_deref(), Some(""), "nothing is something");
    assert_eq!(store.facts.fact("LOG.KEY").await.unwrap(), None);
    let entries = store.entries().await;
    let found: Vec<_> = entries.iter().map(|entry| (entry.sealed.entry.id, entry.sealed.entry.time)).collect();
    assert_eq!(found, [(uuid(1), at(7)), (uuid(2), at(7))]);
    // The same once more is news as well: its entries say so.
    let again = store.facts.learn("log.places", Some(""), "", vec![entry(3)], at(9)).await.unwrap();
    assert_eq!(again.position, Some(3));
}

async fn what_was_known_otherwise_is_a_conflict(store: Store) {
    let conflict = async |known, name| {
        let learnt = store.facts.learn(name, known, "c", vec![entry(9)], at(1)).await;
        assert!(matches!(learnt, Err(StoreError::Conflict)), "{name} {known:?}: {learnt:?}");
    };
    conflict(Some("a"), "log.key").await;
    conflict(Some(""), "log.key").await;
    store.facts.learn("log.key", None, "a", vec![], at(0)).await.unwrap();
    for known in [None, Some("b"), Some(""), Some("A"), Some("a ")] {
        conflict(known, "log.key").await;
    }
    assert_eq!(store.facts.fact("log.key").await.unwrap().as_deref(), Some("a"));
    assert!(store.entries().await.is_empty(), "half of it was done");
}

async fn a_fact_whose_entry_is_refused_is_not_learnt(store: Store) {
    store.note(&Asking::new(1).grant(), &[1], at(0)).await.unwrap();
    for entries in [vec![entry(2), entry(1)], vec![entry(3), entry(3)]] {
        let learnt = store.facts.learn("log.key", None, "a", entries, at(1)).await;
        assert!(matches!(learnt, Err(StoreError::Conflict)), "{learnt:?}");
    }
    assert_eq!((store.facts.fact("log.key").await.unwrap(), store.entries().await.len()), (None, 1));
}

async fn of_two_who_learn_at_once_one_is_first(store: Store) {
    let mut known = None;
    for round in 1..=5_u64 {
        let values: Vec<String> = (0..4).map(|number| format!("{round}.{number}")).collect();
        let learners = (0..).zip(values).map(|(number, value)| {
            let (store, known): (_, Option<String>) = (store.clone(), known.clone());
            tokio::spawn(async move {
                let entry = entry(100 * round + number);
                let learnt = store.facts.learn("log.key", known.as_deref(), &value, vec![entry], at(0)).await;
                match learnt {
                    Ok(_) => Some(value),
                    Err(StoreError::Conflict) => None,
                    Err(error) => panic!("{error}"),
                }
            })
        });
        let mut first = Vec::new();
        for learner in learners.collect::<Vec<_>>() {
            first.extend(learner.await.unwrap());
        }
        assert_eq!(first.len(), 1, "{first:?}");
        known = first.pop();
        assert_eq!(store.facts.fact("log.key").await.unwrap(), known);
        assert_eq!(store.entries().await.len() as u64, round);
    }
}
