//! `halligan log verify`

use std::process::ExitCode;

use halligan_core::id::DeploymentId;
use halligan_engine::audit::{Fault, Finding, Fresh, Report, Terms, verify};
use halligan_log::verify::{Head, Succession};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::bar::Bar;
use super::place::{Keys, Place};
use crate::cli::screen::Sheet;
use crate::cli::{Context, parse};
use crate::client::failure::{Exit, Failure};
use crate::client::words;

/// So many findings are told to people; --json lists more.
const TOLD_MAX: usize = 10;

/// What exceptions mean, and what to do about them.
const EXCEPTIONS: &str = "\
What a passkey is said to have signed there is the broker's word alone: no touch of an enrolled key
that counted proves it. A broker refuses such a signature and writes no such entry, so something
else wrote it, or somebody has the broker's machine. Ask each person who is named whether it was
they, and look at what was done under the grant: `halligan log prove GRANT` writes its entries for
whoever helps. Until it is explained, treat the broker and the log's key as stolen.";

const HELP: &str = "\
Every entry, tile and personal part is hashed and compared with what the log signed; times must
not go back, and what happened to each grant must be something that can happen to one. What
passkeys are said to have signed is checked with the keys that were enrolled: where that doesn't
hold, it is an exception, and listed.

Exit codes: 0 whole, 1 it is not, 3 it could not be read to its end.";

/// Check a whole log.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    keys: Keys,
    /// The deployment whose log it is: then the hashes of requests are made again, too
    #[arg(long, value_name = "NAME")]
    deployment: Option<DeploymentId>,
    /// The newest signature may be so old; silence is a finding then
    #[arg(long, value_name = "LENGTH", value_parser = parse::duration)]
    expect_fresh: Option<SignedDuration>,
}

/// Verifies; 1 where something is wrong.
pub async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let report = examine(args, context).await?;
    if context.ui.json {
        context.ui.print_json(&in_json(&report))?;
    } else {
        context.ui.print(&in_words(&report, &args.place, context.now()))?;
    }
    Ok(exit(&report))
}

async fn examine(args: &Args, context: &Context) -> Result<Report, Failure> {
    let terms = Terms {
        trust: args.keys.trust()?,
        deployment: args.deployment.clone(),
        fresh: args.expect_fresh.map(|within| Fresh { now: context.now(), within }),
    };
    let reader = args.place.open(context).await?;
    let mut bar = Bar::new();
    let report = verify(reader.as_ref(), &terms, |progress| bar.show(progress)).await;
    bar.clear();
    Ok(report?)
}

fn exit(report: &Report) -> ExitCode {
    if report.is_sound() { ExitCode::SUCCESS } else { Exit::Refused.into() }
}

fn in_words(report: &Report, place: &Place, now: Timestamp) -> String {
    let verdict = verdict(report);
    let Some(head) = &report.head else { return verdict };
    let mut sheet = Sheet::default();
    head_lines(&mut sheet, head, now);
    if let Some(next) = report.succession.as_ref().and_then(following) {
        sheet.line("next", &next);
    }
    let last = report.last.map(|last| format!(", the last one of {}", words::at(last))).unwrap_or_default();
    sheet.line("entries", &format!("{}{last}", report.entries));
    sheet.line("grants", &report.grants.to_string());
    let unsigned = report.acknowledged.saturating_sub(report.signed);
    sheet.line(
        "acknowledged",
        &format!("{}: {} signed with a passkey, {unsigned} not", report.acknowledged, report.signed),
    );
    let erased = if place.has_personal() { "erased" } else { "erased or not looked at: no --personal-bucket" };
    sheet.line("personal", &format!("{} kept, {} {erased}", report.personal, report.erased));
    sheet.line("tampering", &tampering(report, place));
    if let Some(until) = report.lives_until {
        let what = "what happened to grants, and what passkeys signed,";
        sheet.line("not followed", &format!("{what} from entry {until} on: it isn't all there"));
    }
    format!("{verdict}\n\n{}", sheet.finish())
}

/// The tree, and who signed it.
pub fn head_lines(sheet: &mut Sheet, head: &Head, now: Timestamp) {
    sheet.line("log", &head.checkpoint.origin);
    sheet.line("size", &head.checkpoint.size.to_string());
    sheet.line("root", &head.checkpoint.root.to_string());
    sheet.line("signed by", &head.key.to_string());
    sheet.line("signed at", &signed_at(head.signed_at, now));
    for (witness, seconds) in &head.witnessed {
        sheet.line("cosigned by", &format!("{} at {}", witness.name(), signed_at(*seconds, now)));
    }
    if head.witnessed.is_empty() {
        sheet.line("cosigned by", "nobody who was asked for");
    }
}

fn verdict(report: &Report) -> String {
    let Some(first) = report.first() else {
        return "Whole: everything in it is what the log signed.".to_owned();
    };
    let mut text = match first.index {
        _ if report.found == report.exceptions => {
            "WITH EXCEPTIONS. Everything in it is what the log signed, but it says of passkeys what doesn't hold:\n"
                .to_owned()
        }
        Some(index) => format!("NOT WHOLE. The first bad entry is {index}:\n"),
        None => "NOT WHOLE. It begins with the checkpoint:\n".to_owned(),
    };
    for finding in report.findings.iter().take(TOLD_MAX) {
        text.push_str(&format!("  {}\n", words::inline(&finding.to_string())));
    }
    let told = u64::try_from(report.findings.len().min(TOLD_MAX)).unwrap_or(u64::MAX);
    match report.found.saturating_sub(told) {
        0 => {}
        more => text.push_str(&format!("  and {more} more\n")),
    }
    if report.exceptions > 0 {
        text.push_str(&format!("\n{EXCEPTIONS}\n"));
    }
    text.trim_end().to_owned()
}

fn following(succession: &Succession) -> Option<String> {
    match succession {
        Succession::Newest => None,
        Succession::Begun(next) => Some(format!(
            "a tree of {} entries was begun: it is about to be signed, or you were shown an older checkpoint",
            next.size
        )),
        Succession::Malformed => Some("what stands there as the tree that follows is none".to_owned()),
    }
}

fn tampering(report: &Report, place: &Place) -> String {
    let touched = report.findings.iter().filter(|finding| matches!(finding.fault, Fault::Touched(_))).count();
    match (touched, place.shows_tampering()) {
        (0, true) => "none: nothing was hidden or written over".to_owned(),
        (0, false) => "only a bucket shows whether something was hidden or written over".to_owned(),
        (touched, _) => format!("{touched} objects were hidden or written over; what was first written was verified"),
    }
}

fn timestamp(seconds: u64) -> Option<Timestamp> {
    i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok())
}

fn signed_at(seconds: u64, now: Timestamp) -> String {
    let Some(at) = timestamp(seconds) else { return format!("{seconds} s after 1970") };
    if at > now {
        return format!("{} (which has not come)", words::at(at));
    }
    format!("{} ({} ago)", words::at(at), words::until(at, now))
}

fn in_json(report: &Report) -> Value {
    let next = match &report.succession {
        Some(Succession::Begun(next)) => json!({ "size": next.size, "root": next.root.to_string() }),
        Some(Succession::Newest | Succession::Malformed) | None => Value::Null,
    };
    let finding = |finding: &Finding| {
        json!({
            "code": finding.code(),
            "index": finding.index,
            "object": finding.object.map(|object| object.to_string()),
            "text": finding.to_string(),
        })
    };
    json!({
        "sound": report.is_sound(),
        "checkpoint": report.head.as_ref().map(head_json),
        "next": next,
        "entries": report.entries,
        "last": report.last,
        "grants": report.grants,
        "acknowledgements": { "all": report.acknowledged, "signed": report.signed },
        "grants_followed_until": report.lives_until,
        "personal": { "kept": report.personal, "erased": report.erased },
        "first_bad_index": report.first().and_then(|finding| finding.index),
        "found": report.found,
        "exceptions": report.exceptions,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

/// The tree, and who signed it.
pub fn head_json(head: &Head) -> Value {
    let witness = |(key, seconds): &(halligan_log::VerifierKey, u64)| json!({ "name": key.name(), "key": key.to_string(), "cosigned_at": timestamp(*seconds) });
    json!({
        "origin": head.checkpoint.origin,
        "size": head.checkpoint.size,
        "root": head.checkpoint.root.to_string(),
        "key": head.key.to_string(),
        "signed_at": timestamp(head.signed_at),
        "witnesses": head.witnessed.iter().map(witness).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
