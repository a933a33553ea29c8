//! The tokens of a sign-in, in a private file beside the profile.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use halligan_connect::oidc::SignedIn;
use halligan_engine::ports::SecretText;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use super::SignInError;
use crate::client::lock::{self, Lock};
use crate::client::private;
use crate::client::profile::{ProfileError, SignInProfile, file_of};

/// A token with less left than this is renewed first, so that it lives until the broker looks.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_secs(60);
/// Longer than three calls to a provider may take: whoever holds the lock is done by then.
const LOCK_WITHIN: Duration = Duration::from_secs(30);

/// What a sign-in came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// The broker that they are for: a profile that names another must sign in anew.
    url: String,
    /// Who vouches.
    issuer: String,
    /// For which client.
    client_id: String,
    /// The `sub`.
    pub subject: String,
    /// What the broker is shown.
    #[serde(serialize_with = "exposed")]
    pub id_token: SecretText,
    /// What gets the next one.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "exposed_if_any")]
    pub refresh_token: Option<SecretText>,
    /// When the ID token expires.
    pub expires_at: Timestamp,
}

fn exposed<S: Serializer>(secret: &SecretText, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn exposed_if_any<S: Serializer>(secret: &Option<SecretText>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|secret| secret.expose_secret()).serialize(serializer)
}

impl Tokens {
    /// Of a sign-in that was verified.
    #[must_use]
    pub fn of(profile: &SignInProfile, signed_in: SignedIn) -> Self {
        let SignedIn { id_token, refresh_token, claims, expires_at } = signed_in;
        // INVARIANT: an ID token without a `sub` was refused.
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        let SignInProfile { url, provider: _, issuer, client_id } = profile.clone();
        Self { url, issuer, client_id, subject, id_token, refresh_token, expires_at }
    }

    /// These, renewed: a provider that gives no new refresh token means the one there is.
    #[must_use]
    pub fn renewed(self, signed_in: SignedIn) -> Self {
        let SignedIn { id_token, refresh_token, claims: _, expires_at } = signed_in;
        Self { id_token, refresh_token: refresh_token.or(self.refresh_token), expires_at, ..self }
    }

    /// Whether the ID token lasts until the broker has looked at it.
    #[must_use]
    pub fn last(&self, now: Timestamp) -> bool {
        self.expires_at.duration_since(now) > RENEW_BEFORE
    }

    fn are_of(&self, profile: &SignInProfile) -> bool {
        self.url == profile.url && self.issuer == profile.issuer && self.client_id == profile.client_id
    }
}

/// Where the tokens of a profile are, or would be.
#[derive(Debug, Clone)]
pub struct TokenFile {
    profile: String,
    file: PathBuf,
    lock: PathBuf,
}

impl TokenFile {
    /// Beside the profile of this name.
    ///
    /// # Errors
    /// When the name is none, or there is no home directory.
    pub fn of(home: Option<&Path>, profile: &str) -> Result<Self, ProfileError> {
        let beside = file_of(home, profile)?;
        let name = |kind: &str| beside.with_file_name(format!("{profile}.sign-in.{kind}"));
        Ok(Self { profile: profile.to_owned(), file: name("json"), lock: name("lock") })
    }

    /// What is kept for this profile as it is now.
    ///
    /// # Errors
    /// [`SignInError::SignedOut`] when there is nothing; otherwise it can't be read.
    pub fn read(&self, profile: &SignInProfile) -> Result<Tokens, SignInError> {
        let signed_out = || SignInError::SignedOut { profile: self.profile.clone() };
        let bytes = private::read(&self.file).map_err(|error| match error.is_missing() {
            true => signed_out(),
            false => error.into(),
        })?;
        let tokens: Tokens = serde_json::from_slice(&bytes).map_err(|_| SignInError::Spoilt {
            profile: self.profile.clone(),
            file: self.file.display().to_string(),
        })?;
        if tokens.are_of(profile) { Ok(tokens) } else { Err(signed_out()) }
    }

    /// Keeps these in place of others. Whoever holds the turn is the only one to.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn write(&self, _turn: &Lock, tokens: &Tokens) -> Result<(), SignInError> {
        if let Some(directory) = self.file.parent() {
            private::directory(directory)?;
        }
        let bytes = Zeroizing::new(serde_json::to_vec(tokens).unwrap_or_default());
        Ok(private::replace(&self.file, &bytes)?)
    }

    /// Keeps nothing any more; returns whether there was something.
    ///
    /// # Errors
    /// The file can't be removed.
    pub fn remove(&self, _turn: &Lock) -> Result<bool, SignInError> {
        match fs::remove_file(&self.file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(SignInError::Local { doing: "remove the tokens", source }),
        }
    }

    /// Waits for the turn to change what is kept, among processes: a refresh token that
    /// is used twice ends the sign-in at many providers.
    ///
    /// # Errors
    /// Another process doesn't let go, or the directory can't be written.
    pub async fn turn(&self) -> Result<Lock, SignInError> {
        if let Some(directory) = self.lock.parent() {
            private::directory(directory)?;
        }
        lock::take(&self.lock, LOCK_WITHIN).await.map_err(SignInError::Busy)
    }
}
