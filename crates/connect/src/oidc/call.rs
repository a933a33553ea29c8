//! Calls to a provider.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use halligan_engine::ports::{ProviderError, SecretText};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Certificate, Client, Request, StatusCode, Url, redirect};
use secrecy::ExposeSecret as _;

use crate::http::{self, Failure, Patience};

/// One attempt: whoever is signing in is there to try again.
pub(super) const PATIENCE: Patience = Patience {
    attempt: Duration::from_secs(4),
    total: Duration::from_secs(4),
    first_pause: Duration::ZERO,
    retries: 0,
};
/// Providers with a dozen keys and their certificates stay under a tenth of this.
pub(super) const ANSWER_BYTES_MAX: usize = 256 << 10;

/// Whoever asks one provider.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    client: Client,
    patience: Patience,
    /// Where the issuer is over https, nothing of it may be elsewhere.
    https_only: bool,
}

impl Caller {
    /// For calls to `issuer`, and to where it points.
    ///
    /// # Errors
    /// A text that follows the name of the setting.
    pub(super) fn new(issuer: &Url, patience: Patience) -> Result<Self, String> {
        http::check(issuer)?;
        let client = http::client(issuer, &patience, redirect::Policy::none())?;
        Ok(Self { client, patience, https_only: !http::is_plain(issuer) })
    }

    /// The same, where only the authorities in a PEM file vouch for the other side.
    ///
    /// # Errors
    /// A text that follows the name of the setting.
    pub(super) fn trusting(issuer: &Url, patience: Patience, ca_file: &Path) -> Result<Self, String> {
        http::check(issuer)?;
        let expected = "expected a file of certificates in PEM";
        let pem = std::fs::read(ca_file).map_err(|error| format!("can't be read ({error}): {expected}"))?;
        let authorities = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if authorities.is_empty() {
            return Err(format!("holds no certificate: {expected}"));
        }
        let client = http::builder(issuer, &patience, redirect::Policy::none()).tls_certs_only(authorities);
        Ok(Self { client: http::built(client)?, patience, https_only: !http::is_plain(issuer) })
    }

    /// The whole of a JSON document. `whose` names it in errors: `its key set`.
    ///
    /// # Errors
    /// It can't be had.
    pub(super) async fn document(
        &self,
        whose: &str,
        url: &str,
        bearer: Option<&SecretText>,
    ) -> Result<Vec<u8>, ProviderError> {
        let url = self.allowed(whose, url)?;
        let mut request = self.client.get(url).header(ACCEPT, "application/json, application/jwk-set+json");
        if let Some(bearer) = bearer {
            let mut value = HeaderValue::try_from(format!("Bearer {}", bearer.expose_secret()))
                .map_err(|_| ProviderError::Refused(format!("{whose} can't be asked for: the token is no header")))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.build().map_err(|error| self.unanswered(whose, error))?;
        let (status, answer) = self.ask(whose, request).await?;
        if status != StatusCode::OK {
            return Err(ProviderError::Refused(format!("{whose} answered {}", status.as_u16())));
        }
        Ok(answer.into_body())
    }

    /// Where a call may go: https, or loopback where the issuer is there too.
    pub(super) fn allowed(&self, whose: &str, url: &str) -> Result<Url, ProviderError> {
        let refused = |problem: String| ProviderError::Refused(format!("the address of {whose} {problem}"));
        let url = Url::parse(url).map_err(|error| refused(format!("is not a URL ({error})")))?;
        http::check(&url).map_err(refused)?;
        if self.https_only && http::is_plain(&url) {
            return Err(refused("is not https, which the issuer's is".to_owned()));
        }
        Ok(url)
    }

    async fn ask(&self, whose: &str, request: Request) -> Result<(StatusCode, HttpResponse), ProviderError> {
        let response = self.client.execute(request).await.map_err(|error| self.unanswered(whose, error))?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT
        {
            return Err(ProviderError::Unavailable(format!("{whose} answered {}", status.as_u16())));
        }
        if status.is_redirection() {
            return Err(ProviderError::Refused(format!(
                "{whose} answered with a redirect ({}), which is not followed",
                status.as_u16()
            )));
        }
        let headers = response.headers().clone();
        let body = http::body(response, ANSWER_BYTES_MAX + 1).await.map_err(|error| self.unanswered(whose, error))?;
        if body.len() > ANSWER_BYTES_MAX {
            return Err(ProviderError::Refused(format!("{whose} answers with more than {ANSWER_BYTES_MAX} bytes")));
        }
        let mut answer = HttpResponse::new(body);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok((status, answer))
    }

    fn unanswered(&self, whose: &str, error: reqwest::Error) -> ProviderError {
        let Failure { reason, passing } = Failure::unanswered(whose, &self.patience, error);
        if passing { ProviderError::Unavailable(reason) } else { ProviderError::Refused(reason) }
    }
}

/// An endpoint of a provider, for calls that the library puts together. What the
/// answer says is the library's to read.
#[derive(Debug)]
pub(super) struct Endpoint<'a> {
    pub(super) caller: &'a Caller,
    pub(super) whose: &'static str,
}

impl<'c> AsyncHttpClient<'c> for Endpoint<'_> {
    type Error = ProviderError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, ProviderError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let url = self.caller.allowed(self.whose, &request.uri().to_string())?;
            let (parts, body) = request.into_parts();
            let request = self.caller.client.request(parts.method, url).headers(parts.headers).body(body);
            let request = request.build().map_err(|error| self.caller.unanswered(self.whose, error))?;
            self.caller.ask(self.whose, request).await.map(|(_, answer)| answer)
        })
    }
}
