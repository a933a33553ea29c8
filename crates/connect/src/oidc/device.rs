//! Signing in on another device than the one that asks
//! ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)).

use std::time::Duration;

use halligan_core::text::printable;
use halligan_engine::ports::{ProviderError, SecretText};
use jiff::Timestamp;
use openidconnect::core::{CoreDeviceAuthorizationResponse, CoreTokenResponse};
use openidconnect::{AsyncHttpClient as _, DeviceAuthorizationUrl, RequestTokenError};
use reqwest::StatusCode;
use secrecy::ExposeSecret as _;

use super::client::{OidcClient, SignedIn, form_post};
use super::no_tokens::{TOKEN_ENDPOINT, error_code, no_tokens, of_code};

/// As errors name it.
const DEVICE_ENDPOINT: &str = "its device authorization endpoint";

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

impl OidcClient {
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
}
