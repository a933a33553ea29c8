//! The promises, held or not, and the evidence.

use std::process::ExitCode;

use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use serde_json::Value;

use crate::cli::Ui;

/// The width of a terminal that says nothing of its own.
const COLUMNS: u16 = 80;
const COLUMNS_MAX: u16 = 100;

/// One promise.
#[derive(Debug, Serialize)]
pub struct Promise {
    /// `P1` to `P6`.
    pub id: &'static str,
    /// Held, not held, or not to be judged yet: then `pending` says what is missing.
    pub held: Option<bool>,
    /// What was seen.
    pub evidence: Value,
    /// What isn't built yet.
    pub pending: Option<&'static str>,
    /// The promise in words.
    #[serde(skip)]
    pub title: &'static str,
    /// The evidence in words, a line each.
    #[serde(skip)]
    pub told: Vec<String>,
}

impl Promise {
    /// A promise of which no part exists.
    pub fn unbuilt(id: &'static str, title: &'static str, pending: &'static str) -> Self {
        Self {
            id,
            held: None,
            evidence: Value::Object(Default::default()),
            pending: Some(pending),
            title,
            told: vec![],
        }
    }

    /// In a word: of a promise in part, whatever exists held.
    fn verdict(&self) -> (&'static str, Color) {
        match self.held {
            Some(true) => ("yes", Color::Green),
            Some(false) => ("NO", Color::Red),
            None if self.told.is_empty() => ("not yet", Color::DarkGrey),
            None => ("so far", Color::Yellow),
        }
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
    pub fn publish(&self, ui: &Ui) -> ExitCode {
        let printed = match serde_json::to_value(self) {
            Ok(json) if ui.json => ui.print_json(&json),
            Ok(_) | Err(_) => ui.print(&format!("\n{}", self.table(ui))),
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

    fn table(&self, ui: &Ui) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        let columns = table.width().unwrap_or(COLUMNS).clamp(COLUMNS, COLUMNS_MAX);
        table.set_width(columns).set_header(["", "PROMISE", "HELD", "EVIDENCE"]);
        if !ui.colours {
            table.force_no_tty();
        }
        let fixed = |width| ColumnConstraint::Absolute(Width::Fixed(width));
        for (column, width) in table.column_iter_mut().zip([3, 17, 8]) {
            column.set_constraint(fixed(width));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 1));
        }
        for promise in &self.promises {
            let (word, colour) = promise.verdict();
            let mut told: Vec<String> =
                promise.told.iter().map(|told| format!("- {}", told.replace('\n', "\n  "))).collect();
            told.extend(promise.pending.map(|what| format!("not built yet: {what}")));
            table.add_row([
                Cell::new(promise.id),
                Cell::new(promise.title),
                Cell::new(word).fg(colour),
                Cell::new(told.join("\n")),
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn report(held: Option<bool>) -> Report {
        let told = vec!["it did".to_owned()];
        let ends = Promise { id: "P2", held, evidence: Value::Null, pending: None, title: "It ends on time", told };
        Report { promises: vec![ends, Promise::unbuilt("P4", "Loud", "alerts")], grants: Value::Null }
    }

    #[test]
    fn only_a_broken_promise_fails() {
        assert!(report(Some(false)).is_broken());
        assert!(!report(Some(true)).is_broken() && !report(None).is_broken());
    }

    #[test]
    fn the_json_has_what_was_agreed_and_no_more() {
        let json = serde_json::to_value(report(Some(true))).unwrap();
        // The order of members means nothing.
        insta::with_settings!({ sort_maps => true }, {
            insta::assert_json_snapshot!(json, @r#"
        {
          "grants": null,
          "promises": [
            {
              "evidence": null,
              "held": true,
              "id": "P2",
              "pending": null
            },
            {
              "evidence": {},
              "held": null,
              "id": "P4",
              "pending": "alerts"
            }
          ]
        }
            "#);
        });
    }

    #[test]
    fn the_table_fits_a_terminal() {
        let ui = Ui { json: false, colours: false };
        let table = report(Some(false)).table(&ui).to_string();
        assert!(table.lines().all(|line| line.chars().count() <= usize::from(COLUMNS_MAX)), "{table}");
        for word in ["P2", "It ends on time", "NO", "it did", "not yet", "not built yet: alerts"] {
            assert!(table.contains(word), "{word}: {table}");
        }
    }
}
