//! Who the caller is, and with whom to sign in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PartyKind;

/// Who the caller is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Me)]
pub struct MeView {
    /// Whether the login is a person's or a machine's.
    pub kind: PartyKind,
    /// The person or machine: they share one set of names.
    #[schema(example = "alice")]
    pub name: String,
    /// The person for whom a machine acts, as its token says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "alice")]
    pub on_behalf_of: Option<String>,
    /// The login's issuer.
    #[schema(example = "https://login.example.com")]
    pub issuer: String,
    /// The login's subject.
    #[schema(example = "00u1a2b3c4")]
    pub subject: String,
    /// Their groups, as policies see them now.
    #[schema(example = json!(["on-call"]))]
    pub groups: Vec<String>,
    /// The way in: `api`.
    #[schema(example = "api")]
    pub channel: String,
    /// Seconds since they proved who they are, where the token says when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 120)]
    pub auth_age_seconds: Option<i64>,
    /// Seconds since they did so with a second factor, where the token says that they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 120)]
    pub mfa_age_seconds: Option<i64>,
    /// This installation.
    #[schema(example = "production")]
    pub deployment: String,
    /// The incident tools that a request can name.
    #[schema(example = json!(["incidents"]))]
    pub incident_providers: Vec<String>,
}

/// With whom a command line signs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SignInOptions)]
pub struct SignInList {
    /// The providers, in the order of the configuration. None: tokens come from elsewhere.
    pub providers: Vec<SignInView>,
}

/// An OpenID provider, and what a command line tells it. Nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SignInOption)]
pub struct SignInView {
    /// What it is called here.
    #[schema(example = "okta")]
    pub name: String,
    /// Its `iss`: its description of itself is below it.
    #[schema(example = "https://login.example.com")]
    pub issuer: String,
    /// The public client that command lines are there. They present its ID tokens here.
    #[schema(example = "halligan-command-line")]
    pub client_id: String,
    /// What to ask for.
    #[schema(example = json!(["openid"]))]
    pub scopes: Vec<String>,
    /// The audience of access tokens for this API, where the provider has to be told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "halligan")]
    pub audience: Option<String>,
}
