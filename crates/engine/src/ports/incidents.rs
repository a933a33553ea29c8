//! The tools that hold the incidents.

use async_trait::async_trait;
use halligan_core::incident::{IncidentRef, IncidentStatus};

/// Asks an incident's tool.
#[async_trait]
pub trait Incidents: Send + Sync {
    /// Whether the incident is open. Answers within a deadline of its own:
    /// whatever goes wrong is [`IncidentStatus::Unknown`], an incident that the
    /// tool denies having is [`IncidentStatus::Closed`] with `known: false`.
    /// A provider that isn't configured is closed in the same way.
    async fn check(&self, incident: &IncidentRef) -> IncidentStatus;

    /// The names of the configured providers.
    fn providers(&self) -> Vec<halligan_core::id::ProviderId>;
}
