//! What can be done to a grant.

use jiff::SignedDuration;

use super::containment::Evidence;
use super::hash::{ExtensionHash, RequestHash};
use crate::actor::{Human, Party, Shown};
use crate::id::Nonce;
use crate::signed::Signed;
use crate::text::Reason;

/// What goes into the record with a second person's yes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Yes {
    /// Their passkey's signature over it.
    pub signed: Option<Signed>,
    /// The rules that permit it.
    pub rules: Vec<String>,
    /// How they came in.
    pub shown: Shown,
    /// Whether the incident's tool didn't answer, and the policy let it pass.
    pub incident_unknown: bool,
}

/// One thing to do to a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A second person says yes to the request.
    Acknowledge {
        /// Who.
        by: Human,
        /// What they saw.
        hash: RequestHash,
        /// What else the record says of it.
        yes: Yes,
    },
    /// A second person says no: to a request, or to an emergency start.
    Decline {
        /// Who.
        by: Human,
        /// Why.
        reason: Reason,
        /// The rules that permit it.
        rules: Vec<String>,
    },
    /// The requester takes a pending request back.
    Withdraw {
        /// Who.
        by: Party,
    },
    /// The requester asks for a later end.
    RequestExtension {
        /// Who.
        by: Human,
        /// By how much.
        duration: SignedDuration,
        /// Why.
        reason: Reason,
        /// Fresh randomness.
        nonce: Nonce,
        /// The rules that permit it.
        rules: Vec<String>,
    },
    /// A second person says yes to an extension.
    AcknowledgeExtension {
        /// Who.
        by: Human,
        /// What they saw.
        hash: ExtensionHash,
        /// What else the record says of it.
        yes: Yes,
    },
    /// A second person says no to an extension.
    DeclineExtension {
        /// Who.
        by: Human,
        /// Why.
        reason: Reason,
        /// The rules that permit it.
        rules: Vec<String>,
    },
    /// The requester gives the access back early.
    Return {
        /// Who.
        by: Party,
    },
    /// A person ends it.
    Revoke {
        /// Who.
        by: Human,
        /// Why.
        reason: Reason,
        /// The rules that permit it.
        rules: Vec<String>,
    },
    /// The incident is closed: what waits is cancelled, what is active is revoked.
    CloseIncident,
    /// The role's own policy says that it was ended: the store is older than AWS.
    FindEnded,
    /// A deadline has passed.
    Elapse(Deadline),
    /// The deny was seen to bite.
    Contain(Evidence),
    /// The deny could not be written or was not seen to bite.
    Stick {
        /// What was seen instead.
        because: String,
    },
}

impl Command {
    /// The command in one word, for refusals.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Acknowledge { .. } => "acknowledge",
            Self::Decline { .. } => "decline",
            Self::Withdraw { .. } => "withdraw",
            Self::RequestExtension { .. } => "extend",
            Self::AcknowledgeExtension { .. } => "acknowledge an extension of",
            Self::DeclineExtension { .. } => "decline an extension of",
            Self::Return { .. } => "return",
            Self::Revoke { .. } => "revoke",
            Self::CloseIncident => "close the incident of",
            Self::FindEnded => "find ended",
            Self::Elapse(_) => "end in time",
            Self::Contain(_) | Self::Stick { .. } => "contain",
        }
    }
}

/// The deadlines of a grant, one at a time due first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// A request waited too long.
    Lapse,
    /// An emergency start had no acknowledgement in time.
    AcknowledgementOverdue,
    /// The end came.
    Expire,
    /// An extension waited too long.
    ExtensionLapse,
}
