//! A sign-in that lasts: its ID token is renewed before it ends.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use halligan_connect::oidc::{OidcClient, SignedIn};
use halligan_engine::ports::{Clock, ProviderError, SecretText};
use jiff::Timestamp;

use super::SignInError;
use super::kept::{TokenFile, Tokens};
use crate::client::profile::SignInProfile;

/// Who gives the next ID token.
#[async_trait]
pub trait Renewer: Send + Sync {
    /// The next ID token for a refresh token, which may be good for one use alone.
    ///
    /// # Errors
    /// As [`OidcClient::refresh`] has them.
    async fn renew(&self, refresh: &SecretText, subject: &str, now: Timestamp) -> Result<SignedIn, ProviderError>;
}

#[async_trait]
impl Renewer for OidcClient {
    async fn renew(&self, refresh: &SecretText, subject: &str, now: Timestamp) -> Result<SignedIn, ProviderError> {
        self.refresh(refresh, subject, now).await
    }
}

/// Somebody who signed in with a provider, on this machine.
#[derive(Clone)]
pub struct ProviderLogin {
    name: String,
    profile: SignInProfile,
    tokens: TokenFile,
    renewer: Arc<dyn Renewer>,
}

impl fmt::Debug for ProviderLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderLogin")
            .field("name", &self.name)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

impl ProviderLogin {
    /// With the profile of this name.
    #[must_use]
    pub fn new(name: &str, profile: SignInProfile, tokens: TokenFile, renewer: Arc<dyn Renewer>) -> Self {
        Self { name: name.to_owned(), profile, tokens, renewer }
    }

    /// The profile's name.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.name
    }

    /// What is kept now, however long it lasts.
    ///
    /// # Errors
    /// Nothing is, or it can't be read.
    pub fn kept(&self) -> Result<Tokens, SignInError> {
        self.tokens.read(&self.profile)
    }

    /// An ID token that lasts, renewed where it has to be. Of any number of processes at
    /// once, one renews it.
    ///
    /// # Errors
    /// Nobody is signed in, or the provider gives no new token.
    pub async fn bearer(&self, clock: &dyn Clock) -> Result<SecretText, SignInError> {
        let tokens = self.kept()?;
        if tokens.last(clock.now()) {
            return Ok(tokens.id_token);
        }
        let turn = self.tokens.turn().await?;
        // Whoever had the turn before may have renewed it.
        let tokens = self.kept()?;
        let now = clock.now();
        if tokens.last(now) {
            return Ok(tokens.id_token);
        }
        let over = |because: String| SignInError::Over { profile: self.name.clone(), because };
        let Some(refresh_token) = &tokens.refresh_token else {
            if tokens.expires_at > now {
                return Ok(tokens.id_token);
            }
            return Err(over("and the identity provider gave nothing to renew it with".to_owned()));
        };
        match self.renewer.renew(refresh_token, &tokens.subject, now).await {
            Ok(signed_in) => {
                let tokens = tokens.renewed(signed_in);
                self.tokens.write(&turn, &tokens)?;
                Ok(tokens.id_token)
            }
            Err(ProviderError::Unavailable(_)) if tokens.expires_at > now => Ok(tokens.id_token),
            Err(ProviderError::Unavailable(because)) => Err(SignInError::Unavailable { renewing: true, because }),
            Err(ProviderError::Refused(because)) => {
                Err(over(format!("since the identity provider doesn't renew it ({because})")))
            }
        }
    }
}
