//! Leases, and the ledger that only a holder writes to.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::iam::revocation::{Cut, Generation};
use halligan_core::id::GrantId;
use halligan_engine::fakes::fixtures::{self, Asking, at, role_id, uuid};
use halligan_engine::ports::{Lease, RoleRecord, StoreError};
use jiff::SignedDuration;

use crate::places::{Store, happened, properties};

const LENGTH: SignedDuration = SignedDuration::from_secs(30);

properties!(
    Store: a_lease_is_one_holders_until_it_ends,
    of_twenty_who_ask_one_gets_it,
    a_lease_is_given_back_by_its_holding_alone,
    tokens_grow_with_each_holding,
    a_record_is_read_as_it_was_saved,
    a_holder_who_lost_the_lease_saves_nothing,
);

async fn acquire(store: &Store, holder: &str, seconds: i64) -> Option<Lease> {
    store.leases.acquire("role/prod-admin", holder, at(seconds), LENGTH).await.unwrap()
}

async fn a_lease_is_one_holders_until_it_ends(store: Store) {
    let first = acquire(&store, "a", 0).await.unwrap();
    assert_eq!((first.name.as_str(), first.until), ("role/prod-admin", at(30)));
    assert!(acquire(&store, "b", 0).await.is_none());
    assert!(acquire(&store, "b", 29).await.is_none());
    assert!(store.leases.acquire("other", "b", at(0), LENGTH).await.unwrap().is_some(), "another one is free");
    let second = acquire(&store, "b", 30).await.unwrap();
    assert!(second.token > first.token);
    assert!(acquire(&store, "a", 31).await.is_none());
}

async fn of_twenty_who_ask_one_gets_it(store: Store) {
    for round in 0..3 {
        let asks = (0..20).map(|holder| {
            let store = store.clone();
            tokio::spawn(async move { acquire(&store, &format!("replica-{holder}"), 100 * round).await })
        });
        let mut held = 0;
        for ask in asks.collect::<Vec<_>>() {
            held += usize::from(ask.await.unwrap().is_some());
        }
        assert_eq!(held, 1, "round {round}");
    }
}

async fn a_lease_is_given_back_by_its_holding_alone(store: Store) {
    let first = acquire(&store, "a", 0).await.unwrap();
    store.leases.release(&first).await.unwrap();
    let second = acquire(&store, "b", 1).await.unwrap();
    // Given back twice, and late.
    store.leases.release(&first).await.unwrap();
    assert!(acquire(&store, "c", 2).await.is_none());
    store.leases.release(&second).await.unwrap();
    assert!(acquire(&store, "c", 2).await.is_some());
}

async fn tokens_grow_with_each_holding(store: Store) {
    let mut last = 0;
    for (seconds, give_back) in [(0, false), (1, false), (2, true), (3, true), (40, false)] {
        let lease = acquire(&store, "a", seconds).await.unwrap();
        assert!(lease.token > last, "at {seconds} s");
        last = lease.token;
        if give_back {
            store.leases.release(&lease).await.unwrap();
        }
    }
}

fn record(generation: u64) -> RoleRecord {
    RoleRecord {
        generation: Generation(generation),
        document: Some("{\"Version\":\"2012-10-17\"}".to_owned()),
        previous: None,
        confirmed: true,
        adopted: BTreeMap::from([(GrantId::new(uuid(5)), at(7)), (GrantId::new(uuid(6)), at(8))]),
        adopted_cut: Some(Cut { before: at(9), exempt: BTreeSet::from([GrantId::new(uuid(7))]) }),
        foreign: ["somebody-elses".to_owned()].into(),
    }
}

async fn a_record_is_read_as_it_was_saved(store: Store) {
    let role = role_id("prod-admin");
    assert_eq!(store.roles.record(&role).await.unwrap(), RoleRecord::default());
    let lease = acquire(&store, "a", 0).await.unwrap();
    let entries = vec![fixtures::draft(&Asking::new(1).grant(), happened(), 1)];
    let committed = store.roles.save(&role, &record(1), entries, &lease, at(1)).await.unwrap();
    assert_eq!((committed.version, committed.position), (None, Some(1)));
    assert_eq!(store.roles.record(&role).await.unwrap(), record(1));
    assert_eq!(store.entries().await[0].sealed.entry.time, at(1));
    let empty = RoleRecord { generation: Generation(u64::MAX / 2), ..RoleRecord::default() };
    assert_eq!(store.roles.save(&role, &empty, vec![], &lease, at(1)).await.unwrap().position, None);
    assert_eq!(store.roles.record(&role).await.unwrap(), empty);
    assert_eq!(store.roles.record(&role_id("prod-reader")).await.unwrap(), RoleRecord::default());
}

async fn a_holder_who_lost_the_lease_saves_nothing(store: Store) {
    let role = role_id("prod-admin");
    let lease = acquire(&store, "a", 0).await.unwrap();
    store.roles.save(&role, &record(1), vec![], &lease, at(29)).await.unwrap();
    let refused = async |what: &str, lease: &Lease, seconds| {
        let entries = vec![fixtures::draft(&Asking::new(1).grant(), happened(), 1)];
        let saved = store.roles.save(&role, &record(2), entries, lease, at(seconds)).await;
        assert!(matches!(saved, Err(StoreError::Conflict)), "{what}");
        assert_eq!(store.roles.record(&role).await.unwrap(), record(1), "{what}");
        assert!(store.entries().await.is_empty(), "{what}");
    };
    refused("it is over", &lease, 30).await;
    refused("there is no such lease", &Lease { name: "other".to_owned(), ..lease.clone() }, 1).await;
    let renewed = acquire(&store, "a", 10).await.unwrap();
    refused("it holds a newer one", &lease, 11).await;
    store.leases.release(&renewed).await.unwrap();
    refused("it was given back", &renewed, 12).await;
    let others = acquire(&store, "b", 13).await.unwrap();
    refused("somebody else has it", &renewed, 14).await;
    // The same entry as was refused before: nothing of it was left.
    let entries = vec![fixtures::draft(&Asking::new(1).grant(), happened(), 1)];
    store.roles.save(&role, &record(3), entries, &others, at(15)).await.unwrap();
    assert_eq!(store.roles.record(&role).await.unwrap(), record(3));
}
