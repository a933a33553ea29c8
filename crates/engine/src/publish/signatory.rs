//! Signs checkpoints, and has witnesses cosign them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use halligan_log::key::Kind;
use halligan_log::{Checkpoint, SignedCheckpoint, VerifierKey};
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::ports::{CheckpointSigner, LogReader, SignError, Witness, WitnessError};

/// Once enough have cosigned, the others have so long to be in the checkpoint too.
const GRACE: Duration = Duration::from_millis(500);
/// A witness that doesn't answer must not hold everybody.
const WITNESS_TIMEOUT: Duration = Duration::from_secs(4);

/// The log's key and its witnesses.
pub(super) struct Signatory {
    signer: Arc<dyn CheckpointSigner>,
    witnesses: Vec<Arc<Watching>>,
    /// How many must cosign.
    quorum: usize,
}

/// A witness, and the tree that it last saw, as far as we know.
struct Watching {
    witness: Arc<dyn Witness>,
    seen: Mutex<u64>,
}

/// Why a checkpoint doesn't count.
#[derive(Debug, thiserror::Error)]
pub(super) enum SigningError {
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("the log's key made a signature that it doesn't verify: is it the key that the configuration names?")]
    Useless,
    #[error("{found} of {needed} witnesses have cosigned: {because}")]
    Quorum { found: usize, needed: usize, because: String },
}

/// What came of asking the witnesses.
pub(super) struct Cosigned {
    pub(super) checkpoint: SignedCheckpoint,
    /// Those that answered, by name: what they failed with, if they did.
    pub(super) asked: BTreeMap<String, Option<String>>,
}

impl Signatory {
    pub(super) fn new(signer: Arc<dyn CheckpointSigner>, witnesses: Vec<Arc<dyn Witness>>, quorum: usize) -> Self {
        let watching = |witness| Arc::new(Watching { witness, seen: Mutex::new(0) });
        Self { signer, witnesses: witnesses.into_iter().map(watching).collect(), quorum }
    }

    pub(super) fn key(&self) -> &VerifierKey {
        self.signer.key()
    }

    /// Signs as a log does, and with a time.
    pub(super) async fn sign(&self, checkpoint: Checkpoint, now: Timestamp) -> Result<SignedCheckpoint, SigningError> {
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let (body, timed) = (checkpoint.body(), checkpoint.timed_body(seconds));
        let (signature, cosignature) =
            tokio::try_join!(self.signer.sign(body.as_bytes()), self.signer.sign(timed.as_bytes()))?;
        let key = self.key();
        let mut signed = SignedCheckpoint::unsigned(checkpoint);
        signed.sign(key, signature);
        signed.cosign(key, seconds, &cosignature);
        let verifies = signed.signer(std::slice::from_ref(key)).is_ok() && signed.cosigned(key) == Ok(Some(seconds));
        if verifies { Ok(signed) } else { Err(SigningError::Useless) }
    }

    /// Has the witnesses cosign. `reader` holds the checkpoint's tree.
    pub(super) async fn cosign(
        &self,
        mut signed: SignedCheckpoint,
        reader: Arc<dyn LogReader>,
    ) -> Result<Cosigned, SigningError> {
        let mut asked = BTreeMap::new();
        let mut asking: FuturesUnordered<_> =
            self.witnesses.iter().map(|w| w.clone().spawn(&signed, &reader)).collect();
        let mut found = 0;
        loop {
            let next = asking.next();
            let next = match found >= self.quorum {
                true => tokio::time::timeout(GRACE, next).await.unwrap_or(None),
                false => next.await,
            };
            let Some(Ok((key, answer))) = next else { break };
            let added =
                answer.and_then(|lines| signed.add_cosignature(&lines, &key).map_err(|error| error.to_string()));
            found += usize::from(added.is_ok());
            asked.insert(key.name().to_owned(), added.err());
        }
        if found < self.quorum {
            let said = asked.iter().filter_map(|(name, failure)| Some(format!("{name}: {}", failure.as_ref()?)));
            let because = said.collect::<Vec<_>>().join("; ");
            return Err(SigningError::Quorum { found, needed: self.quorum, because });
        }
        Ok(Cosigned { checkpoint: signed, asked })
    }
}

/// A witness's key, and its answer.
type Answer = (VerifierKey, Result<Vec<u8>, String>);

impl Watching {
    /// Asks in a task of its own: a witness that nobody waits for any more catches up all the same.
    fn spawn(self: Arc<Self>, signed: &SignedCheckpoint, reader: &Arc<dyn LogReader>) -> JoinHandle<Answer> {
        let (signed, reader) = (signed.clone(), Arc::clone(reader));
        tokio::spawn(async move {
            let answer = tokio::time::timeout(WITNESS_TIMEOUT, self.ask(&signed, reader.as_ref())).await;
            (self.witness.key().clone(), answer.unwrap_or_else(|_| Err("no answer in time".to_owned())))
        })
    }

    /// The witness's answer; nothing in it is believed yet.
    async fn ask(&self, signed: &SignedCheckpoint, reader: &dyn LogReader) -> Result<Vec<u8>, String> {
        let mut seen = self.seen.lock().await;
        let size = signed.checkpoint().size;
        // It may have seen more than we remember: it says so, once.
        for _ in 0..2 {
            let proof = super::proof::consistency(reader, *seen, signed.checkpoint()).await?;
            match self.witness.add_checkpoint(*seen, &proof, &signed.to_bytes()).await {
                Ok(lines) => {
                    *seen = size;
                    return Ok(lines);
                }
                Err(WitnessError::OtherSize { size: other }) if other <= size => *seen = other,
                Err(WitnessError::OtherSize { size: other }) => {
                    return Err(format!(
                        "it has seen a tree of {other} entries, and this one has {size}: the store or the archive is older than what it was shown"
                    ));
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("it changes its mind about what it has seen".to_owned())
    }
}

/// When the log itself signed it, as one of its `keys` says.
pub(super) fn signed_at(signed: &SignedCheckpoint, keys: &[VerifierKey]) -> Option<Timestamp> {
    let times = keys.iter().filter_map(|key| signed.cosigned(&key.of_kind(Kind::Cosigner)).ok().flatten());
    times.max().and_then(|seconds| Timestamp::from_second(i64::try_from(seconds).ok()?).ok())
}
