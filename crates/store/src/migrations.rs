//! The tables, brought up to date when the database is opened.

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, Connection, SqlSafeStr};

use crate::open::Engine;

/// Every migration, oldest first. What was released is not edited.
const MIGRATIONS: [(i64, &str, &str); 10] = [
    (1, "grants", include_str!("../migrations/0001_grants.sql")),
    (2, "entries", include_str!("../migrations/0002_entries.sql")),
    (3, "work", include_str!("../migrations/0003_work.sql")),
    (4, "roles", include_str!("../migrations/0004_roles.sql")),
    (5, "idempotency", include_str!("../migrations/0005_idempotency.sql")),
    (6, "log", include_str!("../migrations/0006_log.sql")),
    (7, "identity", include_str!("../migrations/0007_identity.sql")),
    (8, "imports", include_str!("../migrations/0008_imports.sql")),
    (9, "sign_outs", include_str!("../migrations/0009_sign_outs.sql")),
    (10, "rooms", include_str!("../migrations/0010_rooms.sql")),
];

/// The numbers of all of them.
pub fn versions() -> impl Iterator<Item = i64> {
    MIGRATIONS.iter().map(|(version, ..)| *version)
}

/// Spells "halligan": the advisory lock of whoever changes the tables.
const LOCK: i64 = 0x6861_6c6c_6967_616e;

/// A database that is newer than this program is served: a migration expands, so
/// the release before runs on it, and a replica of that release may restart in the
/// middle of an upgrade.
fn migrator() -> Migrator {
    let migration = |&(version, description, sql): &(i64, &'static str, &'static str)| {
        Migration::new(version, Cow::Borrowed(description), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().map(migration).collect());
    migrator.set_ignore_missing(true);
    migrator
}

/// Brings the tables up to date, or no further than to the migration `last`, in
/// one transaction that a second replica waits for.
pub async fn run(connection: &mut AnyConnection, engine: Engine, last: Option<i64>) -> Result<(), MigrateError> {
    let mut transaction = connection.begin_with(engine.begin()).await?;
    match engine {
        // BEGIN IMMEDIATE has locked the file.
        Engine::Sqlite => {}
        Engine::Postgres => {
            sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
            // By bytes, under the name that SQLite has for it: ids sort by their text.
            sqlx::query("CREATE COLLATION IF NOT EXISTS \"binary\" FROM \"C\"").execute(&mut *transaction).await?;
        }
    }
    // Not `run_to`, whose `Acquire` makes futures that no task can be spawned of.
    migrator().run_direct(last, &mut *transaction, false).await?;
    transaction.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_run_in_the_order_of_its_number() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let listed: Vec<String> =
            MIGRATIONS.iter().map(|(version, name, _)| format!("{version:04}_{name}.sql")).collect();
        assert_eq!(files, listed);
    }
}
