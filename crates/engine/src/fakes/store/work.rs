//! Work, and who does it.

use async_trait::async_trait;
use halligan_core::entry::Draft;
use halligan_core::grant::Effect;
use halligan_core::id::RoleId;
use jiff::{SignedDuration, Timestamp};

use super::{FakeStore, Held};
use crate::ports::{Committed, Effort, Lease, Leases, RoleLedger, RoleRecord, StoreError, WorkQueue};

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
            if !held || inner.has_any(&entries) {
                return Err(StoreError::Conflict);
            }
            inner.roles.insert(role.clone(), record.clone());
            Ok(Committed { version: None, position: inner.append(entries, now) })
        })
    }
}
