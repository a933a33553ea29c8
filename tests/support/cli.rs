//! The command line, run as people run it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::{HALLIGAN, World};

/// Longer than anything that is waited for here takes.
const WITHIN: Duration = Duration::from_secs(90);

/// What a command came to.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Its stdout as JSON, and nothing beside it.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// That it succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl World {
    /// A command of somebody's, not started yet, with an environment of its own.
    pub fn command(&self, profile: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(HALLIGAN);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.directory());
        command.env("HALLIGAN_HOME", self.home()).args(["--profile", profile]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs `halligan --profile PROFILE ARGUMENTS`.
    pub async fn cli(&self, profile: &str, arguments: &[&str]) -> Output {
        self.run(self.command(profile, arguments)).await
    }

    /// Runs a command to its end; the secrets that it prints are kept in mind.
    pub async fn run(&self, mut command: Command) -> Output {
        let child = command.spawn().unwrap();
        let output = tokio::time::timeout(WITHIN, child.wait_with_output()).await.expect("a command hangs").unwrap();
        let output = Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        self.remember_secrets_of(&output.stdout);
        self.remember_told(&output.stderr);
        output
    }
}
