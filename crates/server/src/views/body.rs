//! Bodies of requests. They refuse fields that they don't know.

use serde::{Deserialize, Serialize};
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
    /// A passkey's signature over it, where the policy demands one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureBody>,
}

/// What a passkey answered to the challenge of an acknowledgement. Texts are base64url without
/// padding, except the nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasskeySignature)]
pub struct SignatureBody {
    /// The challenge's `nonce`, as it was given: 64 hexadecimal digits, good for one answer.
    #[schema(min_length = 64, max_length = 64)]
    pub nonce: String,
    /// The credential's id.
    #[schema(max_length = 1024)]
    pub credential: String,
    /// What the authenticator says.
    #[schema(max_length = 1024)]
    pub authenticator_data: String,
    /// What the browser says: the bytes of its JSON.
    #[schema(max_length = 1024)]
    pub client_data: String,
    /// The signature over both.
    #[schema(max_length = 1024)]
    pub signature: String,
}

/// What a passkey is to sign. Texts are hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PasskeyChallenge)]
pub struct ChallengeView {
    /// Goes back with the answer.
    pub nonce: String,
    /// The 32 bytes of the challenge: SHA-256 over what it is for, the request and the nonce.
    pub challenge: String,
    /// The relying party.
    #[schema(example = "halligan.example.com")]
    pub rp_id: String,
    /// The ids of the caller's passkeys, base64url.
    pub credentials: Vec<String>,
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
    /// Those of this person or machine.
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
