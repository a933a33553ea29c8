//! Where the log is kept outside of the account: written by one who can only put,
//! read by another who can only read.

use async_trait::async_trait;
use halligan_log::Object;

/// Reads an archive: the broker's own, or anybody's copy.
#[async_trait]
pub trait LogReader: Send + Sync {
    /// How people call this place: its name in the configuration, or its address.
    fn name(&self) -> &str;

    /// What was **first** written under the object's key, whatever hides it now; of
    /// [`Object::Checkpoint`], the newest. None if nothing ever was written there,
    /// or it was erased for good.
    async fn read(&self, object: Object) -> Result<Option<Stored>, ArchiveError>;
}

/// An object as an archive has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its bytes, as they were first written.
    pub bytes: Vec<u8>,
    /// What was done to its key since, that nobody has a reason to do.
    pub tampering: Option<Tampering>,
}

impl Stored {
    /// Bytes whose key nobody touched.
    #[must_use]
    pub const fn untouched(bytes: Vec<u8>) -> Self {
        Self { bytes, tampering: None }
    }
}

/// What was done to a key that is written once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tampering {
    /// A delete marker hides it.
    Hidden,
    /// Other bytes were written over it.
    Overwritten,
}

/// Keeps the tree. Written by one publisher at a time; everything but the
/// checkpoint is written once.
#[async_trait]
pub trait Archive: LogReader {
    /// Makes the object durable. What is there already with the same bytes is
    /// done; with other bytes it is [`ArchiveError::Taken`], and nothing is changed.
    async fn put_once(&self, object: Object, bytes: &[u8]) -> Result<(), ArchiveError>;

    /// Replaces the checkpoint; durable when it returns.
    async fn put_checkpoint(&self, note: &[u8]) -> Result<(), ArchiveError>;

    /// What of the place's settings is weaker than it was configured to be:
    /// retention, lock, versions, who may write. Empty where all is well.
    async fn weaknesses(&self) -> Result<Vec<Weakness>, ArchiveError>;
}

/// A setting of an archive that protects less than it should.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weakness {
    /// Which: `object_lock`, `retention`, `versioning`, …; the same word for the same weakness.
    pub setting: &'static str,
    /// What was found, what was expected, and what mends it.
    pub finding: String,
}

/// Why an archive didn't do it.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It can't be reached, or may have done it: the same call can be made again.
    #[error("{0}")]
    Unavailable(String),
    /// It won't, and will say so again: rights, a wrong bucket.
    #[error("{0}")]
    Refused(String),
    /// Other bytes are there. No retry can help.
    #[error("`{object}` holds other bytes already")]
    Taken {
        /// Where.
        object: Object,
        /// What is there.
        found: Vec<u8>,
    },
}
