//! Whether what people do under a grant is recorded: CloudTrail's to do, ours to check.

use async_trait::async_trait;
use halligan_core::catalogue::Role;

/// Looks at the trails of target accounts.
#[async_trait]
pub trait Trails: Send + Sync {
    /// What is missing for the account of `role` to be recorded: a multi-Region
    /// trail of management events that is logging, delivers without errors, and
    /// into a bucket of the logging account that is locked. None: all is there.
    async fn missing(&self, role: &Role) -> Result<Option<String>, TrailError>;
}

/// Why it couldn't be looked at.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TrailError(pub String);
