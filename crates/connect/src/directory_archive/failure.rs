//! What a disk says, in an archive's words.

use std::io;
use std::path::Path;

use halligan_engine::ports::ArchiveError;
use rustix::io::Errno;

/// What can be done about an error, and whether a retry can help.
pub(super) fn failed(path: &Path, error: impl Into<io::Error>) -> ArchiveError {
    let error = error.into();
    let lasting = |hint: &str| ArchiveError::Refused(format!("{}: {hint} ({error})", path.display()));
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::ACCESS | Errno::PERM) => {
            lasting("no right to do that: the directory of a log belongs to the broker alone")
        }
        Some(Errno::ROFS) => lasting("the file system is read-only"),
        Some(Errno::LOOP) => lasting("is a symbolic link, which is not followed in a log's directory: take it away"),
        Some(Errno::NOTDIR | Errno::EXIST) => {
            lasting("is or goes through something other than a directory: take it away")
        }
        Some(Errno::ISDIR | Errno::NOTEMPTY) => lasting("is a directory: expected a file of the log: take it away"),
        _ => ArchiveError::Unavailable(format!("{}: {error}", path.display())),
    }
}

/// Something stands at a key that the log never wrote.
pub(super) fn foreign(path: &Path) -> ArchiveError {
    ArchiveError::Refused(format!("{}: is no file: expected one that the log wrote: take it away", path.display()))
}
