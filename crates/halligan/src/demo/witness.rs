//! The witness as a child process: `halligan witness`, as it runs in the logging account.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use super::WITNESS_LOG;
use super::logging::Keys;
use crate::standin;

const UP_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The witness's process. It ends with this value.
pub struct Witness {
    child: Child,
    url: String,
}

impl Witness {
    /// Starts it, and waits until it listens.
    pub async fn start(program: &Path, directory: &Path, keys: &Keys) -> anyhow::Result<Self> {
        let port = standin::free_port()?;
        let path = directory.join(WITNESS_LOG);
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("can't write `{}`", path.display()))?;
        let listen = format!("127.0.0.1:{port}");
        let mut command = standin::child(program);
        command.arg("witness").arg("--key").arg(keys.witness_file()).args(["--log", &keys.log, "--listen", &listen]);
        command.arg("--state").arg(directory.join("witness")).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().context("can't start the witness")?;
        let deadline = Instant::now() + UP_WITHIN;
        while TcpStream::connect(&listen).await.is_err() {
            if let Some(status) = child.try_wait().context("can't see whether the witness runs")? {
                bail!("the witness ended at its start ({status})");
            }
            if Instant::now() >= deadline {
                bail!("the witness was not up within {} s", UP_WITHIN.as_secs());
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(Self { child, url: format!("http://{listen}") })
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until it ends by itself, which it should not.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.wait().await.context("can't wait for the witness")
    }
}
