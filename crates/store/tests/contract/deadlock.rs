//! PostgreSQL may give a transaction up for another's sake: that is not an error.

use std::sync::Arc;
use std::time::Duration;

use halligan_core::grant::Phase;
use halligan_engine::fakes::fixtures::{self, Asking, acknowledge, at};
use halligan_engine::ports::{
    Facts, GrantStore, Import, LogRestore, LogStore, Passkeys, Sessions, StoreError, Version,
};
use halligan_store::Database;
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::import::import_of;
use crate::passkeys::{confirmed, passkey};
use crate::places::{Place, Store, change, happened, properties};
use crate::sessions::{entry, hash, session};

properties!(
    Place: a_commit_that_was_given_up_is_tried_again,
    an_import_that_was_given_up_is_tried_again,
    what_was_given_up_while_it_was_learnt_is_tried_again,
    a_sign_out_that_was_given_up_is_tried_again,
    an_enrolment_that_was_given_up_is_tried_again,
);

/// Somebody locks in the other order, past the store: the head, and then `table`.
/// The `write` has waited longer, so it is the one that PostgreSQL gives up, after
/// its `deadlock_timeout` of a second.
async fn given_up<T: Send + 'static>(
    place: &Place,
    table: &str,
    write: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> T {
    let mut other = place.sql().await;
    other.execute("SET deadlock_timeout = '60s'; BEGIN; UPDATE entries_head SET position = position").await.unwrap();
    let write = tokio::spawn(write);
    let mut watcher = place.sql().await;
    let waiting =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while watcher.fetch_one(waiting).await.unwrap().get::<i64, _>(0) == 0 {
        assert!(!write.is_finished(), "it waited for nobody");
    }
    let change = format!("UPDATE {table}; COMMIT");
    other.execute(AssertSqlSafe(change)).await.unwrap();
    let written = write.await.unwrap().unwrap();
    // It did happen. The statistics of a backend are there once it has written them.
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let counted = async { while watcher.fetch_one(deadlocks).await.unwrap().get::<i64, _>(0) == 0 {} };
    tokio::time::timeout(Duration::from_secs(30), counted).await.expect("nobody gave way");
    written
}

async fn opened(place: &Place) -> Arc<Database> {
    let database = place.open().await;
    Store::over(database.clone()).put(&Asking::new(1).grant(), None).await.unwrap();
    database
}

async fn a_commit_that_was_given_up_is_tried_again(place: Place) {
    let database = opened(&place).await;
    let pending = Asking::new(1).grant();
    let commit = {
        let change = change(acknowledge(&pending, "bob", at(60)), Some(Version(1)), 10);
        let database = database.clone();
        async move { database.commit(change, at(60)).await }
    };
    let committed = given_up(&place, "grants SET version = version", commit).await;
    assert_eq!((committed.version, committed.position), (Some(Version(2)), Some(2)));
    let found = database.grant(pending.request.id).await.unwrap().unwrap();
    assert_eq!((found.grant.phase(), found.version), (Phase::Active, Version(2)));
}

async fn an_import_that_was_given_up_is_tried_again(place: Place) {
    let database = opened(&place).await;
    let store = Store::over(database.clone());
    let active = Asking::new(1).active();
    store.note(&active, &[1, 2], at(0)).await.unwrap();
    let own = store.entries().await;
    let import = Import { grants: vec![active.clone()], ..import_of(&own[..1], 1, &own) };
    let write = {
        let (database, import) = (database.clone(), Import { tail: vec![own[1].sealed.clone()], ..import });
        async move { database.import(import, at(60)).await }
    };
    given_up(&place, "grants SET version = version", write).await;
    let found = database.grant(active.request.id).await.unwrap().unwrap();
    assert_eq!((found.grant, found.version), (active, Version(2)));
    assert_eq!((store.entries().await, database.head().await.unwrap().size), (own, 1));
}

async fn what_was_given_up_while_it_was_learnt_is_tried_again(place: Place) {
    let database = opened(&place).await;
    database.learn("log.key", None, "a", vec![], at(0)).await.unwrap();
    let write = {
        let database = database.clone();
        let entry = fixtures::draft(&Asking::new(1).grant(), happened(), 1);
        async move { database.learn("log.key", Some("a"), "b", vec![entry], at(1)).await }
    };
    let learnt = given_up(&place, "facts SET value = value", write).await;
    assert_eq!(learnt.position, Some(1));
    assert_eq!(database.fact("log.key").await.unwrap().as_deref(), Some("b"));
}

async fn a_sign_out_that_was_given_up_is_tried_again(place: Place) {
    let database = opened(&place).await;
    Sessions::open(&*database, &session(1, "alice", 0), vec![], at(0)).await.unwrap();
    let write = {
        let database = database.clone();
        async move { database.end(&hash(1), vec![entry(1)], at(1)).await }
    };
    assert!(given_up(&place, "sessions SET seen_at = seen_at", write).await);
    assert_eq!((database.session(&hash(1)).await.unwrap(), database.last().await.unwrap()), (None, 1));
}

async fn an_enrolment_that_was_given_up_is_tried_again(place: Place) {
    let database = opened(&place).await;
    let first = passkey("a", "alice", 0);
    database.keep(&first, None, vec![], at(0)).await.unwrap();
    let changed = confirmed(&first, "bob", 9);
    let write = {
        let (database, changed) = (database.clone(), changed.clone());
        async move { database.keep(&changed, Some(&first), vec![entry(1)], at(9)).await }
    };
    given_up(&place, "passkeys SET confirmed = confirmed", write).await;
    assert_eq!((database.passkey("a").await.unwrap(), database.last().await.unwrap()), (Some(changed), 1));
}
