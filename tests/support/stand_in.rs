//! The stand-in of AWS as a child process.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

const UP_WITHIN: Duration = Duration::from_secs(60);

/// Up until this is dropped.
pub struct StandIn {
    pub port: u16,
    child: Child,
    directory: tempfile::TempDir,
}

impl StandIn {
    pub async fn start() -> Self {
        let command = std::env::var("HALLIGAN_MINISTACK").expect("set HALLIGAN_MINISTACK or run tests/run");
        let port = free_port();
        let directory = tempfile::Builder::new().prefix("halligan-stand-in-").tempdir().unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let child = Command::new("sh")
            .args(["-c", &format!("exec {command}")])
            .current_dir(directory.path())
            .envs([("AUTH", "true"), ("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &port.to_string())])
            // Where it leaves a file with its process id.
            .env("TMPDIR", directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut stand_in = Self { port, child, directory };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let ended = stand_in.child.try_wait().unwrap();
            assert!(ended.is_none() && started.elapsed() < UP_WITHIN, "{}", stand_in.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stand_in
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
