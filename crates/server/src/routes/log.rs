//! The transparency log, as tlog-tiles, to those who may read it.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::work::finished;
use crate::App;
use crate::call::{Body, Call, Named, Reading};
use crate::openapi::{CommandRefusals, ReadRefusals};
use crate::problem::ApiProblem;
use crate::views::{EmptyBody, LogEntryView, OverrideBody, OverrideView};

impl Body for OverrideBody {}

/// What is written once may be kept for as long as anybody likes, by the caller alone.
const ONCE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The log's newest checkpoint
///
/// A signed note (C2SP tlog-checkpoint): the tree's size and root. `halligan log verify --url …/v1/log`
/// checks everything that it covers.
#[utoipa::path(
    get,
    path = "/log/checkpoint",
    tag = "log",
    responses((status = 200, description = "The signed note", body = String, content_type = "text/plain"), ReadRefusals)
)]
pub(super) async fn checkpoint(State(app): State<App>, Reading(caller): Reading) -> Result<Response, ApiProblem> {
    let bytes = app.broker().log_object(&caller, "checkpoint").await?;
    Ok(([(CONTENT_TYPE, TEXT)], bytes).into_response())
}

/// A tile or an entry bundle of the log
///
/// As C2SP tlog-tiles names them: `0/000`, `entries/x001/234.p/56`.
#[utoipa::path(
    get,
    path = "/log/tile/{*path}",
    tag = "log",
    params(("path" = String, Path, description = "Level or `entries`, number, and the width of a partial one", example = "entries/000.p/7")),
    responses((status = 200, description = "Its bytes", body = Vec<u8>, content_type = "application/octet-stream"), ReadRefusals)
)]
pub(super) async fn tile(
    State(app): State<App>,
    Reading(caller): Reading,
    Named(path): Named<String>,
) -> Result<Response, ApiProblem> {
    written_once(&app.broker().log_object(&caller, &format!("tile/{path}")).await?)
}

/// The personal parts of a bundle's entries
///
/// In the encoding of the bundle: empty where there is none, or it was erased.
#[utoipa::path(
    get,
    path = "/log/personal/{*path}",
    tag = "log",
    params(("path" = String, Path, description = "Number, and the width of a partial one", example = "000.p/7")),
    responses((status = 200, description = "Its bytes", body = Vec<u8>, content_type = "application/octet-stream"), ReadRefusals)
)]
pub(super) async fn personal(
    State(app): State<App>,
    Reading(caller): Reading,
    Named(path): Named<String>,
) -> Result<Response, ApiProblem> {
    // Not to be kept: it can be erased.
    let bytes = app.broker().log_object(&caller, &format!("personal/{path}")).await?;
    Ok(([(CONTENT_TYPE, BYTES)], bytes).into_response())
}

/// What follows a tree of the log
///
/// Size and root of the tree that follows, written before that is signed.
#[utoipa::path(
    get,
    path = "/log/successor/{*path}",
    tag = "log",
    params(("path" = String, Path, description = "The size of the tree that is followed", example = "x001/234")),
    responses((status = 200, description = "Two lines", body = String, content_type = "text/plain"), ReadRefusals)
)]
pub(super) async fn successor(
    State(app): State<App>,
    Reading(caller): Reading,
    Named(path): Named<String>,
) -> Result<Response, ApiProblem> {
    written_once(&app.broker().log_object(&caller, &format!("successor/{path}")).await?)
}

/// One entry of the log
#[utoipa::path(
    get,
    path = "/log/entries/{index}",
    tag = "log",
    params(("index" = u64, Path, description = "Counted from 0", example = 17)),
    responses((status = 200, description = "The entry", body = LogEntryView), ReadRefusals)
)]
pub(super) async fn entry(
    State(app): State<App>,
    Reading(caller): Reading,
    Named(index): Named<u64>,
) -> Result<Json<LogEntryView>, ApiProblem> {
    Ok(Json(LogEntryView::from(&app.broker().log_entry(&caller, index).await?)))
}

/// Let credentials leave although no archive confirms
///
/// For a while, where the configuration knows such a thing, and with the places that it names
/// confirming instead. It is an entry and an alarm, and whoever allows it mints nothing by it.
#[utoipa::path(
    post,
    path = "/log/override",
    tag = "log",
    params(crate::openapi::NeedlessKeyParam),
    request_body(content = OverrideBody, example = json!({"duration_seconds": 7200, "reason": "both archive Regions are down"})),
    responses((status = 200, description = "It is in force", body = OverrideView), CommandRefusals)
)]
pub(super) async fn override_log(
    State(app): State<App>,
    call: Call<OverrideBody>,
) -> Result<Json<OverrideView>, ApiProblem> {
    let Call { caller, body: OverrideBody { duration_seconds, reason } } = call;
    let granted = finished(async move { app.broker().override_log(&caller, duration_seconds, &reason).await }).await?;
    Ok(Json(OverrideView::from(granted)))
}

/// End that early
#[utoipa::path(
    post,
    path = "/log/override/end",
    tag = "log",
    params(crate::openapi::NeedlessKeyParam),
    request_body(content = EmptyBody, example = json!({})),
    responses((status = 200, description = "It is over", body = EmptyBody), CommandRefusals)
)]
pub(super) async fn end_override(State(app): State<App>, call: Call<EmptyBody>) -> Result<Json<EmptyBody>, ApiProblem> {
    finished(async move { app.broker().end_log_override(&call.caller).await }).await?;
    Ok(Json(EmptyBody {}))
}

fn written_once(bytes: &[u8]) -> Result<Response, ApiProblem> {
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, ONCE)], bytes.to_vec()).into_response())
}
