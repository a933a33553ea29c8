//! `halligan show`

use halligan_core::id::GrantId;
use halligan_server::views::GrantWithTimeline;

use super::{Context, screen};
use crate::client::failure::Failure;
use crate::client::http::Answer;

/// Show a grant and what happened to it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The grant's id, 22 characters
    grant: GrantId,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let read: Answer<GrantWithTimeline> = broker.get(&["v1", "grants", &args.grant.to_string()], &[]).await?;
    context.ui.answer(&read, |read| {
        let sheet = screen::sheet(&read.grant, context.now(), context.ui);
        format!("{sheet}\n\n{}", screen::timeline(&read.timeline, context.ui))
    })
}
