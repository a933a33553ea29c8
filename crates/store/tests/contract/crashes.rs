//! What a process leaves that doesn't say goodbye, and what two do to one database.

use std::collections::BTreeSet;

use halligan_core::grant::Grant;
use halligan_engine::fakes::fixtures::{Asking, acknowledge, at, lives};
use halligan_engine::ports::{GrantStore, Version};

use crate::places::{Place, Store, change, properties};

properties!(
    Place: what_was_committed_survives_a_process_that_is_killed,
    two_replicas_write_one_order,
    the_file_is_its_owners_alone,
);

/// The files as a kill leaves them: the write-ahead log is not folded in, and its
/// index, which lives in shared memory, is gone.
fn killed(place: &Place, directory: &tempfile::TempDir) -> Place {
    let Some(file) = &place.file else { return place.clone() };
    let copy = directory.path().join("halligan.db");
    for suffix in ["", "-wal"] {
        let with = |path: &std::path::Path| format!("{}{suffix}", path.display());
        std::fs::copy(with(file), with(&copy)).unwrap();
    }
    Place::file(&copy)
}

async fn what_was_committed_survives_a_process_that_is_killed(place: Place) {
    let database = place.open().await;
    let store = Store::over(database.clone());
    let lives = lives(1);
    for (number, (_, grant)) in (1..).zip(&lives) {
        store.put(grant, None).await.unwrap();
        store.note(grant, &[1_000 + number], at(0)).await.unwrap();
    }
    let pending = Asking::new(500).open();
    store.grants.commit(change(pending.clone(), None, 2_000), at(1)).await.unwrap();
    let active = acknowledge(&pending.grant, "bob", at(60));
    store.grants.commit(change(active.clone(), Some(Version(1)), 2_010), at(60)).await.unwrap();

    let directory = tempfile::tempdir().unwrap();
    let after = Store::over(killed(&place, &directory).open().await);
    for (name, grant) in &lives {
        let found = after.grants.grant(grant.request.id).await.unwrap();
        assert_eq!(found.map(|found| found.grant).as_ref(), Some(grant), "{name}");
    }
    let found = after.grants.grant(active.grant.request.id).await.unwrap().unwrap();
    assert_eq!((found.grant, found.version), (active.grant, Version(2)));
    let count = lives.len() as u64 + 3;
    assert_eq!(after.entries().await.len() as u64, count);
    assert_eq!(after.work.due(at(60)).await.unwrap().len(), 1, "what was to be done is to be done");
    assert_eq!(after.note(&pending.grant, &[3_000], at(0)).await.unwrap().position, Some(count + 1));
    drop(database);
}

async fn two_replicas_write_one_order(place: Place) {
    let replicas = [Store::over(place.open().await), Store::over(place.open().await)];
    let pending: Vec<Grant> = (1..=10).map(|number| Asking::new(number).grant()).collect();
    for grant in &pending {
        replicas[0].put(grant, None).await.unwrap();
    }
    // Both acknowledge each, at once.
    let attempts = (0..20_u64).map(|number| {
        let store = replicas[(number % 2) as usize].clone();
        let transition = acknowledge(&pending[(number / 2) as usize], "bob", at(60));
        tokio::spawn(async move {
            store.grants.commit(change(transition, Some(Version(1)), 100 + 10 * number), at(60)).await.is_ok()
        })
    });
    let mut won = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        won += usize::from(attempt.await.unwrap());
    }
    assert_eq!(won, 10);
    let entries = replicas[1].entries().await;
    assert_eq!(entries.iter().map(|entry| entry.position).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    let grants: BTreeSet<_> = entries.iter().map(|entry| entry.sealed.entry.links.grant).collect();
    assert_eq!(grants.len(), 10);
}

async fn the_file_is_its_owners_alone(place: Place) {
    use std::os::unix::fs::PermissionsExt;
    let database = place.open().await;
    Store::over(database.clone()).put(&Asking::new(1).grant(), None).await.unwrap();
    database.grant(Asking::new(1).grant().request.id).await.unwrap();
    let Some(file) = &place.file else { return };
    for suffix in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(format!("{}{suffix}", file.display())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{suffix}");
    }
}
