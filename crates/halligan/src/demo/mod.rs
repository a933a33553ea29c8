//! `halligan demo`: a supervisor. A stand-in of AWS is one child, `halligan
//! serve` another; the provider that people sign in with runs here. What it shows, it shows through the
//! product's own API and command line.

mod broker;
mod files;
mod logging;
mod narrate;
mod observe;
mod people;
mod provider;
mod report;
mod story;
mod witness;
mod world;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::cli::Ui;
use crate::client::failure::Exit;
use narrate::Narrator;
use world::World;

/// The broker's log, in the demo's directory.
const BROKER_LOG: &str = "broker.log";
/// The witness's log, there.
const WITNESS_LOG: &str = "witness.log";
/// The stand-in's own directory, there.
const STAND_IN: &str = "stand-in";

const HELP: &str = "\
It stays up until Ctrl-C, in a directory of its own that goes with it. On first use it
installs the stand-in (ministack) into the cache directory: that takes Python 3.10 or newer
with pip, and the network.

With --auto, --json prints one object:
  {\"promises\":[{\"id\":\"P1\",\"held\":true,\"evidence\":{…},\"pending\":null},…],\"grants\":[…]}
`held` is null where a part isn't built yet, which `pending` names; the exit code is 1 if one
is false, 6 if the story could not be played.";

/// What to show.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// Play the story by itself and end with a table: each promise, held or not, and the evidence
    #[arg(long)]
    auto: bool,
}

/// How the demo came to its end.
enum Ended {
    /// By itself.
    With(ExitCode),
    /// Somebody ended it.
    By(Signal),
}

/// Runs the demo until it is over or interrupted; everything that it started ends with it.
pub fn run(args: &Args, ui: &Ui) -> ExitCode {
    let narrator = Narrator::new(ui);
    // One thread, so that a child's parent lives as long as this process.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start the runtime");
    let directory = directory();
    let ended = match (runtime, directory) {
        (Ok(runtime), Ok(directory)) => runtime.block_on(supervise(args, ui, &narrator, directory)),
        (Err(error), _) | (_, Err(error)) => {
            narrator.failed(&error, Path::new(""));
            return Exit::Stopped.into();
        }
    };
    match ended {
        Ended::With(code) => code,
        // Ctrl-C is how a demo that stays up is meant to end.
        Ended::By(Signal::INT) if !args.auto => {
            narrator.line("\nStopped. Nothing is left of it.");
            ExitCode::SUCCESS
        }
        Ended::By(signal) => u8::try_from(128 + signal.as_raw()).map_or(ExitCode::FAILURE, ExitCode::from),
    }
}

/// Where everything of this demo is, for nobody else to read.
fn directory() -> anyhow::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let made = builder.prefix("halligan-demo-").permissions(Permissions::from_mode(0o700)).tempdir();
    made.context("can't make a directory for the demo")
}

async fn supervise(args: &Args, ui: &Ui, narrator: &Narrator, directory: TempDir) -> Ended {
    let path = directory.path().to_owned();
    // Whatever comes first, the children are gone after this: they go with what `show` holds.
    let ended = tokio::select! {
        shown = show(args, ui, narrator, &path) => shown.map(Ended::With),
        signal = interrupted() => signal.map(Ended::By),
    };
    match ended {
        Ok(ended) => {
            removed(directory).await;
            ended
        }
        Err(error) => {
            narrator.failed(&error, &path);
            // What the children wrote explains a failure; without it there is nothing to look into.
            if logs(&path).iter().any(|log| log.exists()) {
                drop(directory.keep());
            }
            Ended::With(Exit::Stopped.into())
        }
    }
}

async fn show(args: &Args, ui: &Ui, narrator: &Narrator, directory: &Path) -> anyhow::Result<ExitCode> {
    let emergency = if args.auto { story::EMERGENCY_WINDOW } else { "1m" };
    narrator.chapter("Setting up");
    let mut world = World::build(directory, emergency, narrator).await?;
    if args.auto {
        let report = story::play(world, narrator).await?;
        let code = report.publish(ui);
        narrator.caveat();
        return Ok(code);
    }
    narrator.invite(&world);
    if ui.json {
        let places = json!({
            "broker_url": world.broker.url(), "halligan_home": world.people.home(),
            "aws_endpoint_url": world.aws_endpoint(), "directory": world.directory(),
        });
        ui.print_json(&places)?;
    }
    Err(world.broken().await)
}

async fn interrupted() -> anyhow::Result<Signal> {
    let listen = |kind| signal(kind).context("can't listen for signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => Signal::INT,
        _ = terminate.recv() => Signal::TERM,
        _ = hangup.recv() => Signal::HUP,
    })
}

/// What the children in this directory of the demo wrote.
fn logs(directory: &Path) -> [PathBuf; 3] {
    [directory.join(BROKER_LOG), directory.join(WITNESS_LOG), directory.join(STAND_IN).join(crate::standin::LOG)]
}

/// Removes the directory. The children have just been killed: for a moment one
/// may still write there.
async fn removed(directory: TempDir) {
    let path = directory.keep();
    for _ in 0..20 {
        if std::fs::remove_dir_all(&path).is_ok() || !path.exists() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
}
