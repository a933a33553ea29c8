//! `halligan console`

use halligan_core::id::GrantId;
use halligan_server::views::ConsoleView;
use secrecy::ExposeSecret as _;

use super::Context;
use crate::client::failure::Failure;
use crate::client::http::Answer;
use crate::client::words;

/// Print a sign-in address of the AWS console.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The grant's id, 22 characters
    grant: GrantId,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let view: ConsoleView = broker.post_for_secret(&["v1", "grants", &args.grant.to_string(), "console"]).await?;
    let end = words::at(view.expires_at);
    context.ui.note(&format!("whoever opens this address within 15 minutes is signed in, until {end}: it is a secret"));
    let answer = Answer { json: serde_json::to_value(&view).unwrap_or_default(), value: view };
    context.ui.answer(&answer, |view| words::inline(view.url.expose_secret()))
}
