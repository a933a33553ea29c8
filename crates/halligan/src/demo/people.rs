//! Three people with their keys, as profiles of the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::failure::Failure;
use crate::client::http::Broker;
use crate::client::identity::Account;
use crate::client::machine::{MachineClock, MachineEntropy};
use crate::client::private;
use crate::client::profile::Profile;
use crate::client::surroundings::Surroundings;
use crate::client::token::{AUDIENCE, KeyPair};

/// Each login and the person it belongs to: alice has two.
const LOGINS: [(&str, &str); 4] = [("alice", "alice"), ("alice-phone", "alice"), ("bob", "bob"), ("carol", "carol")];
const GROUPS: [(&str, &str); 3] =
    [("alice", r#"["on-call"]"#), ("bob", r#"["on-call", "leads"]"#), ("carol", r#"["security"]"#)];

/// The people.
pub struct People {
    home: PathBuf,
    public: BTreeMap<&'static str, String>,
}

impl People {
    /// Makes a key and a profile for each login, below `home`.
    pub fn make(home: &Path, url: &str) -> anyhow::Result<Self> {
        let mut public = BTreeMap::new();
        for (login, _) in LOGINS {
            let key = KeyPair::generate(&MachineEntropy)?;
            let file = format!("{login}.pem");
            let profile = Profile {
                url: url.to_owned(),
                key_file: (&file).into(),
                issuer: issuer(login),
                audience: AUDIENCE.to_owned(),
                subject: subject(login),
                kid: None,
            };
            let path = profile.save(home, login)?;
            private::write_new(&path.with_file_name(file), key.private_pem.as_bytes())?;
            public.insert(login, key.public_pem);
        }
        Ok(Self { home: home.to_owned(), public })
    }

    /// `HALLIGAN_HOME` for the commands that are printed.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The issuers and people of the configuration: one issuer a login, since
    /// whoever holds an issuer's key speaks for all of its subjects.
    pub fn configuration(&self) -> String {
        let mut text = String::new();
        for (login, key) in &self.public {
            let issuer = issuer(login);
            text.push_str(&format!(
                "\n[[issuers]]\nissuer = \"{issuer}\"\naudience = \"{AUDIENCE}\"\npeople = true\n\
                 keys = [{{ pem = \"\"\"\n{key}\"\"\" }}]\n"
            ));
        }
        for (person, groups) in GROUPS {
            let principals: Vec<String> = LOGINS
                .iter()
                .filter(|(_, owner)| *owner == person)
                .map(|(login, _)| format!(r#"{{ issuer = "{}", subject = "{}" }}"#, issuer(login), subject(login)))
                .collect();
            let principals = principals.join(", ");
            text.push_str(&format!("\n[people.{person}]\ngroups = {groups}\nprincipals = [{principals}]\n"));
        }
        text
    }

    /// The private keys, as their files have them.
    pub fn keys(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let file = |login: &str| self.home.join("profiles").join(format!("{login}.pem"));
        LOGINS.iter().map(|(login, _)| Ok(private::read(&file(login))?.to_vec())).collect()
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

/// Who vouches for a login.
fn issuer(login: &str) -> String {
    format!("demo/{login}")
}

/// What its tokens and the log call a login.
pub fn subject(login: &str) -> String {
    format!("{login}@example.com")
}
