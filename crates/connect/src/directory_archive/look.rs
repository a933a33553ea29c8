//! Who else could read or change what the archive holds.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use halligan_engine::ports::{ArchiveError, Weakness};
use rustix::fs::{AtFlags, Dir, FileType, Mode, Stat, fstat, stat, statat};
use rustix::io::Errno;
use rustix::process::Uid;

use super::disk::{Disk, open_directory};
use super::failure::failed;

/// So many files and directories are looked at, those nearest to the top first: a
/// closed directory protects what is below it.
const LOOKED_AT_MAX: usize = 10_000;
const OTHERS: Mode = Mode::RWXG.union(Mode::RWXO);

/// What was found of one kind: the first, and how many more.
struct Found {
    text: String,
    more: usize,
}

/// What is weak, by the setting's name.
#[derive(Default)]
struct Findings(BTreeMap<&'static str, Found>);

impl Findings {
    fn add(&mut self, setting: &'static str, text: impl FnOnce() -> String) {
        match self.0.get_mut(setting) {
            Some(found) => found.more = found.more.saturating_add(1),
            None => drop(self.0.insert(setting, Found { text: text(), more: 0 })),
        }
    }

    fn into_weaknesses(self) -> Vec<Weakness> {
        let weakness = |(setting, Found { text, more })| {
            let finding = if more == 0 { text } else { format!("{text} (and {more} more)") };
            Weakness { setting, finding }
        };
        self.0.into_iter().map(weakness).collect()
    }
}

/// See [`halligan_engine::ports::Archive::weaknesses`]. Everything should belong to `us`.
pub(super) fn weaknesses(disk: &Disk, us: Uid) -> Result<Vec<Weakness>, ArchiveError> {
    let root = disk.root()?;
    let top = disk.path();
    let mut findings = Findings::default();
    judge(&mut findings, us, top, &fstat(&root).map_err(|error| failed(top, error))?);
    replaceable(&mut findings, top);
    let mut waiting = VecDeque::from([PathBuf::new()]);
    let mut looked_at = 0;
    while let Some(below) = waiting.pop_front() {
        let at = top.join(&below);
        let entries = match entries(&root, &below) {
            // Gone meanwhile.
            Err(Errno::NOENT) => continue,
            entries => entries.map_err(|error| failed(&at, error))?,
        };
        for (name, stat) in entries {
            if looked_at == LOOKED_AT_MAX {
                return Ok(findings.into_weaknesses());
            }
            looked_at += 1;
            let path = at.join(&name);
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => waiting.push_back(below.join(&name)),
                FileType::RegularFile => {}
                _ => findings.add("foreign", || {
                    format!("{}: is no file and no directory: the log never wrote it: take it away", path.display())
                }),
            }
            judge(&mut findings, us, &path, &stat);
        }
    }
    Ok(findings.into_weaknesses())
}

fn judge(findings: &mut Findings, us: Uid, path: &Path, stat: &Stat) {
    let (shown, owner, us) = (path.display(), stat.st_uid, us.as_raw());
    let (kind, mode) = (FileType::from_raw_mode(stat.st_mode), Mode::from_raw_mode(stat.st_mode));
    if owner != us {
        findings.add("owner", || {
            format!("{shown}: belongs to user {owner}: expected {us}, whom the broker runs as: `chown` mends it")
        });
    }
    // A link has no rights of its own.
    if mode.intersects(OTHERS) && kind != FileType::Symlink {
        findings.add("permissions", || {
            format!("{shown}: is open to others (mode {:o}): expected none: `chmod -R go= …` mends it", mode.bits())
        });
    }
}

/// Whoever can rename a directory can put another in its place.
fn replaceable(findings: &mut Findings, top: &Path) {
    let absolute = top.canonicalize().unwrap_or_else(|_| top.to_owned());
    for above in absolute.ancestors().skip(1) {
        let mode = stat(above).map_or(Mode::empty(), |stat| Mode::from_raw_mode(stat.st_mode));
        // In a sticky directory, only what is one's own can be renamed.
        let open = mode.contains(Mode::WOTH) && !mode.contains(Mode::SVTX);
        if open {
            findings.add("replaceable", || {
                let (above, top) = (above.display(), top.display());
                format!("{above}: anybody may write to it, and so put another directory in the place of {top}: `chmod o-w {above}` mends it")
            });
        }
    }
}

/// What a directory holds. Links on the way are not followed.
fn entries(root: &File, below: &Path) -> Result<Vec<(PathBuf, Stat)>, Errno> {
    let mut directory = root.try_clone().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    for segment in below.components() {
        if let Component::Normal(segment) = segment {
            directory = open_directory(&directory, segment)?;
        }
    }
    let mut entries = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if [b".".as_slice(), b".."].contains(&name.to_bytes()) {
            continue;
        }
        match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => entries.push((PathBuf::from(OsStr::from_bytes(name.to_bytes())), stat)),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
    }
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(entries)
}
