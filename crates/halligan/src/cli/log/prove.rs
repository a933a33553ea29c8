//! `halligan log prove` and `halligan log check-proof`

use std::path::PathBuf;
use std::process::ExitCode;

use halligan_core::id::GrantId;
use halligan_engine::audit::{Proof, ProveError, prove};
use halligan_log::proof::{Checked, CheckedEntry, ProofFile};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::bar::Bar;
use super::line::{self, Written};
use super::place::{Keys, Place};
use super::verify::{head_json, head_lines};
use crate::cli::Context;
use crate::cli::screen::Sheet;
use crate::client::failure::{Exit, Failure};
use crate::client::{private, words};

const HELP: &str = "\
The file holds the grant's entries with their personal parts, the log's signed checkpoint and
what links the two. Whoever has the log's public key checks it with `halligan log check-proof`:
no archive, no broker, no network.";

/// Write a proof that the log has the entries of a grant.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct ProveArgs {
    /// The grant's id, 22 characters
    grant: GrantId,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    keys: Keys,
    /// Where the proof goes: a new file, which only you can read
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Check such a proof, and show what it proves.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The proof
    file: PathBuf,
    #[command(flatten)]
    keys: Keys,
}

/// Writes the proof; 1 where the rest of the log is not whole.
pub async fn run(args: &ProveArgs, context: &Context) -> Result<ExitCode, Failure> {
    let proof = make(args, context).await?;
    if context.ui.json {
        context.ui.print_json(&json!({
            "file": args.out,
            "grant": args.grant,
            "entries": proof.entries,
            "checkpoint": head_json(&proof.head),
            "findings": proof.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?;
    } else {
        context.ui.print(&written(args, &proof))?;
    }
    let Some(first) = proof.findings.first() else { return Ok(ExitCode::SUCCESS) };
    let found = words::inline(&first.to_string());
    context.ui.warn(&format!("the proof stands, but the log is not whole, and may lack other entries: {found}"));
    Ok(Exit::Refused.into())
}

async fn make(args: &ProveArgs, context: &Context) -> Result<Proof, Failure> {
    let (trust, reader) = (args.keys.trust()?, args.place.open(context).await?);
    let mut bar = Bar::new();
    let proved = prove(reader.as_ref(), &trust, args.grant, |progress| bar.show(progress)).await;
    bar.clear();
    let proof = proved.map_err(unproved)?;
    private::write_new(&args.out, &proof.bytes)?;
    Ok(proof)
}

fn written(args: &ProveArgs, proof: &Proof) -> String {
    let Proof { head, entries, .. } = proof;
    format!(
        "{entries} entries of grant {} are proved to be in the log of {} entries, in `{}`.\nCheck it with: halligan log check-proof {} --key {}",
        args.grant,
        head.checkpoint.size,
        words::inline(&args.out.display().to_string()),
        words::inline(&args.out.display().to_string()),
        head.key
    )
}

fn unproved(error: ProveError) -> Failure {
    match error {
        ProveError::Audit(error) => Failure::Unread(error),
        ProveError::Checkpoint(_) | ProveError::Unknown { .. } | ProveError::Tiles(_) | ProveError::File(_) => {
            Failure::Unsound(error.to_string())
        }
    }
}

/// Checks a proof.
pub fn check(args: &CheckArgs, context: &Context) -> Result<(), Failure> {
    let checked = read(args)?;
    if context.ui.json {
        return context.ui.print_json(&in_json(&checked));
    }
    context.ui.print(&in_words(&checked, context.now()))
}

fn read(args: &CheckArgs) -> Result<Checked, Failure> {
    let trust = args.keys.trust()?;
    let shown = words::inline(&args.file.display().to_string());
    let bytes = std::fs::read(&args.file).map_err(Failure::local(format!("read `{shown}`")))?;
    let checked = ProofFile::check(&bytes, &trust);
    checked.map_err(|error| Failure::Unsound(format!("`{shown}` proves nothing: {error}")))
}

fn in_words(checked: &Checked, now: Timestamp) -> String {
    let mut text = format!("Proved: the log has these {} entries.\n\n", checked.entries.len());
    let mut sheet = Sheet::default();
    head_lines(&mut sheet, &checked.head, now);
    text.push_str(&sheet.finish());
    for CheckedEntry { index, entry, personal, .. } in &checked.entries {
        let written =
            Written { index: *index, entry: entry.as_bytes(), personal: personal.as_deref().map(str::as_bytes) };
        text.push_str(&format!("\n\n{}", line::sheet(written)));
    }
    text
}

fn in_json(checked: &Checked) -> Value {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let entry = |CheckedEntry { index, entry, personal, erased }: &CheckedEntry| json!({ "index": index, "entry": read(entry), "personal": personal.as_deref().map(read), "erased": erased });
    json!({ "checkpoint": head_json(&checked.head), "entries": checked.entries.iter().map(entry).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests;
