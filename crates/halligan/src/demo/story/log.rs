//! What the entries in the logging account say, and which files hold a secret.
//! Nothing here is asked of the broker's own code: entries are plain JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::Value;
use tokio::time::sleep;

use super::scene::{Refusal, Scene};
use crate::demo::logging::Entry;
use crate::demo::observe::now;
use crate::demo::world::World;

const SETTLED_WITHIN: SignedDuration = SignedDuration::from_secs(5);
/// The format: an entry is JSON of at most 4 kB.
const ENTRY_BYTES_MAX: usize = 4_096;

/// What was seen.
#[derive(Debug, Default, Serialize)]
pub struct Audit {
    pub entries: usize,
    /// Whether no entry comes twice and the times never go back, across the kill too.
    pub continuous: bool,
    pub oversized: usize,
    /// Credentials that people received, and entries of an issue: as many.
    pub received: usize,
    pub issued: usize,
    /// Issued without an intent that stands before.
    pub issued_without_intent: usize,
    /// Intents of grants that were not active, or active without a second person and past their trial.
    pub unlawful: Vec<String>,
    pub refusals: usize,
    /// Refusals that left no entry of their own.
    pub refusals_unrecorded: Vec<&'static str>,
    pub files_searched: usize,
    pub bytes_searched: usize,
    pub secrets_searched_for: usize,
    /// Files with a secret key, a session token, a bearer token or a private key in them.
    pub files_with_secrets: Vec<PathBuf>,
}

impl Audit {
    /// Whether the record is whole.
    pub fn is_whole(&self) -> bool {
        self.entries > 0 && self.continuous && self.oversized == 0 && self.refusals_unrecorded.is_empty()
    }

    /// Whether nothing secret was written down.
    pub fn is_discreet(&self) -> bool {
        self.files_searched > 0 && self.files_with_secrets.is_empty()
    }

    /// Whether each issue has its intent before it, and no issue was lost or counted twice.
    pub fn is_intended(&self) -> bool {
        self.issued > 0 && self.issued_without_intent == 0 && self.issued == self.received
    }
}

pub async fn play(scene: &Scene<'_>) -> anyhow::Result<Audit> {
    // The last outcomes are on their way: nobody waits for those.
    let deadline = now() + SETTLED_WITHIN;
    let entries = loop {
        let entries = scene.world.archive.entries().await?;
        if of_type(&entries, "credentials.issued").count() >= scene.mint_count() || now() >= deadline {
            break entries;
        }
        sleep(Duration::from_millis(100)).await;
    };
    let mut audit = judged(&entries, &scene.refusals());
    audit.received = scene.mint_count();
    search(&mut audit, scene)?;
    tell(scene, &audit);
    Ok(audit)
}

fn tell(scene: &Scene<'_>, audit: &Audit) {
    let narrator = scene.narrator;
    let said = format!("{} entries", audit.entries);
    narrator.seen(audit.continuous, "the logging account, from before the kill to now", &said);
    let said = format!("{} of {}", audit.issued - audit.issued_without_intent, audit.issued);
    narrator.seen(audit.is_intended(), "credentials issued, their intent written before", &said);
    let said = if audit.unlawful.is_empty() { "always" } else { "NOT ALWAYS" };
    narrator.seen(audit.unlawful.is_empty(), "a second person's yes before that, or a short trial", said);
    let said = format!("{} of {}", audit.refusals - audit.refusals_unrecorded.len(), audit.refusals);
    narrator.seen(audit.refusals_unrecorded.is_empty(), "refusals with an entry of their own", &said);
    let what = format!("secrets in {} files of the broker", audit.files_searched);
    let said = if audit.is_discreet() { "none".to_owned() } else { format!("in {}", audit.files_with_secrets.len()) };
    narrator.seen(audit.is_discreet(), &what, &said);
}

/// How often credentials of a grant were intended.
pub fn intents_of(entries: &[Entry], grant: &str) -> usize {
    of_type(entries, "credentials.intended").filter(|entry| text(entry, "/links/grant") == grant).count()
}

fn judged(entries: &[Entry], refusals: &[Refusal]) -> Audit {
    let issued = of_type(entries, "credentials.issued").count();
    Audit {
        entries: entries.len(),
        continuous: is_continuous(entries),
        oversized: entries.iter().filter(|entry| entry.bytes.len() > ENTRY_BYTES_MAX).count(),
        issued,
        issued_without_intent: issued_without_intent(entries),
        unlawful: unlawful(entries),
        refusals: refusals.len(),
        refusals_unrecorded: unrecorded(entries, refusals),
        ..Audit::default()
    }
}

fn text<'a>(entry: &'a Entry, pointer: &str) -> &'a str {
    entry.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn kind(entry: &Entry) -> &str {
    text(entry, "/type")
}

fn of_type<'a>(entries: &'a [Entry], wanted: &'a str) -> impl Iterator<Item = &'a Entry> {
    entries.iter().filter(move |entry| kind(entry) == wanted)
}

fn is_continuous(entries: &[Entry]) -> bool {
    let ids: BTreeSet<&str> = entries.iter().map(|entry| text(entry, "/id")).filter(|id| !id.is_empty()).collect();
    let times: Vec<Option<Timestamp>> = entries.iter().map(|entry| text(entry, "/time").parse().ok()).collect();
    ids.len() == entries.len() && times.iter().all(Option::is_some) && times.is_sorted()
}

fn issued_without_intent(entries: &[Entry]) -> usize {
    let mut intended = BTreeSet::new();
    let mut without = 0;
    for entry in entries {
        let mint = text(entry, "/data/mint");
        match kind(entry) {
            "credentials.intended" => drop(intended.insert(mint)),
            "credentials.issued" if !intended.contains(mint) => without += 1,
            _ => {}
        }
    }
    without
}

/// A grant's life, as far as issuing is concerned.
#[derive(Default)]
struct Life<'a> {
    requester: &'a str,
    second: &'a str,
    trial_until: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    over: bool,
}

impl Life<'_> {
    fn may_mint(&self, at: Timestamp) -> bool {
        let second = !self.second.is_empty() && self.second != self.requester;
        let until = if second { self.ends_at } else { self.trial_until };
        !self.over && !self.requester.is_empty() && until.is_some_and(|until| at < until)
    }
}

/// The ids of grants whose credentials were intended when they must not be.
fn unlawful(entries: &[Entry]) -> Vec<String> {
    let mut lives: BTreeMap<&str, Life<'_>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for entry in entries {
        let grant = text(entry, "/links/grant");
        let person = text(entry, "/actor/person");
        let time = |pointer: &str| text(entry, pointer).parse().ok();
        let life = lives.entry(grant).or_default();
        match kind(entry) {
            "grant.requested" => life.requester = person,
            "grant.acknowledged" => life.second = person,
            "grant.activated" => {
                life.ends_at = time("/data/ends_at");
                life.trial_until = time("/data/ack_due");
            }
            "extension.acknowledged" => life.ends_at = time("/data/ends_at"),
            "grant.expired" | "grant.revoked" | "grant.returned" => life.over = true,
            "credentials.intended" if !time("/time").is_some_and(|at| life.may_mint(at)) => {
                found.insert(grant.to_owned());
            }
            _ => {}
        }
    }
    found.into_iter().collect()
}

/// What was refused, and for what another entry stands at best.
fn unrecorded(entries: &[Entry], refusals: &[Refusal]) -> Vec<&'static str> {
    let mut recorded: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for entry in of_type(entries, "action.refused") {
        let (login, problem) = (text(entry, "/actor/principal/subject"), text(entry, "/data/problem"));
        *recorded.entry((login, problem)).or_default() += 1;
    }
    let mut missing = Vec::new();
    for refusal in refusals {
        match recorded.get_mut(&(refusal.login.as_str(), refusal.answered.as_str())) {
            Some(left) if *left > 0 => *left -= 1,
            Some(_) | None => missing.push(refusal.attempt),
        }
    }
    missing
}

/// Looks for what was issued, and for what people hold, in whatever the broker wrote.
fn search(audit: &mut Audit, scene: &Scene<'_>) -> anyhow::Result<()> {
    let issued = scene.secrets();
    let of_people = scene.world.people.secrets()?;
    let of_provider = scene.world.identity.secret();
    let of_log = scene.world.keys.secrets()?;
    let secrets = issued.iter().chain(&of_log).chain(&of_people).chain([of_provider]);
    let secrets = secrets.map(|secret| secret.expose_secret().to_owned());
    let secrets: Vec<String> = secrets.filter(|secret| !secret.is_empty()).collect();
    audit.secrets_searched_for = secrets.len();
    for file in broker_files(&scene.world)? {
        let bytes = fs::read(&file).with_context(|| format!("can't read `{}`", file.display()))?;
        let content = String::from_utf8_lossy(&bytes);
        audit.files_searched += 1;
        audit.bytes_searched += bytes.len();
        if holds_secret(&content, &secrets) {
            audit.files_with_secrets.push(file);
        }
    }
    Ok(())
}

fn holds_secret(content: &str, secrets: &[String]) -> bool {
    secrets.iter().any(|secret| content.contains(secret)) || holds_bearer_token(content)
}

/// A signed token: two parts that begin a JSON object, in base 64, with a dot between.
fn holds_bearer_token(content: &str) -> bool {
    let in_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    content.match_indices("eyJ").any(|(at, _)| {
        let rest = content.get(at..).unwrap_or_default();
        let token = rest.split(|c| !in_token(c)).next().unwrap_or_default();
        token.contains(".eyJ")
    })
}

fn broker_files(world: &World) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in world.broker_files() {
        if path.is_dir() { files.extend(files_below(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

fn files_below(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = || format!("can't read `{}`", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.is_dir() { files.extend(files_below(&path)?) } else { files.push(path) }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    /// Entries of one grant, a second apart from 02:40:00 on.
    fn log(events: &[(&str, &str, Value)]) -> Vec<Entry> {
        let line = |(n, (kind, person, data)): (usize, &(&str, &str, Value))| {
            let json = json!({
                "id": format!("id-{n}"), "type": kind, "time": format!("2026-03-01T02:40:{n:02}Z"), "data": data,
                "actor": { "person": person, "principal": { "subject": format!("{person}@example.com") } },
                "links": { "grant": "g" },
            });
            Entry { bytes: json.to_string().into_bytes(), json }
        };
        events.iter().enumerate().map(line).collect()
    }

    fn activated() -> Value {
        json!({ "ends_at": "2026-03-01T02:40:30Z", "ack_due": null })
    }

    fn on_trial() -> Value {
        json!({ "ends_at": "2026-03-01T02:40:30Z", "ack_due": "2026-03-01T02:40:03Z" })
    }

    #[test]
    fn a_repetition_a_swap_and_a_clock_that_goes_back_are_seen() {
        let whole = log(&[("a", "", json!({})), ("b", "", json!({})), ("c", "", json!({}))]);
        assert!(is_continuous(&whole) && is_continuous(&[]));
        let mut twice = whole.clone();
        twice.push(whole.last().unwrap().clone());
        assert!(!is_continuous(&twice));
        let mut swapped = whole.clone();
        swapped.swap(0, 1);
        assert!(!is_continuous(&swapped));
        let mut back = whole;
        *back.last_mut().unwrap().json.pointer_mut("/time").unwrap() = json!("2026-03-01T02:39:59Z");
        assert!(!is_continuous(&back));
    }

    #[test]
    fn an_issue_needs_its_own_intent_and_before_it() {
        let (a, b) = (json!({ "mint": "a" }), json!({ "mint": "b" }));
        let intended = |mint: &Value| ("credentials.intended", "alice", mint.clone());
        let issued = |mint: &Value| ("credentials.issued", "alice", mint.clone());
        assert_eq!(issued_without_intent(&log(&[intended(&a), issued(&a), intended(&b)])), 0);
        assert_eq!(issued_without_intent(&log(&[issued(&a), intended(&a)])), 1);
        assert_eq!(issued_without_intent(&log(&[intended(&a), issued(&b)])), 1);
    }

    #[test]
    fn who_may_mint_is_read_from_the_log_alone() {
        let (requested, yes) = (("grant.requested", "alice", json!({})), |who| ("grant.acknowledged", who, json!({})));
        let active = |data| ("grant.activated", "", data);
        let intended = ("credentials.intended", "alice", json!({ "mint": "a" }));
        let over = ("grant.revoked", "carol", json!({}));
        let lawful = [
            vec![requested.clone(), yes("bob"), active(activated()), intended.clone()],
            vec![requested.clone(), active(on_trial()), intended.clone()],
        ];
        for events in lawful {
            assert!(unlawful(&log(&events)).is_empty(), "{events:?}");
        }
        let breaches = [
            vec![requested.clone(), intended.clone()],
            vec![requested.clone(), yes("bob"), intended.clone()],
            vec![requested.clone(), active(activated()), intended.clone()],
            vec![requested.clone(), yes("alice"), active(activated()), intended.clone()],
            vec![requested.clone(), yes("bob"), active(activated()), over.clone(), intended.clone()],
            // The trial ends at :03.
            vec![requested, active(on_trial()), yes("alice"), intended],
        ];
        for events in breaches {
            assert_eq!(unlawful(&log(&events)), ["g"], "{events:?}");
        }
    }

    #[test]
    fn each_refusal_wants_an_entry_of_its_own() {
        let refusal = |login: &str| Refusal {
            attempt: "her own yes",
            login: format!("{login}@example.com"),
            expected: "same-person",
            answered: "same-person".to_owned(),
            by_policy: Default::default(),
        };
        let entry = |person| ("action.refused", person, json!({ "problem": "same-person" }));
        let two = [refusal("alice"), refusal("alice-phone")];
        assert!(unrecorded(&log(&[entry("alice"), entry("alice-phone")]), &two).is_empty());
        assert_eq!(unrecorded(&log(&[entry("alice"), entry("alice")]), &two), ["her own yes"]);
        assert_eq!(unrecorded(&[], &two).len(), 2);
    }

    #[test]
    fn tokens_and_keys_are_recognised() {
        assert!(holds_bearer_token("…\"Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSJ9.c2ln\"…"));
        assert!(!holds_bearer_token("eyJhbGciOiJFZERTQSJ9 and .eyJzdWIi, but apart"));
        assert!(holds_secret("a=wJalrXUtnFEMI/K7;", &["wJalrXUtnFEMI/K7".into()]) && !holds_secret("a", &["b".into()]));
    }
}
