//! What the sink's bytes say, and what is found in no file.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use halligan_server::views::CredentialsView;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::demo::narrate::Narrator;
use crate::demo::world::World;

const SETTLED_WITHIN: Duration = Duration::from_secs(5);

/// What was seen.
pub struct Logged {
    /// Whether the log is whole and holds no secret.
    pub sound: bool,
    /// How many entries it has.
    pub entries: usize,
    /// All of it.
    pub evidence: Value,
}

pub async fn play(
    world: &World,
    narrator: &Narrator,
    secrets: &[&CredentialsView],
    refusals: usize,
) -> anyhow::Result<Logged> {
    // The last outcomes are on their way: nobody waits for those.
    let deadline = Instant::now() + SETTLED_WITHIN;
    let mut lines = entries(&world.log_directory())?;
    while !is_settled(&lines) && Instant::now() < deadline {
        sleep(Duration::from_millis(100)).await;
        lines = entries(&world.log_directory())?;
    }
    let gapless = has_no_gap(&lines);
    narrator.seen("entries in the sink, without a gap", &lines.len().to_string());
    let unintended = issued_without_intent(&lines);
    narrator.seen("credentials issued without an intent before", &unintended.to_string());
    let refused = lines.iter().filter(|line| kind(line) == "action.refused").count();
    narrator.seen("refusals with an entry", &refused.to_string());
    let found = files_with_secrets(world.directory(), secrets)?;
    narrator.seen("files of the broker with a secret in them", &found.len().to_string());
    let sound = gapless && unintended == 0 && refused >= refusals && found.is_empty();
    let evidence = json!({
        "entries": lines.len(), "gapless": gapless, "issued_without_intent": unintended,
        "refusals": refused, "files_with_secrets": found,
    });
    Ok(Logged { sound, entries: lines.len(), evidence })
}

fn entries(directory: &Path) -> anyhow::Result<Vec<Value>> {
    let mut lines = Vec::new();
    for file in files(directory)? {
        let text = std::fs::read_to_string(&file).with_context(|| format!("can't read `{}`", file.display()))?;
        for line in text.lines() {
            lines.push(
                serde_json::from_str(line).with_context(|| format!("a line of `{}` is no entry", file.display()))?,
            );
        }
    }
    Ok(lines)
}

fn kind(line: &Value) -> &str {
    line.pointer("/entry/type").and_then(Value::as_str).unwrap_or_default()
}

fn mints<'a>(lines: &'a [Value], wanted: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let named = move |(index, line): (usize, &'a Value)| {
        let mint = line.pointer("/entry/data/mint").and_then(Value::as_str)?;
        (kind(line) == wanted).then_some((index, mint))
    };
    lines.iter().enumerate().filter_map(named)
}

/// Every intent has its outcome.
fn is_settled(lines: &[Value]) -> bool {
    let outcomes: BTreeSet<&str> = ["credentials.issued", "credentials.failed", "credentials.discarded"]
        .into_iter()
        .flat_map(|wanted| mints(lines, wanted).map(|(_, mint)| mint).collect::<Vec<_>>())
        .collect();
    mints(lines, "credentials.intended").all(|(_, mint)| outcomes.contains(mint))
}

fn has_no_gap(lines: &[Value]) -> bool {
    let positions = lines.iter().map(|line| line.get("position").and_then(Value::as_u64));
    !lines.is_empty() && positions.zip(1..).all(|(found, expected)| found == Some(expected))
}

fn issued_without_intent(lines: &[Value]) -> usize {
    let intended = |before: usize, mint: &str| {
        mints(lines, "credentials.intended").any(|(at, other)| at < before && other == mint)
    };
    mints(lines, "credentials.issued").filter(|(at, mint)| !intended(*at, mint)).count()
}

/// Files below `directory` that hold a secret key, a token, or a person's private
/// key: but for the profiles, which are people's own.
fn files_with_secrets(directory: &Path, secrets: &[&CredentialsView]) -> anyhow::Result<Vec<String>> {
    let secrets: Vec<&str> =
        secrets.iter().flat_map(|s| [s.secret_access_key.expose_secret(), s.session_token.expose_secret()]).collect();
    let mut found = Vec::new();
    let own = ["halligan.toml", "broker.log", "incidents.toml"].map(|name| directory.join(name));
    for file in files(&directory.join("state"))?.into_iter().chain(own) {
        let bytes = std::fs::read(&file).with_context(|| format!("can't read `{}`", file.display()))?;
        let text = String::from_utf8_lossy(&bytes);
        if secrets.iter().any(|secret| text.contains(secret)) {
            found.push(file.display().to_string());
        }
    }
    Ok(found)
}

fn files(directory: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    let listed = std::fs::read_dir(directory).with_context(|| format!("can't read `{}`", directory.display()))?;
    for entry in listed {
        let path = entry.context("can't read a directory")?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(position: u64, kind: &str, mint: &str) -> Value {
        json!({ "position": position, "entry": { "type": kind, "data": { "mint": mint } } })
    }

    #[test]
    fn gaps_and_missing_intents_are_seen() {
        let whole = [line(1, "credentials.intended", "a"), line(2, "credentials.issued", "a")];
        assert!(has_no_gap(&whole) && issued_without_intent(&whole) == 0 && is_settled(&whole));
        assert!(!has_no_gap(&[line(1, "x", ""), line(3, "x", "")]) && !has_no_gap(&[]));
        assert_eq!(
            issued_without_intent(&[line(1, "credentials.issued", "a"), line(2, "credentials.intended", "a")]),
            1
        );
        assert!(!is_settled(&[line(1, "credentials.intended", "a")]));
    }
}
