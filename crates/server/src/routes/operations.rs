//! For whoever runs the broker: open to all, and so without any detail of use to a stranger.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use halligan_engine::problem::{Problem, ProblemKind};

use crate::App;
use crate::context::Peer;
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

/// The metrics, in Prometheus' text format
///
/// To this machine, and to the networks that the configuration names; to others there is nothing here.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    security(()),
    responses((status = 200, description = "Prometheus' text format", body = String, content_type = "text/plain"), crate::openapi::Hidden)
)]
pub(super) async fn metrics(State(app): State<App>, request: Request) -> Result<Response, ApiProblem> {
    let nothing = || Problem::new(ProblemKind::NotFound, "there is nothing at this path: `/docs` lists what there is");
    let metrics = app.metrics().ok_or_else(nothing)?;
    // By the peer alone: what a proxy passes on is not from this machine.
    let peer = request.extensions().get::<Peer>().map(|Peer(peer)| peer.ip().to_canonical()).ok_or_else(nothing)?;
    let proxied = app.trusted_proxies().iter().any(|network| network.contains(&peer));
    let own = peer.is_loopback() && !proxied;
    if !own && !metrics.networks.iter().any(|network| network.contains(&peer)) {
        return Err(nothing().into());
    }
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (metrics.render)()).into_response())
}
