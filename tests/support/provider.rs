//! An OpenID provider that nobody here wrote, as a child process: see
//! `tests/tools/provider/provider.mjs` for its clients, its people, and how it is made
//! to misbehave. Shared with the tests of `connect`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// The client of the broker's pages, and its secret.
pub const WEB: (&str, &str) = ("halligan", "halligan-web-secret");
/// Another client like it.
pub const OTHER: (&str, &str) = ("other", "other-secret");
/// One whose ID tokens are signed with its secret.
pub const HS256: (&str, &str) = ("hs256", "hs256-secret-of-32-characters-or-more");
/// The public client of the command line.
pub const CLI: &str = "halligan-cli";

/// Up until this is dropped.
pub struct Provider {
    /// `http://127.0.0.1:…`
    pub issuer: String,
    child: Child,
    client: reqwest::Client,
}

impl Provider {
    /// With alice, bob and carol. `redirect_uris` are those of the clients that have a secret.
    pub fn start(redirect_uris: &[&str]) -> Self {
        Self::with(&json!({ "redirect_uris": redirect_uris }))
    }

    /// `settings` as the script describes them.
    pub fn with(settings: &Value) -> Self {
        let directory =
            std::env::var_os("HALLIGAN_OIDC_PROVIDER").expect("set HALLIGAN_OIDC_PROVIDER or run tests/run");
        let mut child = Command::new("node")
            .arg(PathBuf::from(directory).join("provider.mjs"))
            .env("SETTINGS", settings.to_string())
            // It ends with this pipe, whatever becomes of us.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let up: Value = serde_json::from_str(&line).expect("the provider ended before it was up");
        let issuer = up["issuer"].as_str().unwrap().to_owned();
        // One that hangs is told by the step that it hangs at.
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        Self { issuer, child, client }
    }

    /// New keys; the old ones stay published or not.
    pub async fn rotate_keys(&self, keep: bool) {
        self.post("/admin/rotate", &json!({ "keep": keep })).await;
    }

    /// `{}` is well again; the rest as the script describes it.
    pub async fn behave(&self, behaviour: &Value) {
        self.post("/admin/behave", behaviour).await;
    }

    /// How often a path was asked for.
    pub async fn asked(&self, path: &str) -> u64 {
        let answer = self.client.get(format!("{}/admin/asked", self.issuer)).send().await.unwrap();
        let asked: BTreeMap<String, u64> = answer.json().await.unwrap();
        asked.get(path).copied().unwrap_or_default()
    }

    async fn post(&self, path: &str, body: &Value) {
        let url = format!("{}{path}", self.issuer);
        self.client.post(url).json(body).send().await.unwrap().error_for_status().unwrap();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
