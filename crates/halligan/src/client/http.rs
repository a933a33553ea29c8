//! Calls to the broker: the one place of the command line that speaks HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use halligan_core::id::GrantId;
use halligan_engine::ports::{Clock, Entropy};
use halligan_server::views::{CredentialsView, EmptyBody, GrantView, GrantWithTimeline, ProblemView};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url, redirect};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::credentials::{Issuer, Tries};
use super::failure::{Failure, Refused};
use super::identity::{Account, Identity, IdentityError, is_loopback};
use super::sign_in;

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long the broker has to read something.
const READ_WITHIN: Duration = Duration::from_secs(15);
/// How long it has to change something: an incident tool is asked on the way.
const CHANGE_WITHIN: Duration = Duration::from_secs(30);
/// How long a mint may take: the log is published, then AWS is called.
const MINT_WITHIN: Duration = Duration::from_secs(60);
/// After so long, whoever waits is told so.
const PATIENCE: Duration = Duration::from_millis(400);
/// More than the largest page of grants.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// The obligations that a problem can name.
const STEP_UP: &str = "stepUp";
const SIGN: &str = "sign";

/// An answer, as it was read and as it came.
#[derive(Debug)]
pub struct Answer<T> {
    /// For people.
    pub value: T,
    /// For `--json`, with fields that this client doesn't know.
    pub json: Value,
}

/// A broker, and who calls it.
pub struct Broker {
    http: Client,
    url: Url,
    identity: Identity,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    // One for each run of a command: its retries are the same call.
    idempotency_key: HeaderValue,
    quiet: AtomicBool,
}

struct Call<'a> {
    method: Method,
    path: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    body: Option<Vec<u8>>,
    // Whether the same call may be said again.
    again: bool,
    within: Duration,
}

impl Broker {
    /// Prepares to call as this account.
    ///
    /// # Errors
    /// When this machine can't (no usable certificate store, for one).
    pub fn new(account: Account, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Self, Failure> {
        let Account { url, identity } = account;
        let mut client = Client::builder()
            .user_agent(concat!("halligan/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_WITHIN)
            // A redirect would carry the token to somewhere that nobody chose.
            .redirect(redirect::Policy::none());
        if is_loopback(&url) {
            client = client.no_proxy();
        }
        let http = client.build().map_err(|source| Failure::Unreachable { url: url.to_string(), source })?;
        let key = entropy.uuid_v7(clock.now()).to_string();
        let idempotency_key = HeaderValue::from_str(&key).unwrap_or(HeaderValue::from_static("none"));
        Ok(Self { http, url, identity, clock, entropy, idempotency_key, quiet: AtomicBool::new(false) })
    }

    /// From now on, shows nothing while it waits: the terminal is somebody else's.
    pub fn be_quiet(&self) {
        self.quiet.store(true, Ordering::Relaxed);
    }

    /// The broker's address.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Who calls.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Tells callers apart on this machine.
    ///
    /// # Errors
    /// When the token can't be read.
    pub fn caller(&self) -> Result<String, Failure> {
        Ok(self.identity.name()?)
    }

    /// Reads.
    ///
    /// # Errors
    /// When the broker refuses, or doesn't answer.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Answer<T>, Failure> {
        let call = Call { method: Method::GET, path, query, body: None, again: true, within: READ_WITHIN };
        self.answer(call).await
    }

    /// Changes something, once, however often the network makes us say it.
    ///
    /// # Errors
    /// When the broker refuses, or doesn't answer.
    pub async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<Answer<T>, Failure> {
        let body = Some(self.encode(body)?);
        self.answer(Call { method: Method::POST, path, query: &[], body, again: true, within: CHANGE_WITHIN }).await
    }

    /// Asks for a secret: each call is a new one, so none is repeated.
    ///
    /// # Errors
    /// When the broker refuses, or doesn't answer.
    pub async fn post_for_secret<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        let body = Some(self.encode(&EmptyBody {})?);
        let call = Call { method: Method::POST, path, query: &[], body, again: false, within: MINT_WITHIN };
        let (status, bytes) = self.send(&call).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.garbled(status, &error))
    }

    fn encode(&self, body: &impl Serialize) -> Result<Vec<u8>, Failure> {
        serde_json::to_vec(body)
            .map_err(|source| Failure::Local { doing: "write the request as JSON".into(), source: source.into() })
    }

    async fn answer<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Answer<T>, Failure> {
        let (status, bytes) = self.send(&call).await?;
        let json: Value = serde_json::from_slice(&bytes).map_err(|error| self.garbled(status, &error))?;
        let value = T::deserialize(&json).map_err(|error| self.garbled(status, &error))?;
        Ok(Answer { value, json })
    }

    async fn send(&self, call: &Call<'_>) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Failure> {
        let sent = self.repeatedly(call);
        if self.quiet.load(Ordering::Relaxed) {
            return sent.await;
        }
        patiently(&format!("waiting for {}", self.url), sent).await
    }

    async fn repeatedly(&self, call: &Call<'_>) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Failure> {
        let tries =
            ExponentialBuilder::default().with_min_delay(Duration::from_millis(200)).with_max_times(3).with_jitter();
        let mut delays = tries.build();
        loop {
            let failure = match self.once(call).await {
                Err(failure) if call.again && never_answered(&failure) => failure,
                outcome => return outcome,
            };
            match delays.next() {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(failure),
            }
        }
    }

    async fn once(&self, call: &Call<'_>) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Failure> {
        let mut response = self.request(call).await?.send().await.map_err(|error| self.unanswered(error, call))?;
        let status = response.status();
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unanswered(error, call))? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(self.garbled(status, &format!("longer than {ANSWER_BYTES_MAX} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() { Ok((status, bytes)) } else { Err(self.refusal(status, &bytes, call)) }
    }

    async fn request(&self, call: &Call<'_>) -> Result<RequestBuilder, Failure> {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(call.path);
        }
        let mut request = self.http.request(call.method.clone(), url).timeout(call.within);
        request = request.header(ACCEPT, "application/json, application/problem+json");
        if let Some(bearer) = self.identity.bearer(self.clock.as_ref(), self.entropy.as_ref()).await? {
            let mut authorization = HeaderValue::from_str(&format!("Bearer {}", bearer.expose_secret()))
                .map_err(|_| Failure::Identity(IdentityError::Unsendable))?;
            authorization.set_sensitive(true);
            request = request.header(AUTHORIZATION, authorization);
        }
        if !call.query.is_empty() {
            request = request.query(call.query);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
            if call.again {
                request = request.header("idempotency-key", self.idempotency_key.clone());
            }
        }
        Ok(request)
    }

    fn unanswered(&self, error: reqwest::Error, call: &Call<'_>) -> Failure {
        let url = self.url.to_string();
        if error.is_timeout() && !error.is_connect() {
            return Failure::TimedOut { url, seconds: call.within.as_secs() };
        }
        Failure::Unreachable { url, source: error.without_url() }
    }

    fn refusal(&self, status: StatusCode, bytes: &[u8], call: &Call<'_>) -> Failure {
        let read = serde_json::from_slice::<Value>(bytes).and_then(|json| Ok((ProblemView::deserialize(&json)?, json)));
        match read {
            Ok((problem, json)) => {
                let advice = self.advice(&problem, call);
                Failure::Refused(Box::new(Refused { problem, json, advice }))
            }
            Err(_) => self.garbled(status, &"expected a problem in JSON; is there a proxy between?"),
        }
    }

    /// The one thing that this caller can do at once about a refusal: a command, or an address.
    fn advice(&self, problem: &ProblemView, call: &Call<'_>) -> Option<String> {
        let obliged = |word: &str| problem.obligations.iter().any(|obligation| obligation == word);
        match (&self.identity, call.path) {
            // Whoever signs there can prove who they are there, too.
            (_, ["v1", "grants", id, ..]) if obliged(SIGN) => {
                Some(format!("sign it with your passkey at {}grants/{id}", self.url))
            }
            // A refusal that wants a fresh proof is a 401, and a sign-in without one doesn't help.
            (Identity::Provider(login), _) if obliged(STEP_UP) => {
                Some(format!("{} --fresh, then the same again", sign_in::login(login.profile())))
            }
            (Identity::Provider(login), _) if problem.status == 401 => Some(sign_in::login(login.profile())),
            (_, ["v1", "grants", id, "acknowledge" | "decline"]) if obliged(STEP_UP) => Some(format!(
                "do it at {}grants/{id}, where you can prove who you are: keys and tokens of your own don't say when you did",
                self.url
            )),
            (_, _) if obliged(STEP_UP) => Some(format!(
                "halligan login --profile NAME --url {}, then the same with that profile: keys and tokens of your own \
                 don't say when you proved who you are",
                self.url
            )),
            (_, _) => None,
        }
    }

    fn garbled(&self, status: StatusCode, what: &dyn std::fmt::Display) -> Failure {
        let what = halligan_core::text::printable(&what.to_string(), 200);
        Failure::Garbled { url: self.url.to_string(), status: status.as_u16(), what }
    }
}

/// Whether the network failed before an answer began, or the broker is at work on
/// the very call that the network lost: then saying it again is right.
fn never_answered(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable { source, .. } => source.is_connect() || source.is_request(),
        Failure::Refused(refused) => refused.problem.slug() == Some("idempotency-in-flight"),
        _ => false,
    }
}

/// Waits, and after a moment shows that it does, where somebody looks.
async fn patiently<F: Future>(message: &str, work: F) -> F::Output {
    tokio::pin!(work);
    tokio::select! {
        biased;
        output = &mut work => return output,
        () = tokio::time::sleep(PATIENCE) => {}
    }
    // Draws on the error stream, and nothing at all when that is no terminal.
    let spinner = indicatif::ProgressBar::new_spinner().with_message(message.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(100));
    let output = work.await;
    spinner.finish_and_clear();
    output
}

#[async_trait]
impl Issuer for Broker {
    async fn grant(&self, id: GrantId, tries: Tries) -> Result<GrantView, Failure> {
        let path = ["v1", "grants", &id.to_string()];
        let again = tries == Tries::Several;
        let call = Call { method: Method::GET, path: &path, query: &[], body: None, again, within: READ_WITHIN };
        let answer: Answer<GrantWithTimeline> = self.answer(call).await?;
        Ok(answer.value.grant)
    }

    async fn mint(&self, id: GrantId) -> Result<CredentialsView, Failure> {
        self.post_for_secret(&["v1", "grants", &id.to_string(), "credentials"]).await
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
