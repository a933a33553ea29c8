//! Files that hold the private key of a log or a witness.

use std::io;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use halligan_engine::ports::Entropy;
use halligan_log::SigningKey;
use halligan_log::key::KeyError;
use zeroize::Zeroizing;

use crate::client::private::{self, PrivateError};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It isn't there, or isn't ours alone.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// Whatever was kept there may be the only copy of a key.
    #[error("`{}` is there already: expected the name of a new file", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It can't be written.
    #[error("can't write the key file `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something else is in it. What is not said: it may be half of a private key.
    #[error("`{}` holds no key that can be used", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// No key can have this name.
    #[error("`{}` can't be a key's name", halligan_core::text::printable(name, 80))]
    Name {
        /// The name.
        name: String,
        /// Why not.
        #[source]
        source: KeyError,
    },
    /// The key of another log.
    #[error(
        "`{}` holds the key of the log `{found}`: expected one of `{expected}`; set `log.key.origin` to the name of the key, or make another with `halligan log keygen`",
        path.display()
    )]
    Origin {
        /// The file.
        path: PathBuf,
        /// The key's name.
        found: String,
        /// What it should be.
        expected: String,
    },
}

impl KeyFileError {
    /// Whether there simply is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Private(error) if error.is_missing())
    }
}

/// Reads a key of whatever name.
///
/// # Errors
/// The file isn't there, others may read it, or it holds no key.
pub fn load_any(path: &Path) -> Result<SigningKey, KeyFileError> {
    let bytes = private::read(path)?;
    let malformed = |source| KeyFileError::Malformed { path: path.to_owned(), source };
    // What isn't UTF-8 is no key either.
    std::str::from_utf8(&bytes).unwrap_or_default().parse().map_err(malformed)
}

/// Reads the key of the log `origin`.
///
/// # Errors
/// As [`load_any`], or it is the key of another log.
pub fn load(path: &Path, origin: &str) -> Result<SigningKey, KeyFileError> {
    let key = load_any(path)?;
    let found = key.verifier(halligan_log::key::Kind::Log).name().to_owned();
    if found == origin {
        return Ok(key);
    }
    Err(KeyFileError::Origin { path: path.to_owned(), found, expected: origin.to_owned() })
}

/// Makes a key of this name, and a new file for it that only its owner may read.
/// Of two who do so at once one finds [`KeyFileError::Exists`].
///
/// # Errors
/// There is a file already, it can't be written, or no key can have this name.
pub fn make(path: &Path, name: &str, entropy: &dyn Entropy) -> Result<SigningKey, KeyFileError> {
    let seed = Zeroizing::new(entropy.bytes::<32>());
    let refused = |source| KeyFileError::Name { name: name.to_owned(), source };
    let key = SigningKey::from_seed(name, *seed).map_err(refused)?;
    let text = Zeroizing::new(format!("{}\n", *key.to_text()));
    match write_whole(path, text.as_bytes()) {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(KeyFileError::Exists { path: path.to_owned() })
        }
        Err(source) => Err(KeyFileError::Write { path: path.to_owned(), source }),
    }
}

/// A new file with all of these bytes in it, durably, or none: half a key would keep the broker from starting.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Made with mode 0600 by the library, which its manual promises.
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    std::fs::File::open(directory)?.sync_all()
}

/// Reads the key of the log `origin`, or makes it where there is none yet.
///
/// # Errors
/// As [`load`] and [`make`].
pub fn load_or_make(path: &Path, origin: &str, entropy: &dyn Entropy) -> Result<SigningKey, KeyFileError> {
    match load(path, origin) {
        Err(error) if error.is_missing() => {}
        loaded => return loaded,
    }
    match make(path, origin, entropy) {
        // Another process was faster.
        Err(KeyFileError::Exists { .. }) => load(path, origin),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::error::Error as _;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use halligan_log::key::Kind;

    use super::*;
    use crate::client::machine::MachineEntropy;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.key");
        let made = load_or_make(&path, "log.example.com", &MachineEntropy).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "something else was left behind");
        let again = load_or_make(&path, "log.example.com", &MachineEntropy).unwrap();
        assert_eq!(again.verifier(Kind::Log), made.verifier(Kind::Log));
        assert!(matches!(make(&path, "log.example.com", &MachineEntropy), Err(KeyFileError::Exists { .. })));
        let other = make(&directory.path().join("other"), "log.example.com", &MachineEntropy).unwrap();
        assert_ne!(other.verifier(Kind::Log), made.verifier(Kind::Log), "chance isn't any");
    }

    #[test]
    fn of_many_who_make_it_all_have_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let make = || load_or_make(&path, "log.example.com", &MachineEntropy).unwrap().verifier(Kind::Log);
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_file_that_holds_no_key_of_this_log_is_refused_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.key");
        let secret = make(&path, "log.example.com", &MachineEntropy).unwrap().to_text().to_string();
        let error = load(&path, "other.example.com").unwrap_err().to_string();
        assert!(error.contains("of the log `log.example.com`: expected one of `other.example.com`"), "{error}");

        fs::write(&path, &secret[..secret.len() - 6]).unwrap();
        let error = load_or_make(&path, "log.example.com", &MachineEntropy).unwrap_err();
        let told = format!("{error}: {}", error.source().unwrap());
        assert!(told.ends_with("it is no key: expected `PRIVATE+KEY+name+id+base64`"), "{told}");
        assert!(!told.contains(&secret.splitn(5, '+').last().unwrap()[..10]));

        fs::write(&path, &secret).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let error = load_or_make(&path, "log.example.com", &MachineEntropy).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        let error = make(&directory.path().join("new"), "two words", &MachineEntropy).unwrap_err().to_string();
        assert_eq!(error, "`two words` can't be a key's name");
    }
}
