//! What was found, for people and for machines.

use serde_json::{Value, json};

use super::Report;
use super::check::{Check, Outcome};
use crate::cli::Ui;
use crate::client::words;

const LABEL: usize = 9;

/// For machines: each check with its `status`, `ok` of all.
pub fn json(report: &Report) -> Value {
    let check = |Check { name, of, outcome }: &Check| match outcome {
        Outcome::Ok { seen } => json!({ "check": name, "of": of, "status": "ok", "finding": seen }),
        Outcome::Failed { finding, mend } => {
            json!({ "check": name, "of": of, "status": "failed", "finding": finding, "mend": mend })
        }
        Outcome::Skipped { because } => json!({ "check": name, "of": of, "status": "skipped", "finding": because }),
    };
    let warning = |warning: &crate::config::Problem| json!({ "field": warning.field, "problem": warning.problem });
    json!({
        "ok": report.is_sound(),
        "checks": report.checks.iter().map(check).collect::<Vec<_>>(),
        "warnings": report.warnings.iter().map(warning).collect::<Vec<_>>(),
    })
}

/// For people: a line a check, what mends it below, and how many there are of each.
pub fn text(report: &Report, ui: Ui) -> String {
    let title = |Check { name, of, .. }: &Check| match of {
        Some(of) => format!("{name} {of}"),
        None => (*name).to_owned(),
    };
    let width = report.checks.iter().map(|check| title(check).chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let (mut ok, mut failed, mut skipped) = (0, 0, 0);
    for check in &report.checks {
        let (label, colour, said, mend) = match &check.outcome {
            Outcome::Ok { seen } => ("ok", 32, seen, None),
            Outcome::Failed { finding, mend } => ("FAILED", 31, finding, mend.as_ref()),
            Outcome::Skipped { because } => ("skipped", 33, because, None),
        };
        *match &check.outcome {
            Outcome::Ok { .. } => &mut ok,
            Outcome::Failed { .. } => &mut failed,
            Outcome::Skipped { .. } => &mut skipped,
        } += 1;
        let label = format!("{label:LABEL$}");
        let label = if ui.colours { format!("\u{1b}[{colour}m{label}\u{1b}[0m") } else { label };
        let indent = LABEL + width + 2;
        let said = words::lines(said).replace('\n', &format!("\n{:indent$}", ""));
        text.push_str(&format!("{label}{:width$}  {said}\n", title(check)));
        if let Some(mend) = mend {
            text.push_str(&format!("{:indent$}to mend it: {mend}\n", ""));
        }
    }
    for warning in &report.warnings {
        text.push_str(&format!("warning  {}\n", words::inline(&warning.to_string())));
    }
    text.push_str(&format!("\n{ok} ok, {failed} failed, {skipped} skipped"));
    text
}
