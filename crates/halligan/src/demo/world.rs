//! Everything that the demo needs, made in a directory of its own: the stand-in,
//! its accounts, the people, the incidents, the broker and its configuration.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use halligan_aws::provision::{self, Accounts, Plan as AccountsPlan, TARGET_ACCOUNT_ID};
use halligan_aws::{Seen, Visitor};

use super::broker::{Broker, Plan};
use super::narrate::Narrator;
use super::people::People;
use super::{BROKER_LOG, STAND_IN};
use crate::client::private;
use crate::standin::{self, Installed, StandIn};

/// The role that most of the story is about.
pub const ROLE: &str = "prod-admin";
/// The role of the emergency.
pub const EMERGENCY_ROLE: &str = "db-admin";
/// The incident that is open.
pub const OPEN_INCIDENT: &str = "INC-219";
/// The incident that is over.
pub const CLOSED_INCIDENT: &str = "INC-100";
/// The incident tool's name.
pub const PROVIDER: &str = "demo";
/// Something to look at in the target account, and to be kept from.
pub const BUCKET: &str = "checkout-orders";

const OTHER_BUCKET: &str = "checkout-backups";
const REGION: &str = "eu-central-1";
/// Where the broker keeps its store and its log.
const STATE: &str = "state";

/// The demo's world. Its processes end with this value.
pub struct World {
    /// The broker's process.
    pub broker: Broker,
    /// The people and their keys.
    pub people: People,
    /// The accounts of the stand-in.
    pub accounts: Accounts,
    stand_in: StandIn,
    directory: PathBuf,
}

impl World {
    /// Builds it in `directory`. An emergency start has `emergency` (`15s`, `5m`) to be acknowledged.
    pub async fn build(directory: &Path, emergency: &str, narrator: &Narrator) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("can't find this program")?;
        let installed = standin::install(&cache()?.join("stand-in"), |place| {
            narrator.line(&format!("  Installing the AWS stand-in, once, into\n  {}", place.display()));
        })
        .await?;
        let stand_in = made(directory, STAND_IN)?;
        let starting = StandIn::start(&installed, &stand_in);
        let stand_in = narrator.step("a stand-in of AWS that enforces IAM", starting).await?;
        let endpoint = stand_in.endpoint();
        let deploying = deploy(endpoint);
        let accounts = narrator.step("three accounts in it, deployed from deploy/aws", deploying).await?;

        let port = standin::free_port()?;
        let url = format!("http://127.0.0.1:{port}");
        let people = People::make(&made(directory, "home")?, &url)?;
        narrator.seen(true, "alice, bob and carol, a private key each", "");
        let file = |name: &str, content: &str| -> anyhow::Result<PathBuf> {
            let path = directory.join(name);
            private::write_new(&path, content.as_bytes())?;
            Ok(path)
        };
        file("incidents.toml", &incidents())?;
        let plan = Plan {
            program: program.clone(),
            configuration: file("halligan.toml", &configuration(port, endpoint, &accounts, &people, emergency)?)?,
            aws_config: file("aws.config", &accounts.aws_config())?,
            aws_endpoint: endpoint.to_owned(),
            log: directory.join(BROKER_LOG),
            url: url.parse().context("can't make the broker's address")?,
        };
        commands(directory, &program, &installed)?;
        file("env", &environment(directory, people.home(), endpoint))?;
        let broker = narrator.step(&format!("the broker: halligan serve, at {url}"), Broker::start(plan)).await?;
        Ok(Self { broker, people, accounts, stand_in, directory: directory.to_owned() })
    }

    /// Where everything is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the broker keeps its store and its log.
    pub fn state_directory(&self) -> PathBuf {
        self.directory.join(STATE)
    }

    /// The sink's file.
    pub fn sink_file(&self) -> PathBuf {
        self.state_directory().join("log").join(halligan_connect::directory_sink::FILE_NAME)
    }

    /// Whatever the broker read or wrote: the files that must hold no secret.
    pub fn broker_files(&self) -> [PathBuf; 4] {
        [
            self.state_directory(),
            self.directory.join(BROKER_LOG),
            self.directory.join("halligan.toml"),
            self.directory.join("incidents.toml"),
        ]
    }

    /// The stand-in's address.
    pub fn aws_endpoint(&self) -> &str {
        self.stand_in.endpoint()
    }

    /// Waits until one of the children ends by itself, which none should.
    pub async fn broken(&mut self) -> anyhow::Error {
        let (which, ended) = tokio::select! {
            ended = self.broker.ended() => ("the broker", ended),
            ended = self.stand_in.ended() => ("the AWS stand-in", ended),
        };
        match ended {
            Ok(status) => anyhow::anyhow!("{which} ended ({status})"),
            Err(error) => error,
        }
    }
}

/// Not below `HALLIGAN_HOME`: what the demo prints sets it, for as long as the demo runs.
fn cache() -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let cache = cache.context("no cache directory for the AWS stand-in: set XDG_CACHE_HOME, or HOME")?;
    Ok(std::path::absolute(cache)?.join("halligan"))
}

async fn deploy(endpoint: &str) -> anyhow::Result<Accounts> {
    let plan = AccountsPlan {
        region: REGION.to_owned(),
        external_id: "demo-external-id-0001".to_owned(),
        roles: [ROLE, EMERGENCY_ROLE].map(|role| format!("halligan-{role}")).to_vec(),
        ..AccountsPlan::default()
    };
    let accounts = provision::stand_in(endpoint, &plan).await.context("the accounts could not be deployed")?;
    let root = Visitor::root(&accounts, TARGET_ACCOUNT_ID);
    for bucket in [BUCKET, OTHER_BUCKET] {
        let made = root.create_bucket(bucket).await;
        if made != Seen::Allowed {
            bail!("the bucket `{bucket}` could not be made: {made}");
        }
    }
    Ok(accounts)
}

fn made(parent: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = parent.join(name);
    DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("can't make `{}`", path.display()))?;
    Ok(path)
}

fn incidents() -> String {
    format!(
        r#"# Read at each check: edit it, and the broker knows.

[[incidents]]
id = "{OPEN_INCIDENT}"
status = "open"
severity = "critical"
creator = "carol@example.com"
title = "Checkout answers 500"

[[incidents]]
id = "{CLOSED_INCIDENT}"
status = "closed"
title = "A certificate ran out"
"#
    )
}

fn configuration(
    port: u16,
    endpoint: &str,
    accounts: &Accounts,
    people: &People,
    emergency: &str,
) -> anyhow::Result<String> {
    let mut text = format!(
        r#"# The demo's broker. docs/configuration.md describes each setting.
deployment = "demo"
state_directory = "{STATE}"

[server]
listen = "127.0.0.1:{port}"

[aws]
region = "{REGION}"
endpoint_url = "{endpoint}"

[incidents.{PROVIDER}]
kind = "file"
path = "incidents.toml"
"#
    );
    let (revoker, external_id) = (&accounts.revoker, &accounts.external_id);
    let described = [(ROLE, "The production account"), (EMERGENCY_ROLE, "The production databases")];
    for (role, description) in described {
        let arn = accounts.roles.iter().find(|arn| arn.ends_with(role)).context("a role was not deployed")?;
        text.push_str(&format!(
            r#"
[roles.{role}]
description = "{description}"
arn = "{arn}"
revoker = "{revoker}"
external_id = "{external_id}"
regions = ["{REGION}"]
emergency_acknowledge_within = "{emergency}"
default_scope = "read-only"
requesters = ["on-call"]
acknowledgers = ["on-call", "security"]
revokers = ["leads", "security"]
emergency_starters = ["on-call"]

[roles.{role}.scopes.read-only]
statements = [{{ Effect = "Allow", Action = ["s3:List*", "s3:Get*", "logs:Get*", "logs:FilterLogEvents"], Resource = "*" }}]

[roles.{role}.scopes.full]
statements = [{{ Effect = "Allow", Action = "*", Resource = "*" }}]
"#
        ));
    }
    text.push_str(&people.configuration());
    Ok(text)
}

/// What the printed commands need: this program by its name, and something that
/// uses credentials, since not every machine has the AWS command line.
fn commands(directory: &Path, program: &Path, installed: &Installed) -> anyhow::Result<()> {
    let bin = made(directory, "bin")?;
    symlink(program, bin.join("halligan")).context("can't link this program")?;
    let (python, packages) = (quoted(&installed.python), quoted(&installed.packages));
    let script = format!(
        r#"#!/bin/sh
# The AWS SDK for Python, with whatever credentials it finds.
PYTHONPATH={packages} PYTHONNOUSERSITE=1 exec {python} -c '
import sys
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

try:
    for bucket in Session().create_client("s3").list_buckets()["Buckets"]:
        print(bucket["Name"])
except (BotoCoreError, ClientError) as error:
    sys.exit(f"buckets: {{error}}")
'
"#
    );
    let path = bin.join("buckets");
    private::write_new(&path, script.as_bytes())?;
    fs::set_permissions(&path, Permissions::from_mode(0o700)).context("can't make `buckets` a command")
}

fn environment(directory: &Path, home: &Path, endpoint: &str) -> String {
    let (bin, home) = (quoted(&directory.join("bin")), quoted(home));
    format!(
        "# Read by a shell: `. {}/env`\nexport PATH={bin}:\"$PATH\"\nexport HALLIGAN_HOME={home}\n\
         export AWS_ENDPOINT_URL={endpoint} AWS_REGION={REGION}\nunset HALLIGAN_PROFILE\n",
        directory.display()
    )
}

/// One word to any shell, whatever is in it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
