//! PostgreSQL may give a transaction up for another's sake: that is not an error.

use std::time::Duration;

use halligan_core::grant::Phase;
use halligan_engine::fakes::fixtures::{Asking, acknowledge, at};
use halligan_engine::ports::{GrantStore, Version};
use sqlx::{Executor, Row};

use crate::places::{Place, Store, change, properties};

properties!(Place: a_commit_that_was_given_up_is_tried_again);

/// Somebody locks in the other order, past the store. The commit has waited
/// longer, so it is the one that PostgreSQL gives up, after its `deadlock_timeout`
/// of a second.
async fn a_commit_that_was_given_up_is_tried_again(place: Place) {
    let database = place.open().await;
    let pending = Asking::new(1).grant();
    Store::over(database.clone()).put(&pending, None).await.unwrap();

    let mut other = place.sql().await;
    other.execute("SET deadlock_timeout = '60s'; BEGIN; UPDATE entries_head SET position = position").await.unwrap();
    let commit = tokio::spawn({
        let change = change(acknowledge(&pending, "bob", at(60)), Some(Version(1)), 10);
        let database = database.clone();
        async move { database.commit(change, at(60)).await }
    });
    let mut watcher = place.sql().await;
    let waiting =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while watcher.fetch_one(waiting).await.unwrap().get::<i64, _>(0) == 0 {
        assert!(!commit.is_finished(), "it waited for nobody: {:?}", commit.await);
    }
    other.execute("UPDATE grants SET version = version; COMMIT").await.unwrap();

    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let committed = commit.await.unwrap().unwrap();
    assert_eq!((committed.version, committed.position), (Some(Version(2)), Some(2)));
    let found = database.grant(pending.request.id).await.unwrap().unwrap();
    assert_eq!((found.grant.phase(), found.version), (Phase::Active, Version(2)));
    // It did happen. The statistics of a backend are there once it has written them.
    let counted = async { while watcher.fetch_one(deadlocks).await.unwrap().get::<i64, _>(0) == 0 {} };
    tokio::time::timeout(Duration::from_secs(30), counted).await.expect("nobody gave way");
}
