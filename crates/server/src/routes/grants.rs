//! Grants: ask, read, answer, change, end.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use halligan_core::grant::Grant;
use halligan_engine::caller::{ListAsk, RequestAsk};
use halligan_engine::identity::PasskeyAnswer;
use serde::Deserialize;
use utoipa::IntoParams;

use super::work::{Answer, finished};
use crate::App;
use crate::call::{Asked, Body, Call, FreshCall, Named, Reading};
use crate::openapi::{CommandRefusals, ReadRefusals};
use crate::problem::ApiProblem;
use crate::views::{
    AcknowledgeBody, ChallengeView, EmptyBody, ExtendBody, GrantPage, GrantView, GrantWithTimeline, ReasonBody,
    RequestBody,
};

impl Body for RequestBody {}
impl Body for AcknowledgeBody {}
impl Body for ReasonBody {}
impl Body for ExtendBody {}

/// Which grants.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// In this state.
    #[param(example = "pending")]
    state: Option<String>,
    /// Of this role of the catalogue.
    #[param(example = "prod-admin")]
    target: Option<String>,
    /// On this occasion: `provider:id`.
    #[param(example = "incidents:INC-219")]
    incident: Option<String>,
    /// Asked for by this person or machine.
    #[param(example = "alice")]
    requester: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// How many at most: 1 to 200.
    #[param(example = 50, minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Ask for a grant
///
/// Pending until a second person acknowledges it, or, with `emergency`, active at
/// once and over soon unless one does.
#[utoipa::path(
    post,
    path = "/grants",
    tag = "grants",
    params(crate::openapi::IdempotencyKeyParam),
    request_body(content = RequestBody, example = json!({
        "target": {"kind": "aws-role", "id": "prod-admin"},
        "incident": {"provider": "incidents", "id": "INC-219"},
        "reason": "checkout answers 500 since 02:40, need to see the queue",
        "duration_seconds": 1800
    })),
    responses((status = 201, description = "The grant, with the `request_hash` that the second person acknowledges", body = GrantView), CommandRefusals)
)]
pub(super) async fn ask(State(app): State<App>, call: Call<RequestBody>) -> Answer {
    let Call { caller, body } = call;
    let RequestBody { target, scope, incident, reason, duration_seconds, emergency } = body;
    let ask = RequestAsk {
        target: target.id,
        scope,
        incident: (incident.provider, incident.id),
        reason,
        duration_seconds,
        emergency,
    };
    let grant = finished(async move { app.broker().request(&caller, ask).await }).await?;
    let view = GrantView::from(&grant);
    Ok((StatusCode::CREATED, [(LOCATION, format!("/v1/grants/{}", view.id))], Json(view)).into_response())
}

/// List grants
///
/// Newest first, of the roles that the caller has a part in. A page may hold fewer than
/// `limit` although there is a `next`.
#[utoipa::path(
    get,
    path = "/grants",
    tag = "grants",
    params(ListQuery),
    responses((status = 200, description = "A page of grants", body = GrantPage), ReadRefusals)
)]
pub(super) async fn list(
    State(app): State<App>,
    Reading(caller): Reading,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<GrantPage>, ApiProblem> {
    let ListQuery { state, target, incident, requester, cursor, limit } = query;
    let page = app.broker().grants(&caller, ListAsk { state, target, incident, requester, cursor, limit }).await?;
    let grants = page.grants.iter().map(|found| GrantView::from(&found.grant)).collect();
    Ok(Json(GrantPage { grants, next: page.next.map(|id| id.to_string()) }))
}

/// Read a grant
///
/// With its log entries, in order.
#[utoipa::path(
    get,
    path = "/grants/{id}",
    tag = "grants",
    params(("id" = String, Path, description = "The grant")),
    responses((status = 200, description = "The grant and its timeline", body = GrantWithTimeline), ReadRefusals)
)]
pub(super) async fn read(
    State(app): State<App>,
    Reading(caller): Reading,
    Named(id): Named<String>,
) -> Result<Json<GrantWithTimeline>, ApiProblem> {
    Ok(Json(GrantWithTimeline::from(&app.broker().grant(&caller, &id).await?)))
}

/// Acknowledge a request or an extension
///
/// By a person other than the requester, and bound to what they saw: `request_hash` is the
/// grant's, or the `hash` of its pending extension. A machine's request needs two people: after the
/// first it still waits, with `acknowledgements_needed` 1.
#[utoipa::path(
    post,
    path = "/grants/{id}/acknowledge",
    tag = "grants",
    params(("id" = String, Path, description = "The grant"), crate::openapi::IdempotencyKeyParam),
    request_body = AcknowledgeBody,
    responses((status = 200, description = "The grant: active, or waiting for one more person", body = GrantView), CommandRefusals)
)]
pub(super) async fn acknowledge(
    State(app): State<App>,
    Named(id): Named<String>,
    call: Call<AcknowledgeBody>,
) -> Answer {
    let Call { caller, body } = call;
    let AcknowledgeBody { request_hash, signature } = body;
    let signature = signature.map(PasskeyAnswer::from);
    let acknowledged = async move { app.broker().acknowledge(&caller, &id, &request_hash, signature.as_ref()).await };
    answered(finished(acknowledged).await?)
}

/// Ask for a challenge to sign an acknowledgement
///
/// For a passkey of the caller, where the policy demands a signature: `challenge` goes into the
/// client data, and what the passkey answers goes into `signature` of the acknowledgement, with the
/// `nonce`. Good for one answer within five minutes. No `Idempotency-Key`: each call is a new challenge.
#[utoipa::path(
    post,
    path = "/grants/{id}/acknowledge/challenge",
    tag = "grants",
    params(("id" = String, Path, description = "The grant")),
    request_body(content = Option<EmptyBody>, description = "`{}` or nothing"),
    responses((status = 200, description = "The challenge", body = ChallengeView), CommandRefusals)
)]
pub(super) async fn challenge(
    State(app): State<App>,
    Named(id): Named<String>,
    FreshCall { caller }: FreshCall,
) -> Result<Json<ChallengeView>, ApiProblem> {
    let grant = app.broker().grant(&caller, &id).await?.grant;
    let asked = app.broker().identity().challenge_to_acknowledge(&caller, &grant).await?;
    Ok(Json(ChallengeView::from(asked)))
}

/// Decline a request, an emergency start or an extension
#[utoipa::path(
    post,
    path = "/grants/{id}/decline",
    tag = "grants",
    params(("id" = String, Path, description = "The grant"), crate::openapi::IdempotencyKeyParam),
    request_body = ReasonBody,
    responses((status = 200, description = "The grant as it is now", body = GrantView), CommandRefusals)
)]
pub(super) async fn decline(State(app): State<App>, Named(id): Named<String>, call: Call<ReasonBody>) -> Answer {
    let Call { caller, body } = call;
    answered(finished(async move { app.broker().decline(&caller, &id, &body.reason).await }).await?)
}

/// Ask for a later end
///
/// By the requester of an acknowledged grant; a second person acknowledges it like a request.
#[utoipa::path(
    post,
    path = "/grants/{id}/extend",
    tag = "grants",
    params(("id" = String, Path, description = "The grant"), crate::openapi::IdempotencyKeyParam),
    request_body = ExtendBody,
    responses((status = 200, description = "The grant with its pending `extension`", body = GrantView), CommandRefusals)
)]
pub(super) async fn extend(State(app): State<App>, Named(id): Named<String>, call: Call<ExtendBody>) -> Answer {
    let Call { caller, body: ExtendBody { duration_seconds, reason } } = call;
    answered(finished(async move { app.broker().extend(&caller, &id, duration_seconds, &reason).await }).await?)
}

/// Take a pending request back
#[utoipa::path(
    post,
    path = "/grants/{id}/withdraw",
    tag = "grants",
    params(("id" = String, Path, description = "The grant"), crate::openapi::IdempotencyKeyParam),
    request_body(content = Option<EmptyBody>, description = "`{}` or nothing"),
    responses((status = 200, description = "The grant, withdrawn", body = GrantView), CommandRefusals)
)]
pub(super) async fn withdraw(State(app): State<App>, Named(id): Named<String>, call: Call<EmptyBody>) -> Answer {
    let caller = call.caller;
    answered(finished(async move { app.broker().withdraw(&caller, &id).await }).await?)
}

/// Give the access back early
#[utoipa::path(
    post,
    path = "/grants/{id}/return",
    tag = "grants",
    params(("id" = String, Path, description = "The grant"), crate::openapi::IdempotencyKeyParam),
    request_body(content = Option<EmptyBody>, description = "`{}` or nothing"),
    responses((status = 200, description = "The grant, returned; `containment` says how far the end has come", body = GrantView), CommandRefusals)
)]
pub(super) async fn give_back(State(app): State<App>, Named(id): Named<String>, call: Call<EmptyBody>) -> Answer {
    let caller = call.caller;
    answered(finished(async move { app.broker().give_back(&caller, &id).await }).await?)
}

/// End an active grant
#[utoipa::path(
    post,
    path = "/grants/{id}/revoke",
    tag = "grants",
    params(("id" = String, Path, description = "The grant"), crate::openapi::IdempotencyKeyParam),
    request_body = ReasonBody,
    responses((status = 200, description = "The grant, revoked; `containment` says how far the end has come", body = GrantView), CommandRefusals)
)]
pub(super) async fn revoke(State(app): State<App>, Named(id): Named<String>, call: Call<ReasonBody>) -> Answer {
    let Call { caller, body } = call;
    answered(finished(async move { app.broker().revoke(&caller, &id, &body.reason).await }).await?)
}

fn answered(grant: Grant) -> Answer {
    Ok(Json(GrantView::from(&grant)).into_response())
}
