//! Erases personal parts whose time is over: whole bundles, by the age of their files.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Where personal parts are kept, and nothing else.
const PERSONAL: &str = "personal";

/// Removes every bundle of personal parts that was written before `time`; returns
/// how many. A bundle is written when the last of its entries was published, so
/// none of them is younger. Symbolic links are neither followed nor removed.
pub(super) fn erase_before(archive: &Path, time: SystemTime) -> io::Result<u64> {
    match erase_in(&archive.join(PERSONAL), time) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        outcome => outcome,
    }
}

fn erase_in(directory: &Path, time: SystemTime) -> io::Result<u64> {
    let mut erased = 0;
    for item in fs::read_dir(directory)? {
        let item = item?;
        // Of the link itself, where it is one.
        let about = fs::symlink_metadata(item.path())?;
        if about.is_dir() {
            erased += erase_in(&item.path(), time)?;
        } else if about.is_file() && about.modified()? < time {
            fs::remove_file(item.path())?;
            erased += 1;
        }
    }
    if erased > 0 {
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(erased)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_old_goes_and_nothing_else() {
        let archive = tempfile::tempdir().unwrap();
        let path = archive.path();
        let now = fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(erase_before(path, now).unwrap(), 0, "there is nothing yet");
        for (file, age_days) in
            [("personal/000", 500), ("personal/001.p/7", 500), ("personal/x001/000", 10), ("tile/0/000", 500)]
        {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let written = fs::File::create(&file).unwrap();
            written.set_modified(now - Duration::from_secs(age_days * 86_400)).unwrap();
        }
        std::os::unix::fs::symlink(path.join("tile/0"), path.join("personal/link")).unwrap();
        assert_eq!(erase_before(path, now - Duration::from_secs(400 * 86_400)).unwrap(), 2);
        assert!(path.join("personal/x001/000").exists() && path.join("tile/0/000").exists());
        assert!(!path.join("personal/000").exists() && !path.join("personal/001.p/7").exists());
    }
}
