//! Two programs that share no code verify the log from AWS alone. Then somebody
//! tries to change it: a byte in a copy, and what is in the logging account, as
//! those who administer that.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, bail};
use halligan_aws::provision::LOGGING_ACCOUNT_ID;
use halligan_aws::{Seen, Visitor};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::Value;
use tokio::time::sleep;

use super::scene::Scene;
use crate::demo::files::DEPLOYMENT;
use crate::demo::logging::{Entry, Head, place_of, texts};
use crate::demo::observe::now;
use crate::demo::world::{World, made};

const FOLLOWED_WITHIN: SignedDuration = SignedDuration::from_secs(10);
/// Who says yes in the copy that is changed, and the letter that makes it somebody else.
const CHANGED: &[u8] = b"\"person\":\"bob\"";
const CHANGED_AT: usize = 10;
const CHANGED_TO: u8 = b'r';

/// What was seen.
#[derive(Debug, Default, Serialize)]
pub struct Verified {
    /// How many entries the newest checkpoint covers, and their root.
    pub size: u64,
    pub root: String,
    /// The ids of entries that CloudWatch Logs and the SIEM's file lack. They follow the archive and prove nothing.
    pub not_in_cloudwatch: Vec<String>,
    pub not_in_ocsf_file: Vec<String>,
    /// What `halligan log verify` says of the bucket, with the keys of the log and its witness.
    pub by_halligan: Told,
    /// What docs/read-log.py says of a copy.
    pub by_script: Told,
    /// Which entry of the copy had one byte changed, and what both said then.
    pub changed_index: u64,
    pub changed_by_halligan: Told,
    pub changed_by_script: Told,
    /// Whether AWS refused the deletion of what was first written, to the account's administrator.
    pub deletion_refused: bool,
    /// Whether it could be hidden, and what `halligan log verify` said then.
    pub hidden: bool,
    pub hidden_by_halligan: Told,
}

/// What a program said of a log.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Whether it found nothing wrong.
    pub sound: bool,
    /// The entries that it verified, and their root.
    pub size: Option<u64>,
    pub root: Option<String>,
    /// The first entry that is wrong.
    pub first_bad_index: Option<u64>,
    /// What is wrong, in words of one kind each.
    pub findings: Vec<String>,
}

impl Verified {
    /// Whether both found the same log, and nothing wrong.
    pub fn agree(&self) -> bool {
        let same = |told: &Told| told.sound && told.size == Some(self.size) && told.root.as_deref() == Some(&self.root);
        self.size > 0 && same(&self.by_halligan) && same(&self.by_script)
    }

    /// Whether both named the entry that was changed.
    pub fn change_seen(&self) -> bool {
        let named = |told: &Told| !told.sound && told.first_bad_index == Some(self.changed_index);
        named(&self.changed_by_halligan) && named(&self.changed_by_script)
    }

    /// Whether what was hidden was found and named, and was verified all the same.
    pub fn hiding_seen(&self) -> bool {
        let Told { findings, size, root, .. } = &self.hidden_by_halligan;
        let verified = *size == Some(self.size) && root.as_deref() == Some(&self.root);
        self.hidden && verified && findings.as_slice() == ["hidden"]
    }

    /// Whether every entry is where people look first, too.
    pub fn followed(&self) -> bool {
        self.not_in_cloudwatch.is_empty() && self.not_in_ocsf_file.is_empty()
    }

    pub fn held(&self) -> bool {
        self.agree() && self.change_seen() && self.deletion_refused && self.hiding_seen()
    }
}

pub async fn play(scene: &Scene<'_>) -> anyhow::Result<Verified> {
    let (world, narrator) = (&scene.world, scene.narrator);
    let mut seen = followed(scene).await?;
    world.broker.kill().await?;

    let copy = made(world.directory(), "copy")?;
    let Head { size, root } = world.archive.copy(&copy).await?;
    (seen.size, seen.root) = (size, root);
    seen.by_halligan = by_halligan(world, &in_bucket(world)).await?;
    narrator.seen(seen.by_halligan.sound, "halligan log verify, with two public keys", &entries(&seen.by_halligan));
    seen.by_script = by_script(world, &copy).await?;
    narrator.seen(seen.by_script.sound, "a page of Python, on a copy of the bucket", &entries(&seen.by_script));
    narrator.seen(seen.agree(), "the root that both make", seen.root.get(..12).unwrap_or(&seen.root));
    let said = format!("{} and {} missing", seen.not_in_cloudwatch.len(), seen.not_in_ocsf_file.len());
    let said = if seen.followed() { "none missing" } else { &said };
    narrator.seen(seen.followed(), "entries in CloudWatch Logs, and in OCSF for a SIEM", said);

    seen.changed_index = change(&copy, size)?;
    let path = copy.display().to_string();
    seen.changed_by_halligan = by_halligan(world, &["--dir", &path]).await?;
    seen.changed_by_script = by_script(world, &copy).await?;
    let said = |told: &Told| told.first_bad_index.map_or("nowhere".to_owned(), |index| index.to_string());
    let said = format!("at {} and {}", said(&seen.changed_by_halligan), said(&seen.changed_by_script));
    let what = format!("one byte of entry {} changed in the copy: seen", seen.changed_index);
    narrator.seen(seen.change_seen(), &what, &said);
    touch(scene, &mut seen).await?;
    Ok(seen)
}

/// Somebody who administers the logging account does what they can.
async fn touch(scene: &Scene<'_>, seen: &mut Verified) -> anyhow::Result<()> {
    let (world, narrator) = (&scene.world, scene.narrator);
    let administrator = Visitor::root(&world.accounts, LOGGING_ACCOUNT_ID);
    let (bundle, bucket) = (place_of(0, seen.size).0.to_string(), &world.accounts.archive);
    let deleted = administrator.delete_first_version(bucket, &bundle).await;
    seen.deletion_refused = matches!(deleted, Seen::Denied { .. });
    narrator.asked("AWS, the account's root deletes the entries", &deleted, seen.deletion_refused);
    let hidden = administrator.hide(bucket, &bundle).await;
    seen.hidden = hidden == Seen::Allowed;
    narrator.asked("AWS, it puts a delete marker over them", &hidden, seen.hidden);
    seen.hidden_by_halligan = by_halligan(world, &in_bucket(world)).await?;
    let told = &seen.hidden_by_halligan;
    let said = format!("\"{}\", {}", told.findings.join(", "), entries(told));
    narrator.seen(seen.hiding_seen(), "halligan log verify: the marker named, all verified", &said);
    Ok(())
}

fn entries(told: &Told) -> String {
    told.size.map_or("no entries".to_owned(), |size| format!("{size} entries"))
}

/// Waits until the places that only follow have what the archive has.
async fn followed(scene: &Scene<'_>) -> anyhow::Result<Verified> {
    let world = &scene.world;
    let administrator = Visitor::root(&world.accounts, LOGGING_ACCOUNT_ID);
    let deadline = now() + FOLLOWED_WITHIN;
    loop {
        let entries = world.archive.entries().await?;
        let events = administrator.events(&world.accounts.log_group).await;
        let events = events.map_err(|answer| anyhow::anyhow!("CloudWatch Logs answers `{answer}`"))?;
        let ocsf = fs::read_to_string(world.ocsf_file()).context("can't read the OCSF file")?;
        // What was sent just before the kill may be there twice.
        let seen = Verified {
            not_in_cloudwatch: missing(&entries, &ids(events.iter().map(String::as_str), "/entry/id")),
            not_in_ocsf_file: missing(&entries, &ids(ocsf.lines(), "/metadata/uid")),
            ..Verified::default()
        };
        if seen.followed() || now() >= deadline {
            return Ok(seen);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The ids of entries in somebody's JSON, of which the last line may be half written.
fn ids<'a>(lines: impl Iterator<Item = &'a str>, pointer: &str) -> BTreeSet<String> {
    let id = |line| -> Option<String> {
        let line: Value = serde_json::from_str(line).ok()?;
        line.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
    };
    lines.filter_map(id).collect()
}

fn missing(entries: &[Entry], there: &BTreeSet<String>) -> Vec<String> {
    let id = |entry: &Entry| entry.json.pointer("/id").and_then(Value::as_str).unwrap_or_default().to_owned();
    entries.iter().map(id).filter(|id| !there.contains(id)).collect()
}

/// Where the log is, for the command.
fn in_bucket(world: &World) -> [&str; 4] {
    ["--bucket", &world.accounts.archive, "--personal-bucket", &world.accounts.personal_archive]
}

/// Runs `halligan log verify`.
async fn by_halligan(world: &World, place: &[&str]) -> anyhow::Result<Told> {
    let (key, witness) = (&world.keys.log, &world.keys.witness);
    let mut command = world.command("halligan");
    command
        .args(["log", "verify", "--json", "--key", key, "--witness", witness, "--deployment", DEPLOYMENT])
        .args(place);
    let output = command.output().await.context("can't start `halligan log verify`")?;
    let report: Value = match serde_json::from_slice(&output.stdout) {
        Ok(report) => report,
        Err(_) => bail!("`halligan log verify` failed: {}", complaint(&output)),
    };
    Ok(told(output.status.success(), &report))
}

fn told(succeeded: bool, report: &Value) -> Told {
    let findings = report.get("findings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let code = |finding: &Value| finding.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
    Told {
        sound: succeeded && findings.is_empty(),
        size: report.get("entries").and_then(Value::as_u64),
        root: report.pointer("/checkpoint/root").and_then(Value::as_str).map(str::to_owned),
        first_bad_index: report.get("first_bad_index").and_then(Value::as_u64),
        findings: findings.iter().map(code).collect(),
    }
}

/// Runs docs/read-log.py.
async fn by_script(world: &World, copy: &Path) -> anyhow::Result<Told> {
    let output = world.command("read-log").arg(copy).arg(&world.keys.log).output().await;
    let output = output.context("can't start `read-log`")?;
    Ok(told_by_script(output.status.success(), &String::from_utf8_lossy(&output.stdout), &complaint(&output)))
}

/// It prints `size root`, or `entry INDEX: what is wrong`.
fn told_by_script(succeeded: bool, printed: &str, complaint: &str) -> Told {
    let (size, root) = printed.trim_end().split_once(' ').unzip();
    let index = complaint.strip_prefix("entry ").and_then(|rest| rest.split_once(':'));
    Told {
        sound: succeeded,
        size: size.and_then(|size| size.parse().ok()),
        root: root.map(str::to_owned),
        first_bad_index: index.and_then(|(index, _)| index.parse().ok()),
        findings: if succeeded { vec![] } else { vec![complaint.to_owned()] },
    }
}

fn complaint(output: &Output) -> String {
    halligan_core::text::printable(String::from_utf8_lossy(&output.stderr).trim_end(), 300)
}

/// In the copy somebody else has said yes: one letter of a name. Returns the entry's index.
fn change(copy: &Path, size: u64) -> anyhow::Result<u64> {
    for index in 0..size {
        let (object, at) = place_of(index, size);
        let path = copy.join(object.to_string());
        let mut bundle = fs::read(&path).with_context(|| format!("can't read `{}`", path.display()))?;
        let texts = texts(&bundle)?;
        let before: usize = texts.iter().take(at).map(|text| text.len() + 2).sum();
        let Some(text) = texts.get(at) else { bail!("the bundle of entry {index} ends before it") };
        let is_yes = contains(text, b"\"type\":\"grant.acknowledged\"").is_some();
        let Some(found) = contains(text, CHANGED).filter(|_| is_yes) else { continue };
        if let Some(byte) = bundle.get_mut(before + 2 + found + CHANGED_AT) {
            *byte = CHANGED_TO;
        }
        fs::write(&path, &bundle).with_context(|| format!("can't write `{}`", path.display()))?;
        return Ok(index);
    }
    bail!("bob acknowledged nothing that the log knows of")
}

fn contains(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_the_script_prints_is_understood() {
        let sound = told_by_script(true, "57 cm9vdA==\n", "");
        assert_eq!((sound.sound, sound.size, sound.root.as_deref()), (true, Some(57), Some("cm9vdA==")));
        let wrong = told_by_script(false, "", "entry 19: it is not the one in the tree");
        assert_eq!((wrong.sound, wrong.size, wrong.first_bad_index), (false, None, Some(19)));
        assert_eq!(told_by_script(false, "", "the log: it has no checkpoint").first_bad_index, None);
    }

    #[test]
    fn one_byte_of_a_yes_is_changed() {
        let directory = tempfile::tempdir().unwrap();
        let entries = [
            r#"{"type":"grant.requested","actor":{"person":"bob"}}"#,
            r#"{"type":"grant.acknowledged","actor":{"person":"carol"}}"#,
            r#"{"type":"grant.acknowledged","actor":{"person":"bob"}}"#,
        ];
        let bundle: Vec<u8> =
            entries.iter().flat_map(|text| [&[0, text.len() as u8], text.as_bytes()].concat()).collect();
        let path = directory.path().join(place_of(0, 3).0.to_string());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &bundle).unwrap();
        assert_eq!(change(directory.path(), 3).unwrap(), 2);
        let changed = fs::read(&path).unwrap();
        assert_eq!(changed.iter().zip(&bundle).filter(|(now, then)| now != then).count(), 1);
        assert!(texts(&changed).unwrap()[2].ends_with(br#"{"person":"rob"}}"#));
        assert!(change(directory.path(), 3).is_err(), "nobody is left to be changed");
    }
}
