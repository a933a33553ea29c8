//! The fake fails where it is told to, in both ways, at each write of the log's side.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use halligan_engine::fakes::fixtures::{self, Asking, at};
use halligan_engine::fakes::store::{FakeStore, Fault};
use halligan_engine::ports::{
    Change, Cursors, Facts, GrantStore, Head, LogRestore, LogStore, PersonalData, QueuedEntry, StoreError,
};

use crate::import::import_of;
use crate::places::{explained, happened, tree};

type Writing<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;
type Write = fn(&FakeStore) -> Writing<'_>;

fn entries(numbers: &[u64]) -> Change {
    let grant = Asking::new(1).grant();
    Change { entries: numbers.iter().map(|number| explained(&grant, *number)).collect(), ..Change::default() }
}

type State = (Vec<QueuedEntry>, Head, BTreeMap<String, u64>, BTreeMap<String, String>);

/// Everything that a reader can see.
async fn state(store: &FakeStore) -> State {
    (store.entries(), store.head().await.unwrap(), store.cursors(), store.facts())
}

const WRITES: [(&str, Write); 5] = [
    ("advance", |store| Box::pin(async { store.advance(tree(&store.entries())).await })),
    ("import", |store| {
        Box::pin(async {
            let log = [QueuedEntry::new(1, explained(&Asking::new(1).grant(), 9).seal(at(9), at(9)))];
            store.import(import_of(&log, 0, &store.entries()), at(9)).await
        })
    }),
    ("erase", |store| Box::pin(async { store.erase_before(at(9)).await.map(drop) })),
    ("move_cursor", |store| Box::pin(async { store.move_cursor("siem", 1).await })),
    ("learn", |store| {
        Box::pin(async {
            let entry = fixtures::draft(&Asking::new(1).grant(), happened(), 8);
            store.learn("log.key", None, "a", vec![entry], at(8)).await.map(drop)
        })
    }),
];

#[tokio::test]
async fn every_write_can_fail_before_it_is_done_and_after() {
    for (name, write) in WRITES {
        let store = Arc::new(FakeStore::new());
        store.commit(entries(&[1, 2]), at(0)).await.unwrap();
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
        store.move_cursor("siem", 3).await.unwrap();
        assert_eq!(state(&backup).await, after, "{name}");

        store.set_down(true);
        assert!(matches!(write(&store).await, Err(StoreError::Unavailable(_))), "{name}");
    }
}
