//! The promises, held or not, and the evidence.

use std::process::ExitCode;

use comfy_table::presets;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;
use serde_json::Value;

use super::narrate::Narrator;
use crate::cli::Ui;

/// One promise.
#[derive(Debug, Serialize)]
pub struct Promise {
    /// `P1` to `P6`.
    pub id: &'static str,
    /// Held, not held, or not to be judged yet.
    pub held: Option<bool>,
    /// What was seen.
    pub evidence: Value,
    /// What isn't built yet.
    pub pending: Option<&'static str>,
    /// The promise, and the evidence in words.
    #[serde(skip)]
    pub words: (&'static str, String),
}

impl Promise {
    /// A promise of which every part exists.
    pub fn whole(id: &'static str, held: bool, evidence: Value, words: (&'static str, String)) -> Self {
        Self { id, held: Some(held), evidence, pending: None, words }
    }

    /// A promise with a part that is pending: what exists can break it, not keep it.
    pub fn part(
        id: &'static str,
        sound: bool,
        evidence: Value,
        pending: &'static str,
        words: (&'static str, String),
    ) -> Self {
        Self { id, held: if sound { None } else { Some(false) }, evidence, pending: Some(pending), words }
    }
}

/// How the story ended.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The promises.
    pub promises: Vec<Promise>,
    /// The grants, as the API has them.
    pub grants: Value,
}

impl Report {
    /// Prints it, and says whether a promise was broken.
    pub fn publish(&self, ui: &Ui, narrator: &Narrator) -> ExitCode {
        let printed = match serde_json::to_value(self) {
            Ok(json) if ui.json => ui.print_json(&json),
            Ok(_) => ui.print(&format!("\n{}", self.table())),
            Err(error) => {
                narrator.failed(&error.into());
                return ExitCode::FAILURE;
            }
        };
        match printed {
            Ok(()) if self.is_broken() => ExitCode::FAILURE,
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => ui.fail(&failure),
        }
    }

    fn is_broken(&self) -> bool {
        self.promises.iter().any(|promise| promise.held == Some(false))
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        if table.width().is_none_or(|width| width > 100) {
            table.set_width(100);
        }
        table.set_header(["promise", "held", "evidence"]);
        for promise in &self.promises {
            let (title, evidence) = &promise.words;
            let held = match promise.held {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "pending",
            };
            let pending = promise.pending.map(|what| format!("Not built yet: {what}.")).unwrap_or_default();
            let words = [evidence.as_str(), pending.as_str()].join("\n");
            table.add_row([format!("{} {title}", promise.id), held.to_owned(), words.trim().to_owned()]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(held: Option<bool>) -> Report {
        let words = ("it ends on time", "it did".to_owned());
        let promise = Promise { id: "P2", held, evidence: Value::Null, pending: None, words };
        Report { promises: vec![promise], grants: Value::Null }
    }

    #[test]
    fn only_a_broken_promise_fails() {
        assert!(report(Some(false)).is_broken());
        assert!(!report(Some(true)).is_broken() && !report(None).is_broken());
    }

    #[test]
    fn a_pending_part_keeps_nothing_and_can_break_it() {
        let words = || ("logged", String::new());
        assert_eq!(Promise::part("P3", true, Value::Null, "the tree", words()).held, None);
        assert_eq!(Promise::part("P3", false, Value::Null, "the tree", words()).held, Some(false));
    }
}
