//! The main job: asked, acknowledged by somebody else, used.

use halligan_engine::ports::CallOutcome;

use super::{Held, acknowledge, ask, mint};
use crate::demo::narrate::Narrator;
use crate::demo::observe;
use crate::demo::world::World;

/// What was seen.
pub struct SecondPerson {
    /// Whether it was another person, and the scope held.
    pub held: bool,
    /// Who it was.
    pub acknowledged_by: String,
    /// What AWS said to a call outside the scope.
    pub outside_scope: String,
}

pub async fn play(world: &World, narrator: &Narrator) -> anyhow::Result<(Held, SecondPerson)> {
    let grant = ask(world, "alice", 900, false).await?;
    narrator.seen("alice asks for 15 minutes, read-only", &grant.state.to_string());
    let grant = acknowledge(world, "bob", &grant).await?;
    narrator.seen("bob acknowledges", &grant.state.to_string());
    let held = mint(world, &grant.id).await?;
    let works = observe::works(&held.visitor).await;
    narrator.seen("AWS, s3:ListAllMyBuckets with these credentials", if works { "allowed" } else { "REFUSED" });
    let outside = held.visitor.list_users().await;
    let refused = outside != CallOutcome::Allowed;
    narrator.seen("AWS, iam:ListUsers, outside the scope", if refused { "refused" } else { "ALLOWED" });
    let acknowledged_by = grant.acknowledged_by.unwrap_or_default();
    let second = SecondPerson {
        held: works && refused && !acknowledged_by.is_empty() && acknowledged_by != grant.requester,
        acknowledged_by,
        outside_scope: outside.to_string(),
    };
    Ok((held, second))
}
