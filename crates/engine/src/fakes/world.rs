//! A broker over fakes, with its reconcilers, and what a crash leaves of it.

use std::sync::Arc;

use halligan_core::catalogue::Catalogue;
use jiff::SignedDuration;

use super::aws::FakeAws;
use super::environment::{FakeClock, FakeEntropy};
use super::fixtures;
use super::outside::{FakeIncidents, FakeSink};
use super::store::FakeStore;
use crate::broker::{Broker, Ports, Settings};
use crate::caller::Caller;
use crate::ports::{Authority, Clock as _};
use crate::problem::Problem;
use crate::reconcile::{Deadlines, Housekeeping, IncidentWatch, Reconciler as _, RevocationPorts, Revocations};

/// Everything outside of one broker.
#[derive(Clone)]
#[expect(missing_docs, reason = "each fake is documented where it is defined")]
pub struct FakeWorld {
    pub clock: Arc<FakeClock>,
    pub entropy: Arc<FakeEntropy>,
    pub store: Arc<FakeStore>,
    pub sink: Arc<FakeSink>,
    pub incidents: Arc<FakeIncidents>,
    pub aws: FakeAws,
    pub authority: Arc<dyn Authority>,
    pub catalogue: Arc<Catalogue>,
}

/// A broker with its reconcilers. Dropping it is a crash.
#[expect(missing_docs, reason = "each part is documented where it is defined")]
pub struct Running {
    pub broker: Arc<Broker>,
    pub deadlines: Deadlines,
    pub revocations: Revocations,
    pub housekeeping: Housekeeping,
    pub incidents: IncidentWatch,
    clock: Arc<FakeClock>,
}

impl FakeWorld {
    /// The catalogue of the fixtures, its incident open.
    #[must_use]
    pub fn new(authority: Arc<dyn Authority>) -> Self {
        let clock = Arc::new(FakeClock::at(fixtures::start()));
        let incidents = Arc::new(FakeIncidents::default());
        incidents.open(fixtures::incident("INC-219"));
        Self {
            aws: FakeAws::new(clock.clone()),
            clock,
            entropy: Arc::default(),
            store: Arc::new(FakeStore::new()),
            sink: Arc::default(),
            incidents,
            authority,
            catalogue: Arc::new(fixtures::catalogue()),
        }
    }

    /// Starts a broker over this world: the first one, or the next after a crash.
    #[must_use]
    pub fn start(&self) -> Running {
        self.start_as("one")
    }

    /// Starts the broker of another replica.
    #[must_use]
    pub fn start_as(&self, replica: &str) -> Running {
        let aws = Arc::new(self.aws.clone());
        let ports = Ports {
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            grants: self.store.clone(),
            queue: self.store.clone(),
            idempotency: self.store.clone(),
            sink: self.sink.clone(),
            authority: self.authority.clone(),
            incidents: self.incidents.clone(),
            minter: aws.clone(),
            console: Some(aws.clone()),
            clock_offset: aws.clone(),
        };
        let settings = Settings { log_wait: SignedDuration::from_secs(2), mints_per_minute: 30 };
        let broker = Arc::new(Broker::new(self.catalogue.clone(), ports, settings));
        let ports = RevocationPorts {
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            grants: self.store.clone(),
            work: self.store.clone(),
            leases: self.store.clone(),
            ledger: self.store.clone(),
            policies: aws.clone(),
            probes: aws,
        };
        Running {
            deadlines: Deadlines::new(broker.clone()),
            revocations: Revocations::new(broker.clone(), ports, replica.to_owned()),
            housekeeping: Housekeeping::new(broker.clone(), self.store.clone(), self.store.clone()),
            incidents: IncidentWatch::new(broker.clone(), self.store.clone()),
            clock: self.clock.clone(),
            broker,
        }
    }
}

impl Running {
    /// Looks at every role again, as after a restart, and settles.
    ///
    /// # Errors
    /// What a reconciler could not do.
    pub async fn housekeeping_now(&self) -> Result<(), Problem> {
        self.clock.advance(jiff::SignedDuration::from_mins(11));
        self.settle().await
    }

    /// Runs every reconciler until nothing is due.
    ///
    /// # Errors
    /// What a reconciler could not do.
    pub async fn settle(&self) -> Result<(), Problem> {
        for _ in 0..10 {
            let now = self.clock.now();
            self.housekeeping.tick(now).await?;
            self.incidents.tick(now).await?;
            let ended = self.deadlines.tick(now).await?.done;
            let worked = self.revocations.tick(now).await?.done;
            self.revocations.observed().await;
            if ended + worked == 0 {
                break;
            }
        }
        drop(self.broker.publisher().publish().await);
        Ok(())
    }
}

/// Somebody calling.
#[must_use]
pub fn caller(name: &str) -> Caller {
    Caller { human: fixtures::human(name), address: None, idempotency: None }
}
