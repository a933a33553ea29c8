//! The big red button.

use axum::Json;
use axum::extract::State;
use halligan_engine::caller::Selection;

use super::work::finished;
use crate::App;
use crate::call::{Body, Call};
use crate::openapi::CommandRefusals;
use crate::problem::ApiProblem;
use crate::views::{GrantView, RevocationBody, RevokedGrants};

impl Body for RevocationBody {}

/// End many grants at once
///
/// Every active grant of a target, on an incident, of a person or machine, or all. Those that the caller
/// may not end are left, and the others are not.
#[utoipa::path(
    post,
    path = "/revocations",
    tag = "grants",
    params(crate::openapi::NeedlessKeyParam),
    request_body(content = RevocationBody, example = json!({"requester": "carol", "reason": "the laptop of carol was stolen"})),
    responses((status = 200, description = "The grants that were ended", body = RevokedGrants), CommandRefusals)
)]
pub(super) async fn revoke_all(
    State(app): State<App>,
    call: Call<RevocationBody>,
) -> Result<Json<RevokedGrants>, ApiProblem> {
    let Call { caller, body: RevocationBody { target, incident, requester, all, reason } } = call;
    let which = Selection {
        target: target.map(|target| target.id),
        incident: incident.map(|incident| (incident.provider, incident.id)),
        requester,
        all,
    };
    let ended = finished(async move { app.broker().revoke_all(&caller, which, &reason).await }).await?;
    Ok(Json(RevokedGrants { grants: ended.iter().map(GrantView::from).collect() }))
}
