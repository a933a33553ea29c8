//! `halligan log`

mod bar;
mod keygen;
mod line;
mod over;
mod place;
mod prove;
mod recover;
mod tail;
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
    /// Write a proof that the log has the entries of a grant, for whoever has its public key
    Prove(prove::ProveArgs),
    /// Check such a proof, and show what it proves
    CheckProof(prove::CheckArgs),
    /// Show the newest entries, and those that come
    Tail(tail::Args),
    /// Let credentials leave for a while although no archive confirms; or end that
    Override(over::Args),
    /// Make a key that signs the log, or a witness's: the private one into a file, the public one printed
    Keygen(keygen::Args),
    /// Look at a log and a store that have gone different ways, and have the store follow
    Recover(recover::Args),
}

pub async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    match &args.what {
        What::Verify(args) => return verify::run(args, context).await,
        What::Recover(args) => return recover::run(args, context).await,
        What::Prove(args) => return prove::run(args, context).await,
        What::CheckProof(args) => prove::check(args, context)?,
        What::Tail(args) => tail::run(args, context).await?,
        What::Override(args) => over::run(args, context).await?,
        What::Keygen(args) => keygen::run(args, context)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests;
