//! The JSON of the API, as the server writes and the command line reads it.
//!
//! Bodies of requests refuse fields that they don't know: a client that sends
//! `state` or `ends_at` learns that it decides neither. Answers may grow fields.

use std::fmt;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

/// What a grant is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Target)]
pub struct TargetView {
    /// What sort of thing it is.
    pub kind: TargetKind,
    /// Its name in the catalogue.
    #[schema(example = "prod-admin", max_length = 64)]
    pub id: String,
}

/// The sorts of things that a grant can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum TargetKind {
    /// A role of the catalogue.
    #[serde(rename = "aws-role")]
    AwsRole,
}

impl TargetView {
    /// The role of this name.
    #[must_use]
    pub fn role(id: impl Into<String>) -> Self {
        Self { kind: TargetKind::AwsRole, id: id.into() }
    }
}

/// Which incident, and which tool holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Incident)]
pub struct IncidentRefView {
    /// The tool, by its name in the configuration.
    #[schema(example = "incidents", max_length = 64)]
    pub provider: String,
    /// The incident's id there.
    #[schema(example = "INC-219", max_length = 128)]
    pub id: String,
}

/// A request for a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GrantRequest)]
pub struct RequestBody {
    /// What for.
    pub target: TargetView,
    /// The named, narrower session policy; none: the role's default, its narrowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "read-only", max_length = 64)]
    pub scope: Option<String>,
    /// The occasion: it must be open.
    pub incident: IncidentRefView,
    /// Why, for the second person and the reviewer.
    #[schema(example = "checkout answers 500 since 02:40, need to see the queue", max_length = 1000)]
    pub reason: String,
    /// How long the access is to last from its activation, in seconds.
    #[schema(example = 1800, minimum = 1)]
    pub duration_seconds: i64,
    /// Start at once, and end soon unless a second person acknowledges.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
}

/// A second person's yes to exactly what the hash names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Acknowledgement)]
pub struct AcknowledgeBody {
    /// The grant's `request_hash`, or the `hash` of its pending extension.
    #[schema(
        example = "6b0c8f1f6f4b8a3b1c8f6a2f1c0d9e8b7a6f5e4d3c2b1a09f8e7d6c5b4a39281",
        min_length = 64,
        max_length = 64
    )]
    pub request_hash: String,
}

/// Why something is declined, revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Reason)]
pub struct ReasonBody {
    /// Why, for the reviewer.
    #[schema(example = "the incident is about another account", max_length = 1000)]
    pub reason: String,
}

/// A request for a later end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExtensionRequest)]
pub struct ExtendBody {
    /// By how much, in seconds.
    #[schema(example = 900, minimum = 1)]
    pub duration_seconds: i64,
    /// Why, for the second person and the reviewer.
    #[schema(example = "the restore takes longer", max_length = 1000)]
    pub reason: String,
}

/// Nothing: `{}` or no body at all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Nothing)]
pub struct EmptyBody {}

/// Which grants to end, all at once. At least one of the four says which; where
/// several do, a grant must fit them all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Revocation)]
pub struct RevocationBody {
    /// Those of this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetView>,
    /// Those on this occasion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentRefView>,
    /// Those of this person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "alice", max_length = 64)]
    pub requester: Option<String>,
    /// Every one of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Why, for the reviewer.
    #[schema(example = "the laptop of carol was stolen", max_length = 1000)]
    pub reason: String,
}

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
    /// The person who asked.
    #[schema(example = "alice")]
    pub requester: String,
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
    /// The second person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "bob")]
    pub acknowledged_by: Option<String>,
    /// When the second person said yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Timestamp>,
    /// A later end that waits for a second person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<ExtensionView>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The person who ended, declined or returned it.
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
    /// The person, where there was one: the broker itself acts too.
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

/// Session credentials, in the form that `credential_process` takes. Secret: answered
/// once, kept nowhere.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = Credentials)]
pub struct CredentialsView {
    /// Always 1.
    #[schema(example = 1)]
    pub version: u8,
    /// Not a secret.
    #[schema(example = "ASIAEXAMPLE")]
    pub access_key_id: String,
    /// Secret.
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String, format = Password)]
    pub secret_access_key: SecretString,
    /// Secret, of no fixed length.
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String, format = Password)]
    pub session_token: SecretString,
    /// The earlier of the token's end and the fence.
    pub expiration: Timestamp,
}

/// A console sign-in. Secret: answered once, kept nowhere.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = ConsoleSignIn)]
pub struct ConsoleView {
    /// Signs in once, within 15 minutes.
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String, format = Password)]
    pub url: SecretString,
    /// When the access that it opens ends.
    pub expires_at: Timestamp,
}

// The one place where a secret is written out: into the answer it was minted for.
fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

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

/// Who the caller is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Me)]
pub struct MeView {
    /// The person that the login is linked to.
    #[schema(example = "alice")]
    pub person: String,
    /// The login's issuer.
    #[schema(example = "https://login.example.com")]
    pub issuer: String,
    /// The login's subject.
    #[schema(example = "alice@example.com")]
    pub subject: String,
    /// This installation.
    #[schema(example = "production")]
    pub deployment: String,
    /// The incident tools that a request can name.
    #[schema(example = json!(["incidents"]))]
    pub incident_providers: Vec<String>,
}

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
    /// What would satisfy the rules that refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<String>,
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
