//! People: a key each, made by `halligan token key`, and a client profile.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::HALLIGAN;

/// One login of one human.
pub struct Person {
    pub login: &'static str,
    pub issuer: String,
    pub private_pem: String,
    pub public_pem: String,
}

impl Person {
    /// Makes a key, and a profile of the login's name.
    pub async fn new(login: &'static str, home: &Path, url: &str) -> Self {
        let profiles = home.join("profiles");
        let key = profiles.join(format!("{login}.pem"));
        let made = tokio::process::Command::new(HALLIGAN)
            .args(["token", "key", "--json", "--out"])
            .arg(&key)
            .output()
            .await
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let issuer = format!("halligan:{login}");
        let profile = format!(
            "url = \"{url}\"\nkey_file = \"{login}.pem\"\nissuer = \"{issuer}\"\naudience = \"halligan\"\nsubject = \"{login}\"\n"
        );
        let file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(profiles.join(format!("{login}.toml")));
        file.unwrap().write_all(profile.as_bytes()).unwrap();
        Self {
            login,
            issuer,
            private_pem: std::fs::read_to_string(key).unwrap(),
            public_pem: made["public_key"].as_str().unwrap().to_owned(),
        }
    }

    /// The claims of a good token.
    pub fn claims(&self) -> Value {
        let now = now().as_second();
        json!({"iss": self.issuer, "sub": self.login, "aud": "halligan", "iat": now, "exp": now + 300})
    }

    /// A good token.
    pub fn token(&self) -> String {
        self.sign(&Header::new(Algorithm::EdDSA), &self.claims())
    }

    pub fn sign(&self, header: &Header, claims: &Value) -> String {
        let key = EncodingKey::from_ed_pem(self.private_pem.as_bytes()).unwrap();
        encode(header, claims, &key)
    }
}

pub fn encode(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    jsonwebtoken::encode(header, claims, key).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "tokens and fences are judged by the machine's clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
