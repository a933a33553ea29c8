//! The log as an auditor reads it: the sink's bytes, and the laws that they keep.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

/// An entry with its position.
#[derive(Debug, Clone)]
pub struct Entry {
    pub position: u64,
    pub entry: Value,
}

impl Entry {
    pub fn kind(&self) -> &str {
        self.entry["type"].as_str().unwrap()
    }

    pub fn data(&self) -> &Value {
        &self.entry["data"]
    }

    pub fn grant(&self) -> Option<&str> {
        self.entry["links"]["grant"].as_str()
    }

    pub fn person(&self) -> Option<&str> {
        self.entry["actor"]["person"].as_str()
    }

    pub fn time(&self) -> Timestamp {
        self.entry["time"].as_str().unwrap().parse().unwrap()
    }
}

/// Every complete line of the sink.
pub fn read(directory: &Path) -> Vec<Entry> {
    let text = std::fs::read_to_string(directory.join("entries.ndjson")).unwrap_or_default();
    let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
    let entry = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        Entry { position: line["position"].as_u64().unwrap(), entry: line["entry"].take() }
    };
    complete.lines().map(entry).collect()
}

/// What holds of every log, whatever happened.
pub fn assert_lawful(log: &[Entry]) {
    let mut before = Timestamp::MIN;
    let mut intended: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut requested, mut activated, mut ended) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    for (index, entry) in log.iter().enumerate() {
        assert_eq!(entry.position, index as u64 + 1, "a position is missing or there twice");
        assert!(entry.time() >= before, "time goes back at {entry:?}");
        before = entry.time();
        let grant = entry.grant().unwrap_or_default();
        match entry.kind() {
            "grant.requested" => {
                assert!(requested.insert(grant, entry.person().unwrap()).is_none(), "requested twice: {entry:?}");
            }
            "grant.activated" => assert!(activated.insert(grant), "activated twice: {entry:?}"),
            "grant.acknowledged" | "extension.acknowledged" => {
                assert_ne!(entry.person(), requested.get(grant).copied(), "the requester acknowledged: {entry:?}");
            }
            "grant.expired" | "grant.revoked" | "grant.returned" => {
                assert!(ended.insert(grant), "ended twice: {entry:?}");
            }
            "credentials.intended" => {
                assert!(activated.contains(grant) && !ended.contains(grant), "not active: {entry:?}");
                assert_eq!(entry.person(), requested.get(grant).copied(), "not the requester: {entry:?}");
                assert!(intended.insert(entry.data()["mint"].as_str().unwrap(), grant).is_none(), "{entry:?}");
            }
            "credentials.issued" | "credentials.discarded" | "credentials.failed" => {
                let mint = entry.data()["mint"].as_str().unwrap();
                assert_eq!(intended.remove(mint), Some(grant), "no intent, or a second outcome: {entry:?}");
            }
            _ => {}
        }
    }
}
