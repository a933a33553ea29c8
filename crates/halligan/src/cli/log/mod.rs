//! `halligan log`

mod keygen;

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
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.what {
        What::Keygen(args) => keygen::run(args, context),
    }
}
