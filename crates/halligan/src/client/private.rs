//! Files that nobody else may read.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// More than any key, profile or cached answer needs.
const BYTES_MAX: u64 = 1 << 20;

/// Why a file isn't used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// Somebody else may have read it, or written it.
    #[error("`{}` is open to other users (mode {mode:04o}): expected 0600, run `chmod 600 {}`", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Whoever owns it decides what it says.
    #[error("`{}` belongs to another user (id {owner}): expected a file of your own", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// Not what is looked for here.
    #[error("`{}` is no regular file of at most {BYTES_MAX} bytes", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
    },
    /// The file system says no.
    #[error("can't {doing} `{}`", path.display())]
    Io {
        /// Read, write, …
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

impl PrivateError {
    /// Whether there simply is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}

/// Reads a file that only its owner may read.
///
/// # Errors
/// When it can't be read, or others could read or write it.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, PrivateError> {
    let mut file = File::open(path).map_err(PrivateError::io("read", path))?;
    // The open file is asked, so that what is checked is what is read.
    let found = file.metadata().map_err(PrivateError::io("read", path))?;
    if !found.is_file() || found.len() > BYTES_MAX {
        return Err(PrivateError::Shape { path: path.to_owned() });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(PrivateError::Exposed { path: path.to_owned(), mode });
    }
    let owner = found.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(PrivateError::Foreign { path: path.to_owned(), owner });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes).map_err(PrivateError::io("read", path))?;
    Ok(bytes)
}

/// Makes a directory that only its owner may enter, or closes the one that is there.
///
/// # Errors
/// When it can't be made or closed.
pub fn directory(path: &Path) -> Result<(), PrivateError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(PrivateError::io("make the directory", path))?;
    let found = fs::metadata(path).map_err(PrivateError::io("read", path))?;
    if found.mode() & 0o077 != 0 {
        // Refused by the system when it is somebody else's.
        fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(PrivateError::io("close the directory", path))?;
    }
    Ok(())
}

/// Writes a new file, durably. An existing one stays as it is: it may be the only copy of a key.
///
/// # Errors
/// When there is one already, or it can't be written.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), PrivateError> {
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = open.map_err(PrivateError::io("create", path))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(PrivateError::io("write", path))
}

/// Writes or replaces a file in one step, durably: a reader sees the old bytes or the new
/// ones, and so does who comes after a power cut.
///
/// # Errors
/// When it can't be written.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), PrivateError> {
    let directory = path.parent().filter(|directory| *directory != Path::new("")).unwrap_or(Path::new("."));
    let write = || {
        // Made with mode 0600 by the library, which its manual promises.
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
        file.write_all(bytes)?;
        // A refresh token that only the disk's cache had would be lost, and the one before is spent.
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error).map(drop)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(PrivateError::io("write", path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_written_is_private_and_read_back() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/b");
        directory(&folder).unwrap();
        let path = folder.join("file");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().as_slice(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no temporary file stays behind");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_what_to_do() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("alice.toml");
        write_new(&path, b"x").unwrap();
        for mode in [0o640, 0o604, 0o620, 0o666] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(read(&path).is_ok());
    }

    #[test]
    fn an_open_directory_is_closed() {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        directory(home.path()).unwrap();
        assert_eq!(fs::metadata(home.path()).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        write_new(&path, b"first").unwrap();
        assert!(write_new(&path, b"second").is_err());
        assert_eq!(read(&path).unwrap().as_slice(), b"first");
    }

    #[test]
    fn a_directory_is_no_file() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(read(home.path()), Err(PrivateError::Shape { .. })));
        assert!(read(&home.path().join("none")).unwrap_err().is_missing());
    }
}
