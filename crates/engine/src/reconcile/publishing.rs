//! Brings entries to the sink that nobody waits for.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Reconciler, Status};
use crate::problem::{Problem, ProblemKind};
use crate::publisher::{PublishError, Publisher};

/// Publishes what waits.
pub struct Publishing {
    publisher: Arc<Publisher>,
}

impl Publishing {
    /// Over the broker's publisher.
    #[must_use]
    pub const fn new(publisher: Arc<Publisher>) -> Self {
        Self { publisher }
    }
}

#[async_trait]
impl Reconciler for Publishing {
    fn name(&self) -> &'static str {
        "publishing"
    }

    async fn tick(&self, _now: Timestamp) -> Result<Status, Problem> {
        match self.publisher.publish().await {
            Ok(_) => Ok(Status { done: 1, next: None }),
            Err(PublishError::Store(error)) => Err(error.into()),
            Err(PublishError::Journal(error)) => Err(Problem::new(ProblemKind::LogNotDurable, error.to_string())),
        }
    }
}
