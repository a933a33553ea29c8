//! Work that outlives its caller.

use axum::response::Response;
use halligan_engine::problem::{Problem, ProblemKind};
use tracing::Instrument;

use crate::problem::ApiProblem;

/// What a handler answers.
pub(super) type Answer = Result<Response, ApiProblem>;

/// Runs work to its end whatever becomes of its caller: a mint whose caller hung
/// up is still recorded as what it came to, and a key that was taken is answered.
pub(crate) async fn finished<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, ApiProblem> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(outcome) => outcome.map_err(ApiProblem::from),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(ApiProblem::new(ProblemKind::Internal, "the broker is stopping: ask again")),
    }
}
