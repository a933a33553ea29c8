//! What a process leaves that doesn't say goodbye, and what two do to one database.

use std::collections::BTreeSet;

use halligan_core::grant::Grant;
use halligan_engine::fakes::fixtures::{Asking, acknowledge, at, lives, person, uuid};
use halligan_engine::ports::{GrantStore, Import, QueuedEntry, Session, StoreError, Version};

use crate::import::import_of;
use crate::passkeys::{confirmed, passkey};
use crate::places::{Place, Store, change, explained, properties, tree};
use crate::sessions::{entry, hash, login, proof, room, session};

properties!(
    Place: what_was_committed_survives_a_process_that_is_killed,
    what_was_imported_survives_a_process_that_is_killed,
    a_sign_out_survives_a_process_that_is_killed,
    two_replicas_write_one_order,
    two_replicas_know_the_same_logins,
    of_two_replicas_one_takes_a_ceremony_back,
    replicas_that_forget_at_once_forget_it_once,
    of_two_replicas_that_import_one_is_first,
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

async fn what_was_imported_survives_a_process_that_is_killed(place: Place) {
    let database = place.open().await;
    let store = Store::over(database.clone());
    let grant = Asking::new(1).grant();
    store.explain(&grant, &[1], at(0)).await.unwrap();
    store.explain(&grant, &[2], at(1)).await.unwrap();
    let own = store.entries().await;
    let log = [own[0].clone(), QueuedEntry::new(2, explained(&grant, 3).seal(at(9), at(9)))];
    store.restore.import(import_of(&log, 1, &own), at(10)).await.unwrap();
    store.facts.learn("log.key", None, "a", vec![explained(&grant, 4)], at(11)).await.unwrap();
    store.move_cursor("siem", 2).await;
    store.log.advance(tree(&store.entries().await)).await.unwrap();
    assert_eq!(store.personal.erase_before(at(9)).await.unwrap(), 1);

    let directory = tempfile::tempdir().unwrap();
    let after = Store::over(killed(&place, &directory).open().await);
    let entries = after.entries().await;
    let kept: Vec<_> = entries.iter().map(|entry| (entry.sealed.entry.id, entry.leaf.personal.is_some())).collect();
    assert_eq!(kept, [(uuid(1), false), (uuid(3), true), (uuid(2), true), (uuid(4), true)]);
    assert_eq!(after.log.head().await.unwrap(), tree(&entries));
    assert_eq!(after.cursor("siem").await, 2);
    assert_eq!(after.facts.fact("log.key").await.unwrap().as_deref(), Some("a"));
    drop(database);
}

async fn a_sign_out_survives_a_process_that_is_killed(place: Place) {
    let database = place.open().await;
    let store = Store::over(database.clone());
    for number in 1..=3 {
        store.sessions.open(&session(number, "alice", 0), vec![entry(number)], at(0)).await.unwrap();
    }
    store.ceremonies.begin(&hash(4), "taken", at(60), room(9), at(0)).await.unwrap();
    store.ceremonies.begin(&hash(5), "waiting", at(60), room(9), at(0)).await.unwrap();
    for key in [passkey("a", "alice", 0), passkey("b", "alice", 0)] {
        store.passkeys.keep(&key, None, vec![], at(0)).await.unwrap();
    }
    assert!(store.sessions.end(&hash(1), vec![entry(4)], at(5)).await.unwrap());
    store.sessions.touch(&hash(2), &proof(7), at(8)).await.unwrap();
    store.ceremonies.take(&hash(4), at(5)).await.unwrap().unwrap();
    store.passkeys.remove("a", vec![entry(5)], at(9)).await.unwrap();

    let directory = tempfile::tempdir().unwrap();
    let after = Store::over(killed(&place, &directory).open().await);
    let found = async |number| after.sessions.session(&hash(number)).await.unwrap();
    let used = Session { proof: proof(7), seen_at: at(8), ..session(2, "alice", 0) };
    assert_eq!((found(1).await, found(2).await), (None, Some(used)));
    assert_eq!(found(3).await, Some(session(3, "alice", 0)));
    assert_eq!(after.ceremonies.take(&hash(4), at(9)).await.unwrap(), None);
    assert_eq!(after.ceremonies.take(&hash(5), at(9)).await.unwrap().as_deref(), Some("waiting"));
    assert_eq!(after.passkeys.passkeys_of(&person("alice")).await.unwrap(), [passkey("b", "alice", 0)]);
    assert_eq!(after.entries().await.len(), 5);
    drop(database);
}

async fn two_replicas_know_the_same_logins(place: Place) {
    let [one, other] = [Store::over(place.open().await), Store::over(place.open().await)];
    let alices = session(1, "alice", 0);
    one.sessions.open(&alices, vec![entry(1)], at(0)).await.unwrap();
    assert_eq!(other.sessions.session(&hash(1)).await.unwrap(), Some(alices));
    // What one ends, the other can't use.
    assert!(other.sessions.end(&hash(1), vec![entry(2)], at(1)).await.unwrap());
    let late = one.sessions.touch(&hash(1), &proof(2), at(2)).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    assert_eq!(one.sessions.session(&hash(1)).await.unwrap(), None);
    one.groups.saw_groups(&login("alice"), &["leads".parse().unwrap()].into(), at(5)).await.unwrap();
    other.groups.saw_groups(&login("alice"), &BTreeSet::new(), at(4)).await.unwrap();
    assert_eq!(other.groups.groups_of(&[login("alice")].into(), at(0)).await.unwrap().len(), 1);
    let key = passkey("a", "alice", 0);
    one.passkeys.keep(&key, None, vec![], at(0)).await.unwrap();
    let changed = confirmed(&key, "bob", 9);
    other.passkeys.keep(&changed, Some(&key), vec![], at(9)).await.unwrap();
    let late = one.passkeys.keep(&confirmed(&key, "carol", 9), Some(&key), vec![], at(9)).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    assert_eq!(one.passkeys.passkey("a").await.unwrap(), Some(changed));
}

async fn of_two_replicas_one_takes_a_ceremony_back(place: Place) {
    let replicas = [Store::over(place.open().await), Store::over(place.open().await)];
    for round in 1..=10_u64 {
        replicas[0].ceremonies.begin(&hash(round), "body", at(60), room(1), at(0)).await.unwrap();
        let takes = (0..6).map(|number| {
            let store = replicas[number % 2].clone();
            tokio::spawn(async move { store.ceremonies.take(&hash(round), at(1)).await.unwrap().is_some() })
        });
        let mut got = 0;
        for take in takes.collect::<Vec<_>>() {
            got += u32::from(take.await.unwrap());
        }
        assert_eq!(got, 1);
    }
    // And together they keep no more than one may.
    let begins = (100..130_u64).map(|number| {
        let store = replicas[usize::from(number % 2 == 0)].clone();
        tokio::spawn(
            async move { store.ceremonies.begin(&hash(number), "body", at(60), room(7), at(0)).await.unwrap() },
        )
    });
    for begin in begins.collect::<Vec<_>>() {
        begin.await.unwrap();
    }
    let mut kept = 0;
    for number in 100..130 {
        kept += u32::from(replicas[0].ceremonies.take(&hash(number), at(1)).await.unwrap().is_some());
    }
    assert_eq!(kept, 7);
}

async fn replicas_that_forget_at_once_forget_it_once(place: Place) {
    let replicas = [Store::over(place.open().await), Store::over(place.open().await)];
    for number in 1..=40 {
        replicas[0].sessions.open(&session(number, "alice", 0), vec![], at(0)).await.unwrap();
        replicas[0].ceremonies.begin(&hash(number), "body", at(1), room(99), at(0)).await.unwrap();
        replicas[0].groups.saw_groups(&login(&number.to_string()), &BTreeSet::new(), at(0)).await.unwrap();
    }
    let forgetting = (0..4_usize).map(|number| {
        let store = replicas[number % 2].clone();
        tokio::spawn(async move {
            let mut forgotten = [0; 3];
            for _ in 0..12 {
                forgotten[0] += store.sessions.forget(at(5), at(5), 7).await.unwrap();
                forgotten[1] += store.ceremonies.forget_ceremonies(at(5), 7).await.unwrap();
                forgotten[2] += store.groups.forget_groups(at(5), 7).await.unwrap();
            }
            forgotten
        })
    });
    let mut all = [0; 3];
    for forgetting in forgetting.collect::<Vec<_>>() {
        let forgotten = forgetting.await.unwrap();
        all.iter_mut().zip(forgotten).for_each(|(all, forgotten)| *all += forgotten);
    }
    assert_eq!(all, [40; 3]);
}

async fn of_two_replicas_that_import_one_is_first(place: Place) {
    let replicas = [Store::over(place.open().await), Store::over(place.open().await)];
    let grants: Vec<Grant> = (1..=6).map(|number| Asking::new(number).grant()).collect();
    replicas[0].note(&grants[0], &[100], at(0)).await.unwrap();
    let own = replicas[0].entries().await;
    let entry = |number| explained(&Asking::new(1).grant(), number).seal(at(5), at(5));
    let log: Vec<QueuedEntry> = (1..=50).map(|number| QueuedEntry::new(number, entry(number))).collect();
    let imports = (0..4_usize).map(|number| {
        let store = replicas[number % 2].clone();
        let mut grants = grants.clone();
        grants.rotate_left(number);
        let import = Import { grants, ..import_of(&log, 0, &own) };
        tokio::spawn(async move { store.restore.import(import, at(60)).await })
    });
    let mut first = 0;
    for import in imports.collect::<Vec<_>>() {
        match import.await.unwrap() {
            Ok(()) => first += 1,
            Err(StoreError::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(first, 1);
    let entries = replicas[1].entries().await;
    assert_eq!((&entries[..50], entries[50].sealed.entry.id, entries.len()), (&log[..], uuid(100), 51));
    for grant in grants {
        let found = replicas[1].grants.grant(grant.request.id).await.unwrap();
        assert_eq!(found.map(|found| found.version), Some(Version(1)), "it was imported once");
    }
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
