//! A sink on the local disk: a directory with one file, one entry a line, in
//! order from position 1. The line's number is the entry's position.
//!
//! A line is `{"position":N,"entry":{…},"personal":{…}}`; `personal` is left
//! out where there is none. The file only ever grows, but for a torn last line:
//! what a crash left of a write that nobody was told had happened.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use halligan_core::entry::{Entry, SaltedPersonal, Sealed};
use halligan_engine::ports::{Journal, JournalError, QueuedEntry};
use serde::{Deserialize, Serialize};

/// The name of the file in the directory.
pub const FILE_NAME: &str = "entries.ndjson";

/// Publishes entries to a directory. Clones write to the same one; so may other
/// processes, one append at a time.
#[derive(Debug, Clone)]
pub struct DirectorySink(Arc<EntryFile>);

impl DirectorySink {
    /// Opens the sink, making the directory (0700) where there is none, and
    /// cutting off a torn last line.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`]: the directory can't be written to, or its
    /// file doesn't end in an entry.
    pub async fn open(directory: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let directory = directory.into();
        blocking(move || {
            let file = EntryFile { path: directory.join(FILE_NAME), directory, tail: Mutex::new(None) };
            create_directory(&file.directory).map_err(|error| file.unavailable(&error))?;
            file.append(&[])?;
            Ok(Self(Arc::new(file)))
        })
        .await
    }
}

#[async_trait]
impl Journal for DirectorySink {
    async fn append(&self, entries: &[QueuedEntry]) -> Result<(), JournalError> {
        let lines = lines(entries)?;
        let file = Arc::clone(&self.0);
        blocking(move || file.append(&lines)).await
    }
}

/// The file is on a disk that may hang: it is never waited for on a worker thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
) -> Result<T, JournalError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(JournalError::Unavailable(format!("writing was cut short: {error}"))))
}

/// What is written.
#[derive(Serialize)]
struct LineOf<'a> {
    position: u64,
    #[serde(flatten)]
    sealed: &'a Sealed,
}

/// What is read back.
#[derive(Deserialize)]
struct Line {
    position: u64,
    entry: Entry,
    #[serde(default)]
    personal: Option<SaltedPersonal>,
}

/// All that going on needs: the last entry may be of a newer version's type.
#[derive(Deserialize)]
struct Position {
    position: u64,
}

/// A line with its line feed, and its position.
type Numbered = (u64, Vec<u8>);

fn lines(entries: &[QueuedEntry]) -> Result<Vec<Numbered>, JournalError> {
    let mut lines: Vec<Numbered> = Vec::with_capacity(entries.len());
    for QueuedEntry { position, sealed, .. } in entries {
        if let Some((before, _)) = lines.last().filter(|(before, _)| before + 1 != *position) {
            return Err(JournalError::Unavailable(format!("entry {position} was handed over after entry {before}")));
        }
        let mut line = serde_json::to_vec(&LineOf { position: *position, sealed }).map_err(|error| {
            JournalError::Unavailable(format!("entry {position} can't be written as JSON: {error}"))
        })?;
        line.push(b'\n');
        lines.push((*position, line));
    }
    Ok(lines)
}

#[derive(Debug)]
struct EntryFile {
    directory: PathBuf,
    path: PathBuf,
    /// Where the file ended when we last wrote to it. None: find out.
    tail: Mutex<Option<Tail>>,
}

/// Where a file ends. What stands before is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tail {
    /// Tells the file from another that took its name.
    inode: u64,
    /// Its length in bytes.
    length: u64,
    /// Its last entry's position; 0 if it is empty.
    position: u64,
}

impl EntryFile {
    fn unavailable(&self, error: &io::Error) -> JournalError {
        JournalError::Unavailable(format!("{}: {error}", self.path.display()))
    }

    fn append(&self, lines: &[Numbered]) -> Result<(), JournalError> {
        let mut known = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        // Opened anew each time: what is written to a file that was moved away
        // would be durable where nobody looks.
        let mut file = self.open().map_err(|error| self.unavailable(&error))?;
        let remembered = known.take();
        let tail = self.tail_of(&mut file, remembered)?;
        let (there, new) = lines.split_at(lines.partition_point(|(position, _)| *position <= tail.position));
        self.compare(&mut file, there)?;
        if let Some((first, _)) = new.first().filter(|(first, _)| *first != tail.position + 1) {
            let path = self.path.display();
            let message = format!(
                "{path} ends with entry {}, entry {first} can't follow: the entries between are missing",
                tail.position
            );
            return Err(JournalError::Unavailable(message));
        }
        *known = Some(self.write(&mut file, tail, new)?);
        Ok(())
    }

    /// The file, locked against other writers until it is dropped.
    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).mode(0o600);
        let file = match options.open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = options.create(true).open(&self.path)?;
                File::open(&self.directory)?.sync_all()?;
                file
            }
            other => other?,
        };
        file.lock()?;
        Ok(file)
    }

    fn tail_of(&self, file: &mut File, remembered: Option<Tail>) -> Result<Tail, JournalError> {
        let failed = |error: &io::Error| self.unavailable(error);
        let metadata = file.metadata().map_err(|error| failed(&error))?;
        let (inode, length) = (metadata.ino(), metadata.len());
        if let Some(tail) = remembered.filter(|tail| (tail.inode, tail.length) == (inode, length)) {
            return Ok(tail);
        }
        if length == 0 {
            return Ok(Tail { inode, length, position: 0 });
        }
        // Whoever wrote this may have died before it reached the disk.
        file.sync_data().map_err(|error| failed(&error))?;
        let (last, length) = last_line(file, length).map_err(|error| failed(&error))?;
        if length < metadata.len() {
            let torn_bytes = metadata.len() - length;
            tracing::warn!(path = %self.path.display(), torn_bytes, "the log's last line is incomplete, so no write of it was ever confirmed: cutting it off");
            file.set_len(length).and_then(|()| file.sync_data()).map_err(|error| failed(&error))?;
        }
        if length == 0 {
            return Ok(Tail { inode, length, position: 0 });
        }
        let line: Position = serde_json::from_slice(&last).map_err(|error| {
            let path = self.path.display();
            JournalError::Unavailable(format!("the last line of {path} is no entry ({error}): something else wrote to it, expected to be its only writer"))
        })?;
        Ok(Tail { inode, length, position: line.position })
    }

    /// Whether the file holds exactly these lines at their positions.
    fn compare(&self, file: &mut File, lines: &[Numbered]) -> Result<(), JournalError> {
        let Some((first, _)) = lines.first() else { return Ok(()) };
        file.seek(SeekFrom::Start(0)).map_err(|error| self.unavailable(&error))?;
        let mut reader = BufReader::new(file);
        for _ in 1..*first {
            reader.skip_until(b'\n').map_err(|error| self.unavailable(&error))?;
        }
        for (position, line) in lines {
            let mut found = Vec::with_capacity(line.len());
            reader.read_until(b'\n', &mut found).map_err(|error| self.unavailable(&error))?;
            if found != *line {
                return Err(JournalError::Fork { position: *position });
            }
        }
        Ok(())
    }

    fn write(&self, file: &mut File, tail: Tail, lines: &[Numbered]) -> Result<Tail, JournalError> {
        let Some((position, _)) = lines.last() else { return Ok(tail) };
        let bytes: Vec<u8> = lines.iter().flat_map(|(_, line)| line).copied().collect();
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // After a failed fsync the kernel may hold the pages for clean, and
            // the next fsync succeed without them: they are written again.
            if let Err(again) = file.set_len(tail.length) {
                tracing::warn!(path = %self.path.display(), error = %again, "what is left of a failed write can't be cut off yet");
            }
            return Err(self.unavailable(&error));
        }
        Ok(Tail { length: tail.length + bytes.len() as u64, position: *position, ..tail })
    }
}

/// The last complete line of a file of `length` bytes, without its line feed,
/// and where the file would end after it.
fn last_line(file: &mut File, length: u64) -> io::Result<(Vec<u8>, u64)> {
    const STEP: u64 = 16 * 1_024;
    let mut taken = 0;
    loop {
        taken = length.min(taken + STEP);
        let mut end = Vec::new();
        file.seek(SeekFrom::Start(length - taken))?;
        Read::take(&mut *file, taken).read_to_end(&mut end)?;
        let mut from_the_end = end.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
        let last = from_the_end.next();
        let before = from_the_end.next();
        let start = match (before, taken == length) {
            (Some(before), _) => before + 1,
            (None, true) => 0,
            (None, false) => continue,
        };
        let stop = last.unwrap_or(0);
        let line = end.get(start..stop).unwrap_or_default().to_vec();
        let torn = end.len() - last.map_or(0, |last| last + 1);
        return Ok((line, length - torn as u64));
    }
}

/// Makes the directory and whatever is missing above it, so that a loss of
/// power can't take them away again.
fn create_directory(directory: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        directory.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    File::open(directory)?.sync_all()
}

/// Why a log directory can't be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk, or the right to read from it.
    #[error("the log directory can't be read")]
    Io(#[from] io::Error),
    /// Not one of our lines.
    #[error("line {line} is no entry")]
    NotAnEntry {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A line was taken out or put in.
    #[error("line {line} holds entry {position}: expected entry {line}")]
    OutOfOrder {
        /// Counted from 1.
        line: u64,
        /// The position that it claims.
        position: u64,
    },
}

/// The entries of a log directory, in order. Stops at the first error, and
/// before an incomplete last line: it is being written, or never was.
///
/// # Errors
/// There is no such directory, or nothing has been written to it.
pub fn read(directory: &Path) -> io::Result<Entries> {
    let file = File::open(directory.join(FILE_NAME))?;
    Ok(Entries { reader: BufReader::new(file), line: 0, over: false })
}

/// See [`read`].
#[derive(Debug)]
pub struct Entries {
    reader: BufReader<File>,
    line: u64,
    over: bool,
}

impl Entries {
    fn next_line(&mut self) -> Result<Option<QueuedEntry>, ReadError> {
        let mut bytes = Vec::new();
        self.reader.read_until(b'\n', &mut bytes)?;
        if !bytes.ends_with(b"\n") {
            return Ok(None);
        }
        self.line += 1;
        let Line { position, entry, personal } =
            serde_json::from_slice(&bytes).map_err(|source| ReadError::NotAnEntry { line: self.line, source })?;
        if position != self.line {
            return Err(ReadError::OutOfOrder { line: self.line, position });
        }
        Ok(Some(QueuedEntry::new(position, Sealed { entry, personal })))
    }
}

impl Iterator for Entries {
    type Item = Result<QueuedEntry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.next_line().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

#[cfg(test)]
mod tests;
