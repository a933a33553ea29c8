//! The store in memory. It keeps the contracts of [`crate::ports`] but for
//! durability, and can be told to fail.

mod grants;
mod idempotency;
mod identity;
mod log;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use halligan_core::actor::Principal;
use halligan_core::entry::Draft;
use halligan_core::grant::{Effect, Grant};
use halligan_core::id::{GrantId, GroupId, PersonId, RoleId};
use jiff::Timestamp;
use uuid::Uuid;

use crate::ports::{
    Head, IdempotencyKey, Passkey, QueuedEntry, RoleRecord, SecretHash, Session, StoreError, Versioned,
};

/// How a write goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and nothing has happened.
    NotDone,
    /// It fails, and has happened all the same: its answer was lost.
    Done,
}

/// A store in memory.
#[derive(Debug, Default)]
pub struct FakeStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Clone, Default)]
struct Inner {
    grants: BTreeMap<GrantId, Versioned>,
    entries: Vec<QueuedEntry>,
    /// Of every entry.
    ids: BTreeSet<Uuid>,
    /// Of the last entry there ever was; none before the first.
    time: Option<Timestamp>,
    /// None: of the empty tree.
    head: Option<Head>,
    cursors: BTreeMap<String, u64>,
    imports: u64,
    facts: BTreeMap<String, String>,
    work: BTreeMap<Effect, Work>,
    leases: BTreeMap<String, Held>,
    roles: BTreeMap<RoleId, RoleRecord>,
    calls: BTreeMap<(PersonId, String, String), Call>,
    sessions: BTreeMap<SecretHash, Session>,
    sign_outs: BTreeMap<PersonId, Timestamp>,
    ceremonies: BTreeMap<SecretHash, Ceremony>,
    groups: BTreeMap<Principal, (BTreeSet<GroupId>, Timestamp)>,
    passkeys: BTreeMap<String, Passkey>,
    writes: u64,
    faults: BTreeMap<u64, Fault>,
    down: bool,
}

/// A row of the work queue. It stays when it is done, so that its count of asks never begins again.
#[derive(Debug, Clone, Copy)]
struct Work {
    due_at: Option<Timestamp>,
    attempts: u32,
    ask: u64,
}

#[derive(Debug, Clone)]
struct Held {
    holder: String,
    token: u64,
    until: Timestamp,
}

#[derive(Debug, Clone)]
struct Call {
    body_sha256: String,
    begun_at: Timestamp,
    answer: Option<Grant>,
}

#[derive(Debug, Clone)]
struct Ceremony {
    body: String,
    expires_at: Timestamp,
    room: &'static str,
}

impl FakeStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a backup taken now would restore.
    #[must_use]
    pub fn backup(&self) -> Self {
        Self { inner: Mutex::new(self.inner().clone()) }
    }

    /// Steps back to `backup` under whoever uses it, as a database does whose replica takes over.
    pub fn step_back(&self, backup: &Self) {
        let was = backup.inner().clone();
        *self.inner() = was;
    }

    /// How many writes were tried.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.inner().writes
    }

    /// Makes the `nth` write from now fail; the next one is 0.
    pub fn fail_write(&self, nth: u64, fault: Fault) {
        let mut inner = self.inner();
        let at = inner.writes.saturating_add(nth);
        inner.faults.insert(at, fault);
    }

    /// Makes every call fail, or none any more.
    pub fn set_down(&self, down: bool) {
        self.inner().down = down;
    }

    /// Every entry, in order.
    #[must_use]
    pub fn entries(&self) -> Vec<QueuedEntry> {
        self.inner().entries.clone()
    }

    /// How far each sink is that has begun.
    #[must_use]
    pub fn cursors(&self) -> BTreeMap<String, u64> {
        self.inner().cursors.clone()
    }

    /// Everybody who is signed in.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        self.inner().sessions.values().cloned().collect()
    }

    /// How many ceremonies are under way, or have expired and are not forgotten yet.
    #[must_use]
    pub fn ceremonies(&self) -> usize {
        self.inner().ceremonies.len()
    }

    /// Every passkey.
    #[must_use]
    pub fn passkeys(&self) -> Vec<Passkey> {
        self.inner().passkeys.values().cloned().collect()
    }

    /// What is known, by name.
    #[must_use]
    pub fn facts(&self) -> BTreeMap<String, String> {
        self.inner().facts.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A write changes nothing before it has checked everything: what a panic leaves is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, read: impl FnOnce(&Inner) -> T) -> Result<T, StoreError> {
        let inner = self.inner();
        if inner.down { Err(down()) } else { Ok(read(&inner)) }
    }

    fn write<T>(&self, write: impl FnOnce(&mut Inner) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut inner = self.inner();
        if inner.down {
            return Err(down());
        }
        let nth = inner.writes;
        inner.writes = nth.saturating_add(1);
        match inner.faults.remove(&nth) {
            None => write(&mut inner),
            Some(Fault::NotDone) => Err(StoreError::Unavailable("told to fail before it was done".to_owned())),
            Some(Fault::Done) => {
                write(&mut inner)?;
                Err(StoreError::Unavailable("told to fail after it was done".to_owned()))
            }
        }
    }
}

fn down() -> StoreError {
    StoreError::Unavailable("told to be down".to_owned())
}

fn call_key(key: &IdempotencyKey) -> (PersonId, String, String) {
    (key.person.clone(), key.route.clone(), key.key.clone())
}

impl Inner {
    /// The position of the last entry.
    fn last(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap_or(u64::MAX)
    }

    /// Whether an id is there already, or comes twice.
    fn has_any(&self, drafts: &[Draft]) -> bool {
        let mut new = BTreeSet::new();
        drafts.iter().any(|draft| self.ids.contains(&draft.id) || !new.insert(draft.id))
    }

    fn append(&mut self, entries: Vec<Draft>, now: Timestamp) -> Option<u64> {
        if entries.is_empty() {
            return None;
        }
        let time = self.time.map_or(now, |last| last.max(now));
        for draft in entries {
            self.push(QueuedEntry::new(self.last().saturating_add(1), draft.seal(now, time)));
        }
        Some(self.last())
    }

    fn push(&mut self, entry: QueuedEntry) {
        self.time = self.time.max(Some(entry.sealed.entry.time));
        self.ids.insert(entry.sealed.entry.id);
        self.entries.push(entry);
    }

    fn ask_for(&mut self, effect: Effect, due_at: Timestamp) {
        let work = self.work.entry(effect).or_insert(Work { due_at: None, attempts: 0, ask: 0 });
        work.due_at = Some(work.due_at.map_or(due_at, |due| due.min(due_at)));
        work.ask = work.ask.saturating_add(1);
    }
}
