//! `halligan log recover`

use std::path::PathBuf;
use std::process::ExitCode;

use halligan_engine::publish::{Beside, Examination, Publisher, Relation};
use serde_json::json;

use crate::cli::Context;
use crate::cli::confirm::confirm;
use crate::client::failure::Failure;
use crate::config::Config;
use crate::serve::Parts;

const HELP: &str = "\
When the log and the store have gone different ways, nothing is minted until somebody has
looked at both. Stop every broker of this log first: one that lives on elsewhere, with
another store, could sign what contradicts what is done here.

Without --trust it only looks. With it, the store follows that archive: entries that the
archive has are read, grants are as it says, and the store's own come behind, or are set
aside where they are about a grant that the archive has other news of. Nothing in an
archive is changed. An archive that is told to hold another log can't be mended: configure
a new one in its place.";

/// Look at a log and a store that have gone different ways, and have the store follow.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// The configuration file of `halligan serve`
    #[arg(long, env = "HALLIGAN_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The archive that is right
    #[arg(long, value_name = "NAME")]
    trust: Option<String>,
    /// Don't ask
    #[arg(long, requires = "trust")]
    yes: bool,
}

/// Looks, and recovers where that was asked for; 1 where something is left to decide.
pub async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let mut loaded = Config::load(&args.config)?;
    let parts = Parts::build(&mut loaded, context.clock.clone(), context.entropy.clone()).await;
    let parts = parts.map_err(|error| Failure::Over(format!("{error:#}")))?;
    let publisher = parts.broker().publisher();
    let found = examine(publisher).await?;
    if !context.ui.json {
        context.ui.print(&in_words(&found))?;
    }
    let Some(trusted) = &args.trust else {
        if context.ui.json {
            context.ui.print_json(&in_json(&found))?;
        }
        return Ok(if needs_somebody(&found) { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    };
    confirm(&format!("Have the store follow the archive `{trusted}`?"), args.yes)?;
    let recovery = publisher.recover(trusted).await.map_err(|error| Failure::Over(error.to_string()))?;
    if context.ui.json {
        let from = recovery.imported_from;
        context.ui.print_json(&json!({ "trusted": trusted, "imported_from": from, "size": recovery.size }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let followed = recovery.imported_from.map_or_else(
        || "the store had everything that the archive has".to_owned(),
        |from| format!("the store follows the archive from entry {from} on"),
    );
    context.ui.print(&format!("Done: {followed}; the log has {} entries now. Start the broker.", recovery.size))?;
    Ok(ExitCode::SUCCESS)
}

async fn examine(publisher: &Publisher) -> Result<Examination, Failure> {
    publisher.examine().await.map_err(|error| Failure::Over(error.to_string()))
}

/// Whether starting the broker alone won't do.
fn needs_somebody(found: &Examination) -> bool {
    let undecided = |beside: &Beside| {
        beside.unfinished.is_some() || matches!(beside.relation, Relation::Forked { .. } | Relation::Unreadable(_))
    };
    found.archives.iter().any(undecided)
}

fn in_words(found: &Examination) -> String {
    let mut text = format!("The store has {} entries and knows {} of them to be durable.\n", found.last, found.durable);
    for Beside { archive, size, relation, unfinished } in &found.archives {
        let stands = match relation {
            Relation::Unreadable(because) => format!("can't be read: {because}"),
            Relation::Prefix => format!("has {size} entries, the store's own"),
            Relation::Ahead => format!("has {size} entries: the store is older, and learns the rest when it starts"),
            Relation::Forked { from } => format!("has {size} entries, and other ones than the store from {from} on"),
        };
        text.push_str(&format!("Archive {archive} {stands}.\n"));
        if let Some(to) = unfinished {
            text.push_str(&format!(
                "  Another publisher began to add entries up to {to} to it, and never signed them.\n"
            ));
        }
    }
    let end = match needs_somebody(found) {
        true => "Stop every broker of this log, then say which archive is right: --trust NAME.\n",
        false => "There is nothing to decide: start the broker.\n",
    };
    text + end
}

fn in_json(found: &Examination) -> serde_json::Value {
    let archive = |Beside { archive, size, relation, unfinished }: &Beside| {
        let (word, detail) = match relation {
            Relation::Unreadable(because) => ("unreadable", json!(because)),
            Relation::Prefix => ("prefix", json!(null)),
            Relation::Ahead => ("ahead", json!(null)),
            Relation::Forked { from } => ("forked", json!(from)),
        };
        json!({ "archive": archive, "size": size, "relation": word, "detail": detail, "unfinished": unfinished })
    };
    json!({
        "entries": found.last,
        "durable": found.durable,
        "decision_needed": needs_somebody(found),
        "archives": found.archives.iter().map(archive).collect::<Vec<_>>(),
    })
}
