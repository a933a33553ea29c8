//! A proof that stands by itself: checked with the log's public key alone.

use tlog_tiles::Hash;

use crate::checkpoint::SignedCheckpoint;
use crate::verify::{Finding, Head, Trust};

/// A proof that a log has some entries.
#[derive(Debug, Clone)]
pub struct ProofFile {
    checkpoint: SignedCheckpoint,
}

/// Why a file proves nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FileError {
    /// Not a proof file.
    #[error("it is no proof: {0}")]
    Malformed(String),
    /// A version that isn't known here.
    #[error("it is a proof of version {0}: expected 1")]
    Version(u64),
    /// Its checkpoint doesn't count.
    #[error("{0}")]
    Checkpoint(Finding),
    /// An entry is not in the tree.
    #[error("entry {index} is not in the log: it, its index or its path was changed")]
    NotIncluded {
        /// Which.
        index: u64,
    },
    /// A personal part is not the one that its entry commits to.
    #[error("the personal part of entry {index} is not the one that the entry commits to")]
    Personal {
        /// Whose.
        index: u64,
    },
}

impl ProofFile {
    /// A proof of entries in the tree of this checkpoint, without any yet.
    #[must_use]
    pub const fn new(checkpoint: SignedCheckpoint) -> Self {
        Self { checkpoint }
    }

    /// Adds an entry with its personal part, if that is there, and its inclusion path.
    ///
    /// # Errors
    /// A text is not UTF-8, or the index is not after the one before.
    pub fn add(&mut self, index: u64, entry: &[u8], personal: Option<&[u8]>, path: &[Hash]) -> Result<(), FileError> {
        let _ = (index, entry, personal, path);
        Ok(())
    }

    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.checkpoint.to_bytes()
    }

    /// Checks a file: its checkpoint counts, and its tree has every entry.
    ///
    /// # Errors
    /// It proves nothing.
    pub fn check(bytes: &[u8], trust: &Trust) -> Result<Checked, FileError> {
        let _ = (bytes, trust);
        Err(FileError::Malformed("not yet".to_owned()))
    }
}

/// What a file proves.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The tree.
    pub head: Head,
    /// The entries, by index.
    pub entries: Vec<CheckedEntry>,
}

/// An entry that the log has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedEntry {
    /// Its index.
    pub index: u64,
    /// Its exact text.
    pub entry: String,
    /// Its personal part, if that is in the file.
    pub personal: Option<String>,
}
