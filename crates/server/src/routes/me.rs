//! Who the caller is, and with whom whoever isn't known can sign in.

use axum::Json;
use axum::extract::State;

use crate::App;
use crate::call::Reading;
use crate::openapi::ReadRefusals;
use crate::present;
use crate::problem::ApiProblem;
use crate::views::{MeView, SignInList};

/// Who am I
///
/// The person or machine that the login is linked to, how fresh the proof of it is, and where
/// requests can name incidents.
#[utoipa::path(
    get,
    path = "/me",
    tag = "catalogue",
    responses((status = 200, description = "The caller", body = MeView), ReadRefusals)
)]
pub(super) async fn me(State(app): State<App>, Reading(caller): Reading) -> Result<Json<MeView>, ApiProblem> {
    let me = app.broker().me();
    let groups = app.broker().judge().groups(&caller.party).await?;
    let principal = caller.party.principal();
    Ok(Json(MeView {
        kind: present::kind(&caller.party),
        name: caller.party.as_str().to_owned(),
        on_behalf_of: present::on_behalf_of(&caller.party),
        issuer: principal.issuer.clone(),
        subject: principal.subject.clone(),
        groups: groups.iter().map(ToString::to_string).collect(),
        channel: caller.shown.channel.as_str().to_owned(),
        auth_age_seconds: caller.shown.fresh.auth_age_seconds,
        mfa_age_seconds: caller.shown.fresh.mfa_age_seconds,
        deployment: me.deployment.to_string(),
        incident_providers: me.incident_providers.iter().map(ToString::to_string).collect(),
    }))
}

/// With whom to sign in
///
/// For command lines: open to all, and so without anything that is a secret. They sign in with the
/// provider itself, as a public client with PKCE, and present its ID token as a bearer token.
#[utoipa::path(
    get,
    path = "/sign-in",
    tag = "operations",
    security(()),
    responses((status = 200, description = "The providers", body = SignInList))
)]
pub(super) async fn sign_in(State(app): State<App>) -> Json<SignInList> {
    Json(SignInList { providers: app.sign_in() })
}
