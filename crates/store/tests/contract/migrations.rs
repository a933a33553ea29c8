//! Migrations: on tables with rows in them, twice, and by several at once.

use halligan_core::entry::Sealed;
use halligan_engine::fakes::fixtures::{self, Asking, at, role_id};
use halligan_engine::ports::{
    Ceremonies as _, Cursor, Cursors, GrantStore, LogStore, QueuedEntry, RoleLedger, Version, WorkQueue,
};
use halligan_store::{Database, OpenError, migrate};
use sqlx::{Connection, Row};

use crate::import::import_of;
use crate::places::{Place, Store, explained, happened, properties, tree};
use crate::sessions::hash;

properties!(
    Place: each_migration_runs_on_tables_with_rows,
    a_log_that_was_published_elsewhere_begins_again,
    the_version_before_runs_on_these_tables,
    opening_again_changes_nothing,
    several_may_open_an_empty_database_at_once,
    a_newer_database_is_served,
    an_edited_migration_is_refused,
);

/// The tables fill as they appear, with rows as this program writes them.
async fn each_migration_runs_on_tables_with_rows(place: Place) {
    let grant = Asking::new(1).grant();
    let request = &grant.request;

    migrate(&place.url, 1).await.unwrap();
    let mut sql = place.sql().await;
    let insert = sqlx::query("INSERT INTO grants VALUES ($1, 7, 'pending', 'aws-role', $2, $3, $4, $5, $6, NULL, $7)");
    let insert = insert.bind(request.id.to_string()).bind(request.target.id.as_str());
    let insert = insert.bind(request.incident.provider.as_str()).bind(request.incident.id.as_str());
    let insert =
        insert.bind(request.requester.as_str().to_owned()).bind(grant.next_deadline().unwrap().as_millisecond());
    insert.bind(serde_json::to_string(&grant).unwrap()).execute(&mut sql).await.unwrap();

    migrate(&place.url, 2).await.unwrap();
    let sealed = fixtures::draft(&grant, happened(), 5).seal(at(3), at(3));
    let insert = sqlx::query("INSERT INTO entries VALUES (1, $1, $2, $3, NULL)").bind(sealed.entry.id.to_string());
    let insert = insert.bind(request.id.to_string()).bind(serde_json::to_string(&sealed.entry).unwrap());
    insert.execute(&mut sql).await.unwrap();
    let head = sqlx::query("UPDATE entries_head SET position = 1, time_ns = $1");
    head.bind(i64::try_from(at(3).as_nanosecond()).unwrap()).execute(&mut sql).await.unwrap();

    migrate(&place.url, 3).await.unwrap();
    let insert = "INSERT INTO work VALUES ('enforce', 'aws-role', 'prod-admin', 4, 2, 1000)";
    sqlx::query(insert).execute(&mut sql).await.unwrap();

    migrate(&place.url, 4).await.unwrap();
    let insert = sqlx::query("INSERT INTO roles VALUES ('prod-admin', $1)");
    insert.bind(r#"{"generation":3,"document":null,"adopted":{},"adopted_cut":null}"#).execute(&mut sql).await.unwrap();

    migrate(&place.url, 6).await.unwrap();
    sqlx::query("INSERT INTO log_cursors VALUES ('siem', 1)").execute(&mut sql).await.unwrap();

    migrate(&place.url, 7).await.unwrap();
    let insert = sqlx::query("INSERT INTO ceremonies VALUES ($1, $2, 'body')").bind(hash(1).0);
    insert.bind(at(60).as_millisecond()).execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();

    let database = place.open().await;
    let found = database.grant(request.id).await.unwrap().unwrap();
    assert_eq!((&found.grant, found.version), (&grant, Version(7)));
    assert_eq!(database.timeline(request.id).await.unwrap()[0].sealed, sealed);
    let work = database.due(at(0)).await.unwrap();
    assert_eq!((work[0].ask, work[0].attempts), (4, 2));
    assert_eq!(database.record(&role_id("prod-admin")).await.unwrap().generation.0, 3);
    let cursor = database.cursor("siem").await.unwrap();
    assert_eq!(cursor, Cursor { position: 1, imports: 0 });
    assert_eq!(database.take(&hash(1), at(1)).await.unwrap().as_deref(), Some("body"));
    // And life goes on: after the entries that there were, and not before their time.
    let store = Store::over(database);
    store.put(&Asking::new(1).active(), Some(Version(7))).await.unwrap();
    assert_eq!(store.note(&grant, &[6], at(0)).await.unwrap().position, Some(2));
    assert_eq!(store.entries().await[1].sealed.entry.time, at(3));
}

/// What the version before had published went into a journal, which is no log.
async fn a_log_that_was_published_elsewhere_begins_again(place: Place) {
    migrate(&place.url, 5).await.unwrap();
    let grant = Asking::new(1).grant();
    let sealed = [explained(&grant, 1).seal(at(0), at(0)), explained(&grant, 2).seal(at(1), at(5))];
    let mut sql = place.sql().await;
    for (position, Sealed { entry, personal }) in (1_i64..).zip(&sealed) {
        let insert = sqlx::query("INSERT INTO entries VALUES ($1, $2, $3, $4, $5)").bind(position);
        let insert = insert.bind(entry.id.to_string()).bind(grant.request.id.to_string());
        let insert = insert.bind(serde_json::to_string(entry).unwrap());
        insert
            .bind(personal.as_ref().map(|part| serde_json::to_string(part).unwrap()))
            .execute(&mut sql)
            .await
            .unwrap();
    }
    let head = sqlx::query("UPDATE entries_head SET position = 2, time_ns = $1");
    head.bind(i64::try_from(at(5).as_nanosecond()).unwrap()).execute(&mut sql).await.unwrap();
    sqlx::query("UPDATE entries_published SET position = 2").execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();

    let store = Store::over(place.open().await);
    let entries = store.entries().await;
    let expected = (1..).zip(sealed).map(|(position, sealed)| QueuedEntry::new(position, sealed));
    assert_eq!(entries, expected.collect::<Vec<_>>());
    assert_eq!(store.log.head().await.unwrap(), tree(&[]), "nothing is in the log yet");
    // All of the new is there, and works on rows that are older than it.
    store.log.advance(tree(&entries)).await.unwrap();
    assert_eq!(store.log.head().await.unwrap(), tree(&entries));
    assert_eq!(store.cursor("siem").await, 0);
    assert_eq!(store.personal.erase_before(at(5)).await.unwrap(), 1);
    store.facts.learn("log.key", None, "a", vec![explained(&grant, 3)], at(6)).await.unwrap();
    let own = store.entries().await;
    store.restore.import(import_of(&own[..2], 1, &own), at(9)).await.unwrap();
    assert_eq!(store.entries().await, own);
}

/// What it writes and reads in a publishing commit, statement by statement, while a
/// replica of this version runs beside it.
async fn the_version_before_runs_on_these_tables(place: Place) {
    let store = Store::over(place.open().await);
    let grant = Asking::new(1).grant();
    store.explain(&grant, &[1], at(0)).await.unwrap();
    store.log.advance(tree(&store.entries().await)).await.unwrap();
    store.move_cursor("siem", 1).await;

    let mut sql = place.sql().await;
    let head = sqlx::query(
        "UPDATE entries_head SET position = position + $1, time_ns = CASE WHEN time_ns < $2 THEN $2 ELSE time_ns END \
         RETURNING position, time_ns",
    );
    let head = head.bind(1_i64).bind(i64::try_from(at(3).as_nanosecond()).unwrap());
    assert_eq!(head.fetch_one(&mut sql).await.unwrap().get::<i64, _>(0), 2);
    let sealed = explained(&grant, 2).seal(at(3), at(3));
    let insert = "INSERT INTO entries (position, id, grant_id, entry, personal) VALUES ($1, $2, $3, $4, $5)";
    let insert = sqlx::query(insert).bind(2_i64).bind(sealed.entry.id.to_string()).bind(grant.request.id.to_string());
    let insert = insert.bind(serde_json::to_string(&sealed.entry).unwrap());
    insert.bind(serde_json::to_string(&sealed.personal).unwrap()).execute(&mut sql).await.unwrap();
    let waiting = sqlx::query(
        "SELECT e.position, e.id, e.grant_id, e.entry, e.personal, p.position AS published \
         FROM entries_published p JOIN entries e ON e.position > p.position ORDER BY e.position LIMIT $1",
    );
    assert_eq!(waiting.bind(10_i64).fetch_all(&mut sql).await.unwrap().len(), 2);
    let published = sqlx::query(
        "UPDATE entries_published SET position = \
         (SELECT CASE WHEN h.position < $1 THEN h.position ELSE $1 END FROM entries_head h) WHERE position < $1",
    );
    assert_eq!(published.bind(2_i64).execute(&mut sql).await.unwrap().rows_affected(), 1);
    sql.close().await.unwrap();

    let entries = store.entries().await;
    assert_eq!(entries[1], QueuedEntry::new(2, sealed));
    assert_eq!(store.log.head().await.unwrap(), tree(&entries[..1]), "the log has its own count");
    store.log.advance(tree(&entries)).await.unwrap();
    assert_eq!(store.personal.erase_before(at(9)).await.unwrap(), 2);
}

async fn opening_again_changes_nothing(place: Place) {
    let first = place.open().await;
    let grant = Asking::new(1).grant();
    let store = Store::over(first.clone());
    store.put(&grant, None).await.unwrap();
    store.note(&grant, &[1], at(0)).await.unwrap();
    // Beside the first, and after it.
    for close in [true, false] {
        let again = place.open().await;
        assert_eq!(again.grant(grant.request.id).await.unwrap().unwrap().grant, grant);
        assert_eq!(again.entries(1, 10).await.unwrap().len(), 1);
        if close {
            first.close().await;
        }
    }
}

async fn several_may_open_an_empty_database_at_once(place: Place) {
    let opening = (0..6).map(|_| {
        let url = place.url.clone();
        tokio::spawn(async move { Database::open(&url).await })
    });
    for opening in opening.collect::<Vec<_>>() {
        opening.await.unwrap().unwrap().ping().await.unwrap();
    }
    let head = "UPDATE entries_head SET single = single";
    assert_eq!(place.tamper(head).await, 1, "a migration ran twice");
}

/// A replica of the release before restarts in the middle of an upgrade.
async fn a_newer_database_is_served(place: Place) {
    place.open().await.close().await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 9999, 'later', success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1";
    assert_eq!(place.tamper(later).await, 1);
    place.tamper("ALTER TABLE grants ADD COLUMN later BIGINT").await;
    let store = Store::over(place.open().await);
    let grant = Asking::new(1).grant();
    store.put(&grant, None).await.unwrap();
    assert_eq!(store.grants.grant(grant.request.id).await.unwrap().unwrap().grant, grant);
}

async fn an_edited_migration_is_refused(place: Place) {
    place.open().await.close().await;
    let edit = "UPDATE _sqlx_migrations SET checksum = (SELECT checksum FROM _sqlx_migrations WHERE version = 2) WHERE version = 1";
    assert_eq!(place.tamper(edit).await, 1);
    let refused = Database::open(&place.url).await.unwrap_err();
    assert!(matches!(refused, OpenError::Migration(_)), "{refused:?}");
}
