//! Places that entries are streamed to, beside the archives.

use async_trait::async_trait;

use super::log_store::QueuedEntry;

/// A place that takes entries, in order: CloudWatch Logs, a file for a SIEM. It
/// holds no tree and proves nothing; it is where people look first.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &str;

    /// Hands over published entries, in order. Returns only when the place has said
    /// that it keeps **every one** of them: half a batch is a failure, and the same
    /// entries are handed over again, so the place may hold some of them twice.
    async fn send(&self, entries: &[QueuedEntry]) -> Result<(), SinkError>;
}

/// Why a sink didn't take entries.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// It can't be reached, is full or slow, or kept some only: the same call can be made again.
    #[error("{0}")]
    Unavailable(String),
    /// It won't, and will say so again until somebody mends it.
    #[error("{0}")]
    Refused(String),
}
