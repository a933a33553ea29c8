//! `halligan doctor`: looks at everything that the log rests on, changes nothing,
//! and says what mends what it finds.

mod archives;
mod check;
mod key;
mod others;
mod present;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use futures::future::join_all;
use halligan_aws::Aws;
use halligan_core::text::with_causes;
use halligan_store::Found;
use secrecy::ExposeSecret as _;

use crate::cli::Context;
use crate::client::failure::Failure;
use crate::client::words;
use crate::config::{Config, ConfigError, Loaded, Problem};
use crate::places;
use check::Check;

/// Look at everything that the log rests on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file of `halligan serve`
    #[arg(long, env = "HALLIGAN_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// Prints what is found; the exit code is 1 where something isn't as it should be.
pub async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let report = match Config::load(&args.config) {
        Ok(loaded) => examine(loaded, context).await,
        Err(error) => Report::of_nothing(&error),
    };
    if context.ui.json {
        context.ui.print_json(&present::json(&report))?;
    } else {
        context.ui.print(&present::text(&report, context.ui))?;
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Of what a broker makes for itself.
const NOT_YET: &str = "there is none yet: the first start makes it";

/// What was found.
#[derive(Debug)]
struct Report {
    checks: Vec<Check>,
    /// Settings that work and are likely mistakes.
    warnings: Vec<Problem>,
}

impl Report {
    /// Without a configuration there is nothing to look at.
    fn of_nothing(error: &ConfigError) -> Self {
        let problems = match error {
            ConfigError::Unusable { problems, .. } => problems.iter().map(ToString::to_string).collect(),
            ConfigError::Unreadable { .. } | ConfigError::Malformed { .. } => vec![with_causes(error)],
        };
        let configuration = "configuration";
        let mut checks: Vec<Check> =
            problems.into_iter().map(|problem| Check::bare(configuration).failed(problem, None)).collect();
        for name in ["store", "key", "archive", "witness", "sink", "trail"] {
            checks.push(Check::bare(name).skipped("the configuration can't be used"));
        }
        Self { checks, warnings: Vec::new() }
    }

    fn is_sound(&self) -> bool {
        !self.checks.iter().any(Check::is_failed)
    }
}

async fn examine(loaded: Loaded, context: &Context) -> Report {
    let (store, entries) = store(&loaded).await;
    let aws = places::aws(&loaded.aws, context.clock.clone()).await;
    let (deployment, log) = (&loaded.catalogue.deployment, &loaded.log);
    let archives = join_all(log.archives.iter().map(|(name, settings)| {
        let aws = &aws;
        archives::look(name, settings, entries, move || places::archive(name, settings, deployment, aws))
    }));
    let key = key::look(log, deployment, &aws, entries, context.entropy.as_ref());
    let ((key_check, key), archives, trails) = futures::join!(key, archives, trails(&loaded, &aws));
    let newest =
        archives.iter().filter_map(|archive| archive.newest.as_ref()).max_by_key(|note| note.checkpoint().size);
    let witnesses = join_all(log.witnesses.iter().map(|(name, witness)| others::witness(name, witness, newest))).await;

    let mut checks = vec![Check::bare("configuration").ok("it can be used"), store, key_check];
    for archive in &archives {
        checks.extend(archive.checks.iter().cloned());
        checks.extend(archive.judged(key.as_ref(), log, context.now()));
    }
    checks.extend(witnesses);
    checks.extend(log.sinks.iter().map(|(name, sink)| others::sink(name, sink)));
    checks.extend(trails);
    Report { checks, warnings: loaded.warnings }
}

/// Whether it can be used; and how many entries it holds, as far as that is known.
async fn store(loaded: &Loaded) -> (Check, u64) {
    let check = Check::bare("store");
    match halligan_store::examine(loaded.store.url.expose_secret()).await {
        Ok(Found::Empty) => (check.skipped(NOT_YET), 0),
        Ok(Found::Tables { entries, behind }) => {
            let then = if behind == 0 { String::new() } else { format!("; the next start brings {behind} changes") };
            (check.ok(format!("it answers, and holds {entries} entries{then}")), entries)
        }
        Err(error) => {
            let mend = "start the database, or correct `store` in the configuration; run doctor as the broker's user";
            (check.failed(with_causes(&error), Some(mend)), 0)
        }
    }
}

async fn trails(loaded: &Loaded, aws: &Aws) -> Vec<Check> {
    let trails = places::trails(&loaded.log, &loaded.catalogue.deployment, aws);
    join_all(loaded.catalogue.roles.values().map(|role| others::trail(role, trails.as_deref()))).await
}

/// A text of somebody else, in one line of at most so many characters.
fn shown(text: &str) -> String {
    halligan_core::text::printable(&words::inline(text), 600)
}
