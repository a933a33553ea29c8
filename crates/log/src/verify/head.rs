//! Whether a checkpoint counts.

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::key::VerifierKey;
use crate::object::Object;
use crate::successor::Successor;

use super::finding::{Finding, Flaw};

/// Whose signatures count.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The log's keys: the one that signs and those that signed before.
    pub keys: Vec<VerifierKey>,
    /// Its witnesses.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them must have cosigned.
    pub quorum: usize,
}

/// A checkpoint that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The tree.
    pub checkpoint: Checkpoint,
    /// Which of the log's keys signed it.
    pub key: VerifierKey,
    /// When the log signed it, in seconds since 1970.
    pub signed_at: u64,
    /// Which witnesses cosigned it, and when.
    pub witnessed: Vec<(VerifierKey, u64)>,
}

/// Whether a checkpoint counts: the log signed it, also with a time, and enough
/// witnesses cosigned. Signatures of strangers are passed over.
///
/// # Errors
/// It doesn't. A bad signature in a known name is refused even where enough others are good.
pub fn head(note: &[u8], trust: &Trust) -> Result<Head, Finding> {
    weigh(note, trust).map_err(|flaw| Finding { index: None, object: Object::Checkpoint, flaw, more: 0 })
}

fn weigh(note: &[u8], trust: &Trust) -> Result<Head, Flaw> {
    let signed = SignedCheckpoint::parse(note)?;
    let key = signed.signer(&trust.keys)?.clone();
    let signed_at = signed.cosigned(&key)?.ok_or(Flaw::Untimed)?;
    let mut witnessed: Vec<(VerifierKey, u64)> = Vec::new();
    for witness in &trust.witnesses {
        let counted = witnessed.iter().any(|(known, _)| known == witness);
        if let Some(seconds) = signed.cosigned(witness)?
            && !counted
        {
            witnessed.push((witness.clone(), seconds));
        }
    }
    if witnessed.len() < trust.quorum {
        return Err(Flaw::Quorum { found: witnessed.len(), expected: trust.quorum });
    }
    Ok(Head { checkpoint: signed.checkpoint().clone(), key, signed_at, witnessed })
}

/// What `successor/<size>` says about a checkpoint of that size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Succession {
    /// Nothing was begun after it: it is the newest.
    Newest,
    /// A larger tree was begun. Its checkpoint is about to be signed; or this one
    /// is older than what the archive has been shown.
    Begun(Successor),
    /// What stands there is no tree that could follow.
    Malformed,
}

/// Whether an archive began a tree after `checkpoint`, out of what it holds as
/// [`Object::Successor`] of that size: the last attempt there is.
#[must_use]
pub fn succession(checkpoint: &Checkpoint, successor: Option<&[u8]>) -> Succession {
    match successor.map(Successor::parse) {
        None => Succession::Newest,
        Some(Some(next)) if next.size > checkpoint.size => Succession::Begun(next),
        Some(_) => Succession::Malformed,
    }
}
