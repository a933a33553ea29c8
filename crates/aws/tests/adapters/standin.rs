//! The stand-in of AWS as a child process.

use std::env;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Up until this is dropped.
pub struct StandIn {
    child: Child,
    directory: PathBuf,
    pub port: u16,
}

impl StandIn {
    pub fn start() -> Self {
        let command = env::var("HALLIGAN_MINISTACK").expect("set HALLIGAN_MINISTACK or run tests/run");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = env::temp_dir().join(format!("halligan-adapters-{}-{port}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let log = File::create(directory.join("log")).unwrap();
        let child = Command::new("sh")
            .args(["-c", &format!("exec {command}")])
            .current_dir(&directory)
            .envs([("AUTH", "true"), ("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &port.to_string())])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut stand_in = Self { child, directory, port };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let exited = stand_in.child.try_wait().unwrap();
            let log = || fs::read_to_string(stand_in.directory.join("log")).unwrap_or_default();
            assert!(exited.is_none() && started.elapsed() < Duration::from_secs(60), "{}", log());
            std::thread::yield_now();
        }
        stand_in
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
