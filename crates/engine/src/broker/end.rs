//! Ending a grant before its time. Ending is never made to wait for a condition
//! that only guards access: no incident, catalogue or clock is asked.

use halligan_core::entry::Subject;
use halligan_core::grant::{Command, Grant, Phase};
use halligan_core::id::{PartyName, RoleId};
use halligan_core::text::Reason;

use super::Broker;
use super::conditions::{about, together};
use super::request::incident_named;
use super::step::answers;
use crate::caller::{Caller, Selection};
use crate::ports::{Action, Filter};
use crate::problem::{Problem, ProblemKind};

/// How many grants one page of a mass revocation takes.
const PAGE: u32 = 100;

impl Broker {
    /// The requester takes a pending request back.
    ///
    /// # Errors
    /// Why it can't be.
    pub async fn withdraw(&self, caller: &Caller, grant: &str) -> Result<Grant, Problem> {
        self.end(caller, "withdraw", grant, Command::Withdraw { by: caller.party.clone() }).await
    }

    /// The requester gives the access back early.
    ///
    /// # Errors
    /// Why it can't be.
    pub async fn give_back(&self, caller: &Caller, grant: &str) -> Result<Grant, Problem> {
        self.end(caller, "return", grant, Command::Return { by: caller.party.clone() }).await
    }

    /// Ends an active grant. Whoever may revoke on the role can, and so can its requester.
    ///
    /// # Errors
    /// Why it can't be.
    pub async fn revoke(&self, caller: &Caller, grant: &str, reason: &str) -> Result<Grant, Problem> {
        let found = self.named(caller, Action::Revoke.as_str(), grant).await?.grant;
        let outcome = self.once(caller, self.revoke_found(caller, &found, reason)).await;
        self.told(caller, Action::Revoke.as_str(), &found, outcome).await
    }

    /// Ends every active grant that is selected: the big red button. Returns
    /// those that were ended; the first that can't be stops nothing. An
    /// idempotency key has no effect here.
    ///
    /// # Errors
    /// The selection is malformed or empty, or nothing of it could be ended.
    pub async fn revoke_all(&self, caller: &Caller, which: Selection, reason: &str) -> Result<Vec<Grant>, Problem> {
        // Ending what is ended is no error: a repeated call is harmless without its key.
        let caller = &Caller { idempotency: None, ..caller.clone() };
        let outcome = self.revoke_selected(caller, which, reason).await;
        match outcome {
            Ok(ended) => Ok(ended),
            Err(problem) => Err(self.refuse(caller, Action::Revoke.as_str(), Subject::broker("grants"), problem).await),
        }
    }

    async fn end(
        &self,
        caller: &Caller,
        action: &'static str,
        grant: &str,
        command: Command,
    ) -> Result<Grant, Problem> {
        let found = self.named(caller, action, grant).await?.grant;
        let outcome =
            self.once(caller, self.command(&caller.actor(), found.request.id, answers(caller), command)).await;
        self.told(caller, action, &found, outcome).await
    }

    async fn revoke_found(&self, caller: &Caller, grant: &Grant, reason: &str) -> Result<Grant, Problem> {
        let reason = Reason::try_from(reason.to_owned())?;
        let by = caller.human("revoke")?.clone();
        let rules = if grant.is_requester(&by.person) {
            Vec::new()
        } else {
            together([self.permitted(caller.asker(), Action::Revoke, self.role_of(grant)?, about(grant, None)).await?])
        };
        let command = Command::Revoke { by, reason, rules };
        self.command(&caller.actor(), grant.request.id, answers(caller), command).await
    }

    async fn revoke_selected(&self, caller: &Caller, which: Selection, reason: &str) -> Result<Vec<Grant>, Problem> {
        Reason::try_from(reason.to_owned())?;
        let mut filter = selected(which)?;
        let (mut ended, mut refused) = (Vec::new(), None);
        loop {
            let page = self.ports.grants.grants(&filter, PAGE).await?;
            for found in page.grants {
                match self.revoke_found(caller, &found.grant, reason).await {
                    Ok(grant) => ended.push(grant),
                    Err(problem) => {
                        refused = Some(self.refuse_about(caller, Action::Revoke.as_str(), &found.grant, problem).await)
                    }
                }
            }
            match page.next {
                Some(next) => filter.before = Some(next),
                None => break,
            }
        }
        match refused {
            Some(problem) if ended.is_empty() => Err(problem),
            Some(_) | None => Ok(ended),
        }
    }
}

fn selected(which: Selection) -> Result<Filter, Problem> {
    let Selection { target, incident, requester, all } = which;
    let narrowed = target.is_some() || incident.is_some() || requester.is_some();
    if narrowed == all {
        let detail = "expected either `all: true` or at least one of `target`, `incident` and `requester`";
        return Err(Problem::new(ProblemKind::Invalid, detail).in_field("all"));
    }
    let role = target.map(|target| target.parse::<RoleId>()).transpose().map_err(|e| Problem::invalid("target", e))?;
    let requester =
        requester.map(|name| name.parse::<PartyName>()).transpose().map_err(|e| Problem::invalid("requester", e))?;
    let incident = incident.as_ref().map(incident_named).transpose()?;
    Ok(Filter { phases: vec![Phase::Active], role, incident, requester, before: None })
}
