//! A bundle by itself: what needs no other. Nearly all of the work is here, and it
//! can be done on any thread.

use std::ops::Range;

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tlog_tiles::{Hash, record_hash};
use uuid::Uuid;

use crate::edge::subtree_root;
use crate::object::{FULL, Object, Span};

use super::finding::{Finding, Flaw};
use super::tile::{Above, Tile};

/// The version of the envelope that is known here.
pub const VERSION: u64 = 1;

/// The longest entry, in bytes.
pub const ENTRY_BYTES_MAX: usize = 4_096;

/// A bundle whose objects were all read.
#[derive(Debug)]
pub struct Bundle {
    pub(super) span: Span,
    pub(super) entries: Texts,
    pub(super) personal: Texts,
    pub(super) tile: Tile,
    pub(super) above: Above,
}

/// Length-prefixed texts as an archive has them.
#[derive(Debug)]
pub(super) struct Texts {
    object: Object,
    first: u64,
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
    /// What is wrong at their end.
    flaw: Option<Flaw>,
}

impl Texts {
    /// The first texts, as many as `span` says, of an object that may have more, being of a larger tree.
    pub(super) fn read(object: Object, span: Span, bytes: Option<Vec<u8>>) -> Self {
        let width = usize::from(span.width);
        let exact = matches!(object, Object::Entries(own) | Object::Personal(own) if own == span);
        let mut flaw = bytes.is_none().then_some(Flaw::Missing);
        let bytes = bytes.unwrap_or_default();
        let (mut ranges, mut at) = (Vec::with_capacity(width), 0);
        while flaw.is_none() && ranges.len() < width {
            let length = bytes.get(at..).and_then(<[u8]>::first_chunk).map(|length| u16::from_be_bytes(*length));
            let range = length.map(|length| at + 2..at + 2 + usize::from(length));
            match range.filter(|range| range.end <= bytes.len()) {
                Some(range) => {
                    at = range.end;
                    ranges.push(range);
                }
                None => flaw = Some(Flaw::Cut),
            }
        }
        if flaw.is_none() && exact && at < bytes.len() {
            flaw = Some(Flaw::Surplus);
        }
        Self { object, first: super::plan::first_index(0, span.n, 0), bytes, ranges, flaw }
    }

    fn get(&self, at: usize) -> Option<&[u8]> {
        self.bytes.get(self.ranges.get(at)?.clone())
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.ranges.iter().map(|range| self.bytes.get(range.clone()).unwrap_or_default())
    }

    fn finding(&self, at: usize, flaw: Flaw) -> Finding {
        Finding { index: Some(self.first.saturating_add(at as u64)), object: self.object, flaw, more: 0 }
    }

    /// What is wrong with how it ends.
    fn end(&self) -> Option<Finding> {
        Some(self.finding(self.ranges.len(), self.flaw.clone()?))
    }
}

/// Which entries of a bundle are the tree's, and what else its hashes tell.
struct Judged {
    /// By entry.
    sound: Vec<bool>,
    /// The root over the bundle, for the tile above.
    root: Option<Hash>,
}

impl Bundle {
    /// Hashes and reads every entry, and compares them with their tile and their personal parts.
    #[must_use]
    pub fn examine(self) -> Examined {
        let leaves: Vec<Hash> = self.entries.iter().map(record_hash).collect();
        let mut findings = Vec::new();
        let Judged { sound, root } = self.judge(&leaves, &mut findings);
        let mut facts = Vec::with_capacity(leaves.len());
        let mut personal = PersonalParts::new(&self.personal);
        for (at, text) in self.entries.iter().enumerate() {
            if !sound.get(at).copied().unwrap_or(false) {
                continue;
            }
            if text.len() > ENTRY_BYTES_MAX {
                findings.push(self.entries.finding(at, Flaw::TooLong { bytes: text.len() }));
            }
            match read_envelope(text) {
                Ok(envelope) => {
                    let part = personal.check(at, envelope.commitment);
                    facts.push(Fact { at, kind: envelope.kind, id: envelope.id, time: envelope.time, personal: part });
                }
                Err(flaw) => findings.push(self.entries.finding(at, flaw)),
            }
        }
        findings.extend(personal.finding());
        let leaves = if self.span.width < FULL { leaves } else { Vec::new() };
        Examined { span: self.span, entries: self.entries, personal: self.personal, facts, root, leaves, findings }
    }

    /// Compares the entries with their tile, and says which of the two is wrong.
    fn judge(&self, leaves: &[Hash], findings: &mut Vec<Finding>) -> Judged {
        let (count, stored) = (leaves.len(), self.tile.whole());
        let complete = count == self.tile.width();
        let found = || leaves.iter().copied().map(Some);
        let agree = stored == Some(leaves);
        let root = || complete.then(|| subtree_root(leaves));
        match self.above {
            Above::Edge => Judged { sound: self.beside_tile(leaves, findings), root: None },
            Above::Root(expected) => {
                let sound = if agree && root() == Some(expected) {
                    findings.extend(self.entries.end());
                    vec![true; count]
                } else if !agree && self.tile.makes(expected) {
                    self.beside_tile(leaves, findings)
                } else if !agree && root() == Some(expected) {
                    findings.extend(self.tile.departs(found()));
                    findings.extend(self.entries.end());
                    vec![true; count]
                } else {
                    findings.push(self.tile.range());
                    findings.extend(self.tile.departs([]));
                    findings.extend(self.entries.end());
                    Vec::new()
                };
                Judged { sound, root: Some(expected) }
            }
            Above::Unknown if self.span.width < FULL => {
                // Which of the two is wrong, the walk's end tells, when the whole edge is known.
                findings.extend(self.entries.end());
                let as_stored =
                    |stored: &[Hash]| leaves.iter().zip(stored).map(|(leaf, stored)| leaf == stored).collect();
                Judged { sound: stored.map_or_else(|| vec![true; count], as_stored), root: None }
            }
            Above::Unknown if stored.is_some() => {
                let stored = stored.map(subtree_root);
                let sound = self.beside_tile(leaves, findings);
                Judged { sound, root: root().or(stored) }
            }
            Above::Unknown => {
                findings.extend(self.tile.departs(found()));
                findings.extend(self.entries.end());
                Judged { sound: vec![true; count], root: root() }
            }
        }
    }

    /// Believes the tile: which entries are as it says.
    fn beside_tile(&self, leaves: &[Hash], findings: &mut Vec<Finding>) -> Vec<bool> {
        let stored = self.tile.whole().unwrap_or_default();
        let sound: Vec<bool> = leaves.iter().zip(stored).map(|(leaf, stored)| leaf == stored).collect();
        match sound.iter().position(|sound| !sound) {
            Some(at) => {
                let more = sound.iter().filter(|sound| !**sound).count() as u64 - 1;
                findings.push(Finding { more, ..self.entries.finding(at, Flaw::Entry) });
            }
            None => findings.extend(self.entries.end()),
        }
        sound
    }
}

/// The personal parts of a bundle, one after the other.
struct PersonalParts<'a> {
    texts: &'a Texts,
    first: Option<Finding>,
}

impl<'a> PersonalParts<'a> {
    const fn new(texts: &'a Texts) -> Self {
        Self { texts, first: None }
    }

    /// What is there for an entry that commits to `commitment`.
    fn check(&mut self, at: usize, commitment: Option<[u8; 32]>) -> Part {
        let text = self.texts.get(at).unwrap_or_default();
        let flaw = match commitment {
            None if text.is_empty() => return Part::None,
            Some(_) if text.is_empty() => return Part::Erased,
            Some(hash) if Sha256::digest(text).as_slice() == hash => return Part::Kept,
            Some(_) => Flaw::Personal,
            None => Flaw::Uncommitted,
        };
        match &mut self.first {
            Some(first) => first.more += 1,
            None => self.first = Some(self.texts.finding(at, flaw)),
        }
        if commitment.is_some() { Part::Erased } else { Part::None }
    }

    fn finding(self) -> Option<Finding> {
        // What isn't there was erased.
        self.first.or_else(|| self.texts.end().filter(|finding| finding.flaw != Flaw::Missing))
    }
}

/// What verification reads of an entry.
struct Envelope {
    id: Uuid,
    time: Timestamp,
    kind: Range<usize>,
    commitment: Option<[u8; 32]>,
}

#[derive(Deserialize)]
struct Texted<'a> {
    v: u64,
    id: &'a str,
    time: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default)]
    personal_sha256: Option<&'a str>,
}

#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

fn read_envelope(text: &[u8]) -> Result<Envelope, Flaw> {
    let malformed = |what: &str| Flaw::Envelope(what.to_owned());
    let text = std::str::from_utf8(text).map_err(|_| malformed("it is not UTF-8"))?;
    let read: Texted<'_> = serde_json::from_str(text).map_err(|error| match serde_json::from_str(text) {
        Ok(Versioned { v }) if v != VERSION => Flaw::Version(v),
        _ => Flaw::Envelope(error.to_string()),
    })?;
    if read.v != VERSION {
        return Err(Flaw::Version(read.v));
    }
    let commitment = read.personal_sha256.map(|text| {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).map(|()| hash)
    });
    // Where in the entry the type stands: it was borrowed from there.
    let at = (read.kind.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    Ok(Envelope {
        id: Uuid::try_parse(read.id).map_err(|_| malformed("its id is no UUID"))?,
        time: read.time.parse().map_err(|_| malformed("its time is no instant of RFC 3339"))?,
        kind: at..at + read.kind.len(),
        commitment: commitment.transpose().map_err(|_| malformed("`personal_sha256` is no SHA-256 in hexadecimal"))?,
    })
}

/// The hash of the personal part that an entry commits to.
pub(crate) fn commitment(text: &[u8]) -> Result<Option<[u8; 32]>, Flaw> {
    read_envelope(text).map(|envelope| envelope.commitment)
}

/// A bundle that was looked at by itself.
#[derive(Debug)]
pub struct Examined {
    pub(super) span: Span,
    entries: Texts,
    personal: Texts,
    pub(super) facts: Vec<Fact>,
    pub(super) root: Option<Hash>,
    /// Of a bundle that isn't full.
    pub(super) leaves: Vec<Hash>,
    pub(super) findings: Vec<Finding>,
}

/// What an entry says that verification is about.
#[derive(Debug)]
pub(super) struct Fact {
    at: usize,
    kind: Range<usize>,
    pub(super) id: Uuid,
    pub(super) time: Timestamp,
    pub(super) personal: Part,
}

/// What is there of a personal part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    None,
    Erased,
    Kept,
}

/// The personal part of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personal<'a> {
    /// It never had one.
    None,
    /// It had one, and that is not there any more.
    Erased,
    /// The one that the entry commits to.
    Kept(&'a [u8]),
}

/// An entry that is the tree's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry<'a> {
    /// Its index in the log.
    pub index: u64,
    /// Its exact bytes.
    pub bytes: &'a [u8],
    /// Its type.
    pub kind: &'a str,
    /// Its id.
    pub id: Uuid,
    /// When it was recorded.
    pub time: Timestamp,
    /// Its personal part.
    pub personal: Personal<'a>,
}

impl Examined {
    /// The entries that are as their tile has them and can be read, in order. What is
    /// not has a finding, and is left out.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.facts.iter().map(|fact| {
            let bytes = self.entries.get(fact.at).unwrap_or_default();
            let kind = bytes.get(fact.kind.clone()).and_then(|kind| std::str::from_utf8(kind).ok());
            Entry {
                index: self.index(fact),
                bytes,
                kind: kind.unwrap_or_default(),
                id: fact.id,
                time: fact.time,
                personal: match fact.personal {
                    Part::None => Personal::None,
                    Part::Erased => Personal::Erased,
                    Part::Kept => Personal::Kept(self.personal.get(fact.at).unwrap_or_default()),
                },
            }
        })
    }

    pub(super) fn index(&self, fact: &Fact) -> u64 {
        self.entries.first.saturating_add(fact.at as u64)
    }

    pub(super) const fn object(&self) -> Object {
        self.entries.object
    }
}
