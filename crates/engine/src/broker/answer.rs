//! The second person's answer: to a request, to an emergency start, to an extension.

use halligan_core::grant::{Command, Extension, ExtensionHash, Grant, RequestHash, State, Yes};
use halligan_core::text::Reason;
use jiff::SignedDuration;

use super::Broker;
use super::conditions::{about, acknowledger_beside, comes_to, together};
use super::step::answers;
use crate::access::Occasion;
use crate::caller::Caller;
use crate::identity::PasskeyAnswer;
use crate::ports::Action;
use crate::problem::{Problem, ProblemKind};

impl Broker {
    /// Says yes to what `hash` names: the request, or its pending extension. A passkey may
    /// sign it, and the policy may demand that.
    ///
    /// # Errors
    /// Which condition is missing. A refusal is recorded and changes nothing.
    pub async fn acknowledge(
        &self,
        caller: &Caller,
        grant: &str,
        hash: &str,
        signature: Option<&PasskeyAnswer>,
    ) -> Result<Grant, Problem> {
        let found = self.named(caller, "acknowledge", grant).await?.grant;
        let name = caller.party.name();
        let outcome = match self.asking.acknowledgement(&name, self.ports.clock.now()) {
            Ok(()) => self.once(caller, self.acknowledge_found(caller, &found, hash, signature)).await,
            Err(problem) => Err(problem),
        };
        if !outcome.as_ref().is_err_and(is_their_fault) {
            self.asking.good(&name);
        }
        self.told(caller, "acknowledge", &found, outcome).await
    }

    /// Says no: to the request, the emergency start or the pending extension.
    ///
    /// # Errors
    /// Which condition is missing. A refusal is recorded and changes nothing.
    pub async fn decline(&self, caller: &Caller, grant: &str, reason: &str) -> Result<Grant, Problem> {
        let found = self.named(caller, "decline", grant).await?.grant;
        let outcome = self.once(caller, self.decline_found(caller, &found, reason)).await;
        self.told(caller, "decline", &found, outcome).await
    }

    async fn acknowledge_found(
        &self,
        caller: &Caller,
        grant: &Grant,
        hash: &str,
        signature: Option<&PasskeyAnswer>,
    ) -> Result<Grant, Problem> {
        let by = caller.human("acknowledge")?.clone();
        // That one can't acknowledge oneself is the plainest refusal: it comes first.
        if grant.is_requester(&by.person) {
            let detail = "the requester can't acknowledge their own grant: another person must";
            return Err(Problem::new(ProblemKind::SamePerson, detail));
        }
        let role = self.catalogue_unchanged(grant)?;
        let asked = self.incident_still_open(grant).await?;
        let signed = match signature {
            Some(signature) => Some(self.identity.signed_yes(&by, grant, hash, signature).await?),
            None => None,
        };
        let acknowledger = acknowledger_beside(grant, &by.person);
        let later = pending_extension(grant).filter(|extension| extension.hash.to_string() == hash);
        let duration = Some(with_later(grant, later));
        let about = Occasion { signed: signed.is_some(), acknowledger, duration, ..about(grant, asked.open.as_ref()) };
        let incident = &grant.request.incident;
        let permitted = self.permitted(caller.asker(), Action::Acknowledge, role, about).await;
        let theirs = asked.decided(incident, permitted)?;
        let requesters = self.requester_still_may(grant, role, asked.open.as_ref()).await;
        let rules = together([theirs, asked.decided(incident, requesters)?]);
        let yes = Yes { signed, rules, shown: caller.shown, incident_unknown: asked.is_unknown() };
        let invalid = |error| Problem::invalid("request_hash", error);
        let command = if later.is_some() {
            Command::AcknowledgeExtension { by, hash: ExtensionHash::try_from(hash.to_owned()).map_err(invalid)?, yes }
        } else {
            Command::Acknowledge { by, hash: RequestHash::try_from(hash.to_owned()).map_err(invalid)?, yes }
        };
        // The clock that starts here decides when the access ends.
        self.time_can_be_told().await?;
        if matches!(grant.state, State::Pending(_)) {
            self.role_has_room(role).await?;
        }
        self.command(&caller.actor(), grant.request.id, answers(caller), command).await
    }

    async fn decline_found(&self, caller: &Caller, grant: &Grant, reason: &str) -> Result<Grant, Problem> {
        let (by, reason) = (caller.human("decline")?.clone(), Reason::try_from(reason.to_owned())?);
        let role = self.role_of(grant)?;
        let later = pending_extension(grant);
        let about = Occasion { duration: Some(with_later(grant, later)), ..about(grant, None) };
        let rules = together([self.permitted(caller.asker(), Action::Decline, role, about).await?]);
        let command = match later {
            Some(_) => Command::DeclineExtension { by, reason, rules },
            None => Command::Decline { by, reason, rules },
        };
        self.command(&caller.actor(), grant.request.id, answers(caller), command).await
    }

    /// Records a refusal about a grant.
    pub(super) async fn told<T>(
        &self,
        caller: &Caller,
        action: &str,
        grant: &Grant,
        outcome: Result<T, Problem>,
    ) -> Result<T, Problem> {
        match outcome {
            Ok(value) => Ok(value),
            Err(problem) => Err(self.refuse_about(caller, action, grant, problem).await),
        }
    }
}

/// Whether somebody who guesses, or tries what isn't theirs, would be refused so: nobody is shut
/// out for an outage, or for what the next try will heal.
const fn is_their_fault(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        ProblemKind::Invalid
            | ProblemKind::NotFound
            | ProblemKind::SamePerson
            | ProblemKind::HashMismatch
            | ProblemKind::PasskeyRefused
            | ProblemKind::RateLimited
    ) || (matches!(problem.kind, ProblemKind::NotPermitted) && problem.obligations.is_empty())
}

const fn pending_extension(grant: &Grant) -> Option<&Extension> {
    match &grant.state {
        State::Active(active) => active.extension.as_ref(),
        State::Pending(_) | State::Dropped(_) | State::Ended(_) => None,
    }
}

fn with_later(grant: &Grant, later: Option<&Extension>) -> SignedDuration {
    comes_to(grant, later.map_or(SignedDuration::ZERO, |extension| extension.duration))
}
