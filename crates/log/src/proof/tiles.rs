//! Which tiles a proof needs, and the proof out of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use tlog_tiles::{
    EMPTY_HASH, Hash, HashReader, check_record, check_tree, prove_record, prove_tree, split_stored_hash_index,
    stored_hash_index, tree_hash,
};

use crate::bundle;
use crate::edge::{Leaf, read_tile, subtree_root};
use crate::object::{FULL, Object, Span};

/// Trees are smaller than this: beyond it the arithmetic of indexes would overflow.
pub(crate) const SIZE_MAX: u64 = 1 << 56;

const TILE_BITS: u8 = 8;

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProofError {
    /// No such tree, or it has no such entry.
    #[error("there is no {what} in a tree of {size} entries")]
    Outside {
        /// What was to be proved.
        what: String,
        /// The tree.
        size: u64,
    },
    /// An object is not there.
    #[error("`{0}` is missing")]
    Missing(Object),
    /// An object is not as long as its key says, or is cut.
    #[error("`{0}` can't be read: it is not what its key says")]
    Malformed(Object),
    /// What the objects hold doesn't make the tree's root.
    #[error("the tiles don't make the root of the tree: verify the log")]
    Root,
}

/// The proof that an entry is in a tree.
#[derive(Debug, Clone, Copy)]
pub struct Inclusion {
    index: u64,
    size: u64,
    within: u64,
}

impl Inclusion {
    /// Plans the proof that the tree of `size` has the entry `index`, out of an archive whose tree has
    /// `within` entries: at least `size`.
    ///
    /// # Errors
    /// There is no such entry in it.
    pub fn plan(index: u64, size: u64, within: u64) -> Result<Self, ProofError> {
        if index >= size || size > within || within >= SIZE_MAX {
            return Err(ProofError::Outside { what: format!("entry {index}"), size });
        }
        Ok(Self { index, size, within })
    }

    /// The tiles that the proof is made from.
    #[must_use]
    pub fn objects(&self) -> Vec<Object> {
        let planned = Planned::new(self.within);
        // What is planned can't fail: every hash is there.
        let _ = planned.read_hashes(&[stored_hash_index(0, self.index)]);
        let _ = prove_record(self.size, self.index, &planned);
        planned.objects()
    }

    /// The bundle that the entry is in, and the one of its personal part.
    #[must_use]
    pub fn bundles(&self) -> [Object; 2] {
        let span = covering(self.index / u64::from(FULL), self.within);
        [Object::Entries(span), Object::Personal(span)]
    }

    /// The entry, and its personal part if that is there, out of [`Inclusion::bundles`].
    ///
    /// # Errors
    /// A bundle is not what its key says.
    pub fn leaf(&self, entries: &[u8], personal: Option<&[u8]>) -> Result<Leaf, ProofError> {
        let at = usize::try_from(self.index % u64::from(FULL)).unwrap_or(0);
        let span = covering(self.index / u64::from(FULL), self.within);
        let text = |object, bytes| {
            let texts = bundle::read(bytes, span.width.into()).ok();
            texts.and_then(|texts| Some(texts.get(at)?.to_vec())).ok_or(ProofError::Malformed(object))
        };
        let personal = personal.map(|bytes| text(Object::Personal(span), bytes)).transpose()?;
        Ok(Leaf {
            entry: text(Object::Entries(span), entries)?,
            personal: personal.filter(|personal| !personal.is_empty()),
        })
    }

    /// The proof out of [`Inclusion::objects`], for the tree's `root`: the hashes from the leaf up.
    ///
    /// # Errors
    /// A tile is missing, or they don't make this root.
    pub fn prove(&self, root: Hash, read: impl FnMut(Object) -> Option<Vec<u8>>) -> Result<Vec<Hash>, ProofError> {
        let tiles = Tiles::read(self.within, self.objects(), read)?;
        let broken = |_| ProofError::Root;
        let leaf = tiles.read_hashes(&[stored_hash_index(0, self.index)]).map_err(broken)?;
        let path = prove_record(self.size, self.index, &tiles).map_err(broken)?;
        let leaf = leaf.first().ok_or(ProofError::Root)?;
        check_record(&path, self.size, root, self.index, *leaf).map_err(broken)?;
        Ok(path)
    }
}

/// The proof that a tree is the beginning of another.
#[derive(Debug, Clone, Copy)]
pub struct Consistency {
    old: u64,
    new: u64,
    within: u64,
}

/// A tree that is the beginning of another.
#[derive(Debug, Clone, PartialEq)]
pub struct Prefix {
    /// Its root: to be compared with what was known of it.
    pub root: Hash,
    /// The proof.
    pub proof: Vec<Hash>,
}

impl Consistency {
    /// Plans the proof that the tree of `new` entries begins with that of `old`, out of an archive
    /// whose tree has `within` entries: at least `new`.
    ///
    /// # Errors
    /// `old` is larger than `new`, or that than `within`.
    pub fn plan(old: u64, new: u64, within: u64) -> Result<Self, ProofError> {
        if old > new || new > within || within >= SIZE_MAX {
            return Err(ProofError::Outside { what: format!("tree of {old} entries"), size: new });
        }
        Ok(Self { old, new, within })
    }

    /// The tiles that the proof is made from; none for the empty tree, with which every one begins.
    #[must_use]
    pub fn objects(&self) -> Vec<Object> {
        let planned = Planned::new(self.within);
        if self.old > 0 {
            let _ = tree_hash(self.old, &planned);
            let _ = prove_tree(self.new, self.old, &planned);
        }
        planned.objects()
    }

    /// The proof out of [`Consistency::objects`], for the larger tree's `root`.
    ///
    /// # Errors
    /// A tile is missing, or they don't make this root.
    pub fn prove(&self, root: Hash, read: impl FnMut(Object) -> Option<Vec<u8>>) -> Result<Prefix, ProofError> {
        if self.old == 0 {
            return Ok(Prefix { root: EMPTY_HASH, proof: Vec::new() });
        }
        let tiles = Tiles::read(self.within, self.objects(), read)?;
        let broken = |_| ProofError::Root;
        let old = tree_hash(self.old, &tiles).map_err(broken)?;
        let proof = prove_tree(self.new, self.old, &tiles).map_err(broken)?;
        check_tree(&proof, self.new, root, self.old, old).map_err(broken)?;
        Ok(Prefix { root: old, proof })
    }
}

/// The run `n` of so many things, as it is there for all of them.
fn covering(n: u64, count: u64) -> Span {
    Span::partial(count).filter(|partial| partial.n == n).unwrap_or(Span::full(n))
}

/// Where a hash of the tree is found: in which tile, at which of its hashes it begins and how many it covers.
fn place(index: u64, within: u64) -> (Object, usize, usize) {
    let (height, n) = split_stored_hash_index(index);
    let (level, low) = (height / TILE_BITS, height % TILE_BITS);
    let first = n << low;
    let at = usize::try_from(first % u64::from(FULL)).unwrap_or(0);
    let span = covering(first / u64::from(FULL), within >> (TILE_BITS * level));
    (Object::Hashes { level, span }, at, 1 << low)
}

/// Notes which tiles would be read.
struct Planned {
    within: u64,
    asked: RefCell<BTreeSet<Object>>,
}

impl Planned {
    fn new(within: u64) -> Self {
        Self { within, asked: RefCell::default() }
    }

    fn objects(self) -> Vec<Object> {
        self.asked.into_inner().into_iter().collect()
    }
}

impl HashReader for Planned {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        self.asked.borrow_mut().extend(indexes.iter().map(|index| place(*index, self.within).0));
        Ok(vec![EMPTY_HASH; indexes.len()])
    }
}

/// The tiles that were read.
struct Tiles {
    within: u64,
    tiles: BTreeMap<Object, Vec<Hash>>,
}

impl Tiles {
    fn read(
        within: u64,
        objects: Vec<Object>,
        mut read: impl FnMut(Object) -> Option<Vec<u8>>,
    ) -> Result<Self, ProofError> {
        let mut tiles = BTreeMap::new();
        for object in objects {
            let bytes = read(object).ok_or(ProofError::Missing(object))?;
            let Object::Hashes { span, .. } = object else { continue };
            let hashes = read_tile(&bytes, span.width.into()).ok_or(ProofError::Malformed(object))?;
            tiles.insert(object, hashes);
        }
        Ok(Self { within, tiles })
    }

    fn hash(&self, index: u64) -> Option<Hash> {
        let (object, at, width) = place(index, self.within);
        self.tiles.get(&object)?.get(at..at + width).map(subtree_root)
    }
}

impl HashReader for Tiles {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        indexes.iter().map(|index| self.hash(*index).ok_or(tlog_tiles::Error::IndexesNotInTree)).collect()
    }
}
