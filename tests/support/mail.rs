//! A mail server that is not ours: aiosmtpd, by the script of `connect`'s tests.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::{python, root};

/// Up until this is dropped. It is on loopback and asks nobody who they are.
pub struct MailServer {
    pub port: u16,
    said: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl MailServer {
    pub async fn start() -> Self {
        let mut child = Command::new(python())
            .arg(root().join("crates/connect/src/mail/tests/server.py"))
            .arg(json!({"tls": "none"}).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = said.next_line().await.unwrap().expect("the mail server starts").parse().unwrap();
        Self { port, said, _child: child }
    }

    /// The next mail that it takes.
    pub async fn mail(&mut self) -> Value {
        serde_json::from_str(&self.said.next_line().await.unwrap().expect("a mail")).unwrap()
    }
}
