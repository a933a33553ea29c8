//! What the files look like that can be read again while the broker serves.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::policies::{POLICIES, list};

/// The largest file of a secret, a key or certificates that is looked at.
const NAMED_BYTES_MAX: u64 = 1 << 20;

/// SHA-256 over the configuration file, the policies that it names, and the files of secrets,
/// keys and certificates: what isn't there, or can't be read, is part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of the configuration at `file`.
    pub fn of(file: &Path) -> Self {
        let mut hash = Sha256::new();
        let text = add(&mut hash, file);
        let base = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let base = base.parent().unwrap_or(Path::new("/"));
        let table: toml::Table = text.and_then(|text| text.parse().ok()).unwrap_or_default();
        let mut named = Vec::new();
        // The log's key and places need a restart, and the broker makes some of them itself.
        table.iter().filter(|(name, _)| *name != "log").for_each(|(name, value)| files_of(name, value, &mut named));
        for file in named.into_iter().map(|file| base.join(file)) {
            let looked_at = |about: std::fs::Metadata| about.is_file() && about.len() <= NAMED_BYTES_MAX;
            if std::fs::metadata(&file).is_ok_and(looked_at) {
                add(&mut hash, &file);
            }
        }
        if let Some(directory) = directory_named(&table) {
            let directory = base.join(directory);
            match list(&directory, POLICIES) {
                Ok(files) => files.iter().for_each(|file| drop(add(&mut hash, file))),
                Err(problem) => hash.update(problem.to_string()),
            }
        }
        Self(hash.finalize().into())
    }
}

/// The files that a setting names, as the file has them. A `bearer_file` is read anew each time anyway.
fn files_of<'a>(name: &str, value: &'a toml::Value, found: &mut Vec<&'a str>) {
    match value {
        toml::Value::String(file) if name == "file" || (name.ends_with("_file") && name != "bearer_file") => {
            found.push(file);
        }
        toml::Value::Array(values) => values.iter().for_each(|value| files_of(name, value, found)),
        toml::Value::Table(table) => table.iter().for_each(|(name, value)| files_of(name, value, found)),
        _ => {}
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
fn directory_named(table: &toml::Table) -> Option<&str> {
    table.get("policy")?.get("directory")?.as_str()
}
