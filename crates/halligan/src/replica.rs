//! Which replica this process is: the one of its state directory.
//!
//! The id outlives a crash, so that the next process takes its leases back at
//! once instead of waiting until they end. The lock keeps two processes from
//! being the same replica.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use halligan_engine::ports::{Clock, Entropy};

const FILE: &str = "replica";

/// A replica. Another process can be it when this value is dropped.
#[derive(Debug)]
pub struct Replica {
    id: String,
    _locked: File,
}

impl Replica {
    /// The replica of `state_directory`, made if it is new.
    ///
    /// # Errors
    /// Another process is it, or the file can't be read or written.
    pub fn of(state_directory: &Path, clock: &dyn Clock, entropy: &dyn Entropy) -> anyhow::Result<Self> {
        let path = state_directory.join(FILE);
        let doing = || format!("can't use `{}`", path.display());
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = opened.with_context(doing)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another broker runs with the state directory `{}`: give each replica one of its own",
                    state_directory.display()
                )
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(doing),
        }
        let mut id = String::new();
        file.read_to_string(&mut id).with_context(doing)?;
        if uuid::Uuid::parse_str(id.trim()).is_err() {
            // New, or torn by a crash: nobody holds a lease by half a name.
            id = entropy.uuid_v7(clock.now()).to_string();
            file.set_len(0).and_then(|()| file.rewind()).with_context(doing)?;
            file.write_all(id.as_bytes()).and_then(|()| file.sync_all()).with_context(doing)?;
        }
        Ok(Self { id: id.trim().to_owned(), _locked: file })
    }

    /// Its name in leases.
    pub fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::client::machine::{MachineClock, MachineEntropy};

    fn replica(directory: &Path) -> anyhow::Result<Replica> {
        Replica::of(directory, &MachineClock, &MachineEntropy)
    }

    #[test]
    fn it_is_the_same_after_a_restart_and_one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = replica(directory.path()).unwrap();
        let error = replica(directory.path()).unwrap_err().to_string();
        assert!(error.contains("another broker"), "{error}");
        let id = first.id().to_owned();
        drop(first);
        assert_eq!(replica(directory.path()).unwrap().id(), id);
        std::fs::write(directory.path().join(FILE), &id[..10]).unwrap();
        assert_ne!(replica(directory.path()).unwrap().id(), id, "half a name was taken for one");
    }
}
