//! Policies and their tests as files: read in one way, whoever asks for them.

use std::io;
use std::path::{Path, PathBuf};

use halligan_policy::Source;

/// How the names of policies end.
pub const POLICIES: &str = ".cedar";
/// How the names of their tests end.
pub const TESTS: &str = ".tests.json";
/// More than a thousand policies take a tenth of it.
const BYTES_MAX: u64 = 4 << 20;

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A directory that can't be listed.
    #[error("the directory {} can't be read: {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that can't be read as text.
    #[error("the file {} can't be read: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// More than anybody would review.
    #[error("the files of {} are longer than {} MiB: expected less", path.display(), BYTES_MAX >> 20)]
    TooLong {
        /// The directory.
        path: PathBuf,
    },
}

/// The files of a directory whose names end so, in the order of their names. Hidden ones are
/// none: editors leave such behind.
///
/// # Errors
/// The directory can't be read.
pub fn list(directory: &Path, ending: &str) -> Result<Vec<PathBuf>, Unreadable> {
    let unreadable = |source| Unreadable::Directory { path: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Whatever a link leads to: a mounted volume is made of them.
        if name.ends_with(ending) && !name.starts_with('.') && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Their texts, named as if the directory were called `shown`: what a configuration calls it is
/// the same on each replica.
///
/// # Errors
/// The directory or a file can't be read, or they are too long.
pub fn read(directory: &Path, shown: &Path, ending: &str) -> Result<Vec<Source>, Unreadable> {
    let mut bytes = 0_u64;
    let files = list(directory, ending)?;
    let each = files.iter().map(|file| {
        let unreadable = |source| Unreadable::File { path: file.clone(), source };
        bytes = bytes.saturating_add(std::fs::metadata(file).map_err(unreadable)?.len());
        if bytes > BYTES_MAX {
            return Err(Unreadable::TooLong { path: directory.to_owned() });
        }
        text(file, &shown.join(file.file_name().unwrap_or_default()))
    });
    each.collect()
}

/// One file, called so.
///
/// # Errors
/// It can't be read as text.
pub fn text(file: &Path, shown: &Path) -> Result<Source, Unreadable> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|source| Unreadable::File { path: file.to_owned(), source })?;
    Ok(Source::new(shown.display().to_string(), text))
}
