//! A short grant comes to its end while nobody is there to end it.

use std::os::unix::process::ExitStatusExt as _;

use anyhow::Context as _;
use halligan_aws::{Attempt, Seen};
use halligan_server::views::{GrantView, RequestBody};
use jiff::{SignedDuration, Timestamp};
use rustix::process::Signal;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::scene::{Held, Scene, request};
use crate::client::http::Broker;
use crate::demo::observe::{End, Watch, now};

const SHORT_SECONDS: i64 = 20;
/// How long the end is looked at after it came.
const LOOK_ON: SignedDuration = SignedDuration::from_millis(1_500);
const GIVE_UP: SignedDuration = SignedDuration::from_secs(10);

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Blackout {
    pub grant: String,
    pub duration_seconds: i64,
    pub broker_killed_at: Timestamp,
    /// Whether it died of SIGKILL.
    pub by_sigkill: bool,
    /// Whether nothing listened in its place, also after the grant's end.
    pub broker_stayed_dead: bool,
    /// Whether the revocation of a moment ago had reached AWS before the kill.
    pub revocation_was_cut_short: bool,
    /// What AWS answered around the grant's end.
    pub end: End,
    /// Calls with another active grant's credentials meanwhile, and those that were allowed.
    pub other_calls: usize,
    pub other_allowed: usize,
}

impl Blackout {
    pub fn held(&self) -> bool {
        let dead = self.by_sigkill && self.broker_stayed_dead && self.broker_killed_at < self.end.due;
        dead && self.end.on_time && self.other_calls > 0 && self.other_allowed == self.other_calls
    }
}

/// What was left behind for the recovery.
pub struct Left {
    /// The grant that ended meanwhile.
    pub short: Held,
    /// How it was asked for, to say it again.
    pub request: RequestBody,
    pub caller: Broker,
    /// A grant that was revoked just before the kill.
    pub interrupted: Held,
    /// When the grant that goes on ends.
    pub active_ends_at: Option<Timestamp>,
}

pub async fn play(scene: &Scene<'_>, second: &Held) -> anyhow::Result<(Left, Blackout)> {
    let grant = scene.ask("bob", &request(600)).await?;
    scene.acknowledge("alice", &grant).await?;
    let interrupted = scene.mint("bob", &grant.id).await?;
    scene.try_out(&interrupted, Attempt::ListBuckets, true, "bob works on prod-admin, acknowledged by alice").await;

    let (request, caller) = (request(SHORT_SECONDS), scene.world.people.caller("alice")?);
    let asked: GrantView = caller.post(&["v1", "grants"], &request).await?.value;
    let grant = scene.acknowledge("carol", &asked).await?;
    let due = grant.ends_at.context("an active grant has an end")?;
    let short = scene.mint("alice", &grant.id).await?;
    let what = format!("alice has {SHORT_SECONDS} s, acknowledged by carol");
    scene.try_out(&short, Attempt::ListBuckets, true, &what).await;

    let active_ends_at = scene.read(&second.grant).await?.ends_at;
    let stop = CancellationToken::new();
    let (visitor, stopped) = (second.visitor.clone(), stop.clone());
    let of_other = tokio::spawn(async move { Watch::until(&visitor, due + GIVE_UP, |_| stopped.is_cancelled()).await });
    scene.revoke("carol", &interrupted.grant).await?;
    let status = scene.world.broker.kill().await?;
    let broker_killed_at = now();
    let by_sigkill = status.signal() == Some(Signal::KILL.as_raw());
    let killed = if by_sigkill { "SIGKILL".to_owned() } else { status.to_string() };
    scene.narrator.seen(by_sigkill, "carol revokes bob's; at once the broker is killed", &killed);
    let was_dead = !scene.world.broker.listens().await;
    let cut_short = interrupted.visitor.attempt(Attempt::ListBuckets).await == Seen::Allowed;
    let said = if cut_short { "not yet at AWS" } else { "at AWS just before" };
    scene.narrator.seen(true, "the revocation of bob's grant", said);

    let seeing = Watch::until(&short.visitor, due + GIVE_UP, |watch| {
        watch.is_over() && watch.last_answered_at().is_some_and(|at| at > due + LOOK_ON)
    });
    let end = scene.narrator.waiting("no broker, and alice's seconds run out", seeing).await.end(due);
    let broker_stayed_dead = was_dead && !scene.world.broker.listens().await;
    stop.cancel();
    let of_other = of_other.await?;

    scene.narrator.end(&end);
    scene.narrator.seen(
        broker_stayed_dead,
        "the broker, after that end",
        if broker_stayed_dead { "still dead" } else { "NOT DEAD" },
    );
    let calls = format!("{} of {} allowed", of_other.allowed(), of_other.calls());
    scene.narrator.seen(of_other.all_allowed(), "her other grant's calls meanwhile", &calls);
    let seen = Blackout {
        grant: short.grant.clone(),
        duration_seconds: SHORT_SECONDS,
        broker_killed_at,
        by_sigkill,
        broker_stayed_dead,
        revocation_was_cut_short: cut_short,
        end,
        other_calls: of_other.calls(),
        other_allowed: of_other.allowed(),
    };
    Ok((Left { short, request, caller, interrupted, active_ends_at }, seen))
}
