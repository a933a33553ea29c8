//! What has to be done about sessions and passkeys now and then: tell people of what was
//! enrolled for them, forget what is over, look whether providers answer.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{Reconciler, Status};
use crate::broker::Broker;
use crate::problem::Problem;

const INTERVAL: SignedDuration = SignedDuration::from_mins(1);
/// So much is forgotten at a time.
const BATCH: u32 = 1_000;

/// Looks after sessions and passkeys.
pub struct SignIns {
    broker: Arc<Broker>,
}

impl SignIns {
    /// Of the broker.
    #[must_use]
    pub const fn new(broker: Arc<Broker>) -> Self {
        Self { broker }
    }
}

#[async_trait]
impl Reconciler for SignIns {
    fn name(&self) -> &'static str {
        "sign-ins"
    }

    async fn tick(&self, now: Timestamp) -> Result<Status, Problem> {
        let identity = self.broker.identity();
        let told = identity.tell_of_enrolments().await?;
        identity.forget_what_is_over(BATCH).await?;
        // Policies ask whether providers answer, and no decision waits for that.
        identity.providers_are_down().await;
        Ok(Status { done: told, next: Some(now + INTERVAL) })
    }
}
