//! Ends what is over: lapses, overdue acknowledgements, expiries.
//!
//! Nothing depends on it for safety: each use case judges deadlines by the
//! clock itself, and the fence in each session needs nobody.

use std::sync::Arc;

use async_trait::async_trait;
use halligan_core::actor::Actor;
use halligan_core::grant::Command;
use jiff::{SignedDuration, Timestamp};

use super::{Reconciler, Status};
use crate::broker::Broker;
use crate::problem::{Problem, ProblemKind};

const BATCH: u32 = 100;
/// While the clock can't be trusted, it is asked again so often.
const CLOCK_RETRY: SignedDuration = SignedDuration::from_secs(10);

/// Acts on deadlines.
pub struct Deadlines {
    broker: Arc<Broker>,
}

impl Deadlines {
    /// Over the broker's grants.
    #[must_use]
    pub const fn new(broker: Arc<Broker>) -> Self {
        Self { broker }
    }
}

#[async_trait]
impl Reconciler for Deadlines {
    fn name(&self) -> &'static str {
        "deadlines"
    }

    async fn tick(&self, now: Timestamp) -> Result<Status, Problem> {
        let mut done = 0;
        loop {
            let due = self.broker.next_due(BATCH).await?;
            let passed: Vec<_> = due.iter().filter(|grant| grant.due_at <= now).collect();
            if passed.is_empty() {
                return Ok(Status { done, next: due.first().map(|grant| grant.due_at) });
            }
            let mut failed = None;
            for grant in passed {
                match self.broker.elapse(grant.id, now).await {
                    Ok(()) => done += 1,
                    Err(problem) if problem.kind == ProblemKind::ClockSkewed => {
                        return Ok(Status { done, next: Some(now + CLOCK_RETRY) });
                    }
                    // One that can't be read must not keep the others open.
                    Err(problem) => failed = Some(problem),
                }
            }
            if let Some(problem) = failed {
                return Err(problem);
            }
        }
    }
}

impl Broker {
    /// Acts on the deadline that `id` has passed at `now`. One that somebody
    /// else acted on is no error.
    async fn elapse(&self, id: halligan_core::id::GrantId, now: Timestamp) -> Result<(), Problem> {
        let Some(found) = self.grant_by_id(id).await? else {
            return Ok(());
        };
        let Some(deadline) = found.grant.due(now) else {
            return Ok(());
        };
        self.time_can_be_told().await?;
        match self.command(&Actor::SYSTEM, id, None, Command::Elapse(deadline)).await {
            Err(problem) if problem.kind == ProblemKind::WrongState => Ok(()),
            outcome => outcome.map(drop),
        }
    }
}
