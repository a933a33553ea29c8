//! `halligan whoami`

use halligan_server::views::MeView;

use super::Context;
use super::screen::Sheet;
use crate::client::failure::Failure;
use crate::client::http::Answer;

/// Show who you are to the broker.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(Args {}: Args, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let answer: Answer<MeView> = broker.get(&["v1", "me"], &[]).await?;
    context.ui.answer(&answer, |me| {
        let mut sheet = Sheet::default();
        sheet.line("person", &me.person);
        sheet.line("login", &format!("{} of {}", me.subject, me.issuer));
        sheet.line("deployment", &format!("{} at {}", me.deployment, broker.url()));
        sheet.line("incidents in", &me.incident_providers.join(", "));
        sheet.finish()
    })
}
