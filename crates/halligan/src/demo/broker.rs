//! The broker as a child process: `halligan serve`, nothing else.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

const READY_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The broker's process. It ends with this value.
pub struct Broker {
    child: Child,
    configuration: PathBuf,
    aws_config: PathBuf,
    url: String,
}

impl Broker {
    /// Starts it, and waits until it is ready.
    pub async fn start(configuration: &Path, aws_config: &Path, url: &str) -> anyhow::Result<Self> {
        let child = spawn(configuration, aws_config)?;
        let mut broker = Self {
            child,
            configuration: configuration.to_owned(),
            aws_config: aws_config.to_owned(),
            url: url.to_owned(),
        };
        broker.ready().await?;
        Ok(broker)
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it wrote.
    pub fn trace_file(&self) -> PathBuf {
        trace_file(&self.configuration)
    }

    /// SIGKILL: no farewell.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("can't kill the broker")
    }

    /// Starts it again, where it was and with what it left.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.child = spawn(&self.configuration, &self.aws_config)?;
        self.ready().await
    }

    /// Waits until it ends by itself, which it should not.
    pub async fn ended(&mut self) -> anyhow::Result<ExitCode> {
        let status = self.child.wait().await.context("can't wait for the broker")?;
        bail!("the broker ended ({status}): see `{}`", self.trace_file().display())
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        let client = reqwest::Client::builder().no_proxy().build().context("can't make an HTTP client")?;
        loop {
            let answer = client.get(format!("{}/readyz", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().context("can't see whether the broker runs")? {
                let last = std::fs::read_to_string(self.trace_file()).unwrap_or_default();
                let last = last.lines().last().unwrap_or_default().to_owned();
                bail!("the broker ended at its start ({status}): {last} (see `{}`)", self.trace_file().display());
            }
            if Instant::now() >= deadline {
                bail!(
                    "the broker was not ready within {} s: see `{}`",
                    READY_WITHIN.as_secs(),
                    self.trace_file().display()
                );
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

fn trace_file(configuration: &Path) -> PathBuf {
    configuration.with_file_name("broker.log")
}

fn spawn(configuration: &Path, aws_config: &Path) -> anyhow::Result<Child> {
    let path = trace_file(configuration);
    let log: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("can't write `{}`", path.display()))?;
    let program = std::env::current_exe().context("can't find this program")?;
    let mut command: Command = crate::standin::child(&program);
    command.arg("serve").arg("--config").arg(configuration).stdout(Stdio::null()).stderr(log);
    // The broker becomes its role through the SDK's own chain, and nobody else's.
    let own = std::env::vars_os().map(|(name, _)| name);
    for name in own.filter(|name| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    let endpoint = endpoint_of(configuration);
    command
        .env("AWS_CONFIG_FILE", aws_config)
        .env("AWS_SHARED_CREDENTIALS_FILE", aws_config.with_file_name("none"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", endpoint);
    command.spawn().context("can't start the broker")
}

/// The profile's AssumeRole goes to the stand-in too.
fn endpoint_of(configuration: &Path) -> String {
    let text = std::fs::read_to_string(configuration).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("endpoint_url = "));
    line.unwrap_or_default().trim_matches('"').to_owned()
}
