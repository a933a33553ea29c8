//! Two grants of one person on one role overlap; ending one leaves the other.

use std::time::Duration;

use halligan_aws::{Attempt, Seen};
use halligan_server::views::{ContainmentState, ContainmentView, GrantView, RequestBody};
use jiff::SignedDuration;
use serde::Serialize;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::scene::{Held, Scene, request};
use crate::demo::observe::{Watch, now};
use crate::demo::world::BUCKET;

const GIVE_UP: SignedDuration = SignedDuration::from_secs(30);
/// How long both are looked at afterwards: some five calls each.
const LOOK_ON: Duration = Duration::from_millis(1_200);

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Overlap {
    pub revoked: String,
    /// From the revocation to AWS's first denial, seen from outside.
    pub denied_after_seconds: Option<f64>,
    /// What the broker says that it saw.
    pub containment: Option<ContainmentView>,
    /// Calls with the revoked credentials that AWS allowed after that.
    pub allowed_after_containment: usize,
    pub untouched: String,
    /// Calls with the other grant's credentials meanwhile, and those that were allowed.
    pub untouched_calls: usize,
    pub untouched_allowed: usize,
    /// What the boundary withholds even from the widest scope: IAM writes.
    pub boundary_denied: bool,
}

impl Overlap {
    /// Whether the one was seen to be over, from inside and from outside.
    pub fn contained(&self) -> bool {
        let seen = self.containment.as_ref().is_some_and(|seen| seen.state == ContainmentState::Contained);
        seen && self.denied_after_seconds.is_some() && self.allowed_after_containment == 0
    }

    /// Whether the other went on.
    pub fn other_untouched(&self) -> bool {
        self.untouched_calls > 0 && self.untouched_allowed == self.untouched_calls
    }
}

pub async fn play(scene: &Scene<'_>, first: &Held) -> anyhow::Result<(Held, Overlap)> {
    let body = RequestBody { scope: Some("full".to_owned()), ..request(900) };
    let grant = scene.ask("alice", &body).await?;
    scene.acknowledge("bob", &grant).await?;
    let second = scene.mint("alice", &grant.id).await?;
    let what = "alice's second grant, full: s3:PutObject";
    scene.try_out(&second, Attempt::PutObject(BUCKET), true, what).await;
    let what = "iam:CreateUser: the boundary withholds it";
    let user = scene.try_out(&second, Attempt::CreateUser("stranger"), false, what).await;

    let stop = CancellationToken::new();
    let watch = |held: &Held| {
        let (visitor, stop) = (held.visitor.clone(), stop.clone());
        tokio::spawn(async move { Watch::until(&visitor, now() + GIVE_UP, |_| stop.is_cancelled()).await })
    };
    let (of_first, of_second) = (watch(first), watch(&second));
    let revoked = scene.revoke("carol", &first.grant).await?;
    let revoked_at = revoked.ended_at.unwrap_or_else(now);
    let seeing = async {
        let grant = contained(scene, &first.grant).await?;
        sleep(LOOK_ON).await;
        anyhow::Ok(grant)
    };
    let grant = scene.narrator.waiting("carol revokes the first", seeing).await?;
    stop.cancel();
    let (of_first, of_second) = (of_first.await?, of_second.await?);

    let observed_at = grant.containment.as_ref().and_then(|seen| seen.observed_at);
    let seen = Overlap {
        revoked: first.grant.clone(),
        denied_after_seconds: of_first.denied_after(revoked_at).map(|after| after.as_secs_f64()),
        containment: grant.containment,
        allowed_after_containment: observed_at.map_or(0, |at| of_first.allowed_from(at)),
        untouched: second.grant.clone(),
        untouched_calls: of_second.calls(),
        untouched_allowed: of_second.allowed(),
        boundary_denied: matches!(user, Seen::Denied { .. }),
    };
    tell(scene, &seen);
    scene.refuse_mint("alice", "new credentials of the revoked grant", "wrong-state", &first.grant).await?;
    Ok((second, seen))
}

fn tell(scene: &Scene<'_>, seen: &Overlap) {
    let after = |seconds: Option<f64>| seconds.map_or("never".to_owned(), |seconds| format!("after {seconds:.2} s"));
    let outside = after(seen.denied_after_seconds);
    scene.narrator.seen(seen.denied_after_seconds.is_some(), "carol revokes the first: AWS denies its calls", &outside);
    let inside = after(seen.containment.as_ref().and_then(|seen| seen.seconds));
    scene.narrator.seen(seen.contained(), "contained, by a probe session of the broker", &inside);
    let calls = format!("{} of {} allowed", seen.untouched_allowed, seen.untouched_calls);
    scene.narrator.seen(seen.other_untouched(), "the second one's calls meanwhile", &calls);
}

/// The grant, when its end was seen to hold, or when that takes too long.
pub async fn contained(scene: &Scene<'_>, grant: &str) -> anyhow::Result<GrantView> {
    let deadline = now() + GIVE_UP;
    loop {
        let grant = scene.read(grant).await?;
        let done = grant.containment.as_ref().is_some_and(|seen| seen.state == ContainmentState::Contained);
        if done || now() >= deadline {
            return Ok(grant);
        }
        sleep(Duration::from_millis(100)).await;
    }
}
