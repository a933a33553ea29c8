//! Acknowledgements that a passkey signs.

use halligan_core::actor::{Human, Party};
use halligan_core::grant::{Grant, State};
use halligan_core::id::{Nonce, PersonId};
use halligan_core::signed::Signed;
use halligan_log::passkey::Verb;

use super::passkey::Answered;
use super::{ChallengeAsk, Identity, PasskeyAnswer};
use crate::caller::Caller;
use crate::problem::{Problem, ProblemKind};
use crate::refusals::Tried;

impl Identity {
    /// Challenges the caller to sign what they acknowledge: the request, or its pending extension.
    ///
    /// # Errors
    /// They have no passkey, or there is nothing to sign.
    pub async fn challenge_to_acknowledge(&self, caller: &Caller, grant: &Grant) -> Result<ChallengeAsk, Problem> {
        match self.challenge_to_acknowledge_untold(caller, grant).await {
            Ok(ask) => Ok(ask),
            Err(problem) => Err(self.recorder.refuse(Tried::about(caller, "acknowledge", grant), problem).await),
        }
    }

    async fn challenge_to_acknowledge_untold(&self, caller: &Caller, grant: &Grant) -> Result<ChallengeAsk, Problem> {
        let human = caller.human("acknowledge")?;
        self.may_challenge(&human.person)?;
        let credentials = self.credentials_of(&human.person).await?;
        self.ask(Verb::Acknowledge, &to_sign(grant), Some(&human.person), credentials).await
    }

    /// The signature over this hash, checked, as the entry carries it.
    ///
    /// # Errors
    /// The answer is not good, or the passkey doesn't count yet.
    pub(crate) async fn signed_yes(
        &self,
        by: &Human,
        grant: &Grant,
        hash: &str,
        answer: &PasskeyAnswer,
    ) -> Result<Signed, Problem> {
        let mut thing = [0; 32];
        hex::decode_to_slice(hash, &mut thing)
            .map_err(|_| Problem::invalid("request_hash", "expected 64 hexadecimal digits"))?;
        let Answered { passkey, nonce } = self.answered(Verb::Acknowledge, &thing, Some(&by.person), answer).await?;
        if !self.counts(&passkey, self.clock.now()) {
            return Err(self.not_counted());
        }
        // Of two people who must say yes to a machine, neither may speak for the other, whoever comes first.
        let by_machine = matches!(grant.request.requester, Party::Machine(_));
        let has_part = |person: &PersonId| by_machine || grant.is_requester(person);
        if !passkey.counts(self.clock.now(), self.settings.enrolment_wait, has_part) {
            return Err(self.vouched_by_a_part());
        }
        signed(answer, nonce)
    }
}

impl Identity {
    fn vouched_by_a_part(&self) -> Problem {
        let detail = format!(
            "this passkey was confirmed less than {:#} ago, by somebody who has or may have a part in this grant: expected a third person, or another passkey",
            self.settings.enrolment_wait
        );
        Problem::new(ProblemKind::PasskeyRefused, detail)
    }
}

/// The hash that a second person says yes to.
fn to_sign(grant: &Grant) -> [u8; 32] {
    let extension = match &grant.state {
        State::Active(active) => active.extension.as_ref().map(|extension| extension.hash),
        State::Pending(_) | State::Dropped(_) | State::Ended(_) => None,
    };
    extension.map_or_else(|| grant.request_hash.bytes(), |hash| hash.bytes())
}

/// An answer, as entries carry it.
pub(super) fn signed(answer: &PasskeyAnswer, nonce: [u8; 32]) -> Result<Signed, Problem> {
    let halligan_log::passkey::Assertion { credential, authenticator_data, client_data, signature } =
        answer.assertion.clone();
    let signed = Signed { credential, nonce: Nonce(nonce), authenticator_data, client_data, signature };
    if signed.is_short() {
        return Ok(signed);
    }
    Err(Problem::new(ProblemKind::PasskeyRefused, "the passkey's answer is too long for an entry of the log"))
}
