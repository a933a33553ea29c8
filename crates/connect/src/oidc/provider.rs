//! A provider that people sign in with in a browser.

use async_trait::async_trait;
use halligan_engine::ports::{AuthorizeAsk, Claims, IdentityProvider, ProviderError, Returned};
use jiff::Timestamp;

use super::call::PATIENCE;
use super::relying_party::{OidcSettings, RelyingParty};

/// Authorization code flow with PKCE (S256), `state` and `nonce`.
///
/// Its description is asked for when it is first needed and once an hour, its keys
/// once in ten minutes and when a token names one that is not among them.
#[derive(Debug)]
pub struct OidcProvider(pub(super) RelyingParty);

impl OidcProvider {
    /// Checks the settings; nothing is asked yet.
    ///
    /// # Errors
    /// A text for people: the setting that can't be used, and what was expected.
    pub fn new(settings: OidcSettings) -> Result<Self, String> {
        RelyingParty::new(settings, PATIENCE).map(Self)
    }
}

#[async_trait]
impl IdentityProvider for OidcProvider {
    fn issuer(&self) -> &str {
        self.0.issuer()
    }

    async fn answers(&self) -> Result<(), ProviderError> {
        self.0.answers().await
    }

    async fn authorize(&self, ask: &AuthorizeAsk<'_>) -> Result<String, ProviderError> {
        self.0.authorize(ask).await
    }

    async fn exchange(&self, returned: &Returned<'_>, now: Timestamp) -> Result<Claims, ProviderError> {
        self.0.exchange(returned, now).await.map(|tokens| tokens.claims)
    }
}
