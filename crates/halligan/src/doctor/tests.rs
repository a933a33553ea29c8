#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod places;
mod whole;

use super::check::Outcome;
use super::*;

/// `status: finding [mend]` of each, a line a check.
fn told(checks: &[Check]) -> String {
    let line = |check: &Check| {
        let of = check.of.as_deref().map(|of| format!(" {of}")).unwrap_or_default();
        let outcome = match &check.outcome {
            Outcome::Ok { seen } => format!("ok: {seen}"),
            Outcome::Failed { finding, mend: Some(mend) } => format!("FAILED: {finding}\n    {mend}"),
            Outcome::Failed { finding, mend: None } => format!("FAILED: {finding}"),
            Outcome::Skipped { because } => format!("skipped: {because}"),
        };
        format!("{}{of} {outcome}", check.name)
    };
    checks.iter().map(line).collect::<Vec<_>>().join("\n")
}
