//! An archive in a directory of this machine. An object's key is its path; what
//! is written once is a file that nobody may write to.
//!
//! An object is written under another name first and takes its key only when its
//! bytes are durable, in one step that fails if the key is taken: a crash leaves
//! all of it or nothing, and of two writers, in two processes too, one wins.
//! Symbolic links are never followed inside of the directory.

mod disk;
mod erase;
mod failure;
mod look;
mod temporary;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use halligan_engine::ports::{Archive, ArchiveError, LogReader, PersonalData, StoreError, Stored, Weakness};
use halligan_log::Object;
use jiff::Timestamp;
use rustix::process::geteuid;
use tokio::sync::Semaphore;

use self::disk::Disk;
use crate::objects::bytes_max;

/// A disk may hang: a network's, or one that dies. Nobody waits longer for a call.
const DEADLINE: Duration = Duration::from_secs(10);
/// So many calls are at the disk at once; those that hang hold no others' threads.
const AT_ONCE: usize = 16;

/// An archive in a directory. Clones are the same one.
#[derive(Debug, Clone)]
pub struct DirectoryArchive(Reading);

impl DirectoryArchive {
    /// Opens the archive at `path`, making the directory (0700) where there is
    /// none. What a crash left of writes that nobody was told had happened is taken away.
    ///
    /// # Errors
    /// The directory can't be made, read or written to.
    pub async fn open(name: impl Into<String>, path: impl Into<PathBuf>) -> Result<Self, ArchiveError> {
        let (name, path) = (name.into(), path.into());
        let disk = within(DEADLINE, tokio::task::spawn_blocking(move || Disk::open(path))).await?;
        Ok(Self(Reading::new(name, disk)))
    }
}

#[async_trait]
impl LogReader for DirectoryArchive {
    fn name(&self) -> &str {
        &self.0.name
    }

    async fn read(&self, object: Object) -> Result<Option<Stored>, ArchiveError> {
        self.0.read(object).await
    }
}

#[async_trait]
impl PersonalData for DirectoryArchive {
    async fn erase_before(&self, time: Timestamp) -> Result<u64, StoreError> {
        let time = SystemTime::from(time);
        let path = self.0.disk.path().to_owned();
        let erased = tokio::task::spawn_blocking(move || erase::erase_before(&path, time)).await;
        let erased = erased.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        erased.map_err(|error| StoreError::Unavailable(format!("{}: {error}", self.0.name)))
    }
}

#[async_trait]
impl Archive for DirectoryArchive {
    async fn put_once(&self, object: Object, bytes: &[u8]) -> Result<(), ArchiveError> {
        let bytes = bytes.to_vec();
        self.0.on_disk(move |disk| disk.put_once(object, &bytes)).await
    }

    async fn put_checkpoint(&self, note: &[u8]) -> Result<(), ArchiveError> {
        let (note, turn) = (note.to_vec(), self.0.disk.take_turn());
        self.0.on_disk(move |disk| disk.put_checkpoint(turn, &note)).await
    }

    async fn weaknesses(&self) -> Result<Vec<Weakness>, ArchiveError> {
        self.0.on_disk(|disk| look::weaknesses(disk, geteuid())).await
    }
}

/// A log in a directory that is only read: an archive of ours, or a copy of any
/// archive. Nothing in it is made, locked or cleaned up.
#[derive(Debug, Clone)]
pub struct DirectoryLog(Reading);

impl DirectoryLog {
    /// The log in the directory at `path`, which is looked at when it is read.
    #[must_use]
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self(Reading::new(name.into(), Disk::to_read(path.into())))
    }
}

#[async_trait]
impl LogReader for DirectoryLog {
    fn name(&self) -> &str {
        &self.0.name
    }

    async fn read(&self, object: Object) -> Result<Option<Stored>, ArchiveError> {
        self.0.read(object).await
    }
}

/// What both have.
#[derive(Debug, Clone)]
struct Reading {
    name: String,
    disk: Arc<Disk>,
    slots: Arc<Semaphore>,
    deadline: Duration,
}

impl Reading {
    fn new(name: String, disk: Disk) -> Self {
        Self { name, disk: Arc::new(disk), slots: Arc::new(Semaphore::new(AT_ONCE)), deadline: DEADLINE }
    }

    async fn read(&self, object: Object) -> Result<Option<Stored>, ArchiveError> {
        let limit = bytes_max(object).saturating_add(1);
        let bytes = self.on_disk(move |disk| disk.read(&object.to_string(), limit)).await?;
        Ok(bytes.map(Stored::untouched))
    }

    /// Does it off the worker threads. Whoever stops waiting doesn't stop it.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Disk) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, ArchiveError> {
        let (disk, slots) = (Arc::clone(&self.disk), Arc::clone(&self.slots));
        let working = async move {
            // Never closed. Kept until the work is done, not until nobody waits for it.
            let slot = slots.acquire_owned().await.ok();
            let work = move || {
                let done = work(&disk);
                drop(slot);
                done
            };
            tokio::task::spawn_blocking(work).await
        };
        within(self.deadline, working).await
    }
}

async fn within<T>(
    deadline: Duration,
    working: impl Future<Output = Result<Result<T, ArchiveError>, tokio::task::JoinError>>,
) -> Result<T, ArchiveError> {
    match tokio::time::timeout(deadline, working).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => Err(ArchiveError::Unavailable(format!("the disk's thread was cut short: {error}"))),
        Err(_) => Err(ArchiveError::Unavailable(format!("the disk gave no answer within {deadline:?}"))),
    }
}

#[cfg(test)]
mod tests;
