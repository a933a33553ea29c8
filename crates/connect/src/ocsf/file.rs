//! The end of a file of lines, which others read and move away.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use halligan_engine::ports::SinkError;
use serde::Deserialize;
use uuid::Uuid;

/// So much of the end of a file that we don't remember is searched for what is about to be written.
const TAIL_BYTES: u64 = 4 * 1_024 * 1_024;

/// More ids than this are not remembered from batch to batch.
const IDS_MAX: usize = 10_000;

/// An event, with its line feed.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// The entry's id.
    pub(super) id: Uuid,
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct EventFile {
    path: PathBuf,
    /// Where the file ended after our last batch. None: look.
    tail: Mutex<Option<Tail>>,
}

/// The end of a file.
#[derive(Debug, Clone)]
struct Tail {
    /// Tells the file from another that took its name.
    inode: u64,
    /// Its length in bytes, up to the end of its last whole line.
    length: u64,
    /// The ids of the entries in its last lines.
    ids: HashSet<Uuid>,
}

/// As much of a line as tells whose it is.
#[derive(Deserialize)]
struct Event {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    uid: Uuid,
}

impl EventFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, tail: Mutex::new(None) }
    }

    pub(super) fn append(&self, lines: &[Line]) -> Result<(), SinkError> {
        let mut known = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = known.take();
        let written = self.try_append(lines, remembered).map_err(|error| self.failed(&error))?;
        *known = Some(written);
        Ok(())
    }

    fn try_append(&self, lines: &[Line], remembered: Option<Tail>) -> io::Result<Tail> {
        let mut file = open(&self.path)?;
        let metadata = file.metadata()?;
        let tail = match remembered {
            Some(tail) if (tail.inode, tail.length) == (metadata.ino(), metadata.len()) => tail,
            _ => self.look(&mut file, metadata.ino(), metadata.len())?,
        };
        let new: Vec<&Line> = lines.iter().filter(|line| !tail.ids.contains(&line.id)).collect();
        let text: String = new.iter().map(|line| line.text.as_str()).collect();
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // Half a line would stay until the next batch; and after a failed fsync the kernel may
            // hold for clean what never reached the disk, so it is all written again.
            if let Err(again) = file.set_len(tail.length) {
                tracing::warn!(path = %self.path.display(), error = %again, "what is left of a failed write can't be cut off yet");
            }
            return Err(error);
        }
        let Tail { inode, length, mut ids } = tail;
        if ids.len() > IDS_MAX {
            ids.clear();
        }
        ids.extend(lines.iter().map(|line| line.id));
        Ok(Tail { inode, length: length + text.len() as u64, ids })
    }

    /// Reads the end of a file that is not as we left it, and cuts off a torn last line.
    fn look(&self, file: &mut File, inode: u64, length: u64) -> io::Result<Tail> {
        let from = length.saturating_sub(TAIL_BYTES);
        let mut end = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut end)?;
        let whole = match end.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            None if from == 0 => 0,
            None => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it ends in no line: expected no other writer",
                ));
            }
        };
        let torn = end.split_off(whole);
        if !torn.is_empty() {
            tracing::warn!(
                path = %self.path.display(), torn_bytes = torn.len(),
                "the last line is incomplete, so nobody was told that it was written: cutting it off"
            );
            file.set_len(from + whole as u64)?;
            file.sync_data()?;
        }
        // What is no line of ours is somebody else's business.
        let ids = end.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Event>(line).ok());
        Ok(Tail { inode, length: from + whole as u64, ids: ids.map(|event| event.metadata.uid).collect() })
    }

    fn failed(&self, error: &io::Error) -> SinkError {
        let text = format!("{}: {error}", self.path.display());
        match error.kind() {
            io::ErrorKind::NotFound => SinkError::Refused(format!("{text}: expected its directory to be there")),
            io::ErrorKind::InvalidInput => SinkError::Refused(text),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                SinkError::Refused(format!("{text}: expected the right to write there"))
            }
            io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
                SinkError::Refused(format!("{text}: expected the path of a file"))
            }
            _ => SinkError::Unavailable(text),
        }
    }
}

/// The file, made where there is none, and locked against other writers of ours until it is dropped.
fn open(path: &Path) -> io::Result<File> {
    // A pipe without a reader would hang here, and keeps nothing anyway.
    let kept = |kind: std::fs::FileType| !(kind.is_fifo() || kind.is_socket() || kind.is_char_device());
    if std::fs::metadata(path).is_ok_and(|found| !kept(found.file_type())) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it keeps nothing: expected the path of a file"));
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600);
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = options.create(true).open(path)?;
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
            file
        }
        other => other?,
    };
    file.lock()?;
    Ok(file)
}
