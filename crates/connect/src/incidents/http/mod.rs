//! Any incident tool that answers a GET with JSON.

mod answer;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backon::Retryable;
use halligan_core::incident::{IncidentId, IncidentStatus};
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use secrecy::{ExposeSecret, SecretString};

use self::answer::Meaning;
use self::template::UrlTemplate;
use super::{BODY_BYTES_MAX, unknown};
use crate::http::{self, Failure, Patience};

pub use answer::Fields;

/// How a tool is asked, and how its answer is understood.
#[derive(Debug, Default)]
pub struct HttpSettings {
    /// `https://tool.example.com/incidents/{id}`: the id stands in for `{id}`, percent-encoded.
    pub url: String,
    /// Headers of each request; all of them are treated as secrets.
    pub headers: BTreeMap<String, SecretString>,
    /// Where things stand in the answer.
    pub fields: Fields,
    /// The statuses of an incident that people are working on.
    pub open_values: BTreeSet<String>,
    /// The statuses of one that is over; any other is unknown. None: every
    /// status that isn't open is closed.
    pub closed_values: BTreeSet<String>,
}

/// A setting that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidHttpSettings {
    /// The field of [`HttpSettings`] (those of [`Fields`] by their own names).
    pub field: String,
    /// What is wrong, and what was expected.
    pub problem: String,
}

const PATIENCE: Patience = Patience {
    attempt: Duration::from_secs(3),
    total: Duration::from_secs(6),
    first_pause: Duration::from_millis(150),
    retries: 2,
};

/// A tool that is asked over HTTP.
#[derive(Debug)]
pub struct HttpIncidents {
    client: Client,
    url: UrlTemplate,
    headers: HeaderMap,
    meaning: Meaning,
    patience: Patience,
}

impl HttpIncidents {
    /// Checks the settings; nothing is asked yet.
    ///
    /// # Errors
    /// Every setting that can't be used.
    pub fn new(settings: HttpSettings) -> Result<Self, Vec<InvalidHttpSettings>> {
        Self::patiently(settings, PATIENCE)
    }

    fn patiently(settings: HttpSettings, patience: Patience) -> Result<Self, Vec<InvalidHttpSettings>> {
        let HttpSettings { url, headers, fields, open_values, closed_values } = settings;
        let mut invalid = Vec::new();
        let mut refuse = |field: &str, problem: &str| {
            invalid.push(InvalidHttpSettings { field: field.to_owned(), problem: problem.to_owned() })
        };

        let url = UrlTemplate::parse(&url).map_err(|problem| refuse("url", &problem)).ok();
        let headers = header_map(headers, &mut refuse);
        for field in fields.wrong() {
            refuse(field, "is no JSON pointer: expected one such as `/incident/status`");
        }
        if open_values.is_empty() {
            refuse("open_values", "is empty: expected the statuses of an incident that people are working on");
        }
        if let Some(both) = open_values.intersection(&closed_values).next() {
            refuse(
                "closed_values",
                &format!("holds `{both}`, as open_values does: expected each status in one of them"),
            );
        }
        let client = url.as_ref().and_then(|url| {
            let client = http::client(url.example(), &patience, redirect::Policy::none());
            client.map_err(|problem| refuse("url", &problem)).ok()
        });
        match (url, client) {
            (Some(url), Some(client)) if invalid.is_empty() => {
                let meaning = Meaning { fields, open_values, closed_values };
                Ok(Self { client, url, headers, meaning, patience })
            }
            _ => Err(invalid),
        }
    }

    /// Asks the tool, within six seconds.
    pub async fn check(&self, id: &IncidentId) -> IncidentStatus {
        let Some(url) = self.url.fill(id.as_str()) else {
            return unknown("the incident's id can't stand in the tool's URL");
        };
        let ask = (|| self.ask(&url)).retry(self.patience.pauses()).when(|failure| failure.passing);
        match tokio::time::timeout(self.patience.total, ask).await {
            Ok(Ok(status)) => status,
            Ok(Err(failure)) => unknown(failure.reason),
            Err(_) => unknown(format!("the tool gave no answer within {:?}", self.patience.total)),
        }
    }

    async fn ask(&self, url: &Url) -> Result<IncidentStatus, Failure> {
        let request = self.client.get(url.clone()).headers(self.headers.clone());
        let response = request.send().await.map_err(|error| self.unanswered(error))?;
        match response.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(IncidentStatus::Closed { known: false }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let status = response.status().as_u16();
                Err(Failure::lasting(format!(
                    "the tool refused the broker ({status}): check the headers that are sent to it"
                )))
            }
            status if status.is_redirection() => Err(Failure::lasting(format!(
                "the tool answered with a redirect ({}), which is not followed: check the URL",
                status.as_u16()
            ))),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Failure::passing(format!("the tool answered {}", status.as_u16())))
            }
            status if status.is_success() => {
                let body = self.body(response).await?;
                // The body itself is never shown: it might repeat what was sent.
                let answer =
                    serde_json::from_slice(&body).map_err(|_| Failure::lasting("the tool's answer is not JSON"))?;
                Ok(self.meaning.of(&answer))
            }
            status => Err(Failure::lasting(format!("the tool answered {}", status.as_u16()))),
        }
    }

    async fn body(&self, response: Response) -> Result<Vec<u8>, Failure> {
        let body = http::body(response, BODY_BYTES_MAX + 1).await.map_err(|error| self.unanswered(error))?;
        if body.len() > BODY_BYTES_MAX {
            return Err(Failure::lasting(format!("the tool's answer is longer than {BODY_BYTES_MAX} bytes")));
        }
        Ok(body)
    }

    fn unanswered(&self, error: reqwest::Error) -> Failure {
        Failure::unanswered("the tool", &self.patience, error)
    }
}

fn header_map(headers: BTreeMap<String, SecretString>, refuse: &mut impl FnMut(&str, &str)) -> HeaderMap {
    let mut map = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
    for (name, secret) in headers {
        let field = format!("headers.{name}");
        match (HeaderName::try_from(&name), HeaderValue::try_from(secret.expose_secret())) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                map.insert(name, value);
            }
            (Err(_), _) => refuse(&field, "is no header name: expected one such as `Authorization`"),
            (_, Err(_)) => {
                refuse(&field, "has a value that no header can have: expected one line of visible characters")
            }
        }
    }
    map
}

#[cfg(test)]
mod tests;
