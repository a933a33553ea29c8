//! `halligan exec`: a command that always finds the grant's credentials, and no others.

mod child;
mod endpoint;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use halligan_core::id::GrantId;
use halligan_server::views::RoleList;

use super::{Context, credentials};
use crate::client::cache::MemoryShelf;
use crate::client::credentials::{Issuer as _, Tries};
use crate::client::failure::Failure;
use crate::client::http::{Answer, Broker};

/// Run a command that always finds the grant's credentials.
///
/// The command gets them from an address of this machine that only it can use,
/// so a long shell goes on without a gap when the grant is extended.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The grant's id, 22 characters
    grant: GrantId,
    /// The command and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let Args { grant: id, command } = args;
    let broker = context.broker()?;
    let source = credentials::source(id, broker.clone(), Box::new(MemoryShelf::default()), context);
    // First, so that nothing is started that would find no credentials.
    source.current().await?;
    let grant = broker.grant(id, Tries::Several).await?;
    let region = region(&broker, &grant.target.id).await;
    // From here on the terminal belongs to the command.
    broker.be_quiet();

    let endpoint = endpoint::open(Arc::new(source), context.entropy.as_ref()).await?;
    let extend = context.command(&format!("extend {id} --duration 15m --reason …"));
    let ui = context.ui;
    let watching = watch::watch(broker, id, context.clock.clone(), extend, move |text: &str| ui.warn(text));
    let watching = tokio::spawn(watching);
    let ended = child::run(&command, &child::Surroundings { endpoint: &endpoint, region: region.as_deref() }, ui).await;
    watching.abort();
    ended
}

/// Where the role is used: the command doesn't see the configuration file that would say it.
async fn region(broker: &Broker, role: &str) -> Option<String> {
    let roles: Answer<RoleList> = broker.get(&["v1", "roles"], &[]).await.ok()?;
    let role = roles.value.roles.into_iter().find(|offered| offered.target.id == role)?;
    role.regions.into_iter().next()
}
