//! `halligan log`

mod bar;
mod keygen;
mod place;
mod recover;
mod verify;

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
    /// Check a whole log, wherever it is kept: every signature, every entry, what became of every grant
    Verify(verify::Args),
    /// Make a key that signs the log, or a witness's: the private one into a file, the public one printed
    Keygen(keygen::Args),
    /// Look at a log and a store that have gone different ways, and have the store follow
    Recover(recover::Args),
}

pub async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    match &args.what {
        What::Verify(args) => verify::run(args, context).await,
        What::Keygen(args) => keygen::run(args, context).map(|()| ExitCode::SUCCESS),
        What::Recover(args) => recover::run(args, context).await,
    }
}
