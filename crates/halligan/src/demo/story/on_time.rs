//! Ends that come by themselves: an emergency start that nobody acknowledges, and
//! a short grant whose broker is dead.

use anyhow::Context as _;
use halligan_server::views::GrantState;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Held, acknowledge, ask, mint, read};
use crate::demo::narrate::Narrator;
use crate::demo::observe::{self, End};
use crate::demo::world::World;

/// An end, beside when it was to be.
pub struct OnTime {
    /// Whether calls went through until just before the end, and none from there on.
    pub held: bool,
    /// Seconds from the last call that was allowed to the end.
    pub last_allowed_before: f64,
    ends_at: Timestamp,
    end: End,
}

impl OnTime {
    fn new(end: End, ends_at: Timestamp) -> Self {
        let before = end.last_allowed.map_or(f64::NAN, |at| ends_at.duration_since(at).as_secs_f64());
        Self { held: end.was_on_time(ends_at), last_allowed_before: before, ends_at, end }
    }

    /// As the report has it.
    pub fn json(&self) -> Value {
        json!({
            "ends_at": self.ends_at,
            "last_allowed_at": self.end.last_allowed,
            "first_refused_at": self.end.first_refused,
            "calls": self.end.calls,
        })
    }

    fn tell(&self, narrator: &Narrator) {
        narrator.seen("the last call that AWS allowed", &format!("{:.1} s before the end", self.last_allowed_before));
        narrator
            .seen("the first that it refused", &format!("{:.1} s after the end", self.end.seconds_after(self.ends_at)));
    }
}

pub async fn start_emergency(world: &World, narrator: &Narrator) -> anyhow::Result<Held> {
    let grant = ask(world, "alice", 900, true).await?;
    narrator.seen("alice starts at once; somebody must say yes within 15 s", &grant.state.to_string());
    let held = mint(world, &grant.id).await?;
    let works = observe::works(&held.visitor).await;
    narrator.seen("AWS, with its credentials", if works { "allowed" } else { "REFUSED" });
    Ok(held)
}

pub async fn emergency_dies(world: &World, narrator: &Narrator, emergency: &Held) -> anyhow::Result<OnTime> {
    // Once it is over the API no longer has the deadline: the credentials say it.
    let due = emergency.credentials.expiration;
    let end = OnTime::new(observe::end_of(&emergency.visitor, due).await?, due);
    end.tell(narrator);
    let grant = read(world, &emergency.id).await?;
    narrator.seen("the grant", &grant.state.to_string());
    Ok(OnTime { held: end.held && grant.state == GrantState::Revoked, ..end })
}

pub async fn dies_without_broker(world: &mut World, narrator: &Narrator) -> anyhow::Result<(Held, OnTime)> {
    let grant = ask(world, "alice", 20, false).await?;
    let grant = acknowledge(world, "carol", &grant).await?;
    let ends_at = grant.ends_at.context("an active grant has an end")?;
    let held = mint(world, &grant.id).await?;
    world.broker.kill().await?;
    narrator.seen("the broker", "killed with SIGKILL");
    let end = OnTime::new(observe::end_of(&held.visitor, ends_at).await?, ends_at);
    end.tell(narrator);
    Ok((held, end))
}
