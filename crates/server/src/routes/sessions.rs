//! Sessions: one's own, and those of others for whoever administers the broker.

use axum::Json;
use axum::extract::State;
use halligan_engine::identity::PasskeyStanding;
use halligan_engine::ports::Session;
use halligan_engine::problem::Problem;
use uuid::Uuid;

use super::work::finished;
use crate::App;
use crate::call::{Body, Call, Named, Reading};
use crate::openapi::{CommandRefusals, ReadRefusals};
use crate::problem::ApiProblem;
use crate::views::{
    EmptyBody, PasskeyList, PasskeyRemovalBody, PasskeyView, ReasonBody, SessionList, SessionView, SignedOutView,
};

impl Body for PasskeyRemovalBody {}

impl From<&Session> for SessionView {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id.to_string(),
            method: session.proof.method.as_str().to_owned(),
            issuer: session.principal.issuer.clone(),
            opened_at: session.opened_at.to_string(),
            seen_at: session.seen_at.to_string(),
            address: session.address.map(|address| address.to_string()),
        }
    }
}

impl From<PasskeyStanding> for PasskeyView {
    fn from(PasskeyStanding { passkey, counts, .. }: PasskeyStanding) -> Self {
        Self {
            credential: passkey.credential,
            label: passkey.label,
            enrolled_at: passkey.enrolled_at.to_string(),
            counts,
            confirmed_by: passkey.confirmed.map(|(by, _)| by.to_string()),
        }
    }
}

/// My sessions
///
/// In which browsers the caller is signed in.
#[utoipa::path(
    get,
    path = "/me/sessions",
    tag = "people",
    responses((status = 200, description = "The sessions that are not over", body = SessionList), ReadRefusals)
)]
pub(super) async fn mine(State(app): State<App>, Reading(caller): Reading) -> Result<Json<SessionList>, ApiProblem> {
    let sessions = app.broker().identity().sessions(&caller).await?;
    Ok(Json(SessionList { sessions: sessions.iter().map(SessionView::from).collect() }))
}

/// End one of my sessions
#[utoipa::path(
    post,
    path = "/me/sessions/{id}/end",
    tag = "people",
    params(("id" = String, Path, description = "The session"), crate::openapi::NeedlessKeyParam),
    request_body(content = EmptyBody, example = json!({})),
    responses((status = 200, description = "It is over", body = EmptyBody), CommandRefusals)
)]
pub(super) async fn end(
    State(app): State<App>,
    Named(id): Named<String>,
    call: Call<EmptyBody>,
) -> Result<Json<EmptyBody>, ApiProblem> {
    let id = session_named(&id)?;
    finished(async move { app.broker().identity().end_session(&call.caller, id).await }).await?;
    Ok(Json(EmptyBody {}))
}

/// Sign out everywhere
///
/// Ends every session of the caller's, and every token that was issued to them until now: the one of this call
/// too, which is refused from then on. Whoever signs in afterwards gets new ones.
#[utoipa::path(
    post,
    path = "/me/sessions/end",
    tag = "people",
    params(crate::openapi::NeedlessKeyParam),
    request_body(content = EmptyBody, example = json!({})),
    responses((status = 200, description = "All of it is over", body = SignedOutView), CommandRefusals)
)]
pub(super) async fn everywhere(
    State(app): State<App>,
    call: Call<EmptyBody>,
) -> Result<Json<SignedOutView>, ApiProblem> {
    let sessions = finished(async move { app.broker().identity().sign_out_everywhere(&call.caller).await }).await?;
    Ok(Json(SignedOutView { sessions }))
}

/// Sign somebody out everywhere
///
/// For whoever may administer the broker: ends every session of this person's, and every token that was issued to
/// them until now. The record says who did it, to whom and why.
#[utoipa::path(
    post,
    path = "/people/{person}/sessions/end",
    tag = "people",
    params(("person" = String, Path, description = "Who", example = "alice"), crate::openapi::NeedlessKeyParam),
    request_body(content = ReasonBody, example = json!({"reason": "her phone was stolen"})),
    responses((status = 200, description = "All of it is over", body = SignedOutView), CommandRefusals)
)]
pub(super) async fn of_another(
    State(app): State<App>,
    Named(person): Named<String>,
    call: Call<ReasonBody>,
) -> Result<Json<SignedOutView>, ApiProblem> {
    let Call { caller, body: ReasonBody { reason } } = call;
    let sessions = finished(async move { app.broker().sign_out_person(&caller, &person, &reason).await }).await?;
    Ok(Json(SignedOutView { sessions }))
}

/// Somebody's passkeys
///
/// For whoever may administer the broker.
#[utoipa::path(
    get,
    path = "/people/{person}/passkeys",
    tag = "people",
    params(("person" = String, Path, description = "Who", example = "alice")),
    responses((status = 200, description = "The passkeys", body = PasskeyList), ReadRefusals)
)]
pub(super) async fn passkeys(
    State(app): State<App>,
    Reading(caller): Reading,
    Named(person): Named<String>,
) -> Result<Json<PasskeyList>, ApiProblem> {
    let passkeys = app.broker().passkeys_of(&caller, &person).await?;
    Ok(Json(PasskeyList { passkeys: passkeys.into_iter().map(PasskeyView::from).collect() }))
}

/// Remove somebody's passkey
///
/// For whoever may administer the broker. It signs nothing more, and the sessions that it opened are over.
#[utoipa::path(
    post,
    path = "/people/{person}/passkeys/remove",
    tag = "people",
    params(("person" = String, Path, description = "Whose", example = "alice"), crate::openapi::NeedlessKeyParam),
    request_body(content = PasskeyRemovalBody, example = json!({"credential": "BwcHBwcHBwcHBwcHBwcHBw", "reason": "her phone was stolen"})),
    responses((status = 200, description = "It is gone", body = EmptyBody), CommandRefusals)
)]
pub(super) async fn remove_passkey(
    State(app): State<App>,
    Named(person): Named<String>,
    call: Call<PasskeyRemovalBody>,
) -> Result<Json<EmptyBody>, ApiProblem> {
    let Call { caller, body: PasskeyRemovalBody { credential, reason } } = call;
    let work = async move { app.broker().remove_passkey_of(&caller, &person, &credential, &reason).await };
    finished(work).await?;
    Ok(Json(EmptyBody {}))
}

/// The session of this name.
pub(crate) fn session_named(id: &str) -> Result<Uuid, Problem> {
    id.parse().map_err(|_| Problem::invalid("id", "this is no session's id: expected a UUID"))
}
