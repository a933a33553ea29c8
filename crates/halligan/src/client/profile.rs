//! Profiles: who to be towards which broker, one private file each.
//!
//! A profile has one of two forms: with a key that signs a token for each call, or with
//! an identity provider that its person signs in with (`halligan login`).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::private::{self, PrivateError};

/// The profile where nothing names one.
pub const DEFAULT: &str = "default";

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// A name that could be a path.
    #[error("`{0}` is no profile name: expected 1 to 64 of a-z, 0-9, `.`, `_`, `-`, beginning with a letter or digit")]
    Name(String),
    /// No such file.
    #[error("there is no profile `{name}`: expected the file `{}`; `halligan login --profile {name} --url https://…` makes it", path.display())]
    Missing {
        /// Its name.
        name: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// No home directory.
    #[error("no directory for profiles: set HALLIGAN_HOME, or HOME")]
    NoHome,
    /// It can't be read, or it isn't private.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// Not what a profile looks like.
    #[error(
        "`{}` is no profile: expected url with key_file, issuer, audience and subject, or url with provider, issuer and client_id, as `halligan login` writes it",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, column, and what was expected.
        #[source]
        source: toml::de::Error,
    },
    /// It can't be put into words.
    #[error("the profile can't be written as TOML")]
    Unwritable(#[source] toml::ser::Error),
}

/// One profile, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// A key that stays on this machine vouches.
    Key(KeyProfile),
    /// An identity provider vouches, once somebody has signed in there.
    SignIn(SignInProfile),
}

/// A profile whose key signs a token for each call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyProfile {
    /// The broker.
    pub url: String,
    /// The private key; a relative path begins at the profile's directory.
    pub key_file: PathBuf,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Their `aud`.
    pub audience: String,
    /// Their `sub`.
    pub subject: String,
    /// The header's `kid`, where the issuer has several keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

/// A profile whose person signs in. The first sign-in writes down with whom; from then on
/// no broker can name another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInProfile {
    /// The broker.
    pub url: String,
    /// What the broker calls the identity provider.
    pub provider: String,
    /// The provider: the `iss` of its tokens, to the letter.
    pub issuer: String,
    /// What command lines are called there.
    pub client_id: String,
}

impl Profile {
    /// Reads a profile, its key's path made absolute.
    ///
    /// # Errors
    /// When there is none of that name, when others may read it, when it is malformed.
    pub fn load(home: Option<&Path>, name: &str) -> Result<Self, ProfileError> {
        let path = file_of(home, name)?;
        let bytes = private::read(&path).map_err(|error| match error.is_missing() {
            true => ProfileError::Missing { name: name.to_owned(), path: path.clone() },
            false => error.into(),
        })?;
        let text = String::from_utf8_lossy(&bytes);
        let malformed = |source| ProfileError::Malformed { path: path.clone(), source };
        // Told apart by what only one of them has, so that a mistake is shown with its line.
        let fields: toml::Table = toml::from_str(&text).map_err(malformed)?;
        if fields.contains_key("client_id") || fields.contains_key("provider") {
            return toml::from_str(&text).map(Self::SignIn).map_err(malformed);
        }
        let mut profile: KeyProfile = toml::from_str(&text).map_err(malformed)?;
        if let Some(directory) = path.parent() {
            profile.key_file = directory.join(&profile.key_file);
        }
        Ok(Self::Key(profile))
    }

    /// Those there are, by name. What can't be read is nobody's.
    #[must_use]
    pub fn all(home: Option<&Path>) -> Vec<(String, Self)> {
        let Some(directory) = home.map(|home| home.join("profiles")) else { return Vec::new() };
        let files = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
        let named = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
        let mut names: Vec<String> = named.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
        names.sort();
        names.into_iter().filter_map(|name| Self::load(home, &name).ok().map(|profile| (name, profile))).collect()
    }

    /// The broker.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Key(profile) => &profile.url,
            Self::SignIn(profile) => &profile.url,
        }
    }
}

#[cfg(test)]
impl KeyProfile {
    /// Writes a profile, replacing one of the same name, and says where.
    ///
    /// # Errors
    /// When the name is none, or the file can't be written.
    pub fn save(&self, home: &Path, name: &str) -> Result<PathBuf, ProfileError> {
        save(self, Some(home), name)
    }
}

impl SignInProfile {
    /// As its file has it.
    ///
    /// # Errors
    /// When the name is none, or the file can't be written.
    pub fn save(&self, home: Option<&Path>, name: &str) -> Result<PathBuf, ProfileError> {
        save(self, home, name)
    }
}

fn save(profile: &impl Serialize, home: Option<&Path>, name: &str) -> Result<PathBuf, ProfileError> {
    let path = file_of(home, name)?;
    if let Some(directory) = path.parent() {
        private::directory(directory)?;
    }
    let text = toml::to_string(profile).map_err(ProfileError::Unwritable)?;
    private::replace(&path, text.as_bytes())?;
    Ok(path)
}

/// Where the profile of this name is, or would be.
///
/// # Errors
/// When the name is none, or there is no home directory.
pub fn file_of(home: Option<&Path>, name: &str) -> Result<PathBuf, ProfileError> {
    // The same rule as for the names of the configuration; it lets no path through.
    if name.parse::<halligan_core::id::PersonId>().is_err() {
        return Err(ProfileError::Name(halligan_core::text::printable(name, 40)));
    }
    let home = home.ok_or(ProfileError::NoHome)?;
    Ok(home.join("profiles").join(format!("{name}.toml")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use std::error::Error as _;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn alice() -> KeyProfile {
        KeyProfile {
            url: "https://halligan.example.com".into(),
            key_file: "alice.pem".into(),
            issuer: "halligan".into(),
            audience: "halligan".into(),
            subject: "alice".into(),
            kid: None,
        }
    }

    fn bob() -> SignInProfile {
        SignInProfile {
            url: "https://halligan.example.com".into(),
            provider: "okta".into(),
            issuer: "https://id.example.com".into(),
            client_id: "halligan-command-line".into(),
        }
    }

    #[test]
    fn a_profile_is_read_as_it_was_written_and_finds_its_key_beside_it() {
        let home = tempfile::tempdir().unwrap();
        alice().save(home.path(), "alice").unwrap();
        let read = Profile::load(Some(home.path()), "alice").unwrap();
        assert_eq!(read, Profile::Key(KeyProfile { key_file: home.path().join("profiles/alice.pem"), ..alice() }));
        let path = bob().save(Some(home.path()), "bob").unwrap();
        assert_eq!(Profile::load(Some(home.path()), "bob").unwrap(), Profile::SignIn(bob()));
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_profile_that_others_may_read_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = alice().save(home.path(), "alice").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let error = Profile::load(Some(home.path()), "alice").unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_name_is_no_path() {
        let home = tempfile::tempdir().unwrap();
        for name in ["", "../alice", "a/b", ".", "/etc/passwd", "A"] {
            assert!(matches!(Profile::load(Some(home.path()), name), Err(ProfileError::Name(_))), "{name}");
        }
        assert!(matches!(Profile::load(Some(home.path()), "nobody"), Err(ProfileError::Missing { .. })));
        assert!(matches!(Profile::load(None, "alice"), Err(ProfileError::NoHome)));
    }

    #[test]
    fn a_mistake_is_shown_with_its_line() {
        let home = tempfile::tempdir().unwrap();
        let path = alice().save(home.path(), "alice").unwrap();
        let (half, mixed) = ("client_id = \"c\"", "client_id = \"c\"\nkey_file = \"alice.pem\"");
        for wrong in ["url = 1", "token = \"x\"", "url = ", "url = \"https://a\"", half, mixed] {
            private::replace(&path, wrong.as_bytes()).unwrap();
            let error = Profile::load(Some(home.path()), "alice").unwrap_err();
            let cause = error.source().unwrap().to_string();
            assert!(cause.contains("line "), "{wrong}: {cause}");
        }
    }
}
