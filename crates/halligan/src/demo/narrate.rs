//! What people read while the demo runs. With `--json`, standard output is the
//! report's alone, and this is on standard error.

use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use halligan_aws::Seen;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::observe::End;
use super::world::{CLOSED_INCIDENT, EMERGENCY_ROLE, OPEN_INCIDENT, ROLE, World};
use crate::cli::Ui;

/// Where an outcome begins, in columns: the line fits 80 of them.
const OUTCOME: usize = 58;
/// A step that takes longer than this says so.
const WORTH_SAYING: Duration = Duration::from_millis(500);
/// So much of what a child wrote explains a failure, as a rule.
const LAST_LINES: usize = 8;
const LINE_CHARACTERS_MAX: usize = 300;

/// Tells the story.
#[derive(Debug, Clone, Copy)]
pub struct Narrator {
    to_stderr: bool,
    colours: bool,
}

impl Narrator {
    /// Beside the command's output: on standard error, if that is JSON.
    pub fn new(ui: &Ui) -> Self {
        Self { to_stderr: ui.json, colours: ui.colours && !ui.json }
    }

    /// A line.
    pub fn line(&self, text: &str) {
        // Whoever doesn't read on misses nothing that they could still see.
        drop(if self.to_stderr { writeln!(io::stderr(), "{text}") } else { writeln!(io::stdout(), "{text}") });
    }

    /// Does something that takes a moment, and says so.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn step<T>(&self, what: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let began = Instant::now();
        let done = self.waiting(what, work).await?;
        let took = began.elapsed();
        let said = if took > WORTH_SAYING { format!("{:.1} s", took.as_secs_f64()) } else { String::new() };
        self.seen(true, what, &said);
        Ok(done)
    }

    /// Waits for something, visibly where somebody looks.
    pub async fn waiting<F: Future>(&self, what: &str, work: F) -> F::Output {
        if !io::stderr().is_terminal() {
            return work.await;
        }
        let style = ProgressStyle::with_template("  {spinner} {msg}  {elapsed}");
        let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
        spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        spinner.enable_steady_tick(Duration::from_millis(100));
        let output = work.await;
        spinner.finish_and_clear();
        output
    }

    /// A part of the story begins.
    pub fn chapter(&self, title: &str) {
        self.line(&format!("\n{}", self.shaded("1", title)));
    }

    /// Something was seen, as it should be or not.
    pub fn seen(&self, good: bool, what: &str, outcome: &str) {
        let (colour, mark) = if good { ("32", "✓") } else { ("1;31", "✗") };
        let line = format!("  {} {what:<width$} {outcome}", self.shaded(colour, mark), width = OUTCOME - 5);
        self.line(line.trim_end());
    }

    /// AWS was asked, and should have answered so.
    pub fn asked(&self, what: &str, found: &Seen, good: bool) {
        self.seen(good, what, &found.to_string());
    }

    /// Credentials came to their end.
    pub fn end(&self, end: &End) {
        let said = if end.on_time { "on time" } else { "NOT ON TIME" };
        self.seen(end.on_time, &format!("AWS: {}", end.told()), said);
    }

    /// Why there is no demo, and what the children in `directory` wrote last.
    pub fn failed(&self, error: &anyhow::Error, directory: &Path) {
        let mut text = format!("\nhalligan demo: {error:#}");
        for path in super::logs(directory) {
            let written = std::fs::read(&path).unwrap_or_default();
            let written = String::from_utf8_lossy(&written);
            let lines: Vec<&str> = written.lines().collect();
            if lines.is_empty() {
                continue;
            }
            text.push_str(&format!("\n\n{} ends with", path.display()));
            for line in lines.iter().skip(lines.len().saturating_sub(LAST_LINES)) {
                text.push_str(&format!("\n  {}", halligan_core::text::printable(line, LINE_CHARACTERS_MAX)));
            }
        }
        drop(writeln!(io::stderr(), "{text}"));
    }

    /// What a stand-in can't show.
    pub fn caveat(&self) {
        self.line(
            "\nThis stand-in has no console sign-in, and IAM acts at once here, where AWS takes\n\
             seconds. What outlives a session on AWS is in docs/limits.md.",
        );
    }

    /// Where to go and what to paste.
    pub fn invite(&self, world: &World) {
        let directory = world.directory().display().to_string();
        self.chapter("Halligan is up");
        self.line(&invitation(
            world.broker.url(),
            &directory,
            &world.accounts.archive,
            &world.accounts.personal_archive,
        ));
        self.caveat();
        self.line(&format!("\nCtrl-C ends everything and removes {directory}."));
    }

    fn shaded(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn invitation(url: &str, directory: &str, archive: &str, personal: &str) -> String {
    format!(
        r#"  {url}  is for a browser: sign in as alice, bob or carol with
  the demo's own identity provider, which asks for no passwords.
  {url}/docs  describes its API.

  alice  on call           {OPEN_INCIDENT}  open          {ROLE}  read-only, full
  bob    on call, lead     {CLOSED_INCIDENT}  closed        {EMERGENCY_ROLE}    read-only, full
  carol  security

Paste into another terminal, piece by piece. The three have signed in there
already, by `halligan login`:

  . {directory}/env

  # alice asks. Nothing opens yet.
  halligan --profile alice request {ROLE} --incident {OPEN_INCIDENT} \
    --reason "checkout answers 500" --duration 10m
  GRANT=$(halligan --profile alice list --limit 1 | tail -1 | cut -d' ' -f1)

  # bob reads what she asks for, and says yes.
  halligan --profile bob ack $GRANT

  # alice works. Any AWS SDK finds the credentials by itself; this one is
  # Python's, and lists the buckets.
  halligan --profile alice exec $GRANT -- buckets

  # carol ends it. A moment later it is seen to hold.
  halligan --profile carol revoke $GRANT --reason "that will do"
  halligan --profile carol show $GRANT

  # Why could carol not ask herself? The same reason that the broker gives. What
  # decides is in {directory}/policies: edit it, and both know.
  halligan policy explain --as carol --action request --target {ROLE} \
    --incident {OPEN_INCIDENT}

  # Whoever may read the logging account verifies the log there: every entry
  # and signature, without the broker.
  AWS_PROFILE=auditor halligan log verify --bucket {archive} \
    --personal-bucket {personal} \
    --key "$LOG_KEY" --witness "$WITNESS_KEY"

Try to break it: acknowledge your own request, also as alice-phone; ask for
{CLOSED_INCIDENT}; ask for three hours; add --emergency and let a minute pass."#
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;
    use crate::demo::logging::Keys;

    #[test]
    fn what_is_to_be_pasted_is_made_of_commands_and_fits_a_terminal() {
        let text =
            invitation("http://localhost:12345", "/tmp/halligan-demo-Ab12Cd", "halligan-archive", "halligan-personal");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::make(directory.path()).unwrap();
        let is_command =
            |line: &str| ["halligan --", "halligan log ", "halligan policy "].iter().any(|it| line.contains(it));
        let mut seen = 0;
        for line in text.replace("\\\n", " ").lines().filter(|line| is_command(line)) {
            let begin = line.find("halligan ").unwrap();
            let command = line.split_at(begin).1.split('|').next().unwrap().replace("$GRANT", "02z5IjAP8ychUMTu3yGwJV");
            // The environment that comes first sets the Region, and names the configuration.
            let command = command.replace("--bucket", "--region eu-central-1 --bucket");
            let command = command.replace("explain", "explain --config halligan.toml");
            let command = command.replace("$LOG_KEY", &keys.log).replace("$WITNESS_KEY", &keys.witness);
            let mut words = vec![String::new()];
            for (n, part) in command.split('"').enumerate() {
                match n % 2 {
                    0 => words.extend(part.split_whitespace().map(str::to_owned)),
                    _ => words.push(part.to_owned()),
                }
            }
            if let Err(error) = Cli::try_parse_from(words.into_iter().filter(|word| !word.is_empty())) {
                panic!("{command}: {error}");
            }
            seen += 1;
        }
        assert_eq!(seen, 8);
    }
}
