//! Others, for whoever administers the broker: a lost phone ends by a colleague's hand.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use halligan_engine::access::{Matter, Occasion};
use halligan_engine::identity::PasskeyStanding;
use halligan_engine::ports::{Action, Obligation};
use jiff::Timestamp;
use serde::Deserialize;

use super::form::Sent;
use super::frame::{Frame, page};
use super::refusal::Refusal;
use super::see;
use super::show::{Moment, fingerprint};
use super::step_up::StepUp;
use super::visit::{SignedIn, Visitor};
use crate::App;
use crate::routes::finished;

const PATH: &str = "/people";

#[derive(Template)]
#[template(path = "people.html")]
struct Page {
    frame: Frame,
    people: Vec<String>,
}

#[derive(Template)]
#[template(path = "person.html")]
struct OfOne {
    frame: Frame,
    person: String,
    signed_out: Option<Moment>,
    passkeys: Vec<Shown>,
}

struct Shown {
    credential: String,
    label: String,
    enrolled: Moment,
    fingerprint: String,
    counts: bool,
}

/// Why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Because {
    reason: String,
}

/// Which passkey, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Removal {
    credential: String,
    reason: String,
}

/// Whether these pages are of use to them, now or after another proof of who they are.
pub(super) async fn may_try(app: &App, visitor: &Visitor) -> bool {
    let judge = app.broker().judge();
    let asker = visitor.caller.asker();
    match judge.permits(asker, Action::Administer, Matter::Broker, Occasion::default()).await {
        Ok(_) => true,
        Err(problem) => problem.obligations.contains(&Obligation::StepUp),
    }
}

pub(super) async fn list(State(app): State<App>, SignedIn { visitor, frame }: SignedIn) -> Result<Response, Refusal> {
    let people =
        app.broker().people(&visitor.caller).await.map_err(|problem| refused(&app, &visitor, problem, PATH))?;
    Ok(page(&Page { frame, people: people.iter().map(ToString::to_string).collect() }))
}

pub(super) async fn one(
    State(app): State<App>,
    SignedIn { visitor, frame }: SignedIn,
    Path(person): Path<String>,
) -> Result<Response, Refusal> {
    let now = app.clock().now();
    let found = app.broker().passkeys_of(&visitor.caller, &person).await;
    let passkeys = found.map_err(|problem| refused(&app, &visitor, problem, &path(&person)))?;
    let signed_out = app.broker().signed_out_at(&visitor.caller, &person).await?.map(|at| Moment::new(at, now));
    let passkeys = passkeys.into_iter().map(|one| Shown::new(one, now)).collect();
    Ok(page(&OfOne { frame, person, signed_out, passkeys }))
}

impl Shown {
    fn new(PasskeyStanding { passkey, enrolment, counts, .. }: PasskeyStanding, now: Timestamp) -> Self {
        Self {
            credential: passkey.credential,
            label: passkey.label,
            enrolled: Moment::new(passkey.enrolled_at, now),
            fingerprint: fingerprint(&enrolment),
            counts,
        }
    }
}

pub(super) async fn sign_out(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Path(person): Path<String>,
    Sent(Because { reason }): Sent<Because>,
) -> Result<Response, Refusal> {
    let (broker, caller, who) = (app.broker().clone(), visitor.caller.clone(), person.clone());
    let outcome = finished(async move { broker.sign_out_person(&caller, &who, &reason).await }).await;
    outcome.map_err(|problem| refused(&app, &visitor, problem, &path(&person)))?;
    Ok(see(&path(&person)))
}

pub(super) async fn remove_passkey(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Path(person): Path<String>,
    Sent(Removal { credential, reason }): Sent<Removal>,
) -> Result<Response, Refusal> {
    let (broker, caller, who) = (app.broker().clone(), visitor.caller.clone(), person.clone());
    let work = async move { broker.remove_passkey_of(&caller, &who, &credential, &reason).await };
    finished(work).await.map_err(|problem| refused(&app, &visitor, problem, &path(&person)))?;
    Ok(see(&path(&person)))
}

/// What the policy demands is offered at once.
fn refused(app: &App, visitor: &Visitor, problem: impl Into<Refusal>, back_to: &str) -> Refusal {
    let refusal = problem.into();
    let step_up = refusal.problem().obligations.contains(&Obligation::StepUp);
    refusal.with_step_up(step_up.then(|| StepUp::new(app, visitor, back_to))).with_link(PATH, "Back to the people")
}

fn path(person: &str) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    format!("{PATH}/{}", utf8_percent_encode(person, NON_ALPHANUMERIC))
}
