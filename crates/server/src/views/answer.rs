//! Answers that belong to no resource.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the broker is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Status)]
pub struct StatusView {
    /// `ok`.
    #[schema(example = "ok")]
    pub status: String,
}

/// Why something was refused: a problem detail of RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemView {
    /// Stable: `urn:halligan:problem:` and the problem's name.
    #[serde(rename = "type")]
    #[schema(example = "urn:halligan:problem:incident-closed")]
    pub kind: String,
    /// The type in words, always the same.
    #[schema(example = "the incident is closed")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 409)]
    pub status: u16,
    /// This occurrence in words: what was wrong, what was expected, what to do.
    pub detail: String,
    /// The field, header or parameter that was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "incident.id")]
    pub field: Option<String>,
    /// The policies that refused, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["acknowledgements-are-signed"]))]
    pub rules: Vec<String>,
    /// What would satisfy the rules that refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<String>,
    /// What the caller can do at once so that they are satisfied: `stepUp`, `sign`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["sign"]))]
    pub obligations: Vec<String>,
    /// Seconds after which another try makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// This occurrence: `urn:uuid:` and the request's id, as in the broker's trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "urn:uuid:0192f0c1-7e4b-7c3a-9d5e-3f2a1b0c9d8e")]
    pub instance: Option<String>,
}

impl ProblemView {
    /// What every type begins with.
    pub const TYPE_PREFIX: &str = "urn:halligan:problem:";

    /// The problem's name, if the type is one of ours.
    #[must_use]
    pub fn slug(&self) -> Option<&str> {
        self.kind.strip_prefix(Self::TYPE_PREFIX)
    }
}
