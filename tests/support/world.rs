//! All of it, started.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use halligan_aws::provision::{self, Accounts, Plan};
use halligan_aws::{Attempt, Seen, StaticCredentials, Visitor};
use serde_json::Value;
use tempfile::TempDir;
use toml::Table;

use super::configuration::{configuration, incidents};
use super::log::{self, Entry};
use super::proxy::Proxy;
use super::stand_in::{StandIn, free_port};
use super::{Broker, Person};

/// What a fence or a revocation answers: no other policy can outweigh it.
pub const DENIED: Seen = Seen::Denied { explicitly: true };

/// Tries to list the buckets.
pub async fn list(visitor: &Visitor) -> Seen {
    visitor.attempt(Attempt::ListBuckets).await
}

/// A stand-in of AWS with its accounts, a proxy before it, people, and a broker.
/// Every test ends with [`World::done`].
pub struct World {
    pub accounts: Accounts,
    pub proxy: Proxy,
    pub broker: Broker,
    pub config: Table,
    people: Vec<Person>,
    http: reqwest::Client,
    secrets: Mutex<BTreeSet<String>>,
    // What commands told on stderr.
    told: Mutex<String>,
    is_done: bool,
    stand_in: StandIn,
    directory: TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// With another configuration.
    pub async fn with(change: impl FnOnce(&mut Table)) -> Self {
        let mut world = Self::without_broker().await;
        change(&mut world.config);
        world.configure();
        world.broker.start().await;
        world
    }

    /// Everything but a running broker and its configuration file.
    pub async fn without_broker() -> Self {
        let directory = tempfile::Builder::new().prefix("halligan-e2e-").tempdir().unwrap();
        let home = directory.path().join("home");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(home.join("profiles")).unwrap();
        incidents(directory.path(), "open");
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let ((stand_in, accounts), people) = tokio::join!(accounts(), people(&home, &url));
        let proxy = Proxy::start(stand_in.port).await;
        let aws_config = directory.path().join("aws-config");
        fs::write(&aws_config, accounts.aws_config()).unwrap();
        let environment = [
            ("AWS_CONFIG_FILE", aws_config.to_str().unwrap()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            // The profile's AssumeRole goes there; everything else to the configured endpoint.
            ("AWS_ENDPOINT_URL", &stand_in.url()),
            ("HALLIGAN_LOG", "info,halligan=debug"),
        ];
        let broker = Broker::new(&url, &directory.path().join("halligan.toml"), &environment);
        let config = configuration(port, &proxy.url(), &accounts, &people);
        Self {
            accounts,
            proxy,
            broker,
            config,
            people,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            secrets: Mutex::default(),
            told: Mutex::default(),
            is_done: false,
            stand_in,
            directory,
        }
    }

    /// Writes the configuration file of [`World::broker`].
    pub fn configure(&self) {
        fs::write(self.directory().join("halligan.toml"), toml::to_string(&self.config).unwrap()).unwrap();
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// `HALLIGAN_HOME` of everybody.
    pub fn home(&self) -> PathBuf {
        self.directory().join("home")
    }

    pub fn stand_in_url(&self) -> String {
        self.stand_in.url()
    }

    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub fn person(&self, login: &str) -> &Person {
        self.people.iter().find(|person| person.login == login).unwrap()
    }

    /// The incident INC-1 is `open` or `closed` from now on.
    pub fn incident_is(&self, status: &str) {
        incidents(self.directory(), status);
    }

    pub fn log_directory(&self) -> PathBuf {
        self.directory().join("state/log")
    }

    /// What stands in the log.
    pub fn log(&self) -> Vec<Entry> {
        log::read(&self.log_directory())
    }

    /// Waits until an entry stands in the log that fits.
    pub async fn logged(&self, what: &str, fits: impl Fn(&Entry) -> bool) -> Entry {
        eventually(what, async || self.log().into_iter().find(|entry| fits(entry))).await
    }

    /// Waits until the end of a grant is seen to hold; the grant.
    pub async fn contained(&self, id: &str) -> Value {
        eventually("a containment", async || {
            let grant = self.grant(id).await;
            (grant["containment"]["state"] == "contained").then_some(grant)
        })
        .await
    }

    /// Whoever holds the credentials of this answer.
    pub fn visitor(&self, credentials: &Value) -> Visitor {
        let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
        let credentials = StaticCredentials {
            access_key_id: text("AccessKeyId"),
            secret_access_key: text("SecretAccessKey").into(),
            session_token: Some(text("SessionToken").into()),
        };
        Visitor::new(&self.accounts, &credentials)
    }

    /// Nobody may ever find this text where it doesn't belong.
    pub fn remember_secret(&self, secret: &str) {
        assert!(secret.len() >= 16, "too short to be told from other text");
        self.secrets.lock().unwrap().insert(secret.to_owned());
    }

    /// The secrets of an answer in JSON, or of lines for a shell.
    pub fn remember_secrets_of(&self, text: &str) {
        let json = serde_json::from_str::<Value>(text).unwrap_or_default();
        for name in ["SecretAccessKey", "SessionToken", "Token", "token"] {
            if let Some(secret) = json[name].as_str() {
                self.remember_secret(secret);
            }
        }
        for name in ["AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN="] {
            if let Some((_, rest)) = text.split_once(name) {
                self.remember_secret(rest.lines().next().unwrap().trim_matches('\''));
            }
        }
    }

    pub fn remember_told(&self, text: &str) {
        self.told.lock().unwrap().push_str(text);
    }

    /// Nothing is left to do, the broker stops when it is told to, and what it
    /// leaves keeps the laws of every log and holds no secret.
    pub async fn done(mut self) {
        if self.broker.is_up() {
            self.assert_nothing_waits().await;
            let stopped = self.broker.stop().await;
            assert!(stopped.success(), "{stopped}: {}", self.broker.trace_text());
        }
        let log = self.log();
        log::assert_lawful(&log);
        crate::log_format::assert_as_specified(log.iter().map(|entry| &entry.entry));
        assert_eq!(self.told_secrets(), Vec::<String>::new(), "a secret stands there");
        self.is_done = true;
    }

    /// What explains a failure.
    #[expect(clippy::print_stderr, reason = "for whoever looks for the cause")]
    fn tell(&self) {
        for line in self.broker.trace().into_iter().filter(|line| line["level"] == "WARN" || line["level"] == "ERROR") {
            eprintln!("trace {line}");
        }
        for entry in self.log() {
            let data: String = entry.data().to_string().chars().take(160).collect();
            eprintln!("entry {} {} {} {data}", entry.position, entry.kind(), entry.grant().unwrap_or("-"));
        }
    }

    async fn assert_nothing_waits(&self) {
        eventually("the end of every ended grant", async || {
            let page = self.get("carol", "/v1/grants?limit=200").await.ok();
            let settled = |grant: &Value| {
                let containment = grant["containment"]["state"].as_str();
                matches!(containment, None | Some("fenced" | "contained"))
            };
            page["grants"].as_array().unwrap().iter().all(settled).then_some(())
        })
        .await;
    }

    /// Every secret that there was: what was issued, what the broker uses itself, bearer tokens.
    pub fn secrets(&self) -> BTreeSet<String> {
        let mut secrets = self.secrets.lock().unwrap().clone();
        secrets.extend(self.proxy.secrets());
        secrets
    }

    /// Where one of them stands: in the broker's trace, its store, its log, or on a command's stderr.
    pub fn told_secrets(&self) -> Vec<String> {
        let secrets = self.secrets();
        let mut places = vec![("stderr of commands".to_owned(), self.told.lock().unwrap().clone())];
        files(self.directory(), &mut places);
        // Credentials are cached there, for their owner alone; client keys are there.
        let home = self.home();
        places.retain(|(place, _)| !Path::new(place).starts_with(&home));
        let holds = |text: &str| secrets.iter().any(|secret| text.contains(secret));
        places.into_iter().filter(|(_, text)| holds(text)).map(|(place, _)| place).collect()
    }
}

fn files(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            found.push((path.display().to_string(), text));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell();
        } else {
            assert!(self.is_done, "the test did not end with World::done");
        }
    }
}

async fn accounts() -> (StandIn, Accounts) {
    let stand_in = StandIn::start().await;
    let accounts = provision::stand_in(&stand_in.url(), &Plan::default()).await.unwrap();
    (stand_in, accounts)
}

async fn people(home: &Path, url: &str) -> Vec<Person> {
    let people = ["alice", "alice-phone", "bob", "carol"].map(|login| Person::new(login, home, url));
    futures::future::join_all(people).await
}

/// Asks again until there is an answer.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    const WITHIN: Duration = Duration::from_secs(90);
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < WITHIN, "{what} did not come within {} s", WITHIN.as_secs());
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
