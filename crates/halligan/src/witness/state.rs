//! What a witness has cosigned, a file a log. A file is replaced in one step and
//! durable before anybody learns of the cosignature in it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

const LOCK: &str = "lock";

/// Why the state can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Two witnesses with one state could each cosign another tree.
    #[error("another witness runs with the state directory `{}`: give each one of its own", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The file system says no.
    #[error("can't {doing} `{}`", path.display())]
    Io {
        /// Read, write, …
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl StateError {
    fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}

/// The notes that were last cosigned.
pub trait State: Send + Sync {
    /// The note that was last kept of the log `origin`; none before the first.
    ///
    /// # Errors
    /// It can't be read.
    fn read(&self, origin: &str) -> Result<Option<Vec<u8>>, StateError>;

    /// Keeps `note` in place of what was there. It is durable when this returns; when it
    /// fails either of the two may be there.
    ///
    /// # Errors
    /// It may not be kept.
    fn keep(&self, origin: &str, note: &[u8]) -> Result<(), StateError>;
}

/// A directory that this process has for itself.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    _locked: File,
}

impl StateDirectory {
    /// Opens it, for nobody else to read, and makes it where it is missing.
    ///
    /// # Errors
    /// Another process has it, or it can't be made.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(StateError::io("make the directory", path))?;
        let file = path.join(LOCK);
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&file);
        let locked = opened.map_err(StateError::io("open", &file))?;
        match locked.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _locked: locked }),
            Err(TryLockError::WouldBlock) => Err(StateError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StateError::Io { doing: "lock", path: file, source }),
        }
    }

    /// The file of a log. An origin may hold anything but spaces.
    pub fn file(&self, origin: &str) -> PathBuf {
        self.path.join(format!("{}.note", hex::encode(Sha256::digest(origin))))
    }
}

impl State for StateDirectory {
    fn read(&self, origin: &str) -> Result<Option<Vec<u8>>, StateError> {
        let file = self.file(origin);
        match fs::read(&file) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError::io("read", &file)(error)),
        }
    }

    fn keep(&self, origin: &str, note: &[u8]) -> Result<(), StateError> {
        let file = self.file(origin);
        let write = || {
            let mut fresh = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.path)?;
            fresh.write_all(note)?;
            fresh.as_file().sync_all()?;
            fresh.persist(&file).map_err(|error| error.error)?;
            // The name is durable when the directory is.
            File::open(&self.path)?.sync_all()
        };
        write().map_err(StateError::io("write", &file))
    }
}
