//! The entries, and what has to be known about the places they go to.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use halligan_core::entry::{Draft, Sealed};
use halligan_core::id::GrantId;
use halligan_log::{Edge, Leaf};
use jiff::Timestamp;
use uuid::Uuid;

use super::{FakeStore, Inner};
use crate::ports::{
    Committed, Cursor, Cursors, Facts, Head, Import, LogRestore, LogStore, PersonalData, QueuedEntry, StoreError,
    Version, Versioned,
};

impl Inner {
    fn page(&self, position: u64, limit: u32) -> Vec<QueuedEntry> {
        let begin = usize::try_from(position.saturating_sub(1)).unwrap_or(usize::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.entries.iter().skip(begin).take(limit).cloned().collect()
    }

    fn about(&self, grant: GrantId) -> Vec<QueuedEntry> {
        self.entries.iter().filter(|entry| entry.sealed.entry.links.grant == Some(grant)).cloned().collect()
    }

    fn head(&self) -> Head {
        self.head.unwrap_or_else(|| Head { size: 0, root: Edge::default().root() })
    }

    fn advance(&mut self, head: Head) -> Result<(), StoreError> {
        let known = self.head();
        let forked = head.size == known.size && head.root != known.root;
        if forked || head.size > self.last() {
            return Err(StoreError::Conflict);
        }
        if head.size > known.size {
            self.head = Some(head);
        }
        Ok(())
    }

    fn cursor(&self, sink: &str) -> Cursor {
        Cursor { position: self.cursors.get(sink).copied().unwrap_or_default(), imports: self.imports }
    }

    fn import(&mut self, import: Import, now: Timestamp) -> Result<(), StoreError> {
        if let Some(flaw) = import.flaw() {
            return Err(StoreError::Unavailable(format!("nothing was imported: {flaw}")));
        }
        let Import { after, last, known, entries, tail, grants, effects, passkeys, sign_outs, head } = import;
        let kept = usize::try_from(after).unwrap_or(usize::MAX);
        let moved = known.is_some_and(|known| known != self.head());
        if moved || last != self.last() || !self.is_new(kept, &entries, &tail) {
            return Err(StoreError::Conflict);
        }
        // Everything is checked: from here on nothing fails.
        for gone in self.entries.split_off(kept) {
            self.ids.remove(&gone.sealed.entry.id);
        }
        entries.into_iter().for_each(|entry| self.push(entry));
        let mut time = self.entries.last().map_or(Timestamp::MIN, |last| last.sealed.entry.time);
        for Sealed { entry, personal } in tail {
            time = time.max(entry.time);
            let sealed = Sealed { entry: entry.recorded_at(time), personal };
            self.push(QueuedEntry::new(self.last().saturating_add(1), sealed));
        }
        for grant in grants {
            let known = self.grants.get(&grant.request.id).map_or(0, |known| known.version.0);
            let version = Version(known.saturating_add(1));
            self.grants.insert(grant.request.id, Versioned { grant, version });
        }
        for effect in effects {
            self.ask_for(effect, now);
        }
        self.forget_logins();
        passkeys.into_iter().for_each(|news| self.learn_of(news));
        sign_outs.into_iter().for_each(|(person, before)| self.out_since(&person, before));
        self.imports = self.imports.saturating_add(1);
        for cursor in self.cursors.values_mut() {
            *cursor = after.min(*cursor);
        }
        self.head = Some(head);
        Ok(())
    }

    /// Whether each id comes once, behind those that are `kept`.
    fn is_new(&self, kept: usize, entries: &[QueuedEntry], tail: &[Sealed]) -> bool {
        let mut ids: BTreeSet<Uuid> = self.entries.iter().take(kept).map(|kept| kept.sealed.entry.id).collect();
        let coming = entries.iter().map(|entry| &entry.sealed).chain(tail);
        coming.into_iter().all(|sealed| ids.insert(sealed.entry.id))
    }
}

#[async_trait]
impl LogStore for FakeStore {
    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<QueuedEntry>, StoreError> {
        self.read(|inner| inner.page(from, limit))
    }

    async fn last(&self) -> Result<u64, StoreError> {
        self.read(Inner::last)
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.read(Inner::head)
    }

    async fn advance(&self, head: Head) -> Result<(), StoreError> {
        self.write(|inner| inner.advance(head))
    }

    async fn timeline(&self, grant: GrantId) -> Result<Vec<QueuedEntry>, StoreError> {
        self.read(|inner| inner.about(grant))
    }
}

#[async_trait]
impl LogRestore for FakeStore {
    async fn import(&self, import: Import, now: Timestamp) -> Result<(), StoreError> {
        self.write(|inner| inner.import(import, now))
    }
}

#[async_trait]
impl PersonalData for FakeStore {
    async fn erase_before(&self, time: Timestamp) -> Result<u64, StoreError> {
        self.write(|inner| {
            let mut erased: u64 = 0;
            for entry in inner.entries.iter_mut().filter(|entry| entry.sealed.entry.time < time) {
                if entry.sealed.personal.take().is_some() {
                    entry.leaf = Arc::new(Leaf { entry: entry.leaf.entry.clone(), personal: None });
                    erased = erased.saturating_add(1);
                }
            }
            Ok(erased)
        })
    }
}

#[async_trait]
impl Cursors for FakeStore {
    async fn cursor(&self, sink: &str) -> Result<Cursor, StoreError> {
        self.read(|inner| inner.cursor(sink))
    }

    async fn move_cursor(&self, sink: &str, from: Cursor, position: u64) -> Result<Cursor, StoreError> {
        self.write(|inner| {
            if inner.cursor(sink) != from {
                return Err(StoreError::Conflict);
            }
            let position = position.max(from.position);
            inner.cursors.insert(sink.to_owned(), position);
            Ok(Cursor { position, ..from })
        })
    }
}

#[async_trait]
impl Facts for FakeStore {
    async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read(|inner| inner.facts.get(name).cloned())
    }

    async fn learn(
        &self,
        name: &str,
        known: Option<&str>,
        value: &str,
        entries: Vec<Draft>,
        now: Timestamp,
    ) -> Result<Committed, StoreError> {
        self.write(|inner| {
            if inner.facts.get(name).map(String::as_str) != known || inner.has_any(&entries) {
                return Err(StoreError::Conflict);
            }
            inner.facts.insert(name.to_owned(), value.to_owned());
            Ok(Committed { version: None, position: inner.append(entries, now) })
        })
    }
}
