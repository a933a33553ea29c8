//! The log.

mod key;
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use halligan_core::catalogue::Role;
use halligan_core::id::{DeploymentId, GroupId, PlaceId, RoleId};
use jiff::SignedDuration;

use super::society::Society;
use super::{Findings, quoted, somebody_is_in};
use crate::config::log::{Archive, Log, Override, Sink};
use crate::config::model;

const WAIT_MAX: SignedDuration = SignedDuration::from_mins(1);
const HEARTBEAT_MIN: SignedDuration = SignedDuration::from_mins(1);
const HEARTBEAT_MAX: SignedDuration = SignedDuration::from_hours(24);
const OVERRIDE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What the log's settings are compared with.
pub(super) struct Surroundings<'a> {
    pub deployment: &'a DeploymentId,
    pub state_directory: &'a Path,
    pub shared_store: bool,
    pub society: &'a Society,
    pub roles: &'a BTreeMap<RoleId, Role>,
}

/// The groups that the log's settings name.
pub(super) fn groups(log: &model::Log) -> BTreeSet<GroupId> {
    let granters = log.overriding.iter().flat_map(|overriding| &overriding.granters);
    log.readers.iter().chain(granters).cloned().collect()
}

pub(super) fn log(log: model::Log, around: &Surroundings<'_>, found: &mut Findings<'_>) -> Option<Log> {
    let model::Log {
        wait,
        heartbeat,
        confirmations,
        cosignatures,
        personal_kept,
        readers,
        key,
        archives,
        sinks,
        witnesses,
        overriding,
    } = log;
    if wait.get() > WAIT_MAX {
        found.refuse("log.wait", format!("`{wait}` is longer than callers wait: expected at most 1m"));
    }
    if !(HEARTBEAT_MIN..=HEARTBEAT_MAX).contains(&heartbeat.get()) {
        found.refuse("log.heartbeat", format!("`{heartbeat}` is out of bounds: expected 1m to 24h"));
    }
    somebody_is_in("log.readers", &readers, &around.society.of_anybody(), found);
    one_name_each(&archives, &sinks, &witnesses, found);
    // What is said of how many there are counts those that the file names, sound or not.
    let witness_names: BTreeSet<PlaceId> = witnesses.keys().cloned().collect();
    let (archives_named, witnesses_named) = (archives.len().max(1), witnesses.len());
    let confirmations = bounded("log.confirmations", confirmations, 1, archives_named, "the number of archives", found);
    let cosignatures = bounded("log.cosignatures", cosignatures, 0, witnesses_named, "the number of witnesses", found);

    let key = key::key(key, around, found);
    let archives = places::archives(archives, around, found);
    let sinks = places::sinks(sinks, found);
    let witnesses = places::witnesses(witnesses, key.as_ref().map(|key| key.origin.as_str()), found);
    places::apart(&archives, &sinks, found);
    let overriding =
        overriding.map(|overriding| override_of(overriding, &sinks, &witness_names, around.society, found));
    weak(&archives, witnesses_named, found);
    Some(Log {
        wait: wait.get(),
        heartbeat: heartbeat.get(),
        confirmations: confirmations?,
        cosignatures: cosignatures?,
        personal_kept: SignedDuration::from_hours(24 * i64::from(personal_kept.get())),
        readers,
        key: key?,
        archives,
        sinks,
        witnesses,
        overriding,
    })
}

/// Alarms, entries and the override name places.
fn one_name_each(
    archives: &BTreeMap<PlaceId, model::Archive>,
    sinks: &BTreeMap<PlaceId, model::Sink>,
    witnesses: &BTreeMap<PlaceId, model::Witness>,
    found: &mut Findings<'_>,
) {
    let mut twice = |kind: &str, name: &PlaceId, other: &str| {
        let problem = format!("is the name of {other} too: expected a name of its own");
        found.refuse(format!("log.{kind}.{name}"), problem);
    };
    for name in sinks.keys().filter(|name| archives.contains_key(*name)) {
        twice("sinks", name, "an archive");
    }
    for name in witnesses.keys() {
        if archives.contains_key(name) {
            twice("witnesses", name, "an archive");
        } else if sinks.contains_key(name) {
            twice("witnesses", name, "a sink");
        }
    }
}

fn bounded(field: &str, number: u32, least: usize, most: usize, what: &str, found: &mut Findings<'_>) -> Option<usize> {
    let legal = usize::try_from(number).ok().filter(|number| (least..=most).contains(number));
    if legal.is_none() {
        let expected = match (least, most) {
            (_, 0) => "expected 0, since there is no witness".to_owned(),
            (_, most) if least == most => format!("expected {most}, {what}"),
            (_, most) => format!("expected {least} to {most}, {what}"),
        };
        found.refuse(field, format!("is {number}: {expected}"));
    }
    legal
}

fn override_of(
    overriding: model::Override,
    sinks: &BTreeMap<PlaceId, Sink>,
    witnesses: &BTreeSet<PlaceId>,
    society: &Society,
    found: &mut Findings<'_>,
) -> Override {
    let model::Override { granters, confirmed_by, longest } = overriding;
    if granters.is_empty() {
        found.refuse("log.override.granters", "is empty, so nobody could: expected a group, or no `[log.override]`");
    }
    somebody_is_in("log.override.granters", &granters, &society.of_people(), found);
    if longest.get() > OVERRIDE_MAX {
        found.refuse("log.override.longest", format!("`{longest}` is too long: expected at most 24h"));
    }
    let field = "log.override.confirmed_by";
    if confirmed_by.is_empty() {
        found.refuse(field, "is empty, and nothing happens unlogged: expected at least one sink");
    }
    for name in confirmed_by.iter().filter(|name| !sinks.contains_key(*name)) {
        let is = if witnesses.contains(name) {
            "a witness, which cosigns only what an archive holds and so could never confirm"
        } else {
            "no sink"
        };
        let expected = if sinks.is_empty() { "there is none".to_owned() } else { quoted(sinks.keys()) };
        found.refuse(field, format!("`{name}` is {is}: expected a sink: {expected}"));
    }
    let here = |name: &PlaceId| matches!(sinks.get(name), Some(Sink::Ocsf { .. }));
    if !confirmed_by.is_empty() && confirmed_by.iter().all(here) {
        let problem =
            "are files of this machine alone, which protect from nobody who can write there: expected a sink elsewhere";
        found.warn(field, problem);
    }
    Override { granters, confirmed_by, longest: longest.get() }
}

/// What works, and protects less than people think.
fn weak(archives: &BTreeMap<PlaceId, Archive>, witnesses: usize, found: &mut Findings<'_>) {
    if archives.values().all(|archive| matches!(archive, Archive::Directory { .. })) {
        let problem = "directories alone, which protect from nobody who has access to this machine: expected one of `kind = \"s3\"` in a separate logging account";
        found.warn("log.archives", problem);
    } else if archives.len() == 1 {
        let problem = "there is one alone, and while it can't be reached no credentials leave: expected a second one in another Region";
        found.warn("log.archives", problem);
    }
    if witnesses == 0 {
        let problem = "there is none, so whoever holds the log's key could show different logs to different readers: expected one, such as `halligan witness` in the logging account";
        found.warn("log.witnesses", problem);
    }
}
