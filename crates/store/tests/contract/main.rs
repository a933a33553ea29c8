//! One suite, three stores: what the ports promise is tried on the fake, on SQLite
//! and on PostgreSQL; what only a database can get wrong, on the two databases.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod ceremonies;
mod crashes;
mod deadlock;
mod entries;
mod facts;
mod faults;
mod grants;
mod idempotency;
mod import;
mod leases;
mod log;
mod login_groups;
mod migrations;
mod passkeys;
mod personal;
mod places;
mod sessions;
mod sign_outs;
mod spelling;
mod tampering;
mod work;

use std::sync::Arc;

use halligan_engine::fakes::store::FakeStore;

use crate::places::{Place, Postgres, Sqlite, Store};

/// What every store does.
fn contract() -> Vec<places::Property<Store>> {
    [
        grants::properties(),
        entries::properties(),
        log::properties(),
        import::properties(),
        personal::properties(),
        facts::properties(),
        work::properties(),
        leases::properties(),
        idempotency::properties(),
        sessions::properties(),
        sign_outs::properties(),
        ceremonies::properties(),
        login_groups::properties(),
        passkeys::properties(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What every database does.
fn of_databases() -> Vec<places::Property<Place>> {
    [tampering::properties(), spelling::properties(), migrations::properties(), crashes::properties()]
        .into_iter()
        .flatten()
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fake_keeps_the_contract() {
    let mut failed = Vec::new();
    for property in contract() {
        property.hold(Store::over(Arc::new(FakeStore::new())), &mut failed).await;
    }
    assert!(failed.is_empty(), "on the fake: {failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract() {
    let mut failed = Vec::new();
    for property in contract() {
        let place = Sqlite::new();
        property.hold(Store::over(place.place().open().await), &mut failed).await;
    }
    for property in of_databases() {
        let place = Sqlite::new();
        property.hold(place.place(), &mut failed).await;
    }
    assert!(failed.is_empty(), "on SQLite: {failed:#?}");
}

/// One server for all of it: each property has a database of its own there.
#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_the_contract() {
    let mut failed = Vec::new();
    let server = Postgres::start().await;
    for property in contract() {
        let place = server.place().await;
        let database = place.open().await;
        property.hold(Store::over(database.clone()), &mut failed).await;
        database.close().await;
    }
    for property in of_databases().into_iter().chain(deadlock::properties()) {
        property.hold(server.place().await, &mut failed).await;
    }
    assert!(failed.is_empty(), "on PostgreSQL: {failed:#?}");
}
