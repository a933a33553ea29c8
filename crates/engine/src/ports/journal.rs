//! Where entries become durable.

use async_trait::async_trait;

use super::log_store::QueuedEntry;

/// A place outside the store that entries are published to.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Makes these entries durable, in order, after those that are there.
    /// Returns only when they would survive a loss of power. Entries whose
    /// position is there already with the same bytes are passed over; with other
    /// bytes they are [`JournalError::Fork`] and nothing is written.
    async fn append(&self, entries: &[QueuedEntry]) -> Result<(), JournalError>;
}

/// Why entries are not durable.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The place can't be written to now; the same call may go through later.
    #[error("the log sink can't be written to: {0}")]
    Unavailable(String),
    /// The place holds something else at that position. A retry can't help.
    #[error(
        "the log sink holds another entry at position {position}: nothing is minted until somebody has looked at both"
    )]
    Fork {
        /// The first position that differs.
        position: u64,
    },
}
