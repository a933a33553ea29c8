//! The loopback endpoint that AWS SDKs know from containers: they ask it anew
//! whenever what they have is about to end.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HOST};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use halligan_engine::ports::Entropy;
use halligan_server::views::CredentialsView;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::client::credentials::Source;
use crate::client::failure::Failure;

const PATH: &str = "/credentials";

/// An open endpoint; closed when it is dropped.
pub struct Endpoint {
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
    pub url: String,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
    pub token: SecretString,
    serving: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Gate {
    host: String,
    token: SecretString,
    source: Arc<Source>,
}

/// Opens an endpoint on a free port of the loopback interface.
///
/// # Errors
/// When there is none.
pub async fn open(source: Arc<Source>, entropy: &dyn Entropy) -> Result<Endpoint, Failure> {
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listening.map_err(Failure::local("listen on a port of this machine"))?;
    let address = listener.local_addr().map_err(Failure::local("learn the port"))?;
    let token = SecretString::from(hex::encode(entropy.bytes::<32>()));
    let gate = Gate { host: address.to_string(), token: token.clone(), source };
    let router = Router::new().route(PATH, get(answer)).with_state(Arc::new(gate));
    let serving = tokio::spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    Ok(Endpoint { url: format!("http://{address}{PATH}"), token, serving })
}

async fn answer(State(gate): State<Arc<Gate>>, headers: HeaderMap) -> Response {
    // A browser that was lured here by a name of its own would show that name.
    if headers.get(HOST).is_none_or(|host| host.as_bytes() != gate.host.as_bytes()) {
        return refused(StatusCode::MISDIRECTED_REQUEST, "WrongHost", "this endpoint is asked by its address alone");
    }
    let shown = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
    if !bool::from(shown.ct_eq(gate.token.expose_secret().as_bytes())) {
        return refused(StatusCode::FORBIDDEN, "WrongToken", "expected the token of AWS_CONTAINER_AUTHORIZATION_TOKEN");
    }
    match gate.source.current().await {
        Ok(credentials) => {
            (StatusCode::OK, [(CACHE_CONTROL, "no-store")], Json(container_form(&credentials))).into_response()
        }
        Err(failure) => {
            let passing = failure.is_passing();
            let status = if passing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::FORBIDDEN };
            refused(status, "NoCredentials", &failure.chain())
        }
    }
}

/// The field names of the container endpoint: `Token`, where `credential_process` says `SessionToken`.
fn container_form(credentials: &CredentialsView) -> Value {
    json!({
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key.expose_secret(),
        "Token": credentials.session_token.expose_secret(),
        "Expiration": credentials.expiration,
    })
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(json!({ "code": code, "message": message }))).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use jiff::ToSpan as _;

    use super::*;
    use crate::client::cache::MemoryShelf;
    use crate::client::credentials::tests::{FakeIssuer, Moved, id};
    use crate::client::machine::MachineEntropy;
    use halligan_server::views::GrantState;

    async fn opened() -> (Endpoint, Arc<FakeIssuer>) {
        let clock = Moved::at("2026-03-01T02:40:00Z");
        let issuer = FakeIssuer::new(&clock, 30.minutes());
        let source = Source::new(issuer.clone(), Box::new(MemoryShelf::default()), clock, Arc::new(|_| {}), id());
        (open(Arc::new(source), &MachineEntropy).await.unwrap(), issuer)
    }

    async fn ask(endpoint: &Endpoint, token: Option<&str>, host: Option<&str>) -> (StatusCode, Value) {
        let mut request = reqwest::Client::builder().no_proxy().build().unwrap().get(&endpoint.url);
        request = token.iter().fold(request, |request, token| request.header(AUTHORIZATION, *token));
        request = host.iter().fold(request, |request, host| request.header(HOST, *host));
        let response = request.send().await.unwrap();
        let status = response.status();
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        (status, response.json().await.unwrap())
    }

    #[tokio::test]
    async fn the_child_is_answered_from_one_mint() {
        let (endpoint, issuer) = opened().await;
        let mut bodies = Vec::new();
        for _ in 0..3 {
            let (status, body) = ask(&endpoint, Some(endpoint.token.expose_secret()), None).await;
            assert_eq!(status, StatusCode::OK);
            bodies.push(body);
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]));
        insta::assert_json_snapshot!(bodies[0], @r#"
        {
          "AccessKeyId": "ASIA1",
          "SecretAccessKey": "secret",
          "Token": "token",
          "Expiration": "2026-03-01T03:10:00Z"
        }
        "#);
        assert_eq!(issuer.mints.load(std::sync::atomic::Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn nobody_else_is_answered() {
        let (endpoint, issuer) = opened().await;
        let token = endpoint.token.expose_secret();
        assert_eq!(token.len(), 64);
        let wrong = [None, Some(""), Some("Bearer x"), Some(&token[..63])];
        for token in wrong {
            let (status, body) = ask(&endpoint, token, None).await;
            assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("WrongToken")), "{token:?}");
        }
        for host in ["localhost", "evil.example.com", "127.0.0.1"] {
            let (status, _) = ask(&endpoint, Some(token), Some(host)).await;
            assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        }
        assert_eq!(issuer.reads.load(std::sync::atomic::Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn the_end_is_an_error_that_says_so() {
        let (endpoint, issuer) = opened().await;
        issuer.grant.lock().unwrap().state = GrantState::Revoked;
        let (status, body) = ask(&endpoint, Some(endpoint.token.expose_secret()), None).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(body["message"].as_str().unwrap().contains("is over: revoked"), "{body}");
        *issuer.failing.lock().unwrap() = Some(503);
        assert_eq!(ask(&endpoint, Some(endpoint.token.expose_secret()), None).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
