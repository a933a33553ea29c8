//! The conditions of promise P1, checked at each step that needs them. All fail closed.

use std::sync::PoisonError;

use halligan_core::actor::{Actor, Human, Party};
use halligan_core::catalogue::Role;
use halligan_core::grant::{Activation, Command, Grant, Phase, Resolved, Standing};
use halligan_core::id::PersonId;
use halligan_core::incident::{IncidentRef, IncidentStatus, OpenIncident};
use jiff::SignedDuration;

use super::Broker;
use crate::access::{Asker, Matter, Occasion};
use crate::ports::{Action, Filter};
use crate::problem::{Problem, ProblemKind};

const PAGE: u32 = 50;
/// So many incidents are remembered as they were last seen.
const SEEN_MAX: usize = 1_000;
/// How many grants of one person may wait or be active at a time.
const OPEN_GRANTS_MAX: u32 = 10;

impl Broker {
    /// The policy permits this; returns the rules that do.
    pub(super) async fn permitted(
        &self,
        asker: Asker<'_>,
        action: Action,
        role: &Role,
        occasion: Occasion<'_>,
    ) -> Result<Vec<String>, Problem> {
        self.judge.permits(asker, action, Matter::Role(role), occasion).await
    }

    /// What the tool says of an incident that is open, by its own word; none where it doesn't
    /// answer: then the policy decides.
    pub(super) async fn incident_is_open(&self, incident: &IncidentRef) -> Result<Asked, Problem> {
        match self.ports.incidents.check(incident).await {
            IncidentStatus::Open(open) => Ok(self.seen_open(incident, open)),
            IncidentStatus::Closed { known: true } => Err(closed(incident)),
            IncidentStatus::Closed { known: false } => {
                let detail = format!(
                    "there is no incident `{}` at `{}`: name one that is open there",
                    incident.id, incident.provider
                );
                Err(Problem::new(ProblemKind::IncidentClosed, detail).in_field("incident"))
            }
            IncidentStatus::Unknown { reason } => Ok(Asked { open: None, unknown: Some(reason) }),
        }
    }

    /// As [`Broker::incident_is_open`], under a grant that exists: a closed
    /// incident ends it. One that the tool has lost is no closed one: the record
    /// says that it was there.
    pub(crate) async fn incident_still_open(&self, grant: &Grant) -> Result<Asked, Problem> {
        let incident = &grant.request.incident;
        match self.ports.incidents.check(incident).await {
            IncidentStatus::Open(open) => Ok(self.seen_open(incident, open)),
            IncidentStatus::Closed { known: true } => {
                if let Err(error) = self.command(&Actor::SYSTEM, grant.request.id, None, Command::CloseIncident).await {
                    // It was over already, or the store is down and the next check ends it.
                    tracing::info!(grant = %grant.request.id, %error, "a closed incident's grant could not be ended here");
                }
                Err(closed(incident))
            }
            IncidentStatus::Closed { known: false } => {
                Ok(Asked { open: None, unknown: Some("its tool no longer has it".to_owned()) })
            }
            IncidentStatus::Unknown { reason } => Ok(Asked { open: None, unknown: Some(reason) }),
        }
    }

    fn seen_open(&self, incident: &IncidentRef, open: OpenIncident) -> Asked {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_MAX && !seen.contains_key(incident) {
            seen.clear();
        }
        seen.insert(incident.clone(), open.clone());
        Asked { open: Some(open), unknown: None }
    }

    /// What was last seen of an incident whose tool doesn't answer now: under an active
    /// grant the last word that was heard, open, is enough.
    pub(super) fn last_seen(&self, incident: &IncidentRef) -> OpenIncident {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(incident).cloned().unwrap_or_default()
    }

    /// The catalogue still means what the request's hash says.
    pub(super) fn catalogue_unchanged(&self, grant: &Grant) -> Result<&Role, Problem> {
        let role = self.role_of(grant)?;
        let request = &grant.request;
        let now = Resolved::of(role, &request.resolved.scope);
        if now.as_ref() == Some(&request.resolved) && self.catalogue.deployment == request.deployment {
            return Ok(role);
        }
        let detail = format!(
            "the role `{}` or its scope `{}` has changed since it was asked for: ask again",
            role.id, request.resolved.scope
        );
        Err(Problem::new(ProblemKind::CatalogueChanged, detail))
    }

    /// Whoever asked for the grant still may, by what they had shown then; returns the rules.
    pub(super) async fn requester_still_may(
        &self,
        grant: &Grant,
        role: &Role,
        incident: Option<&OpenIncident>,
    ) -> Result<Vec<String>, Problem> {
        let requester = Asker::new(&grant.request.requester, grant.shown);
        let about = Occasion { duration: Some(grant.request.duration), ..about(grant, incident) };
        self.permitted(requester, Action::Request, role, about).await
    }

    /// Everybody who acknowledged the grant, or a later end of it, still may, by what they had shown then; returns the rules.
    pub(super) async fn acknowledgers_still_may(
        &self,
        grant: &Grant,
        role: &Role,
        incident: Option<&OpenIncident>,
    ) -> Result<Vec<String>, Problem> {
        let mut rules = Vec::new();
        for (acknowledged, to) in grant.rests_on() {
            let party = acknowledged.by.clone().into();
            let other = acknowledger_beside(grant, &acknowledged.by.person);
            let (signed, duration) = (acknowledged.signed, Some(to));
            let about = Occasion { signed, acknowledger: other, duration, ..about(grant, incident) };
            rules.extend(
                self.permitted(Asker::new(&party, acknowledged.shown), Action::Acknowledge, role, about).await?,
            );
        }
        match grant.activation().map(|activation| &activation.standing) {
            Some(Standing::Unacknowledged { .. }) => {
                let requester = Asker::new(&grant.request.requester, grant.shown);
                rules.extend(self.permitted(requester, Action::StartEmergency, role, about(grant, incident)).await?);
            }
            Some(Standing::Acknowledged(_)) | None => {}
        }
        Ok(rules)
    }

    /// An emergency start stands alone: who has one that nobody acknowledged, on
    /// this occasion, can't go on alone by starting again.
    pub(super) async fn emergency_is_the_first(
        &self,
        by: &Party,
        role: &Role,
        incident: &IncidentRef,
    ) -> Result<(), Problem> {
        let mut filter = Filter {
            role: Some(role.id.clone()),
            incident: Some(incident.clone()),
            requester: Some(by.name()),
            ..Filter::default()
        };
        loop {
            let page = self.ports.grants.grants(&filter, PAGE).await?;
            let alone = |grant: &Grant| {
                grant
                    .activation()
                    .is_some_and(|activation| matches!(activation.standing, Standing::Unacknowledged { .. }))
            };
            if let Some(found) = page.grants.iter().find(|found| alone(&found.grant)) {
                let detail = format!(
                    "the emergency start {} on this role and incident was never acknowledged: ask without one, or have it acknowledged",
                    found.grant.request.id
                );
                return Err(Problem::new(ProblemKind::NotAcknowledged, detail).in_field("emergency"));
            }
            match page.next {
                Some(next) => filter.before = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// One person can't use up what all share.
    pub(super) async fn has_few_open(&self, by: &Party) -> Result<(), Problem> {
        let filter =
            Filter { phases: vec![Phase::Pending, Phase::Active], requester: Some(by.name()), ..Filter::default() };
        if self.ports.grants.grants(&filter, OPEN_GRANTS_MAX).await?.next.is_none() {
            return Ok(());
        }
        let detail =
            format!("`{}` has {OPEN_GRANTS_MAX} or more open grants: withdraw or return one first", by.as_str());
        Err(Problem::new(ProblemKind::RateLimited, detail).retry_after(60))
    }

    /// There is room for one more active grant in the role's revocation policy.
    pub(super) async fn role_has_room(&self, role: &Role) -> Result<(), Problem> {
        let max = halligan_core::iam::revocation::ACTIVE_GRANTS_MAX;
        let filter = Filter { phases: vec![Phase::Active], role: Some(role.id.clone()), ..Filter::default() };
        let limit = u32::try_from(max).unwrap_or(u32::MAX);
        if self.ports.grants.grants(&filter, limit).await?.grants.len() < max {
            return Ok(());
        }
        let detail = format!(
            "the role `{}` has {max} active grants, as many as its revocation policy can tell apart: end one first",
            role.id
        );
        Err(Problem::new(ProblemKind::RoleAtCapacity, detail))
    }
}

/// Where a request needs two people: the one of them that isn't this one, if they have said yes.
pub(super) fn acknowledger_beside<'a>(grant: &'a Grant, person: &PersonId) -> Option<&'a Human> {
    let mut others = grant.acknowledged().map(|acknowledged| &acknowledged.by);
    others.find(|by| grant.request.acknowledgements() > 1 && by.person != *person)
}

/// The rules of several decisions that one step rests on, each once, as they fit into an entry.
pub(super) fn together(decisions: impl IntoIterator<Item = Vec<String>>) -> Vec<String> {
    let mut rules: Vec<String> = Vec::new();
    for rule in decisions.into_iter().flatten() {
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    halligan_core::event::bounded_rules(rules)
}

/// How long a grant comes to with so much more: what policies know as its duration, at each step.
pub(super) fn comes_to(grant: &Grant, more: SignedDuration) -> SignedDuration {
    grant.activation().map_or(grant.request.duration, Activation::length).saturating_add(more)
}

/// What is known of a grant's occasion.
pub(super) fn about<'a>(grant: &'a Grant, incident: Option<&'a OpenIncident>) -> Occasion<'a> {
    let request = &grant.request;
    Occasion {
        incident: Some((&request.incident, incident)),
        scope: Some(&request.resolved.scope),
        duration: Some(comes_to(grant, SignedDuration::ZERO)),
        emergency: Some(request.emergency),
        requester: Some(&request.requester),
        ..Occasion::default()
    }
}

fn closed(incident: &IncidentRef) -> Problem {
    let detail = format!("the incident `{incident}` is closed: name one that is open");
    Problem::new(ProblemKind::IncidentClosed, detail).in_field("incident")
}

/// What an incident's tool was asked, and said.
pub(crate) struct Asked {
    /// It is open.
    pub open: Option<OpenIncident>,
    /// Why nobody knows.
    unknown: Option<String>,
}

impl Asked {
    /// Whether the tool gave no usable answer.
    pub const fn is_unknown(&self) -> bool {
        self.unknown.is_some()
    }

    /// What the policy decided, about an incident of which this is known. Where nobody knows
    /// whether it is open, that is what the refused are told.
    pub fn decided<T>(&self, incident: &IncidentRef, decision: Result<T, Problem>) -> Result<T, Problem> {
        let Some(reason) = &self.unknown else { return decision };
        match decision {
            Ok(permitted) => {
                tracing::error!(alarm = "incident.unknown", %incident, reason, "the policy lets pass what names an incident that nobody knows to be open");
                Ok(permitted)
            }
            Err(problem) if problem.kind == ProblemKind::NotPermitted => {
                let Problem { rules, unmet, .. } = problem;
                let detail = format!("nobody knows whether the incident `{incident}` is open: {reason}");
                let problem = Problem::new(ProblemKind::IncidentUnknown, detail).in_field("incident");
                Err(problem.unmet(unmet).by(rules, Vec::new()).retry_after(5))
            }
            Err(problem) => Err(problem),
        }
    }
}
