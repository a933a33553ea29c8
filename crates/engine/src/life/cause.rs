//! From an entry back to what caused it.

use halligan_core::actor::{Actor, Human};
use halligan_core::entry::Sealed;
use halligan_core::event::{Event, RevokedBy};
use halligan_core::grant::{Command, Deadline};
use halligan_core::id::MintId;
use halligan_core::text::Reason;
use jiff::{SignedDuration, Timestamp};

use super::illegal::Because;

/// What an entry has to do with lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Concern {
    /// Nothing.
    Nothing,
    /// It is part of one.
    Life,
    /// The log goes on from another store.
    Import,
}

pub(super) const fn concern(event: &Event) -> Concern {
    match event {
        Event::GrantRequested { .. }
        | Event::GrantActivated { .. }
        | Event::GrantAcknowledged { .. }
        | Event::GrantDeclined {}
        | Event::GrantWithdrawn {}
        | Event::GrantCancelled {}
        | Event::GrantLapsed {}
        | Event::ExtensionRequested { .. }
        | Event::ExtensionAcknowledged { .. }
        | Event::ExtensionDeclined { .. }
        | Event::ExtensionVoid { .. }
        | Event::GrantExpired { .. }
        | Event::GrantReturned {}
        | Event::GrantRevoked { .. }
        | Event::CredentialsIntended { .. }
        | Event::CredentialsIssued { .. }
        | Event::CredentialsDiscarded { .. }
        | Event::CredentialsFailed { .. }
        | Event::ContainmentObserved(_)
        | Event::ContainmentStuck { .. } => Concern::Life,
        Event::LogImported { .. } => Concern::Import,
        Event::ActionRefused { .. }
        | Event::RefusalsCounted { .. }
        | Event::RevocationWritten { .. }
        | Event::RevocationDrift { .. }
        | Event::RevocationFailed { .. }
        | Event::ProbeIntended { .. }
        | Event::ClockSkewed { .. }
        | Event::LogKeyChanged { .. }
        | Event::LogPlacesChanged { .. }
        | Event::LogArchiveWeakened { .. }
        | Event::LogArchiveMended { .. }
        | Event::LogArchiveTouched { .. }
        | Event::LogPlaceFailing { .. }
        | Event::LogPlaceRecovered { .. }
        | Event::LogEntrySetAside { .. }
        | Event::LogOverrideGranted { .. }
        | Event::LogOverrideEnded {}
        | Event::CatalogueChanged { .. }
        | Event::PolicyChanged { .. }
        | Event::TrailMissing { .. }
        | Event::TrailFound {}
        | Event::BrokerStarted { .. } => Concern::Nothing,
    }
}

/// What caused an entry about a life that has begun.
#[derive(Debug)]
pub(super) enum Cause {
    /// Something was done to the grant.
    Command(Command),
    /// Credentials were about to be minted.
    Mint { by: Human, mint: MintId, fence: Timestamp, token_seconds: u32 },
    /// That came to something.
    Outcome { by: Human, mint: MintId },
    /// It never is the first of what a command left.
    NeverFirst,
}

/// Turns the first entry of a transition back into its cause. A reason that was
/// erased is [`Reason::erased`].
pub(super) fn cause(sealed: &Sealed) -> Result<Cause, Because> {
    let actor = &sealed.entry.actor;
    let command = match &sealed.entry.event {
        Event::GrantAcknowledged { request_hash } => Command::Acknowledge { by: person(actor)?, hash: *request_hash },
        Event::GrantDeclined {} => Command::Decline { by: person(actor)?, reason: reason(sealed)?.text },
        Event::GrantWithdrawn {} => Command::Withdraw { by: person(actor)? },
        Event::GrantCancelled {} => broker(actor, Command::CloseIncident)?,
        Event::GrantLapsed {} => broker(actor, Command::Elapse(Deadline::Lapse))?,
        Event::ExtensionRequested { nonce, duration_seconds, .. } => Command::RequestExtension {
            by: person(actor)?,
            duration: SignedDuration::from_secs(*duration_seconds),
            reason: reason(sealed)?.text,
            nonce: *nonce,
        },
        Event::ExtensionAcknowledged { extension_hash, .. } => {
            Command::AcknowledgeExtension { by: person(actor)?, hash: *extension_hash }
        }
        Event::ExtensionDeclined { .. } => {
            Command::DeclineExtension { by: person(actor)?, reason: reason(sealed)?.text }
        }
        Event::ExtensionVoid { .. } => broker(actor, Command::Elapse(Deadline::ExtensionLapse))?,
        Event::GrantExpired { .. } => broker(actor, Command::Elapse(Deadline::Expire))?,
        Event::GrantReturned {} => Command::Return { by: person(actor)? },
        Event::GrantRevoked { cause } => revocation(cause, sealed)?,
        Event::ContainmentObserved(evidence) => broker(actor, Command::Contain(evidence.clone()))?,
        Event::ContainmentStuck { because } => broker(actor, Command::Stick { because: because.clone() })?,
        Event::CredentialsIntended { mint, fence, token_seconds, .. } => {
            let (mint, fence, token_seconds) = (*mint, *fence, *token_seconds);
            return Ok(Cause::Mint { by: person(actor)?, mint, fence, token_seconds });
        }
        Event::CredentialsIssued { mint, .. }
        | Event::CredentialsDiscarded { mint, .. }
        | Event::CredentialsFailed { mint, .. } => return Ok(Cause::Outcome { by: person(actor)?, mint: *mint }),
        Event::GrantRequested { .. }
        | Event::GrantActivated { .. }
        | Event::ActionRefused { .. }
        | Event::RefusalsCounted { .. }
        | Event::RevocationWritten { .. }
        | Event::RevocationDrift { .. }
        | Event::RevocationFailed { .. }
        | Event::ProbeIntended { .. }
        | Event::ClockSkewed { .. }
        | Event::LogKeyChanged { .. }
        | Event::LogPlacesChanged { .. }
        | Event::LogArchiveWeakened { .. }
        | Event::LogArchiveMended { .. }
        | Event::LogArchiveTouched { .. }
        | Event::LogPlaceFailing { .. }
        | Event::LogPlaceRecovered { .. }
        | Event::LogImported { .. }
        | Event::LogEntrySetAside { .. }
        | Event::LogOverrideGranted { .. }
        | Event::LogOverrideEnded {}
        | Event::CatalogueChanged { .. }
        | Event::PolicyChanged { .. }
        | Event::TrailMissing { .. }
        | Event::TrailFound {}
        | Event::BrokerStarted { .. } => return Ok(Cause::NeverFirst),
    };
    Ok(Cause::Command(command))
}

fn revocation(cause: &RevokedBy, sealed: &Sealed) -> Result<Command, Because> {
    let actor = &sealed.entry.actor;
    match cause {
        RevokedBy::Person(_) => Ok(Command::Revoke { by: person(actor)?, reason: reason(sealed)?.text }),
        RevokedBy::Declined(_) => Ok(Command::Decline { by: person(actor)?, reason: reason(sealed)?.text }),
        RevokedBy::IncidentClosed => broker(actor, Command::CloseIncident),
        RevokedBy::FoundEnded => broker(actor, Command::FindEnded),
        RevokedBy::AcknowledgementOverdue => broker(actor, Command::Elapse(Deadline::AcknowledgementOverdue)),
    }
}

pub(super) fn person(actor: &Actor) -> Result<Human, Because> {
    actor.human.clone().ok_or(Because::Nobody)
}

fn broker(actor: &Actor, command: Command) -> Result<Command, Because> {
    if actor.human.is_some() { Err(Because::Somebody) } else { Ok(command) }
}

/// A reason, as far as it is known.
pub(super) struct Told {
    pub text: Reason,
    pub erased: bool,
}

/// The reason of an entry that has one.
pub(super) fn reason(sealed: &Sealed) -> Result<Told, Because> {
    if sealed.entry.personal_sha256.is_none() {
        return Err(Because::NoReason);
    }
    let Some(personal) = &sealed.personal else {
        return Ok(Told { text: Reason::erased(), erased: true });
    };
    let text = personal.fields.0.get("reason").ok_or(Because::NoReason)?;
    let text = Reason::try_from(text.clone()).map_err(Because::BadReason)?;
    Ok(Told { text, erased: false })
}
