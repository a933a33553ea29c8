//! Enrolling passkeys, vouching for those of others, and removing them.

use std::net::IpAddr;

use halligan_core::actor::Human;
use halligan_core::event::{Event, Recorded};
use halligan_core::signed::{Enrolment, Signed};
use halligan_core::text::printable;
use halligan_log::passkey::{Registration, Verb, challenge, person_hash};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::out::Office;
use super::passkey::{Answered, enrolment_bytes, enrolment_of};
use super::yes::signed;
use super::{ChallengeAsk, Identity, PasskeyAnswer, from_address, passkey_subject, relying};
use crate::caller::Caller;
use crate::ports::{Obligation, Passkey, SignInMethod, StoreError};
use crate::problem::{Problem, ProblemKind};

/// More than anybody needs.
const PASSKEYS_MAX: usize = 10;
const LABEL_CHARACTERS_MAX: usize = 60;

/// A new passkey, as a browser made it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentAsk {
    /// As it was sent out.
    pub nonce: String,
    /// What its person calls it.
    pub label: String,
    /// The new credential.
    #[serde(flatten)]
    pub registration: Registration,
}

/// A passkey, and whether it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PasskeyStanding {
    /// The passkey.
    pub passkey: Passkey,
    /// What a second person confirms, in hexadecimal.
    pub enrolment: String,
    /// Whether it counts for acknowledgements now.
    pub counts: bool,
    /// From when on it will, if nobody confirms it; none: it is confirmed, or not told yet.
    pub counts_from: Option<Timestamp>,
}

impl Identity {
    /// The passkeys of the caller.
    ///
    /// # Errors
    /// The caller is a machine, or the store doesn't answer.
    pub async fn passkeys(&self, caller: &Caller) -> Result<Vec<PasskeyStanding>, Problem> {
        let human = caller.human("have passkeys")?;
        let passkeys = self.ports.passkeys.passkeys_of(&human.person).await?;
        Ok(passkeys.into_iter().map(|passkey| self.standing(passkey)).collect())
    }

    /// The passkeys of others that wait for somebody to vouch for them.
    ///
    /// # Errors
    /// The caller is a machine, or the store doesn't answer.
    pub async fn passkeys_to_confirm(&self, caller: &Caller) -> Result<Vec<PasskeyStanding>, Problem> {
        let human = caller.human("confirm passkeys")?;
        let waiting = self.ports.passkeys.unconfirmed(1_000).await?.into_iter();
        Ok(waiting.filter(|passkey| passkey.person != human.person).map(|passkey| self.standing(passkey)).collect())
    }

    pub(super) fn standing(&self, passkey: Passkey) -> PasskeyStanding {
        let counts = self.counts(&passkey, self.clock.now());
        let told = passkey.noticed_at.filter(|_| passkey.confirmed.is_none());
        let counts_from = told.map(|at| at + self.settings.enrolment_wait);
        PasskeyStanding { enrolment: enrolment_of(&passkey), counts, counts_from, passkey }
    }

    /// Challenges the caller to make a new passkey.
    ///
    /// # Errors
    /// They may not ([`Identity::may_enrol`]), have too many, or passkeys have no place here.
    pub async fn challenge_to_enrol(&self, caller: &Caller) -> Result<ChallengeAsk, Problem> {
        self.told(caller, "enrol_passkey", "passkeys", self.challenge_to_enrol_untold(caller)).await
    }

    async fn challenge_to_enrol_untold(&self, caller: &Caller) -> Result<ChallengeAsk, Problem> {
        let human = self.may_enrol(caller)?;
        self.may_challenge(&human.person)?;
        let known = self.ports.passkeys.passkeys_of(&human.person).await?;
        if known.len() >= PASSKEYS_MAX {
            let detail = format!("you have {PASSKEYS_MAX} passkeys: remove one first");
            return Err(Problem::new(ProblemKind::RateLimited, detail));
        }
        let credentials = known.into_iter().map(|passkey| passkey.credential).collect();
        self.ask(Verb::Enrol, &person_hash(human.person.as_str()), Some(&human.person), credentials).await
    }

    /// Whether the caller may enrol a passkey now.
    ///
    /// # Errors
    /// Who came in by a passkey enrols none: a stolen one would make more of itself. Nor does
    /// whoever has not proved to their provider lately who they are, since a stolen session would
    /// make a key that lasts: they can step up there.
    pub fn may_enrol<'a>(&self, caller: &'a Caller) -> Result<&'a Human, Problem> {
        let human = caller.human("enrol a passkey")?;
        if caller.method == Some(SignInMethod::Passkey) || human.principal.issuer == super::PASSKEY_ISSUER {
            let detail = "who signed in with a passkey can't enrol one: sign in through the identity provider";
            return Err(Problem::new(ProblemKind::NotPermitted, detail));
        }
        let within = self.settings.enrol_within;
        if caller.provider_proof_age.is_some_and(|age| age <= within) {
            return Ok(human);
        }
        let detail = "a passkey is enrolled by whoever has just proved to the identity provider who they are";
        let unmet = match self.settings.enrol_after_sign_in && caller.provider_proof_age.is_some() {
            true => format!("prove it there again, or sign out and sign in: it counts for {within:#}"),
            false => format!("prove it there again: it counts for {within:#}, and a passkey's proof doesn't"),
        };
        Err(Problem::new(ProblemKind::NotPermitted, detail).unmet(vec![unmet]).by(Vec::new(), vec![Obligation::StepUp]))
    }

    /// Enrols it. It counts for acknowledgements once somebody else has confirmed it, or
    /// `enrolment_wait` after it was told on another channel.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn enrol(
        &self,
        caller: &Caller,
        ask: EnrolmentAsk,
        address: Option<IpAddr>,
    ) -> Result<PasskeyStanding, Problem> {
        self.told(caller, "enrol_passkey", "passkeys", self.enrol_untold(caller, ask, address)).await
    }

    async fn enrol_untold(
        &self,
        caller: &Caller,
        ask: EnrolmentAsk,
        address: Option<IpAddr>,
    ) -> Result<PasskeyStanding, Problem> {
        let human = self.may_enrol(caller)?.clone();
        self.may_challenge(&human.person)?;
        let label = printable(&ask.label, LABEL_CHARACTERS_MAX);
        if label.is_empty() {
            return Err(Problem::invalid("label", "a passkey has no name: expected what you will know it by"));
        }
        let thing = person_hash(human.person.as_str());
        let nonce = self.taken(Verb::Enrol, &thing, Some(&human.person), &ask.nonce).await?;
        let here = self.settings.relying()?;
        let checked = ask.registration.verify(&relying(&here), &challenge(Verb::Enrol, &thing, &nonce));
        let enrolled = checked.map_err(|fault| Problem::new(ProblemKind::PasskeyRefused, fault.to_string()))?;
        if enrolled.credential.len() > halligan_core::signed::CHARACTERS_MAX {
            let detail = "the passkey's id is too long for an entry of the log: expected another kind of passkey";
            return Err(Problem::new(ProblemKind::PasskeyRefused, detail.to_owned()));
        }
        let now = self.clock.now();
        let passkey = Passkey {
            credential: enrolled.credential,
            person: human.person.clone(),
            principal: human.principal.clone(),
            label: label.clone(),
            public_key: enrolled.public_key,
            enrolled_at: now,
            noticed_at: None,
            confirmed: None,
            counter: enrolled.counter,
        };
        let enrolment = enrolment_of(&passkey);
        let event = Event::PasskeyEnrolled(Enrolment {
            credential: passkey.credential.clone(),
            algorithm: passkey.public_key.algorithm.as_str().to_owned(),
            public_key: passkey.public_key.spki.clone(),
            rp_id: here.0,
            origin: self.settings.public_url.clone(),
            enrolment: enrolment.clone(),
        });
        let mut recorded = from_address(event, address);
        recorded.personal = recorded.personal.with("label", label);
        let draft = self.draft(Some(&caller.party), passkey_subject(&enrolment), recorded);
        self.ports.passkeys.keep(&passkey, None, vec![draft], now).await.map_err(|error| match error {
            StoreError::Conflict => Problem::new(ProblemKind::PasskeyRefused, "this passkey is enrolled already"),
            other => other.into(),
        })?;
        self.recorder.wake_of_enrolment();
        tracing::warn!(alarm = "passkey.enrolled", person = %human.person, "somebody enrolled a passkey");
        Ok(self.standing(passkey))
    }

    /// Challenges the caller to vouch for somebody else's passkey with their own.
    ///
    /// # Errors
    /// It is their own, it is confirmed already, or they have none that counts.
    pub async fn challenge_to_confirm(&self, caller: &Caller, credential: &str) -> Result<ChallengeAsk, Problem> {
        self.told(caller, "confirm_passkey", "passkeys", self.challenge_to_confirm_untold(caller, credential)).await
    }

    async fn challenge_to_confirm_untold(&self, caller: &Caller, credential: &str) -> Result<ChallengeAsk, Problem> {
        let human = caller.human("confirm a passkey")?;
        self.may_challenge(&human.person)?;
        let theirs = self.to_confirm(human, credential).await?;
        let credentials = self.credentials_of(&human.person).await?;
        let thing = enrolment_bytes(&theirs.person, &theirs.credential, &theirs.public_key);
        self.ask(Verb::Confirm, &thing, Some(&human.person), credentials).await
    }

    /// Vouches for it.
    ///
    /// # Errors
    /// As [`Identity::challenge_to_confirm`]; or the answer is not good.
    pub async fn confirm(
        &self,
        caller: &Caller,
        credential: &str,
        answer: &PasskeyAnswer,
    ) -> Result<PasskeyStanding, Problem> {
        self.told(caller, "confirm_passkey", "passkeys", self.confirm_untold(caller, credential, answer)).await
    }

    async fn confirm_untold(
        &self,
        caller: &Caller,
        credential: &str,
        answer: &PasskeyAnswer,
    ) -> Result<PasskeyStanding, Problem> {
        let human = caller.human("confirm a passkey")?;
        let theirs = self.to_confirm(human, credential).await?;
        let thing = enrolment_bytes(&theirs.person, &theirs.credential, &theirs.public_key);
        let Answered { passkey: own, nonce } =
            self.answered(Verb::Confirm, &thing, Some(&human.person), answer).await?;
        let now = self.clock.now();
        // Two new keys of one thief can't vouch for each other.
        if !self.counts(&own, now) {
            return Err(self.not_counted());
        }
        let signed: Signed = signed(answer, nonce)?;
        let enrolment = enrolment_of(&theirs);
        let event = Event::PasskeyConfirmed {
            credential: theirs.credential.clone(),
            person: theirs.person.clone(),
            enrolment: enrolment.clone(),
            signed,
        };
        let draft = self.draft(Some(&caller.party), passkey_subject(&enrolment), Recorded::plain(event));
        let confirmed = Passkey { confirmed: Some((human.person.clone(), now)), ..theirs.clone() };
        self.ports.passkeys.keep(&confirmed, Some(&theirs), vec![draft], now).await?;
        self.recorder.wake();
        Ok(self.standing(confirmed))
    }

    async fn to_confirm(&self, by: &Human, credential: &str) -> Result<Passkey, Problem> {
        let found = self.ports.passkeys.passkey(credential).await?;
        let passkey = found.ok_or_else(|| Problem::new(ProblemKind::NotFound, "there is no such passkey"))?;
        if passkey.person == by.person {
            return Err(Problem::new(
                ProblemKind::SamePerson,
                "it is your own passkey: another person must confirm it",
            ));
        }
        if passkey.confirmed.is_some() {
            return Err(Problem::new(ProblemKind::Conflict, "this passkey is confirmed already"));
        }
        Ok(passkey)
    }

    /// Removes a passkey of the caller, and ends the sessions that it opened.
    ///
    /// # Errors
    /// They have no such passkey.
    pub async fn remove_passkey(&self, caller: &Caller, credential: &str) -> Result<(), Problem> {
        self.told(caller, "remove_passkey", "passkeys", self.remove_passkey_untold(caller, credential)).await
    }

    async fn remove_passkey_untold(&self, caller: &Caller, credential: &str) -> Result<(), Problem> {
        let human = caller.human("remove a passkey")?;
        let found = self.ports.passkeys.passkey(credential).await?;
        let Some(passkey) = found.filter(|passkey| passkey.person == human.person) else {
            return Err(Problem::new(ProblemKind::NotFound, "you have no such passkey"));
        };
        self.drop_passkey(caller, &passkey, Office::default()).await
    }

    /// Removes a passkey, its owner's or, for a reason, somebody else's, and ends the sessions that it opened.
    pub(super) async fn drop_passkey(&self, caller: &Caller, passkey: &Passkey, office: Office) -> Result<(), Problem> {
        let Passkey { credential, person, .. } = passkey;
        let (credential_id, owner) = (credential.clone(), person.clone());
        let recorded =
            office.recorded(|rules| Event::PasskeyRemoved { credential: credential_id, person: owner, rules });
        let draft = self.recorder.draft(caller.actor(), passkey_subject(&enrolment_of(passkey)), recorded);
        self.ports.passkeys.remove(credential, vec![draft], self.clock.now()).await.map_err(|error| match error {
            StoreError::Conflict => Problem::new(ProblemKind::NotFound, "the passkey was removed already"),
            other => other.into(),
        })?;
        self.recorder.wake();
        self.ports.sessions.end_of(&[Self::passkey_principal(credential)].into()).await?;
        Ok(())
    }
}
