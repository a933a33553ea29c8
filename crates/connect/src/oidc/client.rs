//! Signing in from a command line.

use std::fmt;
use std::time::Duration;

use halligan_core::text::printable;
use halligan_engine::ports::{AuthorizeAsk, Claims, ProviderError, Returned, SecretText};
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{CoreDeviceAuthorizationResponse, CoreTokenResponse};
use openidconnect::{AsyncHttpClient as _, DeviceAuthorizationUrl, HttpRequest, HttpResponse, RequestTokenError};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, StatusCode, Url};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::call::PATIENCE;
use super::relying_party::{OidcSettings, RelyingParty, TOKEN_ENDPOINT, Tokens, no_tokens, of_code};

/// As errors name it.
const DEVICE_ENDPOINT: &str = "its device authorization endpoint";

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

/// What a person is asked to do on any device that has a browser.
#[derive(Debug)]
pub struct DeviceAsk {
    /// The page to open.
    pub verification_uri: String,
    /// The page with the code filled in, where the provider has that.
    pub verification_uri_complete: Option<String>,
    /// The code to type, or to compare.
    pub user_code: String,
    /// Between two polls, at least; [`DevicePoll::SlowDown`] adds five seconds.
    pub interval: Duration,
    /// How long the person has.
    pub expires_in: Duration,
    device_code: SecretText,
}

/// What became of a [`DeviceAsk`].
#[derive(Debug)]
pub enum DevicePoll {
    /// The person isn't done.
    Pending,
    /// The same, and the interval is five seconds longer from now on
    /// ([RFC 8628, 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5)).
    SlowDown,
    /// They are in.
    Done(Box<SignedIn>),
    /// They, or the provider, said no.
    Denied,
    /// It took too long: begin again.
    Expired,
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

    /// Begins a sign-in on another device ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)).
    ///
    /// # Errors
    /// [`ProviderError::Refused`]: the provider has no such flow, or not for this client.
    pub async fn begin_device(&self) -> Result<DeviceAsk, ProviderError> {
        let metadata = self.0.metadata().await?;
        let endpoint =
            metadata.endpoint("device_authorization_endpoint", metadata.device_authorization_endpoint.as_deref())?;
        let endpoint = DeviceAuthorizationUrl::new(endpoint.to_owned()).map_err(|error| {
            ProviderError::Refused(format!("its device authorization endpoint is no URL ({error})"))
        })?;
        let client = self.0.client().set_device_authorization_url(endpoint);
        let answer: Result<CoreDeviceAuthorizationResponse, _> = client
            .exchange_device_code()
            .add_scopes(self.0.scopes())
            .request_async(&self.0.endpoint(DEVICE_ENDPOINT))
            .await;
        let answer = answer.map_err(|error| match error {
            RequestTokenError::ServerResponse(answer) => of_code(DEVICE_ENDPOINT, answer.error().as_ref()),
            RequestTokenError::Request(error) => error,
            _ => ProviderError::Refused("its device authorization endpoint's answer makes no sense".to_owned()),
        })?;
        // A browser will be opened with these, and a terminal shows them.
        let page = |uri: &str| self.0.caller().allowed("its verification page", uri).map(String::from);
        Ok(DeviceAsk {
            verification_uri: page(answer.verification_uri())?,
            verification_uri_complete: answer.verification_uri_complete().map(|uri| page(uri.secret())).transpose()?,
            user_code: printable(answer.user_code().secret(), 64),
            interval: answer.interval(),
            expires_in: answer.expires_in(),
            device_code: answer.device_code().secret().as_str().into(),
        })
    }

    /// Asks once whether the person is done.
    ///
    /// # Errors
    /// The provider can't be asked ([`ProviderError::Unavailable`]: ask again, after a
    /// longer interval), or its ID token is not good enough.
    pub async fn poll_device(&self, ask: &DeviceAsk, now: Timestamp) -> Result<DevicePoll, ProviderError> {
        let metadata = self.0.metadata().await?;
        let endpoint = metadata.endpoint("token_endpoint", metadata.token_endpoint.as_deref())?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", ask.device_code.expose_secret()),
            ("client_id", self.0.client_id()),
        ];
        let answer = self.0.endpoint(TOKEN_ENDPOINT).call(form_post(endpoint, &form)?).await?;
        if answer.status() == StatusCode::OK {
            let tokens: CoreTokenResponse =
                serde_json::from_slice(answer.body()).map_err(|_| no_tokens(answer.body()))?;
            let tokens = self.0.verified(&tokens, &self.0.expected(), now).await?;
            return Ok(DevicePoll::Done(Box::new(tokens.into())));
        }
        match error_code(&answer).as_str() {
            "authorization_pending" => Ok(DevicePoll::Pending),
            "slow_down" => Ok(DevicePoll::SlowDown),
            "access_denied" => Ok(DevicePoll::Denied),
            "expired_token" => Ok(DevicePoll::Expired),
            code => Err(of_code(TOKEN_ENDPOINT, code)),
        }
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

fn form_post(endpoint: &str, form: &[(&str, &str)]) -> Result<HttpRequest, ProviderError> {
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

/// The `error` of an answer; without one, its status.
fn error_code(answer: &HttpResponse) -> String {
    #[derive(Deserialize)]
    struct Error {
        error: String,
    }
    match serde_json::from_slice::<Error>(answer.body()) {
        Ok(Error { error }) => error,
        Err(_) => answer.status().as_u16().to_string(),
    }
}
