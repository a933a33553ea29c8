//! Why a command was refused. Each names the rule and what would satisfy it.

use jiff::{SignedDuration, Timestamp};

use super::command::Deadline;
use super::state::Phase;
use crate::id::PersonId;

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The state doesn't have this command.
    #[error("can't {command} a grant that is {phase}")]
    WrongState {
        /// What was tried.
        command: &'static str,
        /// Where the grant stands.
        phase: Phase,
    },
    /// A deadline has passed that no worker has acted on yet.
    #[error("the grant's deadline has passed")]
    Overdue(Deadline),
    /// A deadline that has not come, or that this state doesn't have.
    #[error("the grant has no such deadline now")]
    NotDue(Deadline),
    /// Two parts that must be two humans are one.
    #[error("the requester can't {command} their own grant: another person must")]
    SamePerson {
        /// What was tried.
        command: &'static str,
    },
    /// The two yes that a machine's request needs are two people's.
    #[error("`{0}` has acknowledged already: a machine's request needs a second person")]
    SecondPerson(PersonId),
    /// Nobody stands behind a machine who could answer for it.
    #[error("a machine can't {command} a grant: a person must ask")]
    Machine {
        /// What was tried.
        command: &'static str,
    },
    /// Only the requester may.
    #[error("only the requester can {command} a grant")]
    NotRequester {
        /// What was tried.
        command: &'static str,
    },
    /// The acknowledgement was for something else.
    #[error(
        "the hash is not that of what is to be acknowledged: read the grant again and acknowledge what it says now"
    )]
    HashMismatch,
    /// The request isn't the one that was acknowledged.
    #[error(
        "the request no longer makes the hash that it was acknowledged by, for part of it was changed or erased: ask again"
    )]
    RequestChanged,
    /// An emergency start must be acknowledged before it is extended.
    #[error("an emergency start can't be extended before it is acknowledged")]
    NotAcknowledged,
    /// One extension at a time.
    #[error("an extension is already waiting for a second person")]
    ExtensionPending,
    /// There is no extension to answer.
    #[error("no extension is waiting for an answer")]
    NoExtension,
    /// The extension would exceed the total cap.
    #[error("the access would last {asked}: expected at most {max} in all")]
    TooLong {
        /// What it would become.
        asked: SignedDuration,
        /// The cap, frozen when the grant was asked for.
        max: SignedDuration,
    },
    /// A duration that isn't a positive number of whole seconds.
    #[error("a duration of {0} can't be granted: expected at least one second")]
    NotPositive(SignedDuration),
    /// The scope can't be minted from: the catalogue was checked when it was loaded.
    #[error(transparent)]
    UnusableScope(#[from] crate::iam::UnusableScope),
    /// The session that was drafted would outlive the grant's fence.
    #[error("the mint's fence {drafted} is not the grant's fence {fence}")]
    FenceMoved {
        /// What the draft says.
        drafted: Timestamp,
        /// What it must be.
        fence: Timestamp,
    },
}
