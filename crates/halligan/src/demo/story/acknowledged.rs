//! The main job: asked, acknowledged by somebody else, used within its scope.

use halligan_aws::{Attempt, Seen};
use halligan_server::views::{AcknowledgeBody, GrantState};
use serde::Serialize;

use super::scene::{Held, Scene, request};
use crate::demo::world::BUCKET;

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Acknowledged {
    pub grant: String,
    pub requested_by: String,
    pub acknowledged_by: String,
    /// Whether AWS allowed what the scope allows.
    pub in_scope_allowed: bool,
    /// Whether it denied what the scope doesn't.
    pub out_of_scope_denied: bool,
}

impl Acknowledged {
    pub fn held(&self) -> bool {
        let second = !self.acknowledged_by.is_empty() && self.acknowledged_by != self.requested_by;
        second && self.in_scope_allowed && self.out_of_scope_denied
    }
}

pub async fn play(scene: &Scene<'_>) -> anyhow::Result<(Held, Acknowledged)> {
    let grant = scene.ask("alice", &request(600)).await?;
    let what = "alice asks for prod-admin, read-only";
    scene.narrator.seen(grant.state == GrantState::Pending, what, &grant.state.to_string());

    scene.refuse_mint("alice", "her credentials, before anybody said yes", "wrong-state", &grant.id).await?;
    let path = ["v1", "grants", &grant.id, "acknowledge"];
    let yes = AcknowledgeBody { request_hash: grant.request_hash.clone(), signature: None };
    scene.refuse("alice", "her own yes", "same-person", &path, &yes).await?;
    scene.refuse("alice-phone", "her own yes, by her second login", "same-person", &path, &yes).await?;
    let other = AcknowledgeBody { request_hash: "0".repeat(64), signature: None };
    scene.refuse("bob", "bob's yes to something else", "hash-mismatch", &path, &other).await?;

    let grant = scene.acknowledge("bob", &grant).await?;
    scene.narrator.seen(grant.state == GrantState::Active, "bob acknowledges", &grant.state.to_string());
    scene.refuse_mint("bob", "alice's credentials, for bob", "not-requester", &grant.id).await?;
    let held = scene.mint("alice", &grant.id).await?;
    let allowed = scene.try_out(&held, Attempt::ListBuckets, true, "AWS, s3:ListAllMyBuckets").await;
    let denied = scene.try_out(&held, Attempt::PutObject(BUCKET), false, "AWS, s3:PutObject, not in her scope").await;
    let seen = Acknowledged {
        grant: grant.id,
        requested_by: grant.requester,
        acknowledged_by: grant.acknowledged_by.unwrap_or_default(),
        in_scope_allowed: allowed == Seen::Allowed,
        out_of_scope_denied: matches!(denied, Seen::Denied { .. }),
    };
    Ok((held, seen))
}
