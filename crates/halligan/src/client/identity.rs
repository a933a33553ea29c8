//! Who calls: a profile whose key signs a token for each call, or whose person signed in
//! with a provider, or a token that somebody else made.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use halligan_engine::ports::{Clock, Entropy};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::private::{self, PrivateError};
use super::profile::{self, KeyProfile, Profile, ProfileError};
use super::sign_in::kept::TokenFile;
use super::sign_in::renewal::ProviderLogin;
use super::sign_in::{self, SignInError};
use super::surroundings::Surroundings;
use super::token::{self, SigningKey, Statement, TokenError};

/// How long a token lives that is made for one call.
const CALL_TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(5);

/// Why nobody calls.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Nothing says who, or where.
    #[error(
        "nothing says which broker and who you are: sign in with `halligan login --url https://…`, pass --profile NAME, set HALLIGAN_PROFILE, or set HALLIGAN_URL with HALLIGAN_TOKEN_FILE or HALLIGAN_TOKEN"
    )]
    Nobody,
    /// A token without a broker.
    #[error(
        "a token is set and HALLIGAN_URL isn't: expected the broker's address, such as https://halligan.example.com, or a profile by --profile"
    )]
    NoUrl,
    /// A broker without a token.
    #[error(
        "HALLIGAN_URL is set without a token, and the profile `default` isn't signed in there: run `halligan login`, or set HALLIGAN_TOKEN_FILE or HALLIGAN_TOKEN"
    )]
    NoToken,
    /// The profile can't be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The profile's person isn't signed in.
    #[error(transparent)]
    SignIn(#[from] SignInError),
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
        profile: Box<KeyProfile>,
        /// The profile's key.
        key: SigningKey,
    },
    /// Hands on the ID token of whoever signed in, and renews it.
    Provider(ProviderLogin),
    /// Hands on what was set.
    Token(SecretString),
    /// Hands on what the file says now: somebody may renew it.
    TokenFile(PathBuf),
    /// Nobody: for what a broker tells everybody.
    Nobody,
}

/// How long a token lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// Each call has its own.
    EachCall,
    /// Until then.
    Until(Timestamp),
    /// Until then, and it is renewed before.
    RenewedUntil(Timestamp),
    /// Nothing that can be read here says it.
    Unknown,
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
            return Self::of_profile(name, Profile::load(surroundings.home.as_deref(), name)?, surroundings);
        }
        let identity = match (&surroundings.token_file, &surroundings.token) {
            (Some(path), _) => Some(Identity::TokenFile(path.clone())),
            (None, Some(token)) => Some(Identity::Token(token.clone())),
            (None, None) => None,
        };
        match (&surroundings.url, identity) {
            (Some(url), Some(identity)) => Ok(Self { url: broker_url(url)?, identity }),
            // The broker that it names, and no other.
            (Some(url), None) => match Profile::load(surroundings.home.as_deref(), profile::DEFAULT) {
                Ok(default) if broker_url(default.url())? == broker_url(url)? => {
                    Self::of_profile(profile::DEFAULT, default, surroundings)
                }
                Ok(_) | Err(ProfileError::Missing { .. } | ProfileError::NoHome) => Err(IdentityError::NoToken),
                Err(error) => Err(error.into()),
            },
            (None, Some(_)) => Err(IdentityError::NoUrl),
            (None, None) => match Profile::load(surroundings.home.as_deref(), profile::DEFAULT) {
                Ok(default) => Self::of_profile(profile::DEFAULT, default, surroundings),
                Err(ProfileError::Missing { .. } | ProfileError::NoHome) => Err(IdentityError::Nobody),
                Err(error) => Err(error.into()),
            },
        }
    }

    fn of_profile(name: &str, profile: Profile, surroundings: &Surroundings) -> Result<Self, IdentityError> {
        let url = broker_url(profile.url())?;
        let identity = match profile {
            Profile::Key(profile) => {
                let key = SigningKey::from_pem(&private::read(&profile.key_file)?)?;
                Identity::Key { profile: Box::new(profile), key }
            }
            Profile::SignIn(profile) => {
                let tokens = TokenFile::of(surroundings.home.as_deref(), name)?;
                // A renewal asks for no scopes: they are those of the sign-in.
                let client = Arc::new(sign_in::client(&profile, &[])?);
                Identity::Provider(ProviderLogin::new(name, profile, tokens, client))
            }
        };
        Ok(Self { url, identity })
    }

    /// What a broker tells everybody.
    ///
    /// # Errors
    /// [`IdentityError::Url`]
    pub fn nobody(url: &str) -> Result<Self, IdentityError> {
        Ok(Self { url: broker_url(url)?, identity: Identity::Nobody })
    }
}

impl Identity {
    /// The token for one call, renewed where it has to be; none: nobody calls.
    ///
    /// # Errors
    /// When the key doesn't sign, the file can't be read, or the sign-in is over.
    pub async fn bearer(
        &self,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Option<SecretString>, IdentityError> {
        match self {
            Self::Provider(login) => Ok(Some(login.bearer(clock).await?)),
            Self::Key { .. } | Self::Token(_) | Self::TokenFile(_) | Self::Nobody => {
                self.bearer_at_hand(clock, entropy)
            }
        }
    }

    /// The token for one call, without asking anybody for a newer one.
    ///
    /// # Errors
    /// When the key doesn't sign, the file can't be read, or nobody is signed in.
    pub fn bearer_at_hand(
        &self,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Option<SecretString>, IdentityError> {
        match self {
            Self::Key { profile, key } => {
                let says = Statement {
                    issuer: &profile.issuer,
                    subject: &profile.subject,
                    audience: &profile.audience,
                    key_id: profile.kid.as_deref(),
                    life: CALL_TOKEN_LIFE,
                };
                Ok(Some(token::sign(key, says, clock, entropy)?.text))
            }
            Self::Provider(login) => Ok(Some(login.kept()?.id_token)),
            Self::Token(token) => Ok(Some(token.clone())),
            Self::TokenFile(path) => Ok(Some(read_token(path)?)),
            Self::Nobody => Ok(None),
        }
    }

    /// How long what is shown to the broker lasts. What a token says is taken at its word
    /// here: the broker judges it.
    ///
    /// # Errors
    /// When the token can't be read.
    pub fn lasts(&self) -> Result<Lasts, IdentityError> {
        #[derive(Deserialize)]
        struct Expiry {
            exp: i64,
        }
        let of_token = |token: &str| {
            let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Expiry>(token).ok();
            let end = claims.and_then(|Expiry { exp }| Timestamp::from_second(exp).ok());
            end.map_or(Lasts::Unknown, Lasts::Until)
        };
        match self {
            Self::Key { .. } => Ok(Lasts::EachCall),
            Self::Provider(login) => {
                let kept = login.kept()?;
                let renewed = kept.refresh_token.is_some();
                Ok(if renewed { Lasts::RenewedUntil(kept.expires_at) } else { Lasts::Until(kept.expires_at) })
            }
            Self::Token(token) => Ok(of_token(token.expose_secret())),
            Self::TokenFile(path) => Ok(of_token(read_token(path)?.expose_secret())),
            Self::Nobody => Ok(Lasts::Unknown),
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
            Self::Provider(login) => Ok(of_token(login.kept()?.id_token.expose_secret())),
            Self::Token(token) => Ok(of_token(token.expose_secret())),
            Self::TokenFile(path) => Ok(of_token(read_token(path)?.expose_secret())),
            Self::Nobody => Ok(String::new()),
        }
    }
}

fn read_token(path: &Path) -> Result<SecretString, IdentityError> {
    let read = std::fs::read_to_string(path);
    let text = read.map_err(|source| IdentityError::TokenFile { path: path.to_owned(), source })?;
    Ok(text.trim().to_owned().into())
}

/// A broker's address: https, or http where nobody else listens.
///
/// # Errors
/// [`IdentityError::Url`]
pub fn broker_url(text: &str) -> Result<Url, IdentityError> {
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
        let profile = KeyProfile {
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

    #[tokio::test]
    async fn a_profile_signs_for_each_call() {
        let home = tempfile::tempdir().unwrap();
        save_alice(home.path());
        let account = Account::settle(Some("alice"), &surroundings(home.path())).unwrap();
        assert_eq!(account.url.as_str(), "http://127.0.0.1:8080/");
        assert_eq!(account.identity.name().unwrap(), "halligan\0alice");
        let token = account.identity.bearer(&still(), &still()).await.unwrap().unwrap();
        assert_eq!(account.identity.lasts().unwrap(), Lasts::EachCall);
        // The same person with a token of their own finds the same cached credentials.
        let given = Identity::Token(token);
        assert_eq!(given.name().unwrap(), "halligan\0alice");
        assert_eq!(given.lasts().unwrap(), Lasts::Until("2026-03-01T02:45:00Z".parse().unwrap()));
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

    #[tokio::test]
    async fn a_token_file_is_read_each_time() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        let identity = Identity::TokenFile(path.clone());
        assert!(matches!(identity.bearer(&still(), &still()).await, Err(IdentityError::TokenFile { .. })));
        for text in ["one", "two"] {
            std::fs::write(&path, format!("{text}\n")).unwrap();
            assert_eq!(identity.bearer(&still(), &still()).await.unwrap().unwrap().expose_secret(), text);
            assert_eq!(identity.lasts().unwrap(), Lasts::Unknown);
        }
    }

    #[test]
    fn the_default_profile_is_whose_nobody_else_is_named() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(Account::settle(None, &surroundings(home.path())), Err(IdentityError::Nobody)));
        let profile = profile::SignInProfile {
            url: "https://halligan.example.com".into(),
            provider: "okta".into(),
            issuer: "https://id.example.com".into(),
            client_id: "halligan-command-line".into(),
        };
        profile.save(Some(home.path()), profile::DEFAULT).unwrap();
        let account = Account::settle(None, &surroundings(home.path())).unwrap();
        assert_eq!(account.url.as_str(), "https://halligan.example.com/");
        let error = account.identity.lasts().unwrap_err();
        assert!(matches!(error, IdentityError::SignIn(SignInError::SignedOut { .. })), "{error}");
        assert!(error.to_string().ends_with("run `halligan login`"), "{error}");
        let named =
            Surroundings { url: Some("https://h".into()), token: Some("t".into()), ..surroundings(home.path()) };
        assert!(matches!(Account::settle(None, &named).unwrap().identity, Identity::Token(_)), "what is said counts");
        // An address alone says where, and the profile who, if it is for there.
        for (url, is_its) in [("https://halligan.example.com/", true), ("https://other.example.com", false)] {
            let where_to = Surroundings { url: Some(url.into()), ..surroundings(home.path()) };
            let account = Account::settle(None, &where_to);
            assert_eq!(matches!(&account, Ok(Account { identity: Identity::Provider(_), .. })), is_its, "{account:?}");
            assert!(is_its || matches!(account, Err(IdentityError::NoToken)));
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
