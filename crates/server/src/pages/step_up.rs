//! Proving again who one is, within a session.

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use halligan_engine::identity::PasskeyAnswer;

use super::back::own_path;
use super::form::{Answered, BackTo, Sent, answer};
use super::frame::{Frame, page};
use super::refusal::Refusal;
use super::see;
use super::show::Moment;
use super::sign_in::{on_the_way, place};
use super::visit::{SignedIn, Visitor};
use crate::App;
use crate::routes::finished;

/// The ways to do so.
#[derive(Clone)]
pub(super) struct StepUp {
    pub providers: Vec<String>,
    pub passkey: bool,
    pub back_to: String,
}

impl StepUp {
    /// Those of this session: who came past the providers has no login there.
    pub(super) fn new(app: &App, visitor: &Visitor, back_to: &str) -> Self {
        let identity = app.broker().identity();
        let providers = if visitor.is_past_provider() {
            Vec::new()
        } else {
            identity.providers().iter().map(ToString::to_string).collect()
        };
        Self { providers, passkey: identity.settings().rp_id.is_some(), back_to: own_path(back_to).to_owned() }
    }
}

impl StepUp {
    /// As [`StepUp::new`], where a passkey's proof doesn't help.
    pub(super) fn at_provider(app: &App, visitor: &Visitor, back_to: &str) -> Self {
        Self { passkey: false, ..Self::new(app, visitor, back_to) }
    }
}

#[derive(Template)]
#[template(path = "step_up.html")]
struct Choose {
    frame: Frame,
    proved: Option<Moment>,
    mfa: Option<Moment>,
    step_up: StepUp,
}

pub(super) async fn choose(
    State(app): State<App>,
    SignedIn { visitor, frame }: SignedIn,
    Query(BackTo { back_to }): Query<BackTo>,
) -> Response {
    let now = app.clock().now();
    let proof = &visitor.session.proof;
    page(&Choose {
        frame,
        proved: proof.at.map(|at| Moment::new(at, now)),
        mfa: proof.mfa_at.map(|at| Moment::new(at, now)),
        step_up: StepUp::new(&app, &visitor, &back_to),
    })
}

pub(super) async fn away(
    State(app): State<App>,
    SignedIn { visitor, frame }: SignedIn,
    Path(provider): Path<String>,
    Sent(BackTo { back_to }): Sent<BackTo>,
) -> Result<Response, Refusal> {
    let provider = place(&provider)?;
    let identity = app.broker().identity();
    let sent = identity.send_away(&provider, own_path(&back_to), Some(&visitor.token), visitor.caller.address).await;
    let sent = sent.map_err(|problem| Refusal::from(problem).with_link("/step-up", "Other ways"))?;
    Ok(on_the_way(&app, frame, &provider, &sent))
}

pub(super) async fn challenge(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Sent(Answered { .. }): Sent<Answered>,
) -> Result<Response, Refusal> {
    Ok(Json(app.broker().identity().challenge_to_step_up(&visitor.caller).await?).into_response())
}

pub(super) async fn by_passkey(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Sent(Answered { back_to, answer: text }): Sent<Answered>,
) -> Result<Response, Refusal> {
    let given: PasskeyAnswer = answer(&text)?;
    let broker = app.broker().clone();
    let Visitor { caller, session, .. } = visitor;
    finished(async move { broker.identity().step_up_by_passkey(&caller, &session, &given).await })
        .await
        .map_err(|problem| Refusal::from(problem).with_link("/step-up", "Try again"))?;
    Ok(see(own_path(&back_to)))
}
