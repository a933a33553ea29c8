//! A bundle by itself: what needs no other. Nearly all of the work is here, and it
//! can be done on any thread.

use std::ops::Range;

use jiff::Timestamp;
use tlog_tiles::Hash;
use uuid::Uuid;

use crate::object::Span;

use super::finding::Finding;

/// The version of the envelope that is known here.
pub const VERSION: u64 = 1;

/// The longest entry, in bytes.
pub const ENTRY_BYTES_MAX: usize = 4_096;

/// A bundle whose objects are all there.
#[derive(Debug)]
pub struct Bundle {
    pub(super) span: Span,
    pub(super) entries: Option<Vec<u8>>,
    pub(super) personal: Option<Vec<u8>>,
    /// What its tile says, as far as there is one.
    pub(super) tile: Option<Vec<u8>>,
}

impl Bundle {
    /// Hashes and reads every entry, and compares them with their tile and their personal parts.
    #[must_use]
    pub fn examine(self) -> Examined {
        Examined {
            span: self.span,
            entries: self.entries.unwrap_or_default(),
            personal: self.personal.unwrap_or_default(),
            facts: Vec::new(),
            hashes: Vec::new(),
            findings: Vec::new(),
        }
    }
}

/// A bundle that was looked at by itself.
#[derive(Debug)]
pub struct Examined {
    pub(super) span: Span,
    entries: Vec<u8>,
    personal: Vec<u8>,
    pub(super) facts: Vec<Fact>,
    pub(super) hashes: Vec<Hash>,
    pub(super) findings: Vec<Finding>,
}

/// What an entry says that verification is about.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) index: u64,
    text: Range<usize>,
    kind: Range<usize>,
    pub(super) id: Uuid,
    pub(super) time: Timestamp,
    personal: PersonalFact,
}

#[derive(Debug, Clone)]
enum PersonalFact {
    None,
    Erased,
    Kept(Range<usize>),
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
    /// The entries that are as their tile has them and can be read, in order. Those that have a
    /// finding of [`super::Flaw::Entry`] or can't be read are left out.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.facts.iter().map(|fact| Entry {
            index: fact.index,
            bytes: self.entries.get(fact.text.clone()).unwrap_or_default(),
            kind: self
                .entries
                .get(fact.kind.clone())
                .and_then(|kind| std::str::from_utf8(kind).ok())
                .unwrap_or_default(),
            id: fact.id,
            time: fact.time,
            personal: match &fact.personal {
                PersonalFact::None => Personal::None,
                PersonalFact::Erased => Personal::Erased,
                PersonalFact::Kept(range) => Personal::Kept(self.personal.get(range.clone()).unwrap_or_default()),
            },
        })
    }
}
