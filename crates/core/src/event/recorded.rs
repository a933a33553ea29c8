//! An event with what of it can be erased.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Event;
use crate::text::Reason;

/// The personal part of an entry: free text, addresses, names. It is committed
/// to by a salted hash and kept beside the entry, so that it can be erased.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Personal(pub BTreeMap<String, String>);

impl Personal {
    /// Whether there is nothing personal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, field: &str, text: impl Into<String>) -> Self {
        self.0.insert(field.to_owned(), text.into());
        self
    }
}

/// An event with its personal part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What happened.
    pub event: Event,
    /// What of it can be erased.
    pub personal: Personal,
}

impl Recorded {
    /// An event without personal data.
    #[must_use]
    pub fn plain(event: Event) -> Self {
        Self { event, personal: Personal::default() }
    }

    /// An event that somebody gave a reason for.
    #[must_use]
    pub fn with_reason(event: Event, reason: &Reason) -> Self {
        Self { event, personal: Personal::default().with("reason", reason.as_str()) }
    }
}
