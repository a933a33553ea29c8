//! `halligan witness`: cosigns the checkpoints of logs, each of which extends what
//! it had cosigned before ([C2SP tlog-witness](https://c2sp.org/tlog-witness)).
//!
//! Whoever holds a log's key can sign two logs that tell different stories. Not
//! both get past a witness: it keeps what it last cosigned on disk before it
//! answers, and cosigns nothing else than what grows from there.

mod http;
mod judge;
mod state;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use halligan_log::VerifierKey;
use halligan_log::key::Kind;
use halligan_server::serve::{Server, Settings, Tls};

use crate::client::machine::MachineClock;
use crate::{log_key, serve};
use judge::Judge;
use state::StateDirectory;

/// Whose checkpoints are cosigned, with what, and where.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The witness's private key, as `halligan log keygen --witness` wrote it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where it keeps what it has cosigned, made where it is missing. Never restored from a backup
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The address and port that it listens on
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The public key of a log to watch; once for each, and once for each key of a log that changed keys
    #[arg(long = "log", value_name = "KEY", required = true)]
    logs: Vec<VerifierKey>,
    /// The server's certificate and those that lead to its root, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// A proxy in front ends TLS: without this or a certificate it listens on this machine's loopback alone
    #[arg(long)]
    behind_proxy: bool,
}

/// Serves until SIGTERM or SIGINT.
pub fn run(args: &Args) -> ExitCode {
    serve::trace_to_stderr();
    let outcome = tokio::runtime::Runtime::new()
        .context("can't start the runtime")
        .and_then(|runtime| runtime.block_on(witness(args)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // On standard error in full, whatever the trace's filter: it is why nothing is cosigned.
            #[expect(clippy::print_stderr, reason = "the operator's terminal")]
            {
                eprintln!("halligan witness: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn witness(args: &Args) -> anyhow::Result<()> {
    let key = log_key::load_any(&args.key).context("the witness's key can't be used")?;
    let public = key.verifier(Kind::Cosigner);
    for log in &args.logs {
        ensure!(
            log.kind() == Kind::Log,
            "`{log}` is a witness's key: expected a log's, as `halligan log keygen` prints it"
        );
        ensure!(
            log.name() != public.name(),
            "the witness's key has the name of the log `{}`: a log's own cosignature is no witness's, make a key of another name",
            log.name()
        );
    }
    let state = StateDirectory::open(&args.state).context("the state can't be used")?;
    let judge = Judge::open(key, &args.logs, state, Arc::new(MachineClock)).context("the state can't be used")?;

    let tls = args.tls_certificate.clone().zip(args.tls_key.clone());
    let tls = tls.map(|(certificate_file, key_file)| Tls { certificate_file, key_file });
    let settings = Settings { listen: args.listen, tls };
    let server = Server::bind_router(settings, args.behind_proxy, http::router(Arc::new(judge))).await?;
    tracing::info!(address = %server.address(), key = %public, "witnessing");
    server.run(serve::stop()?).await;
    Ok(())
}
