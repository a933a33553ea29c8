//! The right edge of the tree: all that growing needs, however large the tree.

use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tlog_tiles::{EMPTY_HASH, Hash, node_hash, record_hash};

use crate::bundle::{self, BundleError};
use crate::object::{FULL, Object, Span};

const HASH_BYTES: usize = 32;

/// An entry, and the personal part that it commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The entry's bytes: what the tree hashes.
    pub entry: Vec<u8>,
    /// Beside it; none if there is none, or it was erased.
    pub personal: Option<Vec<u8>>,
}

/// The right edge of a tree.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Edge {
    size: u64,
    /// By level, the hashes of the rightmost tile. Fewer than 256: a full tile is one hash of the level above.
    levels: Vec<Vec<Hash>>,
    /// The leaves of the rightmost bundle, fewer than 256.
    leaves: Vec<Arc<Leaf>>,
}

/// What growing makes.
#[derive(Debug, Clone)]
pub struct Growth {
    /// The edge afterwards.
    pub edge: Edge,
    /// What an archive needs before the new checkpoint is written to it, in any order.
    pub objects: Vec<(Object, Vec<u8>)>,
}

/// Why an edge can't be made out of what an archive holds.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EdgeError {
    /// An object is not there.
    #[error("`{0}` is missing")]
    Missing(Object),
    /// An object is there, and isn't what its key says.
    #[error("`{object}` can't be read: {because}")]
    Malformed {
        /// Which.
        object: Object,
        /// What is wrong with it.
        because: String,
    },
    /// An entry is not the one that the tree has.
    #[error("entry {index} is not the one in the tree")]
    Entry {
        /// Its index.
        index: u64,
    },
    /// The tiles don't make the root.
    #[error("the tiles of size {size} make the root {found}: expected {expected}")]
    Root {
        /// Of the tree.
        size: u64,
        /// What the tiles make.
        found: Hash,
        /// What was to be made.
        expected: Hash,
    },
}

impl Edge {
    /// How many entries the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    #[must_use]
    pub fn root(&self) -> Hash {
        root_of(self.levels.iter().map(Vec::as_slice))
    }

    /// The edge after `leaves` have come, and every object that changes.
    ///
    /// # Errors
    /// An entry or a personal part is longer than a bundle can hold.
    pub fn grow(&self, leaves: impl IntoIterator<Item = Arc<Leaf>>) -> Result<Growth, BundleError> {
        let mut edge = self.clone();
        let mut objects = Vec::new();
        for leaf in leaves {
            edge.push_hash(0, record_hash(&leaf.entry), &mut objects);
            edge.leaves.push(leaf);
            edge.size += 1;
            if edge.leaves.len() == usize::from(FULL) {
                bundles(&edge.leaves, Span::full(edge.size / u64::from(FULL) - 1), &mut objects)?;
                edge.leaves.clear();
            }
        }
        edge.partials(self.size, &mut objects)?;
        Ok(Growth { edge, objects })
    }

    fn push_hash(&mut self, level: u8, hash: Hash, objects: &mut Vec<(Object, Vec<u8>)>) {
        let at = usize::from(level);
        if self.levels.len() <= at {
            self.levels.resize_with(at + 1, Vec::new);
        }
        let Some(hashes) = self.levels.get_mut(at) else { return };
        hashes.push(hash);
        if hashes.len() < usize::from(FULL) {
            return;
        }
        let full = std::mem::take(hashes);
        // The size is still that of before the leaf: as many full tiles as stand to the left.
        let n = self.size >> (8 * (u32::from(level) + 1));
        objects.push((Object::Hashes { level, span: Span::full(n) }, tile(&full)));
        self.push_hash(level + 1, subtree_root(&full), objects);
    }

    /// The partial tiles and bundles that differ from those of the tree of `before`.
    fn partials(&self, before: u64, objects: &mut Vec<(Object, Vec<u8>)>) -> Result<(), BundleError> {
        for (level, hashes) in (0_u8..).zip(&self.levels) {
            let count = |size: u64| size >> (8 * u32::from(level));
            if let Some(span) = Span::partial(count(self.size))
                && count(before) != count(self.size)
            {
                objects.push((Object::Hashes { level, span }, tile(hashes)));
            }
        }
        match Span::partial(self.size) {
            Some(span) if before != self.size => bundles(&self.leaves, span, objects),
            _ => Ok(()),
        }
    }

    /// The objects that the edge of a tree of `size` is made from, in an archive of
    /// a tree of at least that size, `within`: what is there for the smaller tree
    /// stands at the beginning of what is there for the larger one.
    #[must_use]
    pub fn parts(size: u64, within: u64) -> Vec<Object> {
        let covering = |count: u64, of: u64| {
            let needed = Span::partial(count)?;
            Some(Span::partial(of).filter(|span| span.n == needed.n).unwrap_or(Span::full(needed.n)))
        };
        let mut parts = Vec::new();
        for level in (0_u8..8).take_while(|level| size >> (8 * u32::from(*level)) > 0) {
            let count = |size: u64| size >> (8 * u32::from(level));
            parts.extend(covering(count(size), count(within)).map(|span| Object::Hashes { level, span }));
        }
        if let Some(span) = covering(size, within) {
            parts.extend([Object::Entries(span), Object::Personal(span)]);
        }
        parts
    }

    /// The edge of the tree of `size` and `root`, out of the [`Edge::parts`] that `read` gives.
    ///
    /// # Errors
    /// A part is missing or malformed, or they make another tree. Personal parts may be missing.
    pub fn restore(
        size: u64,
        root: Hash,
        within: u64,
        mut read: impl FnMut(Object) -> Option<Vec<u8>>,
    ) -> Result<Self, EdgeError> {
        let mut edge = Self { size, levels: Vec::new(), leaves: Vec::new() };
        let mut personal = Vec::new();
        let mut entries = Vec::new();
        let kept = usize::try_from(size % u64::from(FULL)).unwrap_or(0);
        for object in Self::parts(size, within) {
            match (object, read(object)) {
                (Object::Hashes { level, span }, Some(bytes)) => {
                    let width = usize::try_from((size >> (8 * u32::from(level))) % u64::from(FULL)).unwrap_or(0);
                    let mut hashes = read_tile(&bytes, usize::from(span.width))
                        .ok_or_else(|| malformed(object, "it is not as long as its hashes"))?;
                    hashes.truncate(width);
                    edge.levels.resize_with(usize::from(level), Vec::new);
                    edge.levels.push(hashes);
                }
                (Object::Entries(span), Some(bytes)) => {
                    let texts = bundle::read(&bytes, span.width.into()).map_err(|error| malformed(object, error))?;
                    entries = texts.into_iter().take(kept).map(<[u8]>::to_vec).collect();
                }
                (Object::Personal(span), Some(bytes)) => {
                    // One that is no bundle is nobody's word: as if erased.
                    let texts = bundle::read(&bytes, span.width.into()).unwrap_or_default();
                    personal = texts.into_iter().map(|text| (!text.is_empty()).then(|| text.to_vec())).collect();
                }
                (Object::Personal(_), None) => {}
                (object, _) => return Err(EdgeError::Missing(object)),
            }
        }
        let found = edge.root();
        if found != root {
            return Err(EdgeError::Root { size, found, expected: root });
        }
        let hashes = edge.levels.first().map_or(&[][..], Vec::as_slice);
        let first = size - kept as u64;
        for ((index, entry), hash) in (first..).zip(&entries).zip(hashes) {
            if record_hash(entry) != *hash {
                return Err(EdgeError::Entry { index });
            }
        }
        let mut personal = personal.into_iter();
        let leaf = |entry: Vec<u8>| {
            // Only what the entry commits to is carried on.
            let personal = personal.next().flatten().filter(|text| commits(&entry, text));
            Arc::new(Leaf { entry, personal })
        };
        edge.leaves = entries.into_iter().map(leaf).collect();
        Ok(edge)
    }
}

/// What of an entry says which personal part is its own.
#[derive(Deserialize)]
struct Commitment<'a> {
    #[serde(borrow, default)]
    personal_sha256: Option<&'a str>,
}

fn commits(entry: &[u8], personal: &[u8]) -> bool {
    let committed = serde_json::from_slice::<Commitment<'_>>(entry).ok().and_then(|entry| entry.personal_sha256);
    committed.is_some_and(|sha256| sha256 == hex::encode(Sha256::digest(personal)))
}

fn malformed(object: Object, because: impl ToString) -> EdgeError {
    EdgeError::Malformed { object, because: because.to_string() }
}

fn bundles(leaves: &[Arc<Leaf>], span: Span, objects: &mut Vec<(Object, Vec<u8>)>) -> Result<(), BundleError> {
    objects.push((Object::Entries(span), bundle::write(leaves.iter().map(|leaf| leaf.entry.as_slice()))?));
    if leaves.iter().any(|leaf| leaf.personal.is_some()) {
        let texts = leaves.iter().map(|leaf| leaf.personal.as_deref().unwrap_or_default());
        objects.push((Object::Personal(span), bundle::write(texts)?));
    }
    Ok(())
}

fn tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile that holds exactly so many.
#[must_use]
pub fn read_tile(bytes: &[u8], count: usize) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    (rest.is_empty() && hashes.len() == count).then(|| hashes.iter().copied().map(Hash).collect())
}

/// The root of the tree whose right edge has these hashes at its levels, from the lowest up.
pub(crate) fn root_of<'a>(levels: impl IntoIterator<Item = &'a [Hash]>) -> Hash {
    let mut root = None;
    // From the right: every subtree to the left is larger.
    for mut rest in levels {
        while !rest.is_empty() {
            let width = 1 << rest.len().trailing_zeros();
            let (before, subtree) = rest.split_at(rest.len() - width);
            let left = subtree_root(subtree);
            root = Some(root.map_or(left, |right| node_hash(left, right)));
            rest = before;
        }
    }
    root.unwrap_or(EMPTY_HASH)
}

/// The root over a power of two of hashes.
#[must_use]
pub fn subtree_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => EMPTY_HASH,
        [one] => *one,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            node_hash(subtree_root(left), subtree_root(right))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use tlog_tiles::{HashReader, stored_hashes, tree_hash};

    use super::*;

    /// Every hash of the tree, as the reference stores them.
    struct Reference(Vec<Hash>);

    impl HashReader for Reference {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|index| *self.0.get(usize::try_from(*index).unwrap()).unwrap()).collect())
        }
    }

    fn leaf(index: u64) -> Arc<Leaf> {
        let personal = index.is_multiple_of(3).then(|| format!("personal {index}").into_bytes());
        let sha256 = personal.as_ref().map(|text| hex::encode(Sha256::digest(text)));
        let entry = serde_json::json!({ "index": index, "personal_sha256": sha256 });
        Arc::new(Leaf { entry: entry.to_string().into_bytes(), personal })
    }

    fn reference(size: u64) -> Hash {
        let mut all = Reference(Vec::new());
        for index in 0..size {
            let more = stored_hashes(index, &leaf(index).entry, &all).unwrap();
            all.0.extend(more);
        }
        tree_hash(size, &all).unwrap()
    }

    fn grown(steps: &[u64]) -> (Edge, BTreeMap<Object, Vec<u8>>) {
        let (mut edge, mut archive) = (Edge::default(), BTreeMap::new());
        for step in steps {
            let growth = edge.grow((edge.size()..edge.size() + step).map(leaf)).unwrap();
            for (object, bytes) in growth.objects {
                assert!(archive.insert(object, bytes).is_none(), "{object} is written twice");
            }
            edge = growth.edge;
        }
        (edge, archive)
    }

    #[test]
    fn the_root_is_the_references() {
        for size in [0, 1, 2, 3, 255, 256, 257, 511, 512, 700, 65_535, 65_536, 65_537, 66_000] {
            assert_eq!(grown(&[size]).0.root(), reference(size), "size {size}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn however_it_grew_it_is_restored_at_every_size_it_had(steps in prop::collection::vec(1_u64..400, 1..8)) {
            let (edge, archive) = grown(&steps);
            let all = edge.size();
            prop_assert_eq!(edge.root(), grown(&[all]).0.root());
            let mut size = 0;
            for step in steps {
                size += step;
                let root = grown(&[size]).0.root();
                for within in [size, all] {
                    let restored = Edge::restore(size, root, within, |object| archive.get(&object).cloned()).unwrap();
                    prop_assert_eq!(&restored, &grown(&[size]).0);
                }
            }
        }
    }

    #[test]
    fn what_is_not_the_tree_is_not_restored() {
        let (edge, archive) = grown(&[300, 7]);
        let (size, root) = (edge.size(), edge.root());
        for object in Edge::parts(size, size) {
            let without =
                Edge::restore(size, root, size, |asked| archive.get(&asked).filter(|_| asked != object).cloned());
            let flipped = |asked: Object| {
                let mut bytes = archive.get(&asked).cloned()?;
                if asked == object {
                    *bytes.last_mut()? ^= 1;
                }
                Some(bytes)
            };
            if object.is_personal() {
                assert!(without.is_ok(), "what was erased is not needed");
                let changed = Edge::restore(size, root, size, flipped).unwrap();
                assert_ne!(changed, edge, "what nobody committed to is carried on");
            } else {
                assert_eq!(without.unwrap_err(), EdgeError::Missing(object));
                assert!(Edge::restore(size, root, size, flipped).is_err(), "{object} was flipped unseen");
            }
        }
    }
}
