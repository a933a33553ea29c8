//! The use cases, one file each. A use case checks the conditions, lets the
//! lifecycle decide, and commits; what is left to do outside is work for the
//! reconcilers.

mod answer;
mod conditions;
mod end;
mod enter;
mod extend;
mod log;
mod mint;
mod people;
mod read;
mod request;
mod step;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use halligan_core::catalogue::{Catalogue, Role};
use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::{Grant, Phase};
use halligan_core::id::GrantId;
use halligan_core::incident::{IncidentRef, OpenIncident};
use jiff::SignedDuration;

use crate::access::{AccessInForce, Judge};
use crate::caller::Caller;
use crate::identity::{Identity, IdentityPorts, IdentitySettings};
use crate::ports::{
    Clock, ClockOffset, Console, DueGrant, Entropy, Filter, GrantStore, IdempotencyStore, Incidents, Minter, Versioned,
};
use crate::problem::{Problem, ProblemKind};
use crate::publish::{Overrides, PublishPorts, PublishSettings, Publisher};
use crate::rate::{Asking, Rate, Rates};
use crate::recorder::Recorder;
use crate::refusals::Tried;
use crate::skew::SkewGuard;
use crate::wake::Wake;

const ORPHANS_PAGE: u32 = 200;
/// No grant that was asked for longer ago has a token that lives.
const LIFE_MAX: SignedDuration = SignedDuration::from_hours(72);

/// Everything outside that the use cases need.
#[derive(Clone)]
#[expect(missing_docs, reason = "each port is documented where it is defined")]
pub struct Ports {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub grants: Arc<dyn GrantStore>,
    pub idempotency: Arc<dyn IdempotencyStore>,
    pub publish: PublishPorts,
    pub access: Arc<AccessInForce>,
    pub identity: IdentityPorts,
    pub incidents: Arc<dyn Incidents>,
    pub minter: Arc<dyn Minter>,
    /// None where no role of the catalogue has a console.
    pub console: Option<Arc<dyn Console>>,
    pub clock_offset: Arc<dyn ClockOffset>,
}

/// What the configuration says about the use cases.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How entries become durable.
    pub publish: PublishSettings,
    /// How long a mint waits for its record to be durable.
    pub log_wait: SignedDuration,
    /// How many mints a grant may have a minute.
    pub mints_per_minute: u32,
    /// How people come in.
    pub identity: IdentitySettings,
    /// How often somebody may ask.
    pub rates: Rates,
}

/// The broker: every use case is a method.
pub struct Broker {
    catalogue: Arc<Catalogue>,
    ports: Ports,
    settings: Settings,
    recorder: Arc<Recorder>,
    publisher: Publisher,
    overrides: Arc<Overrides>,
    skew: Arc<SkewGuard>,
    wake: Arc<Wake>,
    mint_rate: Rate<GrantId>,
    asking: Asking,
    seen: Mutex<HashMap<IncidentRef, OpenIncident>>,
    judge: Arc<Judge>,
    identity: Identity,
}

impl Broker {
    /// A broker over these ports. It serves nothing and works on nothing by itself.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>, ports: Ports, settings: Settings) -> Self {
        let wake = Arc::new(Wake::default());
        let recorder =
            Arc::new(Recorder::new(ports.grants.clone(), ports.clock.clone(), ports.entropy.clone(), wake.clone()));
        let publisher =
            Publisher::new(ports.publish.clone(), settings.publish.clone(), ports.clock.clone(), recorder.clone());
        let PublishPorts { facts, cursors, .. } = ports.publish.clone();
        let rules = settings.publish.overrides.clone();
        let overrides = Arc::new(Overrides::new(rules, facts, cursors, recorder.clone()));
        let skew = Arc::new(SkewGuard::new(ports.clock_offset.clone(), recorder.clone()));
        let mint_rate = Rate::new(settings.mints_per_minute, SignedDuration::from_mins(1));
        let asking = Asking::new(&settings.rates);
        let judge = Arc::new(Judge::new(
            ports.access.clone(),
            ports.identity.passkeys.clone(),
            ports.identity.groups.clone(),
            settings.identity.groups_kept,
            ports.clock.clone(),
            recorder.clone(),
        ));
        let (clock, entropy) = (ports.clock.clone(), ports.entropy.clone());
        let identity = Identity::new(
            ports.identity.clone(),
            settings.identity.clone(),
            judge.clone(),
            recorder.clone(),
            clock,
            entropy,
        );
        Self {
            catalogue,
            ports,
            settings,
            recorder,
            publisher,
            overrides,
            skew,
            wake,
            mint_rate,
            asking,
            seen: Mutex::default(),
            judge,
            identity,
        }
    }

    /// What commits wake.
    #[must_use]
    pub const fn wake(&self) -> &Arc<Wake> {
        &self.wake
    }

    /// What makes entries.
    #[must_use]
    pub const fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// What makes entries durable.
    #[must_use]
    pub const fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// The way round when no archive can be reached.
    #[must_use]
    pub const fn overrides(&self) -> &Arc<Overrides> {
        &self.overrides
    }

    /// Who may do what.
    #[must_use]
    pub const fn judge(&self) -> &Arc<Judge> {
        &self.judge
    }

    /// How people come in.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What watches the clock.
    #[must_use]
    pub const fn skew(&self) -> &Arc<SkewGuard> {
        &self.skew
    }

    /// What can be asked for.
    #[must_use]
    pub const fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Records that the broker started, with which configuration.
    pub async fn started(&self, version: &str, configuration_sha256: &str) {
        let (version, configuration_sha256) = (version.to_owned(), configuration_sha256.to_owned());
        let event = Event::BrokerStarted { version, configuration_sha256 };
        self.recorder
            .record(halligan_core::actor::Actor::SYSTEM, Subject::broker("process"), Recorded::plain(event))
            .await;
    }

    /// Whether this replica can do its work: the store answers, and the log takes entries.
    ///
    /// # Errors
    /// What it can't.
    pub async fn ready(&self) -> Result<(), Problem> {
        self.ports.publish.log.head().await?;
        match self.publisher.failure() {
            None => self.serving().await,
            Some(failure) => Err(Problem::new(ProblemKind::LogNotDurable, failure)),
        }
    }

    /// Grants that aren't over and that the catalogue can't end any more: their role
    /// is gone from it, or has become another IAM role.
    ///
    /// # Errors
    /// The store doesn't answer.
    pub async fn orphans(&self) -> Result<Vec<String>, Problem> {
        let now = self.ports.clock.now();
        let phases = vec![Phase::Pending, Phase::Active, Phase::Revoked, Phase::Returned];
        let mut filter = Filter { phases, ..Filter::default() };
        let mut orphans = Vec::new();
        loop {
            let page = self.ports.grants.grants(&filter, ORPHANS_PAGE).await?;
            filter.before = page.next;
            let recent = |grant: &Grant| now.duration_since(grant.requested_at) < LIFE_MAX;
            let goes_on = page.grants.iter().any(|found| recent(&found.grant));
            for found in page.grants.iter().filter(|found| found.grant.is_unfinished(now)) {
                let request = &found.grant.request;
                if self.catalogue.roles.get(&request.target.id).is_none_or(|role| role.arn != request.resolved.role_arn)
                {
                    orphans.push(format!("{} ({}, {})", request.id, request.target.id, request.resolved.role_arn));
                }
            }
            if filter.before.is_none() || !goes_on {
                return Ok(orphans);
            }
        }
    }

    /// Records a refusal and gives it back, ready to be answered.
    pub async fn refuse(&self, caller: &Caller, action: &str, subject: Subject, problem: Problem) -> Problem {
        self.recorder.refuse(Tried::by(caller, action, subject), problem).await
    }

    /// Counts the refusal of somebody who isn't known, and gives it back.
    #[must_use]
    pub fn refuse_stranger(&self, problem: Problem) -> Problem {
        self.recorder.refuse_stranger(problem)
    }

    /// As [`Broker::refuse`], about a grant.
    async fn refuse_about(&self, caller: &Caller, action: &str, grant: &Grant, problem: Problem) -> Problem {
        self.recorder.refuse(Tried::about(caller, action, grant), problem).await
    }

    /// The grant that `text` names.
    async fn named(&self, caller: &Caller, action: &str, text: &str) -> Result<Versioned, Problem> {
        let found = match text.parse::<GrantId>() {
            Err(error) => Err(Problem::invalid("grant", error)),
            Ok(id) => match self.ports.grants.grant(id).await? {
                Some(found) => Ok(found),
                None => Err(Problem::new(ProblemKind::NotFound, format!("there is no grant `{id}`")).in_field("grant")),
            },
        };
        match found {
            Ok(found) => Ok(found),
            Err(problem) => Err(self.refuse(caller, action, Subject::broker("grants"), problem).await),
        }
    }

    /// The grants whose deadlines come next.
    pub(crate) async fn next_due(&self, limit: u32) -> Result<Vec<DueGrant>, Problem> {
        Ok(self.ports.grants.next_due(limit).await?)
    }

    /// The grant of this id, for the reconcilers.
    pub(crate) async fn grant_by_id(&self, id: GrantId) -> Result<Option<Versioned>, Problem> {
        Ok(self.ports.grants.grant(id).await?)
    }

    /// The catalogue's entry for a grant, as it is now.
    fn role_of(&self, grant: &Grant) -> Result<&Role, Problem> {
        let id = &grant.request.target.id;
        self.catalogue.roles.get(id).ok_or_else(|| {
            Problem::new(ProblemKind::CatalogueChanged, format!("the catalogue no longer has the role `{id}`"))
        })
    }
}
