//! What can be asked for, on which occasion, and by whom.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TargetView;

/// What the caller may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoleList {
    /// The roles that the caller may do something with.
    pub roles: Vec<RoleView>,
}

/// A role of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Role)]
pub struct RoleView {
    /// Names it in a request.
    pub target: TargetView,
    /// One line for people who choose.
    #[schema(example = "administrator of the production account")]
    pub description: String,
    /// The AWS account's twelve digits.
    #[schema(example = "123456789012")]
    pub account: String,
    /// The IAM role.
    #[schema(example = "arn:aws:iam::123456789012:role/break-glass")]
    pub role_arn: String,
    /// Where it is used.
    #[schema(example = json!(["eu-central-1"]))]
    pub regions: Vec<String>,
    /// Its named session policies.
    #[schema(example = json!(["read-only", "everything"]))]
    pub scopes: Vec<String>,
    /// The scope of a request that names none.
    #[schema(example = "read-only")]
    pub default_scope: String,
    /// The longest that can be asked for, in seconds.
    #[schema(example = 7200)]
    pub duration_seconds_max: i64,
    /// Whether it has emergency starts.
    pub emergency: bool,
    /// Whether a console sign-in may be minted.
    pub console: bool,
    /// What the caller may do: `request`, `startEmergency`, `acknowledge`, `mint`, `extend`, `revoke`, `read`.
    #[schema(example = json!(["request", "mint", "extend", "read"]))]
    pub may: Vec<String>,
}

/// An incident, as its tool sees it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = IncidentStatus)]
pub struct IncidentView {
    /// The tool.
    #[schema(example = "incidents")]
    pub provider: String,
    /// The incident's id there.
    #[schema(example = "INC-219")]
    pub id: String,
    /// Open, closed, or nobody knows.
    pub status: IncidentState,
    /// Closed: whether the tool knows it at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<bool>,
    /// Open: the tool's word for how bad it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "sev1")]
    pub severity: Option<String>,
    /// Open: who opened it, in the tool's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "carol@example.com")]
    pub creator: Option<String>,
    /// Open: since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// Open: one line of what it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "checkout answers 500")]
    pub title: Option<String>,
    /// Unknown: what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What an incident's tool answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    /// People are working on it.
    Open,
    /// It is over, or the tool has never heard of it.
    Closed,
    /// The tool gave no usable answer.
    Unknown,
}
