//! Who signs the log's heads, and who watches that they agree.

use async_trait::async_trait;
use halligan_log::{Hash, VerifierKey};

/// The log's private key, wherever it is kept.
#[async_trait]
pub trait CheckpointSigner: Send + Sync {
    /// Its public half, as a log's; the name is the log's origin.
    fn key(&self) -> &VerifierKey;

    /// An Ed25519 signature over exactly `message`.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[error("the log's key can't sign: {0}")]
pub struct SignError(pub String);

/// Somebody apart from us who cosigns heads that extend what they had seen
/// ([C2SP tlog-witness](https://c2sp.org/tlog-witness)).
#[async_trait]
pub trait Witness: Send + Sync {
    /// Its public key.
    fn key(&self) -> &VerifierKey;

    /// Hands over a checkpoint with the proof that it extends the tree of
    /// `old_size`; answers with signature lines. The caller checks them.
    async fn add_checkpoint(&self, old_size: u64, proof: &[Hash], note: &[u8]) -> Result<Vec<u8>, WitnessError>;
}

/// Why a witness didn't cosign.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// It last saw a tree of this size: prove from there.
    #[error("the witness has last seen a tree of size {size}")]
    OtherSize {
        /// Which.
        size: u64,
    },
    /// It can't be reached; the same call can be made again.
    #[error("{0}")]
    Unavailable(String),
    /// It won't: the log's key is unknown to it, or the checkpoint contradicts what it has seen.
    #[error("{0}")]
    Refused(String),
}
