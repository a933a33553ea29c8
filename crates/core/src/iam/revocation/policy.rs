//! What a revocation policy says, and its document.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ceil_second;
use crate::iam::document::{Document, Statement, Values, date};
use crate::id::GrantId;

/// The tag of a session's grant, as a condition key.
const GRANT_KEY: &str = "aws:PrincipalTag/halligan:grant";
const ISSUED_KEY: &str = "aws:TokenIssueTime";

const SID_PREFIX: &str = "HalliganG";
const SID_LISTED: &str = "Listed";
const SID_CUT: &str = "Cut";

/// Which writing of a role's policy this is. It stands in the Sids (IAM has no
/// version check), so that a stale read or a late write of ours is told from tampering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Every session issued before an instant is dead, but for those of some grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Tokens issued before it are denied; rounded up to a second where it is written.
    pub before: Timestamp,
    /// The grants whose tokens live on.
    pub exempt: BTreeSet<GrantId>,
}

/// What a revocation policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationPolicy {
    /// Which writing.
    pub generation: Generation,
    /// Grants whose sessions are dead, whenever issued.
    pub listed: BTreeSet<GrantId>,
    /// What stands for those that no longer have room in the list.
    pub cut: Option<Cut>,
}

/// Why a document is not a revocation policy: somebody else wrote or changed it.
#[derive(Debug, thiserror::Error)]
pub enum Foreign {
    /// Not a document of the few elements that ours have.
    #[error("the revocation policy on the role is not a document that Halligan writes")]
    Unreadable(#[source] serde_json::Error),
    /// A document, but another than its statements would be compiled to.
    #[error("the revocation policy on the role has statements that Halligan doesn't write")]
    OtherStatements,
}

impl RevocationPolicy {
    /// The document. A session without the grant tag falls under the cut: a
    /// negated operator holds when the key is absent.
    #[must_use]
    pub fn document(&self) -> Document {
        let sid = |suffix| Some(format!("{SID_PREFIX}{}{suffix}", self.generation));
        let ids = |grants: &BTreeSet<GrantId>| Values::Many(grants.iter().map(GrantId::to_string).collect());
        let mut statements = Vec::new();
        if !self.listed.is_empty() {
            let ended = ("StringEquals", GRANT_KEY, ids(&self.listed));
            statements.push(Statement::deny_all(sid(SID_LISTED), [ended]));
        }
        if let Some(cut) = &self.cut {
            let earlier = ("DateLessThan", ISSUED_KEY, Values::One(date(ceil_second(cut.before))));
            statements.push(if cut.exempt.is_empty() {
                // An operator with no values is malformed.
                Statement::deny_all(sid(SID_CUT), [earlier])
            } else {
                let other = ("StringNotEquals", GRANT_KEY, ids(&cut.exempt));
                Statement::deny_all(sid(SID_CUT), [earlier, other])
            });
        }
        Document::new(statements)
    }

    /// Reads a policy back from the role.
    ///
    /// # Errors
    /// [`Foreign`] when it isn't, to the value, what [`RevocationPolicy::document`] writes.
    pub fn parse(json: &str) -> Result<Self, Foreign> {
        let document: Document = serde_json::from_str(json).map_err(Foreign::Unreadable)?;
        match Self::read(&document) {
            Some(policy) if policy.document() == document => Ok(policy),
            _ => Err(Foreign::OtherStatements),
        }
    }

    /// Takes what it finds; `parse` sees whether that was all.
    fn read(document: &Document) -> Option<Self> {
        let mut generation = None;
        let mut listed = BTreeSet::new();
        let mut cut = None;
        for statement in &document.statement {
            let rest = statement.sid.as_ref()?.strip_prefix(SID_PREFIX)?;
            let digits = rest.trim_end_matches(|c: char| !c.is_ascii_digit());
            generation = Some(Generation(digits.parse().ok()?));
            match rest.get(digits.len()..)? {
                SID_LISTED => listed = grants(statement, "StringEquals")?,
                SID_CUT => {
                    let exempt = grants(statement, "StringNotEquals").unwrap_or_default();
                    let Values::One(before) = value(statement, "DateLessThan", ISSUED_KEY)? else {
                        return None;
                    };
                    cut = Some(Cut { before: before.parse().ok()?, exempt });
                }
                _ => return None,
            }
        }
        Some(Self { generation: generation?, listed, cut })
    }
}

fn value<'a>(statement: &'a Statement, operator: &str, key: &str) -> Option<&'a Values> {
    statement.condition.get(operator)?.get(key)
}

fn grants(statement: &Statement, operator: &str) -> Option<BTreeSet<GrantId>> {
    match value(statement, operator, GRANT_KEY)? {
        Values::Many(ids) => ids.iter().map(|id| id.parse().ok()).collect(),
        Values::One(_) => None,
    }
}
