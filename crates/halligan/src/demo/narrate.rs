//! What people read while the demo runs. With `--json`, standard output is the
//! report's alone.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the demo talks to a terminal")]

use super::world::{OPEN_INCIDENT, ROLE, World};

/// Tells the story.
pub struct Narrator {
    to_stderr: bool,
}

impl Narrator {
    /// On standard output, or beside it.
    pub const fn new(to_stderr: bool) -> Self {
        Self { to_stderr }
    }

    /// Something is being done.
    pub fn step(&self, what: &str) {
        self.line(&format!("  … {what}"));
    }

    /// A part of the story begins.
    pub fn chapter(&self, title: &str) {
        self.line(&format!("\n{title}"));
    }

    /// Something was seen.
    pub fn seen(&self, what: &str, outcome: &str) {
        self.line(&format!("  {what:<56} {outcome}"));
    }

    /// A line.
    pub fn line(&self, text: &str) {
        if self.to_stderr {
            eprintln!("{text}");
        } else {
            println!("{text}");
        }
    }

    /// Why there is no demo.
    pub fn failed(&self, error: &anyhow::Error) {
        eprintln!("halligan demo: {error:#}");
    }

    /// Where to go and what to paste.
    pub fn invite(&self, world: &World) {
        let program = std::env::current_exe().map_or_else(|_| "halligan".to_owned(), |path| path.display().to_string());
        let endpoint = world.endpoint();
        let (url, home, directory) = (world.broker.url(), world.people.home().display(), world.directory().display());
        self.line(&format!(
            r#"
Halligan is up at {url} (API: {url}/docs)

alice is on call, bob leads, carol is security. {OPEN_INCIDENT} is open, INC-100 is
closed. In another terminal:

  export HALLIGAN_HOME={home}
  alias halligan={program}

  # alice asks, and waits
  halligan --profile alice request {ROLE} --incident {OPEN_INCIDENT} \
    --reason "checkout answers 500" --duration 15m --wait

  # in a third terminal, bob sees it and says yes
  halligan --profile bob list --state pending
  halligan --profile bob ack GRANT

  # alice works; the credentials refresh until the end (with the AWS CLI, if you have it)
  export AWS_ENDPOINT_URL={endpoint} AWS_REGION=eu-central-1
  halligan --profile alice exec GRANT -- aws s3 ls

  # carol ends it; a moment later it is seen to hold
  halligan --profile carol revoke GRANT --reason "enough"
  halligan --profile carol show GRANT

Try to break it: acknowledge your own request, also as alice-phone; ask for
INC-100; ask for three hours.

On this stand-in IAM writes act at once, and there is no console sign-in.
Everything is in {directory} and goes with Ctrl-C."#
        ));
    }
}
