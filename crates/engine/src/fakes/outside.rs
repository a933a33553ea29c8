//! The incident tool and the log sink, in memory, with bad days.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use halligan_core::id::ProviderId;
use halligan_core::incident::{IncidentRef, IncidentStatus, OpenIncident};

use super::store::Fault;
use crate::ports::{Incidents, Journal, JournalError, QueuedEntry};

/// An incident tool: what isn't set is unheard of.
#[derive(Debug, Default)]
pub struct FakeIncidents(Mutex<BTreeMap<IncidentRef, IncidentStatus>>);

impl FakeIncidents {
    /// From now on the tool answers so.
    pub fn set(&self, incident: IncidentRef, status: IncidentStatus) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(incident, status);
    }

    /// From now on the incident is open.
    pub fn open(&self, incident: IncidentRef) {
        self.set(incident, IncidentStatus::Open(OpenIncident::default()));
    }
}

#[async_trait]
impl Incidents for FakeIncidents {
    async fn check(&self, incident: &IncidentRef) -> IncidentStatus {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(incident).cloned();
        known.unwrap_or(IncidentStatus::Closed { known: false })
    }

    fn providers(&self) -> Vec<ProviderId> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut providers: Vec<_> = known.keys().map(|incident| incident.provider.clone()).collect();
        providers.dedup();
        providers
    }
}

/// A sink that keeps what it is given.
#[derive(Debug, Default)]
pub struct FakeSink(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    entries: Vec<QueuedEntry>,
    down: bool,
    once: Option<Fault>,
}

impl FakeSink {
    /// Makes every append fail, or none any more.
    pub fn set_down(&self, down: bool) {
        self.kept().down = down;
    }

    /// Makes the next append fail.
    pub fn fail_once(&self, fault: Fault) {
        self.kept().once = Some(fault);
    }

    /// What it holds.
    #[must_use]
    pub fn entries(&self) -> Vec<QueuedEntry> {
        self.kept().entries.clone()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for FakeSink {
    async fn append(&self, entries: &[QueuedEntry]) -> Result<(), JournalError> {
        let mut kept = self.kept();
        let fault = kept.once.take();
        if kept.down || fault == Some(Fault::NotDone) {
            return Err(JournalError::Unavailable("told to fail before it was done".to_owned()));
        }
        for entry in entries {
            let index = usize::try_from(entry.position.saturating_sub(1)).unwrap_or(usize::MAX);
            match kept.entries.get(index) {
                Some(held) if held == entry => {}
                Some(_) => return Err(JournalError::Fork { position: entry.position }),
                None if index == kept.entries.len() => kept.entries.push(entry.clone()),
                None => return Err(JournalError::Unavailable(format!("a gap before position {}", entry.position))),
            }
        }
        match fault {
            Some(_) => Err(JournalError::Unavailable("told to fail after it was done".to_owned())),
            None => Ok(()),
        }
    }
}
