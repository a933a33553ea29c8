//! For whoever runs the broker: open to all, and so without any detail of use to a stranger.

use axum::Json;
use axum::extract::State;
use halligan_engine::problem::Problem;

use crate::App;
use crate::openapi::NotReady;
use crate::problem::ApiProblem;
use crate::views::StatusView;

/// The process is alive
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operations",
    security(()),
    responses((status = 200, description = "It is", body = StatusView))
)]
pub(super) async fn alive() -> Json<StatusView> {
    Json(StatusView { status: "ok".to_owned() })
}

/// The broker can do its work
///
/// The store answers, and the log takes entries.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    security(()),
    responses((status = 200, description = "It can", body = StatusView), NotReady)
)]
pub(super) async fn ready(State(app): State<App>) -> Result<Json<StatusView>, ApiProblem> {
    if let Err(problem) = app.broker().ready().await {
        tracing::warn!(%problem, "not ready");
        // Its words may name paths and hosts, and this answer is for anybody.
        let detail = "the broker can't do its work now: its operators' log says why";
        return Err(Problem::new(problem.kind, detail).retry_after(5).into());
    }
    Ok(Json(StatusView { status: "ok".to_owned() }))
}
