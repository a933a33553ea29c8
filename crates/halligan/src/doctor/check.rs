//! One thing that was looked at.

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, in a word: the same for the same.
    pub name: &'static str,
    /// Which of them; none where there is but one.
    pub of: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it should be.
    Ok {
        /// What was seen.
        seen: String,
    },
    /// It isn't.
    Failed {
        /// What was found.
        finding: String,
        /// What mends it, where the finding doesn't say so itself.
        mend: Option<String>,
    },
    /// It couldn't be looked at, and nothing is known to be wrong.
    Skipped {
        /// Why not.
        because: String,
    },
}

/// A check whose outcome is still open.
#[derive(Debug)]
pub struct Open {
    name: &'static str,
    of: Option<String>,
}

impl Check {
    /// Of what there is one of.
    pub const fn bare(name: &'static str) -> Open {
        Open { name, of: None }
    }

    /// Of one of several.
    pub fn of(name: &'static str, of: &impl ToString) -> Open {
        Open { name, of: Some(of.to_string()) }
    }

    /// Whether it isn't as it should be.
    pub const fn is_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed { .. })
    }
}

impl Open {
    /// It is as it should be.
    pub fn ok(self, seen: impl Into<String>) -> Check {
        self.with(Outcome::Ok { seen: seen.into() })
    }

    /// It isn't.
    pub fn failed(self, finding: impl Into<String>, mend: Option<&str>) -> Check {
        self.with(Outcome::Failed { finding: finding.into(), mend: mend.map(ToOwned::to_owned) })
    }

    /// It couldn't be looked at.
    pub fn skipped(self, because: impl Into<String>) -> Check {
        self.with(Outcome::Skipped { because: because.into() })
    }

    fn with(self, outcome: Outcome) -> Check {
        Check { name: self.name, of: self.of, outcome }
    }
}
