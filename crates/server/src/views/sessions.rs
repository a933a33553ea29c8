//! Sessions of people, and what ends them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A session of a browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Names it. Nothing can be done with it but to end the session.
    #[schema(example = "0192f0c1-7e4b-7c3a-9d5e-3f2a1b0c9d8e")]
    pub id: String,
    /// How its person came in: `provider`, or `passkey` while the provider was down.
    #[schema(example = "provider")]
    pub method: String,
    /// Who vouched for the login.
    #[schema(example = "https://login.example.com")]
    pub issuer: String,
    /// When it began.
    #[schema(example = "2026-03-01T03:12:47Z")]
    pub opened_at: String,
    /// When it was last used, to the minute.
    #[schema(example = "2026-03-01T03:40:00Z")]
    pub seen_at: String,
    /// The address that it was opened from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "192.0.2.17")]
    pub address: Option<String>,
}

/// The caller's sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Sessions)]
pub struct SessionList {
    /// The newest first. Tokens of command lines are no sessions: they are the provider's.
    pub sessions: Vec<SessionView>,
}

/// What was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SignedOut)]
pub struct SignedOutView {
    /// How many sessions of browsers there were. Tokens aren't counted: nobody keeps a list of them.
    #[schema(example = 2)]
    pub sessions: u64,
}

/// Somebody's passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Passkey)]
pub struct PasskeyView {
    /// The credential's id, base64url.
    #[schema(example = "BwcHBwcHBwcHBwcHBwcHBw")]
    pub credential: String,
    /// What its person called it.
    #[schema(example = "the blue key")]
    pub label: String,
    /// When it was enrolled.
    #[schema(example = "2026-03-01T03:12:47Z")]
    pub enrolled_at: String,
    /// Whether it counts for acknowledgements.
    pub counts: bool,
    /// Who confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "bob")]
    pub confirmed_by: Option<String>,
}

/// Somebody's passkeys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Passkeys)]
pub struct PasskeyList {
    /// The oldest first.
    pub passkeys: Vec<PasskeyView>,
}

/// Which passkey of somebody is to be removed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasskeyRemoval)]
pub struct PasskeyRemovalBody {
    /// The credential's id, base64url.
    #[schema(example = "BwcHBwcHBwcHBwcHBwcHBw", max_length = 600)]
    pub credential: String,
    /// Why, for the record.
    #[schema(example = "her phone was stolen", max_length = 1000)]
    pub reason: String,
}
