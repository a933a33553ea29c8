//! The stand-in of AWS that the demo runs against: ministack, a pinned package,
//! installed on first use and started as a child.

mod install;
mod python;

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

pub use install::install;

/// What it writes, in its directory.
pub const LOG: &str = "ministack.log";

const UP_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// An installed stand-in.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The interpreter that it was installed for.
    pub python: PathBuf,
    /// For its `PYTHONPATH`: the AWS SDK for Python is among them.
    pub packages: PathBuf,
}

/// What a child needs of this process's environment to run at all.
const INHERITED: [&str; 5] = ["PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ"];

/// A running stand-in. It ends with this value.
#[derive(Debug)]
pub struct StandIn {
    child: Child,
    endpoint: String,
}

impl StandIn {
    /// Starts it on a free port of the loopback, with its state in `directory`.
    ///
    /// # Errors
    /// When it can't be started, or isn't up within a minute.
    pub async fn start(installed: &Installed, directory: &Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let log_path = directory.join(LOG);
        let log = File::create(&log_path).with_context(|| format!("can't write `{}`", log_path.display()))?;
        let child = child(&installed.python)
            .args(["-m", "ministack"])
            .current_dir(directory)
            .envs([("PYTHONPATH", installed.packages.as_os_str()), ("STATE_DIR", directory.join("state").as_os_str())])
            .envs([("AUTH", "true"), ("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &port.to_string())])
            // Off: a listener on all interfaces, SFTP, and state that others would share.
            .envs([("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0"), ("PERSIST_STATE", "0"), ("S3_PERSIST", "0")])
            .envs([("PYTHONNOUSERSITE", OsStr::new("1")), ("HOME", directory.as_os_str())])
            .env("TMPDIR", directory)
            .stdout(log.try_clone().context("can't write the stand-in's log")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("can't start `{}`", installed.python.display()))?;
        let mut stand_in = Self { child, endpoint: format!("http://127.0.0.1:{port}") };
        stand_in.wait_until_up(port, &log_path).await?;
        Ok(stand_in)
    }

    /// Where it answers, for every service.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Waits until it ends, which it does only by itself or by somebody else's doing.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.wait().await.context("can't wait for the AWS stand-in")
    }

    async fn wait_until_up(&mut self, port: u16, log: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + UP_WITHIN;
        loop {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().context("can't see whether the AWS stand-in runs")? {
                bail!("the AWS stand-in ended at its start ({status}): see `{}`", log.display());
            }
            if Instant::now() >= deadline {
                bail!("the AWS stand-in was not up within {} s: see `{}`", UP_WITHIN.as_secs(), log.display());
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// A child that ends with this process: when it is dropped, and where the system
/// can see to it (`setpriv` of util-linux), also when this process is killed. It
/// knows nothing of whoever started this process: settings that they have for AWS
/// or for the stand-in are theirs.
pub fn child(program: &Path) -> Command {
    let guard = Path::new("/usr/bin/setpriv");
    let mut command = if guard.exists() {
        let mut command = Command::new(guard);
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // A Ctrl-C in the terminal is the supervisor's to act on.
    command.process_group(0).stdin(Stdio::null()).kill_on_drop(true).env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// A port that is free now. Whoever takes it should do so soon.
pub fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no free port on the loopback")?;
    Ok(listener.local_addr().context("no free port on the loopback")?.port())
}
