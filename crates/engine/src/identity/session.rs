//! Sessions of browsers.

use std::net::IpAddr;

use halligan_core::actor::{Human, Party, Principal};
use halligan_core::event::{Event, Recorded};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;

use super::{Identity, from_address, session_subject};
use crate::caller::Caller;
use crate::ports::{Change, Proof, SecretHash, SecretText, Session, StoreError};
use crate::problem::{Problem, ProblemKind};

/// Who vouches for a login with a passkey: the subject is the credential's id.
pub const PASSKEY_ISSUER: &str = "halligan:passkey";

/// A session's use is noted at most so often.
const NOTED_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// Somebody who signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// What their browser keeps: a secret.
    pub token: SecretText,
    /// What is kept here.
    pub session: Session,
    /// Who they are.
    pub human: Human,
}

impl Identity {
    /// Who calls, by the token of their session.
    ///
    /// # Errors
    /// There is no such session, it is over, or its login is nobody's any more.
    pub async fn session(&self, token: &SecretText, address: Option<IpAddr>) -> Result<(Caller, Session), Problem> {
        let (session, party) = self.live(&SecretHash::of(token)).await?;
        let now = self.clock.now();
        if now.duration_since(session.seen_at) >= NOTED_EVERY {
            match self.ports.sessions.touch(&session.token, &session.proof, now).await {
                Ok(()) => {}
                Err(StoreError::Conflict) => return Err(self.signed_out()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok((self.web_caller(party, &session, address, now), session))
    }

    /// The session of a token and whose it is, if it is not over.
    pub(super) async fn live(&self, token: &SecretHash) -> Result<(Session, Party), Problem> {
        let session = self.ports.sessions.session(token).await?.ok_or_else(|| self.signed_out())?;
        if self.is_over(&session, self.clock.now()) {
            return Err(self.signed_out());
        }
        let human = self.human_of(&session).await?;
        self.still_counts(&human.person, Some(session.opened_at)).await?;
        Ok((session, Party::Human(human)))
    }

    pub(super) fn is_over(&self, session: &Session, now: Timestamp) -> bool {
        now.duration_since(session.opened_at) >= self.settings.session_max
            || now.duration_since(session.seen_at) >= self.settings.session_idle
    }

    /// Whose session it is now: asked anew each time.
    async fn human_of(&self, session: &Session) -> Result<Human, Problem> {
        let principal = &session.principal;
        let directory = &self.judge.access().now().directory;
        let person = if principal.issuer == PASSKEY_ISSUER {
            let passkey = self.ports.passkeys.passkey(&principal.subject).await?;
            passkey.and_then(|passkey| directory.enrolled(&passkey))
        } else {
            directory.person(principal).ok()
        };
        let human = person.map(|person| Human { person, principal: principal.clone() });
        human.ok_or_else(|| {
            Problem::new(ProblemKind::UnlinkedPrincipal, "the login of this session belongs to no person any more")
        })
    }

    fn signed_out(&self) -> Problem {
        Problem::new(ProblemKind::Unauthenticated, "you are not signed in, or no longer: sign in again")
    }

    /// Opens a session for somebody who has just proved who they are.
    pub(super) async fn open_session(
        &self,
        human: Human,
        proof: Proof,
        rules: Vec<String>,
        address: Option<IpAddr>,
    ) -> Result<SignedIn, Problem> {
        let now = self.clock.now();
        let token: SecretText = hex::encode(self.secret()).into();
        let id = self.entropy.uuid_v7(now);
        let session = Session {
            token: SecretHash::of(&token),
            id,
            principal: human.principal.clone(),
            proof,
            opened_at: now,
            seen_at: now,
            address,
        };
        let event = Event::SessionOpened {
            session: id,
            method: proof.method.as_str().to_owned(),
            proved_at: proof.at,
            mfa: proof.mfa_at.is_some(),
            rules: halligan_core::event::bounded_rules(rules),
        };
        let draft = self.draft(Some(&human.clone().into()), session_subject(id), from_address(event, address));
        self.ports.sessions.open(&session, vec![draft], now).await?;
        self.recorder.wake();
        Ok(SignedIn { token, session, human })
    }

    /// Notes that the person of a session has proved themselves again.
    pub(super) async fn step_up_session(&self, session: &Session, human: Human, proof: Proof) -> Result<(), Problem> {
        let event = Event::SessionSteppedUp {
            session: session.id,
            method: proof.method.as_str().to_owned(),
            proved_at: proof.at,
            mfa: proof.mfa_at.is_some(),
        };
        let draft = self.draft(Some(&human.into()), session_subject(session.id), Recorded::plain(event));
        // First the record: of a crash in between nothing is left but a proof that counts for nothing.
        self.recorder.commit(Change { entries: vec![draft], ..Change::default() }).await?;
        match self.ports.sessions.touch(&session.token, &proof, self.clock.now()).await {
            Ok(()) => Ok(()),
            Err(StoreError::Conflict) => Err(self.signed_out()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the session of this token. Without one nothing happens.
    ///
    /// # Errors
    /// The store doesn't answer: the session may still be there.
    pub async fn sign_out(&self, token: &SecretText) -> Result<(), Problem> {
        if token.expose_secret().is_empty() {
            return Ok(());
        }
        let hash = SecretHash::of(token);
        let Some(session) = self.ports.sessions.session(&hash).await? else { return Ok(()) };
        let party = self.human_of(&session).await.ok().map(Party::Human);
        let event = Recorded::plain(Event::SessionEnded { session: session.id });
        let draft = self.draft(party.as_ref(), session_subject(session.id), event);
        self.ports.sessions.end(&hash, vec![draft], self.clock.now()).await?;
        self.recorder.wake();
        Ok(())
    }

    /// Forgets sessions and ceremonies that are over, and groups that no check would take any
    /// more; returns how many. Bounded: called again, it goes on.
    ///
    /// # Errors
    /// The store doesn't answer.
    pub async fn forget_what_is_over(&self, limit: u32) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let (opened, seen) = (now - self.settings.session_max, now - self.settings.session_idle);
        let sessions = self.ports.sessions.forget(opened, seen, limit).await?;
        let ceremonies = self.ports.ceremonies.forget_ceremonies(now, limit).await?;
        let groups = self.ports.groups.forget_groups(now - self.settings.groups_kept, limit).await?;
        Ok(sessions.saturating_add(ceremonies).saturating_add(groups))
    }

    /// The login of a passkey.
    pub(super) fn passkey_principal(credential: &str) -> Principal {
        Principal { issuer: PASSKEY_ISSUER.to_owned(), subject: credential.to_owned() }
    }
}
