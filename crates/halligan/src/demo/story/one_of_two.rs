//! Two grants of one person on one role overlap; ending one leaves the other.

use std::time::Duration;

use halligan_engine::ports::Clock as _;
use halligan_server::views::{ContainmentState, GrantView};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Held, acknowledge, ask, mint, read};
use crate::client::machine::MachineClock;
use crate::demo::narrate::Narrator;
use crate::demo::observe;
use crate::demo::world::World;

const SEEN_WITHIN: Duration = Duration::from_secs(30);

/// What was seen.
pub struct Revoked {
    /// Whether the one died, was seen to, and the other lives.
    pub held: bool,
    /// From the revocation to the first refusal, seen from outside.
    pub seconds: f64,
    /// From the revocation to the containment, as the broker observed it.
    pub contained_after: f64,
    /// All of it.
    pub evidence: Value,
}

pub async fn play(world: &World, narrator: &Narrator, first: &Held) -> anyhow::Result<(Held, Revoked)> {
    let second = ask(world, "alice", 900, false).await?;
    acknowledge(world, "bob", &second).await?;
    let second = mint(world, &second.id).await?;
    narrator.seen("a second grant of alice on the same role", "active");

    let at = MachineClock.now();
    let body = json!({ "reason": "the demo ends this one" });
    let _: GrantView = world.people.post("carol", &["v1", "grants", &first.id, "revoke"], &body).await?;
    let end = observe::end_of(&first.visitor, at).await?;
    let seconds = end.seconds_after(at);
    narrator.seen("carol revokes the first; AWS refuses its credentials", &format!("after {seconds:.1} s"));
    let untouched = observe::works(&second.visitor).await;
    narrator.seen("the second grant's credentials", if untouched { "still allowed" } else { "REFUSED" });

    let contained = contained(world, &first.id).await?;
    let containment = contained.containment;
    let contained_after = containment.as_ref().and_then(|seen| seen.seconds).unwrap_or(f64::NAN);
    let is_contained = containment.as_ref().is_some_and(|seen| seen.state == ContainmentState::Contained);
    narrator.seen("containment, observed by the broker's own probe", &format!("after {contained_after:.1} s"));
    let evidence = json!({
        "grant": first.id, "refused_after_seconds": seconds, "calls": end.calls,
        "containment": containment, "other_grant": second.id, "other_grant_allowed": untouched,
    });
    Ok((second, Revoked { held: untouched && is_contained, seconds, contained_after, evidence }))
}

async fn contained(world: &World, id: &str) -> anyhow::Result<GrantView> {
    let deadline = Instant::now() + SEEN_WITHIN;
    loop {
        let grant = read(world, id).await?;
        let done = grant.containment.as_ref().is_some_and(|seen| seen.state == ContainmentState::Contained);
        if done || Instant::now() >= deadline {
            return Ok(grant);
        }
        sleep(Duration::from_millis(100)).await;
    }
}
