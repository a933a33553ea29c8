//! Started again with what was left: what had ended stays ended, what was begun
//! is finished, and nothing is done twice.

use halligan_aws::{Attempt, Seen};
use halligan_server::views::{ContainmentState, GrantPage, GrantState, GrantView};
use serde::Serialize;
use tokio::time::Instant;

use super::blackout::Left;
use super::overlap;
use super::scene::{Held, Scene};

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Recovery {
    /// From its start to being ready.
    pub ready_after_seconds: f64,
    /// The grant that ended while there was no broker.
    pub ended_meanwhile: GrantState,
    pub ended_meanwhile_denied: bool,
    /// The grant that was active all along: the credentials from before, and new ones.
    pub active: GrantState,
    pub active_same_end: bool,
    pub active_allowed: bool,
    pub active_new_mint_allowed: bool,
    /// The grant whose revocation was cut short.
    pub interrupted: GrantState,
    pub interrupted_contained: bool,
    pub interrupted_denied: bool,
    /// Whether a request that was said again, with its idempotency key, was the same grant.
    pub repeated_is_the_same: bool,
    pub grants: usize,
    pub active_grants: usize,
}

impl Recovery {
    pub fn held(&self) -> bool {
        let interrupted = self.interrupted == GrantState::Revoked && self.interrupted_contained;
        let once = self.repeated_is_the_same && self.active_grants == 1;
        self.ended_stayed_ended() && self.active_went_on() && interrupted && self.interrupted_denied && once
    }

    pub fn ended_stayed_ended(&self) -> bool {
        self.ended_meanwhile == GrantState::Expired && self.ended_meanwhile_denied
    }

    pub fn active_went_on(&self) -> bool {
        let same = self.active == GrantState::Active && self.active_same_end;
        same && self.active_allowed && self.active_new_mint_allowed
    }
}

pub async fn play(scene: &Scene<'_>, active: &Held, left: Left) -> anyhow::Result<Recovery> {
    let Left { short, request, caller, interrupted, active_ends_at } = left;
    let started = Instant::now();
    scene.narrator.waiting("starting it again", scene.world.broker.restart()).await?;
    let ready_after_seconds = started.elapsed().as_secs_f64();
    scene.narrator.seen(true, "started with what was left, and ready", &format!("after {ready_after_seconds:.2} s"));

    let expired = scene.settled(&short.grant).await?.state;
    let said = expired.to_string();
    scene.narrator.seen(expired == GrantState::Expired, "the grant that ended meanwhile", &said);
    let denied = scene.try_out(&short, Attempt::ListBuckets, false, "AWS, with its credentials").await;
    let interrupted_grant = overlap::contained(scene, &interrupted.grant).await?;
    let contained = interrupted_grant.containment.as_ref().map(|seen| seen.state) == Some(ContainmentState::Contained);
    let said = if contained { "contained" } else { "not contained" };
    scene.narrator.seen(contained, "bob's revoked grant", said);
    let interrupted_denied =
        scene.try_out(&interrupted, Attempt::ListBuckets, false, "AWS, with those credentials").await;

    let grant = scene.read(&active.grant).await?;
    let allowed = scene.try_out(active, Attempt::ListBuckets, true, "AWS, with the active grant's credentials").await;
    let renewed = scene.mint("alice", &active.grant).await?;
    let renewed = scene.try_out(&renewed, Attempt::ListBuckets, true, "AWS, with new ones of the same grant").await;

    let again: GrantView = caller.post(&["v1", "grants"], &request).await?.value;
    let repeated_is_the_same = again.id == short.grant;
    let said = if repeated_is_the_same { "the same grant" } else { "another grant" };
    scene.narrator.seen(repeated_is_the_same, "alice's request, sent again as it was", said);
    let page: GrantPage = scene.world.people.get("carol", &["v1", "grants"]).await?;
    Ok(Recovery {
        ready_after_seconds,
        ended_meanwhile: expired,
        ended_meanwhile_denied: is_denied(&denied),
        active: grant.state,
        active_same_end: grant.ends_at == active_ends_at,
        active_allowed: allowed == Seen::Allowed,
        active_new_mint_allowed: renewed == Seen::Allowed,
        interrupted: interrupted_grant.state,
        interrupted_contained: contained,
        interrupted_denied: is_denied(&interrupted_denied),
        repeated_is_the_same,
        grants: page.grants.len(),
        active_grants: page.grants.iter().filter(|grant| grant.state == GrantState::Active).count(),
    })
}

const fn is_denied(seen: &Seen) -> bool {
    matches!(seen, Seen::Denied { .. })
}
