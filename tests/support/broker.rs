//! `halligan serve` as a child process.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::{Child, Command};

use super::HALLIGAN;

const READY_WITHIN: Duration = Duration::from_secs(30);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// A broker. It ends with this value.
pub struct Broker {
    pub url: String,
    configuration: PathBuf,
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

impl Broker {
    /// Not started yet.
    pub fn new(url: &str, configuration: &Path, environment: &[(&str, &str)]) -> Self {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { url: url.to_owned(), configuration: configuration.to_owned(), environment, child: None }
    }

    /// Its environment.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// A variable of its environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Another broker in the same environment, not started yet.
    pub fn beside(&self, url: &str, configuration: &Path) -> Self {
        let environment = self.environment.clone();
        Self { url: url.to_owned(), configuration: configuration.to_owned(), environment, child: None }
    }

    pub async fn start(&mut self) {
        self.spawn();
        self.ready().await;
    }

    pub fn spawn(&mut self) {
        let log: File = OpenOptions::new().create(true).append(true).open(self.trace_file()).unwrap();
        let mut command = Command::new(HALLIGAN);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("serve").arg("--config").arg(&self.configuration);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        self.child = Some(command.spawn().unwrap());
    }

    /// Waits until it can do its work.
    pub async fn ready(&mut self) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let started = Instant::now();
        loop {
            let answer = http.get(format!("{}/readyz", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && started.elapsed() < READY_WITHIN,
                "not ready ({ended:?}): {}",
                self.trace_text()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn is_up(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// SIGKILL: no farewell.
    pub async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    /// SIGKILL, whose effect is not waited for.
    pub fn shoot(&self) {
        rustix::process::kill_process(self.pid(), rustix::process::Signal::KILL).unwrap();
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id().expect("it runs")
    }

    fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_raw(self.id().try_into().unwrap()).unwrap()
    }

    /// SIGHUP: it reads its files again.
    pub fn hang_up(&self) {
        rustix::process::kill_process(self.pid(), rustix::process::Signal::HUP).unwrap();
    }

    /// SIGTERM, and its end.
    pub async fn stop(&mut self) -> ExitStatus {
        rustix::process::kill_process(self.pid(), rustix::process::Signal::TERM).unwrap();
        let mut child = self.child.take().unwrap();
        let ended = tokio::time::timeout(STOPPED_WITHIN, child.wait()).await;
        ended.unwrap_or_else(|_| panic!("it doesn't stop: {}", self.trace_text())).unwrap()
    }

    pub fn trace_file(&self) -> PathBuf {
        self.configuration.with_extension("trace")
    }

    pub fn trace_text(&self) -> String {
        fs::read_to_string(self.trace_file()).unwrap_or_default()
    }

    /// What it told its operators.
    pub fn trace(&self) -> Vec<Value> {
        self.trace_text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}
