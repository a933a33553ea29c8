//! The witness's side.

use tlog_tiles::{EMPTY_HASH, Hash, check_tree};

use crate::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use crate::key::VerifierKey;

/// The content type of an answer that names the size to prove from.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

const PROOF_LINES_MAX: usize = 63;
const SIZE_MAX: u64 = crate::proof::SIZE_MAX;

/// A request to cosign a checkpoint. Nothing in it is believed yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    old: u64,
    proof: Vec<Hash>,
    note: SignedCheckpoint,
}

/// A checkpoint that a witness may cosign, once it has kept it as the newest it has seen:
/// made by [`Request::decide`] alone.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Cosignable {
    note: SignedCheckpoint,
}

/// Why a witness doesn't cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a request, or one from a larger tree to a smaller.
    #[error("the request can't be read: {0}")]
    Malformed(&'static str),
    /// None of the log's keys signed it.
    #[error("{0}")]
    Unsigned(CheckpointError),
    /// A log that isn't known here.
    #[error("the log `{0}` is not known here")]
    UnknownLog(String),
    /// The newest that was cosigned has another size than the request starts from.
    #[error("the newest checkpoint seen has size {size}")]
    OtherSize {
        /// Which.
        size: u64,
    },
    /// Another tree of the same size was cosigned.
    #[error("another tree of size {size} was seen: the log has forked")]
    OtherRoot {
        /// The size.
        size: u64,
    },
    /// The proof doesn't show that the tree extends what was cosigned.
    #[error("the proof doesn't show that the tree extends the one of size {old}")]
    Inconsistent {
        /// What was cosigned.
        old: u64,
    },
}

impl Refusal {
    /// The HTTP status to answer with.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Unsigned(_) => 403,
            Self::UnknownLog(_) => 404,
            Self::OtherSize { .. } | Self::OtherRoot { .. } => 409,
            Self::Inconsistent { .. } => 422,
        }
    }

    /// Whether it may be proof that the log shows different trees to different people.
    #[must_use]
    pub const fn is_suspicious(&self) -> bool {
        matches!(self, Self::OtherRoot { .. } | Self::Inconsistent { .. })
    }

    /// The body to answer with.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::OtherSize { size } | Self::OtherRoot { size } => format!("{size}\n"),
            other => format!("{other}\n"),
        }
    }

    /// The content type of the body.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        match self {
            Self::OtherSize { .. } | Self::OtherRoot { .. } => SIZE_TYPE,
            _ => "text/plain; charset=utf-8",
        }
    }
}

impl Request {
    /// A request to cosign `note`, with the proof that its tree extends the one of size `old`.
    #[must_use]
    pub const fn new(old: u64, proof: Vec<Hash>, note: SignedCheckpoint) -> Self {
        Self { old, proof, note }
    }

    /// The body of the request.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("old {}\n", self.old);
        for hash in &self.proof {
            text.push_str(&format!("{hash}\n"));
        }
        text.push('\n');
        let mut bytes = text.into_bytes();
        bytes.extend(self.note.to_bytes());
        bytes
    }

    /// Reads the body of a request.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Malformed("it is not UTF-8"))?;
        let (first, mut rest) = text.split_once('\n').ok_or(Refusal::Malformed("it ends in its first line"))?;
        let old = first.strip_prefix("old ").and_then(decimal);
        let old = old.ok_or(Refusal::Malformed("its first line is not `old` and a size"))?;
        let mut proof = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n').ok_or(Refusal::Malformed("it ends before the checkpoint"))?;
            rest = after;
            if line.is_empty() {
                break;
            }
            if proof.len() == PROOF_LINES_MAX {
                return Err(Refusal::Malformed("its proof has more than 63 lines"));
            }
            proof.push(Hash::parse_hash(line).map_err(|_| Refusal::Malformed("its proof has a line that is no hash"))?);
        }
        let note = SignedCheckpoint::parse(rest.as_bytes()).map_err(|_| Refusal::Malformed("it has no checkpoint"))?;
        Ok(Self { old, proof, note })
    }

    /// Which log it says it is of: to look its keys and its newest checkpoint up.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.note.checkpoint().origin
    }

    /// Decides. `keys` are those of the log [`Request::origin`], empty if it isn't known; `seen` is the newest
    /// checkpoint of it that was cosigned here.
    ///
    /// Between reading `seen` and keeping [`Cosignable::checkpoint`] in its place no other
    /// request for the same log may be decided.
    ///
    /// # Errors
    /// It must not be cosigned.
    pub fn decide(self, keys: &[VerifierKey], seen: Option<&Checkpoint>) -> Result<Cosignable, Refusal> {
        if keys.is_empty() {
            return Err(Refusal::UnknownLog(self.origin().to_owned()));
        }
        self.note.signer(keys).map_err(Refusal::Unsigned)?;
        let new = self.note.checkpoint();
        if seen.is_some_and(|seen| seen.origin != new.origin) {
            return Err(Refusal::UnknownLog(new.origin.clone()));
        }
        if new.size >= SIZE_MAX {
            return Err(Refusal::Malformed("its tree is larger than any can be"));
        }
        if self.old > new.size {
            return Err(Refusal::Malformed("its old size is larger than the checkpoint's"));
        }
        let (size, root) = seen.map_or((0, EMPTY_HASH), |seen| (seen.size, seen.root));
        if self.old != size {
            return Err(Refusal::OtherSize { size });
        }
        if new.size == size && new.root != root {
            return Err(Refusal::OtherRoot { size });
        }
        let extends = match size {
            0 => self.proof.is_empty(),
            _ => check_tree(&self.proof, new.size, new.root, size, root).is_ok(),
        };
        if extends { Ok(Cosignable { note: self.note }) } else { Err(Refusal::Inconsistent { old: size }) }
    }
}

impl Cosignable {
    /// What has to be kept, durably, before it is cosigned.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        self.note.checkpoint()
    }

    /// The text to sign at a time, in seconds since 1970.
    #[must_use]
    pub fn message(&self, seconds: u64) -> String {
        self.checkpoint().timed_body(seconds)
    }

    /// The answer's body: the signature line of `key`, whose `signature` is over [`Cosignable::message`].
    #[must_use]
    pub fn answer(&self, key: &VerifierKey, seconds: u64, signature: &[u8]) -> Vec<u8> {
        let mut only = SignedCheckpoint::unsigned(self.checkpoint().clone());
        only.cosign(key, seconds, signature);
        let body = self.checkpoint().body().len() + 1;
        only.to_bytes().split_off(body)
    }

    /// The note with the cosignature: what a witness keeps.
    #[must_use]
    pub fn cosigned(&self, key: &VerifierKey, seconds: u64, signature: &[u8]) -> SignedCheckpoint {
        let mut note = self.note.clone();
        note.cosign(key, seconds, signature);
        note
    }
}

/// A number without a sign or leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
