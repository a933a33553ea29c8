//! Signing in from a command line.

use std::fmt;

use halligan_engine::ports::{AuthorizeAsk, Claims, ProviderError, Returned, SecretText};
use jiff::{SignedDuration, Timestamp};
use openidconnect::{AsyncHttpClient as _, HttpRequest};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, StatusCode, Url};
use secrecy::ExposeSecret as _;

use super::call::PATIENCE;
use super::no_tokens::{error_code, of_code};
use super::relying_party::{OidcSettings, RelyingParty, Tokens};

/// A person's sign-in: the ID token was verified.
pub struct SignedIn {
    /// The token that is shown to the broker.
    pub id_token: SecretText,
    /// What gets the next one, where the provider gives such.
    pub refresh_token: Option<SecretText>,
    /// What the ID token says.
    pub claims: Claims,
    /// When the ID token expires.
    pub expires_at: Timestamp,
}

/// The redirect URI of a sign-in that ends at a listener on this machine
/// ([RFC 8252, 7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)).
#[must_use]
pub fn loopback_redirect(port: u16) -> String {
    format!("http://127.0.0.1:{port}/callback")
}

/// A public client of a provider, on a person's machine.
#[derive(Debug)]
pub struct OidcClient(pub(super) RelyingParty);

impl OidcClient {
    /// Checks the settings; nothing is asked yet.
    ///
    /// # Errors
    /// A text for people: the setting that can't be used, and what was expected.
    pub fn new(settings: OidcSettings) -> Result<Self, String> {
        RelyingParty::new(settings, PATIENCE).map(Self)
    }

    /// Where the browser goes, to come back to [`loopback_redirect`] of `port`.
    ///
    /// # Errors
    /// The provider's description of itself can't be had.
    pub async fn begin_loopback(
        &self,
        port: u16,
        state: &str,
        nonce: &str,
        verifier: &SecretText,
    ) -> Result<String, ProviderError> {
        let redirect_uri = loopback_redirect(port);
        let ask = AuthorizeAsk { redirect_uri: &redirect_uri, state, nonce, verifier, max_age: None };
        self.0.authorize(&ask).await
    }

    /// The same, where the person must have proved who they are no longer than `max_age` ago; zero:
    /// they must again. `finish_loopback` sees to it by `proven_since`.
    ///
    /// # Errors
    /// The provider's description of itself can't be had.
    pub async fn begin_loopback_anew(
        &self,
        port: u16,
        state: &str,
        nonce: &str,
        verifier: &SecretText,
        max_age: SignedDuration,
    ) -> Result<String, ProviderError> {
        let redirect_uri = loopback_redirect(port);
        let ask = AuthorizeAsk { redirect_uri: &redirect_uri, state, nonce, verifier, max_age: Some(max_age) };
        self.0.authorize(&ask).await
    }

    /// What the browser came back with; that `state` is the same is for the caller to see.
    ///
    /// # Errors
    /// As `IdentityProvider::exchange` has them.
    pub async fn finish_loopback(&self, returned: &Returned<'_>, now: Timestamp) -> Result<SignedIn, ProviderError> {
        self.0.exchange(returned, now).await.map(SignedIn::from)
    }

    /// The next ID token, and the next refresh token where the provider changes them:
    /// keep that one then. `subject` is the `sub` that the person had until now.
    ///
    /// # Errors
    /// [`ProviderError::Refused`]: they have to sign in again.
    pub async fn refresh(
        &self,
        refresh_token: &SecretText,
        subject: &str,
        now: Timestamp,
    ) -> Result<SignedIn, ProviderError> {
        self.0.refresh(refresh_token, subject, now).await.map(SignedIn::from)
    }

    /// Makes a refresh token useless, where the provider can do that
    /// ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)); returns whether it can.
    ///
    /// # Errors
    /// It can, and didn't.
    pub async fn revoke(&self, refresh_token: &SecretText) -> Result<bool, ProviderError> {
        let metadata = self.0.metadata().await?;
        let Some(endpoint) = metadata.revocation_endpoint.as_deref() else { return Ok(false) };
        let form = [
            ("token", refresh_token.expose_secret()),
            ("token_type_hint", "refresh_token"),
            ("client_id", self.0.client_id()),
        ];
        let answer = self.0.endpoint("its revocation endpoint").call(form_post(endpoint, &form)?).await?;
        if answer.status() == StatusCode::OK {
            Ok(true)
        } else {
            Err(of_code("its revocation endpoint", &error_code(&answer)))
        }
    }
}

impl fmt::Debug for SignedIn {
    // What the claims say of a person stays out of traces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl From<Tokens> for SignedIn {
    fn from(tokens: Tokens) -> Self {
        let Tokens { id_token, refresh_token, claims, expires_at } = tokens;
        Self { id_token, refresh_token, claims, expires_at }
    }
}

/// The library posts revocations over https alone, and polls in a loop of its own.
pub(super) fn form_post(endpoint: &str, form: &[(&str, &str)]) -> Result<HttpRequest, ProviderError> {
    let no_url = |_| ProviderError::Refused("one of its endpoints is no URL".to_owned());
    let uri =
        Url::parse(endpoint).map_err(|_| ()).and_then(|url| url.as_str().parse().map_err(|_| ())).map_err(no_url)?;
    let body = openidconnect::url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let mut request = HttpRequest::new(body.into_bytes());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(ACCEPT, "application/json".parse().map_err(|_| no_url(()))?);
    headers.insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().map_err(|_| no_url(()))?);
    Ok(request)
}
