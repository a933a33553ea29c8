//! `log prove`.

use std::collections::HashMap;

use halligan_core::entry::Links;
use halligan_core::id::GrantId;
use halligan_log::object::FULL;
use halligan_log::proof::{FileError, Inclusion, ProofError, ProofFile};
use halligan_log::verify::{Entry, Head, Personal, Trust};
use halligan_log::{Leaf, Object, Span};
use serde::Deserialize;

use super::finding::{Finding, Findings};
use super::reading::{AuditError, Progress, read, walk};
use super::verify::trusted;
use crate::ports::LogReader;

const HASH_BYTES: usize = 32;

/// A proof that a log has the entries of a grant.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The file, checked with the log's public key alone.
    pub bytes: Vec<u8>,
    /// In which tree.
    pub head: Head,
    /// How many entries it proves.
    pub entries: u64,
    /// What of the rest of the log is wrong. The proof stands all the same, and there may be more entries.
    pub findings: Vec<Finding>,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The log could not be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Its checkpoint doesn't count.
    #[error("{0}")]
    Checkpoint(Finding),
    /// Nothing in it is about the grant.
    #[error("none of the log's {size} entries is about the grant {grant}")]
    Unknown {
        /// Which.
        grant: GrantId,
        /// How many there are.
        size: u64,
    },
    /// The tiles make no proof.
    #[error(transparent)]
    Tiles(#[from] ProofError),
    /// The entries make no file.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Finds every entry about `grant`, and proves that they are in the log.
///
/// # Errors
/// There are none, or the log could not be read, or doesn't prove them.
pub async fn prove(
    reader: &dyn LogReader,
    trust: &Trust,
    grant: GrantId,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Proof, ProveError> {
    let mut findings = Findings::default();
    let (head, note) = trusted(reader, trust).await?.map_err(ProveError::Checkpoint)?;
    let checkpoint = head.checkpoint.clone();
    let (size, root) = (checkpoint.size, checkpoint.root);
    let sought = Sought::new(grant);
    let mut leaves = Vec::new();
    walk(reader, checkpoint, &mut findings, |verified, _| {
        let mut entries = 0;
        for entry in verified.entries() {
            entries = entry.index.saturating_add(1);
            if sought.is_in(&entry) {
                leaves.push((entry.index, leaf(&entry)));
            }
        }
        progress(Progress { entries, size });
    })
    .await?;
    if leaves.is_empty() {
        return Err(ProveError::Unknown { grant, size });
    }

    let mut file = ProofFile::new(note);
    let mut tiles: HashMap<Object, Vec<u8>> = HashMap::new();
    let entries = u64::try_from(leaves.len()).unwrap_or(u64::MAX);
    for (index, leaf) in leaves {
        let inclusion = Inclusion::plan(index, size, size)?;
        for object in inclusion.objects() {
            if !tiles.contains_key(&object)
                && let Some(bytes) = tile(reader, object).await?
            {
                tiles.insert(object, bytes);
            }
        }
        let path = inclusion.prove(root, |object| tiles.get(&object).cloned())?;
        file.add(index, &leaf.entry, leaf.personal.as_deref(), &path)?;
    }
    Ok(Proof { bytes: file.to_bytes(), head, entries, findings: findings.into_kept() })
}

/// A tile; a partial one that is no longer kept is the beginning of the full one.
async fn tile(reader: &dyn LogReader, object: Object) -> Result<Option<Vec<u8>>, AuditError> {
    if let Some(stored) = read(reader, object).await? {
        return Ok(Some(stored.bytes));
    }
    let Object::Hashes { level, span } = object else { return Ok(None) };
    if span.width >= FULL {
        return Ok(None);
    }
    let full = read(reader, Object::Hashes { level, span: Span::full(span.n) }).await?;
    Ok(full.map(|mut stored| {
        stored.bytes.truncate(usize::from(span.width) * HASH_BYTES);
        stored.bytes
    }))
}

/// Tells the entries of a grant from all others.
struct Sought {
    grant: GrantId,
    /// How an entry that links it can be told at a glance from nearly all that don't.
    text: String,
}

#[derive(Deserialize)]
struct Linked {
    #[serde(default)]
    links: Links,
}

impl Sought {
    fn new(grant: GrantId) -> Self {
        Self { grant, text: grant.to_string() }
    }

    fn is_in(&self, entry: &Entry<'_>) -> bool {
        let text = std::str::from_utf8(entry.bytes).unwrap_or_default();
        text.contains(&self.text)
            && serde_json::from_str::<Linked>(text).is_ok_and(|linked| linked.links.grant == Some(self.grant))
    }
}

fn leaf(entry: &Entry<'_>) -> Leaf {
    let personal = match entry.personal {
        Personal::Kept(part) => Some(part.to_vec()),
        Personal::None | Personal::Erased => None,
    };
    Leaf { entry: entry.bytes.to_vec(), personal }
}
