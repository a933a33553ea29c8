//! `halligan decline`

use halligan_core::id::GrantId;
use halligan_server::views::{GrantView, ReasonBody};

use super::{Context, screen};
use crate::client::failure::Failure;
use crate::client::http::Answer;

/// Say no to somebody else's request, emergency start or extension.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The grant's id, 22 characters
    grant: GrantId,
    /// Why, for the requester and the reviewer
    #[arg(long)]
    reason: String,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let body = ReasonBody { reason: args.reason };
    let answer: Answer<GrantView> = broker.post(&["v1", "grants", &args.grant.to_string(), "decline"], &body).await?;
    context.ui.answer(&answer, |grant| format!("Declined.\n\n{}", screen::sheet(grant, context.now(), context.ui)))
}
