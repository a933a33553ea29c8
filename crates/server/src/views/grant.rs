//! Grants.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{IncidentRefView, TargetView};

/// A state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GrantState {
    /// Waiting for the second person.
    Pending,
    /// Credentials may be minted.
    Active,
    /// A second person said no.
    Declined,
    /// The requester took the request back.
    Withdrawn,
    /// The incident closed while the request waited.
    Cancelled,
    /// Nobody answered in time.
    Lapsed,
    /// The end came.
    Expired,
    /// Taken, by a person, by an incident's end, for want of an acknowledgement.
    Revoked,
    /// Given back early.
    Returned,
}

impl GrantState {
    /// Whether this state is the last.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Pending | Self::Active => false,
            Self::Declined
            | Self::Withdrawn
            | Self::Cancelled
            | Self::Lapsed
            | Self::Expired
            | Self::Revoked
            | Self::Returned => true,
        }
    }
}

impl fmt::Display for GrantState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
            Self::Cancelled => "cancelled",
            Self::Lapsed => "lapsed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Returned => "returned",
        })
    }
}

/// A grant, from its request to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Grant)]
pub struct GrantView {
    /// 22 characters of 0-9, A-Z, a-z.
    #[schema(example = "01jQx3ZkP9sLw7TfYb2NcD")]
    pub id: String,
    /// Where it stands.
    pub state: GrantState,
    /// What for.
    pub target: TargetView,
    /// The IAM role that the catalogue meant when it was asked for.
    #[schema(example = "arn:aws:iam::123456789012:role/break-glass")]
    pub role_arn: String,
    /// The named session policy.
    #[schema(example = "read-only")]
    pub scope: String,
    /// The occasion.
    pub incident: IncidentRefView,
    /// Who asked, by name: persons and machines share one set of names.
    #[schema(example = "alice")]
    pub requester: String,
    /// Whether that is a person or a machine.
    #[serde(default)]
    pub requester_kind: PartyKind,
    /// The person for whom the machine asked, as its token says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "alice")]
    pub on_behalf_of: Option<String>,
    /// Why.
    #[schema(example = "checkout answers 500 since 02:40, need to see the queue")]
    pub reason: String,
    /// How long the access lasts from its activation, as asked for.
    #[schema(example = 1800)]
    pub duration_seconds: i64,
    /// Whether it starts before the second person answers.
    pub emergency: bool,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// What an acknowledgement is bound to: names the request and everything it would grant.
    #[schema(example = "6b0c8f1f6f4b8a3b1c8f6a2f1c0d9e8b7a6f5e4d3c2b1a09f8e7d6c5b4a39281")]
    pub request_hash: String,
    /// Until when a pending request waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_by: Option<Timestamp>,
    /// When the clock started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<Timestamp>,
    /// When the access ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// When an emergency start ends, unless it is acknowledged before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack_due: Option<Timestamp>,
    /// Every yes that it has, the first one first: a machine's request needs two, of two people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledgements: Vec<AcknowledgementView>,
    /// How many people must still say yes, so that it starts or goes on.
    #[serde(default)]
    #[schema(example = 1)]
    pub acknowledgements_needed: u8,
    /// The person whose yes completed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "bob")]
    pub acknowledged_by: Option<String>,
    /// When they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Timestamp>,
    /// Who said yes to later ends: each person's latest, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended: Vec<ExtendedView>,
    /// A later end that waits for a second person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<ExtensionView>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Who ended, declined or returned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "bob")]
    pub ended_by: Option<String>,
    /// Why it is over, in their words or in ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_because: Option<String>,
    /// Whether its end has been seen to hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containment: Option<ContainmentView>,
    /// How often credentials were issued, counting those whose outcome is unknown.
    pub credentials_issued: u32,
}

/// What somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartyKind {
    /// A human.
    #[default]
    Person,
    /// A pipeline, a workload, an incident tool. It asks, and never acknowledges.
    Machine,
}

/// Somebody's yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AcknowledgementGiven)]
pub struct AcknowledgementView {
    /// Whose.
    #[schema(example = "bob")]
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Whether a passkey of theirs signed it. The log has the signature.
    pub signed: bool,
}

/// Somebody's yes to a later end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExtensionGiven)]
pub struct ExtendedView {
    /// Theirs.
    #[serde(flatten)]
    pub yes: AcknowledgementView,
    /// The end that they said yes to.
    pub ends_at: Timestamp,
}

/// A pending extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Extension)]
pub struct ExtensionView {
    /// What an acknowledgement of it is bound to.
    pub hash: String,
    /// By how much the end would move, in seconds.
    #[schema(example = 900)]
    pub duration_seconds: i64,
    /// Why.
    #[schema(example = "the restore takes longer")]
    pub reason: String,
    /// Until when it waits.
    pub acknowledge_by: Timestamp,
}

/// How far the enforcement of an end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContainmentState {
    /// The end came when it was set: the fence in each session policy holds by itself.
    Fenced,
    /// The deny is being written, or hasn't been seen to bite yet.
    Enforcing,
    /// The deny was seen to bite.
    Contained,
    /// It was not, and is tried again.
    Stuck,
}

/// Whether an end has been seen to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Containment)]
pub struct ContainmentView {
    /// How far it has come.
    pub state: ContainmentState,
    /// Contained: when the last of the denials was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,
    /// Contained: from the grant's end to that denial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 3.25)]
    pub seconds: Option<f64>,
    /// Contained: where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["eu-central-1"]))]
    pub regions: Option<Vec<String>>,
    /// Stuck: since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Stuck: what was seen instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// A grant with what happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GrantWithTimeline {
    /// The grant.
    #[serde(flatten)]
    pub grant: GrantView,
    /// Its log entries, in order.
    pub timeline: Vec<TimelineEntry>,
}

/// A log entry of a grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// Its position in the store's order.
    pub position: u64,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "grant.requested")]
    pub kind: String,
    /// The person or machine, where there was one: the broker itself acts too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "alice")]
    pub actor: Option<String>,
    /// The reason that was given, until it is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the type says more.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// A page of grants, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GrantPage {
    /// The grants.
    pub grants: Vec<GrantView>,
    /// The `cursor` of the next page, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The grants that were ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RevokedGrants {
    /// The grants as they are now.
    pub grants: Vec<GrantView>,
}
