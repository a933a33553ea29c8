//! Files and directories, one call at a time. Nothing returns before it is durable.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use halligan_engine::ports::ArchiveError;
use halligan_log::Object;
use rustix::fs::{AtFlags, Mode, OFlags, linkat, mkdirat, openat, renameat};
use rustix::io::Errno;
use rustix::path::Arg;

use super::failure::{failed, foreign};
use super::temporary::Temporary;
use crate::objects::bytes_max;

/// How everything below the archive's directory is opened. A pipe in the way is not waited for.
pub(super) const NEVER_THROUGH_LINKS: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
const ONCE: Mode = Mode::RUSR;
const OFTEN: Mode = Mode::RUSR.union(Mode::WUSR);
/// More than a log of a hundred thousand entries has.
const KNOWN_MAX: usize = 2_048;

/// A log's directory.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    /// Tells the directory from another that took its name. None: any will do.
    identity: Option<(u64, u64)>,
    temporary: Option<Temporary>,
    /// Directories that are known to survive a loss of power.
    known: Mutex<BTreeSet<String>>,
    /// The newest checkpoint that was handed over.
    newest: AtomicU64,
    replacing: Mutex<()>,
}

/// Where a key is, as far as it is there.
struct Place {
    /// The archive's directory, and those of the key below it.
    directories: Vec<File>,
    /// The directories of the key, as paths.
    prefixes: Vec<String>,
    file_name: String,
}

impl Place {
    fn parent(&self) -> Result<&File, Errno> {
        self.directories.last().ok_or(Errno::NOENT)
    }
}

impl Disk {
    /// To write to. See [`super::DirectoryArchive::open`].
    pub(super) fn open(path: PathBuf) -> Result<Self, ArchiveError> {
        let failed = |error| failed(&path, error);
        create_directory(&path).map_err(failed)?;
        let root = File::open(&path).map_err(failed)?;
        let identity = identity(&root).map_err(failed)?;
        let temporary = Temporary::open(&root, &path)?;
        Ok(Self { identity: Some(identity), temporary: Some(temporary), ..Self::to_read(path) })
    }

    pub(super) fn to_read(path: PathBuf) -> Self {
        let (known, replacing) = (Mutex::default(), Mutex::default());
        Self { path, identity: None, temporary: None, known, newest: AtomicU64::new(0), replacing }
    }

    /// Where the archive is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opened anew for each call: what is written to a directory that was moved away
    /// would be durable where nobody looks.
    pub(super) fn root(&self) -> Result<File, ArchiveError> {
        let failed = |error| failed(&self.path, error);
        let root = File::open(&self.path).map_err(failed)?;
        if self.identity.is_some_and(|expected| identity(&root).ok() != Some(expected)) {
            let path = self.path.display();
            let text = format!("{path}: is another directory than when it was opened: restart the broker to use it");
            return Err(ArchiveError::Refused(text));
        }
        Ok(root)
    }

    /// At most so many bytes of what stands under a key.
    pub(super) fn read(&self, key: &str, limit: usize) -> Result<Option<Vec<u8>>, ArchiveError> {
        let root = self.root()?;
        match self.walk(root, key, false)? {
            Some(place) => Ok(self.look(&place, key, limit)?.map(|(_, bytes)| bytes)),
            None => Ok(None),
        }
    }

    /// See [`halligan_engine::ports::Archive::put_once`].
    pub(super) fn put_once(&self, object: Object, bytes: &[u8]) -> Result<(), ArchiveError> {
        let key = object.to_string();
        let at_key = |error: Errno| failed(&self.path.join(&key), error);
        let root = self.root()?;
        let unfinished = match self.find(object, &key, bytes)? {
            Some(outcome) => return outcome,
            None => self.temporary()?.write(&root, ONCE, bytes)?,
        };
        let place = self.walk(root, &key, true)?.ok_or_else(|| at_key(Errno::NOENT))?;
        let parent = place.parent().map_err(at_key)?;
        let linked = linkat(&unfinished.directory, &unfinished.name, parent, &place.file_name, AtFlags::empty());
        drop(unfinished);
        match linked {
            Ok(()) => self.keep(&place),
            // Somebody was faster.
            Err(Errno::EXIST) => self.find(object, &key, bytes)?.unwrap_or_else(|| Err(at_key(Errno::NOENT))),
            Err(error) => Err(at_key(error)),
        }
    }

    /// What becomes of a put where something stands under the key; none where nothing does.
    fn find(&self, object: Object, key: &str, bytes: &[u8]) -> Result<Option<Result<(), ArchiveError>>, ArchiveError> {
        let Some(place) = self.walk(self.root()?, key, false)? else { return Ok(None) };
        let limit = bytes_max(object).saturating_add(1);
        let Some((file, found)) = self.look(&place, key, limit)? else { return Ok(None) };
        // Whoever wrote it may have died before its name was durable.
        file.sync_all().map_err(|error| failed(&self.path.join(key), error))?;
        self.keep(&place)?;
        Ok(Some(if found == bytes { Ok(()) } else { Err(ArchiveError::Taken { object, found }) }))
    }

    /// Says that a checkpoint is on its way: those that were handed over earlier
    /// and still hang at the disk must not replace it.
    pub(super) fn take_turn(&self) -> u64 {
        self.newest.fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }

    /// See [`halligan_engine::ports::Archive::put_checkpoint`].
    pub(super) fn put_checkpoint(&self, turn: u64, note: &[u8]) -> Result<(), ArchiveError> {
        let key = Object::Checkpoint.to_string();
        let path = self.path.join(&key);
        let root = self.root()?;
        let unfinished = self.temporary()?.write(&root, OFTEN, note)?;
        let replacing = lock(&self.replacing);
        if self.newest.load(Ordering::SeqCst) > turn {
            return Err(ArchiveError::Unavailable(format!("{}: a newer one was handed over", path.display())));
        }
        renameat(&unfinished.directory, &unfinished.name, &root, &key).map_err(|error| failed(&path, error))?;
        drop(replacing);
        root.sync_all().map_err(|error| failed(&self.path, error))
    }

    fn temporary(&self) -> Result<&Temporary, ArchiveError> {
        self.temporary.as_ref().ok_or_else(|| failed(&self.path, Errno::ROFS))
    }

    /// The directories of a key, made where they are missing, if `make` says so.
    fn walk(&self, root: File, key: &str, make: bool) -> Result<Option<Place>, ArchiveError> {
        let (prefix, file_name) = key.rsplit_once('/').unwrap_or(("", key));
        let mut place = Place { directories: vec![root], prefixes: Vec::new(), file_name: file_name.to_owned() };
        let mut path = String::new();
        for segment in prefix.split('/').filter(|segment| !segment.is_empty()) {
            path = if path.is_empty() { segment.to_owned() } else { format!("{path}/{segment}") };
            let at_path = |error: Errno| failed(&self.path.join(&path), error);
            let parent = place.parent().map_err(at_path)?;
            let directory = match open_directory(parent, segment) {
                Err(Errno::NOENT) if make => {
                    make_directory(parent, segment).map_err(at_path)?;
                    lock(&self.known).remove(&path);
                    open_directory(parent, segment)
                }
                Err(Errno::NOENT) => return Ok(None),
                other => other,
            };
            place.directories.push(directory.map_err(at_path)?);
            place.prefixes.push(path.clone());
        }
        Ok(Some(place))
    }

    fn look(&self, place: &Place, key: &str, limit: usize) -> Result<Option<(File, Vec<u8>)>, ArchiveError> {
        let path = self.path.join(key);
        let opened = place
            .parent()
            .and_then(|parent| openat(parent, &place.file_name, NEVER_THROUGH_LINKS | OFlags::RDONLY, Mode::empty()));
        let file = match opened {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            // A socket can't be opened at all.
            Err(Errno::NXIO) => return Err(foreign(&path)),
            Err(error) => return Err(failed(&path, error)),
        };
        if !file.metadata().map_err(|error| failed(&path, error))?.is_file() {
            return Err(foreign(&path));
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        (&file).take(limit).read_to_end(&mut bytes).map_err(|error| failed(&path, error))?;
        Ok(Some((file, bytes)))
    }

    /// Makes a name durable, and the names of the directories above it.
    fn keep(&self, place: &Place) -> Result<(), ArchiveError> {
        let unknown: Vec<bool> = {
            let known = lock(&self.known);
            place.prefixes.iter().map(|prefix| !known.contains(prefix)).collect()
        };
        // The deepest first: on most file systems the others are then done as well.
        // A directory is named in the one before it; the file, in the last one.
        let names = unknown.iter().copied().chain([true]);
        let wanted: Vec<_> = place.directories.iter().zip(names).filter(|(_, wanted)| *wanted).collect();
        for (directory, _) in wanted.into_iter().rev() {
            directory.sync_all().map_err(|error| failed(&self.path, error))?;
        }
        let mut known = lock(&self.known);
        if known.len() > KNOWN_MAX {
            known.clear();
        }
        known.extend(place.prefixes.iter().cloned());
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn identity(directory: &File) -> io::Result<(u64, u64)> {
    directory.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

pub(super) fn open_directory(parent: &File, name: impl Arg) -> Result<File, Errno> {
    openat(parent, name, NEVER_THROUGH_LINKS | OFlags::DIRECTORY, Mode::empty()).map(File::from)
}

/// Its name is not durable yet.
pub(super) fn make_directory(parent: &File, name: &str) -> Result<(), Errno> {
    match mkdirat(parent, name, Mode::RWXU) {
        Err(Errno::EXIST) => Ok(()),
        other => other,
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
    Ok(())
}
