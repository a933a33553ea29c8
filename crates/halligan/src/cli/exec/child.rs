//! The command: its environment, its signals, its end.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use secrecy::ExposeSecret as _;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::endpoint::Endpoint;
use crate::cli::Ui;
use crate::client::failure::Failure;

/// Where an SDK would find other credentials, or another way to get some, before
/// it comes to the container endpoint.
const REMOVED: [&str; 14] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// A `[default]` in one of these comes before the container endpoint too: the
/// command would work with other rights than it was granted, and nobody would see it.
const EMPTIED: [&str; 2] = ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"];

/// What the command finds.
pub struct Surroundings<'a> {
    /// Where its credentials are.
    pub endpoint: &'a Endpoint,
    /// The Region of the role, for a command that is told none.
    pub region: Option<&'a str>,
}

/// Runs the command to its end.
///
/// # Errors
/// When signals can't be handled, or the command's end can't be learned. A
/// command that can't be started has an exit code of its own.
pub async fn run(command: &[OsString], surroundings: &Surroundings<'_>, ui: Ui) -> Result<ExitCode, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::Usage("expected a command after `--`".into()));
    };
    let mut signals = Signals::new().map_err(Failure::local("handle signals"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    prepare(&mut command, surroundings, |name| std::env::var_os(name).is_some());
    match command.spawn() {
        Ok(mut child) => {
            let status = until_end_of(&mut child, async || signals.next().await).await;
            Ok(exit_code(status.map_err(Failure::local("learn how the command ended"))?))
        }
        Err(error) => {
            ui.warn(&format!("can't run `{}`: {error}", program.display()));
            // As shells have it: no such command, or one that can't be run.
            Ok(ExitCode::from(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }))
        }
    }
}

fn prepare(command: &mut Command, surroundings: &Surroundings<'_>, is_set: impl Fn(&str) -> bool) {
    for name in REMOVED {
        command.env_remove(name);
    }
    for name in EMPTIED {
        command.env(name, "/dev/null");
    }
    let Surroundings { endpoint, region } = surroundings;
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &endpoint.url);
    command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", endpoint.token.expose_secret());
    // What a machine in the cloud would hand out isn't the grant's either.
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    if let Some(region) = region
        && !is_set("AWS_REGION")
        && !is_set("AWS_DEFAULT_REGION")
    {
        command.env("AWS_REGION", region).env("AWS_DEFAULT_REGION", region);
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    ExitCode::from(code(status))
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The signals that are handed on.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one that the command is to get from here.
    async fn next(&mut self) -> Signal {
        loop {
            let (signal, typed) = tokio::select! {
                Some(()) = self.interrupt.recv() => (Signal::INT, true),
                Some(()) = self.quit.recv() => (Signal::QUIT, true),
                Some(()) = self.terminate.recv() => (Signal::TERM, false),
                Some(()) = self.hangup.recv() => (Signal::HUP, false),
            };
            // What is typed reaches the command by itself; twice, it would mean more.
            if !(typed && in_foreground()) {
                return signal;
            }
        }
    }
}

/// Waits for the command's end and hands signals on to it.
async fn until_end_of(child: &mut Child, mut next: impl AsyncFnMut() -> Signal) -> io::Result<ExitStatus> {
    loop {
        let signal = tokio::select! {
            status = child.wait() => return status,
            signal = next() => signal,
        };
        // The id is the child's until its end has been learned.
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            let _ = kill_process(id, signal);
        }
    }
}

/// Whether a terminal sends what is typed to this process and its children.
fn in_foreground() -> bool {
    File::open("/dev/tty").is_ok_and(|terminal| tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;
    use std::ffi::OsStr;
    use std::process::Stdio;
    use std::sync::Arc;

    use jiff::ToSpan as _;
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    use super::super::endpoint;
    use super::*;
    use crate::client::cache::MemoryShelf;
    use crate::client::credentials::Source;
    use crate::client::credentials::tests::{FakeIssuer, Moved, id};
    use crate::client::machine::MachineEntropy;

    const UI: Ui = Ui { json: false, colours: false };

    async fn endpoint() -> Endpoint {
        let clock = Moved::at("2026-03-01T02:40:00Z");
        let issuer = FakeIssuer::new(&clock, 30.minutes());
        let source = Source::new(issuer, Box::new(MemoryShelf::default()), clock, Arc::new(|_| {}), id());
        endpoint::open(Arc::new(source), &MachineEntropy).await.unwrap()
    }

    async fn ended(script: &str) -> ExitCode {
        let endpoint = endpoint().await;
        let command = ["sh", "-c", script].map(OsString::from);
        run(&command, &Surroundings { endpoint: &endpoint, region: None }, UI).await.unwrap()
    }

    #[tokio::test]
    async fn the_child_finds_these_credentials_and_no_others() {
        let endpoint = endpoint().await;
        let mut command = Command::new("true");
        prepare(&mut command, &Surroundings { endpoint: &endpoint, region: Some("eu-central-1") }, |_| false);
        let changed: BTreeMap<_, _> = command.as_std().get_envs().collect();
        for name in REMOVED {
            assert_eq!(changed.get(OsStr::new(name)), Some(&None), "{name}");
        }
        let value = |name: &str| changed.get(OsStr::new(name)).copied().flatten().unwrap().to_str().unwrap();
        assert_eq!(value("AWS_CONFIG_FILE"), "/dev/null");
        assert_eq!(value("AWS_EC2_METADATA_DISABLED"), "true");
        assert_eq!(value("AWS_CONTAINER_CREDENTIALS_FULL_URI"), endpoint.url);
        assert_eq!(value("AWS_REGION"), "eu-central-1");

        let mut told = Command::new("true");
        prepare(&mut told, &Surroundings { endpoint: &endpoint, region: Some("eu-central-1") }, |name| {
            name == "AWS_REGION"
        });
        assert!(told.as_std().get_envs().all(|(name, _)| name != "AWS_REGION"), "a Region of the caller's stays");
    }

    #[tokio::test]
    async fn the_command_decides_the_exit_code() {
        for (script, expected) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
            assert_eq!(ended(script).await, ExitCode::from(expected), "{script}");
        }
    }

    #[tokio::test]
    async fn a_command_that_cannot_start_says_so() {
        let endpoint = endpoint().await;
        let run = async |program: &str| {
            let command = [OsString::from(program)];
            super::run(&command, &Surroundings { endpoint: &endpoint, region: None }, UI).await.unwrap()
        };
        assert_eq!(run("/no/such/command").await, ExitCode::from(127));
        assert_eq!(run("/").await, ExitCode::from(126));
    }

    #[tokio::test]
    async fn signals_are_handed_on_one_by_one() {
        let script = "trap 'echo hup' HUP; trap 'kill $!; exit 42' TERM; echo ready; while :; do sleep 60 & wait $!; kill $!; done";
        let mut child = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (send, mut signals) = tokio::sync::mpsc::unbounded_channel();
        let told = async {
            for (line, answer) in [("ready", Signal::HUP), ("hup", Signal::TERM)] {
                assert_eq!(lines.next_line().await.unwrap().unwrap(), line);
                send.send(answer).unwrap();
            }
            // Open to the end: a closed channel isn't a signal.
            std::future::pending::<()>().await;
        };
        let ended = until_end_of(&mut child, async || signals.recv().await.unwrap());
        let status = tokio::select! { status = ended => status, () = told => unreachable!() };
        assert_eq!(code(status.unwrap()), 42);
    }
}
