//! Streams what was published to one sink, from where it left off.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{Reconciler, Status};
use crate::ports::{Cursors, Leases, LogStore, Sink, StoreError};
use crate::problem::{Problem, ProblemKind};
use crate::publish::{Overrides, Publisher};

const BATCH: u32 = 512;
/// Longer than a sink may take for one batch.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// Another replica may be at it, and die.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// What forwarding needs beside its sink.
#[derive(Clone)]
#[expect(missing_docs, reason = "each port is documented where it is defined")]
pub struct ForwardingPorts {
    pub log: Arc<dyn LogStore>,
    pub cursors: Arc<dyn Cursors>,
    pub leases: Arc<dyn Leases>,
    pub publisher: Publisher,
    pub overrides: Arc<Overrides>,
}

/// Forwards to one sink. Each has a cursor, a lag and retries of its own.
pub struct Forwarding {
    sink: Arc<dyn Sink>,
    ports: ForwardingPorts,
    replica: String,
}

/// What one tick came to.
struct Forwarded {
    done: u32,
    lag: u64,
    /// Whether somebody moved the cursor meanwhile: it is begun anew, lease and all.
    again: bool,
}

impl Forwarding {
    /// To `sink`, by this replica.
    #[must_use]
    pub fn new(sink: Arc<dyn Sink>, ports: ForwardingPorts, replica: String) -> Self {
        Self { sink, ports, replica }
    }

    /// Up to which position the sink may have entries.
    async fn until(&self, now: Timestamp) -> Result<u64, Problem> {
        // An entry's index is given when it is published, unless this sink is to confirm in the archives' stead.
        match self.ports.overrides.current(now).await? {
            Some(granted) if granted.confirmed_by.iter().any(|name| name == self.sink.name()) => {
                Ok(self.ports.log.last().await?)
            }
            _ => Ok(self.ports.log.head().await?.size),
        }
    }

    async fn forward(&self, now: Timestamp) -> Result<Forwarded, (Problem, u64)> {
        let name = self.sink.name();
        // Before all that may be other after an import.
        let mut cursor = self.ports.cursors.cursor(name).await.map_err(|error| (error.into(), 0))?;
        let until = self.until(now).await.map_err(|problem| (problem, 0))?;
        let mut done = 0_u32;
        while cursor.position < until {
            let lag = until - cursor.position;
            let failed = |problem| (problem, lag);
            let limit = u32::try_from(lag).unwrap_or(BATCH).min(BATCH);
            let batch = self.ports.log.entries(cursor.position.saturating_add(1), limit).await;
            let batch = batch.map_err(|error| failed(error.into()))?;
            let Some(last) = batch.last().map(|entry| entry.position) else { break };
            let sent = self.sink.send(&batch).await;
            sent.map_err(|error| failed(Problem::new(ProblemKind::LogNotDurable, format!("{name}: {error}"))))?;
            done = done.saturating_add(u32::try_from(batch.len()).unwrap_or(u32::MAX));
            cursor = match self.ports.cursors.move_cursor(name, cursor, last).await {
                // What was sent may not be what is there any more.
                Err(StoreError::Conflict) => return Ok(Forwarded { done, lag, again: true }),
                moved => moved.map_err(|error| failed(error.into()))?,
            };
        }
        Ok(Forwarded { done, lag: until.saturating_sub(cursor.position), again: false })
    }
}

#[async_trait]
impl Reconciler for Forwarding {
    fn name(&self) -> &'static str {
        "forwarding"
    }

    async fn tick(&self, now: Timestamp) -> Result<Status, Problem> {
        let place = format!("sink {}", self.sink.name());
        let lease = self.ports.leases.acquire(&format!("log-{place}"), &self.replica, now, LEASE).await?;
        let Some(lease) = lease else { return Ok(Status { done: 0, next: Some(now + LOOK_AGAIN) }) };
        let outcome = self.forward(now).await;
        self.ports.leases.release(&lease).await?;
        let health = self.ports.publisher.health();
        match outcome {
            Ok(Forwarded { done, lag, again }) => {
                health.report(&place, None, lag).await;
                Ok(Status { done, next: again.then_some(now) })
            }
            Err((problem, lag)) => {
                health.report(&place, Some(problem.detail.clone()), lag).await;
                Err(problem)
            }
        }
    }
}
