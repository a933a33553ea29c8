//! A real browser, for people with passkeys: Chromium with an authenticator in software,
//! driven by `tests/tools/browser/browser.mjs`. Shared with the tests of `server`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Up until this is dropped.
pub struct Chromium {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

/// What somebody sees.
#[derive(Debug)]
pub struct Seen {
    pub url: String,
    pub title: String,
    pub text: String,
}

impl Chromium {
    pub fn start() -> Self {
        let directory = std::env::var_os("HALLIGAN_BROWSER").expect("set HALLIGAN_BROWSER or run tests/run");
        let mut child = Command::new("node")
            .arg(PathBuf::from(directory).join("browser.mjs"))
            // It ends with this pipe, whatever becomes of us.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { input, output: BufReader::new(output).lines(), _child: child }
    }

    /// Somebody with a phone of their own; `settings` as the script describes them.
    pub async fn begin(&mut self, who: &str, settings: Value) {
        self.told(who, "begin", settings).await;
    }

    pub async fn open(&mut self, who: &str, url: &str) -> Seen {
        seen(&self.told(who, "open", json!({ "url": url })).await)
    }

    /// Presses the button of this name and waits for the text `until`.
    pub async fn press(&mut self, who: &str, button: &str, until: &str) -> Seen {
        seen(&self.told(who, "press", json!({ "button": button, "until": until })).await)
    }

    pub async fn follow(&mut self, who: &str, link: &str, until: &str) -> Seen {
        seen(&self.told(who, "follow", json!({ "link": link, "until": until })).await)
    }

    pub async fn fill(&mut self, who: &str, label: &str, value: &str) {
        self.told(who, "fill", json!({ "label": label, "value": value })).await;
    }

    /// How somebody treats their passkey from now on.
    pub async fn touch(&mut self, who: &str, verified: bool) {
        self.told(who, "touch", json!({ "verified": verified })).await;
    }

    /// What it would send to the page that is open, as a header.
    pub async fn cookies(&mut self, who: &str) -> String {
        serde_json::from_value(self.told(who, "cookies", json!({})).await).unwrap()
    }

    /// The whole page, as a picture.
    pub async fn screenshot(&mut self, who: &str, file: &Path) {
        self.told(who, "screenshot", json!({ "file": file })).await;
    }

    /// What keeps people from using the page that is open.
    pub async fn barriers(&mut self, who: &str) -> Vec<String> {
        serde_json::from_value(self.told(who, "barriers", json!({})).await).unwrap()
    }

    /// What the console, scripts and requests complained of since this was last asked.
    pub async fn faults(&mut self, who: &str) -> Vec<String> {
        serde_json::from_value(self.told(who, "faults", json!({})).await).unwrap()
    }

    async fn told(&mut self, who: &str, verb: &str, mut command: Value) -> Value {
        command["as"] = who.into();
        command["do"] = verb.into();
        self.input.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        let line = self.output.next_line().await.unwrap().expect("the browser has ended");
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        assert!(answer.get("error").is_none(), "{command}: {}", answer["error"]);
        answer["ok"].take()
    }
}

fn seen(answer: &Value) -> Seen {
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    Seen { url: text("url"), title: text("title"), text: text("text") }
}
