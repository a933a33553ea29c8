//! Console sign-in: AWS's federation endpoint trades a session for a URL.

use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use halligan_engine::ports::{Console, ConsoleUrl, Credentials, MintError};
use reqwest::{StatusCode, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::client::Limits;
use crate::failure;
use crate::partition::Partition;

/// A sign-in token is some 2 kB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const RETRIES_MAX: usize = 2;
const BACKOFF_FIRST: Duration = Duration::from_millis(250);

/// Why there can be no console sign-in.
#[derive(Debug, thiserror::Error)]
pub enum FederationError {
    /// A URL of the configuration is none.
    #[error("`{url}` is not a URL: expected one such as `https://signin.aws.amazon.com/federation`")]
    NotAUrl {
        /// What was found.
        url: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The Region is in a partition whose sign-in isn't publicly documented.
    #[error(
        "the console's sign-in in this Region's partition is not known: choose another Region, or roles without `console`"
    )]
    UnknownPartition,
    /// No HTTP client could be made.
    #[error("no HTTP client for the console's sign-in endpoint")]
    Client(#[source] reqwest::Error),
}

/// [`Console`] by the federation endpoint.
#[derive(Debug, Clone)]
pub struct Federation {
    http: reqwest::Client,
    endpoint: Url,
    destination: &'static str,
    issuer: Url,
    limits: Limits,
}

impl Federation {
    pub(crate) fn new(
        partition: Option<Partition>,
        issuer_url: &str,
        federation_url: Option<&str>,
        limits: Limits,
    ) -> Result<Self, FederationError> {
        let parse = |text: &str| {
            Url::parse(text).map_err(|source| FederationError::NotAUrl {
                url: halligan_core::text::printable(text, 80),
                source: source.into(),
            })
        };
        let partition = partition.ok_or(FederationError::UnknownPartition)?;
        let http = reqwest::Client::builder()
            .connect_timeout(limits.connect)
            .timeout(limits.attempt)
            // A redirect would carry the session's credentials to wherever it points.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(FederationError::Client)?;
        Ok(Self {
            http,
            endpoint: parse(federation_url.unwrap_or(partition.federation_url()))?,
            destination: partition.console_url(),
            issuer: parse(issuer_url)?,
            limits,
        })
    }

    /// One attempt. The credentials travel in the body: URLs end up in logs of proxies.
    async fn token(&self, session: &SecretString) -> Result<SecretString, Attempt> {
        // No `SessionDuration`: the console session could outlive the credentials.
        let form = [("Action", "getSigninToken"), ("Session", session.expose_secret())];
        let sent = self.http.post(self.endpoint.clone()).form(&form).send().await;
        let mut answer =
            sent.map_err(|error| if error.is_connect() { Attempt::unsent(&error) } else { Attempt::lost(&error) })?;
        let status = answer.status();
        if status != StatusCode::OK {
            return Err(Attempt::status(status));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| Attempt::lost(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(Attempt::nonsense());
            }
        }
        let Answer { signin_token } = serde_json::from_slice(&body).map_err(|_| Attempt::nonsense())?;
        Ok(signin_token)
    }

    fn login_url(&self, token: &SecretString) -> ConsoleUrl {
        let mut url = self.endpoint.clone();
        url.query_pairs_mut()
            .append_pair("Action", "login")
            .append_pair("Issuer", self.issuer.as_str())
            .append_pair("Destination", self.destination)
            .append_pair("SigninToken", token.expose_secret());
        String::from(url).into()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    signin_token: SecretString,
}

/// A failed attempt, and whether another is worth it. What the endpoint says is
/// never shown: it may repeat the session.
#[derive(Debug)]
struct Attempt {
    error: MintError,
    again: bool,
}

impl Attempt {
    fn unsent(error: &reqwest::Error) -> Self {
        Self { error: MintError::Unavailable(told(error)), again: true }
    }

    fn lost(error: &reqwest::Error) -> Self {
        Self { error: MintError::OutcomeUnknown(told(error)), again: true }
    }

    fn nonsense() -> Self {
        let text = "getSigninToken: the answer holds no sign-in token".to_owned();
        Self { error: MintError::OutcomeUnknown(text), again: false }
    }

    fn status(status: StatusCode) -> Self {
        let text = format!("getSigninToken: the federation endpoint answered {status}");
        let passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        let error = if passing { MintError::Unavailable(text) } else { MintError::Refused(text) };
        Self { error, again: passing }
    }
}

fn told(error: &reqwest::Error) -> String {
    failure::presentable(&format!("getSigninToken: {}", failure::chain(error)))
}

#[async_trait]
impl Console for Federation {
    #[tracing::instrument(skip_all, fields(access_key_id = credentials.access_key_id))]
    async fn sign_in(&self, credentials: &Credentials) -> Result<ConsoleUrl, MintError> {
        let session = serde_json::json!({
            "sessionId": credentials.access_key_id,
            "sessionKey": credentials.secret_access_key.expose_secret(),
            "sessionToken": credentials.session_token.expose_secret(),
        });
        let session = SecretString::from(session.to_string());
        let backoff =
            ExponentialBuilder::default().with_min_delay(BACKOFF_FIRST).with_max_times(RETRIES_MAX).with_jitter();
        // A sign-in token whose answer was lost dies unused in 15 minutes.
        let attempts = (|| self.token(&session)).retry(backoff).when(|attempt| attempt.again).notify(|attempt, wait| {
            tracing::warn!(cause = %attempt.error, wait_ms = wait.as_millis(), "an attempt to reach the console's sign-in failed");
        });
        match tokio::time::timeout(self.limits.operation, attempts).await {
            Ok(Ok(token)) => Ok(self.login_url(&token)),
            Ok(Err(attempt)) => Err(attempt.error),
            Err(_) => {
                let seconds = self.limits.operation.as_secs();
                Err(MintError::OutcomeUnknown(format!("getSigninToken: no answer within {seconds} s")))
            }
        }
    }
}
