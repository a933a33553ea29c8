//! The protocol's one route, and one that says that it is served.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use halligan_log::witness::Refusal;

use super::judge::{Judge, Unanswered};

const PLAIN: &str = "text/plain; charset=utf-8";
/// 63 hashes and a note with the signatures of more witnesses than anybody has.
const BODY_BYTES_MAX: usize = 64 << 10;
/// From the head of a request to the end of its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The witness's routes.
pub fn router(judge: Arc<Judge>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/healthz", get(async || "ok\n"))
        .with_state(judge)
}

async fn add_checkpoint(State(judge): State<Arc<Judge>>, body: Body) -> Response {
    let bytes = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, BODY_BYTES_MAX)).await {
        Err(_) => return answer(StatusCode::REQUEST_TIMEOUT, PLAIN, "the request took too long\n"),
        Ok(Err(_)) => {
            let text = format!("the request can't be read, or is longer than {BODY_BYTES_MAX} bytes\n");
            return answer(StatusCode::PAYLOAD_TOO_LARGE, PLAIN, text);
        }
        Ok(Ok(bytes)) => bytes,
    };
    decide(judge, bytes).await
}

/// On a thread of its own, which goes on to its end when the caller hangs up.
async fn decide(judge: Arc<Judge>, bytes: Bytes) -> Response {
    match tokio::task::spawn_blocking(move || judge.add_checkpoint(&bytes)).await {
        Ok(Ok(line)) => answer(StatusCode::OK, PLAIN, line),
        Ok(Err(Unanswered::Refused(refusal))) => refused(&refusal),
        Ok(Err(Unanswered::State(error))) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "NOT COSIGNED: what was seen can't be kept");
            answer(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "what was seen can't be kept\n")
        }
        Err(error) => {
            tracing::error!(%error, "NOT COSIGNED: a request came to grief");
            answer(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "the witness came to grief\n")
        }
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer(status, refusal.content_type(), refusal.body())
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    (status, [(CONTENT_TYPE, kind)], body.into()).into_response()
}
