//! Challenges for passkeys, and the answers to them.

use std::net::IpAddr;

use halligan_core::actor::Human;
use halligan_core::event::{Event, Recorded};
use halligan_core::id::PersonId;
use halligan_log::passkey::{Assertion, PublicKey, Verb, challenge, person_hash};
use halligan_policy::SignInMethod;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Identity, SignedIn, passkey_subject, relying};
use crate::caller::Caller;
use crate::ports::{Passkey, Proof, Room, SecretHash, Session};
use crate::problem::{Problem, ProblemKind};

/// How long somebody may take to touch their key.
const ANSWER_WITHIN: SignedDuration = SignedDuration::from_mins(5);
/// Challenges of people who are signed in, and their sign-ins: strangers have no part in it.
pub(super) const KNOWN: Room = Room { name: "known", max: 20_000 };
/// Challenges of strangers.
const STRANGERS: Room = Room { name: "passkey", max: 5_000 };

/// What a browser hands to `navigator.credentials`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChallengeAsk {
    /// Goes back with the answer: names the challenge. Hexadecimal.
    pub nonce: String,
    /// The challenge. Hexadecimal.
    pub challenge: String,
    /// The relying party.
    pub rp_id: String,
    /// The passkeys that are asked for; none: any that the browser has.
    pub credentials: Vec<String>,
}

/// What comes back from a passkey.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyAnswer {
    /// As it was sent out.
    pub nonce: String,
    /// The signature.
    #[serde(flatten)]
    pub assertion: Assertion,
}

/// A challenge under way.
#[derive(Serialize, Deserialize)]
pub(super) struct Asked {
    verb: String,
    thing: String,
    person: Option<PersonId>,
}

/// An answer that was found good.
pub(super) struct Answered {
    pub passkey: Passkey,
    pub nonce: [u8; 32],
}

impl Identity {
    /// Makes a challenge, to be answered once within five minutes.
    pub(super) async fn ask(
        &self,
        verb: Verb,
        thing: &[u8; 32],
        person: Option<&PersonId>,
        credentials: Vec<String>,
    ) -> Result<ChallengeAsk, Problem> {
        let (rp_id, _) = self.settings.relying()?;
        let now = self.clock.now();
        let nonce = self.secret();
        let asked = Asked { verb: verb.as_str().to_owned(), thing: hex::encode(thing), person: person.cloned() };
        let body = serde_json::to_string(&asked).unwrap_or_default();
        let room = if person.is_some() { KNOWN } else { STRANGERS };
        let nonce_text = hex::encode(nonce);
        let key = SecretHash::of(&nonce_text.clone().into());
        let kept = self.ports.ceremonies.begin(&key, &body, now + ANSWER_WITHIN, room, now);
        kept.await?;
        let challenge = hex::encode(challenge(verb, thing, &nonce));
        Ok(ChallengeAsk { nonce: nonce_text, challenge, rp_id, credentials })
    }

    /// Takes a challenge back, which is good for one answer, right or wrong.
    pub(super) async fn taken(
        &self,
        verb: Verb,
        thing: &[u8; 32],
        person: Option<&PersonId>,
        nonce: &str,
    ) -> Result<[u8; 32], Problem> {
        let unknown = || {
            let detail = "this challenge was not made here for this, is older than five minutes, or was answered already: try again";
            Problem::new(ProblemKind::PasskeyRefused, detail)
        };
        let mut bytes = [0; 32];
        hex::decode_to_slice(nonce, &mut bytes).map_err(|_| unknown())?;
        let key = SecretHash::of(&hex::encode(bytes).into());
        let body = self.ports.ceremonies.take(&key, self.clock.now()).await?.ok_or_else(unknown)?;
        let asked: Asked = serde_json::from_str(&body).map_err(|_| unknown())?;
        if asked.verb != verb.as_str() || asked.thing != hex::encode(thing) || asked.person.as_ref() != person {
            return Err(unknown());
        }
        Ok(bytes)
    }

    /// The passkey that gave this answer, to a challenge that is taken back with it.
    pub(super) async fn answered(
        &self,
        verb: Verb,
        thing: &[u8; 32],
        person: Option<&PersonId>,
        answer: &PasskeyAnswer,
    ) -> Result<Answered, Problem> {
        let nonce = self.taken(verb, thing, person, &answer.nonce).await?;
        let found = self.ports.passkeys.passkey(&answer.assertion.credential).await?;
        let theirs = |passkey: &Passkey| person.is_none_or(|person| passkey.person == *person);
        let Some(passkey) = found.filter(theirs) else {
            return Err(Problem::new(ProblemKind::PasskeyRefused, "this passkey is not enrolled for you here"));
        };
        if self.judge.access().now().directory.enrolled(&passkey).is_none() {
            let detail = "the login that enrolled this passkey is no person's here any more";
            return Err(Problem::new(ProblemKind::UnlinkedPrincipal, detail));
        }
        let here = self.settings.relying()?;
        let checked = answer.assertion.verify(&relying(&here), &passkey.public_key, &challenge(verb, thing, &nonce));
        let asserted = checked.map_err(|fault| Problem::new(ProblemKind::PasskeyRefused, fault.to_string()))?;
        let passkey = self.count(passkey, asserted.counter).await?;
        Ok(Answered { passkey, nonce })
    }

    /// Keeps a key's counter. One that doesn't go on is told, not refused: keys that are synced
    /// between devices count nothing, and a copy that signs would be ahead as often as behind.
    async fn count(&self, passkey: Passkey, counter: u32) -> Result<Passkey, Problem> {
        let before = passkey.counter;
        // Such a key never counts.
        if counter == 0 && before == 0 {
            return Ok(passkey);
        }
        let next = Passkey { counter, ..passkey.clone() };
        let mut entries = Vec::new();
        // Of two in step, the second shows the number that the first has shown.
        if counter <= before {
            tracing::error!(alarm = "passkey.counter_went_back", person = %passkey.person, "there may be a copy of a passkey");
            let Passkey { credential, person, .. } = passkey.clone();
            let event = Event::PasskeyCounterWentBack { credential, person, before, after: counter };
            entries.push(self.draft(None, passkey_subject(&enrolment_of(&passkey)), Recorded::plain(event)));
        }
        match self.ports.passkeys.keep(&next, Some(&passkey), entries, self.clock.now()).await {
            Ok(()) => Ok(next),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the passkey counts for acknowledgements: a second person has confirmed it,
    /// or it was told on another channel long enough ago for somebody to object.
    #[must_use]
    pub fn counts(&self, passkey: &Passkey, now: Timestamp) -> bool {
        passkey.counts(now, self.settings.enrolment_wait, |_| false)
    }

    /// Challenges the person of a session to prove themselves again by a passkey.
    ///
    /// # Errors
    /// They have none, or passkeys have no place here.
    pub async fn challenge_to_step_up(&self, caller: &Caller) -> Result<ChallengeAsk, Problem> {
        self.told(caller, "step_up", "sign-ins", self.challenge_to_step_up_untold(caller)).await
    }

    async fn challenge_to_step_up_untold(&self, caller: &Caller) -> Result<ChallengeAsk, Problem> {
        let human = caller.human("step up")?;
        self.may_challenge(&human.person)?;
        let credentials = self.credentials_of(&human.person).await?;
        self.ask(Verb::StepUp, &person_hash(human.person.as_str()), Some(&human.person), credentials).await
    }

    /// Notes that they did.
    ///
    /// # Errors
    /// The answer is not good, or the session is over.
    pub async fn step_up_by_passkey(
        &self,
        caller: &Caller,
        session: &Session,
        answer: &PasskeyAnswer,
    ) -> Result<(), Problem> {
        self.told(caller, "step_up", "sign-ins", self.step_up_by_passkey_untold(caller, session, answer)).await
    }

    async fn step_up_by_passkey_untold(
        &self,
        caller: &Caller,
        session: &Session,
        answer: &PasskeyAnswer,
    ) -> Result<(), Problem> {
        let human = caller.human("step up")?;
        let thing = person_hash(human.person.as_str());
        let Answered { passkey, .. } = self.answered(Verb::StepUp, &thing, Some(&human.person), answer).await?;
        // Whoever stole a session could enrol a key of their own, and prove with it that they are its owner.
        if !self.counts(&passkey, self.clock.now()) {
            return Err(self.not_counted());
        }
        self.step_up_session(session, human.clone(), self.proof_by_passkey()).await
    }

    /// Challenges a stranger: the way in while the identity provider is down.
    ///
    /// # Errors
    /// Passkeys have no place here, or this address tries too often.
    pub async fn challenge_to_sign_in(&self, address: Option<IpAddr>) -> Result<ChallengeAsk, Problem> {
        let asked = async {
            self.may_try(address, self.clock.now())?;
            self.ask(Verb::SignIn, &STRANGER, None, Vec::new()).await
        };
        self.told_of_a_stranger(asked).await
    }

    /// Lets the person of a passkey in, if the policy does. It is alarmed: nobody but the
    /// passkey vouches for them.
    ///
    /// # Errors
    /// The answer is not good, the passkey doesn't count, or the policy says no.
    pub async fn sign_in_by_passkey(
        &self,
        answer: &PasskeyAnswer,
        address: Option<IpAddr>,
    ) -> Result<SignedIn, Problem> {
        self.told_of_a_stranger(self.sign_in_by_passkey_untold(answer, address)).await
    }

    async fn sign_in_by_passkey_untold(
        &self,
        answer: &PasskeyAnswer,
        address: Option<IpAddr>,
    ) -> Result<SignedIn, Problem> {
        self.may_try(address, self.clock.now())?;
        let Answered { passkey, .. } = self.answered(Verb::SignIn, &STRANGER, None, answer).await?;
        let human = Human { person: passkey.person.clone(), principal: Self::passkey_principal(&passkey.credential) };
        let outcome = self.recognised_by_passkey(human.clone(), &passkey, address).await;
        self.told_at_the_door(&human, "sign_in", address, outcome).await
    }

    /// Lets somebody in whose passkey has answered.
    async fn recognised_by_passkey(
        &self,
        human: Human,
        passkey: &Passkey,
        address: Option<IpAddr>,
    ) -> Result<SignedIn, Problem> {
        if !self.counts(passkey, self.clock.now()) {
            return Err(self.not_counted());
        }
        let proof = self.proof_by_passkey();
        // The policy is asked with what this sees.
        self.providers_are_down().await;
        let rules = self.may_come_in(&human, &proof).await?;
        let signed_in = self.open_session(human, proof, rules, address).await?;
        tracing::error!(
            alarm = "session.opened_by_passkey",
            person = %signed_in.human.person,
            session = %signed_in.session.id,
            "somebody signed in past the identity provider"
        );
        Ok(signed_in)
    }

    /// This passkey is good and doesn't count yet.
    pub(super) fn not_counted(&self) -> Problem {
        let mut detail =
            "this passkey doesn't count yet: expected another person with a passkey to confirm it".to_owned();
        if self.tells_of_enrolments() {
            detail.push_str(&format!(", or {:#} to pass after the notice of it", self.settings.enrolment_wait));
        }
        Problem::new(ProblemKind::PasskeyRefused, detail)
    }

    fn proof_by_passkey(&self) -> Proof {
        let at = self.clock.now();
        Proof { method: SignInMethod::Passkey, at: Some(at), mfa_at: Some(at), at_provider: None }
    }

    pub(super) async fn credentials_of(&self, person: &PersonId) -> Result<Vec<String>, Problem> {
        let passkeys = self.ports.passkeys.passkeys_of(person).await?;
        if passkeys.is_empty() {
            return Err(Problem::new(ProblemKind::NotFound, "you have no passkey here: enrol one first"));
        }
        Ok(passkeys.into_iter().map(|passkey| passkey.credential).collect())
    }

    pub(super) fn may_challenge(&self, person: &PersonId) -> Result<(), Problem> {
        self.challenges.take(person, self.clock.now()).map_err(|seconds| {
            Problem::new(ProblemKind::RateLimited, "you have asked for too many challenges").retry_after(seconds)
        })
    }
}

/// What a stranger's challenge is about: they have not said who they are.
const STRANGER: [u8; 32] = [0; 32];

/// What a second person confirms, in hexadecimal.
pub(super) fn enrolment_of(passkey: &Passkey) -> String {
    let Passkey { credential, person, public_key, .. } = passkey;
    hex::encode(enrolment_bytes(person, credential, public_key))
}

pub(super) fn enrolment_bytes(person: &PersonId, credential: &str, key: &PublicKey) -> [u8; 32] {
    halligan_log::passkey::enrolment_hash(person.as_str(), credential, key)
}
