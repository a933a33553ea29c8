//! Who the caller is.

use axum::Json;
use axum::extract::State;

use crate::App;
use crate::call::Reading;
use crate::openapi::ReadRefusals;
use crate::views::MeView;

/// Who am I
///
/// The person that the login is linked to, and where requests can name incidents.
#[utoipa::path(
    get,
    path = "/me",
    tag = "catalogue",
    responses((status = 200, description = "The caller", body = MeView), ReadRefusals)
)]
pub(super) async fn me(State(app): State<App>, Reading(caller): Reading) -> Json<MeView> {
    let me = app.broker().me();
    let human = caller.human;
    Json(MeView {
        person: human.person.to_string(),
        issuer: human.principal.issuer,
        subject: human.principal.subject,
        deployment: me.deployment.to_string(),
        incident_providers: me.incident_providers.iter().map(ToString::to_string).collect(),
    })
}
