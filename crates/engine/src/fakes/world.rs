//! A broker over fakes, with its reconcilers, and what a crash leaves of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use halligan_core::actor::Shown;
use halligan_core::catalogue::Catalogue;
use halligan_core::id::PlaceId;
use halligan_log::VerifierKey;
use jiff::SignedDuration;

use super::archive::{FakeArchive, FakeSigner};
use super::aws::FakeAws;
use super::environment::{FakeClock, FakeEntropy};
use super::fixtures;
use super::outside::FakeIncidents;
use super::store::FakeStore;
use crate::access::{Access, AccessInForce};
use crate::broker::{Broker, Ports, Settings};
use crate::caller::Caller;
use crate::identity::{IdentityPorts, IdentitySettings};
use crate::ports::{Archive, Clock as _, IdentityProvider, Notices, Witness};
use crate::problem::Problem;
use crate::publish::{OverrideRules, PublishPorts, PublishSettings};
use crate::rate::Rates;
use crate::reconcile::{
    Deadlines, Housekeeping, IncidentWatch, Personal, Reconciler as _, RevocationPorts, Revocations,
};

/// Everything outside of one broker.
#[derive(Clone)]
#[expect(missing_docs, reason = "each fake is documented where it is defined")]
pub struct FakeWorld {
    pub clock: Arc<FakeClock>,
    pub entropy: Arc<FakeEntropy>,
    pub store: Arc<FakeStore>,
    pub archive: Arc<FakeArchive>,
    pub more_archives: Vec<Arc<FakeArchive>>,
    pub signer: Arc<FakeSigner>,
    /// Keys that signed before.
    pub former: Vec<VerifierKey>,
    pub witnesses: Vec<Arc<dyn Witness>>,
    /// How many archives must confirm.
    pub confirmations: usize,
    pub overrides: OverrideRules,
    pub incidents: Arc<FakeIncidents>,
    pub aws: FakeAws,
    pub access: Arc<AccessInForce>,
    /// Who people sign in with, by name.
    pub providers: BTreeMap<PlaceId, Arc<dyn IdentityProvider>>,
    pub notices: Option<Arc<dyn Notices>>,
    pub rates: Rates,
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
    pub fn new(access: Access) -> Self {
        let clock = Arc::new(FakeClock::at(fixtures::start()));
        let incidents = Arc::new(FakeIncidents::default());
        incidents.open(fixtures::incident("INC-219"));
        Self {
            aws: FakeAws::new(clock.clone()),
            clock,
            entropy: Arc::default(),
            store: Arc::new(FakeStore::new()),
            archive: Arc::default(),
            more_archives: Vec::new(),
            signer: Arc::new(FakeSigner::seeded(1)),
            former: Vec::new(),
            witnesses: Vec::new(),
            confirmations: 1,
            overrides: OverrideRules::default(),
            incidents,
            access: Arc::new(AccessInForce::new(access)),
            providers: BTreeMap::new(),
            notices: None,
            rates: MANY,
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
            idempotency: self.store.clone(),
            publish: self.publish_ports(),
            access: self.access.clone(),
            identity: self.identity_ports(),
            incidents: self.incidents.clone(),
            minter: aws.clone(),
            console: Some(aws.clone()),
            clock_offset: aws.clone(),
        };
        let publish = self.publish_settings(replica);
        let settings = Settings {
            publish,
            log_wait: SignedDuration::from_secs(2),
            mints_per_minute: 30,
            identity: identity_settings(),
            rates: self.rates,
        };
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
        let personal = Personal { places: vec![self.store.clone()], kept: SignedDuration::from_hours(400 * 24) };
        Running {
            deadlines: Deadlines::new(broker.clone()),
            revocations: Revocations::new(broker.clone(), ports, replica.to_owned()),
            housekeeping: Housekeeping::new(broker.clone(), self.store.clone(), self.store.clone(), personal),
            incidents: IncidentWatch::new(broker.clone(), self.store.clone()),
            clock: self.clock.clone(),
            broker,
        }
    }
}

/// More than any test asks for.
pub const MANY: Rates = Rates {
    requests_per_person: 10_000,
    requests_per_incident: 10_000,
    requests_per_address: 10_000,
    refused_acknowledgements: 10_000,
    incident_reads: 10_000,
};

/// How people come in at `https://halligan.example.com`.
#[must_use]
pub fn identity_settings() -> IdentitySettings {
    IdentitySettings {
        public_url: "https://halligan.example.com".to_owned(),
        rp_id: Some("halligan.example.com".to_owned()),
        groups_kept: SignedDuration::from_hours(12),
        session_idle: SignedDuration::from_hours(1),
        session_max: SignedDuration::from_hours(12),
        enrolment_wait: SignedDuration::from_hours(24),
        enrol_within: SignedDuration::from_mins(15),
        enrol_after_sign_in: false,
        sign_ins_per_minute: 30,
    }
}

impl FakeWorld {
    fn identity_ports(&self) -> IdentityPorts {
        IdentityPorts {
            sessions: self.store.clone(),
            sign_outs: self.store.clone(),
            ceremonies: self.store.clone(),
            groups: self.store.clone(),
            passkeys: self.store.clone(),
            providers: self.providers.clone(),
            notices: self.notices.clone(),
        }
    }

    /// What the publisher of `replica` is told.
    #[must_use]
    pub fn publish_settings(&self, replica: &str) -> PublishSettings {
        PublishSettings {
            deployment: self.catalogue.deployment.clone(),
            replica: replica.to_owned(),
            shared: true,
            confirmations: self.confirmations,
            cosignatures: self.witnesses.len(),
            heartbeat: SignedDuration::from_mins(10),
            former: self.former.clone(),
            overrides: self.overrides.clone(),
        }
    }

    /// What a publisher needs.
    #[must_use]
    pub fn publish_ports(&self) -> PublishPorts {
        let archives = std::iter::once(&self.archive).chain(&self.more_archives);
        PublishPorts {
            log: self.store.clone(),
            restore: self.store.clone(),
            leases: self.store.clone(),
            facts: self.store.clone(),
            cursors: self.store.clone(),
            passkeys: self.store.clone(),
            archives: archives.map(|archive| archive.clone() as Arc<dyn Archive>).collect(),
            signer: self.signer.clone(),
            witnesses: self.witnesses.clone(),
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
        // What publishing finds is an entry too.
        for _ in 0..5 {
            drop(self.broker.publisher().publish().await);
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Somebody calling.
#[must_use]
pub fn caller(name: &str) -> Caller {
    Caller {
        party: fixtures::human(name).into(),
        shown: Shown::default(),
        method: None,
        provider_proof_age: Some(SignedDuration::ZERO),
        address: None,
        idempotency: None,
    }
}
