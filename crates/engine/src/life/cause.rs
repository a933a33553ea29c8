//! From an entry back to what caused it.

use halligan_core::actor::{Actor, Freshness, Shown};
use halligan_core::event::{Event, RevokedBy};
use halligan_core::grant::{Command, Deadline, Yes};
use halligan_core::signed::Signed;
use jiff::SignedDuration;

use super::illegal::Because;
use super::step::{Anybody, Doer, Step};

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

/// By the type's name, since an entry is sorted out before it is read. A type of a life
/// that this version doesn't know counts as part of one: what it did can't be judged.
pub(super) fn concern(kind: &str) -> Concern {
    match kind.split_once('.') {
        Some(("grant" | "extension" | "credentials" | "containment", _)) => Concern::Life,
        Some(("log", "imported")) => Concern::Import,
        _ => Concern::Nothing,
    }
}

/// What caused an entry about a life that has begun.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub(super) enum Cause {
    /// Something was done to the grant.
    Command(Command),
    /// It never is the first of what a command left.
    NeverFirst,
}

/// Turns the first entry of a transition back into its cause. A reason that was
/// erased is [`halligan_core::text::Reason::erased`].
pub(super) fn cause(event: &Event, step: &Step<'_>, requester: &Actor) -> Result<Cause, Because> {
    let by = || step.doer.person(requester);
    let command = match event {
        Event::GrantAcknowledged { request_hash, remaining: _, signed, rules, incident_unknown, fresh } => {
            let yes = yes(signed, rules, shown(step, requester, *fresh), *incident_unknown);
            Command::Acknowledge { by: by()?, hash: *request_hash, yes }
        }
        Event::GrantDeclined { rules } => Command::Decline { by: by()?, reason: step.reason()?, rules: rules.clone() },
        Event::GrantWithdrawn {} => Command::Withdraw { by: step.doer.party(requester)? },
        Event::GrantCancelled {} => broker(step, Command::CloseIncident)?,
        Event::GrantLapsed {} => broker(step, Command::Elapse(Deadline::Lapse))?,
        Event::ExtensionRequested { nonce, duration_seconds, rules, .. } => Command::RequestExtension {
            by: by()?,
            duration: SignedDuration::from_secs(*duration_seconds),
            reason: step.reason()?,
            nonce: *nonce,
            rules: rules.clone(),
        },
        Event::ExtensionAcknowledged { extension_hash, ends_at: _, signed, rules, fresh } => {
            let yes = yes(signed, rules, shown(step, requester, *fresh), false);
            Command::AcknowledgeExtension { by: by()?, hash: *extension_hash, yes }
        }
        Event::ExtensionDeclined { extension_hash: _, rules } => {
            Command::DeclineExtension { by: by()?, reason: step.reason()?, rules: rules.clone() }
        }
        Event::ExtensionVoid { .. } => broker(step, Command::Elapse(Deadline::ExtensionLapse))?,
        Event::GrantExpired { .. } => broker(step, Command::Elapse(Deadline::Expire))?,
        Event::GrantReturned {} => Command::Return { by: step.doer.party(requester)? },
        Event::GrantRevoked { cause, rules } => revocation(cause, rules, step, requester)?,
        Event::ContainmentObserved(evidence) => broker(step, Command::Contain(evidence.clone()))?,
        Event::ContainmentStuck { because } => broker(step, Command::Stick { because: because.clone() })?,
        _ => return Ok(Cause::NeverFirst),
    };
    Ok(Cause::Command(command))
}

fn yes(signed: &Option<Signed>, rules: &[String], shown: Shown, incident_unknown: bool) -> Yes {
    Yes { signed: signed.clone(), rules: rules.to_vec(), shown, incident_unknown }
}

/// How whoever did it came in.
pub(super) fn shown(step: &Step<'_>, requester: &Actor, fresh: Freshness) -> Shown {
    let channel = match step.doer {
        Doer::Requester => requester.channel,
        Doer::Some(Anybody { channel, .. }) => channel,
    };
    Shown { channel, fresh }
}

fn revocation(cause: &RevokedBy, rules: &[String], step: &Step<'_>, requester: &Actor) -> Result<Command, Because> {
    let by = || step.doer.person(requester);
    match cause {
        RevokedBy::Person(_) => Ok(Command::Revoke { by: by()?, reason: step.reason()?, rules: rules.to_vec() }),
        RevokedBy::Declined(_) => Ok(Command::Decline { by: by()?, reason: step.reason()?, rules: rules.to_vec() }),
        RevokedBy::IncidentClosed => broker(step, Command::CloseIncident),
        RevokedBy::FoundEnded => broker(step, Command::FindEnded),
        RevokedBy::AcknowledgementOverdue => broker(step, Command::Elapse(Deadline::AcknowledgementOverdue)),
    }
}

/// What nobody but the broker itself does.
fn broker(step: &Step<'_>, command: Command) -> Result<Command, Because> {
    match step.doer {
        Doer::Some(Anybody { who: None, .. }) => Ok(command),
        Doer::Some(_) | Doer::Requester => Err(Because::Somebody),
    }
}
