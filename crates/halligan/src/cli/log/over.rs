//! `halligan log override`

use halligan_server::views::{EmptyBody, OverrideBody, OverrideView};
use jiff::SignedDuration;

use crate::cli::{Context, parse};
use crate::client::failure::Failure;
use crate::client::http::Answer;
use crate::client::words;

const HELP: &str = "\
For when every archive is out of reach and somebody must get in. The configuration's
`[log.override]` says who may allow it, for how long at most, and which other places must confirm
entries meanwhile. It is an entry of the log and an alarm; whoever allows it gets nothing by it.";

/// Let credentials leave for a while although no archive confirms.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// For how long, such as 2h
    #[arg(long = "for", value_name = "LENGTH", value_parser = parse::duration, required_unless_present = "end")]
    length: Option<SignedDuration>,
    /// Why, for the reviewer
    #[arg(required_unless_present = "end")]
    reason: Option<String>,
    /// End it early
    #[arg(long, conflicts_with_all = ["length", "reason"])]
    end: bool,
}

pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let (Some(length), Some(reason)) = (args.length, args.reason.clone()) else {
        let answer: Answer<EmptyBody> = broker.post(&["v1", "log", "override", "end"], &EmptyBody {}).await?;
        return context.ui.answer(&answer, |_| "The override is over: archives must confirm again.".to_owned());
    };
    let body = OverrideBody { duration_seconds: length.as_secs(), reason };
    let answer: Answer<OverrideView> = broker.post(&["v1", "log", "override"], &body).await?;
    context.ui.answer(&answer, |granted| {
        let places: Vec<String> = granted.confirmed_by.iter().map(|place| words::inline(place)).collect();
        format!(
            "Until {} credentials leave once {} has confirmed their entry, whatever the archives do. End it early: {}",
            words::at(granted.until),
            places.join(" and "),
            context.command("log override --end")
        )
    })
}
