//! What decides, what signs and where it is written: compared at each start with
//! how it was before. A change is an entry.

use std::collections::BTreeMap;

use halligan_core::actor::Actor;
use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded, bounded};
use jiff::Timestamp;

use crate::ports::{Facts, StoreError};
use crate::recorder::Recorder;

/// What is known of what decides who may do what: the fact's name, and what its entries are about.
pub(crate) const POLICY: &str = "policy";

/// What a broker is at its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The log's public key.
    pub key: String,
    /// Archives, sinks and witnesses by kind and name; of each, whatever tells it from another of that name.
    pub places: BTreeMap<String, String>,
    /// The catalogue's roles by name; of each, whatever it means.
    pub roles: BTreeMap<String, String>,
    /// SHA-256 over what decides who may do what.
    pub policy: String,
}

/// Names by how they differ.
#[derive(Default)]
struct Differences {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

impl Identity {
    /// Writes down how it differs from what was known, and knows it from then on.
    ///
    /// # Errors
    /// The store doesn't answer.
    pub async fn note(&self, facts: &dyn Facts, recorder: &Recorder, now: Timestamp) -> Result<(), StoreError> {
        let changed = |before: &str| {
            (before != self.key).then(|| Event::LogKeyChanged { before: before.to_owned(), after: self.key.clone() })
        };
        note(facts, recorder, "log.key", &self.key, "log", now, changed).await?;
        let places = json(&self.places);
        let changed = |before: &str| {
            let Differences { added, removed, changed } = differences(before, &self.places)?;
            Some(Event::LogPlacesChanged { added, removed, changed })
        };
        note(facts, recorder, "log.places", &places, "log", now, changed).await?;
        let roles = json(&self.roles);
        let changed = |before: &str| {
            let Differences { added, removed, changed } = differences(before, &self.roles)?;
            Some(Event::CatalogueChanged { added, removed, changed })
        };
        note(facts, recorder, "catalogue", &roles, "catalogue", now, changed).await?;
        let changed = |before: &str| {
            let (before, after) = (before.to_owned(), self.policy.clone());
            (before != after).then_some(Event::PolicyChanged { before, after })
        };
        note(facts, recorder, POLICY, &self.policy, POLICY, now, changed).await
    }
}

fn json(names: &BTreeMap<String, String>) -> String {
    // Keys are texts: it can't fail.
    serde_json::to_string(names).unwrap_or_default()
}

fn differences(before: &str, now: &BTreeMap<String, String>) -> Option<Differences> {
    let before: BTreeMap<String, String> = serde_json::from_str(before).unwrap_or_default();
    let mut found = Differences::default();
    for (name, means) in now {
        match before.get(name) {
            None => found.added.push(name.clone()),
            Some(meant) if meant != means => found.changed.push(name.clone()),
            Some(_) => {}
        }
    }
    found.removed = before.into_keys().filter(|name| !now.contains_key(name)).collect();
    let Differences { added, removed, changed } = found;
    let any = !(added.is_empty() && removed.is_empty() && changed.is_empty());
    any.then(|| Differences { added: bounded(added), removed: bounded(removed), changed: bounded(changed) })
}

async fn note(
    facts: &dyn Facts,
    recorder: &Recorder,
    fact: &str,
    value: &str,
    subject: &str,
    now: Timestamp,
    changed: impl Fn(&str) -> Option<Event>,
) -> Result<(), StoreError> {
    let known = facts.fact(fact).await?;
    // What was never known has not changed: the first start tells it by starting.
    let event = known.as_deref().and_then(changed);
    if known.as_deref() == Some(value) && event.is_none() {
        return Ok(());
    }
    let drafts = event.into_iter().map(|event| {
        tracing::warn!(alarm = event.kind(), "the configuration is another than at the last start");
        recorder.draft(Actor::SYSTEM, Subject::broker(subject), Recorded::plain(event))
    });
    recorder.learn(facts, fact, known.as_deref(), value, drafts.collect(), now).await?;
    Ok(())
}
