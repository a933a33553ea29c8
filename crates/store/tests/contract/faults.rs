//! The fake fails where it is told to, in both ways, at each write of the log's side.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;

use halligan_core::actor::Principal;
use halligan_core::id::GroupId;
use halligan_engine::fakes::fixtures::{self, Asking, at};
use halligan_engine::fakes::store::{FakeStore, Fault};
use halligan_engine::ports::{
    Ceremonies, Change, Cursor, Cursors, Facts, GrantStore, Head, LogRestore, LogStore, LoginGroups, Passkey, Passkeys,
    PersonalData, QueuedEntry, Session, Sessions, StoreError,
};

use crate::import::import_of;
use crate::passkeys::passkey;
use crate::places::{explained, happened, tree};
use crate::sessions::{entry, hash, login, proof, room, session};

type Writing<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;
type Write = fn(&FakeStore) -> Writing<'_>;

fn entries(numbers: &[u64]) -> Change {
    let grant = Asking::new(1).grant();
    Change { entries: numbers.iter().map(|number| explained(&grant, *number)).collect(), ..Change::default() }
}

type Log = (Vec<QueuedEntry>, Head, BTreeMap<String, u64>, BTreeMap<String, String>);
type Logins = (Vec<Session>, usize, BTreeMap<Principal, BTreeSet<GroupId>>, Vec<Passkey>);

/// Everything that a reader can see.
async fn state(store: &FakeStore) -> (Log, Logins) {
    let groups = store.groups_of(&[login("alice")].into(), at(0)).await.unwrap();
    let logins = (store.sessions(), store.ceremonies(), groups, store.passkeys());
    ((store.entries(), store.head().await.unwrap(), store.cursors(), store.facts()), logins)
}

/// Something for each write to change.
async fn filled() -> Arc<FakeStore> {
    let store = Arc::new(FakeStore::new());
    store.commit(entries(&[1, 2]), at(0)).await.unwrap();
    store.open(&session(1, "alice", 0), vec![], at(0)).await.unwrap();
    Ceremonies::begin(&*store, &hash(2), "body", at(90), room(9), at(0)).await.unwrap();
    store.saw_groups(&login("alice"), &["leads".parse().unwrap()].into(), at(0)).await.unwrap();
    store.keep(&passkey("a", "alice", 0), None, vec![], at(0)).await.unwrap();
    store
}

const WRITES: [(&str, Write); 17] = [
    ("advance", |store| Box::pin(async { store.advance(tree(&store.entries())).await })),
    ("import", |store| {
        Box::pin(async {
            let log = [QueuedEntry::new(1, explained(&Asking::new(1).grant(), 9).seal(at(9), at(9)))];
            store.import(import_of(&log, 0, &store.entries()), at(9)).await
        })
    }),
    ("erase", |store| Box::pin(async { store.erase_before(at(9)).await.map(drop) })),
    ("move_cursor", |store| Box::pin(async { store.move_cursor("siem", Cursor::default(), 1).await.map(drop) })),
    ("learn", |store| {
        Box::pin(async {
            let entry = fixtures::draft(&Asking::new(1).grant(), happened(), 8);
            store.learn("log.key", None, "a", vec![entry], at(8)).await.map(drop)
        })
    }),
    ("open", |store| Box::pin(async { store.open(&session(9, "bob", 0), vec![entry(9)], at(9)).await })),
    ("touch", |store| Box::pin(async { store.touch(&hash(1), &proof(5), at(5)).await })),
    ("end", |store| Box::pin(async { store.end(&hash(1), vec![entry(9)], at(9)).await.map(drop) })),
    ("end_of", |store| Box::pin(async { store.end_of(&[login("alice")].into()).await.map(drop) })),
    ("forget", |store| Box::pin(async { store.forget(at(9), at(9), 9).await.map(drop) })),
    ("begin", |store| Box::pin(async { Ceremonies::begin(store, &hash(9), "body", at(9), room(9), at(0)).await })),
    ("take", |store| Box::pin(async { store.take(&hash(2), at(0)).await.map(drop) })),
    ("forget_ceremonies", |store| Box::pin(async { store.forget_ceremonies(at(99), 9).await.map(drop) })),
    ("saw_groups", |store| Box::pin(async { store.saw_groups(&login("alice"), &BTreeSet::new(), at(9)).await })),
    ("forget_groups", |store| Box::pin(async { store.forget_groups(at(9), 9).await.map(drop) })),
    ("keep", |store| Box::pin(async { store.keep(&passkey("b", "bob", 0), None, vec![entry(9)], at(9)).await })),
    ("remove", |store| Box::pin(async { store.remove("a", vec![entry(9)], at(9)).await })),
];

#[tokio::test]
async fn every_write_can_fail_before_it_is_done_and_after() {
    for (name, write) in WRITES {
        let store = filled().await;
        let (whole, before) = (store.backup(), state(&store).await);
        write(&whole).await.unwrap();
        let after = state(&whole).await;
        assert_ne!(before, after, "{name} does nothing");
        assert_eq!(whole.writes(), store.writes() + 1, "{name} is one write");

        store.fail_write(0, Fault::NotDone);
        assert!(matches!(write(&store).await, Err(StoreError::Unavailable(_))), "{name}");
        assert_eq!(state(&store).await, before, "{name} was done");

        store.fail_write(0, Fault::Done);
        assert!(matches!(write(&store).await, Err(StoreError::Unavailable(_))), "{name}");
        assert_eq!(state(&store).await, after, "{name} was not done");
        // What a backup holds, a later write doesn't reach.
        let backup = store.backup();
        store.commit(entries(&[3]), at(20)).await.unwrap();
        let from = store.cursor("siem").await.unwrap();
        store.move_cursor("siem", from, 3).await.unwrap();
        assert_eq!(state(&backup).await, after, "{name}");

        store.set_down(true);
        assert!(matches!(write(&store).await, Err(StoreError::Unavailable(_))), "{name}");
    }
}
