//! One's own passkeys, and vouching for those of others.

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use halligan_engine::identity::{ChallengeAsk, EnrolmentAsk, PasskeyAnswer, PasskeyStanding};
use halligan_engine::ports::Obligation;
use halligan_log::passkey::{Algorithm, Registration, person_hash};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::form::{Sent, answer};
use super::frame::{Frame, page};
use super::refusal::Refusal;
use super::see;
use super::show::{Moment, Span, fingerprint};
use super::step_up::StepUp;
use super::visit::SignedIn;
use crate::App;
use crate::routes::finished;

const PATH: &str = "/passkeys";

#[derive(Template)]
#[template(path = "passkeys.html")]
struct Page {
    frame: Frame,
    /// How long after a notice a passkey counts; none: nobody is told of any.
    wait: Option<Span>,
    mine: Vec<Shown>,
    may_enrol: bool,
    no_enrolment: String,
    step_up: Option<StepUp>,
    others: Vec<Shown>,
}

struct Shown {
    credential: String,
    person: String,
    label: String,
    enrolled_at: Moment,
    fingerprint: String,
    standing: Standing,
}

/// Whether it counts.
#[derive(Template)]
#[template(source = "{{ what }}{% if let Some(at) = at %} {{ at }}{% endif %}", ext = "html")]
struct Standing {
    what: String,
    at: Option<Moment>,
}

// It escapes what it is made of.
impl askama::filters::HtmlSafe for Standing {}

/// What a browser makes a passkey of.
#[derive(Serialize)]
struct ToCreate {
    #[serde(flatten)]
    ask: ChallengeAsk,
    deployment: String,
    /// Names the person to the authenticator, by no name that people know. Hexadecimal.
    user_id: String,
    user_name: String,
    /// In COSE's numbers.
    algorithms: Vec<i64>,
}

/// A new passkey's name, and what the browser made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToEnrol {
    label: String,
    #[serde(default)]
    answer: String,
}

#[derive(Deserialize)]
struct Made {
    nonce: String,
    #[serde(flatten)]
    registration: Registration,
}

/// Which passkey, and the answer of one's own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfOne {
    credential: String,
    #[serde(default)]
    answer: String,
}

pub(super) async fn list(State(app): State<App>, SignedIn { visitor, frame }: SignedIn) -> Result<Response, Refusal> {
    let identity = app.broker().identity();
    let now = app.clock().now();
    let mine = identity.passkeys(&visitor.caller).await?;
    let others = identity.passkeys_to_confirm(&visitor.caller).await?;
    let shown = |standings: Vec<PasskeyStanding>| standings.into_iter().map(|one| Shown::new(one, now)).collect();
    let (no_enrolment, step_up) = match (identity.settings().rp_id.is_some(), identity.may_enrol(&visitor.caller)) {
        (false, _) => {
            (Some("Passkeys need a host name, and this broker's public URL has an address.".to_owned()), None)
        }
        (true, Ok(_)) => (None, None),
        (true, Err(problem)) if problem.obligations.contains(&Obligation::StepUp) => {
            let within = Span(identity.settings().enrol_within);
            let why = format!("Only who has proved to the identity provider within {within} who they are enrols one.");
            (Some(why), Some(StepUp::at_provider(&app, &visitor, PATH)))
        }
        (true, Err(_)) => {
            let why = "Who came in by a passkey can't enrol another. Sign in through the identity provider.";
            (Some(why.to_owned()), None)
        }
    };
    let wait = identity.tells_of_enrolments().then_some(Span(identity.settings().enrolment_wait));
    let (mine, others) = (shown(mine), shown(others));
    let (may_enrol, no_enrolment) = (no_enrolment.is_none(), no_enrolment.unwrap_or_default());
    Ok(page(&Page { frame, wait, mine, may_enrol, no_enrolment, step_up, others }))
}

impl Shown {
    fn new(standing: PasskeyStanding, now: Timestamp) -> Self {
        let PasskeyStanding { passkey, enrolment, counts, counts_from } = standing;
        let confirmed = passkey.confirmed.as_ref();
        let (what, at) = match (confirmed, counts, counts_from) {
            (Some((by, at)), ..) => (format!("Counts. Confirmed by {by}"), Some(*at)),
            (None, true, from) => ("Counts, by the notice of it, since".to_owned(), from),
            (None, false, Some(from)) => ("Doesn't count yet: when somebody confirms it, or".to_owned(), Some(from)),
            (None, false, None) => ("Doesn't count yet: somebody must confirm it.".to_owned(), None),
        };
        Self {
            fingerprint: fingerprint(&enrolment),
            standing: Standing { what, at: at.map(|at| Moment::new(at, now)) },
            enrolled_at: Moment::new(passkey.enrolled_at, now),
            credential: passkey.credential,
            person: passkey.person.to_string(),
            label: passkey.label,
        }
    }
}

pub(super) async fn challenge_to_enrol(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Sent(ToEnrol { .. }): Sent<ToEnrol>,
) -> Result<Response, Refusal> {
    let ask = app.broker().identity().challenge_to_enrol(&visitor.caller).await?;
    let person = visitor.caller.party.as_str();
    Ok(Json(ToCreate {
        ask,
        deployment: app.broker().catalogue().deployment.to_string(),
        user_id: hex::encode(person_hash(person)),
        user_name: person.to_owned(),
        algorithms: Algorithm::ALL.iter().map(|algorithm| algorithm.cose()).collect(),
    })
    .into_response())
}

pub(super) async fn enrol(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Sent(ToEnrol { label, answer: text }): Sent<ToEnrol>,
) -> Result<Response, Refusal> {
    let Made { nonce, registration } = answer(&text)?;
    let ask = EnrolmentAsk { nonce, label, registration };
    let (broker, enroller) = (app.broker().clone(), visitor.caller.clone());
    let outcome = finished(async move { broker.identity().enrol(&enroller, ask, enroller.address).await }).await;
    outcome.map_err(|problem| {
        let refusal = back(problem);
        let step_up = refusal.problem().obligations.contains(&Obligation::StepUp);
        refusal.with_step_up(step_up.then(|| StepUp::at_provider(&app, &visitor, PATH)))
    })?;
    Ok(see(PATH))
}

pub(super) async fn challenge_to_confirm(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Sent(OfOne { credential, .. }): Sent<OfOne>,
) -> Result<Response, Refusal> {
    let ask = app.broker().identity().challenge_to_confirm(&visitor.caller, &credential).await?;
    Ok(Json(ask).into_response())
}

pub(super) async fn confirm(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Sent(OfOne { credential, answer: text }): Sent<OfOne>,
) -> Result<Response, Refusal> {
    let given: PasskeyAnswer = answer(&text)?;
    let (broker, caller) = (app.broker().clone(), visitor.caller);
    finished(async move { broker.identity().confirm(&caller, &credential, &given).await }).await.map_err(back)?;
    Ok(see(PATH))
}

pub(super) async fn remove(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Sent(OfOne { credential, .. }): Sent<OfOne>,
) -> Result<Response, Refusal> {
    let (broker, caller) = (app.broker().clone(), visitor.caller);
    finished(async move { broker.identity().remove_passkey(&caller, &credential).await }).await.map_err(back)?;
    Ok(see(PATH))
}

fn back(problem: crate::problem::ApiProblem) -> Refusal {
    Refusal::from(problem).with_link(PATH, "Back to the passkeys")
}
