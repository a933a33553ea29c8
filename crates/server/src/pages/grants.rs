//! One grant: everything that an acknowledgement is bound to, and the answer to it.

use askama::Template;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use halligan_core::actor::Party;
use halligan_core::grant::{Extension, Grant, Request, Resolved, State as GrantState};
use halligan_engine::caller::GrantRecord;
use halligan_engine::identity::PasskeyAnswer;
use halligan_engine::ports::Obligation;
use halligan_engine::problem::Problem;
use jiff::Timestamp;
use serde::Deserialize;

use super::answer::{Answer, Waits, waits};
use super::form::{Sent, answer};
use super::frame::{Frame, page};
use super::home::Line;
use super::refusal::Refusal;
use super::see;
use super::show::{Moment, Span};
use super::step_up::StepUp;
use super::visit::{SignedIn, Visitor};
use crate::App;
use crate::routes::finished;
use crate::views::TimelineEntry;

#[derive(Template)]
#[template(path = "grant.html")]
struct Page {
    frame: Frame,
    line: Line,
    reason: String,
    issuer: String,
    subject: String,
    on_behalf_of: Option<String>,
    requested_at: Moment,
    role_arn: String,
    emergency: bool,
    scope_document: Option<String>,
    request_hash: String,
    deployment: String,
    scope_hash: String,
    nonce: String,
    extension: Option<LaterEnd>,
    answer: Option<Answer>,
    no_answer: Option<&'static str>,
    timeline: Vec<Happened>,
}

struct LaterEnd {
    reason: String,
    duration: Span,
    until: Moment,
    hash: String,
}

struct Happened {
    kind: String,
    actor: Option<String>,
    note: Option<String>,
    reason: Option<String>,
    time: Moment,
}

/// A yes to what the hash names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Yes {
    request_hash: String,
    /// A passkey's answer. There and empty: it was to be signed, and wasn't.
    answer: Option<String>,
}

/// A no.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct No {
    reason: String,
}

pub(super) async fn read(
    State(app): State<App>,
    SignedIn { visitor, frame }: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let GrantRecord { grant, timeline } = app.broker().grant(&visitor.caller, &id).await?;
    let now = app.clock().now();
    let (answer, no_answer) = match waits(&app, &grant, &visitor) {
        Waits::ForThem(answer) => (Some(answer), None),
        Waits::ForOthers(why) => (None, Some(why)),
        Waits::No => (None, None),
    };
    let timeline = timeline.iter().map(TimelineEntry::from).map(|entry| Happened::new(entry, now)).collect();
    Ok(page(&Page::new(&app, frame, &grant, answer, no_answer, timeline)))
}

impl Page {
    fn new(
        app: &App,
        frame: Frame,
        grant: &Grant,
        answer: Option<Answer>,
        no_answer: Option<&'static str>,
        timeline: Vec<Happened>,
    ) -> Self {
        let now = app.clock().now();
        let Request { requester, resolved, reason, emergency, deployment, nonce, .. } = &*grant.request;
        let on_behalf_of = match requester {
            Party::Human(_) => None,
            Party::Machine(machine) => machine.on_behalf_of.as_ref().map(ToString::to_string),
        };
        let extension = match &grant.state {
            GrantState::Active(active) => active.extension.as_ref().map(|extension| LaterEnd::new(extension, now)),
            GrantState::Pending(_) | GrantState::Dropped(_) | GrantState::Ended(_) => None,
        };
        Self {
            frame,
            line: Line::new(grant, now),
            reason: reason.to_string(),
            issuer: requester.principal().issuer.clone(),
            subject: requester.principal().subject.clone(),
            on_behalf_of,
            requested_at: Moment::new(grant.requested_at, now),
            role_arn: resolved.role_arn.to_string(),
            emergency: *emergency,
            scope_document: scope_document(app, grant),
            request_hash: grant.request_hash.to_string(),
            deployment: deployment.to_string(),
            scope_hash: resolved.scope_hash.to_string(),
            nonce: hex::encode(nonce.0),
            extension,
            answer,
            no_answer,
            timeline,
        }
    }
}

/// The scope, if the catalogue still has it as it was asked for.
fn scope_document(app: &App, grant: &Grant) -> Option<String> {
    let Request { target, resolved, .. } = &*grant.request;
    let role = app.broker().catalogue().roles.get(&target.id)?;
    let now = Resolved::of(role, &resolved.scope)?;
    if now != *resolved {
        return None;
    }
    serde_json::to_string_pretty(role.scopes.get(&resolved.scope)?).ok()
}

impl LaterEnd {
    fn new(extension: &Extension, now: Timestamp) -> Self {
        let Extension { hash, nonce: _, duration, reason, acknowledge_by } = extension;
        Self {
            reason: reason.to_string(),
            duration: Span(*duration),
            until: Moment::new(*acknowledge_by, now),
            hash: hash.to_string(),
        }
    }
}

impl Happened {
    fn new(entry: TimelineEntry, now: Timestamp) -> Self {
        let TimelineEntry { kind, actor, reason, time, data, .. } = entry;
        let text = |name: &str| data.get(name).and_then(serde_json::Value::as_str);
        let is_signed = data.get("signed").is_some_and(serde_json::Value::is_object);
        let refused = text("action").zip(text("problem")).map(|(action, problem)| format!("{action}: {problem}"));
        let note = refused.or_else(|| is_signed.then(|| "Signed with a passkey".to_owned()));
        Self { kind, actor, note, reason, time: Moment::new(time, now) }
    }
}

pub(super) async fn challenge(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Path(id): Path<String>,
    Sent(Yes { .. }): Sent<Yes>,
) -> Result<Response, Refusal> {
    let GrantRecord { grant, .. } = app.broker().grant(&visitor.caller, &id).await?;
    let ask = app.broker().identity().challenge_to_acknowledge(&visitor.caller, &grant).await?;
    Ok(Json(ask).into_response())
}

pub(super) async fn acknowledge(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Path(id): Path<String>,
    Sent(Yes { request_hash, answer: text }): Sent<Yes>,
) -> Result<Response, Refusal> {
    let signature: Option<PasskeyAnswer> =
        text.as_deref().map(answer).transpose().map_err(|problem| about(problem, &id))?;
    let (broker, caller) = (app.broker().clone(), visitor.caller.clone());
    let (grant, hash) = (id.clone(), request_hash.clone());
    let outcome = finished(async move { broker.acknowledge(&caller, &grant, &hash, signature.as_ref()).await }).await;
    match outcome {
        Ok(grant) => Ok(see(&path(&grant))),
        Err(problem) => Err(with_offers(&app, &visitor, Refusal::from(problem), &id, request_hash)),
    }
}

/// What the policy demands is offered at once.
fn with_offers(app: &App, visitor: &Visitor, refusal: Refusal, id: &str, hash: String) -> Refusal {
    let obligations = refusal.problem().obligations.clone();
    let here = format!("/grants/{id}");
    let step_up = obligations.contains(&Obligation::StepUp).then(|| StepUp::new(app, visitor, &here));
    let passkeys = app.broker().identity().settings().rp_id.is_some();
    let sign = obligations.contains(&Obligation::Sign);
    let sign = sign.then(|| Answer { grant: id.to_owned(), hash, extension: false, passkeys });
    refusal.with_step_up(step_up).with_sign(sign).with_link(here, "Back to the grant")
}

pub(super) async fn decline(
    State(app): State<App>,
    SignedIn { visitor, .. }: SignedIn,
    Path(id): Path<String>,
    Sent(No { reason }): Sent<No>,
) -> Result<Response, Refusal> {
    let (broker, grant) = (app.broker().clone(), id.clone());
    let outcome = finished(async move { broker.decline(&visitor.caller, &grant, &reason).await }).await;
    match outcome {
        Ok(grant) => Ok(see(&path(&grant))),
        Err(problem) => Err(Refusal::from(problem).with_link(format!("/grants/{id}"), "Back to the grant")),
    }
}

fn about(problem: Problem, id: &str) -> Refusal {
    Refusal::from(problem).with_link(format!("/grants/{id}"), "Back to the grant")
}

fn path(grant: &Grant) -> String {
    format!("/grants/{}", grant.request.id)
}
