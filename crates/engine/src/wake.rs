//! Commits wake those who wait for them, so that nobody polls.

use tokio::sync::Notify;

/// One signal a worker. A signal that comes while the worker is busy is kept.
#[derive(Debug, Default)]
pub struct Wake {
    /// A grant's deadline may have come nearer.
    pub deadlines: Notify,
    /// Entries wait to be published.
    pub publisher: Notify,
    /// Work was left behind.
    pub work: Notify,
}
