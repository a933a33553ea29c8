//! Who calls: a profile whose key signs a token for each call, or a token that somebody else made.

use std::net::IpAddr;
use std::path::PathBuf;

use halligan_engine::ports::{Clock, Entropy};
use jiff::SignedDuration;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::private::{self, PrivateError};
use super::profile::{Profile, ProfileError};
use super::surroundings::Surroundings;
use super::token::{self, SigningKey, Statement, TokenError};

/// How long a token lives that is made for one call.
const CALL_TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(5);

/// Why nobody calls.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Nothing says who, or where.
    #[error(
        "nothing says which broker and who you are: pass --profile NAME, set HALLIGAN_PROFILE, or set HALLIGAN_URL with HALLIGAN_TOKEN_FILE or HALLIGAN_TOKEN"
    )]
    Nobody,
    /// A token without a broker.
    #[error("HALLIGAN_URL is not set: expected the broker's address, such as https://halligan.example.com")]
    NoUrl,
    /// A broker without a token.
    #[error("HALLIGAN_URL is set without a token: set HALLIGAN_TOKEN_FILE or HALLIGAN_TOKEN")]
    NoToken,
    /// The profile can't be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The profile's key can't be read.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// The profile's key can't sign.
    #[error("the key of the profile can't be used")]
    Token(#[from] TokenError),
    /// The token's file can't be read.
    #[error("can't read the token from `{}`", path.display())]
    TokenFile {
        /// `HALLIGAN_TOKEN_FILE`.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// Not an address of a broker.
    #[error(
        "`{0}` is no broker's address: expected https://HOST[:PORT], or http:// on this machine alone, since the token would be readable on the way"
    )]
    Url(String),
    /// A token that no HTTP header can carry.
    #[error("the token holds characters that no HTTP header may: expected one signed token and nothing else")]
    Unsendable,
}

/// Who calls.
#[derive(Debug, Clone)]
pub enum Identity {
    /// Makes a fresh token for each call.
    Key {
        /// Whom.
        profile: Box<Profile>,
        /// The profile's key.
        key: SigningKey,
    },
    /// Hands on what was set.
    Token(SecretString),
    /// Hands on what the file says now: somebody may renew it.
    TokenFile(PathBuf),
}

/// Where to call, and as whom.
#[derive(Debug, Clone)]
pub struct Account {
    /// The broker, with a `/` at its end.
    pub url: Url,
    /// The caller.
    pub identity: Identity,
}

impl Account {
    /// Settles who calls: the profile that is named, else the environment.
    ///
    /// # Errors
    /// When nobody is named, or the one who is can't be used.
    pub fn settle(profile: Option<&str>, surroundings: &Surroundings) -> Result<Self, IdentityError> {
        if let Some(name) = profile {
            let profile = Profile::load(surroundings.home.as_deref(), name)?;
            let key = SigningKey::from_pem(&private::read(&profile.key_file)?)?;
            let url = broker_url(&profile.url)?;
            return Ok(Self { url, identity: Identity::Key { profile: Box::new(profile), key } });
        }
        let identity = match (&surroundings.token_file, &surroundings.token) {
            (Some(path), _) => Some(Identity::TokenFile(path.clone())),
            (None, Some(token)) => Some(Identity::Token(token.clone())),
            (None, None) => None,
        };
        match (&surroundings.url, identity) {
            (Some(url), Some(identity)) => Ok(Self { url: broker_url(url)?, identity }),
            (Some(_), None) => Err(IdentityError::NoToken),
            (None, Some(_)) => Err(IdentityError::NoUrl),
            (None, None) => Err(IdentityError::Nobody),
        }
    }
}

impl Identity {
    /// The token for one call.
    ///
    /// # Errors
    /// When the key doesn't sign, or the file can't be read.
    pub fn bearer(&self, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<SecretString, IdentityError> {
        match self {
            Self::Key { profile, key } => {
                let says = Statement {
                    issuer: &profile.issuer,
                    subject: &profile.subject,
                    audience: &profile.audience,
                    key_id: profile.kid.as_deref(),
                    life: CALL_TOKEN_LIFE,
                };
                Ok(token::sign(key, says, clock, entropy)?.text)
            }
            Self::Token(token) => Ok(token.clone()),
            Self::TokenFile(path) => {
                let read = std::fs::read_to_string(path);
                let text = read.map_err(|source| IdentityError::TokenFile { path: path.clone(), source })?;
                Ok(text.trim().to_owned().into())
            }
        }
    }

    /// Tells callers apart on this machine, for the cache. What a token says is
    /// taken at its word here: it decides which file is looked at, nothing more.
    pub fn name(&self) -> Result<String, IdentityError> {
        #[derive(Deserialize)]
        struct Login {
            iss: String,
            sub: String,
        }
        let of_token = |token: &str| match jsonwebtoken::dangerous::insecure_decode_claims::<Login>(token) {
            Ok(Login { iss, sub }) => format!("{iss}\0{sub}"),
            Err(_) => hex::encode(Sha256::digest(token)),
        };
        match self {
            Self::Key { profile, .. } => Ok(format!("{}\0{}", profile.issuer, profile.subject)),
            Self::Token(token) => Ok(of_token(token.expose_secret())),
            Self::TokenFile(path) => {
                let read = std::fs::read_to_string(path);
                let text = read.map_err(|source| IdentityError::TokenFile { path: path.clone(), source })?;
                Ok(of_token(text.trim()))
            }
        }
    }
}

/// A broker's address: https, or http where nobody else listens.
fn broker_url(text: &str) -> Result<Url, IdentityError> {
    let wrong = || IdentityError::Url(halligan_core::text::printable(text, 80));
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let private = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    if !(plain && private && url.has_host()) {
        return Err(wrong());
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// Whether what is sent there stays on this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::token::KeyPair;
    use super::super::token::tests::Still;
    use super::*;

    fn still() -> Still {
        Still("2026-03-01T02:40:00Z".parse().unwrap())
    }

    fn surroundings(home: &std::path::Path) -> Surroundings {
        Surroundings { home: Some(home.to_owned()), ..Surroundings::default() }
    }

    fn save_alice(home: &std::path::Path) {
        let profile = Profile {
            url: "http://127.0.0.1:8080".into(),
            key_file: "alice.pem".into(),
            issuer: "halligan".into(),
            audience: "halligan".into(),
            subject: "alice".into(),
            kid: None,
        };
        let path = profile.save(home, "alice").unwrap();
        let pair = KeyPair::generate(&still()).unwrap();
        private::write_new(&path.with_extension("pem"), pair.private_pem.as_bytes()).unwrap();
    }

    #[test]
    fn a_profile_signs_for_each_call() {
        let home = tempfile::tempdir().unwrap();
        save_alice(home.path());
        let account = Account::settle(Some("alice"), &surroundings(home.path())).unwrap();
        assert_eq!(account.url.as_str(), "http://127.0.0.1:8080/");
        assert_eq!(account.identity.name().unwrap(), "halligan\0alice");
        let token = account.identity.bearer(&still(), &still()).unwrap();
        // The same person with a token of their own finds the same cached credentials.
        assert_eq!(Identity::Token(token).name().unwrap(), "halligan\0alice");
    }

    #[test]
    fn an_exposed_key_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        save_alice(home.path());
        let key = home.path().join("profiles/alice.pem");
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = Account::settle(Some("alice"), &surroundings(home.path())).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_token_file_is_read_each_time() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        let identity = Identity::TokenFile(path.clone());
        assert!(matches!(identity.bearer(&still(), &still()), Err(IdentityError::TokenFile { .. })));
        for text in ["one", "two"] {
            std::fs::write(&path, format!("{text}\n")).unwrap();
            assert_eq!(identity.bearer(&still(), &still()).unwrap().expose_secret(), text);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let set = |url: Option<&str>, token: Option<&str>| Surroundings {
            url: url.map(str::to_owned),
            token: token.map(SecretString::from),
            ..Surroundings::default()
        };
        assert!(matches!(Account::settle(None, &set(None, None)), Err(IdentityError::Nobody)));
        assert!(matches!(Account::settle(None, &set(Some("https://h"), None)), Err(IdentityError::NoToken)));
        assert!(matches!(Account::settle(None, &set(None, Some("t"))), Err(IdentityError::NoUrl)));
        assert!(Account::settle(None, &set(Some("https://h"), Some("t"))).is_ok());
    }

    #[test]
    fn a_token_goes_only_where_nobody_else_reads_it() {
        for good in [
            "https://halligan.example.com",
            "https://h:8443/base",
            "http://localhost:1",
            "http://127.0.0.9:1/",
            "http://[::1]:1",
        ] {
            assert!(broker_url(good).unwrap().path().ends_with('/'), "{good}");
        }
        for bad in [
            "http://halligan.example.com",
            "http://localhost.example.com",
            "https://user:pw@h",
            "https://h/?x=1",
            "https://h/#x",
            "ftp://localhost",
            "localhost:8080",
            "",
        ] {
            assert!(matches!(broker_url(bad), Err(IdentityError::Url(_))), "{bad}");
        }
    }
}
