//! Where a command prints: answers on stdout, everything else on stderr.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde_json::Value;

use crate::client::failure::Failure;
use crate::client::http::Answer;
use crate::client::words;

/// Where a command prints.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    /// Print JSON, and nothing else on stdout.
    pub json: bool,
    /// Whether stdout takes colours.
    pub colours: bool,
}

impl Ui {
    /// That of this process.
    #[must_use]
    pub fn of_process(json: bool) -> Self {
        // https://no-color.org: any value but an empty one.
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { json, colours: wanted && able && io::stdout().is_terminal() }
    }

    /// The same for what goes to stderr: without colours.
    #[must_use]
    pub const fn on_stderr(self) -> Self {
        Self { colours: false, ..self }
    }

    /// Prints an answer: as it came, or in words.
    ///
    /// # Errors
    /// When stdout can't be written.
    pub fn answer<T>(&self, answer: &Answer<T>, in_words: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.json { self.print_json(&answer.json) } else { self.print(&in_words(&answer.value)) }
    }

    /// Prints text with a line break after it.
    ///
    /// # Errors
    /// When stdout can't be written.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(Failure::local("write to stdout")),
        }
    }

    /// Prints JSON.
    ///
    /// # Errors
    /// When stdout can't be written.
    pub fn print_json(&self, json: &Value) -> Result<(), Failure> {
        self.print(&harmless_json(json))
    }

    /// Tells whoever looks on; a lost remark is no failure.
    pub fn note(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Tells of something that isn't as it should be.
    pub fn warn(&self, text: &str) {
        self.note(&format!("halligan: {text}"));
    }

    /// Tells why the command failed, and says with which code it ends.
    #[must_use]
    pub fn fail(&self, failure: &Failure) -> ExitCode {
        if self.json {
            let _ = self.print_json(&failure.json());
        }
        self.note(&told(failure));
        failure.exit().into()
    }
}

/// A failure in words: what was refused, which rule or field, what would satisfy it.
fn told(failure: &Failure) -> String {
    let Failure::Refused(refused) = failure else {
        return format!("halligan: {}", words::lines(&failure.chain()));
    };
    let problem = &refused.problem;
    let mut text = format!("halligan: refused: {}", words::inline(&problem.title));
    let mut line = |label: &str, value: &str| text.push_str(&format!("\n  {label:<12}{}", words::inline(value)));
    line("why", &problem.detail);
    if let Some(field) = &problem.field {
        line("field", field);
    }
    for (n, unmet) in problem.unmet.iter().enumerate() {
        line(if n == 0 { "needed" } else { "" }, unmet);
    }
    if let Some(advice) = &refused.advice {
        line("do this", advice);
    }
    if let Some(seconds) = problem.retry_after_seconds {
        line("try again", &format!("in {seconds} s"));
    }
    if !problem.rules.is_empty() {
        line("rules", &problem.rules.join(", "));
    }
    line("problem", problem.slug().unwrap_or(&problem.kind));
    if let Some(instance) = &problem.instance {
        line("occurrence", instance);
    }
    text
}

/// JSON in which no character acts on a terminal. Such characters stand in
/// strings alone, where an escape means the same.
fn harmless_json(json: &Value) -> String {
    let text = format!("{json:#}");
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let prints = c == '\n' || c.is_ascii_graphic() || c == ' ' || format!("x{c}").escape_debug().count() == 2;
        if prints {
            shown.push(c);
        } else {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::client::failure::Refused;

    fn refused(json: Value) -> Failure {
        let problem = serde_json::from_value(json.clone()).unwrap();
        Failure::Refused(Box::new(Refused { problem, json, advice: Some("halligan login --fresh".into()) }))
    }

    #[test]
    fn a_problem_is_told_in_full() {
        let failure = refused(json!({
            "type": "urn:halligan:problem:not-permitted", "title": "The policy does not permit it", "status": 403,
            "detail": "carol is in no group that may ask for `prod-admin`", "field": "target.id",
            "unmet": ["be in the group `oncall`", "or ask\u{1b}[2J"], "rules": ["lists-request", "fresh"], "retry_after_seconds": 2,
            "instance": "urn:uuid:0192f0c1-7e4b-7c3a-9d5e-3f2a1b0c9d8e", "new_field": 1
        }));
        insta::assert_snapshot!(told(&failure), @r"
        halligan: refused: The policy does not permit it
          why         carol is in no group that may ask for `prod-admin`
          field       target.id
          needed      be in the group `oncall`
                      or ask\u{1b}[2J
          do this     halligan login --fresh
          try again   in 2 s
          rules       lists-request, fresh
          problem     not-permitted
          occurrence  urn:uuid:0192f0c1-7e4b-7c3a-9d5e-3f2a1b0c9d8e
        ");
        assert_eq!(failure.json().get("new_field"), Some(&json!(1)));
    }

    #[test]
    fn json_means_the_same_and_acts_on_nothing() {
        let json = json!({ "reason": "a\u{1b}[2J\u{9b}1m\u{202e}x\u{e0001}\u{7f} é 日 🚒 \"q\" \\ \n" });
        let shown = harmless_json(&json);
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown}");
        assert!(!shown.contains('\u{202e}') && shown.contains("é 日 🚒"), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), json);
    }

    #[test]
    fn failures_of_this_machine_have_the_shape_of_a_problem() {
        let failure = Failure::Usage("expected more".into());
        assert_eq!(failure.json()["type"], "urn:halligan:client:usage");
        assert_eq!(told(&failure), "halligan: expected more");
    }
}
