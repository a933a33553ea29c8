//! Brings entries into the log that nobody waits for, and signs it anew now and then.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{Reconciler, Status};
use crate::problem::{Problem, ProblemKind};
use crate::publish::{PublishError, Publisher};

/// After so long an archive that failed is tried again, and another replica's work is looked at.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// Publishes what waits.
pub struct Publishing {
    publisher: Publisher,
}

impl Publishing {
    /// By the broker's publisher.
    #[must_use]
    pub const fn new(publisher: Publisher) -> Self {
        Self { publisher }
    }
}

#[async_trait]
impl Reconciler for Publishing {
    fn name(&self) -> &'static str {
        "publishing"
    }

    async fn tick(&self, now: Timestamp) -> Result<Status, Problem> {
        match self.publisher.publish().await {
            Ok(_) if self.publisher.is_behind() => Ok(Status { done: 1, next: Some(now + LOOK_AGAIN) }),
            Ok(_) => Ok(Status { done: 1, next: self.publisher.heartbeat_due().await }),
            Err(PublishError::Elsewhere) => Ok(Status { done: 0, next: Some(now + LOOK_AGAIN) }),
            Err(PublishError::Store(error)) => Err(error.into()),
            Err(error) => Err(Problem::new(ProblemKind::LogNotDurable, error.to_string())),
        }
    }
}
