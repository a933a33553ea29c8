//! The store in memory. It keeps the contracts of [`crate::ports`] but for
//! durability, and can be told to fail.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use halligan_core::entry::{Draft, Sealed};
use halligan_core::grant::{Containment, Effect, Grant, State};
use halligan_core::id::{GrantId, PersonId, RoleId};
use jiff::{SignedDuration, Timestamp};

use crate::ports::{
    Begun, Change, Committed, DueGrant, Effort, Filter, GrantStore, Idempotency, IdempotencyKey, IdempotencyStore,
    Lease, Leases, LogQueue, Page, QueuedEntry, RoleLedger, RoleRecord, StoreError, Version, Versioned, WorkQueue,
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
    entries: Vec<Sealed>,
    published: u64,
    work: BTreeMap<Effect, Work>,
    leases: BTreeMap<String, Held>,
    roles: BTreeMap<RoleId, RoleRecord>,
    calls: BTreeMap<(PersonId, String, String), Call>,
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
        numbered(&self.inner().entries).collect()
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

fn position(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1)
}

fn numbered(entries: &[Sealed]) -> impl Iterator<Item = QueuedEntry> {
    entries.iter().enumerate().map(|(index, sealed)| QueuedEntry::new(position(index), sealed.clone()))
}

fn enforceable(grant: &Grant, now: Timestamp) -> bool {
    match &grant.state {
        State::Pending(_) | State::Dropped(_) => false,
        State::Active(_) => true,
        State::Ended(ended) => match ended.containment {
            Containment::Enforcing | Containment::Stuck { .. } => true,
            Containment::Fenced | Containment::Contained(_) => {
                ended.activation.deny_until().is_some_and(|until| until > now)
            }
        },
    }
}

fn call_key(key: &IdempotencyKey) -> (PersonId, String, String) {
    (key.person.clone(), key.route.clone(), key.key.clone())
}

impl Inner {
    fn is_entry(&self, draft: &Draft) -> bool {
        self.entries.iter().any(|sealed| sealed.entry.id == draft.id)
    }

    fn append(&mut self, entries: Vec<Draft>, now: Timestamp) -> Option<u64> {
        if entries.is_empty() {
            return None;
        }
        let time = self.entries.last().map_or(now, |last| last.entry.time.max(now));
        self.entries.extend(entries.into_iter().map(|draft| draft.seal(now, time)));
        Some(position(self.entries.len().saturating_sub(1)))
    }

    fn ask_for(&mut self, effect: Effect, due_at: Timestamp) {
        let work = self.work.entry(effect).or_insert(Work { due_at: None, attempts: 0, ask: 0 });
        work.due_at = Some(work.due_at.map_or(due_at, |due| due.min(due_at)));
        work.ask = work.ask.saturating_add(1);
    }

    fn commit(&mut self, change: Change, now: Timestamp) -> Result<Committed, StoreError> {
        let Change { grant, entries, effects, answers } = change;
        let answered = match (&grant, answers) {
            (Some((grant, _)), Some(key)) => Some((call_key(&key), grant.clone())),
            (None, _) | (_, None) => None,
        };
        let expected = grant
            .as_ref()
            .map(|(grant, version)| (self.grants.get(&grant.request.id).map(|found| found.version), *version));
        let moved = expected.is_some_and(|(found, expected)| found != expected);
        let taken =
            answered.as_ref().is_some_and(|(key, _)| self.calls.get(key).is_none_or(|call| call.answer.is_some()));
        if moved || taken || entries.iter().any(|draft| self.is_entry(draft)) {
            return Err(StoreError::Conflict);
        }
        // Everything is checked: from here on nothing fails.
        let version = grant.map(|(grant, version)| {
            let version = Version(version.map_or(1, |version| version.0.saturating_add(1)));
            self.grants.insert(grant.request.id, Versioned { grant, version });
            version
        });
        if let Some((key, grant)) = answered
            && let Some(call) = self.calls.get_mut(&key)
        {
            call.answer = Some(grant);
        }
        for effect in effects {
            self.ask_for(effect, now);
        }
        Ok(Committed { version, position: self.append(entries, now) })
    }
}

#[async_trait]
impl GrantStore for FakeStore {
    async fn grant(&self, id: GrantId) -> Result<Option<Versioned>, StoreError> {
        self.read(|inner| inner.grants.get(&id).cloned())
    }

    async fn grants(&self, filter: &Filter, limit: u32) -> Result<Page, StoreError> {
        let Filter { phases, role, incident, requester, before } = filter;
        self.read(|inner| {
            let wanted = |found: &&Versioned| {
                let request = &found.grant.request;
                (phases.is_empty() || phases.contains(&found.grant.phase()))
                    && role.as_ref().is_none_or(|role| request.target.id == *role)
                    && incident.as_ref().is_none_or(|incident| request.incident == *incident)
                    && requester.as_ref().is_none_or(|person| request.requester.person == *person)
                    && before.is_none_or(|before| request.id < before)
            };
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let mut found = inner.grants.values().rev().filter(wanted);
            let grants: Vec<Versioned> = found.by_ref().take(limit).cloned().collect();
            let next = found.next().and_then(|_| grants.last()).map(|last| last.grant.request.id);
            Page { grants, next }
        })
    }

    async fn next_due(&self, limit: u32) -> Result<Vec<DueGrant>, StoreError> {
        self.read(|inner| {
            let due =
                |found: &Versioned| Some(DueGrant { id: found.grant.request.id, due_at: found.grant.next_deadline()? });
            let mut due: Vec<DueGrant> = inner.grants.values().filter_map(due).collect();
            due.sort_by_key(|due| (due.due_at, due.id));
            due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            due
        })
    }

    async fn enforceable(&self, role: &RoleId, now: Timestamp) -> Result<Vec<Versioned>, StoreError> {
        self.read(|inner| {
            let wanted = |found: &&Versioned| found.grant.request.target.id == *role && enforceable(&found.grant, now);
            inner.grants.values().filter(wanted).cloned().collect()
        })
    }

    async fn commit(&self, change: Change, now: Timestamp) -> Result<Committed, StoreError> {
        self.write(|inner| inner.commit(change, now))
    }
}

#[async_trait]
impl LogQueue for FakeStore {
    async fn unpublished(&self, limit: u32) -> Result<Vec<QueuedEntry>, StoreError> {
        self.read(|inner| {
            let waiting = numbered(&inner.entries).filter(|entry| entry.position > inner.published);
            waiting.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()
        })
    }

    async fn mark_published(&self, position: u64) -> Result<(), StoreError> {
        self.write(|inner| {
            let last = u64::try_from(inner.entries.len()).unwrap_or(u64::MAX);
            inner.published = inner.published.max(position.min(last));
            Ok(())
        })
    }

    async fn published(&self) -> Result<u64, StoreError> {
        self.read(|inner| inner.published)
    }

    async fn timeline(&self, grant: GrantId) -> Result<Vec<QueuedEntry>, StoreError> {
        self.read(|inner| {
            numbered(&inner.entries).filter(|entry| entry.sealed.entry.links.grant == Some(grant)).collect()
        })
    }
}

#[async_trait]
impl WorkQueue for FakeStore {
    async fn due(&self, now: Timestamp) -> Result<Vec<Effort>, StoreError> {
        self.read(|inner| {
            let due = inner.work.iter().filter(|(_, work)| work.due_at.is_some_and(|due_at| due_at <= now));
            due.map(|(effect, work)| Effort { effect: effect.clone(), attempts: work.attempts, ask: work.ask })
                .collect()
        })
    }

    async fn next(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|inner| inner.work.values().filter_map(|work| work.due_at).min())
    }

    async fn complete(&self, effort: &Effort) -> Result<(), StoreError> {
        self.write(|inner| {
            if let Some(work) = inner.work.get_mut(&effort.effect)
                && work.ask == effort.ask
            {
                work.due_at = None;
                work.attempts = 0;
            }
            Ok(())
        })
    }

    async fn postpone(&self, effort: &Effort, again_at: Timestamp) -> Result<(), StoreError> {
        self.write(|inner| {
            if let Some(work) = inner.work.get_mut(&effort.effect)
                && work.due_at.is_some()
            {
                work.attempts = work.attempts.saturating_add(1);
                if work.ask == effort.ask {
                    work.due_at = Some(again_at);
                }
            }
            Ok(())
        })
    }

    async fn schedule(&self, effect: &Effect, due_at: Timestamp) -> Result<(), StoreError> {
        self.write(|inner| {
            inner.ask_for(effect.clone(), due_at);
            Ok(())
        })
    }
}

#[async_trait]
impl Leases for FakeStore {
    async fn acquire(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        length: SignedDuration,
    ) -> Result<Option<Lease>, StoreError> {
        self.write(|inner| {
            let held = inner.leases.get(name);
            if held.is_some_and(|held| held.until > now && held.holder != holder) {
                return Ok(None);
            }
            let token = held.map_or(1, |held| held.token.saturating_add(1));
            let until = now.saturating_add(length).unwrap_or(now);
            inner.leases.insert(name.to_owned(), Held { holder: holder.to_owned(), token, until });
            Ok(Some(Lease { name: name.to_owned(), token, until }))
        })
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.write(|inner| {
            if let Some(held) = inner.leases.get_mut(&lease.name)
                && held.token == lease.token
            {
                held.until = Timestamp::MIN;
            }
            Ok(())
        })
    }
}

#[async_trait]
impl RoleLedger for FakeStore {
    async fn record(&self, role: &RoleId) -> Result<RoleRecord, StoreError> {
        self.read(|inner| inner.roles.get(role).cloned().unwrap_or_default())
    }

    async fn save(
        &self,
        role: &RoleId,
        record: &RoleRecord,
        entries: Vec<Draft>,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Committed, StoreError> {
        self.write(|inner| {
            let held = inner.leases.get(&lease.name).is_some_and(|held| held.token == lease.token && held.until > now);
            if !held || entries.iter().any(|draft| inner.is_entry(draft)) {
                return Err(StoreError::Conflict);
            }
            inner.roles.insert(role.clone(), record.clone());
            Ok(Committed { version: None, position: inner.append(entries, now) })
        })
    }
}

#[async_trait]
impl IdempotencyStore for FakeStore {
    async fn begin(&self, key: &IdempotencyKey, body_sha256: &str, now: Timestamp) -> Result<Begun, StoreError> {
        self.write(|inner| {
            let fresh = Call { body_sha256: body_sha256.to_owned(), begun_at: now, answer: None };
            let Some(call) = inner.calls.get_mut(&call_key(key)) else {
                inner.calls.insert(call_key(key), fresh);
                return Ok(Begun::Fresh);
            };
            if call.body_sha256 != body_sha256 {
                return Ok(Begun::OtherBody);
            }
            if let Some(grant) = &call.answer {
                return Ok(Begun::Answered(Box::new(grant.clone())));
            }
            if now.duration_since(call.begun_at) < Idempotency::IN_FLIGHT {
                return Ok(Begun::InFlight);
            }
            *call = fresh;
            Ok(Begun::Fresh)
        })
    }

    async fn abandon(&self, key: &IdempotencyKey) -> Result<(), StoreError> {
        self.write(|inner| {
            let key = call_key(key);
            if inner.calls.get(&key).is_some_and(|call| call.answer.is_none()) {
                inner.calls.remove(&key);
            }
            Ok(())
        })
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write(|inner| {
            let count = inner.calls.len();
            inner.calls.retain(|_, call| call.begun_at >= before);
            Ok(u64::try_from(count.saturating_sub(inner.calls.len())).unwrap_or(u64::MAX))
        })
    }
}
