//! One step of one grant: read, decide, commit what was decided or nothing.

use halligan_core::actor::Actor;
use halligan_core::grant::{Command, Grant, Refusal, Transition};
use halligan_core::id::GrantId;
use jiff::Timestamp;

use super::Broker;
use crate::caller::Caller;
use crate::ports::{Begun, Change, Committed, IdempotencyKey, StoreError, Version, Versioned};
use crate::problem::{Problem, ProblemKind};

/// Somebody else may win so many times in a row before we give up.
const TRIES: usize = 16;

/// A step that was taken.
pub(super) struct Taken<T> {
    pub grant: Grant,
    pub committed: Committed,
    pub with: T,
}

impl Broker {
    /// Applies `decide` to the grant as it is when it is committed. Deadlines
    /// that have passed are acted on first.
    pub(super) async fn step<T>(
        &self,
        actor: &Actor,
        id: GrantId,
        answers: Option<&IdempotencyKey>,
        mut decide: impl FnMut(&Grant, Timestamp) -> Result<(Transition, T), Refusal>,
    ) -> Result<Taken<T>, Problem> {
        for _ in 0..TRIES {
            let found = self.ports.grants.grant(id).await?;
            let Versioned { grant, version } =
                found.ok_or_else(|| Problem::new(ProblemKind::NotFound, format!("there is no grant `{id}`")))?;
            let now = self.ports.clock.now();
            match decide(&grant, now) {
                Ok((transition, with)) => {
                    match self.commit_transition(actor, transition, Some(version), answers, now).await {
                        Ok((grant, committed)) => return Ok(Taken { grant, committed, with }),
                        Err(StoreError::Conflict) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(Refusal::Overdue(deadline)) => {
                    self.time_can_be_told().await?;
                    let transition = grant.apply(Command::Elapse(deadline), now)?;
                    match self.commit_transition(&Actor::SYSTEM, transition, Some(version), None, now).await {
                        Ok(_) | Err(StoreError::Conflict) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// As [`Broker::step`], for one command.
    pub(crate) async fn command(
        &self,
        actor: &Actor,
        id: GrantId,
        answers: Option<&IdempotencyKey>,
        command: Command,
    ) -> Result<Grant, Problem> {
        let taken =
            self.step(actor, id, answers, |grant, now| grant.apply(command.clone(), now).map(|t| (t, ()))).await?;
        Ok(taken.grant)
    }

    /// Commits what the lifecycle decided at `now`.
    pub(super) async fn commit_transition(
        &self,
        actor: &Actor,
        transition: Transition,
        version: Option<Version>,
        answers: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Result<(Grant, Committed), StoreError> {
        let Transition { grant, events, effects } = transition;
        let entries = events.into_iter().map(|event| self.recorder.draft_about(&grant, actor.clone(), event)).collect();
        let change = Change { grant: Some((grant.clone(), version)), entries, effects, answers: answers.cloned() };
        let committed = self.recorder.commit_decided(change, now).await?;
        Ok((grant, committed))
    }

    /// Fails while the clock is too wrong for anything to end by it.
    pub(crate) async fn time_can_be_told(&self) -> Result<(), Problem> {
        match self.skew.stopped().await {
            None => Ok(()),
            Some(skew) => Err(Problem::new(
                ProblemKind::ClockSkewed,
                format!(
                    "the broker's clock is {:#} off AWS's: nothing is minted or ended by it until it is right",
                    skew.abs()
                ),
            )),
        }
    }

    /// Runs `work` once for its idempotency key: a call that was answered is
    /// answered the same way again, and nothing happens twice.
    pub(super) async fn once(
        &self,
        caller: &Caller,
        work: impl Future<Output = Result<Grant, Problem>>,
    ) -> Result<Grant, Problem> {
        let Some(used) = &caller.idempotency else {
            return work.await;
        };
        let store = &self.ports.idempotency;
        match store.begin(&used.key, &used.body_sha256, self.ports.clock.now()).await? {
            Begun::Answered(grant) => Ok(*grant),
            Begun::InFlight => Err(Problem::new(
                ProblemKind::IdempotencyInFlight,
                "a call with this idempotency key is being answered: ask again in a second",
            )
            .retry_after(1)),
            Begun::OtherBody => Err(Problem::new(
                ProblemKind::IdempotencyKeyReused,
                "this idempotency key was used with another body: take a new one for a new call",
            )
            .in_field("Idempotency-Key")),
            Begun::Fresh => {
                let outcome = work.await;
                if outcome.is_err()
                    && let Err(error) = store.abandon(&used.key).await
                {
                    tracing::warn!(%error, "an idempotency key stays taken for a minute");
                }
                outcome
            }
        }
    }
}

/// The key that a caller's change answers.
pub(super) fn answers(caller: &Caller) -> Option<&IdempotencyKey> {
    caller.idempotency.as_ref().map(|used| &used.key)
}
