//! The pages: plain forms, which work without a script except where a passkey answers.
//!
//! A session's cookie says who looks; nothing but a `POST` of our own pages changes
//! anything, since link previews and mail scanners follow links. Refusals are pages too,
//! in the words of the API's problems.

mod answer;
mod assets;
mod back;
mod cookies;
mod form;
mod frame;
mod grants;
mod home;
mod origin;
mod passkeys;
mod people;
mod refusal;
mod sessions;
mod show;
mod sign_in;
mod step_up;
mod visit;

#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::App;
use crate::routes::{REQUEST_TIMEOUT, panicked};

pub(crate) use refusal::Written;
pub(crate) use visit::attend_strangers;

/// Under the API's, so that a slow page is refused as a page.
const PAGE_TIMEOUT: Duration = REQUEST_TIMEOUT.saturating_sub(Duration::from_secs(1));

/// The pages, and what they are made of.
pub(crate) fn router(app: &App) -> Router<App> {
    let pages = Router::new()
        .route("/", get(home::home))
        .route("/sign-in", get(sign_in::choose))
        .route("/sign-in/passkey/challenge", post(sign_in::challenge))
        .route("/sign-in/passkey", post(sign_in::by_passkey))
        .route("/sign-in/{provider}", post(sign_in::away))
        .route("/sign-in/{provider}/callback", get(sign_in::back))
        .route("/sign-out", post(sign_in::out))
        .route("/step-up", get(step_up::choose))
        .route("/step-up/passkey/challenge", post(step_up::challenge))
        .route("/step-up/passkey", post(step_up::by_passkey))
        .route("/step-up/{provider}", post(step_up::away))
        .route("/grants/{id}", get(grants::read))
        .route("/grants/{id}/challenge", post(grants::challenge))
        .route("/grants/{id}/acknowledge", post(grants::acknowledge))
        .route("/grants/{id}/decline", post(grants::decline))
        .route("/passkeys", get(passkeys::list).post(passkeys::enrol))
        .route("/passkeys/challenge", post(passkeys::challenge_to_enrol))
        .route("/passkeys/confirm", post(passkeys::confirm))
        .route("/passkeys/confirm/challenge", post(passkeys::challenge_to_confirm))
        .route("/passkeys/remove", post(passkeys::remove))
        .route("/sessions", get(sessions::list))
        .route("/sessions/end", post(sessions::end))
        .route("/sessions/everywhere", post(sessions::everywhere))
        .route("/people", get(people::list))
        .route("/people/{person}", get(people::one))
        .route("/people/{person}/sign-out", post(people::sign_out))
        .route("/people/{person}/passkeys/remove", post(people::remove_passkey))
        .layer(origin::layer(app))
        .layer(from_fn(origin::says_where_it_is_from))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, PAGE_TIMEOUT))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), visit::attend));
    pages.route("/assets/{name}", get(assets::asset))
}

/// Nothing is at this path.
pub(crate) async fn nothing_here() -> StatusCode {
    StatusCode::NOT_FOUND
}

/// Shows another page, by `GET`.
fn see(path: &str) -> Response {
    match HeaderValue::from_str(path) {
        Ok(path) => (StatusCode::SEE_OTHER, [(axum::http::header::LOCATION, path)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whether a program asks: the script, which shows a problem's words itself.
fn wants_json(request: &Request) -> bool {
    accepts(request, "application/json")
}

fn accepts(request: &Request, media_type: &str) -> bool {
    let mut accepted = request.headers().get_all(axum::http::header::ACCEPT).iter();
    accepted.any(|value| value.to_str().is_ok_and(|text| text.contains(media_type)))
}
