//! The broker as a child process: `halligan serve`, nothing else.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::Url;
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

const READY_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How to start it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// This program.
    pub program: PathBuf,
    /// Its `--config`.
    pub configuration: PathBuf,
    /// An AWS configuration file that makes it the broker's role.
    pub aws_config: PathBuf,
    /// The stand-in.
    pub aws_endpoint: String,
    /// What it writes goes here.
    pub log: PathBuf,
    /// Where it will answer.
    pub url: Url,
}

/// The broker's process. It ends with this value.
pub struct Broker {
    plan: Plan,
    child: Mutex<Child>,
    http: reqwest::Client,
}

impl Broker {
    /// Starts it, and waits until it is ready.
    pub async fn start(plan: Plan) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(READY_WITHIN).build();
        let broker = Self { child: Mutex::new(spawn(&plan)?), plan, http: http.context("can't make an HTTP client")? };
        broker.ready().await?;
        Ok(broker)
    }

    /// Where it answers, without a `/` at the end.
    pub fn url(&self) -> &str {
        self.plan.url.as_str().trim_end_matches('/')
    }

    /// SIGKILL: no farewell. Tells how it ended.
    pub async fn kill(&self) -> anyhow::Result<ExitStatus> {
        let mut child = self.child.lock().await;
        child.start_kill().context("can't kill the broker")?;
        child.wait().await.context("can't wait for the broker")
    }

    /// Starts it again, where it was and with what it left.
    pub async fn restart(&self) -> anyhow::Result<()> {
        *self.child.lock().await = spawn(&self.plan)?;
        self.ready().await
    }

    /// Waits until it ends by itself, which it should not.
    pub async fn ended(&self) -> anyhow::Result<ExitStatus> {
        self.child.lock().await.wait().await.context("can't wait for the broker")
    }

    /// Whether anything listens where it would answer.
    pub async fn listens(&self) -> bool {
        let host = self.plan.url.host_str().unwrap_or_default();
        let port = self.plan.url.port_or_known_default().unwrap_or_default();
        TcpStream::connect((host, port)).await.is_ok()
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let answer = self.http.get(format!("{}/readyz", self.url())).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            let ended = self.child.lock().await.try_wait().context("can't see whether the broker runs")?;
            if let Some(status) = ended {
                bail!("the broker ended at its start ({status})");
            }
            if Instant::now() >= deadline {
                bail!("the broker was not ready within {} s", READY_WITHIN.as_secs());
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

fn spawn(plan: &Plan) -> anyhow::Result<Child> {
    let log = OpenOptions::new().create(true).append(true).open(&plan.log);
    let log = log.with_context(|| format!("can't write `{}`", plan.log.display()))?;
    let mut command = crate::standin::child(&plan.program);
    command.arg("serve").arg("--config").arg(&plan.configuration).stdout(Stdio::null()).stderr(log);
    // It becomes its role through the SDK's own chain.
    command
        .env("AWS_CONFIG_FILE", &plan.aws_config)
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        // The profile's AssumeRole goes to the stand-in too.
        .env("AWS_ENDPOINT_URL", &plan.aws_endpoint);
    if let Some(filter) = std::env::var_os("HALLIGAN_LOG") {
        command.env("HALLIGAN_LOG", filter);
    }
    command.spawn().context("can't start the broker")
}
