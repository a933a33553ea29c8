//! The log's entries and the way round its archives.

use halligan_engine::ports::QueuedEntry;
use halligan_engine::publish::Override;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An entry of the log, as it was first written.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogEntry)]
pub struct LogEntryView {
    /// Its index in the log.
    pub index: u64,
    /// The entry; `docs/log-format.md` describes it.
    #[schema(value_type = Object)]
    pub entry: serde_json::Value,
    /// Its personal part, unless there is none or it was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub personal: Option<serde_json::Value>,
}

impl From<&QueuedEntry> for LogEntryView {
    fn from(queued: &QueuedEntry) -> Self {
        let read = |text: &[u8]| serde_json::from_slice(text).unwrap_or_default();
        let personal = queued.leaf.personal.as_deref().map(read);
        Self { index: queued.index(), entry: read(&queued.leaf.entry), personal }
    }
}

/// For how long, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LogOverrideRequest)]
pub struct OverrideBody {
    /// For how long, in seconds.
    #[schema(example = 7200, minimum = 1)]
    pub duration_seconds: i64,
    /// Why, for the reviewer.
    #[schema(example = "both archive Regions are down", max_length = 1000)]
    pub reason: String,
}

/// Credentials may leave although no archive confirms.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = LogOverride)]
pub struct OverrideView {
    /// Who allowed it.
    pub by: String,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub until: jiff::Timestamp,
    /// The places that must confirm instead, all of them.
    pub confirmed_by: Vec<String>,
}

impl From<Override> for OverrideView {
    fn from(granted: Override) -> Self {
        let Override { by, until, confirmed_by } = granted;
        Self { by: by.to_string(), until, confirmed_by }
    }
}
