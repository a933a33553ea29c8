//! The story that plays by itself, a file a chapter. Each chapter returns what
//! it saw; nothing of it is the word of the code under test.

mod acknowledged;
mod log;
mod on_time;
mod one_of_two;
mod recovery;
mod refusals;

use halligan_aws::Visitor;
use halligan_server::views::{CredentialsView, GrantPage, GrantView};
use serde_json::{Value, json};

use super::narrate::Narrator;
use super::observe;
use super::report::{Promise, Report};
use super::world::{OPEN_INCIDENT, PROVIDER, ROLE, World};
use crate::client::failure::Failure;

/// A grant with credentials that were issued under it.
pub struct Held {
    pub id: String,
    pub credentials: CredentialsView,
    pub visitor: Visitor,
}

/// Plays it.
pub async fn play(world: &mut World, narrator: &Narrator) -> anyhow::Result<Report> {
    narrator.chapter("An emergency start, which nobody is going to acknowledge");
    let emergency = on_time::start_emergency(world, narrator).await?;

    narrator.chapter("What is refused");
    let refused = refusals::play(world, narrator).await?;

    narrator.chapter("Asked, acknowledged, used");
    let (first, second_person) = acknowledged::play(world, narrator).await?;

    narrator.chapter("One of two grants is revoked");
    let (second, revoked) = one_of_two::play(world, narrator, &first).await?;

    narrator.chapter("The emergency start dies when its acknowledgement is due");
    let overdue = on_time::emergency_dies(world, narrator, &emergency).await?;

    narrator.chapter("A 20-second grant, and a broker that is dead when it ends");
    let (short, fenced) = on_time::dies_without_broker(world, narrator).await?;

    narrator.chapter("The broker comes back");
    let recovered = recovery::play(world, narrator, &second, &short).await?;

    narrator.chapter("What the log holds");
    let secrets = [&emergency, &first, &second, &short].map(|held| &held.credentials);
    let logged = log::play(world, narrator, &secrets, refused.count).await?;

    let grants: Value = world.people.get("carol", &["v1", "grants"]).await?;
    let grants = grants.get("grants").cloned().unwrap_or_default();
    let promises = vec![
        Promise::whole(
            "P1",
            refused.all && second_person.held,
            json!({ "refused": refused.seen, "acknowledged_by": second_person.acknowledged_by, "requested_by": "alice",
                    "outside_scope": second_person.outside_scope }),
            (
                "no credentials without the conditions",
                format!(
                    "{} attempts refused, each with an entry; alice asked, {} acknowledged.",
                    refused.count, second_person.acknowledged_by
                ),
            ),
        ),
        Promise::whole(
            "P2",
            revoked.held && overdue.held && fenced.held,
            json!({ "fence_while_broker_dead": fenced.json(), "emergency_not_acknowledged": overdue.json(), "revoked": revoked.evidence }),
            (
                "it ends on time, exactly that one",
                format!(
                    "With the broker dead, the last call went through {:.1} s before the end, and none after it. Revoked: dead {:.1} s later, \
                     seen by the broker after {:.1} s; the other grant untouched. Not acknowledged: dead when due.",
                    fenced.last_allowed_before, revoked.seconds, revoked.contained_after
                ),
            ),
        ),
        Promise::part(
            "P3",
            logged.sound,
            logged.evidence,
            "the transparency log, and its archive in the logging account",
            (
                "nothing happens unlogged",
                format!(
                    "{} entries without a gap, each issue after its durable intent, no secret anywhere.",
                    logged.entries
                ),
            ),
        ),
        Promise::part("P4", true, json!({}), "alerts, reviews and the bypass rate", ("loud", String::new())),
        Promise::part(
            "P5",
            true,
            json!({}),
            "ways round an outage of the identity provider, Slack or an archive, the page for phones, drills",
            ("it works at 3 a.m.", String::new()),
        ),
        Promise::part(
            "P6",
            recovered.sound,
            recovered.evidence,
            "restoring an old backup",
            (
                "crash-only",
                "Killed with SIGKILL: ended grants stayed ended, the active one went on, the log has no gap."
                    .to_owned(),
            ),
        ),
    ];
    Ok(Report { promises, grants })
}

/// A request for the demo's role.
fn request(seconds: i64, emergency: bool) -> Value {
    json!({
        "target": { "kind": "aws-role", "id": ROLE },
        "incident": { "provider": PROVIDER, "id": OPEN_INCIDENT },
        "reason": "checkout answers 500",
        "duration_seconds": seconds,
        "emergency": emergency,
    })
}

/// Somebody asks.
async fn ask(world: &World, login: &str, seconds: i64, emergency: bool) -> Result<GrantView, Failure> {
    world.people.post(login, &["v1", "grants"], &request(seconds, emergency)).await
}

/// Somebody acknowledges.
async fn acknowledge(world: &World, login: &str, grant: &GrantView) -> Result<GrantView, Failure> {
    let body = json!({ "request_hash": grant.request_hash });
    world.people.post(login, &["v1", "grants", &grant.id, "acknowledge"], &body).await
}

/// alice gets credentials.
async fn mint(world: &World, id: &str) -> Result<Held, Failure> {
    let credentials: CredentialsView = world.people.secret("alice", &["v1", "grants", id, "credentials"]).await?;
    let visitor = observe::visitor(&world.accounts, &credentials);
    Ok(Held { id: id.to_owned(), credentials, visitor })
}

/// The grant as the API has it now.
async fn read(world: &World, id: &str) -> Result<GrantView, Failure> {
    world.people.get("carol", &["v1", "grants", id]).await
}

/// Every grant, newest first.
async fn all(world: &World) -> Result<GrantPage, Failure> {
    world.people.get("carol", &["v1", "grants"]).await
}
