//! Where credentials are kept between calls: in a private file, or in memory.
//!
//! A kept answer spares a mint; nothing depends on it. So a cache that can't be
//! read, written or locked is reported and worked around.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use halligan_core::id::GrantId;
use halligan_server::views::CredentialsView;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::lock::{self, Lock};
use super::private;

/// Longer than a mint may take: whoever holds the lock has answered by then.
const LOCK_WITHIN: Duration = Duration::from_secs(75);

/// Credentials, and what they were minted under.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The credentials.
    pub credentials: CredentialsView,
    /// Where the grant's end stood.
    pub fence: Timestamp,
    /// When they were asked for.
    pub minted_at: Timestamp,
}

/// Holds the turn to mint until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _lock: Option<Lock>,
}

/// Keeps the credentials of one grant for one caller.
#[async_trait]
pub trait Shelf: Send + Sync {
    /// What is kept, if it can be read.
    ///
    /// # Errors
    /// When there is something and it can't be used: it is worth a warning.
    fn read(&self) -> Result<Option<Kept>, String>;

    /// Keeps these, in place of others.
    ///
    /// # Errors
    /// When they can't be kept.
    fn write(&self, kept: &Kept) -> Result<(), String>;

    /// Keeps nothing any more.
    fn clear(&self);

    /// Waits for the turn to mint, among processes.
    ///
    /// # Errors
    /// When there is no waiting: going on costs a second mint at worst.
    async fn turn(&self) -> Result<Turn, String>;
}

/// In this process alone.
#[derive(Debug, Default)]
pub struct MemoryShelf(Mutex<Option<Kept>>);

#[async_trait]
impl Shelf for MemoryShelf {
    fn read(&self) -> Result<Option<Kept>, String> {
        Ok(self.0.lock().map_err(|e| e.to_string())?.clone())
    }

    fn write(&self, kept: &Kept) -> Result<(), String> {
        *self.0.lock().map_err(|e| e.to_string())? = Some(kept.clone());
        Ok(())
    }

    fn clear(&self) {
        if let Ok(mut kept) = self.0.lock() {
            *kept = None;
        }
    }

    async fn turn(&self) -> Result<Turn, String> {
        Ok(Turn { _lock: None })
    }
}

/// In a private file: what many runs of a `credential_process` share.
#[derive(Debug)]
pub struct FileShelf {
    file: PathBuf,
    lock: PathBuf,
}

impl FileShelf {
    /// The file of this broker, grant and caller.
    ///
    /// # Errors
    /// When the directory can't be made, or can't be closed to others.
    pub fn open(directory: &Path, broker: &str, grant: GrantId, caller: &str) -> Result<Self, private::PrivateError> {
        private::directory(directory)?;
        let mut key = Sha256::new();
        for part in [broker, &grant.to_string(), caller] {
            key.update(part.len().to_be_bytes());
            key.update(part);
        }
        let name = hex::encode(key.finalize());
        Ok(Self { file: directory.join(format!("{name}.json")), lock: directory.join(format!("{name}.lock")) })
    }
}

#[async_trait]
impl Shelf for FileShelf {
    fn read(&self) -> Result<Option<Kept>, String> {
        let bytes = match private::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let kept = serde_json::from_slice(&bytes);
        // The parser's message could quote the file, and the file is a secret.
        kept.map(Some).map_err(|_| format!("`{}` is not what this version keeps", self.file.display()))
    }

    fn write(&self, kept: &Kept) -> Result<(), String> {
        let bytes = Zeroizing::new(serde_json::to_vec(kept).map_err(|e| e.to_string())?);
        private::replace(&self.file, &bytes).map_err(|e| e.to_string())
    }

    fn clear(&self) {
        // The lock's file stays.
        let _ = fs::remove_file(&self.file);
    }

    async fn turn(&self) -> Result<Turn, String> {
        Ok(Turn { _lock: Some(lock::take(&self.lock, LOCK_WITHIN).await?) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn kept(secret: &str) -> Kept {
        Kept {
            credentials: CredentialsView {
                version: 1,
                access_key_id: "ASIAEXAMPLE".into(),
                secret_access_key: secret.to_owned().into(),
                session_token: "token".to_owned().into(),
                expiration: "2026-03-01T03:10:00Z".parse().unwrap(),
            },
            fence: "2026-03-01T03:10:00Z".parse().unwrap(),
            minted_at: "2026-03-01T02:40:00Z".parse().unwrap(),
        }
    }

    fn id(n: u128) -> GrantId {
        GrantId::new(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn each_broker_grant_and_caller_has_a_file_of_its_own() {
        let home = tempfile::tempdir().unwrap();
        let open = |broker: &str, grant, caller: &str| FileShelf::open(home.path(), broker, id(grant), caller).unwrap();
        let mine = open("https://a/", 1, "alice");
        mine.write(&kept("mine")).unwrap();
        for other in [open("https://b/", 1, "alice"), open("https://a/", 2, "alice"), open("https://a/", 1, "bob")] {
            assert!(other.read().unwrap().is_none());
        }
        let read = open("https://a/", 1, "alice").read().unwrap().unwrap();
        assert_eq!(read.credentials.secret_access_key.expose_secret(), "mine");
        mine.clear();
        assert!(mine.read().unwrap().is_none());
    }

    #[test]
    fn a_file_that_was_opened_to_others_or_spoilt_is_not_used_and_not_quoted() {
        let home = tempfile::tempdir().unwrap();
        let shelf = FileShelf::open(home.path(), "https://a/", id(1), "alice").unwrap();
        shelf.write(&kept("secret")).unwrap();
        fs::set_permissions(&shelf.file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(shelf.read().unwrap_err().contains("chmod 600"));
        private::replace(&shelf.file, b"{\"secret\": 1}").unwrap();
        let error = shelf.read().unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_has_the_turn() {
        let home = tempfile::tempdir().unwrap();
        let open = || FileShelf::open(home.path(), "https://a/", id(1), "alice").unwrap();
        let (one, two) = (open(), open());
        let first = one.turn().await.unwrap();
        assert!(two.turn().await.unwrap_err().contains("another process"), "waits, and not for ever");
        drop(first);
        assert!(two.turn().await.is_ok());
    }
}
