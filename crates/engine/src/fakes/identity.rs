//! A provider that vouches for whoever it is told, and a channel that keeps what it was told.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use halligan_core::id::PersonId;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::fixtures;
use crate::ports::{AuthorizeAsk, Claims, IdentityProvider, Notices, ProviderError, Returned};

/// An OpenID provider without a network. A code is good for the nonce that it was asked with.
#[derive(Debug, Default)]
pub struct FakeProvider {
    state: Mutex<ProviderState>,
}

#[derive(Debug, Default)]
struct ProviderState {
    down: bool,
    /// `(code, nonce, claims)`.
    codes: Vec<(String, String, Claims)>,
    asked: Vec<Asked>,
}

/// What a browser was sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `state`.
    pub state: String,
    /// `nonce`.
    pub nonce: String,
    /// Where it comes back to.
    pub redirect_uri: String,
    /// Whether the person had to prove themselves anew.
    pub anew: bool,
}

impl FakeProvider {
    /// It doesn't answer, or does again.
    pub fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    /// What the last browser was sent with.
    #[must_use]
    pub fn asked(&self) -> Option<Asked> {
        self.state().asked.last().cloned()
    }

    /// Somebody signs in for that nonce, at `at`; returns the code.
    pub fn signs_in(&self, nonce: &str, subject: &str, at: Timestamp, mfa: bool) -> String {
        let mut state = self.state();
        let code = format!("code-{}", state.codes.len());
        let mut claims = Claims::new();
        claims.insert("sub".to_owned(), json!(subject));
        claims.insert("auth_time".to_owned(), json!(at.as_second()));
        claims.insert("amr".to_owned(), if mfa { json!(["pwd", "mfa"]) } else { json!(["pwd"]) });
        state.codes.push((code.clone(), nonce.to_owned(), claims));
        code
    }

    fn state(&self) -> std::sync::MutexGuard<'_, ProviderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl IdentityProvider for FakeProvider {
    fn issuer(&self) -> &str {
        fixtures::ISSUER
    }

    async fn answers(&self) -> Result<(), ProviderError> {
        if self.state().down { Err(ProviderError::Unavailable("it is down".to_owned())) } else { Ok(()) }
    }

    async fn authorize(&self, ask: &AuthorizeAsk<'_>) -> Result<String, ProviderError> {
        self.answers().await?;
        self.state().asked.push(Asked {
            state: ask.state.to_owned(),
            nonce: ask.nonce.to_owned(),
            redirect_uri: ask.redirect_uri.to_owned(),
            anew: ask.max_age.is_some(),
        });
        Ok(format!("{}/authorize", fixtures::ISSUER))
    }

    async fn exchange(&self, returned: &Returned<'_>, _: Timestamp) -> Result<Claims, ProviderError> {
        self.answers().await?;
        let mut state = self.state();
        let refused = |because: &str| ProviderError::Refused(because.to_owned());
        let found = state.codes.iter().position(|(code, ..)| code == returned.code.expose_secret());
        // Once, whatever comes of it.
        let (_, nonce, claims) = state.codes.remove(found.ok_or_else(|| refused("the code is not known"))?);
        if nonce != returned.nonce {
            return Err(refused("the nonce is another"));
        }
        let at = claims.get("auth_time").and_then(serde_json::Value::as_i64).unwrap_or_default();
        if returned.proven_since.is_some_and(|since| at < since.as_second()) {
            return Err(refused("the proof is too old"));
        }
        Ok(claims)
    }
}

/// Keeps what people were told.
#[derive(Debug, Default)]
pub struct FakeNotices {
    told: Mutex<Vec<(PersonId, String)>>,
    down: Mutex<bool>,
}

impl FakeNotices {
    /// Nobody takes anything, or does again.
    pub fn set_down(&self, down: bool) {
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) = down;
    }

    /// What was told, to whom.
    #[must_use]
    pub fn told(&self) -> Vec<(PersonId, String)> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Notices for FakeNotices {
    fn channel(&self) -> &str {
        "mail"
    }

    async fn notify(&self, to: &PersonId, _: &str, text: &str) -> Result<(), String> {
        if *self.down.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err("the mail server does not answer".to_owned());
        }
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push((to.clone(), text.to_owned()));
        Ok(())
    }
}
