//! The log's keys, and the archive as an auditor reads it: with a role that can
//! only read, from AWS and not from the broker.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use halligan_aws::provision::{Accounts, LOGGING_ACCOUNT_ID};
use halligan_aws::{AssumedRole, Aws, ReaderSettings, S3Reader, Settings};
use halligan_core::catalogue::RoleArn;
use halligan_engine::ports::LogReader as _;
use halligan_log::key::Kind;
use halligan_log::{Object, Span};
use secrecy::SecretString;
use serde_json::Value;

use super::files::{DEPLOYMENT, REGION};
use crate::client::machine::{MachineClock, MachineEntropy};
use crate::client::private;
use crate::log_key;

/// The log's name.
pub const ORIGIN: &str = "halligan.example.com/demo";
/// The witness's name.
const WITNESS: &str = "witness.example.com/demo";
const LOG_KEY: &str = "log.key";
const WITNESS_KEY: &str = "witness.key";
/// Entries in a full bundle, and hashes in a full tile.
const FULL: u64 = 256;

/// The keys of the log and of its witness.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The log's public key.
    pub log: String,
    /// The witness's public key.
    pub witness: String,
    log_file: PathBuf,
    witness_file: PathBuf,
}

impl Keys {
    /// Makes both in `directory`.
    pub fn make(directory: &Path) -> anyhow::Result<Self> {
        let (log_file, witness_file) = (directory.join(LOG_KEY), directory.join(WITNESS_KEY));
        let log = log_key::make(&log_file, ORIGIN, &MachineEntropy)?.verifier(Kind::Log).to_string();
        let witness = log_key::make(&witness_file, WITNESS, &MachineEntropy)?.verifier(Kind::Cosigner).to_string();
        Ok(Self { log, witness, log_file, witness_file })
    }

    /// Where the log's private key is.
    pub fn log_file(&self) -> &Path {
        &self.log_file
    }

    /// Where the witness's private key is.
    pub fn witness_file(&self) -> &Path {
        &self.witness_file
    }

    /// What makes the private keys private.
    pub fn secrets(&self) -> anyhow::Result<Vec<SecretString>> {
        let secret = |file: &Path| -> anyhow::Result<SecretString> {
            let text = private::read(file)?;
            let text = std::str::from_utf8(&text).context("a key file is no text")?;
            // PRIVATE+KEY+name+id+base64, of which base64 may have a `+` too.
            Ok(text.trim_end().splitn(5, '+').last().unwrap_or_default().into())
        };
        Ok(vec![secret(&self.log_file)?, secret(&self.witness_file)?])
    }
}

/// The log in the logging account.
pub struct Archive {
    reader: S3Reader,
}

/// What a checkpoint says, signatures apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// How many entries.
    pub size: u64,
    /// The root over them, in base64.
    pub root: String,
}

/// An entry with its bytes.
#[derive(Debug, Clone)]
pub struct Entry {
    /// As they were first written.
    pub bytes: Vec<u8>,
    /// As JSON.
    pub json: Value,
}

impl Archive {
    /// As the reader's role, which the broker's role may assume.
    pub async fn connect(accounts: &Accounts, endpoint: &str) -> anyhow::Result<Self> {
        let settings = Settings {
            endpoint_url: Some(endpoint.to_owned()),
            credentials: Some(accounts.become_broker().await.context("nobody may read the archive")?),
            ..Settings::in_region(REGION)
        };
        let role = AssumedRole {
            arn: RoleArn::try_from(accounts.log_reader.clone())?,
            external_id: accounts.external_id.clone(),
        };
        let settings_of_reader = ReaderSettings {
            name: accounts.archive.clone(),
            bucket: accounts.archive.clone(),
            personal_bucket: Some(accounts.personal_archive.clone()),
            region: REGION.to_owned(),
            account: Some(LOGGING_ACCOUNT_ID.to_owned()),
            role: Some(role),
        };
        let aws = Aws::connect(&settings, Arc::new(MachineClock)).await;
        Ok(Self { reader: aws.log_reader(&DEPLOYMENT.parse()?, settings_of_reader) })
    }

    /// The newest checkpoint.
    pub async fn head(&self) -> anyhow::Result<Head> {
        head(&self.bytes(Object::Checkpoint).await?.context("the archive has no checkpoint")?)
    }

    /// Every entry that the newest checkpoint covers.
    pub async fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        let size = self.head().await?.size;
        let mut entries = Vec::new();
        for span in spans(size) {
            let bundle = self.bytes(Object::Entries(span)).await?;
            let bundle = bundle.with_context(|| format!("the archive lacks `{}`", Object::Entries(span)))?;
            for bytes in texts(&bundle)? {
                let json = serde_json::from_slice(bytes).context("an entry is no JSON")?;
                entries.push(Entry { bytes: bytes.to_vec(), json });
            }
        }
        if u64::try_from(entries.len()).ok() != Some(size) {
            bail!("the checkpoint covers {size} entries, the archive has {}", entries.len());
        }
        Ok(entries)
    }

    /// Downloads what the newest checkpoint covers into `directory`, key by key.
    pub async fn copy(&self, directory: &Path) -> anyhow::Result<Head> {
        let checkpoint = self.bytes(Object::Checkpoint).await?.context("the archive has no checkpoint")?;
        let head = head(&checkpoint)?;
        write(directory, Object::Checkpoint, &checkpoint)?;
        for object in objects(head.size) {
            // Nobody has a personal part in some bundles.
            if let Some(bytes) = self.bytes(object).await? {
                write(directory, object, &bytes)?;
            }
        }
        Ok(head)
    }

    async fn bytes(&self, object: Object) -> anyhow::Result<Option<Vec<u8>>> {
        let stored = self.reader.read(object).await;
        let stored = stored.with_context(|| format!("can't read `{object}` in the archive"))?;
        Ok(stored.map(|stored| stored.bytes))
    }
}

/// Where the bundle of the entry `index` of a log of `size` entries is, and which of its texts it is.
pub fn place_of(index: u64, size: u64) -> (Object, usize) {
    let n = index / FULL;
    let width = u16::try_from((size - n * FULL).min(FULL)).unwrap_or(u16::MAX);
    (Object::Entries(Span { n, width }), usize::try_from(index % FULL).unwrap_or(usize::MAX))
}

fn write(directory: &Path, object: Object, bytes: &[u8]) -> anyhow::Result<()> {
    let path = directory.join(object.to_string());
    let parent = path.parent().unwrap_or(directory);
    fs::create_dir_all(parent).with_context(|| format!("can't make `{}`", parent.display()))?;
    private::write_new(&path, bytes)?;
    Ok(())
}

/// The second and third line of a note.
fn head(note: &[u8]) -> anyhow::Result<Head> {
    let text = std::str::from_utf8(note).context("the checkpoint is no text")?;
    let mut lines = text.lines().skip(1);
    let (size, root) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    Ok(Head { size: size.parse().context("the checkpoint has no size")?, root: root.to_owned() })
}

/// Runs of at most 256.
fn spans(count: u64) -> impl Iterator<Item = Span> {
    (0..count / FULL).map(Span::full).chain(Span::partial(count))
}

/// Every object below a checkpoint over `size` entries.
fn objects(size: u64) -> Vec<Object> {
    let mut objects: Vec<Object> =
        spans(size).flat_map(|span| [Object::Entries(span), Object::Personal(span)]).collect();
    let mut count = size;
    for level in 0..8 {
        objects.extend(spans(count).map(|span| Object::Hashes { level, span }));
        count /= FULL;
    }
    objects
}

/// Each text of a bundle, after its length in two bytes.
pub fn texts(mut bundle: &[u8]) -> anyhow::Result<Vec<&[u8]>> {
    let mut texts = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (text, rest) = rest.split_at_checked(length).context("a bundle ends inside of an entry")?;
        texts.push(text);
        bundle = rest;
    }
    if bundle.is_empty() { Ok(texts) } else { bail!("a bundle ends inside of a length") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_checkpoint_and_a_bundle_are_read() {
        let note = b"halligan.example.com/demo\n57\nqqqq\n\n\xe2\x80\x94 halligan.example.com/demo AAAA\n";
        assert_eq!(head(note).unwrap(), Head { size: 57, root: "qqqq".to_owned() });
        assert!(head(b"halligan.example.com/demo\n").is_err());
        assert_eq!(texts(b"\0\x01a\0\0\0\x02bc").unwrap(), [&b"a"[..], b"", b"bc"]);
        assert!(texts(b"\0\x02a").is_err() && texts(b"\0\x01a\0").is_err());
    }

    #[test]
    fn what_lies_below_a_checkpoint_is_known_from_its_size() {
        let keys = |size| objects(size).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(keys(3), ["tile/entries/000.p/3", "personal/000.p/3", "tile/0/000.p/3"]);
        assert_eq!(keys(257).len(), 2 * 3 + 1);
        assert!(keys(257).contains(&"tile/1/000.p/1".to_owned()));
        assert_eq!(place_of(2, 3).0.to_string(), "tile/entries/000.p/3");
        assert_eq!((place_of(256, 300).0.to_string(), place_of(256, 300).1), ("tile/entries/001.p/44".into(), 0));
        assert_eq!(place_of(5, 300), (Object::Entries(Span::full(0)), 5));
    }

    #[test]
    fn a_private_key_is_known_when_it_is_seen() {
        use secrecy::ExposeSecret as _;
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::make(directory.path()).unwrap();
        for (file, secret) in [keys.log_file(), keys.witness_file()].into_iter().zip(keys.secrets().unwrap()) {
            let text = fs::read_to_string(file).unwrap();
            assert!(text.trim_end().ends_with(secret.expose_secret()) && secret.expose_secret().len() > 40);
        }
        assert!(keys.log.starts_with(ORIGIN) && keys.witness.starts_with(WITNESS));
    }
}
