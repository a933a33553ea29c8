//! `halligan policy`

mod check;
mod diff;
mod explain;
mod files;
mod world;

use std::process::ExitCode;

use super::Context;
use crate::client::failure::Failure;

/// Who may do what: look at policies before they decide.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Read policies as the broker would, and run the tests beside them
    Check(check::Args),
    /// Run the tests beside policies, and list them
    Test(check::Args),
    /// Say whether somebody may do something, which rule decides, and what would change it
    Explain(Box<explain::Args>),
    /// Say what a change of policies changes, for everybody and everything
    Diff(diff::Args),
}

pub async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    match &args.what {
        What::Check(args) => check::run(args, check::Detail::Findings, context),
        What::Test(args) => check::run(args, check::Detail::Everything, context),
        What::Explain(args) => explain::run(args, context).await,
        What::Diff(args) => diff::run(args, context),
    }
}

#[cfg(test)]
mod tests;
