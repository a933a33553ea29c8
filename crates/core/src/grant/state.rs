//! The states of a grant. Each carries what only it has; ended states never revive.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::containment::Containment;
use super::hash::{ExtensionHash, RequestHash};
use super::request::{Limits, Request};
use crate::actor::{Human, Shown};
use crate::id::{Nonce, PersonId};
use crate::text::Reason;

/// One grant, from its request to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What was asked for. It never changes, so that transitions share it.
    pub request: Arc<Request>,
    /// What an acknowledgement is bound to.
    pub request_hash: RequestHash,
    /// Frozen when it was asked for.
    pub limits: Limits,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// How the requester came in.
    #[serde(default)]
    pub shown: Shown,
    /// Where it stands.
    pub state: State,
}

/// Where a grant stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Waiting for the second person.
    Pending(Pending),
    /// Credentials may be minted.
    Active(Active),
    /// Over before it ever was active.
    Dropped(Dropped),
    /// Was active, and is over.
    Ended(Ended),
}

/// Waiting for the second person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// From this instant on it has lapsed.
    pub acknowledge_by: Timestamp,
    /// The first of the two yes that a machine's request needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Acknowledged>,
}

/// Credentials may be minted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// Since when, until when, and by whose yes.
    pub activation: Activation,
    /// A longer end that waits for a second person.
    pub extension: Option<Extension>,
}

/// The one activation of a grant. It stays with the grant when that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation {
    /// When the clock started.
    pub activated_at: Timestamp,
    /// When the access ends: a whole second.
    pub ends_at: Timestamp,
    /// Whose yes it has.
    pub standing: Standing,
    /// Whose yes its later ends have: each person's latest, in their order. Rows of before say nothing of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended: Vec<Extended>,
    /// What was issued.
    pub mints: Mints,
}

/// Whether a second person has said yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// An emergency start: over at `ack_due` unless acknowledged before.
    Unacknowledged {
        /// A whole second.
        ack_due: Timestamp,
    },
    /// A second person said yes.
    Acknowledged(Acknowledged),
}

/// A second person's yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who: never the requester.
    pub by: Human,
    /// How they came in.
    #[serde(default)]
    pub shown: Shown,
    /// Whether a passkey of theirs signed it.
    #[serde(default)]
    pub signed: bool,
    /// The yes before, to a machine's request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Box<Acknowledged>>,
    /// When.
    pub at: Timestamp,
}

/// A second person's yes to a later end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extended {
    /// Theirs.
    pub yes: Acknowledged,
    /// The end that they said yes to.
    pub ends_at: Timestamp,
}

/// What was minted under an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mints {
    /// How many were intended: an unknown outcome counts as issued.
    pub count: u32,
    /// No token of this grant lives longer than this.
    pub tokens_until: Option<Timestamp>,
}

/// A pending extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// What an acknowledgement of it is bound to.
    pub hash: ExtensionHash,
    /// Makes two equal extensions differ.
    pub nonce: Nonce,
    /// By how much the end moves.
    pub duration: SignedDuration,
    /// Why.
    pub reason: Reason,
    /// From this instant on it has lapsed.
    pub acknowledge_by: Timestamp,
}

/// Over before it ever was active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Why.
    pub how: NeverActive,
    /// When.
    pub at: Timestamp,
}

/// Why a grant never became active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum NeverActive {
    /// A second person said no.
    Declined {
        /// Who.
        by: PersonId,
        /// Why.
        reason: Reason,
    },
    /// The requester took it back.
    Withdrawn,
    /// Its incident closed.
    Cancelled,
    /// Nobody answered in time.
    Lapsed,
}

/// Was active, and is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The activation that ended.
    pub activation: Activation,
    /// How it ended.
    pub ending: Ending,
    /// When: for an expiry the end that was set, whenever it was noticed.
    pub at: Timestamp,
    /// Whether the end has been seen to hold.
    pub containment: Containment,
}

/// How an active grant ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ending {
    /// Its end came.
    Expired,
    /// It was taken.
    Revoked {
        /// By whom or what.
        cause: RevokeCause,
    },
    /// The requester gave it back early.
    Returned,
}

/// Why an active grant was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum RevokeCause {
    /// A person ended it.
    Person {
        /// Who.
        by: PersonId,
        /// Why.
        reason: Reason,
    },
    /// A second person declined an emergency start.
    Declined {
        /// Who.
        by: PersonId,
        /// Why.
        reason: Reason,
    },
    /// Its incident closed.
    IncidentClosed,
    /// AWS's record says that it was ended before: the store had been restored.
    FoundEnded,
    /// Nobody acknowledged an emergency start in time.
    AcknowledgementOverdue,
}

/// A state in one word, as the API and the store write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words of the lifecycle, defined by the states above")]
pub enum Phase {
    Pending,
    Active,
    Declined,
    Withdrawn,
    Cancelled,
    Lapsed,
    Expired,
    Revoked,
    Returned,
}

impl Phase {
    /// Every phase, in the order of a life.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Active,
        Self::Declined,
        Self::Withdrawn,
        Self::Cancelled,
        Self::Lapsed,
        Self::Expired,
        Self::Revoked,
        Self::Returned,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
            Self::Cancelled => "cancelled",
            Self::Lapsed => "lapsed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Returned => "returned",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Grant {
    /// The state in one word.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match &self.state {
            State::Pending(_) => Phase::Pending,
            State::Active(_) => Phase::Active,
            State::Dropped(dropped) => match dropped.how {
                NeverActive::Declined { .. } => Phase::Declined,
                NeverActive::Withdrawn => Phase::Withdrawn,
                NeverActive::Cancelled => Phase::Cancelled,
                NeverActive::Lapsed => Phase::Lapsed,
            },
            State::Ended(ended) => match ended.ending {
                Ending::Expired => Phase::Expired,
                Ending::Revoked { .. } => Phase::Revoked,
                Ending::Returned => Phase::Returned,
            },
        }
    }

    /// The activation, of a grant that is or was active.
    #[must_use]
    pub const fn activation(&self) -> Option<&Activation> {
        match &self.state {
            State::Pending(_) | State::Dropped(_) => None,
            State::Active(active) => Some(&active.activation),
            State::Ended(ended) => Some(&ended.activation),
        }
    }

    /// Every yes that the request has, the latest first.
    pub fn acknowledged(&self) -> impl Iterator<Item = &Acknowledged> {
        let latest = match &self.state {
            State::Pending(pending) => pending.first.as_ref(),
            State::Active(Active { activation, .. }) | State::Ended(Ended { activation, .. }) => {
                match &activation.standing {
                    Standing::Acknowledged(acknowledged) => Some(acknowledged),
                    Standing::Unacknowledged { .. } => None,
                }
            }
            State::Dropped(_) => None,
        };
        std::iter::successors(latest, |acknowledged| acknowledged.first.as_deref())
    }

    /// Every yes that credentials rest on, and to how long a grant it was said: those to the
    /// request, then those to later ends.
    pub fn rests_on(&self) -> impl Iterator<Item = (&Acknowledged, SignedDuration)> {
        let activation = self.activation();
        // Where nobody is known to have said yes to a later end, the first yes answers for all of it.
        let first = activation.filter(|activation| activation.extended.is_empty()).map(Activation::length);
        let first = first.unwrap_or(self.request.duration);
        let later = activation.into_iter().flat_map(|Activation { activated_at, extended, .. }| {
            extended.iter().map(|extended| (&extended.yes, extended.ends_at.duration_since(*activated_at)))
        });
        self.acknowledged().map(move |yes| (yes, first)).chain(later)
    }

    /// Whether something of it can still be used, or is still to be ended.
    #[must_use]
    pub fn is_unfinished(&self, now: Timestamp) -> bool {
        match &self.state {
            State::Pending(_) | State::Active(_) => true,
            State::Dropped(_) => false,
            State::Ended(ended) => {
                let unseen = matches!(ended.containment, Containment::Enforcing | Containment::Stuck { .. });
                unseen || ended.activation.mints.tokens_until.is_some_and(|until| until > now)
            }
        }
    }

    /// Whether `person` is the one who asked, or for whom a machine did.
    #[must_use]
    pub fn is_requester(&self, person: &PersonId) -> bool {
        self.request.requester.stands_for(person)
    }
}
