//! A log that is read over HTTP: a bucket behind a web server, or a broker's own
//! API. `GET {url}/{key}` answers with an object's bytes, as
//! [C2SP tlog-tiles](https://c2sp.org/tlog-tiles) has it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::Retryable;
use halligan_engine::ports::{ArchiveError, LogReader, Stored};
use halligan_log::Object;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, StatusCode, Url, redirect};
use secrecy::{ExposeSecret, SecretString};

use crate::http::{self, Failure, Patience};
use crate::objects::bytes_max;

/// A full bundle of the longest entries has 16 MB.
const PATIENCE: Patience = Patience {
    attempt: Duration::from_secs(30),
    total: Duration::from_secs(60),
    first_pause: Duration::from_millis(200),
    retries: 3,
};
const REDIRECTS_MAX: usize = 5;

/// Gives the token that a request shows (without `Bearer`), each time anew: it
/// may have been refreshed meanwhile. The error is a text for people, without any secret.
pub type Token = Arc<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// A log behind a URL. Answers are believed to be bytes, and nothing else.
#[derive(Clone)]
pub struct HttpLog {
    name: String,
    client: Client,
    url: Url,
    token: Option<Token>,
    patience: Patience,
}

impl fmt::Debug for HttpLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpLog").field("name", &self.name).field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

impl HttpLog {
    /// The log whose objects stand under `url`: https, or http to this machine's
    /// loopback. Nothing is asked yet.
    ///
    /// # Errors
    /// A text for people: why no log can be read from there.
    pub fn new(name: impl Into<String>, url: &str, token: Option<Token>) -> Result<Self, String> {
        Self::patiently(name.into(), url, token, PATIENCE)
    }

    fn patiently(name: String, url: &str, token: Option<Token>, patience: Patience) -> Result<Self, String> {
        let of_url = |problem| format!("the URL {problem}");
        let url = http::prefix(url).map_err(of_url)?;
        let client = http::client(&url, &patience, within_origin()).map_err(of_url)?;
        Ok(Self { name, client, url, token, patience })
    }

    async fn ask(&self, url: &Url, limit: usize) -> Result<Option<Vec<u8>>, Failure> {
        let mut request = self.client.get(url.clone());
        if let Some(token) = &self.token {
            let token = token().map_err(Failure::lasting)?;
            let value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
            let mut value = value.map_err(|_| Failure::lasting("the token can't stand in a header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let unanswered = |error| Failure::unanswered("the log", &self.patience, error);
        let response = request.send().await.map_err(unanswered)?;
        let status = response.status();
        let answered = format!("the log answered {}", status.as_u16());
        match status {
            StatusCode::OK => Ok(Some(http::body(response, limit.saturating_add(1)).await.map_err(unanswered)?)),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(Failure::lasting(format!("{answered}: expected a token that may read it")))
            }
            status if status.is_redirection() => Err(Failure::lasting(format!(
                "{answered}, a redirect that is not followed (to elsewhere, or one too many): check the URL"
            ))),
            status if status.is_server_error() || is_passing(status) => Err(Failure::passing(answered)),
            _ => Err(Failure::lasting(format!("{answered}: expected 200, or 404 for what isn't there"))),
        }
    }
}

fn is_passing(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// The token is a secret between two.
fn within_origin() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let same = attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
        if same && attempt.previous().len() <= REDIRECTS_MAX { attempt.follow() } else { attempt.stop() }
    })
}

#[async_trait]
impl LogReader for HttpLog {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self, object: Object) -> Result<Option<Stored>, ArchiveError> {
        let url = self.url.join(&object.to_string()).map_err(|error| ArchiveError::Refused(error.to_string()))?;
        let limit = bytes_max(object);
        let ask = (|| self.ask(&url, limit)).retry(self.patience.pauses()).when(|failure| failure.passing);
        let answer = match tokio::time::timeout(self.patience.total, ask).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::passing(format!("the log gave no answer within {:?}", self.patience.total))),
        };
        match answer {
            Ok(bytes) => Ok(bytes.map(Stored::untouched)),
            Err(Failure { reason, passing: true }) => Err(ArchiveError::Unavailable(format!("{url}: {reason}"))),
            Err(Failure { reason, passing: false }) => Err(ArchiveError::Refused(format!("{url}: {reason}"))),
        }
    }
}

#[cfg(test)]
mod tests;
