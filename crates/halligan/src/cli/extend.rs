//! `halligan extend`

use halligan_core::id::GrantId;
use halligan_server::views::{ExtendBody, GrantView};
use jiff::SignedDuration;

use super::{Context, parse, screen};
use crate::client::failure::Failure;
use crate::client::http::Answer;

/// Ask for a later end.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The grant's id, 22 characters
    grant: GrantId,
    /// By how much, such as 15m
    #[arg(long, value_parser = parse::duration)]
    duration: SignedDuration,
    /// Why, for the second person and the reviewer
    #[arg(long)]
    reason: String,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let body = ExtendBody { duration_seconds: args.duration.as_secs(), reason: args.reason };
    let answer: Answer<GrantView> = broker.post(&["v1", "grants", &args.grant.to_string(), "extend"], &body).await?;
    context.ui.answer(&answer, |grant| {
        let sheet = screen::sheet(grant, context.now(), context.ui);
        format!(
            "{sheet}\n\nA second person acknowledges it; the end stays where it is until then:\n  halligan ack {}",
            args.grant
        )
    })
}
