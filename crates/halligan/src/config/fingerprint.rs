//! What the files look like that can be read again while the broker serves.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::check::policy;

/// SHA-256 over the configuration file and the policies that it names: what isn't there,
/// or can't be read, is part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of the configuration at `file`.
    pub fn of(file: &Path) -> Self {
        let mut hash = Sha256::new();
        let text = add(&mut hash, file);
        if let Some(directory) = text.as_deref().and_then(policies) {
            let base = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
            let directory = base.parent().unwrap_or(Path::new("/")).join(directory);
            match policy::files(&directory) {
                Ok(files) => files.iter().for_each(|file| drop(add(&mut hash, file))),
                Err(problem) => hash.update(problem),
            }
        }
        Self(hash.finalize().into())
    }
}

/// Adds a file, each part with its length.
fn add(hash: &mut Sha256, file: &Path) -> Option<String> {
    let read = std::fs::read(file);
    let bytes = read.as_deref().unwrap_or_default();
    for part in [file.as_os_str().as_encoded_bytes(), &[u8::from(read.is_ok())], bytes] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    String::from_utf8(read.ok()?).ok()
}

/// The directory that the file names, whatever else may be wrong with it.
fn policies(text: &str) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    Some(table.get("policy")?.get("directory")?.as_str()?.to_owned())
}
