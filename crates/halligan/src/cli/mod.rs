//! The command line: one file a subcommand.

mod ack;
mod config;
mod confirm;
mod console;
mod context;
mod credentials;
mod decline;
mod exec;
mod extend;
mod give_back;
mod list;
mod log;
mod login;
mod logout;
mod parse;
mod policy;
mod request;
mod revoke;
mod roles;
mod screen;
mod show;
mod token;
mod ui;
mod wait;
mod whoami;
mod withdraw;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use context::Context;
pub use ui::Ui;

use crate::client::failure::Failure;
use crate::{doctor, serve, witness};

const EXIT_CODES: &str = "\
Exit codes:
    0  it was done
    1  the broker refused, and the problem says why; or what was checked is not as it should be
    2  the command line is wrong
    3  no answer from the broker, or from where the log is
    4  nobody to call as: not signed in, or the broker doesn't know or permit this caller
    5  the grant is over, or what was waited for did not come
    6  stopped on this machine: a file, a key, no confirmation
  130  interrupted while it waited
  `exec` ends with its command's code: 127 when there is no such command, 126
  when it can't be run, 128 + N when signal N ended it.

Environment:
  HALLIGAN_PROFILE     the profile to use, where --profile doesn't say it; without any
                       and without HALLIGAN_URL it is `default`
  HALLIGAN_HOME        where profiles/NAME.toml and the cache are (~/.config/halligan)
  HALLIGAN_URL         without a profile: the broker
  HALLIGAN_TOKEN_FILE  without a profile: a file with the bearer token
  HALLIGAN_TOKEN       without a profile: the bearer token
  NO_COLOR             no colours";

/// Just-in-time privileged access to AWS: ask, let a second person acknowledge,
/// use, and it is over on the second.
#[derive(Debug, Parser)]
#[command(name = "halligan", version, after_help = EXIT_CODES, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// Who to be, towards which broker: a file of $HALLIGAN_HOME/profiles
    #[arg(long, global = true, value_name = "NAME", display_order = 900)]
    pub profile: Option<String>,
    /// Print the API's JSON on stdout, and nothing else
    #[arg(long, global = true, display_order = 901)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See it work: a stand-in of AWS, a broker, three people, nothing to configure
    Demo(crate::demo::Args),
    /// Run the broker
    Serve(serve::Args),
    /// Run a witness of logs: it cosigns what extends what it has seen
    Witness(witness::Args),
    #[command(flatten)]
    Client(ClientCommand),
}

/// What calls a broker, or needs none.
#[derive(Debug, Subcommand)]
enum ClientCommand {
    /// Ask for a role, on the occasion of an incident
    Request(request::Args),
    /// Acknowledge somebody else's request, emergency start or extension
    Ack(ack::Args),
    /// Say no to somebody else's request, emergency start or extension
    Decline(decline::Args),
    /// List grants, newest first
    List(list::Args),
    /// Show a grant and what happened to it
    Show(show::Args),
    /// Ask for a later end
    Extend(extend::Args),
    /// Take a request of your own back while it waits
    Withdraw(withdraw::Args),
    /// Give access of your own back before its end
    Return(give_back::Args),
    /// End access now: one grant, or all that fit
    Revoke(revoke::Args),
    /// Print credentials of a grant, for AWS SDKs, shells or scripts
    Credentials(credentials::Args),
    /// Run a command that always finds the grant's credentials
    Exec(exec::Args),
    /// Print a sign-in address of the AWS console
    Console(console::Args),
    /// List the roles that you have a part in
    Roles(roles::Args),
    /// Sign in with the identity provider that the broker names
    Login(login::Args),
    /// Sign out: forget the tokens, and have the provider forget them
    Logout(logout::Args),
    /// Show who you are to the broker
    Whoami(whoami::Args),
    /// Who may do what: look at policies before they decide
    Policy(policy::Args),
    /// The broker's configuration
    Config(config::Args),
    /// Make keys and bearer tokens
    Token(token::Args),
    /// The transparency log
    Log(log::Args),
    /// Look at everything that the log rests on, and say what mends what is found
    Doctor(doctor::Args),
}

/// Runs the command and says how it ended.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let Cli { global, command } = cli;
    let context = Context::of_process(global);
    let command = match command {
        // These have a runtime, a trace and exit codes of their own.
        Command::Demo(args) => return crate::demo::run(&args, &context.ui),
        Command::Serve(args) => return serve::run(&args),
        Command::Witness(args) => return witness::run(&args),
        Command::Client(command) => command,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return context.ui.fail(&Failure::local("start the runtime")(error)),
    };
    let outcome = runtime.block_on(dispatch(command, &context));
    // A question that nobody answered must not hold the program.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|failure| context.ui.fail(&failure))
}

async fn dispatch(command: ClientCommand, context: &Context) -> Result<ExitCode, Failure> {
    match command {
        ClientCommand::Request(args) => return request::run(args, context).await,
        ClientCommand::Exec(args) => return exec::run(args, context).await,
        ClientCommand::Log(args) => return log::run(&args, context).await,
        ClientCommand::Policy(args) => return policy::run(&args, context).await,
        ClientCommand::Config(args) => return config::run(&args, context),
        ClientCommand::Doctor(args) => return doctor::run(&args, context).await,
        ClientCommand::Ack(args) => ack::run(args, context).await?,
        ClientCommand::Decline(args) => decline::run(args, context).await?,
        ClientCommand::List(args) => list::run(args, context).await?,
        ClientCommand::Show(args) => show::run(args, context).await?,
        ClientCommand::Extend(args) => extend::run(args, context).await?,
        ClientCommand::Withdraw(args) => withdraw::run(args, context).await?,
        ClientCommand::Return(args) => give_back::run(args, context).await?,
        ClientCommand::Revoke(args) => revoke::run(args, context).await?,
        ClientCommand::Credentials(args) => credentials::run(args, context).await?,
        ClientCommand::Console(args) => console::run(args, context).await?,
        ClientCommand::Roles(args) => roles::run(args, context).await?,
        ClientCommand::Login(args) => login::run(args, context).await?,
        ClientCommand::Logout(args) => logout::run(args, context).await?,
        ClientCommand::Whoami(args) => whoami::run(args, context).await?,
        ClientCommand::Token(args) => token::run(args, context)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests;
