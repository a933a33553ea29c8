//! Commits wake those who wait for them, so that nobody polls.

use std::sync::Arc;

use tokio::sync::Notify;

/// One signal a worker. A signal that comes while the worker is busy is kept.
#[derive(Debug, Default)]
pub struct Wake {
    /// A grant's deadline may have come nearer.
    pub deadlines: Arc<Notify>,
    /// Entries wait to be published.
    pub publisher: Arc<Notify>,
    /// Work was left behind.
    pub work: Arc<Notify>,
    /// Somebody has to be told of an enrolment.
    pub enrolments: Arc<Notify>,
}
