//! One at a time, among the processes of this machine.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

const RETRY: Duration = Duration::from_millis(20);

/// Held until it is dropped, or the process ends. Its empty file stays: removing it under
/// a waiting process would let two in.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Waits for the lock that this file stands for, and makes the file where there is none.
///
/// # Errors
/// It can't be opened or locked, or others held it for all of `within`.
pub async fn take(path: &Path, within: Duration) -> Result<Lock, String> {
    let open = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    let file = open.map_err(|error| format!("can't open `{}`: {error}", path.display()))?;
    let taken = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                // A blocking wait would hold a thread past the end of the program.
                Err(TryLockError::WouldBlock) => tokio::time::sleep(RETRY).await,
                Err(TryLockError::Error(error)) => return Err(format!("can't lock `{}`: {error}", path.display())),
            }
        }
    };
    match tokio::time::timeout(within, taken).await {
        Ok(taken) => taken.map(|()| Lock { _file: file }),
        Err(_) => Err(format!("another process holds `{}`", path.display())),
    }
}
