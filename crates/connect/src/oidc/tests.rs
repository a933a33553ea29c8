#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod client;
mod discovery;
mod fake;
mod key_sets;
mod private_authority;
mod sign_in;
mod tokens;

#[allow(dead_code, reason = "shared with the tests of the whole")]
#[path = "../../../../tests/support/browser.rs"]
mod browser;
#[allow(dead_code, reason = "shared with the tests of the whole")]
#[path = "../../../../tests/support/provider.rs"]
mod real;

use std::time::Duration;

use halligan_engine::ports::{AuthorizeAsk, Claims, IdentityProvider as _, ProviderError, Returned, SecretText};
use jiff::{SignedDuration, Timestamp};

use self::browser::{Browser, Page};
use super::relying_party::RelyingParty;
use super::*;
use crate::http::Patience;

/// Where browsers are sent back to: nobody listens there.
const BACK: &str = "http://127.0.0.1:9/callback";

/// A deadline that no busy machine reaches.
const PATIENT: Patience = Patience { attempt: Duration::from_secs(60), ..call::PATIENCE };
const HURRIED: Patience = Patience { attempt: Duration::from_millis(300), ..call::PATIENCE };

#[expect(clippy::disallowed_methods, reason = "the provider is a process with a clock of its own")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn settings(issuer: &str, (client_id, secret): (&str, &str)) -> OidcSettings {
    OidcSettings {
        issuer: issuer.to_owned(),
        client_id: client_id.to_owned(),
        client_secret: (!secret.is_empty()).then(|| secret.into()),
        scopes: vec!["openid".to_owned(), "email".to_owned()],
        acr: vec!["mfa".to_owned()],
        ca_file: None,
    }
}

fn provider(issuer: &str, client: (&str, &str)) -> OidcProvider {
    OidcProvider(RelyingParty::new(settings(issuer, client), PATIENT).unwrap())
}

fn hurried(issuer: &str) -> OidcProvider {
    OidcProvider(RelyingParty::new(settings(issuer, real::WEB), HURRIED).unwrap())
}

/// What was made for one sign-in.
struct SignIn {
    state: String,
    nonce: String,
    verifier: SecretText,
    max_age: Option<SignedDuration>,
}

impl SignIn {
    /// Numbered, so that each is another.
    fn nth(nth: u32) -> Self {
        Self {
            state: format!("state-{nth}"),
            nonce: format!("nonce-{nth}"),
            verifier: format!("verifier-{nth:-<50}").into(),
            max_age: None,
        }
    }

    async fn url(&self, provider: &OidcProvider) -> Result<String, ProviderError> {
        let Self { state, nonce, verifier, max_age } = self;
        provider.authorize(&AuthorizeAsk { redirect_uri: BACK, state, nonce, verifier, max_age: *max_age }).await
    }

    /// A person goes to the provider and comes back.
    async fn go(&self, provider: &OidcProvider, browser: &mut Browser, person: &str) -> Answer {
        let page = browser.open(&self.url(provider).await.unwrap(), BACK).await;
        let page = browser.submit(&page, &[("login", person)], BACK).await;
        Answer::of(&page)
    }

    async fn exchange(&self, provider: &OidcProvider, answer: &Answer) -> Result<Claims, ProviderError> {
        self.exchange_at(provider, answer, now()).await
    }

    async fn exchange_at(
        &self,
        provider: &OidcProvider,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<Claims, ProviderError> {
        provider.exchange(&self.returned(answer), now).await
    }

    fn returned<'a>(&'a self, answer: &'a Answer) -> Returned<'a> {
        Returned {
            code: &answer.code,
            issuer: answer.issuer.as_deref(),
            redirect_uri: BACK,
            nonce: &self.nonce,
            verifier: &self.verifier,
            proven_since: None,
        }
    }
}

/// What a browser came back with.
#[derive(Debug)]
struct Answer {
    code: SecretText,
    issuer: Option<String>,
    state: Option<String>,
}

impl Answer {
    fn of(page: &Page) -> Self {
        let code = page.parameter("code").unwrap_or_else(|| panic!("no code at {}: {}", page.url, page.text));
        Self { code: code.into(), issuer: page.parameter("iss"), state: page.parameter("state") }
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, ProviderError>) -> String {
    match outcome {
        Err(ProviderError::Refused(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn unavailable<T: std::fmt::Debug>(outcome: Result<T, ProviderError>) -> String {
    match outcome {
        Err(ProviderError::Unavailable(reason)) => reason,
        other => panic!("not unavailable: {other:?}"),
    }
}
