//! Everything that the demo needs, made in a directory of its own: the stand-in,
//! its accounts, the people, the incidents, the broker and its configuration.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use halligan_aws::provision::{self, Accounts, Plan as AccountsPlan, TARGET_ACCOUNT_ID};
use halligan_aws::{Seen, Visitor};

use tokio::process::Command;

use super::broker::{Broker, Plan};
use super::files::{self, AUDITOR, CONFIGURATION, OCSF, Parts, REGION, STATE};
use super::logging::{Archive, Keys};
use super::narrate::Narrator;
use super::people::{LOGINS, People, SignIn};
use super::provider::Provider;
use super::witness::Witness;
use super::{BROKER_LOG, STAND_IN};
use crate::client::machine::{MachineClock, MachineEntropy};
use crate::client::private;
use crate::standin::{self, StandIn};

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

/// The demo's world. Its processes end with this value.
pub struct World {
    /// The broker's process.
    pub broker: Broker,
    /// The people.
    pub people: People,
    /// How they came in.
    pub sign_ins: Vec<SignIn>,
    /// Whom they signed in with.
    pub identity: Provider,
    /// The accounts of the stand-in.
    pub accounts: Accounts,
    /// The log in the logging account.
    pub archive: Archive,
    /// Its keys.
    pub keys: Keys,
    witness: Witness,
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

        let keys = Keys::make(directory)?;
        let witness = Witness::start(&program, directory, &keys);
        let witness = narrator.step("the log's witness: halligan witness, a key of its own", witness).await?;

        let port = standin::free_port()?;
        let url = format!("http://localhost:{port}");
        let people = People::new(&made(directory, "home")?);
        let identity = Provider::start(&url, &LOGINS, Arc::new(MachineClock), Arc::new(MachineEntropy)).await?;
        let issuer = identity.issuer();
        narrator.seen(true, &format!("an identity provider, without passwords: {issuer}"), "");
        let file = |name: &str, content: &str| -> anyhow::Result<PathBuf> {
            let path = directory.join(name);
            private::write_new(&path, content.as_bytes())?;
            Ok(path)
        };
        file("incidents.toml", &files::incidents())?;
        file(AUDITOR, &files::auditor(&accounts))?;
        let (keys, witness_url) = (&keys, witness.url());
        let parts = Parts { port, endpoint, accounts: &accounts, issuer, keys, witness: witness_url, emergency };
        let plan = Plan {
            program: program.clone(),
            configuration: file(CONFIGURATION, &files::configuration(&parts)?)?,
            aws_config: file("aws.config", &accounts.aws_config())?,
            aws_endpoint: endpoint.to_owned(),
            log: directory.join(BROKER_LOG),
            url: url.parse().context("can't make the broker's address")?,
        };
        files::policies(directory)?;
        files::commands(directory, &program, &installed)?;
        file("env", &files::environment(directory, people.home(), endpoint, keys))?;
        let broker = narrator.step(&format!("the broker: halligan serve, at {url}"), Broker::start(plan)).await?;
        let sign_ins = people.sign_in(&program, &url, &identity).await?;
        for sign_in in &sign_ins {
            let what = format!("{} signs in there, by halligan login", sign_in.login);
            narrator.seen(sign_in.is_right(), &what, &format!("is the person {}", sign_in.person));
        }
        let archive = Archive::connect(&accounts, endpoint).await?;
        let directory = directory.to_owned();
        let keys = keys.clone();
        Ok(Self { broker, people, sign_ins, identity, archive, keys, accounts, witness, stand_in, directory })
    }

    /// Where everything is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The broker's configuration.
    pub fn configuration_file(&self) -> PathBuf {
        self.directory.join(CONFIGURATION)
    }

    /// Where the broker keeps its store.
    pub fn state_directory(&self) -> PathBuf {
        self.directory.join(STATE)
    }

    /// The entries for a SIEM, a line each.
    pub fn ocsf_file(&self) -> PathBuf {
        self.directory.join(OCSF)
    }

    /// Whatever the broker read or wrote: the files that must hold no secret.
    pub fn broker_files(&self) -> [PathBuf; 5] {
        [
            self.state_directory(),
            self.directory.join(BROKER_LOG),
            self.configuration_file(),
            self.directory.join("incidents.toml"),
            self.ocsf_file(),
        ]
    }

    /// One of the commands that are printed, in the environment that is printed with
    /// them, as an auditor.
    pub fn command(&self, name: &str) -> Command {
        let mut command = standin::child(&self.directory.join("bin").join(name));
        command
            .env("AWS_ENDPOINT_URL", self.aws_endpoint())
            .env("AWS_REGION", REGION)
            .env("AWS_CONFIG_FILE", self.directory.join(AUDITOR))
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_PROFILE", "auditor");
        command
    }

    /// The stand-in's address.
    pub fn aws_endpoint(&self) -> &str {
        self.stand_in.endpoint()
    }

    /// Waits until one of the children ends by itself, which none should.
    pub async fn broken(&mut self) -> anyhow::Error {
        let (which, ended) = tokio::select! {
            error = self.identity.ended() => return error,
            ended = self.broker.ended() => ("the broker", ended),
            ended = self.witness.ended() => ("the witness", ended),
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

/// A directory for nobody else to read.
pub fn made(parent: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = parent.join(name);
    DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("can't make `{}`", path.display()))?;
    Ok(path)
}
