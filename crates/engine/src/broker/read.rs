//! Reading. Everybody who has any part in a role may read its grants: an on-call
//! team that can't see what is open can't close it.

use std::collections::BTreeMap;

use halligan_core::entry::Subject;
use halligan_core::grant::{Grant, Phase, Request};
use halligan_core::id::{GrantId, PartyName, RoleId};
use halligan_core::incident::IncidentStatus;

use super::Broker;
use super::request::incident_named;
use crate::caller::{Caller, GrantRecord, ListAsk, Me, RoleOffer};
use crate::ports::{Action, Filter, Page};
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
        if !self.reads(caller, &grant).await? {
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
        let mut readable = BTreeMap::new();
        for found in &page.grants {
            let role = &found.grant.request.target.id;
            if !readable.contains_key(role) {
                readable.insert(role.clone(), self.reads_role(caller, role).await?);
            }
        }
        page.grants.retain(|found| {
            let Request { requester, target, .. } = &*found.grant.request;
            requester.is(&caller.party) || readable.get(&target.id).copied().unwrap_or_default()
        });
        Ok(page)
    }

    /// The roles that the caller has any part in.
    ///
    /// # Errors
    /// The store doesn't answer.
    pub async fn roles(&self, caller: &Caller) -> Result<Vec<RoleOffer>, Problem> {
        let mut offers = Vec::new();
        for role in self.catalogue.roles.values() {
            let may = self.judge.permitted(caller.asker(), &OFFERED, role).await?;
            if !may.is_empty() {
                offers.push(RoleOffer { role: role.clone(), may });
            }
        }
        Ok(offers)
    }

    /// What an incident's tool says of it now, for whoever may read or ask for any role.
    ///
    /// # Errors
    /// The caller may do neither, or asked too often; or the name is malformed.
    pub async fn incident(&self, caller: &Caller, provider: &str, id: &str) -> Result<IncidentStatus, Problem> {
        let named = async {
            // A tool that one caller wears out answers nobody, and then nobody gets in.
            self.asking.incident_read(&caller.party.name(), self.ports.clock.now())?;
            self.has_a_part(caller).await?;
            incident_named(&(provider.to_owned(), id.to_owned()))
        };
        match named.await {
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

    async fn reads(&self, caller: &Caller, grant: &Grant) -> Result<bool, Problem> {
        if grant.request.requester.is(&caller.party) {
            return Ok(true);
        }
        self.reads_role(caller, &grant.request.target.id).await
    }

    /// Whether there is a role that the caller may read or ask for.
    async fn has_a_part(&self, caller: &Caller) -> Result<(), Problem> {
        for role in self.catalogue.roles.values() {
            if !self.judge.permitted(caller.asker(), &[Action::Read, Action::Request], role).await?.is_empty() {
                return Ok(());
            }
        }
        let detail =
            format!("`{}` may neither read nor ask for any role, and so look up no incident", caller.party.as_str());
        let unmet = "be one who may read or ask for a role of the catalogue".to_owned();
        Err(Problem::new(ProblemKind::NotPermitted, detail).unmet(vec![unmet]))
    }

    async fn reads_role(&self, caller: &Caller, role: &RoleId) -> Result<bool, Problem> {
        match self.catalogue.roles.get(role) {
            Some(role) => Ok(!self.judge.permitted(caller.asker(), &[Action::Read], role).await?.is_empty()),
            None => Ok(false),
        }
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
            .map(|name| name.parse::<PartyName>())
            .transpose()
            .map_err(|e| Problem::invalid("requester", e))?,
        before: cursor.map(|c| c.parse::<GrantId>()).transpose().map_err(|e| Problem::invalid("cursor", e))?,
    })
}
