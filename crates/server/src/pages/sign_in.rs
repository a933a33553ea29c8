//! Signing in and out.

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::{REFRESH, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use halligan_core::id::PlaceId;
use halligan_engine::identity::{Back, PasskeyAnswer, SentAway, SignedIn as Opened};
use halligan_engine::ports::SecretText;
use halligan_engine::problem::{Problem, ProblemKind};
use serde::Deserialize;

use super::back::{HOME, own_path};
use super::cookies::Cookies;
use super::form::{Answered, BackTo, Nothing, Sent, answer};
use super::frame::{Frame, page};
use super::refusal::Refusal;
use super::see;
use super::visit::Anybody;
use crate::App;
use crate::routes::finished;

/// What a provider sends back. More is passed over: providers add what they like.
#[derive(Deserialize)]
pub(super) struct Returned {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Choose {
    frame: Frame,
    providers: Vec<String>,
    back_to: String,
    passkeys: bool,
}

#[derive(Template)]
#[template(path = "away.html")]
struct Away<'a> {
    frame: Frame,
    provider: &'a PlaceId,
    url: &'a str,
}

pub(super) async fn choose(
    State(app): State<App>,
    Anybody { frame, visit, .. }: Anybody,
    Query(BackTo { back_to }): Query<BackTo>,
) -> Response {
    let back_to = own_path(&back_to);
    if visit.visitor().is_some() {
        return see(back_to);
    }
    let identity = app.broker().identity();
    page(&Choose {
        frame,
        providers: identity.providers().iter().map(ToString::to_string).collect(),
        back_to: back_to.to_owned(),
        passkeys: identity.settings().rp_id.is_some(),
    })
}

pub(super) async fn away(
    State(app): State<App>,
    Anybody { frame, address, .. }: Anybody,
    Path(provider): Path<String>,
    Sent(BackTo { back_to }): Sent<BackTo>,
) -> Result<Response, Refusal> {
    let provider = place(&provider)?;
    let identity = app.broker().identity();
    let sent = identity.send_away(&provider, own_path(&back_to), None, address).await.map_err(signing_in)?;
    Ok(on_the_way(&app, frame, &provider, &sent))
}

/// The page that sends a browser on to its provider.
pub(super) fn on_the_way(app: &App, frame: Frame, provider: &PlaceId, sent: &SentAway) -> Response {
    let mut response = page(&Away { frame, provider, url: &sent.url });
    let cookies = Cookies::new(app.broker().identity().settings());
    let headers = response.headers_mut();
    headers.extend(HeaderValue::from_str(&format!("0;url={}", sent.url)).ok().map(|url| (REFRESH, url)));
    headers.extend(cookies.keep_away(provider.as_str(), &sent.browser).map(|cookie| (SET_COOKIE, cookie)));
    response
}

pub(super) async fn back(
    State(app): State<App>,
    Anybody { visit, address, .. }: Anybody,
    Path(provider): Path<String>,
    Query(Returned { code, state, iss, error }): Query<Returned>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    app.broker().serving().await?;
    let provider = place(&provider)?;
    let browser = Cookies::new(app.broker().identity().settings()).away(&headers);
    let (name, broker) = (provider.clone(), app.broker().clone());
    let code = code.map(SecretText::from);
    // The code is good once: whatever becomes of this connection, it is used to the end.
    let taken = finished(async move {
        let back = Back {
            code: code.as_ref(),
            state: state.as_deref(),
            issuer: iss.as_deref(),
            error: error.as_deref(),
            browser: browser.as_ref(),
        };
        broker.identity().take_back(&name, &back, address).await
    });
    let mut response = match taken.await {
        Ok((opened, back_to)) => {
            let response = see(own_path(&back_to));
            match opened {
                Some(opened) => signed_in(&app, visit.visitor().map(|visitor| &visitor.token), &opened, response).await,
                None => response,
            }
        }
        Err(problem) => Refusal::from(problem).with_link("/sign-in", "Sign in").into_response(),
    };
    let cookies = Cookies::new(app.broker().identity().settings());
    response.headers_mut().extend(cookies.forget_away(provider.as_str()).map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

pub(super) async fn challenge(
    State(app): State<App>,
    Anybody { address, .. }: Anybody,
    Sent(Answered { .. }): Sent<Answered>,
) -> Result<Response, Refusal> {
    app.broker().serving().await?;
    Ok(Json(app.broker().identity().challenge_to_sign_in(address).await?).into_response())
}

pub(super) async fn by_passkey(
    State(app): State<App>,
    Anybody { visit, address, .. }: Anybody,
    Sent(Answered { back_to, answer: text }): Sent<Answered>,
) -> Result<Response, Refusal> {
    app.broker().serving().await?;
    let given: PasskeyAnswer = answer(&text)?;
    let broker = app.broker().clone();
    let opened = finished(async move { broker.identity().sign_in_by_passkey(&given, address).await });
    let opened = opened.await.map_err(|problem| Refusal::from(problem).with_link("/sign-in", "Sign in"))?;
    let response = see(own_path(&back_to));
    Ok(signed_in(&app, visit.visitor().map(|visitor| &visitor.token), &opened, response).await)
}

/// Gives the browser its session, in place of the one that it had.
async fn signed_in(app: &App, before: Option<&SecretText>, opened: &Opened, mut response: Response) -> Response {
    let identity = app.broker().identity();
    if let Some(token) = before
        && let Err(problem) = identity.sign_out(token).await
    {
        tracing::warn!(%problem, "a session goes on beside the one that followed it");
    }
    let cookie = Cookies::new(identity.settings()).keep_session(&opened.token);
    response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    response
}

pub(super) async fn out(
    State(app): State<App>,
    headers: HeaderMap,
    Sent(Nothing {}): Sent<Nothing>,
) -> Result<Response, Refusal> {
    let identity = app.broker().identity();
    let cookies = Cookies::new(identity.settings());
    if let Some(token) = cookies.session(&headers) {
        // The cookie stays while the session may: only with it can it be ended.
        identity.sign_out(&token).await.map_err(|problem| Refusal::from(problem).with_link(HOME, "Try again"))?;
    }
    let mut response = see("/sign-in");
    response.headers_mut().extend(cookies.forget_session().map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// The provider of this name.
pub(super) fn place(name: &str) -> Result<PlaceId, Refusal> {
    let unknown = |_| Problem::new(ProblemKind::NotFound, "there is no such provider to sign in with");
    Ok(name.parse::<PlaceId>().map_err(unknown)?)
}

fn signing_in(problem: Problem) -> Refusal {
    Refusal::from(problem).with_link("/sign-in", "Other ways to sign in")
}
