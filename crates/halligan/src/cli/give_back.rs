//! `halligan return`

use halligan_core::id::GrantId;
use halligan_server::views::{EmptyBody, GrantView};

use super::{Context, screen};
use crate::client::failure::Failure;
use crate::client::http::Answer;

/// Give access of your own back before its end.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The grant's id, 22 characters
    grant: GrantId,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let path = ["v1", "grants", &args.grant.to_string(), "return"];
    let answer: Answer<GrantView> = broker.post(&path, &EmptyBody {}).await?;
    context.ui.answer(&answer, |grant| format!("Returned.\n\n{}", screen::sheet(grant, context.now(), context.ui)))
}
