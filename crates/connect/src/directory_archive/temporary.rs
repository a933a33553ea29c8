//! Files that have no key yet.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use halligan_engine::ports::ArchiveError;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::disk::{NEVER_THROUGH_LINKS, make_directory, open_directory};
use super::failure::failed;

/// Beside the keys: no key begins with a dot.
pub(super) const DIRECTORY: &str = ".unfinished";
const LOCK: &str = "lock";

/// Where files are written before they take their keys.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    next: AtomicU64,
    /// Shared by all who have files in here: who has it alone may clear up.
    _lock: File,
}

impl Temporary {
    /// Takes away what no living process is at.
    pub(super) fn open(root: &File, path: &Path) -> Result<Self, ArchiveError> {
        let path = path.join(DIRECTORY);
        let failed = |error: Errno| failed(&path, error);
        make_directory(root, DIRECTORY).map_err(failed)?;
        let directory = open_directory(root, DIRECTORY).map_err(failed)?;
        let flags = NEVER_THROUGH_LINKS | OFlags::RDWR | OFlags::CREATE;
        let lock = File::from(openat(&directory, LOCK, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?);
        match lock.try_lock() {
            Ok(()) => clear(&directory).map_err(failed)?,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                tracing::warn!(path = %path.display(), %error, "this file system has no locks: what a crash left unfinished stays there");
            }
        }
        // Where there are no locks, nobody clears up.
        drop(lock.lock_shared());
        Ok(Self { path, next: AtomicU64::new(0), _lock: lock })
    }

    /// A durable file with these bytes and no key.
    pub(super) fn write(&self, root: &File, mode: Mode, bytes: &[u8]) -> Result<Unfinished, ArchiveError> {
        let failed = |error: Errno| failed(&self.path, error);
        let directory = match open_directory(root, DIRECTORY) {
            Err(Errno::NOENT) => make_directory(root, DIRECTORY).and_then(|()| open_directory(root, DIRECTORY)),
            other => other,
        };
        let directory = directory.map_err(failed)?;
        let flags = NEVER_THROUGH_LINKS | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let (name, mut file) = loop {
            // Another process may count as we do.
            let name = format!("{}-{}", std::process::id(), self.next.fetch_add(1, Ordering::Relaxed));
            match openat(&directory, &name, flags, mode) {
                Ok(file) => break (name, File::from(file)),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(error)),
            }
        };
        let unfinished = Unfinished { directory, name };
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|error| super::failure::failed(&self.path, error))?;
        Ok(unfinished)
    }
}

/// A file that is taken away unless it was given a key by renaming.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) directory: File,
    pub(super) name: String,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Gone, if it was renamed. What stays is taken away when the archive is opened.
        let _ = unlinkat(&self.directory, &self.name, AtFlags::empty());
    }
}

fn clear(directory: &File) -> Result<(), Errno> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if ![LOCK.as_bytes(), b".", b".."].contains(&name.to_bytes()) {
            unlinkat(directory, name, AtFlags::empty())?;
        }
    }
    Ok(())
}
