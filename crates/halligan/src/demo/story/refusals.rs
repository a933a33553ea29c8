//! What must be refused, each for its reason.

use serde_json::{Value, json};

use super::{acknowledge, ask, request};
use crate::client::failure::Failure;
use crate::demo::narrate::Narrator;
use crate::demo::world::{CLOSED_INCIDENT, World};

/// What was seen.
pub struct Refused {
    /// Whether each was refused for its reason.
    pub all: bool,
    /// How many were tried.
    pub count: usize,
    /// What was tried, and the problem that answered.
    pub seen: Vec<Value>,
}

impl Refused {
    fn note(&mut self, narrator: &Narrator, what: &str, expected: &str, found: &str) {
        self.all &= expected == found;
        self.count += 1;
        self.seen.push(json!({ "attempt": what, "expected": expected, "problem": found }));
        narrator.seen(what, if expected == found { found } else { "NOT REFUSED AS IT SHOULD BE" });
    }
}

pub async fn play(world: &World, narrator: &Narrator) -> Result<Refused, Failure> {
    let mut refused = Refused { all: true, count: 0, seen: Vec::new() };
    let grants = ["v1", "grants"];
    let with = |pointer: &str, value: Value| {
        let mut body = request(600, false);
        if let Some(field) = body.pointer_mut(pointer) {
            *field = value;
        }
        body
    };
    let mut active = request(600, false);
    if let Some(fields) = active.as_object_mut() {
        fields.insert("state".to_owned(), json!("active"));
    }
    let asked = [
        ("alice", "an incident that does not exist", "incident-closed", with("/incident/id", json!("INC-404"))),
        ("alice", "an incident that is closed", "incident-closed", with("/incident/id", json!(CLOSED_INCIDENT))),
        ("alice", "an incident id that is a path", "invalid-request", with("/incident/id", json!("../../secrets"))),
        ("carol", "a person who is not on call", "not-permitted", request(600, false)),
        ("alice", "a role that does not exist", "unknown-role", with("/target/id", json!("root"))),
        ("alice", "three hours", "duration-out-of-bounds", request(10_800, false)),
        ("alice", "a body that says `state: active`", "invalid-request", active),
    ];
    for (login, what, expected, body) in asked {
        let found = world.people.refused(login, &grants, &body).await?;
        refused.note(narrator, what, expected, &found);
    }

    let grant = ask(world, "alice", 600, false).await?;
    let body = json!({ "request_hash": grant.request_hash });
    let path = ["v1", "grants", &grant.id, "acknowledge"];
    for (login, what) in [("alice", "one's own acknowledgement"), ("alice-phone", "one's own, through a second login")]
    {
        let found = world.people.refused(login, &path, &body).await?;
        refused.note(narrator, what, "same-person", &found);
    }
    let found = world.people.refused("bob", &path, &json!({ "request_hash": "00".repeat(32) })).await?;
    refused.note(narrator, "an acknowledgement of something else", "hash-mismatch", &found);
    refused.note(
        narrator,
        "credentials before the acknowledgement",
        "wrong-state",
        &minted(world, "alice", &grant.id).await?,
    );
    acknowledge(world, "bob", &grant).await?;
    refused.note(
        narrator,
        "credentials of somebody else's grant",
        "not-requester",
        &minted(world, "bob", &grant.id).await?,
    );
    let _: Value = world.people.post("alice", &["v1", "grants", &grant.id, "return"], &json!({})).await?;
    Ok(refused)
}

async fn minted(world: &World, login: &str, id: &str) -> Result<String, Failure> {
    match world.people.secret::<Value>(login, &["v1", "grants", id, "credentials"]).await {
        Err(Failure::Refused(refused)) => Ok(refused.problem.slug().unwrap_or_default().to_owned()),
        Err(failure) => Err(failure),
        Ok(_) => Ok("not refused".to_owned()),
    }
}
