//! Asking for a later end.

use halligan_core::grant::{Command, Grant};
use halligan_core::id::Nonce;
use halligan_core::text::Reason;
use jiff::SignedDuration;

use super::Broker;
use super::conditions::{about, comes_to, together};
use super::step::answers;
use crate::access::Occasion;
use crate::caller::Caller;
use crate::ports::Action;
use crate::problem::Problem;

impl Broker {
    /// Asks for a later end; a second person acknowledges it like a request.
    ///
    /// # Errors
    /// Which condition is missing. A refusal is recorded and changes nothing.
    pub async fn extend(
        &self,
        caller: &Caller,
        grant: &str,
        duration_seconds: i64,
        reason: &str,
    ) -> Result<Grant, Problem> {
        let found = self.named(caller, Action::Extend.as_str(), grant).await?.grant;
        let outcome = self.once(caller, self.extend_found(caller, &found, duration_seconds, reason)).await;
        self.told(caller, Action::Extend.as_str(), &found, outcome).await
    }

    async fn extend_found(
        &self,
        caller: &Caller,
        grant: &Grant,
        duration_seconds: i64,
        reason: &str,
    ) -> Result<Grant, Problem> {
        let reason = Reason::try_from(reason.to_owned())?;
        let role = self.catalogue_unchanged(grant)?;
        let by = caller.human("extend")?.clone();
        let asked = self.incident_still_open(grant).await?;
        let duration = SignedDuration::from_secs(duration_seconds);
        let about = Occasion { duration: Some(comes_to(grant, duration)), ..about(grant, asked.open.as_ref()) };
        let permitted = self.permitted(caller.asker(), Action::Extend, role, about).await;
        let rules = together([asked.decided(&grant.request.incident, permitted)?]);
        let command =
            Command::RequestExtension { by, duration, rules, reason, nonce: Nonce(self.ports.entropy.bytes()) };
        self.command(&caller.actor(), grant.request.id, answers(caller), command).await
    }
}
