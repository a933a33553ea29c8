//! Incidents: a request names one, and the tool that holds it says whether it is open.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, ProviderId};

/// An incident's id at its provider: what tools use (`INC-219`, `Q1A2`,
/// `owner/repository#12`), and nothing that could walk a path or leave a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("maxLength" = 128))]
pub struct IncidentId(String);

impl IncidentId {
    /// The id as the provider writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for IncidentId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:/#@+=-".contains(&b);
        let legal = text.len() <= 128
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && text.bytes().all(allowed)
            && !text.contains("..")
            && !text.contains("//");
        if legal {
            return Ok(Self(text));
        }
        let expected =
            "1 to 128 of letters, digits and ._:/#@+=-, beginning with a letter or digit, without `..` or `//`";
        Err(InvalidId::new("incident id", expected, &text))
    }
}

impl From<IncidentId> for String {
    fn from(id: IncidentId) -> Self {
        id.0
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which incident, and which tool to ask about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentRef {
    /// The tool, by its name in the configuration.
    pub provider: ProviderId,
    /// The incident's id there.
    pub id: IncidentId,
}

impl fmt::Display for IncidentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.id)
    }
}

/// What the incident's tool answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum IncidentStatus {
    /// People are working on it.
    Open(OpenIncident),
    /// It is over, or the tool has never heard of it.
    Closed {
        /// Whether the tool knows the incident at all.
        known: bool,
    },
    /// The tool gave no usable answer, so nobody knows.
    Unknown {
        /// What went wrong, fit to be shown.
        reason: String,
    },
}

/// What is known of an open incident. Texts are the tool's, made printable.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OpenIncident {
    /// The tool's word for how bad it is.
    pub severity: Option<String>,
    /// Who opened it, in the tool's words: whoever can open one holds half the check.
    pub creator: Option<String>,
    /// Since when.
    pub opened_at: Option<Timestamp>,
    /// One line of what it is about.
    pub title: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_real_tools_are_taken_and_paths_and_urls_refused() {
        for text in ["INC-219", "Q02JTSNZWHSEKV", "example/api#12", "01FCNDV6P870EA6S7TK1DSYDG0"] {
            assert!(IncidentId::try_from(text.to_owned()).is_ok(), "{text}");
        }
        let long = "1".repeat(10_240);
        for text in ["", "../admin", "a/../b", "https://example.com/1", "/etc", "a b", "é", "a\n", long.as_str()] {
            assert!(IncidentId::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
