//! A witness that is asked over HTTP
//! ([C2SP tlog-witness](https://c2sp.org/tlog-witness)).

use std::time::Duration;

use async_trait::async_trait;
use backon::Retryable;
use halligan_core::text::printable;
use halligan_engine::ports::{Witness, WitnessError};
use halligan_log::witness::{Declined, Request, read_answer};
use halligan_log::{Hash, SignedCheckpoint, VerifierKey};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url, redirect};

use crate::http::{self, Failure, Patience};

/// Shorter than a publisher waits for a witness.
const PATIENCE: Patience = Patience {
    attempt: Duration::from_secs(3),
    total: Duration::from_millis(3_500),
    first_pause: Duration::from_millis(100),
    retries: 1,
};
/// A line for each key that a witness may have, and room to spare.
const ANSWER_BYTES_MAX: usize = 16 << 10;
const REASON_CHARACTERS_MAX: usize = 300;

/// A witness behind a URL. Its answers are handed on unchecked.
#[derive(Debug, Clone)]
pub struct HttpWitness {
    name: String,
    client: Client,
    url: Url,
    key: VerifierKey,
    patience: Patience,
}

impl HttpWitness {
    /// The witness whose submission prefix is `url` (https, or http to this
    /// machine's loopback), and whose cosignatures `key` verifies. Nothing is asked yet.
    ///
    /// # Errors
    /// A text for people: why no witness can be asked there.
    pub fn new(name: impl Into<String>, url: &str, key: VerifierKey) -> Result<Self, String> {
        Self::patiently(name.into(), url, key, PATIENCE)
    }

    fn patiently(name: String, url: &str, key: VerifierKey, patience: Patience) -> Result<Self, String> {
        let of_url = |problem| format!("the URL {problem}");
        let url = http::prefix(url).and_then(|url| url.join("add-checkpoint").map_err(|error| error.to_string()));
        let url = url.map_err(of_url)?;
        let client = http::client(&url, &patience, redirect::Policy::none()).map_err(of_url)?;
        Ok(Self { name, client, url, key, patience })
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn ask(&self, old_size: u64, body: &[u8]) -> Result<Result<Vec<u8>, Declined>, Failure> {
        let unanswered = |error| Failure::unanswered("the witness", &self.patience, error);
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "text/plain; charset=utf-8");
        let response = request.body(body.to_vec()).send().await.map_err(unanswered)?;
        let status = response.status().as_u16();
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        let answer = http::body(response, ANSWER_BYTES_MAX.saturating_add(1)).await.map_err(unanswered)?;
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(Failure::lasting(format!("the witness's answer is longer than {ANSWER_BYTES_MAX} bytes")));
        }
        match read_answer(old_size, status, kind.as_deref(), &answer) {
            Err(Declined::Unavailable { status }) => Err(Failure::passing(format!("the witness answered {status}"))),
            other => Ok(other),
        }
    }
}

#[async_trait]
impl Witness for HttpWitness {
    fn key(&self) -> &VerifierKey {
        &self.key
    }

    async fn add_checkpoint(&self, old_size: u64, proof: &[Hash], note: &[u8]) -> Result<Vec<u8>, WitnessError> {
        let note = SignedCheckpoint::parse(note).map_err(|error| WitnessError::Refused(error.to_string()))?;
        let body = Request::new(old_size, proof.to_vec(), note).to_bytes();
        // A witness that cosigned and wasn't heard says so: its size has moved on.
        let ask = (|| self.ask(old_size, &body)).retry(self.patience.pauses()).when(|failure| failure.passing);
        let answer = match tokio::time::timeout(self.patience.total, ask).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::passing(format!("the witness gave no answer within {:?}", self.patience.total))),
        };
        // What it says may hold anything.
        let presentable = |reason: &str| printable(reason, REASON_CHARACTERS_MAX);
        match answer {
            Ok(Ok(lines)) => Ok(lines),
            Ok(Err(Declined::OtherSize { size })) => Err(WitnessError::OtherSize { size }),
            Ok(Err(declined @ (Declined::Refused(_) | Declined::Unavailable { .. }))) => {
                Err(WitnessError::Refused(presentable(&declined.to_string())))
            }
            Err(Failure { reason, passing: true }) => Err(WitnessError::Unavailable(presentable(&reason))),
            Err(Failure { reason, passing: false }) => Err(WitnessError::Refused(presentable(&reason))),
        }
    }
}

#[cfg(test)]
mod tests;
