//! What has to be done now and then: forget old idempotency answers, erase personal
//! parts whose time is over, write down what was counted, look at the clock, and
//! look at each role's policy again.

use std::sync::Arc;

use async_trait::async_trait;
use halligan_core::catalogue::Target;
use halligan_core::grant::Effect;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::{Reconciler, Status};
use crate::broker::Broker;
use crate::ports::{Idempotency, IdempotencyStore, PersonalData, WorkQueue};
use crate::problem::Problem;
use crate::recorder::WINDOW;

/// How often each role's revocation policy is compared with what it should say,
/// and old answers are forgotten.
const RARELY: SignedDuration = SignedDuration::from_mins(10);

/// Where personal parts are kept, and for how long.
pub struct Personal {
    /// The places, each of which erases by itself.
    pub places: Vec<Arc<dyn PersonalData>>,
    /// From an entry's time on.
    pub kept: SignedDuration,
}

/// Keeps the house.
pub struct Housekeeping {
    broker: Arc<Broker>,
    idempotency: Arc<dyn IdempotencyStore>,
    work: Arc<dyn WorkQueue>,
    personal: Personal,
    rare: Mutex<Option<Timestamp>>,
}

impl Housekeeping {
    /// For the broker and its store.
    #[must_use]
    pub fn new(
        broker: Arc<Broker>,
        idempotency: Arc<dyn IdempotencyStore>,
        work: Arc<dyn WorkQueue>,
        personal: Personal,
    ) -> Self {
        Self { broker, idempotency, work, personal, rare: Mutex::new(None) }
    }
}

#[async_trait]
impl Reconciler for Housekeeping {
    fn name(&self) -> &'static str {
        "housekeeping"
    }

    async fn tick(&self, now: Timestamp) -> Result<Status, Problem> {
        self.broker.recorder().close_window(now).await;
        self.broker.skew().stopped().await;
        let mut rare = self.rare.lock().await;
        // At the start too: what a crash left undone is found by the same way.
        if rare.is_some_and(|at| now.duration_since(at) < RARELY) {
            return Ok(Status { done: 0, next: Some(now + WINDOW) });
        }
        let pruned = self.idempotency.prune(now - Idempotency::KEPT).await?;
        for place in &self.personal.places {
            // A place that can't be reached keeps nothing else from being done.
            match place.erase_before(now - self.personal.kept).await {
                Ok(0) => {}
                Ok(erased) => tracing::info!(erased, "personal parts whose time was over"),
                Err(error) => tracing::error!(%error, "personal parts whose time is over can't be erased"),
            }
        }
        for role in self.broker.catalogue().roles.keys() {
            self.work.schedule(&Effect::Enforce(Target::role(role.clone())), now).await?;
        }
        self.broker.wake().work.notify_one();
        *rare = Some(now);
        Ok(Status { done: u32::try_from(pruned).unwrap_or(u32::MAX), next: Some(now + WINDOW) })
    }
}
