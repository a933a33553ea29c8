//! A log and its archive, in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

use halligan_log::key::Kind;
use halligan_log::verify::{self, Finding, Outcome, Personal, Trust, Walk};
use halligan_log::{Checkpoint, Edge, Leaf, Object, SignedCheckpoint, SigningKey};
use sha2::{Digest as _, Sha256};

pub const ORIGIN: &str = "log.example.com/test";
pub const SIGNED_AT: u64 = 1_772_600_000;

/// Sizes around the borders of bundles and tiles.
pub const SIZES: [u64; 5] = [1, 255, 256, 257, 1_000];

pub type Archive = BTreeMap<Object, Vec<u8>>;

/// A log, and the archive that it was published to.
#[derive(Clone)]
pub struct Log {
    pub edge: Edge,
    pub archive: Archive,
}

impl Log {
    /// A log of so many ordinary entries, grown in one step.
    pub fn new(size: u64) -> Self {
        Self::grown(&[size])
    }

    /// A log that grew in these steps.
    pub fn grown(steps: &[u64]) -> Self {
        let mut log = Self { edge: Edge::default(), archive: Archive::new() };
        for step in steps {
            let size = log.edge.size();
            log.append((size..size + step).map(leaf));
        }
        log
    }

    /// A log of these leaves.
    pub fn of(leaves: impl IntoIterator<Item = Leaf>) -> Self {
        let mut log = Self { edge: Edge::default(), archive: Archive::new() };
        log.append(leaves);
        log
    }

    pub fn append(&mut self, leaves: impl IntoIterator<Item = Leaf>) {
        let growth = self.edge.grow(leaves.into_iter().map(Arc::new)).unwrap();
        self.archive.extend(growth.objects);
        self.edge = growth.edge;
        self.archive.insert(Object::Checkpoint, sign(&self.checkpoint()).to_bytes());
    }

    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { origin: ORIGIN.to_owned(), size: self.edge.size(), root: self.edge.root() }
    }

    pub fn note(&self) -> SignedCheckpoint {
        sign(&self.checkpoint())
    }

    /// A log of this size that was built before: building is slow.
    pub fn shared(size: u64) -> &'static Self {
        static LOGS: [OnceLock<Log>; 6] = [const { OnceLock::new() }; 6];
        let at = SIZES.iter().position(|known| *known == size).unwrap_or(SIZES.len());
        let log = LOGS[at].get_or_init(|| Self::new(size));
        assert_eq!(log.edge.size(), size, "one size beside the usual ones is kept");
        log
    }
}

pub fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, [seed; 32]).unwrap()
}

pub fn log_key() -> SigningKey {
    key(ORIGIN, 1)
}

pub fn witness_keys() -> [SigningKey; 2] {
    [key("witness.example.com/w1", 2), key("witness.example.com/w2", 3)]
}

/// The log's key and both witnesses.
pub fn trust() -> Trust {
    Trust {
        keys: vec![log_key().verifier(Kind::Log)],
        witnesses: witness_keys().iter().map(|key| key.verifier(Kind::Cosigner)).collect(),
        quorum: 2,
    }
}

/// Signed by the log, with a time too, and by both witnesses.
pub fn sign(checkpoint: &Checkpoint) -> SignedCheckpoint {
    let mut signed = SignedCheckpoint::unsigned(checkpoint.clone());
    let log = log_key();
    signed.sign(&log.verifier(Kind::Log), log.sign(checkpoint.body().as_bytes()));
    for key in [log].iter().chain(&witness_keys()) {
        let signature = key.sign(checkpoint.timed_body(SIGNED_AT).as_bytes());
        signed.cosign(&key.verifier(Kind::Cosigner), SIGNED_AT, &signature);
    }
    signed
}

/// Whether an ordinary entry has a personal part.
pub fn has_personal(index: u64) -> bool {
    index.is_multiple_of(3)
}

/// An ordinary entry.
pub fn leaf(index: u64) -> Leaf {
    // Fractions of differing length: as texts they don't sort as they do in time.
    let fraction = if index.is_multiple_of(2) { "" } else { ".5" };
    let (seconds, minutes, hours) = (index / 2 % 60, index / 120 % 60, index / 7_200);
    entry(index, &format!("2026-03-{:02}T{:02}:{minutes:02}:{seconds:02}{fraction}Z", 1 + hours / 24, hours % 24))
}

/// An ordinary entry of another time.
pub fn entry(index: u64, time: &str) -> Leaf {
    let note = "x".repeat(usize::try_from(index * 37 % 400).unwrap());
    let personal = has_personal(index)
        .then(|| format!(r#"{{"salt":"{index:032x}","fields":{{"reason":"because of {index}"}}}}"#).into_bytes());
    let commitment = personal
        .as_ref()
        .map(|part| format!(r#","personal_sha256":"{}""#, hex::encode(Sha256::digest(part))))
        .unwrap_or_default();
    let id = uuid::Builder::from_unix_timestamp_millis(1_772_000_000_000 + index, &[7; 10]).into_uuid();
    let entry = format!(
        r#"{{"v":1,"id":"{id}","time":"{time}","type":"grant.requested","data":{{"note":"{note}"}},"actor":{{"person":"alice"}},"subject":{{"kind":"aws-role","id":"prod-admin"}}{commitment}}}"#
    );
    Leaf { entry: entry.into_bytes(), personal }
}

/// What a stranger learns.
#[derive(Debug)]
pub struct Report {
    pub findings: Vec<Finding>,
    pub outcome: Outcome,
    /// The entries that were handed on: index, bytes, and whether the personal part is there.
    pub entries: Vec<(u64, Vec<u8>, Option<bool>)>,
}

impl Report {
    /// The first index that is wrong; none where it is the checkpoint.
    pub fn first(&self) -> Option<Option<u64>> {
        self.outcome.first.as_ref().map(|finding| finding.index)
    }
}

/// Walks through the tree of `checkpoint`, asking for `ahead` objects before the first is answered, and
/// keeping as many bundles before the first is taken back.
pub fn walk(checkpoint: &Checkpoint, archive: &Archive, ahead: usize) -> Report {
    let mut walk = Walk::new(checkpoint.clone());
    let (mut asked, mut examined) = (VecDeque::new(), VecDeque::new());
    let (mut findings, mut entries) = (Vec::new(), Vec::new());
    loop {
        while asked.len() < ahead
            && let Some(object) = walk.wanted()
        {
            asked.push_back(object);
        }
        let answered = asked.pop_front();
        if let Some(object) = answered {
            examined.extend(walk.feed(object, archive.get(&object).cloned()).unwrap().map(verify::Bundle::examine));
        }
        if examined.len() >= ahead || answered.is_none() {
            let Some(bundle) = examined.pop_front() else { break };
            let verified = walk.accept(bundle).unwrap();
            findings.extend_from_slice(verified.findings());
            entries.extend(verified.entries().map(|entry| {
                let personal = match entry.personal {
                    Personal::None => None,
                    Personal::Erased => Some(false),
                    Personal::Kept(_) => Some(true),
                };
                (entry.index, entry.bytes.to_vec(), personal)
            }));
        }
    }
    let outcome = walk.finish().unwrap();
    findings.extend_from_slice(&outcome.findings);
    assert_eq!(outcome.found, findings.len() as u64);
    Report { findings, outcome, entries }
}
