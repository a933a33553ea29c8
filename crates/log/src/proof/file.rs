//! A proof that stands by itself: checked with the log's public key alone.
//!
//! JSON, so that it is read anywhere:
//!
//! ```json
//! {
//!   "format": "halligan-proof",
//!   "version": 1,
//!   "checkpoint": "the signed note, as the archive has it",
//!   "entries": [
//!     { "index": 5, "entry": "its exact text", "personal": "its exact text, or left out", "path": ["hash", "…"] }
//!   ]
//! }
//! ```
//!
//! Hashes are in base64, from the leaf up, as RFC 6962 orders an audit path. Entries
//! are in the order of the log.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tlog_tiles::{Hash, check_record, record_hash};

use crate::checkpoint::SignedCheckpoint;
use crate::verify::{self, Finding, Flaw, Head, Trust, commitment};

use super::SIZE_MAX;

const FORMAT: &str = "halligan-proof";
const VERSION: u64 = 1;

/// A proof that a log has some entries.
#[derive(Debug, Clone)]
pub struct ProofFile {
    checkpoint: SignedCheckpoint,
    entries: Vec<Proved>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: String,
    version: u64,
    checkpoint: String,
    entries: Vec<Proved>,
}

#[derive(Deserialize)]
struct Versioned {
    format: String,
    version: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proved {
    index: u64,
    entry: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    personal: Option<String>,
    path: Vec<String>,
}

/// Why a file proves nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FileError {
    /// Not a proof file.
    #[error("it is no proof: {0}")]
    Malformed(String),
    /// A version that isn't known here.
    #[error("it is a proof of version {0}: expected {VERSION}")]
    Version(u64),
    /// Its checkpoint doesn't count.
    #[error("its checkpoint doesn't count: {0}")]
    Checkpoint(Finding),
    /// Entries are not in the order of the log.
    #[error("entry {index} stands twice, or after a later one")]
    Order {
        /// Which.
        index: u64,
    },
    /// An entry is not in the tree.
    #[error("entry {index} is not in the log: it, its index or its path was changed")]
    NotIncluded {
        /// Which.
        index: u64,
    },
    /// An entry is in the tree, and is none.
    #[error("entry {index}: {flaw}")]
    Entry {
        /// Which.
        index: u64,
        /// What is wrong with it.
        flaw: Flaw,
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
        Self { checkpoint, entries: Vec::new() }
    }

    /// Adds an entry with its personal part, if that is there, and its inclusion path.
    ///
    /// # Errors
    /// The path doesn't lead to the checkpoint's root, a text is not UTF-8, or the index is not
    /// after the one before.
    pub fn add(&mut self, index: u64, entry: &[u8], personal: Option<&[u8]>, path: &[Hash]) -> Result<(), FileError> {
        let text = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).map(str::to_owned);
            text.map_err(|_| FileError::Entry { index, flaw: Flaw::Envelope("it is not UTF-8".to_owned()) })
        };
        let path = path.iter().map(Hash::to_string).collect();
        let proved = Proved { index, entry: text(entry)?, personal: personal.map(text).transpose()?, path };
        proved.check(&self.checkpoint, self.entries.last().map(|entry| entry.index))?;
        self.entries.push(proved);
        Ok(())
    }

    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = Text {
            format: FORMAT.to_owned(),
            version: VERSION,
            checkpoint: String::from_utf8(self.checkpoint.to_bytes()).unwrap_or_default(),
            entries: self.entries.clone(),
        };
        // Keys are texts everywhere: serialising can't fail.
        let mut bytes = serde_json::to_vec_pretty(&text).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Checks a file: its checkpoint counts, and its tree has every entry.
    ///
    /// # Errors
    /// It proves nothing.
    pub fn check(bytes: &[u8], trust: &Trust) -> Result<Checked, FileError> {
        let malformed = |error: serde_json::Error| FileError::Malformed(error.to_string());
        let Versioned { format, version } = serde_json::from_slice(bytes).map_err(malformed)?;
        if format != FORMAT {
            return Err(FileError::Malformed(format!("its format is not `{FORMAT}`")));
        }
        if version != VERSION {
            return Err(FileError::Version(version));
        }
        let text: Text = serde_json::from_slice(bytes).map_err(malformed)?;
        let head = verify::head(text.checkpoint.as_bytes(), trust).map_err(FileError::Checkpoint)?;
        let signed = SignedCheckpoint::unsigned(head.checkpoint.clone());
        let (mut entries, mut before) = (Vec::with_capacity(text.entries.len()), None);
        for proved in text.entries {
            let erased = proved.check(&signed, before)?;
            let Proved { index, entry, personal, .. } = proved;
            before = Some(index);
            entries.push(CheckedEntry { index, entry, personal, erased });
        }
        Ok(Checked { head, entries })
    }
}

impl Proved {
    /// Whether the entry is in the tree, after the one `before`, with the personal part it commits to.
    /// Returns whether that part is missing.
    fn check(&self, signed: &SignedCheckpoint, before: Option<u64>) -> Result<bool, FileError> {
        let (index, checkpoint) = (self.index, signed.checkpoint());
        if before.is_some_and(|before| before >= index) {
            return Err(FileError::Order { index });
        }
        let refused = || FileError::NotIncluded { index };
        if index >= checkpoint.size || checkpoint.size >= SIZE_MAX || self.path.len() > 64 {
            return Err(refused());
        }
        let path: Option<Vec<Hash>> = self.path.iter().map(|hash| Hash::parse_hash(hash).ok()).collect();
        let leaf = record_hash(self.entry.as_bytes());
        let path = path.ok_or_else(refused)?;
        check_record(&path, checkpoint.size, checkpoint.root, index, leaf).map_err(|_| refused())?;
        let committed = commitment(self.entry.as_bytes()).map_err(|flaw| FileError::Entry { index, flaw })?;
        match (&self.personal, committed) {
            (None, committed) => Ok(committed.is_some()),
            (Some(part), Some(hash)) if Sha256::digest(part).as_slice() == hash => Ok(false),
            (Some(_), _) => Err(FileError::Personal { index }),
        }
    }
}

/// What a file proves.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The tree.
    pub head: Head,
    /// The entries, in the order of the log.
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
    /// Whether it commits to a personal part that is not in the file.
    pub erased: bool,
}
