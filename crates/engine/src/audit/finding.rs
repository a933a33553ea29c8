//! What can be wrong with a log, from its first signature to its last life.

use std::collections::BTreeMap;
use std::fmt;

use halligan_core::entry::Entry;
use halligan_core::id::{GrantId, PartyName};
use halligan_log::verify::Flaw;
use halligan_log::{Object, verify};
use jiff::{SignedDuration, Timestamp};

use crate::life::{Illegal, Unsound};
use crate::ports::Tampering;

/// So many findings are kept: those with the lowest indexes.
const KEPT_MAX: usize = 1_000;

/// Something that is wrong with a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The first entry that is concerned; none where it is the checkpoint.
    pub index: Option<u64>,
    /// Where it was found; none of a life, which is in no single object.
    pub object: Option<Object>,
    /// What it is.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Bytes that are not what the tree, or the checkpoint, says.
    Log {
        /// What is wrong with them.
        flaw: Flaw,
        /// In how many more places of the same object.
        more: u64,
    },
    /// Entries that nobody changed, and that no broker writes.
    Life(Illegal),
    /// What a passkey is said to have signed it didn't, or it doesn't count.
    Passkey(Exception),
    /// Somebody touched a key that is written once. What was first written was still verified.
    Touched(Tampering),
    /// The newest signature is too old: the log has fallen silent.
    Stale {
        /// When the log signed its head.
        signed_at: Timestamp,
        /// How old that was when it was looked at.
        age: SignedDuration,
        /// How old it may be.
        within: SignedDuration,
    },
    /// The newest signature says a time that has not come.
    Early {
        /// When the log says that it signed its head.
        signed_at: Timestamp,
    },
}

/// An entry that the log signed, and that claims more of a passkey than was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The entry's type.
    pub kind: String,
    /// Who is said to have done it.
    pub by: Option<PartyName>,
    /// Under which grant.
    pub grant: Option<GrantId>,
    /// What doesn't hold.
    pub because: Unsound,
}

impl Exception {
    pub(super) fn of(kind: &str, entry: &Entry, because: Unsound) -> Self {
        let by = entry.actor.party.as_ref().map(|party| party.name());
        Self { kind: kind.to_owned(), by, grant: entry.links.grant, because }
    }

    pub(super) fn unreadable(kind: &str, error: &serde_json::Error) -> Self {
        Self { kind: kind.to_owned(), by: None, grant: None, because: Unsound::Unreadable(error.to_string()) }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, by, grant, because } = self;
        write!(f, "`{kind}`")?;
        if let Some(by) = by {
            write!(f, " by `{by}`")?;
        }
        if let Some(grant) = grant {
            write!(f, " of grant {grant}")?;
        }
        write!(f, ": {because}")
    }
}

impl Finding {
    /// A word for programs: the same for the same kind of fault.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match &self.fault {
            Fault::Log { flaw, .. } => flaw.code(),
            Fault::Life(_) => "life",
            Fault::Passkey(_) => "passkey",
            Fault::Touched(Tampering::Hidden) => "hidden",
            Fault::Touched(Tampering::Overwritten) => "overwritten",
            Fault::Stale { .. } => "stale",
            Fault::Early { .. } => "early",
        }
    }
}

impl From<verify::Finding> for Finding {
    fn from(found: verify::Finding) -> Self {
        let verify::Finding { index, object, flaw, more } = found;
        Self { index, object: Some(object), fault: Fault::Log { flaw, more } }
    }
}

impl From<Illegal> for Finding {
    fn from(illegal: Illegal) -> Self {
        Self { index: Some(illegal.index), object: None, fault: Fault::Life(illegal) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.fault, self.index, &self.object) {
            (Fault::Life(illegal), _, _) => return write!(f, "{illegal}"),
            (Fault::Passkey(exception), Some(index), _) => return write!(f, "entry {index}, {exception}"),
            (_, Some(index), Some(object)) => write!(f, "entry {index} (`{object}`): ")?,
            (_, Some(index), None) => write!(f, "entry {index}: ")?,
            (_, None, Some(object)) => write!(f, "`{object}`: ")?,
            (_, None, None) => {}
        }
        match &self.fault {
            Fault::Life(_) => Ok(()),
            Fault::Passkey(exception) => write!(f, "{exception}"),
            Fault::Log { flaw, more: 0 } => write!(f, "{flaw}"),
            Fault::Log { flaw, more } => write!(f, "{flaw}, and {more} more in this object"),
            Fault::Touched(Tampering::Hidden) => {
                f.write_str("a delete marker hides it: what was first written was read, and is verified")
            }
            Fault::Touched(Tampering::Overwritten) => {
                f.write_str("other bytes were written over it: what was first written was read, and is verified")
            }
            Fault::Stale { signed_at, age, within } => {
                write!(f, "the log was last signed at {signed_at}, {age:#} ago: expected at most {within:#}")
            }
            Fault::Early { signed_at } => {
                write!(f, "the log was signed at {signed_at}, which has not come: expected an earlier time")
            }
        }
    }
}

/// Findings in the order of the log, however late each was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: BTreeMap<(Option<u64>, u64), Finding>,
    found: u64,
}

impl Findings {
    pub(super) fn add(&mut self, finding: impl Into<Finding>) {
        let finding = finding.into();
        self.kept.insert((finding.index, self.found), finding);
        self.found = self.found.saturating_add(1);
        if self.kept.len() > KEPT_MAX {
            self.kept.pop_last();
        }
    }

    pub(super) const fn found(&self) -> u64 {
        self.found
    }

    pub(super) fn into_kept(self) -> Vec<Finding> {
        self.kept.into_values().collect()
    }
}

/// The first entry that an object has to do with.
pub(super) fn first_index(object: &Object) -> Option<u64> {
    match object {
        Object::Checkpoint => None,
        Object::Successor { size, .. } => Some(*size),
        Object::Entries(span) | Object::Personal(span) => Some(span.n.saturating_mul(256)),
        Object::Hashes { level, span } => {
            let shift = 8_u32.saturating_mul(u32::from(*level).saturating_add(1));
            Some(span.n.saturating_mul(1_u64.checked_shl(shift).unwrap_or(0)))
        }
    }
}
