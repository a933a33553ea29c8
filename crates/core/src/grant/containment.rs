//! Whether an end has been seen to hold.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the enforcement of an end stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "containment", rename_all = "snake_case")]
pub enum Containment {
    /// The end came when it was set: the fence in each session policy holds by itself.
    Fenced,
    /// The deny is being written, or hasn't been seen to bite yet.
    Enforcing,
    /// The deny was seen to bite.
    Contained(Evidence),
    /// It was not, and is tried again.
    Stuck {
        /// Since when.
        since: Timestamp,
        /// What was seen instead.
        because: String,
    },
}

/// How a deny was seen to bite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What the probe could do before.
    pub baseline: Baseline,
    /// The last of the denials that were asked for.
    pub observed_at: Timestamp,
    /// From the grant's end to that denial, in milliseconds.
    pub after_ms: i64,
    /// Where.
    pub regions: Vec<RegionEvidence>,
}

/// What the probe could do before the deny was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// Its call succeeded: the denial afterwards is the deny's.
    Allowed,
    /// The deny stood already (the broker was restarted after writing it): the
    /// denial is told by a control session that differs in its tag alone.
    AlreadyDenied,
    /// None was needed: every token of the grant had died by then.
    TokensDead,
}

/// What was seen in one Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RegionEvidence {
    /// The Region.
    pub region: String,
    /// Explicit denials in a row, each on a fresh connection, while the control stayed allowed.
    pub denials: u32,
}
