//! Puts another state of who is who and who may do what in force, while the broker serves.

use std::sync::Arc;

use halligan_core::actor::Actor;
use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded, bounded};

use super::{Access, AccessInForce};
use crate::changes::POLICY;
use crate::ports::{Clock, Facts, StoreError};
use crate::recorder::Recorder;

/// So often it is decided anew when another replica notes its own change meanwhile.
const ATTEMPTS: u32 = 5;

/// What came of a new state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It is the one that was in force.
    Unchanged,
    /// It is in force.
    Changed {
        /// SHA-256 over what was in force until now.
        before: String,
        /// SHA-256 over what is.
        after: String,
    },
}

/// Swaps it as a whole, and writes that down first.
pub struct Reload {
    access: Arc<AccessInForce>,
    facts: Arc<dyn Facts>,
    recorder: Arc<Recorder>,
    clock: Arc<dyn Clock>,
}

impl Reload {
    /// Of what is in force in `access`.
    pub fn new(
        access: Arc<AccessInForce>,
        facts: Arc<dyn Facts>,
        recorder: Arc<Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { access, facts, recorder, clock }
    }

    /// Puts `new` in force. The entry of it is committed before it decides anything; of
    /// several replicas that read the same files, the first writes it.
    ///
    /// # Errors
    /// The entry could not be written: what was in force still is.
    pub async fn apply(&self, new: Access) -> Result<Applied, StoreError> {
        let (before, after) = (self.access.now().sha256.clone(), new.sha256.clone());
        if before == after {
            return Ok(Applied::Unchanged);
        }
        self.note(&after).await?;
        self.access.replace(new);
        tracing::warn!(alarm = "policy.changed", before, after, "other rules, people or issuers decide from now on");
        Ok(Applied::Changed { before, after })
    }

    async fn note(&self, after: &str) -> Result<(), StoreError> {
        let mut attempts = ATTEMPTS;
        loop {
            let known = self.facts.fact(POLICY).await?;
            if known.as_deref() == Some(after) {
                return Ok(());
            }
            let before = known.clone().unwrap_or_else(|| self.access.now().sha256.clone());
            let event = Event::PolicyChanged { before, after: after.to_owned() };
            let draft = self.recorder.draft(Actor::SYSTEM, Subject::broker(POLICY), Recorded::plain(event));
            let facts = self.facts.as_ref();
            let learnt = self.recorder.learn(facts, POLICY, known.as_deref(), after, vec![draft], self.clock.now());
            match learnt.await {
                Err(StoreError::Conflict) if attempts > 1 => attempts -= 1,
                other => return other,
            }
        }
    }

    /// Records that files which were to decide from now on can't: what was in force still is.
    /// Each reason says where and what.
    pub async fn reject(&self, because: Vec<String>) {
        let kept = self.access.now().sha256.clone();
        tracing::error!(
            alarm = "policy.rejected",
            kept,
            reasons = because.len(),
            because = because.first().map(String::as_str).unwrap_or_default(),
            "new rules, people or issuers can't be used: those from before still decide"
        );
        let event = Event::PolicyRejected { kept, because: bounded(because) };
        self.recorder.record(Actor::SYSTEM, Subject::broker(POLICY), Recorded::plain(event)).await;
    }
}
