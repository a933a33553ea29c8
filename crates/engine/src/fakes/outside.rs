//! The incident tool, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use halligan_core::id::ProviderId;
use halligan_core::incident::{IncidentRef, IncidentStatus, OpenIncident};

use crate::ports::Incidents;

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
