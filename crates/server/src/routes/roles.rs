//! What can be asked for.

use axum::Json;
use axum::extract::State;

use crate::App;
use crate::call::Reading;
use crate::openapi::ReadRefusals;
use crate::problem::ApiProblem;
use crate::views::{RoleList, RoleView};

/// List roles
///
/// Those that the caller has a part in, and which.
#[utoipa::path(
    get,
    path = "/roles",
    tag = "catalogue",
    responses((status = 200, description = "The roles", body = RoleList), ReadRefusals)
)]
pub(super) async fn roles(State(app): State<App>, Reading(caller): Reading) -> Result<Json<RoleList>, ApiProblem> {
    let roles = app.broker().roles(&caller).await?;
    Ok(Json(RoleList { roles: roles.iter().map(RoleView::from).collect() }))
}
