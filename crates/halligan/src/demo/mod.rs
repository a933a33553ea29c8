//! `halligan demo`: a supervisor. A stand-in of AWS is one child, `halligan
//! serve` another; people's keys live here. What it shows, it shows through the
//! product's own API and command line.

mod broker;
mod narrate;
mod observe;
mod people;
mod report;
mod story;
mod world;

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Ui;
use narrate::Narrator;
use world::World;

/// What to show.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Play the story by itself and end with a table: each promise, held or not, and the evidence
    #[arg(long)]
    auto: bool,
}

/// Runs the demo until it is over or interrupted; everything that it started ends with it.
pub fn run(args: &Args, ui: &Ui) -> ExitCode {
    let narrator = Narrator::new(ui.json);
    // One thread, so that a child's parent lives as long as this process.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start the runtime");
    let outcome = runtime.and_then(|runtime| {
        runtime.block_on(async {
            tokio::select! {
                outcome = show(args, ui, &narrator) => outcome,
                interrupted = interrupted() => interrupted,
            }
        })
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            narrator.failed(&error);
            ExitCode::FAILURE
        }
    }
}

async fn show(args: &Args, ui: &Ui, narrator: &Narrator) -> anyhow::Result<ExitCode> {
    let mut world = World::build(args.auto, narrator).await?;
    let outcome = if args.auto {
        let report = story::play(&mut world, narrator).await;
        report.map(|report| report.publish(ui, narrator))
    } else {
        narrator.invite(&world);
        world.broker.ended().await
    };
    // What the children wrote is what explains a failure.
    outcome.inspect_err(|_| world.keep())
}

async fn interrupted() -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("can't listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("can't listen for SIGINT")?;
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    Ok(ExitCode::from(130))
}
