//! Started again with what was left: nothing that ended is back, nothing else is gone.

use std::collections::BTreeSet;

use halligan_server::views::GrantState;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::{Held, all, mint, read};
use crate::demo::narrate::Narrator;
use crate::demo::observe;
use crate::demo::world::World;

const SETTLED_WITHIN: Duration = Duration::from_secs(10);

/// What was seen.
pub struct Recovered {
    /// Whether everything is as it should be.
    pub sound: bool,
    /// All of it.
    pub evidence: Value,
}

pub async fn play(world: &mut World, narrator: &Narrator, active: &Held, short: &Held) -> anyhow::Result<Recovered> {
    world.broker.restart().await?;
    narrator.seen("halligan serve, with the same configuration", "ready");
    let deadline = Instant::now() + SETTLED_WITHIN;
    let mut expired = read(world, &short.id).await?.state;
    while expired != GrantState::Expired && Instant::now() < deadline {
        sleep(Duration::from_millis(100)).await;
        expired = read(world, &short.id).await?.state;
    }
    narrator.seen("the grant that ended meanwhile", &expired.to_string());
    let dead = !observe::works(&short.visitor).await;
    let went_on = observe::works(&active.visitor).await;
    narrator.seen("the active grant's credentials", if went_on { "still allowed" } else { "REFUSED" });
    let renewed = observe::works(&mint(world, &active.id).await?.visitor).await;
    narrator.seen("a new mint under it", if renewed { "allowed" } else { "REFUSED" });
    let grants = all(world).await?.grants;
    let ids: BTreeSet<&str> = grants.iter().map(|grant| grant.id.as_str()).collect();
    let active_now = grants.iter().filter(|grant| grant.state == GrantState::Active).count();
    narrator.seen("grants, of which active", &format!("{}, {active_now}", grants.len()));
    let sound =
        expired == GrantState::Expired && dead && went_on && renewed && active_now == 1 && ids.len() == grants.len();
    let evidence = json!({
        "ended_while_dead": { "grant": short.id, "state": expired, "refused": dead },
        "active": { "grant": active.id, "allowed": went_on, "new_mint_allowed": renewed },
        "grants": grants.len(), "active_grants": active_now,
    });
    Ok(Recovered { sound, evidence })
}
