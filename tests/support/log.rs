//! The log as an auditor reads it: the archive's bytes, and the laws that they keep.

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

/// Every entry that the archive's checkpoint covers. Nothing of the product reads
/// them here: a bundle is lengths and texts.
pub fn read(directory: &Path) -> Vec<Entry> {
    let checkpoint = std::fs::read_to_string(directory.join("checkpoint")).unwrap_or_default();
    let size: u64 = checkpoint.lines().nth(1).map_or(0, |size| size.parse().unwrap());
    let mut entries = Vec::new();
    for bundle in 0..size.div_ceil(256) {
        let width = (size - bundle * 256).min(256);
        let partial = if width < 256 { format!(".p/{width}") } else { String::new() };
        assert!(bundle < 1_000, "a test wrote more than is read here");
        let bytes = std::fs::read(directory.join(format!("tile/entries/{bundle:03}{partial}"))).unwrap();
        let mut rest = bytes.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (text, after) = after.split_at(u16::from_be_bytes(*length).into());
            let position = entries.len() as u64 + 1;
            entries.push(Entry { position, entry: serde_json::from_slice(text).unwrap() });
            rest = after;
        }
    }
    assert_eq!(entries.len() as u64, size);
    entries
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
