//! The home page: what waits for a second person, and one's own grants.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use halligan_core::grant::{Grant, Phase};
use halligan_core::text::printable;
use halligan_engine::caller::ListAsk;
use jiff::Timestamp;

use super::answer::{Waits, waits};
use super::frame::{Frame, page};
use super::refusal::Refusal;
use super::show::{Moment, Span};
use super::visit::{SignedIn, Visitor};
use crate::App;
use crate::views::GrantView;

/// So many of each kind are looked at.
const LOOKED_AT: u32 = 100;
/// So many of one's own are shown.
const SHOWN: u32 = 20;
/// So much of a reason stands in a list.
const REASON_CHARACTERS: usize = 120;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    waiting: Vec<Line>,
    mine: Vec<Line>,
    to_confirm: usize,
}

/// A grant in a list.
pub(super) struct Line {
    pub id: String,
    pub target: String,
    pub incident: String,
    pub state: String,
    pub requester: String,
    pub scope: String,
    pub duration: Span,
    /// As much as helps to tell requests apart.
    pub reason: String,
    pub hint: Hint,
}

/// What is next, or was last.
#[derive(Template)]
#[template(
    source = "{{ what }}{% if let Some(at) = at %} {{ at }}{% endif %}{% if let Some(why) = why %}: {{ why }}{% endif %}",
    ext = "html"
)]
pub(super) struct Hint {
    what: String,
    at: Option<Moment>,
    why: Option<String>,
}

// It escapes what it is made of.
impl askama::filters::HtmlSafe for Hint {}

pub(super) async fn home(State(app): State<App>, SignedIn { visitor, frame }: SignedIn) -> Result<Response, Refusal> {
    let now = app.clock().now();
    let mut waiting = Vec::new();
    for phase in [Phase::Pending, Phase::Active] {
        let ask = ListAsk { state: Some(phase.to_string()), limit: Some(LOOKED_AT), ..ListAsk::default() };
        let found = app.broker().grants(&visitor.caller, ask).await?.grants;
        waiting.extend(found.into_iter().map(|found| found.grant).filter(|grant| is_for(&app, grant, &visitor)));
    }
    let requester = Some(visitor.caller.party.as_str().to_owned());
    let ask = ListAsk { requester, limit: Some(SHOWN), ..ListAsk::default() };
    let mine = app.broker().grants(&visitor.caller, ask).await?.grants;
    let to_confirm = app.broker().identity().passkeys_to_confirm(&visitor.caller).await?.len();
    Ok(page(&Home {
        frame,
        waiting: waiting.iter().map(|grant| Line::new(grant, now)).collect(),
        mine: mine.iter().map(|found| Line::new(&found.grant, now)).collect(),
        to_confirm,
    }))
}

fn is_for(app: &App, grant: &Grant, visitor: &Visitor) -> bool {
    matches!(waits(app, grant, visitor), Waits::ForThem(_))
}

impl Line {
    pub(super) fn new(grant: &Grant, now: Timestamp) -> Self {
        let view = GrantView::from(grant);
        let hint = hint(&view, now);
        Self {
            id: view.id,
            target: view.target.id,
            incident: grant.request.incident.to_string(),
            state: view.state.to_string(),
            requester: grant.request.requester.as_str().to_owned(),
            scope: view.scope,
            duration: Span(grant.request.duration),
            reason: beginning(grant.request.reason.as_str()),
            hint,
        }
    }
}

fn beginning(text: &str) -> String {
    let short = printable(text, REASON_CHARACTERS);
    if text.chars().count() > REASON_CHARACTERS { format!("{short} …") } else { short }
}

fn hint(view: &GrantView, now: Timestamp) -> Hint {
    let (what, at, why) = match (view.acknowledge_by, view.ack_due, view.ends_at, view.ended_at) {
        (_, _, _, Some(ended_at)) => {
            let by = view.ended_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            (format!("Ended{by}"), Some(ended_at), view.ended_because.clone())
        }
        (Some(by), ..) => ("Waits for a second person until".to_owned(), Some(by), None),
        (_, Some(due), ..) => ("Started in an emergency. Over unless acknowledged by".to_owned(), Some(due), None),
        (_, _, Some(ends), _) => ("Ends".to_owned(), Some(ends), None),
        (None, None, None, None) => (String::new(), None, None),
    };
    Hint { what, at: at.map(|at| Moment::new(at, now)), why }
}
