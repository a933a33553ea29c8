//! Bytes are what the log hashes: however a row spells its JSON, it is kept so.

use halligan_engine::fakes::fixtures::{Asking, at};
use halligan_engine::ports::{LogStore, PersonalData, QueuedEntry};
use sha2::{Digest, Sha256};
use sqlx::Connection;

use crate::import::import_of;
use crate::places::{Place, Store, explained, properties, tree};

properties!(Place: a_row_that_is_spelt_otherwise_keeps_its_bytes);

/// Other orders of fields and white space than this program writes.
async fn a_row_that_is_spelt_otherwise_keeps_its_bytes(place: Place) {
    let database = place.open().await;
    let store = Store::over(database.clone());
    let grant = Asking::new(1).grant();
    store.note(&grant, &[1], at(0)).await.unwrap();

    let sealed = explained(&grant, 2).seal(at(1), at(2));
    let part = sealed.personal.clone().unwrap();
    let fields = serde_json::to_string(&part.fields).unwrap();
    let personal = format!("\n{{ \"fields\" : {fields},\t\"salt\":\"{}\" }} ", part.salt);
    let sha256 = hex::encode(Sha256::digest(&personal));
    let mut words = serde_json::to_value(&sealed.entry).unwrap();
    words["personal_sha256"] = sha256.clone().into();
    // Pretty, and in the order of the alphabet.
    let entry = serde_json::to_string_pretty(&words).unwrap() + "\r\n";
    assert_ne!(personal.as_bytes(), part.to_json());

    let mut sql = place.sql().await;
    let insert = sqlx::query("INSERT INTO entries VALUES (2, $1, $2, $3, $4)").bind(sealed.entry.id.to_string());
    let insert = insert.bind(grant.request.id.to_string()).bind(&entry).bind(&personal);
    insert.execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
    place.tamper("UPDATE entries_head SET position = 2").await;

    let mut expected = sealed;
    expected.entry.personal_sha256 = Some(sha256);
    let kept = |found: &QueuedEntry| {
        assert_eq!(found.sealed, expected);
        assert_eq!(String::from_utf8_lossy(&found.leaf.entry), entry);
        assert_eq!(found.leaf.personal.as_deref(), Some(personal.as_bytes()));
    };
    let written = database.entries(1, 10).await.unwrap();
    kept(&written[1]);
    kept(&database.timeline(grant.request.id).await.unwrap()[1]);

    // Through an import too, and what is erased leaves the rest as it is.
    let directory = tempfile::tempdir().unwrap();
    let other = Store::over(Place::file(&directory.path().join("other.db")).open().await);
    other.restore.import(import_of(&written, 0, &[]), at(9)).await.unwrap();
    assert_eq!(other.entries().await, written);
    database.erase_before(at(9)).await.unwrap();
    let erased = database.entries(1, 10).await.unwrap();
    assert_eq!((String::from_utf8_lossy(&erased[1].leaf.entry), &erased[1].leaf.personal), (entry.into(), &None));
    assert_eq!(tree(&erased), tree(&written));
}
