//! The incident tools, by their names in the configuration.

mod file;
mod http;

use std::collections::BTreeMap;

use async_trait::async_trait;
use halligan_core::id::ProviderId;
use halligan_core::incident::{IncidentRef, IncidentStatus, OpenIncident};
use halligan_core::text::printable;
use halligan_engine::ports::Incidents;

pub use file::IncidentFile;
pub use http::{Fields, HttpIncidents, HttpSettings, InvalidHttpSettings};

/// The most that is read of a file or an answer.
const BODY_BYTES_MAX: usize = 1 << 20;

const SEVERITY_CHARACTERS_MAX: usize = 40;
const CREATOR_CHARACTERS_MAX: usize = 120;
const TITLE_CHARACTERS_MAX: usize = 200;
const REASON_CHARACTERS_MAX: usize = 300;

/// One configured tool.
#[derive(Debug)]
pub enum Provider {
    /// A file that somebody edits.
    File(IncidentFile),
    /// Any tool that answers with JSON over HTTP.
    Http(Box<HttpIncidents>),
}

/// Every configured tool.
#[derive(Debug, Default)]
pub struct IncidentTools {
    providers: BTreeMap<ProviderId, Provider>,
}

impl IncidentTools {
    /// Of these tools.
    #[must_use]
    pub const fn new(providers: BTreeMap<ProviderId, Provider>) -> Self {
        Self { providers }
    }
}

#[async_trait]
impl Incidents for IncidentTools {
    async fn check(&self, incident: &IncidentRef) -> IncidentStatus {
        let status = match self.providers.get(&incident.provider) {
            None => return IncidentStatus::Closed { known: false },
            Some(Provider::File(file)) => file.check(&incident.id).await,
            Some(Provider::Http(tool)) => tool.check(&incident.id).await,
        };
        if let IncidentStatus::Unknown { reason } = &status {
            tracing::warn!(provider = %incident.provider, incident = %incident.id, reason, "an incident's tool gave no usable answer");
        }
        status
    }

    fn providers(&self) -> Vec<ProviderId> {
        self.providers.keys().cloned().collect()
    }
}

fn unknown(reason: impl AsRef<str>) -> IncidentStatus {
    IncidentStatus::Unknown { reason: printable(reason.as_ref(), REASON_CHARACTERS_MAX) }
}

/// A tool's texts come from whoever opened the incident: bounded and harmless.
fn presentable(incident: OpenIncident) -> OpenIncident {
    let fit = |text: Option<String>, characters| {
        text.map(|text| printable(&text, characters)).filter(|text| !text.is_empty())
    };
    OpenIncident {
        severity: fit(incident.severity, SEVERITY_CHARACTERS_MAX),
        creator: fit(incident.creator, CREATOR_CHARACTERS_MAX),
        opened_at: incident.opened_at,
        title: fit(incident.title, TITLE_CHARACTERS_MAX),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_provider_that_is_not_configured_has_no_incidents() {
        let file = IncidentFile::new("/nowhere/incidents.json".into());
        let tools = IncidentTools::new([("drill".parse().unwrap(), Provider::File(file))].into());
        let of = |provider: &str| IncidentRef {
            provider: provider.parse().unwrap(),
            id: "INC-1".to_owned().try_into().unwrap(),
        };
        assert_eq!(tools.check(&of("pager")).await, IncidentStatus::Closed { known: false });
        assert!(matches!(tools.check(&of("drill")).await, IncidentStatus::Unknown { .. }));
        assert_eq!(tools.providers(), ["drill".parse().unwrap()]);
    }

    #[test]
    fn texts_of_tools_are_bounded_and_harmless() {
        let long = || Some(format!("\u{1b}[31m{}", "x".repeat(1_000)));
        let shown = presentable(OpenIncident { severity: long(), creator: long(), opened_at: None, title: long() });
        let lengths = [shown.severity, shown.creator, shown.title].map(|text| {
            let text = text.unwrap();
            assert!(!text.contains('\u{1b}'));
            text.chars().count()
        });
        assert!(lengths.iter().zip([40, 120, 200]).all(|(found, most)| *found <= most), "{lengths:?}");
        assert_eq!(presentable(OpenIncident { title: Some("\n".to_owned()), ..OpenIncident::default() }).title, None);
    }
}
