//! Grants, and every change.

use async_trait::async_trait;
use halligan_core::grant::{Containment, Grant, State};
use halligan_core::id::{GrantId, RoleId};
use jiff::Timestamp;

use super::{FakeStore, Inner, call_key};
use crate::ports::{Change, Committed, DueGrant, Filter, GrantStore, Page, StoreError, Version, Versioned};

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
                    && requester.as_ref().is_none_or(|person| request.requester.name() == *person)
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

impl Inner {
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
        if moved || taken || self.has_any(&entries) {
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
