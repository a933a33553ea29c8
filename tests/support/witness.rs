//! `halligan witness` as a child process.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::{Child, Command};

use super::HALLIGAN;

const UP_WITHIN: Duration = Duration::from_secs(30);

/// A witness with its key and its state in a directory. Its process ends with this value.
pub struct Witness {
    /// Its public key.
    pub key: String,
    directory: PathBuf,
    logs: Vec<String>,
    child: Option<Child>,
}

impl Witness {
    /// Makes its key. Not started yet.
    pub fn new(directory: &Path, name: &str, logs: &[String]) -> Self {
        fs::create_dir_all(directory).unwrap();
        let mut keygen = StdCommand::new(HALLIGAN);
        keygen.env_clear().args(["log", "keygen", "--witness", "--origin", name]).arg(directory.join("key"));
        let output = keygen.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let key = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Self { key, directory: directory.to_owned(), logs: logs.to_owned(), child: None }
    }

    /// The command that starts it on `listen`.
    pub fn command(&self, listen: &str) -> Command {
        let mut command = Command::new(HALLIGAN);
        command.env_clear().arg("witness").arg("--key").arg(self.directory.join("key"));
        command.arg("--state").arg(self.directory.join("state")).args(["--listen", listen]);
        command.args(self.logs.iter().flat_map(|log| ["--log", log]));
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts it, and waits until it serves: its address.
    pub async fn start(&mut self) -> String {
        let seen = self.trace().len();
        let trace = OpenOptions::new().create(true).append(true).open(self.trace_file()).unwrap();
        self.child = Some(self.command("127.0.0.1:0").stderr(trace).spawn().unwrap());
        let started = Instant::now();
        loop {
            let witnessing = self.trace().into_iter().skip(seen).find(|line| line["message"] == "witnessing");
            if let Some(line) = witnessing {
                assert_eq!(line["key"], self.key.as_str());
                return format!("http://{}", line["address"].as_str().unwrap());
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && started.elapsed() < UP_WITHIN, "{ended:?}: {}", self.trace_text());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// SIGKILL: no farewell.
    pub async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    /// SIGTERM, and its end.
    pub async fn stop(&mut self) -> ExitStatus {
        let id = self.child.as_ref().unwrap().id().expect("it runs");
        let pid = rustix::process::Pid::from_raw(id.try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut child = self.child.take().unwrap();
        tokio::time::timeout(UP_WITHIN, child.wait()).await.expect("it doesn't stop").unwrap()
    }

    pub fn trace_text(&self) -> String {
        fs::read_to_string(self.trace_file()).unwrap_or_default()
    }

    /// What it told its operators.
    pub fn trace(&self) -> Vec<Value> {
        self.trace_text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn trace_file(&self) -> PathBuf {
        self.directory.join("trace")
    }
}
