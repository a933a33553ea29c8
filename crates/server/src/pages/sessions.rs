//! One's own sessions.

use askama::Template;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use halligan_engine::identity::PASSKEY_ISSUER;
use halligan_engine::ports::Session;
use jiff::Timestamp;
use serde::Deserialize;

use super::cookies::Cookies;
use super::form::{Nothing, Sent};
use super::frame::{Frame, page};
use super::people;
use super::refusal::Refusal;
use super::see;
use super::show::Moment;
use super::visit::SignedIn;
use crate::App;
use crate::routes::{finished, session_named};

const PATH: &str = "/sessions";

#[derive(Template)]
#[template(path = "sessions.html")]
struct Page {
    frame: Frame,
    sessions: Vec<Shown>,
    looks_after_people: bool,
}

struct Shown {
    id: String,
    is_this: bool,
    /// None: a passkey, past every provider.
    issuer: Option<String>,
    opened: Moment,
    seen: Moment,
    address: Option<String>,
}

/// Which session.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfOne {
    id: String,
}

pub(super) async fn list(State(app): State<App>, SignedIn { visitor, frame }: SignedIn) -> Result<Response, Refusal> {
    let now = app.clock().now();
    let sessions = app.broker().identity().sessions(&visitor.caller).await?;
    let shown = |session: &Session| Shown::new(session, session.id == visitor.session.id, now);
    let looks_after_people = people::may_try(&app, &visitor).await;
    Ok(page(&Page { frame, sessions: sessions.iter().map(shown).collect(), looks_after_people }))
}

impl Shown {
    fn new(session: &Session, is_this: bool, now: Timestamp) -> Self {
        let Session { id, principal, opened_at, seen_at, address, .. } = session;
        let issuer = Some(principal.issuer.clone()).filter(|issuer| issuer != PASSKEY_ISSUER);
        Self {
            id: id.to_string(),
            is_this,
            issuer,
            opened: Moment::new(*opened_at, now),
            seen: Moment::new(*seen_at, now),
            address: address.map(|address| address.to_string()),
        }
    }
}

pub(super) async fn end(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Sent(OfOne { id }): Sent<OfOne>,
) -> Result<Response, Refusal> {
    let id = session_named(&id).map_err(|problem| Refusal::from(problem).with_link(PATH, BACK))?;
    let (broker, own) = (app.broker().clone(), visitor.session.id);
    finished(async move { broker.identity().end_session(&visitor.caller, id).await })
        .await
        .map_err(|problem| Refusal::from(problem).with_link(PATH, BACK))?;
    Ok(if id == own { out(&app) } else { see(PATH) })
}

pub(super) async fn everywhere(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Sent(Nothing {}): Sent<Nothing>,
) -> Result<Response, Refusal> {
    let broker = app.broker().clone();
    finished(async move { broker.identity().sign_out_everywhere(&visitor.caller).await })
        .await
        .map_err(|problem| Refusal::from(problem).with_link(PATH, BACK))?;
    Ok(out(&app))
}

const BACK: &str = "Back to the sessions";

/// This browser's session is over too.
fn out(app: &App) -> Response {
    let mut response = see("/sign-in").into_response();
    let cookies = Cookies::new(app.broker().identity().settings());
    response.headers_mut().extend(cookies.forget_session().map(|cookie| (SET_COOKIE, cookie)));
    response
}
