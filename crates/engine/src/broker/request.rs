//! Asking for access.

use halligan_core::catalogue::{Role, Target};
use halligan_core::entry::Subject;
use halligan_core::grant::{Grant, Limits, Opening, Request, Resolved};
use halligan_core::id::{GrantId, Nonce, ProviderId, RoleId, ScopeId};
use halligan_core::incident::{IncidentId, IncidentRef};
use halligan_core::text::Reason;
use jiff::SignedDuration;

use super::Broker;
use super::conditions::together;
use super::step::answers;
use crate::access::Occasion;
use crate::caller::{Caller, RequestAsk};
use crate::ports::{Action, StoreError};
use crate::problem::{Problem, ProblemKind};

impl Broker {
    /// Asks for a grant: pending, or active at once on an emergency start.
    ///
    /// # Errors
    /// Which condition is missing. A refusal is recorded and changes nothing.
    pub async fn request(&self, caller: &Caller, ask: RequestAsk) -> Result<Grant, Problem> {
        let subject = ask.target.parse::<RoleId>().map(Target::role);
        match self.once(caller, self.open(caller, ask)).await {
            Ok(grant) => Ok(grant),
            Err(problem) => {
                let subject = subject.map_or_else(|_| Subject::broker("catalogue"), |target| Subject::target(&target));
                Err(self.refuse(caller, Action::Request.as_str(), subject, problem).await)
            }
        }
    }

    async fn open(&self, caller: &Caller, ask: RequestAsk) -> Result<Grant, Problem> {
        let (role, resolved) = self.resolve(&ask)?;
        let reason = Reason::try_from(ask.reason)?;
        let duration = duration_within(ask.duration_seconds, role)?;
        let incident = incident_named(&ask.incident)?;
        self.asking.request(caller, self.ports.clock.now())?;
        let asked = self.incident_is_open(&incident).await?;
        let about = Occasion {
            incident: Some((&incident, asked.open.as_ref())),
            scope: Some(&resolved.scope),
            duration: Some(duration),
            emergency: Some(ask.emergency),
            requester: Some(&caller.party),
            ..Occasion::default()
        };
        let permitted = self.permitted(caller.asker(), Action::Request, role, about).await;
        let mut rules = vec![asked.decided(&incident, permitted)?];
        let limits = if ask.emergency {
            caller.human("start before the acknowledgement")?;
            let permitted = self.permitted(caller.asker(), Action::StartEmergency, role, about).await;
            rules.push(asked.decided(&incident, permitted)?);
            emergency_limits(role)?
        } else {
            limits(role, SignedDuration::ZERO)
        };
        self.has_few_open(&caller.party).await?;
        self.asking.about(&incident, self.ports.clock.now())?;
        if ask.emergency {
            // The clock that starts here decides when the access ends.
            self.time_can_be_told().await?;
            self.emergency_is_the_first(&caller.party, role, &incident).await?;
            self.role_has_room(role).await?;
        }
        let now = self.ports.clock.now();
        let request = Request {
            deployment: self.catalogue.deployment.clone(),
            id: GrantId::new(self.ports.entropy.uuid_v7(now)),
            nonce: Nonce(self.ports.entropy.bytes()),
            requester: caller.party.clone(),
            target: Target::role(role.id.clone()),
            resolved,
            incident,
            reason,
            duration,
            emergency: ask.emergency,
        };
        let transition = Opening {
            request,
            limits,
            rules: together(rules),
            shown: caller.shown,
            incident_unknown: asked.is_unknown(),
        }
        .open(now);
        match self.commit_transition(&caller.actor(), transition, None, answers(caller), now).await {
            Ok((grant, _)) => Ok(grant),
            Err(StoreError::Conflict) => {
                Err(Problem::new(ProblemKind::Internal, "a new grant's id was taken: try again"))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn resolve(&self, ask: &RequestAsk) -> Result<(&Role, Resolved), Problem> {
        let role = ask.target.parse::<RoleId>().ok().and_then(|id| self.catalogue.roles.get(&id));
        let role = role.ok_or_else(|| {
            let roles: Vec<&str> = self.catalogue.roles.keys().map(RoleId::as_str).collect();
            Problem::new(
                ProblemKind::UnknownRole,
                format!("the catalogue has no such role: expected one of {}", roles.join(", ")),
            )
            .in_field("target")
        })?;
        let scope = ask.scope.as_ref().map_or_else(|| Ok(role.default_scope.clone()), |scope| scope.parse::<ScopeId>());
        let resolved = scope.ok().and_then(|scope| Resolved::of(role, &scope)).ok_or_else(|| {
            let scopes: Vec<&str> = role.scopes.keys().map(ScopeId::as_str).collect();
            let detail = format!("the role `{}` has no such scope: expected one of {}", role.id, scopes.join(", "));
            Problem::new(ProblemKind::UnknownScope, detail).in_field("scope")
        })?;
        Ok((role, resolved))
    }
}

fn duration_within(seconds: i64, role: &Role) -> Result<SignedDuration, Problem> {
    let max = role.duration_max.as_secs();
    if (1..=max).contains(&seconds) {
        return Ok(SignedDuration::from_secs(seconds));
    }
    let detail =
        format!("a duration of {seconds} s can't be asked for: expected 1 to {max} s on the role `{}`", role.id);
    Err(Problem::new(ProblemKind::Duration, detail).in_field("duration_seconds"))
}

pub(super) fn incident_named((provider, id): &(String, String)) -> Result<IncidentRef, Problem> {
    let provider: ProviderId = provider.parse().map_err(|error| Problem::invalid("incident.provider", error))?;
    let id = IncidentId::try_from(id.clone()).map_err(|error| Problem::invalid("incident.id", error))?;
    Ok(IncidentRef { provider, id })
}

fn limits(role: &Role, emergency_acknowledge_within: SignedDuration) -> Limits {
    Limits { acknowledge_within: role.acknowledge_within, emergency_acknowledge_within, total_max: role.total_max }
}

fn emergency_limits(role: &Role) -> Result<Limits, Problem> {
    match role.emergency_acknowledge_within {
        Some(within) => Ok(limits(role, within)),
        None => {
            let detail = format!("the role `{}` has no emergency start: ask without it", role.id);
            Err(Problem::new(ProblemKind::NotPermitted, detail).in_field("emergency"))
        }
    }
}
