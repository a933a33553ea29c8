//! Ending sessions: one's own one by one, and everything of a person at once.
//!
//! Sessions here and tokens that a provider issued end by one instant, kept for the person:
//! what is not from after it counts no more, whoever holds it and whichever replica they ask.

use std::collections::BTreeSet;

use halligan_core::actor::{Human, Principal};
use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded, bounded_rules};
use halligan_core::id::PersonId;
use halligan_core::text::Reason;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Identity, PasskeyStanding, session_subject};
use crate::access::{Matter, Occasion};
use crate::caller::Caller;
use crate::ports::{Action, Session};
use crate::problem::{Problem, ProblemKind};

/// Why something that somebody shows counts no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Outdated {
    /// It is not from after they were signed out everywhere.
    #[error("you were signed out everywhere at {since}, and this is not from after it: sign in again")]
    Before {
        /// When they were.
        since: Timestamp,
    },
    /// It doesn't say when it was made.
    #[error(
        "you were signed out everywhere at {since}, and the token doesn't say when it was issued: expected one with `iat`"
    )]
    Undated {
        /// When they were.
        since: Timestamp,
    },
    /// Nobody can tell.
    #[error(transparent)]
    Unknown(Box<Problem>),
}

impl From<Outdated> for Problem {
    fn from(outdated: Outdated) -> Self {
        match outdated {
            Outdated::Before { .. } | Outdated::Undated { .. } => {
                Self::new(ProblemKind::Unauthenticated, outdated.to_string())
            }
            Outdated::Unknown(problem) => *problem,
        }
    }
}

/// Why and by which rules somebody does to another what is otherwise their own to do. Nothing: they do it themselves.
#[derive(Debug, Default)]
pub(super) struct Office {
    reason: Option<Reason>,
    rules: Vec<String>,
}

impl Office {
    pub fn recorded(self, event: impl FnOnce(Vec<String>) -> Event) -> Recorded {
        let event = event(self.rules);
        match &self.reason {
            Some(reason) => Recorded::with_reason(event, reason),
            None => Recorded::plain(event),
        }
    }
}

impl Identity {
    /// Whether what a person made or was given at `at` still counts. A time in whole seconds is the beginning
    /// of one: a token of the very second that they were signed out in doesn't count, one of the next does.
    pub(super) async fn still_counts(&self, person: &PersonId, at: Option<Timestamp>) -> Result<(), Outdated> {
        let since = self.ports.sign_outs.signed_out(person).await;
        let since = since.map_err(|error| Outdated::Unknown(Box::new(error.into())))?;
        match (since, at) {
            (None, _) => Ok(()),
            (Some(since), Some(at)) if at > since => Ok(()),
            (Some(since), Some(_)) => Err(Outdated::Before { since }),
            (Some(since), None) => Err(Outdated::Undated { since }),
        }
    }

    /// The caller's sessions that are not over, the newest first.
    ///
    /// # Errors
    /// The caller is a machine, or the store doesn't answer.
    pub async fn sessions(&self, caller: &Caller) -> Result<Vec<Session>, Problem> {
        let human = caller.human("have sessions")?;
        let since = self.ports.sign_outs.signed_out(&human.person).await?;
        let now = self.clock.now();
        let mut sessions = self.ports.sessions.of(&self.logins(&human.person, Some(human)).await?).await?;
        sessions.retain(|session| !self.is_over(session, now) && since.is_none_or(|since| session.opened_at > since));
        Ok(sessions)
    }

    /// Ends one of the caller's sessions.
    ///
    /// # Errors
    /// They have no such session: there is none, it is over, or somebody else's.
    pub async fn end_session(&self, caller: &Caller, id: Uuid) -> Result<(), Problem> {
        self.told(caller, "end_session", "sessions", self.end_session_untold(caller, id)).await
    }

    async fn end_session_untold(&self, caller: &Caller, id: Uuid) -> Result<(), Problem> {
        let none = || Problem::new(ProblemKind::NotFound, "you have no such session").in_field("id");
        let found = self.sessions(caller).await?.into_iter().find(|session| session.id == id).ok_or_else(none)?;
        let event = Recorded::plain(Event::SessionEnded { session: id });
        let draft = self.recorder.draft(caller.actor(), session_subject(id), event);
        if !self.ports.sessions.end(&found.token, vec![draft], self.clock.now()).await? {
            return Err(none());
        }
        self.recorder.wake();
        Ok(())
    }

    /// Ends everything of the caller's: every session, and every token that was issued until now. Returns how many
    /// sessions there were.
    ///
    /// # Errors
    /// The caller is a machine, or the store doesn't answer: then it may not be done.
    pub async fn sign_out_everywhere(&self, caller: &Caller) -> Result<u64, Problem> {
        self.told(caller, "sign_out", "people", self.sign_out_everywhere_untold(caller)).await
    }

    async fn sign_out_everywhere_untold(&self, caller: &Caller) -> Result<u64, Problem> {
        let human = caller.human("sign out everywhere")?;
        let logins = self.logins(&human.person, Some(human)).await?;
        self.end_everything(caller, &human.person, &logins, Office::default()).await
    }

    /// Who may be signed out by whoever administers the broker: the people that the configuration names.
    ///
    /// # Errors
    /// The caller may not administer the broker.
    pub(crate) async fn people(&self, caller: &Caller) -> Result<Vec<PersonId>, Problem> {
        self.may_administer(caller, "look after other people").await?;
        Ok(self.judge.access().now().directory.people().keys().cloned().collect())
    }

    /// The passkeys of somebody.
    ///
    /// # Errors
    /// The caller may not administer the broker, or there is no such person.
    pub(crate) async fn passkeys_of(&self, caller: &Caller, person: &str) -> Result<Vec<PasskeyStanding>, Problem> {
        self.may_administer(caller, "see the passkeys of others").await?;
        let known = self.named(person);
        let person = person.parse().map_err(|error| Problem::invalid("person", error))?;
        let passkeys = self.ports.passkeys.passkeys_of(&person).await?;
        // Of somebody who is no person any more they may be left, and come back with them.
        if passkeys.is_empty() {
            known?;
        }
        Ok(passkeys.into_iter().map(|passkey| self.standing(passkey)).collect())
    }

    /// When somebody was last signed out everywhere.
    ///
    /// # Errors
    /// The caller may not administer the broker, or there is no such person.
    pub(crate) async fn signed_out_at(&self, caller: &Caller, person: &str) -> Result<Option<Timestamp>, Problem> {
        self.may_administer(caller, "see when others were signed out").await?;
        let person: PersonId = person.parse().map_err(|error| Problem::invalid("person", error))?;
        Ok(self.ports.sign_outs.signed_out(&person).await?)
    }

    /// Ends everything of somebody's.
    ///
    /// # Errors
    /// The caller may not administer the broker, there is no such person, or no reason.
    pub(crate) async fn sign_out_person(&self, caller: &Caller, person: &str, reason: &str) -> Result<u64, Problem> {
        let rules = self.may_administer(caller, "sign others out").await?;
        let office = Office { rules, reason: Some(Reason::try_from(reason.to_owned())?) };
        let person = self.named(person)?;
        let logins = self.logins(&person, None).await?;
        let ended = self.end_everything(caller, &person, &logins, office).await?;
        tracing::warn!(alarm = "person.signed_out", %person, by = caller.party.as_str(), "somebody was signed out everywhere by another");
        Ok(ended)
    }

    /// Removes somebody's passkey.
    ///
    /// # Errors
    /// The caller may not administer the broker, they have no such passkey, or there is no reason.
    pub(crate) async fn remove_passkey_of(
        &self,
        caller: &Caller,
        person: &str,
        credential: &str,
        reason: &str,
    ) -> Result<(), Problem> {
        let rules = self.may_administer(caller, "remove the passkeys of others").await?;
        let office = Office { rules, reason: Some(Reason::try_from(reason.to_owned())?) };
        let person: PersonId = person.parse().map_err(|error| Problem::invalid("person", error))?;
        let found = self.ports.passkeys.passkey(credential).await?.filter(|passkey| passkey.person == person);
        let none = || Problem::new(ProblemKind::NotFound, format!("`{person}` has no such passkey"));
        let passkey = found.ok_or_else(|| none().in_field("credential"))?;
        self.drop_passkey(caller, &passkey, office).await?;
        tracing::warn!(alarm = "passkey.removed", %person, by = caller.party.as_str(), "somebody's passkey was removed by another");
        Ok(())
    }

    /// Returns the rules that permit it, as they fit into an entry.
    async fn may_administer(&self, caller: &Caller, what: &str) -> Result<Vec<String>, Problem> {
        caller.human(what)?;
        let permitted = self.judge.permits(caller.asker(), Action::Administer, Matter::Broker, Occasion::default());
        permitted.await.map(bounded_rules)
    }

    /// Somebody who is a person here.
    fn named(&self, person: &str) -> Result<PersonId, Problem> {
        let person: PersonId = person.parse().map_err(|error| Problem::invalid("person", error))?;
        if self.judge.access().now().directory.has(&person) {
            return Ok(person);
        }
        Err(Problem::new(ProblemKind::NotFound, format!("`{person}` is no person here")).in_field("person"))
    }

    /// The logins that sessions of this person can have: those of the configuration, their passkeys, and what they use now.
    async fn logins(&self, person: &PersonId, caller: Option<&Human>) -> Result<BTreeSet<Principal>, Problem> {
        let access = self.judge.access().now();
        let mut logins =
            access.directory.people().get(person).map(|member| member.principals.clone()).unwrap_or_default();
        logins.extend(caller.map(|human| human.principal.clone()));
        let passkeys = self.ports.passkeys.passkeys_of(person).await?;
        logins.extend(passkeys.iter().map(|passkey| Self::passkey_principal(&passkey.credential)));
        Ok(logins)
    }

    async fn end_everything(
        &self,
        caller: &Caller,
        person: &PersonId,
        logins: &BTreeSet<Principal>,
        office: Office,
    ) -> Result<u64, Problem> {
        let since = self.clock.now();
        let recorded = office.recorded(|rules| Event::PersonSignedOut { person: person.clone(), since, rules });
        let subject = Subject { kind: "person".to_owned(), id: person.to_string() };
        let draft = self.recorder.draft(caller.actor(), subject, recorded);
        let ended = self.ports.sign_outs.sign_out(person, since, logins, vec![draft], since).await?;
        self.recorder.wake();
        Ok(ended)
    }
}
