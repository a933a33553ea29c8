//! Rows that no version of this program wrote: named, and never made the best of.

use halligan_core::grant::Grant;
use halligan_core::id::GrantId;
use halligan_engine::fakes::fixtures::{self, Asking, acknowledge, at, lives, person, role_id, uuid};
use halligan_engine::ports::{
    Change, Filter, GrantStore, IdempotencyKey, IdempotencyStore, Leases, LogQueue, RoleLedger, RoleRecord, StoreError,
    Version, WorkQueue,
};
use jiff::SignedDuration;

use crate::places::{Place, Store, change, properties};

properties!(
    Place: a_grant_whose_row_was_changed_is_not_read,
    a_life_that_no_grant_has_is_not_written,
    an_entry_whose_row_was_changed_is_not_read,
    an_erased_personal_part_is_no_damage,
    a_missing_entry_stops_the_publisher,
    work_that_nobody_knows_is_not_done,
    a_record_that_is_none_is_not_read,
    an_answer_that_is_none_is_not_given,
    a_database_without_its_tables_is_unavailable,
);

/// The table, the column and the key that an error names.
fn named<T>(outcome: Result<T, StoreError>) -> (&'static str, &'static str, String) {
    match outcome {
        Ok(_) => panic!("it was read"),
        Err(StoreError::Corrupt { table, column, row, because }) => {
            assert!(!because.contains("payment queue"), "somebody's words: {because}");
            (table, column, row)
        }
        Err(error) => panic!("{error}"),
    }
}

async fn a_grant_whose_row_was_changed_is_not_read(place: Place) {
    let database = place.open().await;
    let mut cases = vec![
        ("phase", "'pending'"),
        ("phase", "'nonsense'"),
        ("target_kind", "'gate'"),
        ("role", "'prod-reader'"),
        ("incident_provider", "'other'"),
        ("incident_id", "'INC-1'"),
        ("requester", "'carol'"),
        ("due_at", "NULL"),
        ("due_at", "1"),
        ("enforce_until", "NULL"),
        ("enforce_until", "1"),
        ("body", "''"),
        ("body", "'{}'"),
        ("body", "'not JSON'"),
        ("body", "REPLACE(body, 'the payment queue is stuck', '')"),
        ("body", "REPLACE(body, '\"reason\":', '\"reason\":7,\"was\":')"),
        // Longer than what was acknowledged, and acknowledged by whoever asked.
        ("body", "REPLACE(body, '\"duration\":\"PT30M\"', '\"duration\":\"PT40M\"')"),
        ("body", "REPLACE(body, 'bob', 'alice')"),
    ];
    if place.file.is_some() {
        // Columns of SQLite take what they are given.
        cases.extend([("version", "'x'"), ("version", "1.5"), ("body", "x'00ff'"), ("due_at", "'x'"), ("phase", "7")]);
    }
    for (number, (column, value)) in (1..).zip(cases) {
        let grant = Asking::new(number).active();
        let id = grant.request.id;
        database.commit(Change { grant: Some((grant, None)), ..Change::default() }, at(0)).await.unwrap();
        assert_eq!(place.tamper(&format!("UPDATE grants SET {column} = {value} WHERE id = '{id}'")).await, 1);
        let expected = ("grants", column, id.to_string());
        assert_eq!(named(database.grant(id).await), expected, "{value}");
        // One that can't be read is not passed over in a list.
        let before = Some(GrantId::new(uuid(number + 1)));
        assert_eq!(named(database.grants(&Filter { before, ..Filter::default() }, 1).await), expected, "{value}");
        place
            .tamper(&format!(
                "UPDATE grants SET role = 'prod-admin', enforce_until = 9000000000000000 WHERE id = '{id}'"
            ))
            .await;
        assert_eq!(named(database.enforceable(&role_id("prod-admin"), at(0)).await).0, "grants");
        place.tamper(&format!("DELETE FROM grants WHERE id = '{id}'")).await;
    }
    // A row under another's key.
    let (grant, other) = (Asking::new(100).active(), GrantId::new(uuid(101)));
    Store::over(database.clone()).put(&grant, None).await.unwrap();
    place.tamper(&format!("UPDATE grants SET id = '{other}'")).await;
    assert_eq!(named(database.grant(other).await), ("grants", "id", other.to_string()));
    place.tamper("UPDATE grants SET id = 'x'").await;
    assert_eq!(named(database.next_due(1).await), ("grants", "id", "x".to_owned()));
}

async fn a_life_that_no_grant_has_is_not_written(place: Place) {
    let store = Store::over(place.open().await);
    let mut longer: Grant = Asking::new(1).active();
    longer.request.duration = SignedDuration::from_hours(1);
    assert!(matches!(store.put(&longer, None).await, Err(StoreError::Unavailable(_))));
    assert!(store.grants.grant(longer.request.id).await.unwrap().is_none());
}

async fn an_entry_whose_row_was_changed_is_not_read(place: Place) {
    let database = place.open().await;
    let cases = [
        ("entry", "'{'"),
        ("entry", "'{}'"),
        ("entry", "REPLACE(entry, '\"v\":1', '\"v\":2')"),
        ("entry", "REPLACE(entry, 'grant.requested', 'grant.given')"),
        ("id", "'0'"),
        ("grant_id", "NULL"),
        ("personal", "REPLACE(personal, 'stuck', 'fine')"),
        ("personal", "'[]'"),
    ];
    for (number, (column, value)) in (1..).zip(cases) {
        database.commit(change(Asking::new(number).open(), None, number), at(0)).await.unwrap();
        assert_eq!(place.tamper(&format!("UPDATE entries SET {column} = {value} WHERE position = {number}")).await, 1);
        assert_eq!(named(database.unpublished(1).await), ("entries", column, number.to_string()), "{value}");
        database.mark_published(number).await.unwrap();
    }
    let grant = GrantId::new(uuid(1));
    assert_eq!(named(database.timeline(grant).await), ("entries", "entry", "1".to_owned()));
}

async fn an_erased_personal_part_is_no_damage(place: Place) {
    let database = place.open().await;
    database.commit(change(Asking::new(1).open(), None, 1), at(0)).await.unwrap();
    let before = database.unpublished(1).await.unwrap().remove(0).sealed;
    assert!(before.personal.is_some());
    place.tamper("UPDATE entries SET personal = NULL").await;
    let after = database.unpublished(1).await.unwrap().remove(0).sealed;
    assert_eq!((after.personal, after.entry), (None, before.entry));
}

async fn a_missing_entry_stops_the_publisher(place: Place) {
    let database = place.open().await;
    let store = Store::over(database.clone());
    store.note(&Asking::new(1).grant(), &[1, 2, 3, 4], at(0)).await.unwrap();
    place.tamper("DELETE FROM entries WHERE position = 3").await;
    assert_eq!(database.unpublished(2).await.unwrap().len(), 2);
    assert_eq!(named(database.unpublished(10).await), ("entries", "position", "4".to_owned()));
    database.mark_published(2).await.unwrap();
    assert_eq!(named(database.unpublished(1).await), ("entries", "position", "4".to_owned()));
}

async fn work_that_nobody_knows_is_not_done(place: Place) {
    for (column, value) in [("effect", "dance"), ("target_kind", "gate"), ("target_id", "NOT A ROLE")] {
        let database = place.open().await;
        let effects = acknowledge(&Asking::new(1).grant(), "bob", at(0)).effects;
        database.commit(Change { effects, ..Change::default() }, at(0)).await.unwrap();
        place.tamper(&format!("UPDATE work SET {column} = '{value}'")).await;
        let (table, found, row) = named(database.due(at(0)).await);
        assert_eq!((table, found), ("work", column));
        assert!(row.contains(value), "{row}");
        place.tamper("DELETE FROM work").await;
    }
}

async fn a_record_that_is_none_is_not_read(place: Place) {
    let database = place.open().await;
    let role = role_id("prod-admin");
    let lease = database.acquire("a", "b", at(0), SignedDuration::from_secs(9)).await.unwrap().unwrap();
    database.save(&role, &RoleRecord::default(), vec![], &lease, at(0)).await.unwrap();
    for value in ["{", "[]", "{\"generation\":-1}"] {
        place.tamper(&format!("UPDATE roles SET record = '{value}'")).await;
        assert_eq!(named(database.record(&role).await), ("roles", "record", "prod-admin".to_owned()), "{value}");
    }
}

async fn an_answer_that_is_none_is_not_given(place: Place) {
    let database = place.open().await;
    let key = IdempotencyKey { person: person("alice"), route: "ask".to_owned(), key: "k".to_owned() };
    database.begin(&key, "body", at(0)).await.unwrap();
    let requested = change(Asking::new(1).open(), None, 1);
    database.commit(Change { answers: Some(key.clone()), ..requested }, at(0)).await.unwrap();
    for value in ["'[]'", "REPLACE(answer, 'PT30M', 'PT40M')"] {
        place.tamper(&format!("UPDATE idempotency SET answer = {value}")).await;
        let found = named(database.begin(&key, "body", at(0)).await);
        assert_eq!(found, ("idempotency", "answer", "alice/ask/k".to_owned()), "{value}");
        let body = serde_json::to_string(&lives(1)[0].1).unwrap();
        place.tamper(&format!("UPDATE idempotency SET answer = '{body}'")).await;
    }
}

async fn a_database_without_its_tables_is_unavailable(place: Place) {
    let database = place.open().await;
    database.ping().await.unwrap();
    place.tamper("DROP TABLE entries_head").await;
    assert!(matches!(database.ping().await, Err(StoreError::Unavailable(_))));
    let store = Store::over(database);
    let grant = fixtures::Asking::new(1).open();
    let id = grant.grant.request.id;
    let failed = store.grants.commit(change(grant, None, 1), at(0)).await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    assert!(store.grants.grant(id).await.unwrap().is_none(), "half of it was written");
    assert_eq!(store.put(&Asking::new(2).grant(), None).await.unwrap().version, Some(Version(1)));
}
