//! Reading. Everybody who has any part in a role may read its grants: an on-call
//! team that can't see what is open can't close it.

use halligan_core::actor::Human;
use halligan_core::entry::Subject;
use halligan_core::grant::Phase;
use halligan_core::id::{GrantId, PersonId, RoleId};
use halligan_core::incident::IncidentStatus;

use super::Broker;
use super::request::incident_named;
use crate::caller::{Caller, GrantRecord, ListAsk, Me, RoleOffer};
use crate::ports::{Action, Ask, Filter, Page};
use crate::problem::{Problem, ProblemKind};

const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 200;

const OFFERED: [Action; 5] =
    [Action::Request, Action::StartEmergency, Action::Acknowledge, Action::Revoke, Action::Read];

impl Broker {
    /// A grant and its timeline.
    ///
    /// # Errors
    /// There is no such grant, or the caller has no part in its role.
    pub async fn grant(&self, caller: &Caller, grant: &str) -> Result<GrantRecord, Problem> {
        let grant = self.named(caller, Action::Read.as_str(), grant).await?.grant;
        if !self.reads(&caller.human, &grant) {
            let detail = format!("there is no grant `{}`", grant.request.id);
            let problem = Problem::new(ProblemKind::NotFound, detail).in_field("grant");
            return Err(self.refuse_about(caller, Action::Read.as_str(), &grant, problem).await);
        }
        let timeline = self.ports.publish.log.timeline(grant.request.id).await?;
        Ok(GrantRecord { grant, timeline })
    }

    /// A page of grants, newest first, of those that the caller may read.
    ///
    /// # Errors
    /// The question is malformed.
    pub async fn grants(&self, caller: &Caller, ask: ListAsk) -> Result<Page, Problem> {
        let limit = ask.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let filter = match filter(ask) {
            Ok(filter) => filter,
            Err(problem) => {
                return Err(self.refuse(caller, Action::Read.as_str(), Subject::broker("grants"), problem).await);
            }
        };
        let mut page = self.ports.grants.grants(&filter, limit).await?;
        page.grants.retain(|found| self.reads(&caller.human, &found.grant));
        Ok(page)
    }

    /// The roles that the caller has any part in.
    #[must_use]
    pub fn roles(&self, caller: &Caller) -> Vec<RoleOffer> {
        let person = &caller.human.person;
        let offer = |role: &halligan_core::catalogue::Role| {
            let may = |action: &Action| self.ports.authority.decide(&Ask { person, action: *action, role }).allow;
            RoleOffer { role: role.clone(), may: OFFERED.into_iter().filter(may).collect() }
        };
        self.catalogue.roles.values().map(offer).filter(|offer| !offer.may.is_empty()).collect()
    }

    /// What an incident's tool says of it now.
    ///
    /// # Errors
    /// The name is malformed.
    pub async fn incident(&self, caller: &Caller, provider: &str, id: &str) -> Result<IncidentStatus, Problem> {
        match incident_named(&(provider.to_owned(), id.to_owned())) {
            Ok(incident) => Ok(self.ports.incidents.check(&incident).await),
            Err(problem) => {
                Err(self.refuse(caller, Action::Read.as_str(), Subject::broker("incidents"), problem).await)
            }
        }
    }

    /// Where the caller is.
    #[must_use]
    pub fn me(&self) -> Me {
        Me { deployment: self.catalogue.deployment.clone(), incident_providers: self.ports.incidents.providers() }
    }

    fn reads(&self, human: &Human, grant: &halligan_core::grant::Grant) -> bool {
        let person = &human.person;
        let may = |role| self.ports.authority.decide(&Ask { person, action: Action::Read, role }).allow;
        grant.is_requester(person) || self.role_of(grant).is_ok_and(may)
    }
}

fn filter(ask: ListAsk) -> Result<Filter, Problem> {
    let ListAsk { state, target, incident, requester, cursor, limit: _ } = ask;
    let phase = |word: String| {
        Phase::ALL.into_iter().find(|phase| phase.as_str() == word).ok_or_else(|| {
            let words: Vec<&str> = Phase::ALL.iter().map(|phase| phase.as_str()).collect();
            Problem::new(ProblemKind::Invalid, format!("there is no such state: expected one of {}", words.join(", ")))
                .in_field("state")
        })
    };
    let named = |text: String| match text.split_once(':') {
        Some((provider, id)) => incident_named(&(provider.to_owned(), id.to_owned())),
        None => Err(Problem::new(ProblemKind::Invalid, "expected `provider:id`").in_field("incident")),
    };
    Ok(Filter {
        phases: state.map(phase).transpose()?.into_iter().collect(),
        role: target.map(|t| t.parse::<RoleId>()).transpose().map_err(|e| Problem::invalid("target", e))?,
        incident: incident.map(named).transpose()?,
        requester: requester
            .map(|p| p.parse::<PersonId>())
            .transpose()
            .map_err(|e| Problem::invalid("requester", e))?,
        before: cursor.map(|c| c.parse::<GrantId>()).transpose().map_err(|e| Problem::invalid("cursor", e))?,
    })
}
