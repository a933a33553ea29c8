//! A log in memory, published in one go, and read by strangers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use halligan_core::actor::Actor;
use halligan_core::entry::Sealed;
use halligan_core::grant::{Command, Grant};
use halligan_engine::audit::{Fresh, Report, Terms, verify};
use halligan_engine::fakes::fixtures::{self, Asking, at};
use halligan_engine::ports::{ArchiveError, LogReader, Stored, Tampering};
use halligan_log::key::Kind;
use halligan_log::verify::Trust;
use halligan_log::{Checkpoint, Edge, Leaf, Object, SignedCheckpoint, SigningKey};
use jiff::{SignedDuration, Timestamp};

use crate::story::{Story, api};

pub const ORIGIN: &str = "log.example.com";

/// A log and what somebody did to it.
#[derive(Default)]
pub struct Log {
    pub objects: BTreeMap<Object, Vec<u8>>,
    pub touched: BTreeMap<Object, Tampering>,
    /// Reading this one fails.
    pub broken: Option<Object>,
    /// How many reads are under way, and how many were at most.
    pub now: AtomicUsize,
    pub most: AtomicUsize,
}

impl Log {
    /// Publishes entries as the broker does.
    pub fn of(entries: &[Sealed]) -> Self {
        Self::of_leaves(entries.iter().map(leaf))
    }

    pub fn of_leaves(leaves: impl IntoIterator<Item = Leaf>) -> Self {
        let growth = Edge::default().grow(leaves.into_iter().map(Arc::new)).unwrap();
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: growth.edge.size(), root: growth.edge.root() };
        let mut objects: BTreeMap<Object, Vec<u8>> = growth.objects.into_iter().collect();
        objects.insert(Object::Checkpoint, sign(checkpoint, signed_at()).to_bytes());
        Self { objects, ..Self::default() }
    }

    /// The bundle that holds the entry.
    pub fn bundle(&self, index: u64) -> Object {
        let find = |object: &&Object| matches!(object, Object::Entries(span) if span.n == index / 256);
        *self.objects.keys().find(find).unwrap()
    }

    /// Changes a text of a bundle where it stands, and keeps its length.
    pub fn change(&mut self, index: u64, from: &str, to: &str) {
        assert_eq!(from.len(), to.len());
        let object = self.bundle(index);
        let bytes = self.objects.get_mut(&object).unwrap();
        let mut at = 0;
        for _ in 0..index % 256 {
            at += 2 + usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        }
        let length = usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let text = std::str::from_utf8(&bytes[at + 2..at + 2 + length]).expect("an entry");
        let found = at + 2 + text.find(from).expect("the text to be changed");
        bytes[found..found + to.len()].copy_from_slice(to.as_bytes());
    }

    pub async fn verify(&self) -> Report {
        verify(self, &terms(), |_| {}).await.unwrap()
    }
}

#[async_trait]
impl LogReader for Log {
    fn name(&self) -> &str {
        "memory"
    }

    async fn read(&self, object: Object) -> Result<Option<Stored>, ArchiveError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        // Some answers take longer than others.
        for _ in 0..object.to_string().len() % 7 {
            tokio::task::yield_now().await;
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        if self.broken == Some(object) {
            return Err(ArchiveError::Unavailable("told to fail".to_owned()));
        }
        let tampering = self.touched.get(&object).copied();
        Ok(self.objects.get(&object).map(|bytes| Stored { bytes: bytes.clone(), tampering }))
    }
}

pub fn leaf(sealed: &Sealed) -> Leaf {
    Leaf { entry: sealed.entry.to_json(), personal: sealed.personal.as_ref().map(|part| part.to_json()) }
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, [seed; 32]).unwrap()
}

/// When the log was signed.
pub fn signed_at() -> Timestamp {
    at(100_000)
}

pub fn sign(checkpoint: Checkpoint, at: Timestamp) -> SignedCheckpoint {
    let (key, seconds) = (key(1), u64::try_from(at.as_second()).unwrap());
    let mut signed = SignedCheckpoint::unsigned(checkpoint.clone());
    signed.sign(&key.verifier(Kind::Log), key.sign(checkpoint.body().as_bytes()));
    signed.cosign(&key.verifier(Kind::Cosigner), seconds, &key.sign(checkpoint.timed_body(seconds).as_bytes()));
    signed
}

pub fn trust() -> Trust {
    Trust { keys: vec![key(1).verifier(Kind::Log)], witnesses: Vec::new(), quorum: 0 }
}

pub fn terms() -> Terms {
    let fresh = Fresh { now: signed_at(), within: SignedDuration::from_mins(10) };
    Terms { trust: trust(), deployment: Some(fixtures::catalogue().deployment), fresh: Some(fresh) }
}

/// So many lives, one after the other, of seven entries each: asked for, acknowledged,
/// activated, a mint and its outcome, revoked, contained.
pub fn nights(lives: u64) -> (Story, Vec<Grant>) {
    let mut story = Story::default();
    let mut grants = Vec::new();
    for night in 0..lives {
        let start = i64::try_from(night).unwrap() * 60;
        let then = |seconds: i64| at(start + seconds);
        let grant = story.tell(&api("alice"), Asking::new(night * 60_000).at(then(0)).open(), then(0));
        let grant = story.tell(&api("bob"), fixtures::acknowledge(&grant, "bob", then(5)), then(5));
        let number = 5_000_000 + night;
        let grant = story.mint(&grant, number, then(6));
        story.issued(&grant, number, then(7));
        let grant = story.tell(&api("carol"), fixtures::revoke(&grant, "carol", then(8)), then(8));
        let contained = Command::Contain(fixtures::evidence(then(9)));
        grants.push(story.act(&grant, &Actor::SYSTEM, contained, then(9)));
    }
    (story, grants)
}
