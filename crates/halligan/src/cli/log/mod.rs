//! `halligan log`

mod keygen;
mod recover;

use std::process::ExitCode;

use super::Context;
use crate::client::failure::Failure;

/// The transparency log.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a key that signs the log, or a witness's: the private one into a file, the public one printed
    Keygen(keygen::Args),
    /// Look at a log and a store that have gone different ways, and have the store follow
    Recover(recover::Args),
}

pub async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    match &args.what {
        What::Keygen(args) => keygen::run(args, context).map(|()| ExitCode::SUCCESS),
        What::Recover(args) => recover::run(args, context).await,
    }
}
