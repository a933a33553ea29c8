//! Three people, who sign in at the demo's provider with the command line.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::future::try_join_all;
use halligan_core::text::printable;
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::time::timeout;

use super::provider::{self, Account as Login, COMMAND_LINE_CLIENT, Provider, WEB_CLIENT};
use crate::client::failure::Failure;
use crate::client::http::Broker;
use crate::client::identity::Account;
use crate::client::machine::{MachineClock, MachineEntropy};
use crate::client::private;
use crate::client::surroundings::Surroundings;
use crate::standin;

/// Whom the provider knows: alice twice.
pub const LOGINS: [Login; 4] = [
    Login { name: "alice", subject: "u-alice", groups: &["on-call"] },
    Login { name: "alice-phone", subject: "u-alice-phone", groups: &["on-call"] },
    Login { name: "bob", subject: "u-bob", groups: &["on-call", "leads"] },
    Login { name: "carol", subject: "u-carol", groups: &["security"] },
];
/// Whom the broker knows, by their subjects at the provider.
const PEOPLE: [(&str, &[&str], &str); 3] = [
    ("alice", &["u-alice", "u-alice-phone"], r#"["on-call"]"#),
    ("bob", &["u-bob"], r#"["on-call", "leads"]"#),
    ("carol", &["u-carol"], r#"["security"]"#),
];

const SIGNED_IN_WITHIN: Duration = Duration::from_secs(30);
/// More than a sign-in says.
const SAID_BYTES_MAX: u64 = 64 << 10;

/// The people.
pub struct People {
    home: PathBuf,
}

/// Somebody came in.
#[derive(Debug, Clone, Serialize)]
pub struct SignIn {
    /// The profile, and who they said they are at the provider.
    pub login: &'static str,
    /// Who vouched.
    pub issuer: String,
    /// For which subject.
    pub subject: String,
    /// Who that is to the broker.
    pub person: String,
    /// Whether what they were given is in a file that is theirs alone.
    pub kept_private: bool,
}

impl SignIn {
    /// Whether they are who they should be, and keep it to themselves.
    pub fn is_right(&self) -> bool {
        let known = PEOPLE.iter().find(|(_, subjects, _)| subjects.contains(&self.subject.as_str()));
        subject(self.login) == self.subject
            && known.is_some_and(|(person, ..)| *person == self.person)
            && self.kept_private
    }
}

impl People {
    /// Whose profiles are going to be below `home`.
    pub fn new(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }

    /// `HALLIGAN_HOME` for the commands that are printed.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The issuer and the people of the configuration.
    pub fn configuration(issuer: &str) -> String {
        let name = provider::NAME;
        let mut text = format!(
            r#"
# The demo's own provider, which takes everybody's word. A real one stands here the
# same way: docs/identity.md.
[[issuers]]
issuer = "{issuer}"
audience = "halligan-api"
people = true
discovery = true
algorithms = ["EdDSA"]

[issuers.sign_in]
name = "{name}"
client_id = "{WEB_CLIENT}"
command_line_client_id = "{COMMAND_LINE_CLIENT}"
"#
        );
        for (person, subjects, groups) in PEOPLE {
            let principal = |subject: &&str| format!(r#"{{ issuer = "{issuer}", subject = "{subject}" }}"#);
            let principals = subjects.iter().map(principal).collect::<Vec<_>>().join(", ");
            text.push_str(&format!("\n[people.{person}]\ngroups = {groups}\nprincipals = [{principals}]\n"));
        }
        text
    }

    /// Each login signs in by `halligan login --device`, and says at the provider's page who they are.
    pub async fn sign_in(&self, program: &Path, url: &str, provider: &Provider) -> anyhow::Result<Vec<SignIn>> {
        let each = |login: &Login| {
            let name = login.name;
            async move {
                let signed_in = timeout(SIGNED_IN_WITHIN, self.one_signs_in(name, program, url, provider)).await;
                signed_in.context("it took too long").flatten().with_context(|| format!("{name} can't sign in"))
            }
        };
        try_join_all(LOGINS.iter().map(each)).await
    }

    async fn one_signs_in(
        &self,
        login: &'static str,
        program: &Path,
        url: &str,
        provider: &Provider,
    ) -> anyhow::Result<SignIn> {
        let mut command = standin::child(program);
        command.args(["--profile", login, "--json", "login", "--device", "--yes", "--url", url]);
        command.env("HALLIGAN_HOME", &self.home).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("can't start `halligan login`")?;
        let mut told = BufReader::new(child.stderr.take().context("it has no standard error")?.take(SAID_BYTES_MAX));
        let (mut line, mut said) = (String::new(), String::new());
        loop {
            line.clear();
            if told.read_line(&mut line).await.context("can't read what it says")? == 0 {
                bail!("`halligan login` showed no code: {}", printable(&said, 500));
            }
            if let Some(code) = line.trim().strip_prefix("code ") {
                provider.approve(code, login)?;
                break;
            }
            said.push_str(&line);
        }
        let (rest, output) = tokio::join!(told.read_to_string(&mut said), child.wait_with_output());
        rest.context("can't read what it says")?;
        let output = output.context("can't wait for `halligan login`")?;
        if !output.status.success() {
            bail!("`halligan login` failed: {}", printable(&said, 500));
        }
        let answer: Value = serde_json::from_slice(&output.stdout).context("`halligan login` said no JSON")?;
        let text = |pointer| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(SignIn {
            login,
            issuer: text("/me/issuer"),
            subject: text("/me/subject"),
            person: text("/me/name"),
            kept_private: self.keeps_private(login)?,
        })
    }

    fn tokens_of(&self, login: &str) -> PathBuf {
        self.home.join("profiles").join(format!("{login}.sign-in.json"))
    }

    fn keeps_private(&self, login: &str) -> anyhow::Result<bool> {
        let file = std::fs::metadata(self.tokens_of(login)).context("the tokens are kept nowhere")?;
        Ok(file.permissions().mode() & 0o777 == 0o600)
    }

    /// The tokens that the people hold now.
    pub fn secrets(&self) -> anyhow::Result<Vec<SecretString>> {
        let mut secrets = Vec::new();
        for login in LOGINS {
            let kept: Value = serde_json::from_slice(&private::read(&self.tokens_of(login.name))?)?;
            let token = |name: &str| kept.get(name).and_then(Value::as_str).map(SecretString::from);
            secrets.extend(["id_token", "refresh_token"].into_iter().filter_map(token));
        }
        Ok(secrets)
    }

    /// Somebody reads.
    pub async fn get<T: DeserializeOwned>(&self, login: &str, path: &[&str]) -> Result<T, Failure> {
        Ok(self.caller(login)?.get(path, &[]).await?.value)
    }

    /// Somebody does something: a call of its own, not to be taken for a repetition.
    pub async fn post<T: DeserializeOwned>(
        &self,
        login: &str,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        Ok(self.caller(login)?.post(path, body).await?.value)
    }

    /// Somebody asks for a secret.
    pub async fn secret<T: DeserializeOwned>(&self, login: &str, path: &[&str]) -> Result<T, Failure> {
        self.caller(login)?.post_for_secret(path).await
    }

    /// Somebody, about to call; what they do is the same call however often they say it.
    pub fn caller(&self, login: &str) -> Result<Broker, Failure> {
        let surroundings = Surroundings { home: Some(self.home.clone()), ..Surroundings::default() };
        let account = Account::settle(Some(login), &surroundings)?;
        let broker = Broker::new(account, Arc::new(MachineClock), Arc::new(MachineEntropy))?;
        broker.be_quiet();
        Ok(broker)
    }
}

/// What the provider, and the log, call a login.
pub fn subject(login: &str) -> &'static str {
    LOGINS.iter().find(|known| known.name == login).map_or("", |known| known.subject)
}
