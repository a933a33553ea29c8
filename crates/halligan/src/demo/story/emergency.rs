//! An emergency start: active at once, and over when nobody acknowledges it.

use anyhow::Context as _;
use halligan_aws::{Attempt, Seen};
use halligan_server::views::{GrantState, RequestBody, TargetView};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::task::JoinHandle;

use super::scene::{Held, Scene, request};
use crate::demo::observe::{End, Watch, now};
use crate::demo::world::EMERGENCY_ROLE;

/// How long the end is looked at after it came.
const LOOK_ON: SignedDuration = SignedDuration::from_millis(1_500);
const GIVE_UP: SignedDuration = SignedDuration::from_secs(10);

/// An emergency start under way.
pub struct Begun {
    held: Held,
    due: Timestamp,
    seconds_to_access: f64,
    worked: bool,
    watching: JoinHandle<Watch>,
}

/// What became of it.
#[derive(Debug, Serialize)]
pub struct Overdue {
    pub grant: String,
    /// From the request to the first call that AWS allowed.
    pub seconds_to_access: f64,
    /// Whether it could be used before anybody said yes.
    pub worked: bool,
    /// When the acknowledgement was due, and what AWS answered around then.
    pub end: End,
    /// What the API says of it afterwards.
    pub state: GrantState,
    pub ended_because: Option<String>,
}

impl Overdue {
    pub fn held(&self) -> bool {
        self.worked && self.end.on_time && self.state == GrantState::Revoked
    }
}

/// bob starts.
pub async fn begin(scene: &Scene<'_>) -> anyhow::Result<Begun> {
    let body = RequestBody { target: TargetView::role(EMERGENCY_ROLE), emergency: true, ..request(900) };
    let began = now();
    let grant = scene.ask("bob", &body).await?;
    let due = grant.ack_due.context("an emergency start has no deadline for its acknowledgement")?;
    let what = "bob starts without waiting; 15 s to acknowledge";
    scene.narrator.seen(grant.state == GrantState::Active, what, &grant.state.to_string());
    let held = scene.mint("bob", &grant.id).await?;
    let seen = held.visitor.attempt(Attempt::ListBuckets).await;
    let seconds_to_access = now().duration_since(began).as_secs_f64();
    let what = format!("AWS, with his credentials, {seconds_to_access:.2} s after he asked");
    let worked = seen == Seen::Allowed;
    scene.narrator.asked(&what, &seen, worked);
    let visitor = held.visitor.clone();
    let watching = tokio::spawn(async move {
        Watch::until(&visitor, due + GIVE_UP, |watch| {
            watch.is_over() && watch.last_answered_at().is_some_and(|at| at > due + LOOK_ON)
        })
        .await
    });
    Ok(Begun { held, due, seconds_to_access, worked, watching })
}

/// Nobody answered.
pub async fn end(scene: &Scene<'_>, begun: Begun) -> anyhow::Result<Overdue> {
    let Begun { held, due, seconds_to_access, worked, watching } = begun;
    let end = scene.narrator.waiting("nobody answers", watching).await?.end(due);
    scene.narrator.end(&end);
    let grant = scene.settled(&held.grant).await?;
    scene.narrator.seen(grant.state == GrantState::Revoked, "the grant", &grant.state.to_string());
    let (state, ended_because) = (grant.state, grant.ended_because);
    Ok(Overdue { grant: held.grant, seconds_to_access, worked, end, state, ended_because })
}
