//! What can be wrong with a log.

use std::fmt;

use jiff::Timestamp;
use tlog_tiles::Hash;

use crate::checkpoint::CheckpointError;
use crate::object::Object;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The first entry that is concerned; none where it is the checkpoint.
    pub index: Option<u64>,
    /// Where it was found.
    pub object: Object,
    /// What it is.
    pub flaw: Flaw,
    /// In how many more places of the same object.
    pub more: u64,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "entry {index} (`{}`): {}", self.object, self.flaw)?,
            None => write!(f, "`{}`: {}", self.object, self.flaw)?,
        }
        if self.more > 0 { write!(f, ", and {} more in this object", self.more) } else { Ok(()) }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Flaw {
    /// The checkpoint is not signed by those who should have.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// Too few of the witnesses cosigned.
    #[error("{found} of the witnesses cosigned it: expected {expected}")]
    Quorum {
        /// How many did.
        found: usize,
        /// How many should have.
        expected: usize,
    },
    /// The log itself did not sign it with a time.
    #[error("the log signed it without a time")]
    Untimed,
    /// What the archive has makes another tree, and agrees with itself.
    #[error("the tree has the root {found}: the checkpoint says {expected}")]
    Root {
        /// What the entries make.
        found: Hash,
        /// What the checkpoint says.
        expected: Hash,
    },
    /// An object is not there.
    #[error("it is missing")]
    Missing,
    /// An object ends too early.
    #[error("it ends here")]
    Cut,
    /// An object goes on too long.
    #[error("there is more here than belongs into it")]
    Surplus,
    /// The entry is not the one in the tree.
    #[error("the entry is not the one in the tree")]
    Entry,
    /// A hash of a tile is not the one in the tree.
    #[error("the hash here is not the one in the tree")]
    Tile,
    /// A run of entries is not what stands above them, and no tile tells which of them it is:
    /// it is missing, or was changed with them.
    #[error("one or more of the entries from here to {last} are not those in the tree")]
    Range {
        /// The last entry that is concerned.
        last: u64,
    },
    /// Longer than an entry may be.
    #[error("the entry has {bytes} bytes: expected at most {max}", max = super::examine::ENTRY_BYTES_MAX)]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not the JSON of an entry.
    #[error("the entry can't be read: {0}")]
    Envelope(String),
    /// An envelope that isn't known here.
    #[error("the entry has the version {0}: expected {version}", version = super::examine::VERSION)]
    Version(u64),
    /// Its id is that of an entry shortly before.
    #[error("it has the id of an entry before it")]
    SameId,
    /// Its time is before that of the entry before.
    #[error("its time is {time}: the entry before has {before}")]
    TimeBack {
        /// Its time.
        time: Timestamp,
        /// That of the entry before.
        before: Timestamp,
    },
    /// The personal part is not the one that the entry commits to.
    #[error("the personal part is not the one that the entry commits to")]
    Personal,
    /// There is a personal part, and the entry commits to none.
    #[error("there is a personal part, and the entry commits to none")]
    Uncommitted,
}

impl Flaw {
    /// A word for programs: the same for the same kind of flaw.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Checkpoint(_) => "checkpoint",
            Self::Quorum { .. } => "quorum",
            Self::Untimed => "untimed",
            Self::Root { .. } => "root",
            Self::Missing => "missing",
            Self::Cut => "cut",
            Self::Surplus => "surplus",
            Self::Entry => "entry",
            Self::Tile => "tile",
            Self::Range { .. } => "range",
            Self::TooLong { .. } => "too_long",
            Self::Envelope(_) => "envelope",
            Self::Version(_) => "version",
            Self::SameId => "same_id",
            Self::TimeBack { .. } => "time_back",
            Self::Personal => "personal",
            Self::Uncommitted => "uncommitted",
        }
    }
}
