//! Coming in by a token.

use halligan_core::entry::Subject;

use super::Broker;
use crate::access::{Matter, Occasion};
use crate::caller::Caller;
use crate::ports::Action;
use crate::problem::Problem;

impl Broker {
    /// Whether the policy lets a caller in who has no session: a person's token comes in with each
    /// call, so that the rules for browsers can't be gone round by a command line. Machines don't sign in.
    ///
    /// # Errors
    /// It doesn't: which rules, and what would satisfy them. The refusal is recorded.
    pub async fn may_come_in(&self, caller: &Caller) -> Result<(), Problem> {
        if caller.party.human().is_none() {
            return Ok(());
        }
        match self.judge.permits(caller.asker(), Action::SignIn, Matter::Broker, Occasion::default()).await {
            Ok(_) => Ok(()),
            Err(problem) => Err(self.refuse(caller, "sign_in", Subject::broker("sign-ins"), problem).await),
        }
    }
}
