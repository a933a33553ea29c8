//! What every call of ours over HTTP has in common: where it may go, how long it
//! is waited for, and how much of an answer is read.

use std::net::IpAddr;
use std::time::Duration;

use backon::ExponentialBuilder;
use halligan_core::text::with_causes;
use reqwest::{Client, ClientBuilder, Response, Url, redirect};

/// How long another system is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For one answer, from connecting to its last byte.
    pub(crate) attempt: Duration,
    /// For all of them, and the pauses between.
    pub(crate) total: Duration,
    /// Before the second attempt; longer before the next.
    pub(crate) first_pause: Duration,
    /// So many attempts after the first.
    pub(crate) retries: usize,
}

impl Patience {
    pub(crate) fn pauses(&self) -> ExponentialBuilder {
        ExponentialBuilder::default().with_min_delay(self.first_pause).with_max_times(self.retries)
    }
}

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    /// Whether another attempt may fare better.
    pub(crate) passing: bool,
}

impl Failure {
    pub(crate) fn lasting(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), passing: false }
    }

    pub(crate) fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), passing: true }
    }

    /// No answer, or not the whole of one. Without the URL: who reads this needs the cause.
    pub(crate) fn unanswered(whom: &str, patience: &Patience, error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::passing(format!("{whom} gave no answer within {:?}", patience.attempt));
        }
        let error = error.without_url();
        let reason = format!("{whom} can't be reached: {}", with_causes(&error));
        Self { passing: !error.is_builder(), reason }
    }
}

/// Whether a call may go there at all.
///
/// # Errors
/// A text that follows the name of the setting.
pub(crate) fn check(url: &Url) -> Result<(), String> {
    if !(url.scheme() == "https" || url.scheme() == "http" && is_loopback(url)) {
        return Err("is not https: expected https, or http to this machine's loopback".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password: expected secrets in settings of their own".to_owned());
    }
    Ok(())
}

/// A URL under which others stand, as it was configured.
///
/// # Errors
/// As [`check`] has them.
pub(crate) fn prefix(text: &str) -> Result<Url, String> {
    let expected = "expected a URL such as `https://log.example.com/prod`";
    let mut url = Url::parse(text).map_err(|error| format!("is not a URL ({error}): {expected}"))?;
    check(&url)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("has a query or a fragment: {expected}"));
    }
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// Plain HTTP: never through a proxy, which would see everything.
pub(crate) fn is_plain(url: &Url) -> bool {
    url.scheme() == "http"
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A client for calls to `url` and its like.
///
/// # Errors
/// A text that follows the name of the setting.
pub(crate) fn client(url: &Url, patience: &Patience, redirects: redirect::Policy) -> Result<Client, String> {
    built(builder(url, patience, redirects))
}

/// As [`client`] has it, for whoever wants more of it.
pub(crate) fn builder(url: &Url, patience: &Patience, redirects: redirect::Policy) -> ClientBuilder {
    let builder = Client::builder()
        .user_agent(concat!("halligan/", env!("CARGO_PKG_VERSION")))
        .redirect(redirects)
        .referer(false)
        .timeout(patience.attempt)
        .https_only(!is_plain(url));
    if is_plain(url) { builder.no_proxy() } else { builder }
}

/// # Errors
/// A text that follows the name of the setting.
pub(crate) fn built(builder: ClientBuilder) -> Result<Client, String> {
    builder.build().map_err(|error| format!("can't be asked over TLS on this machine: {}", with_causes(&error)))
}

/// The first `limit` bytes of the body, at most. What comes after is not read.
///
/// # Errors
/// It didn't come whole.
pub(crate) async fn body(mut response: Response, limit: usize) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limit.saturating_sub(body.len());
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if body.len() >= limit {
            break;
        }
    }
    Ok(body)
}
