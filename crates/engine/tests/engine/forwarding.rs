//! What a sink is sent while the store is imported into.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use halligan_engine::fakes::fixtures::{self, Asking};
use halligan_engine::fakes::store::FakeStore;
use halligan_engine::fakes::world::{FakeWorld, caller};
use halligan_engine::ports::{
    Clock as _, Cursors as _, Head, Import, LogRestore as _, LogStore as _, QueuedEntry, Sink, SinkError,
};
use halligan_engine::reconcile::Reconciler as _;
use halligan_log::Edge;
use jiff::Timestamp;

use crate::support::{active, ask, forwarding, world};

/// A sink that takes so long for one batch that the store is imported into meanwhile.
struct Interrupted {
    store: Arc<FakeStore>,
    import: Mutex<Option<Import>>,
    kept: Mutex<Vec<QueuedEntry>>,
}

#[async_trait]
impl Sink for Interrupted {
    fn name(&self) -> &str {
        "siem"
    }

    async fn send(&self, entries: &[QueuedEntry]) -> Result<(), SinkError> {
        self.kept.lock().unwrap().extend_from_slice(entries);
        let import = self.import.lock().unwrap().take();
        if let Some(import) = import {
            self.store.import(import, fixtures::start()).await.unwrap();
        }
        Ok(())
    }
}

/// An import of other entries than the store's behind the first `after`.
async fn import(world: &FakeWorld, after: u64) -> Import {
    let own = world.store.entries();
    let time = own.last().map_or(Timestamp::MIN, |last| last.sealed.entry.time);
    let grant = Asking::new(9).open();
    let event = grant.events[0].clone();
    let other = |position| {
        let draft = fixtures::draft(&grant.grant, event.clone(), 9_000 + position);
        QueuedEntry::new(position, draft.seal(time, time))
    };
    let last = own.len() as u64;
    let entries: Vec<QueuedEntry> = (after + 1..=last).map(other).collect();
    let log = own.iter().take(usize::try_from(after).unwrap()).chain(&entries);
    let edge = Edge::default().grow(log.map(|entry| entry.leaf.clone())).unwrap().edge;
    Import {
        after,
        last,
        known: Some(world.store.head().await.unwrap()),
        entries,
        tail: vec![],
        grants: vec![],
        effects: vec![],
        passkeys: vec![],
        sign_outs: vec![],
        head: Head { size: edge.size(), root: edge.root() },
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_import_replaces_while_it_is_sent_is_sent_anew() {
    // Where the import parts from what the store had: before the cursor, at it, behind it.
    for (name, parts) in [("at the beginning", 0), ("before the cursor", 1), ("at the cursor", 3), ("behind it", 4)] {
        let (world, _) = world();
        let running = world.start();
        active(&running.broker).await;
        for name in ["alice", "bob"] {
            running.broker.request(&caller(name), ask()).await.unwrap();
        }
        running.settle().await.unwrap();
        let sink =
            Arc::new(Interrupted { store: world.store.clone(), import: Mutex::default(), kept: Mutex::default() });
        let cursor = world.store.cursor("siem").await.unwrap();
        world.store.move_cursor("siem", cursor, 3).await.unwrap();
        sink.kept.lock().unwrap().extend_from_slice(&world.store.entries()[..3]);
        assert!(world.store.head().await.unwrap().size > 4, "{name}");
        *sink.import.lock().unwrap() = Some(import(&world, parts).await);

        let forwarding = forwarding(&world, &running, sink.clone());
        let now = world.clock.now();
        let status = forwarding.tick(now).await.unwrap();
        assert_eq!(status.next, Some(now), "{name}: it goes on at once");
        assert_eq!(world.store.cursor("siem").await.unwrap().position, parts.min(3), "{name}");
        assert_eq!(forwarding.tick(now).await.unwrap().next, None, "{name}");
        let kept: BTreeMap<u64, QueuedEntry> =
            sink.kept.lock().unwrap().iter().map(|entry| (entry.position, entry.clone())).collect();
        let kept: Vec<QueuedEntry> = kept.into_values().collect();
        let (entries, size) = (world.store.entries(), world.store.head().await.unwrap().size);
        assert_eq!(kept, entries[..usize::try_from(size).unwrap()], "{name}: its last word of each is the log's");
        assert_eq!(world.store.cursor("siem").await.unwrap().position, size, "{name}");
    }
}
