//! Asks the incidents' tools whether the occasions of what is open still are: a
//! closed incident ends its grants, whether or not anybody mints.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use halligan_core::grant::Phase;
use jiff::{SignedDuration, Timestamp};

use super::{Reconciler, Status};
use crate::broker::Broker;
use crate::ports::{Filter, GrantStore};
use crate::problem::{Problem, ProblemKind};

const INTERVAL: SignedDuration = SignedDuration::from_mins(1);
const PAGE: u32 = 100;

/// Watches incidents.
pub struct IncidentWatch {
    broker: Arc<Broker>,
    grants: Arc<dyn GrantStore>,
}

impl IncidentWatch {
    /// Of the broker's grants.
    #[must_use]
    pub const fn new(broker: Arc<Broker>, grants: Arc<dyn GrantStore>) -> Self {
        Self { broker, grants }
    }
}

#[async_trait]
impl Reconciler for IncidentWatch {
    fn name(&self) -> &'static str {
        "incidents"
    }

    async fn tick(&self, now: Timestamp) -> Result<Status, Problem> {
        let mut filter = Filter { phases: vec![Phase::Pending, Phase::Active], ..Filter::default() };
        // Each tool is asked once about an incident, however many grants it is the occasion of.
        let (mut open, mut done) = (BTreeSet::new(), 0);
        loop {
            let page = self.grants.grants(&filter, PAGE).await?;
            for found in page.grants {
                let incident = &found.grant.request.incident;
                if open.contains(incident) {
                    continue;
                }
                match self.broker.incident_still_open(&found.grant).await {
                    Err(problem) if problem.kind == ProblemKind::IncidentClosed => done += 1,
                    // Open, or nobody knows: nothing ends for that.
                    Ok(_) | Err(_) => drop(open.insert(incident.clone())),
                }
            }
            match page.next {
                Some(next) => filter.before = Some(next),
                None => return Ok(Status { done, next: Some(now + INTERVAL) }),
            }
        }
    }
}
