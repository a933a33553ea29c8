//! `halligan log keygen`

use std::path::PathBuf;

use halligan_log::key::Kind;
use serde_json::json;

use crate::cli::Context;
use crate::client::failure::Failure;
use crate::config::Config;
use crate::log_key;

/// Make a key.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the private key goes: a new file, which only you can read
    file: PathBuf,
    /// The key's name: the log's origin as the configuration has it, or the witness's name
    #[arg(long, value_name = "NAME", required_unless_present = "config")]
    origin: Option<String>,
    /// Take the origin from this configuration file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["origin", "witness"])]
    config: Option<PathBuf>,
    /// It is for `halligan witness`: print the public key as `[log.witnesses]` takes it
    #[arg(long)]
    witness: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let origin = match (&args.origin, &args.config) {
        (Some(origin), _) => origin.clone(),
        (None, Some(file)) => Config::load(file)?.log.key.origin,
        (None, None) => return Err(Failure::Usage("expected `--origin` or `--config`".to_owned())),
    };
    let kind = if args.witness { Kind::Cosigner } else { Kind::Log };
    let key = log_key::make(&args.file, &origin, context.entropy.as_ref())?.verifier(kind);
    if context.ui.json {
        return context.ui.print_json(&json!({ "private_key_file": args.file, "public_key": key.to_string() }));
    }
    let file = args.file.display();
    context.ui.note(&match args.witness {
        true => format!("the private key is in `{file}`, for you alone; the configuration's `[log.witnesses]` takes:"),
        false => format!(
            "the private key is in `{file}`, for you alone. To sign with it from the next start on:\n  \
             1. set `log.key.file` to it,\n  \
             2. add the public key that signed until then to `log.key.former`, or what it signed can't be verified,\n  \
             3. give whoever verifies the log this public key, beside the former ones:"
        ),
    });
    context.ui.print(&key.to_string())
}
