//! A tile as an archive has it, whatever that is worth.

use tlog_tiles::Hash;

use crate::edge::subtree_root;
use crate::object::Object;

use super::finding::{Finding, Flaw};
use super::plan::first_index;

/// What the tile above says of the root of this one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Above {
    /// It belongs to a right edge that makes the tree's root: it is right.
    Edge,
    /// It must have this root.
    Root(Hash),
    /// That one is not to be believed either.
    Unknown,
}

/// A tile's hashes, as far as they are there.
#[derive(Debug, Clone)]
pub(super) struct Tile {
    object: Object,
    level: u8,
    n: u64,
    width: usize,
    stored: Vec<Hash>,
    /// What is wrong with its length.
    flaw: Option<Flaw>,
}

impl Tile {
    /// Reads the first `width` hashes of an object that may have more, being of a larger tree.
    pub(super) fn read(object: Object, width: u16, bytes: Option<&[u8]>) -> Self {
        let (level, span) = match object {
            Object::Hashes { level, span } => (level, span),
            Object::Entries(span) | Object::Personal(span) => (0, span),
            Object::Checkpoint | Object::Successor { .. } => (0, crate::object::Span { n: 0, width }),
        };
        let (chunks, rest) = bytes.unwrap_or_default().as_chunks();
        let stored: Vec<Hash> = chunks.iter().take(width.into()).copied().map(Hash).collect();
        let flaw = if bytes.is_none() {
            Some(Flaw::Missing)
        } else if stored.len() < usize::from(width) {
            Some(Flaw::Cut)
        } else if span.width == width && (chunks.len() > stored.len() || !rest.is_empty()) {
            Some(Flaw::Surplus)
        } else {
            None
        };
        Self { object, level, n: span.n, width: width.into(), stored, flaw }
    }

    /// Its hashes, if it is exactly as long as it should be.
    pub(super) fn whole(&self) -> Option<&[Hash]> {
        self.flaw.is_none().then_some(self.stored.as_slice())
    }

    /// Which of the level's tiles it is.
    pub(super) const fn n(&self) -> u64 {
        self.n
    }

    /// How many hashes it should have.
    pub(super) const fn width(&self) -> usize {
        self.width
    }

    /// Whether it makes this root.
    pub(super) fn makes(&self, root: Hash) -> bool {
        self.whole().is_some_and(|hashes| subtree_root(hashes) == root)
    }

    /// The first entry under it.
    pub(super) fn first(&self) -> u64 {
        first_index(self.level, self.n, 0)
    }

    /// The last entry under it.
    pub(super) fn last(&self) -> u64 {
        first_index(self.level, self.n, self.width as u64).saturating_sub(1)
    }

    /// Where it differs from what was found beneath.
    pub(super) fn departs(&self, found: impl IntoIterator<Item = Option<Hash>>) -> Option<Finding> {
        let mut found = found.into_iter();
        let mut first = None;
        let mut more = 0;
        for at in 0..self.width as u64 {
            let beneath = found.next().flatten();
            let flaw = match (usize::try_from(at).ok().and_then(|at| self.stored.get(at)), beneath) {
                (None, _) => self.flaw.clone().unwrap_or(Flaw::Cut),
                (Some(stored), Some(beneath)) if *stored != beneath => Flaw::Tile,
                (Some(_), _) => continue,
            };
            match first {
                None => first = Some((at, flaw)),
                Some(_) => more += u64::from(flaw == Flaw::Tile),
            }
        }
        let surplus = || Some((self.width as u64, self.flaw.clone()?));
        let (at, flaw) = first.or_else(surplus)?;
        Some(Finding { index: Some(first_index(self.level, self.n, at)), object: self.object, flaw, more })
    }

    /// Nothing tells which of the entries under it are wrong.
    pub(super) fn range(&self) -> Finding {
        let flaw = Flaw::Range { last: self.last() };
        Finding { index: Some(self.first()), object: self.object, flaw, more: 0 }
    }
}
