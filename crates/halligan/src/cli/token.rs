//! `halligan token`

use std::path::PathBuf;

use jiff::SignedDuration;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{Context, parse};
use crate::client::failure::Failure;
use crate::client::private;
use crate::client::token::{self, AUDIENCE, KeyPair, SigningKey, Statement};
use crate::client::words;

/// Make keys and bearer tokens.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a pair of Ed25519 keys: the private one into a file, the public one printed
    Key(KeyArgs),
    /// Sign a bearer token
    New(NewArgs),
}

#[derive(Debug, clap::Args)]
struct KeyArgs {
    /// Where the private key goes: a new file, which only you can read
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, clap::Args)]
struct NewArgs {
    /// The private key, as `token key` wrote it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Whose token it is: the subject
    #[arg(long = "as", value_name = "SUBJECT")]
    subject: String,
    /// Who says so, as the broker's configuration names the issuer of this key;
    /// halligan:SUBJECT where it isn't said
    #[arg(long)]
    issuer: Option<String>,
    /// For whom it is, as the broker's configuration has it
    #[arg(long, default_value = AUDIENCE)]
    audience: String,
    /// Which of the issuer's keys this is, where it has several
    #[arg(long)]
    kid: Option<String>,
    /// How long it is good for
    #[arg(long, value_parser = parse::duration, default_value = "15m")]
    ttl: SignedDuration,
}

pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.what {
        What::Key(args) => key(&args, context),
        What::New(args) => new(&args, context),
    }
}

fn key(args: &KeyArgs, context: &Context) -> Result<(), Failure> {
    let pair = KeyPair::generate(context.entropy.as_ref())?;
    private::write_new(&args.out, pair.private_pem.as_bytes())?;
    if context.ui.json {
        return context.ui.print_json(&json!({ "private_key_file": args.out, "public_key": pair.public_pem }));
    }
    context.ui.note(&format!(
        "the private key is in `{}`, for you alone; this public half goes into the broker's configuration:",
        args.out.display()
    ));
    context.ui.print(pair.public_pem.trim_end())
}

fn new(args: &NewArgs, context: &Context) -> Result<(), Failure> {
    let key = SigningKey::from_pem(&private::read(&args.key)?)?;
    let issuer = args.issuer.clone().unwrap_or_else(|| token::issuer_of(&args.subject));
    let says = Statement {
        issuer: &issuer,
        subject: &args.subject,
        audience: &args.audience,
        key_id: args.kid.as_deref(),
        life: args.ttl,
    };
    let token = token::sign(&key, says, context.clock.as_ref(), context.entropy.as_ref())?;
    if context.ui.json {
        return context.ui.print_json(&json!({ "token": token.text.expose_secret(), "expires_at": token.expires_at }));
    }
    context.ui.note(&format!("good until {}", words::at(token.expires_at)));
    context.ui.print(token.text.expose_secret())
}
