//! Makes each role's revocation policy say what it should, and sees it bite.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use halligan_core::actor::Actor;
use halligan_core::catalogue::{Role, Target};
use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::{Baseline, Command, Containment, Effect, Evidence, State};
use halligan_core::id::GrantId;
use jiff::{SignedDuration, Timestamp};
use tokio_util::task::TaskTracker;

use super::observation::observe;
use super::probing::{Pair, Prober};
use super::role_policy::{PolicyError, RolePolicyWriter};
use super::{Reconciler, Status};
use crate::broker::Broker;
use crate::ports::{
    Clock, Effort, Entropy, GrantStore, Leases, Probes, RoleLedger, RolePolicies, Versioned, WorkQueue,
};
use crate::problem::Problem;

/// Over three times [`crate::ports::ROLE_POLICY_CALL_MAX`], with what the probes may take: a writer
/// whose lease has ended has no call under way.
const LEASE: SignedDuration = SignedDuration::from_secs(45);
/// All that is done under one lease, so that none of it outlives it.
const WORK_MAX: std::time::Duration = std::time::Duration::from_secs(40);
/// No token that we mint lives longer.
const TOKEN_LIFE_MAX: SignedDuration = SignedDuration::from_hours(1);
/// Somebody else holds the lease: look again after so long.
const HELD_ELSEWHERE: SignedDuration = SignedDuration::from_secs(2);
const BACKOFF_MAX_SECONDS: i64 = 30;
/// So many pairs of probes are opened at once; the others have their turn next.
const PAIRS_MAX: usize = 8;

/// What the reconciler needs of the outside.
#[derive(Clone)]
#[expect(missing_docs, reason = "each port is documented where it is defined")]
pub struct RevocationPorts {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub grants: Arc<dyn GrantStore>,
    pub work: Arc<dyn WorkQueue>,
    pub leases: Arc<dyn Leases>,
    pub ledger: Arc<dyn RoleLedger>,
    pub policies: Arc<dyn RolePolicies>,
    pub probes: Arc<dyn Probes>,
}

/// Enforces ends.
pub struct Revocations {
    broker: Arc<Broker>,
    ports: RevocationPorts,
    holder: String,
    writer: RolePolicyWriter,
    prober: Prober,
    watched: Arc<Mutex<HashSet<GrantId>>>,
    observers: TaskTracker,
}

impl Revocations {
    /// For the broker's grants; `holder` names this replica in leases.
    #[must_use]
    pub fn new(broker: Arc<Broker>, ports: RevocationPorts, holder: String) -> Self {
        let recorder = broker.recorder().clone();
        let writer = RolePolicyWriter {
            broker: broker.clone(),
            clock: ports.clock.clone(),
            grants: ports.grants.clone(),
            ledger: ports.ledger.clone(),
            policies: ports.policies.clone(),
        };
        let prober = Prober {
            probes: ports.probes.clone(),
            clock: ports.clock.clone(),
            entropy: ports.entropy.clone(),
            recorder,
        };
        Self { broker, ports, holder, writer, prober, watched: Arc::default(), observers: TaskTracker::new() }
    }

    /// Waits until nothing is being observed.
    pub async fn observed(&self) {
        self.observers.close();
        self.observers.wait().await;
        self.observers.reopen();
    }

    async fn work_on(&self, effort: &Effort) -> Result<(), Problem> {
        let Effect::Enforce(target) = &effort.effect;
        let lease_name = format!("role/{}", target.id);
        let now = self.ports.clock.now();
        let Some(lease) = self.ports.leases.acquire(&lease_name, &self.holder, now, LEASE).await? else {
            return Ok(self.ports.work.postpone(effort, now + HELD_ELSEWHERE).await?);
        };
        let outcome = match self.broker.catalogue().roles.get(&target.id) {
            Some(role) => match tokio::time::timeout(WORK_MAX, self.enforce(role, &lease)).await {
                Ok(enforced) => enforced.map_err(|error| error.to_string()),
                Err(_) => Err(format!("it took longer than {} s", WORK_MAX.as_secs())),
            },
            None => Err(format!(
                "the catalogue no longer has the role `{}`: put it back until its grants are over",
                target.id
            )),
        };
        self.ports.leases.release(&lease).await?;
        match outcome {
            Ok(until) => {
                self.ports.work.complete(effort).await?;
                if let Some(until) = until {
                    self.ports.work.schedule(&effort.effect, until).await?;
                }
                Ok(())
            }
            Err(because) => self.failed(effort, target, because).await,
        }
    }

    async fn enforce(&self, role: &Role, lease: &crate::ports::Lease) -> Result<Option<Timestamp>, PolicyError> {
        // What may leave the list is judged by AWS's clock: one of ours that is
        // ahead would lift denies too early.
        let now = self.broker.skew().aws_now(self.ports.clock.now()).await;
        let enforceable = self.ports.grants.enforceable(&role.id, now).await?;
        self.settle_dead(&enforceable, now).await;
        let found = self.writer.read(role).await?;
        let pairs = self.open_pairs(role, &enforceable, &found.denied).await;
        let written = self.writer.write(role, lease, found, &enforceable, now).await;
        match &written {
            Ok(_) => self.watch(role, pairs),
            Err(_) => self.unwatch(pairs.keys()),
        }
        written
    }

    /// An end that was never seen to hold needs none when every token has died.
    async fn settle_dead(&self, enforceable: &[Versioned], now: Timestamp) {
        for found in enforceable {
            let State::Ended(ended) = &found.grant.state else { continue };
            let dead_at = ended.activation.mints.tokens_until.unwrap_or(ended.at).max(ended.at + TOKEN_LIFE_MAX);
            let unseen = matches!(ended.containment, Containment::Enforcing | Containment::Stuck { .. });
            if !unseen || now < dead_at {
                continue;
            }
            let after_ms = i64::try_from(dead_at.duration_since(ended.at).as_millis()).unwrap_or(i64::MAX);
            let evidence = Evidence { baseline: Baseline::TokensDead, observed_at: now, after_ms, regions: Vec::new() };
            if let Err(problem) =
                self.broker.command(&Actor::SYSTEM, found.grant.request.id, None, Command::Contain(evidence)).await
            {
                tracing::warn!(grant = %found.grant.request.id, %problem, "an old end could not be settled");
            }
        }
    }

    /// Probes for the ends that nobody watches yet.
    async fn open_pairs(
        &self,
        role: &Role,
        enforceable: &[Versioned],
        denied: &std::collections::BTreeSet<GrantId>,
    ) -> BTreeMap<GrantId, (Timestamp, Result<Pair, String>)> {
        let unseen = enforceable.iter().filter_map(|found| match &found.grant.state {
            State::Ended(ended) => match ended.containment {
                Containment::Enforcing | Containment::Stuck { .. } => Some((&found.grant, ended.at)),
                Containment::Fenced | Containment::Contained(_) => None,
            },
            State::Pending(_) | State::Active(_) | State::Dropped(_) => None,
        });
        let mine: Vec<_> = {
            let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            unseen.filter(|(grant, _)| watched.insert(grant.request.id)).take(PAIRS_MAX).collect()
        };
        let opening = mine.into_iter().map(async |(grant, ended_at)| {
            let id = grant.request.id;
            (id, (ended_at, self.prober.open(role, grant, denied.contains(&id)).await))
        });
        futures::future::join_all(opening).await.into_iter().collect()
    }

    /// Watches each end in a task of its own: the next end of this role must not wait for it.
    fn watch(&self, role: &Role, pairs: BTreeMap<GrantId, (Timestamp, Result<Pair, String>)>) {
        for (id, (ended_at, pair)) in pairs {
            let (broker, clock, watched, role) =
                (self.broker.clone(), self.ports.clock.clone(), self.watched.clone(), role.clone());
            let work = self.ports.work.clone();
            self.observers.spawn(async move {
                let seen = match pair {
                    Ok(pair) => observe(&pair, &role, ended_at, clock.as_ref()).await,
                    Err(because) => Err(because),
                };
                watched.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                let command = match seen {
                    Ok(evidence) => Command::Contain(evidence),
                    Err(because) => {
                        tracing::error!(alarm = "containment.stuck", grant = %id, %because, "an end was not seen to hold");
                        Command::Stick { because }
                    }
                };
                let stuck = matches!(command, Command::Stick { .. });
                if let Err(problem) = broker.command(&Actor::SYSTEM, id, None, command).await {
                    tracing::error!(grant = %id, %problem, "what was seen of a containment could not be recorded");
                }
                // Again at once for those who had no probe yet; later for this one, if it is stuck.
                let pause = if stuck { BACKOFF_MAX_SECONDS } else { 0 };
                let again = clock.now() + SignedDuration::from_secs(pause);
                if let Err(error) = work.schedule(&Effect::Enforce(Target::role(role.id.clone())), again).await {
                    tracing::error!(%error, "a role could not be scheduled: the next drift check looks at it");
                }
                broker.wake().work.notify_one();
            });
        }
    }

    fn unwatch<'a>(&self, ids: impl Iterator<Item = &'a GrantId>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            watched.remove(id);
        }
    }

    async fn failed(&self, effort: &Effort, target: &Target, because: String) -> Result<(), Problem> {
        let attempt = effort.attempts.saturating_add(1);
        tracing::error!(alarm = "revocation.failed", role = %target.id, %because, attempt, "an end could not be enforced");
        let event = Event::RevocationFailed { because, attempt };
        self.broker.recorder().record(Actor::SYSTEM, Subject::target(target), Recorded::plain(event)).await;
        let seconds = 1_i64.checked_shl(effort.attempts.min(5)).unwrap_or(1).min(BACKOFF_MAX_SECONDS);
        Ok(self.ports.work.postpone(effort, self.ports.clock.now() + SignedDuration::from_secs(seconds)).await?)
    }
}

#[async_trait]
impl Reconciler for Revocations {
    fn name(&self) -> &'static str {
        "revocations"
    }

    async fn tick(&self, now: Timestamp) -> Result<Status, Problem> {
        let due = self.ports.work.due(now).await?;
        let outcomes = futures::future::join_all(due.iter().map(|effort| self.work_on(effort))).await;
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        outcomes.into_iter().collect::<Result<(), Problem>>()?;
        let next = self.ports.work.next().await?;
        Ok(Status { done: u32::try_from(done).unwrap_or(u32::MAX), next })
    }
}
