//! `halligan credentials`

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use clap::ValueEnum;
use halligan_core::id::GrantId;
use halligan_server::views::CredentialsView;
use secrecy::ExposeSecret as _;

use super::Context;
use crate::client::cache::{FileShelf, MemoryShelf, Shelf};
use crate::client::credentials::{Source, Warn};
use crate::client::failure::Failure;
use crate::client::http::Broker;

/// Print credentials of a grant, for AWS SDKs, shells or scripts.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The grant's id, 22 characters
    grant: GrantId,
    /// How
    #[arg(long, value_enum, default_value_t = Format::Process)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// What the setting `credential_process` of the AWS SDKs expects
    Process,
    /// Lines for `eval "$(…)"` in a shell
    Env,
    /// The API's JSON
    Json,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let broker = context.broker()?;
    let shelf = shelf(args.grant, &broker, context)?;
    let credentials = source(args.grant, broker, shelf, context).current().await?;
    if io::stdout().is_terminal() {
        context.ui.note("these are secrets, and this terminal keeps what it shows");
    }
    let shown = match args.format {
        Format::Env if !context.ui.json => exports(&credentials),
        Format::Process | Format::Json | Format::Env => as_json(&credentials)?,
    };
    context.ui.print(&shown)
}

/// The grant's credentials, kept on this shelf.
pub fn source(grant: GrantId, broker: Arc<Broker>, shelf: Box<dyn Shelf>, context: &Context) -> Source {
    let ui = context.ui;
    let warn: Warn = Arc::new(move |text| ui.warn(text));
    Source::new(broker, shelf, context.clock.clone(), warn, grant)
}

/// A private file, or where there is no place for one, nothing that lasts.
fn shelf(grant: GrantId, broker: &Broker, context: &Context) -> Result<Box<dyn Shelf>, Failure> {
    let Some(directory) = &context.surroundings.cache else { return Ok(Box::new(MemoryShelf::default())) };
    match FileShelf::open(directory, broker.url().as_str(), grant, &broker.caller()?) {
        Ok(shelf) => Ok(Box::new(shelf)),
        Err(error) => {
            context.ui.warn(&format!("nothing is cached: {}", Failure::from(error).chain()));
            Ok(Box::new(MemoryShelf::default()))
        }
    }
}

fn as_json(credentials: &CredentialsView) -> Result<String, Failure> {
    serde_json::to_string(credentials)
        .map_err(|error| Failure::Local { doing: "write the credentials as JSON".into(), source: error.into() })
}

fn exports(credentials: &CredentialsView) -> String {
    let expiration = credentials.expiration.to_string();
    let variables = [
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.expose_secret()),
        ("AWS_SESSION_TOKEN", credentials.session_token.expose_secret()),
        ("AWS_CREDENTIAL_EXPIRATION", &expiration),
    ];
    let lines = variables.map(|(name, value)| format!("export {name}={}", quoted(value)));
    lines.join("\n")
}

/// One word to any shell, whatever is in it.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn credentials() -> CredentialsView {
        CredentialsView {
            version: 1,
            access_key_id: "ASIAEXAMPLE".into(),
            secret_access_key: "a/b+c='$(x)'".to_owned().into(),
            session_token: "IQoJ==".to_owned().into(),
            expiration: "2026-03-01T03:10:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn an_sdk_understands_the_json() {
        let json: serde_json::Value = serde_json::from_str(&as_json(&credentials()).unwrap()).unwrap();
        insta::assert_json_snapshot!(json, @r#"
        {
          "Version": 1,
          "AccessKeyId": "ASIAEXAMPLE",
          "SecretAccessKey": "a/b+c='$(x)'",
          "SessionToken": "IQoJ==",
          "Expiration": "2026-03-01T03:10:00Z"
        }
        "#);
    }

    #[test]
    fn a_shell_understands_the_lines_and_runs_nothing() {
        let script = format!("{}\nprintf %s \"$AWS_SECRET_ACCESS_KEY\"", exports(&credentials()));
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "a/b+c='$(x)'");
    }
}
