//! Everything that the demo needs, made in a directory of its own: the stand-in,
//! its accounts, the people, the incidents, the broker and its configuration.

use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use halligan_aws::provision::{Accounts, Plan, stand_in};
use tempfile::TempDir;

use super::broker::Broker;
use super::narrate::Narrator;
use super::people::People;
use crate::client::private;
use crate::client::surroundings::Surroundings;
use crate::standin::{self, StandIn};

/// The catalogue's name of the break-glass role.
pub const ROLE: &str = "prod-admin";
/// The incident that is open.
pub const OPEN_INCIDENT: &str = "INC-219";
/// The incident that is over.
pub const CLOSED_INCIDENT: &str = "INC-100";
/// The incident tool's name.
pub const PROVIDER: &str = "demo";

const REGION: &str = "eu-central-1";

const INCIDENTS: &str = r#"[[incidents]]
id = "INC-219"
status = "open"
severity = "critical"
creator = "carol@example.com"
title = "Checkout answers 500"

[[incidents]]
id = "INC-100"
status = "closed"
title = "A certificate ran out"
"#;

/// The demo's world. It ends with this value.
pub struct World {
    /// The broker's process.
    pub broker: Broker,
    /// The people and their keys.
    pub people: People,
    /// The accounts of the stand-in.
    pub accounts: Accounts,
    // Fields are dropped in this order: the stand-in ends after the broker, the directory last.
    stand_in: StandIn,
    directory: TempDir,
}

impl World {
    /// Builds it. In the played story nobody waits ten minutes for a deadline.
    pub async fn build(played: bool, narrator: &Narrator) -> anyhow::Result<Self> {
        let cache = Surroundings::of_process().cache.context("no cache directory: set HOME, or HALLIGAN_HOME")?;
        let installed = standin::install(&cache.join("stand-in")).await?;
        let directory = tempfile::Builder::new()
            .prefix("halligan-demo-")
            .tempdir()
            .context("can't make a directory for the demo")?;
        let path = directory.path();

        narrator.step("starting a stand-in of AWS (ministack)");
        let stand_in_directory = made(path, "stand-in")?;
        let stand_in = StandIn::start(&installed, &stand_in_directory).await?;
        narrator.step("deploying deploy/aws: broker, target account, break-glass role, logging account");
        let plan =
            Plan { region: REGION.to_owned(), external_id: "demo-external-id-0001".to_owned(), ..Plan::default() };
        let accounts =
            self::stand_in(stand_in.endpoint(), &plan).await.context("the stand-in could not be provisioned")?;

        narrator.step("making keys for alice, bob and carol");
        let port = standin::free_port()?;
        let url = format!("http://localhost:{port}");
        let people = People::make(&made(path, "home")?, &url)?;
        private::replace(&path.join("incidents.toml"), INCIDENTS.as_bytes())?;
        private::replace(&path.join("aws.config"), accounts.aws_config().as_bytes())?;
        let file = path.join("halligan.toml");
        private::replace(&file, configuration(port, stand_in.endpoint(), &accounts, &people, played)?.as_bytes())?;

        narrator.step("starting the broker: halligan serve");
        let broker = Broker::start(&file, &path.join("aws.config"), &url).await?;
        Ok(Self { broker, people, accounts, stand_in, directory })
    }

    /// Where everything is.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the stand-in answers.
    pub fn endpoint(&self) -> &str {
        self.stand_in.endpoint()
    }

    /// Where the broker publishes its log.
    pub fn log_directory(&self) -> PathBuf {
        self.directory().join("state/log")
    }

    /// Leaves the directory behind, for somebody to look into.
    pub fn keep(&mut self) {
        self.directory.disable_cleanup(true);
    }
}

fn made(parent: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = parent.join(name);
    DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("can't make `{}`", path.display()))?;
    Ok(path)
}

fn configuration(
    port: u16,
    endpoint: &str,
    accounts: &Accounts,
    people: &People,
    played: bool,
) -> anyhow::Result<String> {
    let role = accounts.roles.first().context("the plan has no break-glass role")?;
    let (revoker, external_id) = (&accounts.revoker, &accounts.external_id);
    let acknowledge_within = if played { "15s" } else { "10m" };
    let mut text = format!(
        r#"# The demo's broker. docs/configuration.md describes each setting.
deployment = "demo"

[server]
listen = "127.0.0.1:{port}"
public_url = "http://localhost:{port}"

[aws]
region = "{REGION}"
endpoint_url = "{endpoint}"

[incidents.{PROVIDER}]
kind = "file"
path = "incidents.toml"

[roles.{ROLE}]
description = "The production account, as far as its boundary lets anybody"
arn = "{role}"
revoker = "{revoker}"
external_id = "{external_id}"
regions = ["{REGION}"]
emergency_acknowledge_within = "{acknowledge_within}"
default_scope = "read-only"
requesters = ["on-call"]
acknowledgers = ["leads", "security"]
revokers = ["security"]
emergency_starters = ["on-call"]

[roles.{ROLE}.scopes.read-only]
statements = [{{ Effect = "Allow", Action = ["s3:List*", "s3:Get*", "logs:Get*", "logs:FilterLogEvents"], Resource = "*" }}]

[roles.{ROLE}.scopes.everything]
statements = [{{ Effect = "Allow", Action = "*", Resource = "*" }}]
"#
    );
    write!(text, "{}", people.configuration()).context("can't write the configuration")?;
    Ok(text)
}
