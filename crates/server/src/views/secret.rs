//! What is answered once and kept nowhere.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

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
