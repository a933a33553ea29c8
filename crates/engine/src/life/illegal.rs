//! Why a life is not a legal one.

use halligan_core::event::Event;
use halligan_core::grant::Refusal;
use halligan_core::id::{GrantId, MintId};
use halligan_core::text::{InvalidReason, printable};
use jiff::SignedDuration;
use serde_json::Value;

/// The first entry of a life that the lifecycle would not have written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {index}, `{kind}`{}, makes no legal life: {because}", of(grant.as_ref()))]
pub struct Illegal {
    /// Where it stands in the log.
    pub index: u64,
    /// Whose life.
    pub grant: Option<GrantId>,
    /// The entry's type.
    pub kind: String,
    /// What is wrong with it.
    pub because: Because,
}

fn of(grant: Option<&GrantId>) -> String {
    grant.map(|grant| format!(" of grant {grant}")).unwrap_or_default()
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Because {
    /// Not an entry, or not with the data of its type.
    #[error("it can't be read: {0}")]
    Unreadable(String),
    /// It says something of a life, and not of which.
    #[error("it names no grant")]
    NoGrant,
    /// There is no such life.
    #[error("nobody asked for this grant, or it was over too long ago to be known")]
    NeverRequested,
    /// There is such a life already.
    #[error("the grant was asked for before")]
    RequestedTwice,
    /// Nothing can follow.
    #[error("the grant is over, with nothing left to come of it")]
    Over,
    /// A new grant that doesn't look new.
    #[error("the grant's id was not made when it was asked for, but {apart:#} apart: expected a new one")]
    OldId {
        /// How far.
        apart: SignedDuration,
    },
    /// More than any deployment has.
    #[error("more than {max} grants are open at a time")]
    TooMany {
        /// The bound.
        max: usize,
    },
    /// The lifecycle refuses what caused it, at that instant.
    #[error("at the time of its decision, {0}")]
    Refused(Refusal),
    /// The lifecycle says something else.
    #[error("{field} is {found}: expected {expected}")]
    Differs {
        /// Which of its fields.
        field: String,
        /// What it says.
        found: String,
        /// What the lifecycle says.
        expected: String,
    },
    /// One transition left several entries, and another stands where the next of them comes.
    #[error("expected `{expected}`, which the entry before it of this grant brings with it")]
    Cut {
        /// Its type.
        expected: String,
    },
    /// It stands where nothing brought it.
    #[error("`{kind}` follows only from what stands before it, and does not here")]
    Alone {
        /// Its type.
        kind: String,
    },
    /// Only people do that.
    #[error("nobody did it: expected a person")]
    Nobody,
    /// Only the broker does that.
    #[error("a person did it: expected the broker itself")]
    Somebody,
    /// Without a reason nothing of the kind is done.
    #[error("it commits to no reason: expected one")]
    NoReason,
    /// No reason that anybody could have given.
    #[error("its reason can't be one: {0}")]
    BadReason(InvalidReason),
    /// The incident is part of each request.
    #[error("it names no incident: expected one")]
    NoIncident,
    /// A duration that can't be asked for.
    #[error("the access would last {asked:#}: expected at least a second and at most {max:#}")]
    Duration {
        /// What it says.
        asked: SignedDuration,
        /// The grant's own limit.
        max: SignedDuration,
    },
    /// An outcome of nothing.
    #[error("nobody intended the mint {0}")]
    NotIntended(MintId),
    /// Two outcomes of one mint.
    #[error("the mint {0} has an outcome already")]
    OutcomeTwice(MintId),
    /// One mint twice.
    #[error("the mint {0} was intended before")]
    IntendedTwice(MintId),
}

/// Where `found` is other than `expected`.
pub(super) fn compare(found: &Event, expected: &Event) -> Result<(), Because> {
    if found == expected {
        return Ok(());
    }
    // Events are JSON: that was how they came.
    let json = |event| serde_json::to_value(event).unwrap_or_default();
    let (found, expected) = (json(found), json(expected));
    if found.get("type") != expected.get("type") {
        return Err(differs("type", found.get("type"), expected.get("type")));
    }
    let data = |json: &Value| json.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
    let (found, expected) = (data(&found), data(&expected));
    let mut fields = expected.keys().filter(|field| found.get(*field) != expected.get(*field));
    Err(fields
        .next()
        .map_or(differs("data", None, None), |field| differs(field, found.get(field), expected.get(field))))
}

/// A field that is other than it must be.
pub(super) fn differs(field: &str, found: Option<&Value>, expected: Option<&Value>) -> Because {
    let shown = |value: Option<&Value>| value.map_or("absent".to_owned(), |value| printable(&value.to_string(), 120));
    Because::Differs { field: format!("`{field}`"), found: shown(found), expected: shown(expected) }
}
