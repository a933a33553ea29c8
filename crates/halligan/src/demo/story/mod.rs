//! The story that plays by itself, a file a chapter. Each chapter returns what it
//! saw: answers of AWS to the credentials that were issued, the archive,
//! the API. `verdict` judges it.

mod acknowledged;
mod blackout;
mod emergency;
mod log;
mod overlap;
mod policy;
mod recovery;
mod refused;
mod scene;
mod verdict;
mod verified;

use serde_json::Value;

use super::narrate::Narrator;
use super::people::SignIn;
use super::report::Report;
use super::world::World;
use scene::Scene;

/// How long the story's emergency start has to be acknowledged.
pub const EMERGENCY_WINDOW: &str = "15s";

/// Everything that was seen.
pub struct Story {
    sign_ins: Vec<SignIn>,
    refusals: Vec<scene::Refusal>,
    policies: policy::Policies,
    mints: Vec<scene::Mint>,
    acknowledged: acknowledged::Acknowledged,
    overlap: overlap::Overlap,
    emergency: emergency::Overdue,
    blackout: blackout::Blackout,
    recovery: recovery::Recovery,
    log: log::Audit,
    verified: verified::Verified,
}

/// Plays it.
pub async fn play(world: World, narrator: &Narrator) -> anyhow::Result<Report> {
    let scene = Scene::new(world, narrator);

    narrator.chapter("1  An emergency, and nobody to say yes");
    let begun = emergency::begin(&scene).await?;
    narrator.chapter("2  What is refused");
    refused::play(&scene).await?;
    let policies = policy::play(&scene).await?;
    narrator.chapter("3  Asked, acknowledged, used");
    let (first, acknowledged) = acknowledged::play(&scene).await?;
    narrator.chapter("4  Two grants of one person; one is revoked");
    let (second, overlap) = overlap::play(&scene, &first).await?;
    narrator.chapter("5  The emergency's fifteen seconds are over");
    let emergency = emergency::end(&scene, begun).await?;
    narrator.chapter("6  Twenty seconds of access, and a broker killed in the middle");
    let (left, blackout) = blackout::play(&scene, &second).await?;
    narrator.chapter("7  The broker comes back");
    let recovery = recovery::play(&scene, &second, left).await?;
    narrator.chapter("8  What the log says, and what no file does");
    let log = log::play(&scene).await?;
    let grants: Value = scene.world.people.get("carol", &["v1", "grants"]).await?;
    let grants = grants.get("grants").cloned().unwrap_or_default();
    narrator.chapter("9  The broker is gone. A stranger reads its log in the logging account");
    let verified = verified::play(&scene).await?;
    let sign_ins = scene.world.sign_ins.clone();
    let (refusals, mints) = scene.into_notes();
    let story = Story {
        sign_ins,
        policies,
        refusals,
        mints,
        acknowledged,
        overlap,
        emergency,
        blackout,
        recovery,
        log,
        verified,
    };
    Ok(Report { promises: verdict::promises(&story), grants })
}
