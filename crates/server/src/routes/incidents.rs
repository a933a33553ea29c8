//! Incidents, as their tools see them.

use axum::Json;
use axum::extract::State;

use crate::App;
use crate::call::{Named, Reading};
use crate::openapi::LookupRefusals;
use crate::present;
use crate::problem::ApiProblem;
use crate::views::IncidentView;

/// Look an incident up
///
/// For whoever may read or ask for any role. Asks its tool now. In the path, `/` and `#` of an id are written `%2F` and `%23`.
#[utoipa::path(
    get,
    path = "/incidents/{provider}/{id}",
    tag = "catalogue",
    params(
        ("provider" = String, Path, description = "The tool, by its name in the configuration"),
        ("id" = String, Path, description = "The incident's id there")
    ),
    responses((status = 200, description = "What the tool says", body = IncidentView), LookupRefusals)
)]
pub(super) async fn incident(
    State(app): State<App>,
    Reading(caller): Reading,
    Named((provider, id)): Named<(String, String)>,
) -> Result<Json<IncidentView>, ApiProblem> {
    let status = app.broker().incident(&caller, &provider, &id).await?;
    Ok(Json(present::incident(&provider, &id, status)))
}
