//! For whoever runs the broker: open to all, and so without any detail of use to a stranger.

use axum::Json;
use axum::extract::State;

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
    app.broker().ready().await?;
    Ok(Json(StatusView { status: "ok".to_owned() }))
}
