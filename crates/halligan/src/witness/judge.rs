//! Whether a checkpoint is cosigned: one request of a log at a time, and nothing
//! is told before it is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use halligan_engine::ports::Clock;
use halligan_log::key::Kind;
use halligan_log::witness::{Refusal, Request};
use halligan_log::{SignedCheckpoint, SigningKey, VerifierKey};

use super::state::{State, StateError};

/// Why a witness can't begin with the state that it finds.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It can't be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// It is damaged, or somebody else's. Begun anew it would cosign any tree.
    #[error(
        "what is kept of the log `{origin}` is no checkpoint that this witness cosigned or the log signed ({because}): expected the file as this witness wrote it; look for what changed it before you begin anew with a new key"
    )]
    Foreign {
        /// Which log.
        origin: String,
        /// What is wrong with it.
        because: String,
    },
}

/// Why a request isn't answered with a cosignature.
#[derive(Debug)]
pub enum Unanswered {
    /// It must not be.
    Refused(Refusal),
    /// What would be cosigned can't be kept.
    State(StateError),
}

/// Cosigns for a number of logs.
pub struct Judge {
    key: SigningKey,
    clock: Arc<dyn Clock>,
    state: Box<dyn State>,
    logs: BTreeMap<String, Log>,
}

/// A log that is watched.
struct Log {
    keys: Vec<VerifierKey>,
    /// The newest that was cosigned, as it is kept. Held while a request is decided:
    /// who waits for it sees what the one before did.
    newest: Mutex<Option<SignedCheckpoint>>,
}

impl Judge {
    /// Takes up what was cosigned before.
    ///
    /// # Errors
    /// It can't be read, or it isn't what was left there.
    pub fn open(
        key: SigningKey,
        keys: &[VerifierKey],
        state: impl State + 'static,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let mut by_origin: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        for log in keys {
            by_origin.entry(log.name().to_owned()).or_default().push(log.clone());
        }
        let mut logs = BTreeMap::new();
        for (origin, keys) in by_origin {
            let kept = state.read(&origin)?;
            match &kept {
                None => {
                    tracing::warn!(origin, "nothing has been cosigned of this log: its first checkpoint is believed")
                }
                Some(_) => tracing::info!(origin, "going on from what was cosigned"),
            }
            let newest = kept.map(|bytes| read_kept(&bytes, &origin, &keys, &key)).transpose()?;
            logs.insert(origin, Log { keys, newest: Mutex::new(newest) });
        }
        Ok(Self { key, clock, state: Box::new(state), logs })
    }

    /// Decides on the body of a request, and answers with a signature line. It waits for
    /// the disk, and must not be left half-way.
    ///
    /// # Errors
    /// It isn't cosigned.
    pub fn add_checkpoint(&self, body: &[u8]) -> Result<Vec<u8>, Unanswered> {
        let request = Request::parse(body).map_err(Unanswered::Refused)?;
        let origin = request.origin().to_owned();
        let Some(log) = self.logs.get(&origin) else {
            return Err(Unanswered::Refused(Refusal::UnknownLog(origin)));
        };
        // A request that panicked has told nobody anything: what is kept still holds.
        let mut newest = log.newest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let seen = newest.as_ref().map(SignedCheckpoint::checkpoint);
        let cosignable = request.decide(&log.keys, seen).map_err(|refusal| {
            trace_refusal(&origin, &refusal, newest.as_ref(), body);
            Unanswered::Refused(refusal)
        })?;
        let seconds = u64::try_from(self.clock.now().as_second()).unwrap_or(0);
        let signature = self.key.sign(cosignable.message(seconds).as_bytes());
        let key = self.key.verifier(Kind::Cosigner);
        // The same tree with a new time changes nothing about what may follow it.
        if seen != Some(cosignable.checkpoint()) {
            let note = cosignable.cosigned(&key, seconds, &signature);
            self.state.keep(&origin, &note.to_bytes()).map_err(Unanswered::State)?;
            *newest = Some(note);
        }
        tracing::info!(origin, size = cosignable.checkpoint().size, "cosigned");
        Ok(cosignable.answer(&key, seconds, &signature))
    }
}

/// What was kept, if it is what this witness or one before it left there.
fn read_kept(
    bytes: &[u8],
    origin: &str,
    keys: &[VerifierKey],
    own: &SigningKey,
) -> Result<SignedCheckpoint, OpenError> {
    let foreign = |because: String| OpenError::Foreign { origin: origin.to_owned(), because };
    let note = SignedCheckpoint::parse(bytes).map_err(|error| foreign(error.to_string()))?;
    if note.checkpoint().origin != origin {
        return Err(foreign(format!("it is of the log `{}`", note.checkpoint().origin)));
    }
    // After a change of the witness's key, or of the log's, the other one still vouches for it.
    match (note.cosigned(&own.verifier(Kind::Cosigner)), note.signer(keys)) {
        (Ok(Some(_)), _) | (Ok(None), Ok(_)) => Ok(note),
        (Err(error), _) | (Ok(None), Err(error)) => Err(foreign(error.to_string())),
    }
}

/// A fork is told with both notes: together they prove it to anybody.
fn trace_refusal(origin: &str, refusal: &Refusal, newest: Option<&SignedCheckpoint>, body: &[u8]) {
    if refusal.is_suspicious() {
        let seen = newest.map(|note| String::from_utf8_lossy(&note.to_bytes()).into_owned()).unwrap_or_default();
        let asked = String::from_utf8_lossy(body);
        tracing::error!(origin, %refusal, seen, %asked, "NOT COSIGNED: the log may show different trees to different people");
    } else {
        tracing::warn!(origin, %refusal, "not cosigned");
    }
}
