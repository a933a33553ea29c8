//! Takes entries from the store's order into the log: grows the tree, has the
//! archives hold it, signs it, and tells who waits that it is durable.
//!
//! One publisher at a time, by a lease. That alone would not do: a store may be
//! restored, a lease may be lost unnoticed. So the archives are read before they
//! are written to, each tree names its follower once before the follower is
//! signed, and nothing is signed that enough archives don't hold.

mod health;
mod import;
mod overrides;
mod place;
mod proof;
mod recover;
mod round;
mod signatory;
mod sync;

use std::sync::{Arc, PoisonError};

use halligan_core::id::DeploymentId;
use halligan_log::{Edge, SignedCheckpoint, VerifierKey};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, Notify, watch};

use crate::ports::{
    Archive, CheckpointSigner, Clock, Cursors, Facts, Lease, Leases, LogRestore, LogStore, Passkeys, SignError,
    StoreError, Witness,
};
use crate::recorder::Recorder;

pub use health::{Health, PlaceHealth};
pub use overrides::{Override, OverrideRules, Overrides};
pub use recover::{Beside, Examination, Recovery, Relation};

use place::Place;
use signatory::{Signatory, SigningError};

/// How many entries a tree grows by at once, and are read at once.
const PAGE: u32 = 1_024;
/// Longer than a round takes: every call to an archive has an end of its own.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
const LEASE_NAME: &str = "log-publisher";
/// Between two looks at what another replica publishes.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(20);

/// What publishing needs.
#[derive(Clone)]
#[expect(missing_docs, reason = "each port is documented where it is defined")]
pub struct PublishPorts {
    pub log: Arc<dyn LogStore>,
    pub restore: Arc<dyn LogRestore>,
    pub leases: Arc<dyn Leases>,
    pub facts: Arc<dyn Facts>,
    pub cursors: Arc<dyn Cursors>,
    pub passkeys: Arc<dyn Passkeys>,
    pub archives: Vec<Arc<dyn Archive>>,
    pub signer: Arc<dyn CheckpointSigner>,
    pub witnesses: Vec<Arc<dyn Witness>>,
}

/// What the configuration says about publishing.
#[derive(Debug, Clone)]
pub struct PublishSettings {
    /// Whose grants they are.
    pub deployment: DeploymentId,
    /// This process, among those that share the store.
    pub replica: String,
    /// Whether there may be others.
    pub shared: bool,
    /// How many archives must confirm.
    pub confirmations: usize,
    /// How many witnesses must cosign.
    pub cosignatures: usize,
    /// A checkpoint is signed at least so often.
    pub heartbeat: SignedDuration,
    /// Keys that signed this log before.
    pub former: Vec<VerifierKey>,
    /// The way round when no archive can be reached.
    pub overrides: OverrideRules,
}

/// Why entries could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Too few archives took them; they may do so later.
    #[error("{confirmed} of {needed} archives have confirmed: {because}")]
    Unconfirmed {
        /// How many did.
        confirmed: usize,
        /// How many must.
        needed: usize,
        /// What the others said.
        because: String,
    },
    /// The log and the store contradict each other. A retry can't help.
    #[error("the log and the store have gone different ways: {0}")]
    Fork(String),
    /// The log's entries tell of lives that no grant can have. A retry can't help.
    #[error("the log can't be read back: {0}")]
    Unreadable(String),
    /// Nothing was signed, or not by enough.
    #[error("{0}")]
    Unsigned(String),
    /// Another replica publishes.
    #[error("another replica publishes")]
    Elsewhere,
    /// The store didn't answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PublishError {
    /// Whether somebody has to look at it before it can go on.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Fork(_) | Self::Unreadable(_))
    }
}

impl From<SigningError> for PublishError {
    fn from(error: SigningError) -> Self {
        Self::Unsigned(error.to_string())
    }
}

impl From<SignError> for PublishError {
    fn from(error: SignError) -> Self {
        Self::Unsigned(error.to_string())
    }
}

/// Publishes entries. Clones are the same publisher.
#[derive(Clone)]
pub struct Publisher(Arc<Inner>);

struct Inner {
    settings: PublishSettings,
    clock: Arc<dyn Clock>,
    log: Arc<dyn LogStore>,
    restore: Arc<dyn LogRestore>,
    passkeys: Arc<dyn Passkeys>,
    leases: Arc<dyn Leases>,
    places: Vec<Arc<Place>>,
    signatory: Signatory,
    /// The keys whose checkpoints are this log's.
    keys: Arc<[VerifierKey]>,
    recorder: Arc<Recorder>,
    health: Arc<Health>,
    turn: Mutex<Turn>,
    durable: watch::Sender<u64>,
    /// Who forwards what was published.
    followers: std::sync::Mutex<Vec<Arc<Notify>>>,
    failure: watch::Sender<Option<String>>,
    synced: watch::Sender<bool>,
    epoch: watch::Sender<u64>,
    doubt: watch::Sender<Doubt>,
}

/// What archives that nobody waited for have come to, and everybody must know.
#[derive(Debug, Clone, Default)]
struct Doubt {
    /// Where the log has gone two ways. Until this process ends.
    forked: Option<String>,
    /// An archive holds more than the store: all are to be read again.
    ahead: bool,
}

/// What only the one whose turn it is knows.
#[derive(Default)]
struct Turn {
    lease: Option<Lease>,
    /// The tree that is durable; none where the archives must be read first.
    trunk: Option<Edge>,
    /// What was signed last.
    signed: Option<(Arc<SignedCheckpoint>, Timestamp)>,
}

impl Publisher {
    /// A publisher of this store's entries.
    pub fn new(ports: PublishPorts, settings: PublishSettings, clock: Arc<dyn Clock>, recorder: Arc<Recorder>) -> Self {
        let PublishPorts { log, restore, passkeys, leases, archives, signer, witnesses, .. } = ports;
        let keys: Vec<VerifierKey> = std::iter::once(signer.key().clone()).chain(settings.former.clone()).collect();
        let health = Arc::new(Health::new(recorder.clone()));
        Self(Arc::new(Inner {
            signatory: Signatory::new(signer, witnesses, settings.cosignatures),
            settings,
            clock,
            log,
            restore,
            passkeys,
            leases,
            places: archives.into_iter().map(|archive| Arc::new(Place::new(archive))).collect(),
            keys: keys.into(),
            recorder,
            health,
            turn: Mutex::default(),
            durable: watch::Sender::new(0),
            followers: std::sync::Mutex::default(),
            failure: watch::Sender::new(None),
            synced: watch::Sender::new(false),
            epoch: watch::Sender::new(0),
            doubt: watch::Sender::default(),
        }))
    }

    /// Publishes what waits; returns up to which position all is durable. Goes on
    /// to the end of its round even if nobody waits for it any more.
    ///
    /// # Errors
    /// What waits goes on waiting.
    pub async fn publish(&self) -> Result<u64, PublishError> {
        let this = self.clone();
        let round = tokio::spawn(async move { this.0.take_turn().await });
        round.await.unwrap_or_else(|error| Err(PublishError::Unsigned(format!("publishing was cut short: {error}"))))
    }

    /// Publishes until `position` is durable.
    ///
    /// `epoch` is the one ([`Publisher::epoch`]) that the entry was committed in: after
    /// it, what stands at the position may be another entry.
    ///
    /// # Errors
    /// A text for people: why it is not.
    pub async fn make_durable(&self, position: u64, epoch: u64, within: SignedDuration) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + within.unsigned_abs();
        let mut last = "the archives did not confirm in time".to_owned();
        let mut durable = self.0.durable.subscribe();
        loop {
            // Whoever publishes it: what the store has to note about it keeps nobody waiting.
            let publishing = async {
                tokio::select! {
                    biased;
                    _ = durable.wait_for(|durable| *durable >= position) => Ok(position),
                    published = self.publish() => published,
                }
            };
            match tokio::time::timeout_at(deadline, publishing).await {
                // What this process remembers is a hint: a store may have stepped back under it.
                Ok(Ok(durable)) if durable >= position => match self.0.stands(position, epoch).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => self.0.distrust(),
                    Err(error) => last = error.to_string(),
                },
                Ok(Ok(_) | Err(PublishError::Elsewhere)) => {}
                Ok(Err(error)) if error.is_final() => return Err(error.to_string()),
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => return Err(last),
            }
            if self.epoch() != epoch {
                return Err("the store was older than the log, and has learnt what it lacked: ask again".to_owned());
            }
            if tokio::time::timeout_at(deadline, tokio::time::sleep(LOOK_AGAIN)).await.is_err() {
                return Err(last);
            }
        }
    }

    /// Counts the times that the store was brought up to date with the log: entries
    /// that waited then have other positions since.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        *self.0.epoch.borrow()
    }

    /// Whether the log has gone two ways: then there is no way round either.
    #[must_use]
    pub fn is_forked(&self) -> bool {
        self.0.doubt.borrow().forked.is_some()
    }

    /// What the last attempt failed with, if it failed.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.failure.borrow().clone()
    }

    /// Whether the store is known to hold everything that the log has. Until then
    /// nobody may be served: what they see may have ended long ago.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        *self.0.synced.borrow()
    }

    /// When a checkpoint must be signed again although nothing happened.
    pub async fn heartbeat_due(&self) -> Option<Timestamp> {
        let turn = self.0.turn.lock().await;
        turn.signed.as_ref().map(|(_, at)| *at + self.0.settings.heartbeat)
    }

    /// The key that signs.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        self.0.signatory.key()
    }

    /// Whether an archive lacks entries, or wasn't reached when it was last written to.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let durable = self.durable();
        self.0.places.iter().any(|place| place.size().is_none_or(|size| size < durable))
    }

    /// A signal for one who forwards what is published: it comes whenever there is more.
    #[must_use]
    pub fn follow(&self) -> Arc<Notify> {
        let follower = Arc::new(Notify::new());
        self.0.followers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&follower));
        follower
    }

    /// Wakes who forwards although nothing was published: an override is in force.
    pub fn wake_followers(&self) {
        self.0.wake_followers();
    }

    /// How the archives, sinks and witnesses are.
    #[must_use]
    pub fn health(&self) -> &Arc<Health> {
        &self.0.health
    }

    /// The archives, by name, with the number of entries that each holds as far as is known.
    #[must_use]
    pub fn archives(&self) -> Vec<(Arc<dyn Archive>, Option<u64>)> {
        self.0.places.iter().map(|place| (place.archive.clone(), place.size())).collect()
    }

    /// Up to which position everything is durable, as far as this process knows.
    #[must_use]
    pub fn durable(&self) -> u64 {
        *self.0.durable.borrow()
    }
}

impl Inner {
    async fn take_turn(&self) -> Result<u64, PublishError> {
        let mut turn = self.turn.lock().await;
        let outcome = self.hold_and_publish(&mut turn).await;
        match &outcome {
            Ok(position) => {
                self.confirm(*position);
                self.failure.send_if_modified(|failure| failure.take().is_some());
            }
            Err(PublishError::Elsewhere) => {}
            Err(error) => {
                let text = error.to_string();
                if error.is_final() {
                    self.doubt.send_modify(|doubt| doubt.forked = Some(text.clone()));
                    tracing::error!(alarm = "log.fork", error = %text, "entries can't be made durable until somebody looks");
                } else {
                    tracing::error!(error = %text, "entries can't be made durable");
                }
                self.failure.send_replace(Some(text));
            }
        }
        outcome
    }

    /// Whether the store knows everything up to `position` to be durable, and nothing
    /// has moved since `epoch`.
    async fn stands(&self, position: u64, epoch: u64) -> Result<bool, StoreError> {
        Ok(self.log.head().await?.size >= position && *self.epoch.borrow() == epoch)
    }

    /// What was remembered about the store is not so: it is compared with the log anew.
    fn distrust(&self) {
        self.durable.send_replace(0);
        self.doubt.send_modify(|doubt| doubt.ahead = true);
    }

    /// The store is about to change under everybody: nobody is served, and nothing is
    /// durable, until that is done.
    fn step_back(&self) {
        self.synced.send_replace(false);
        self.durable.send_replace(0);
        self.epoch.send_modify(|epoch| *epoch = epoch.saturating_add(1));
    }

    /// Goes on holding the lease, or stops: another may have taken it.
    async fn renew(&self) -> Result<(), PublishError> {
        let (replica, now) = (&self.settings.replica, self.clock.now());
        match self.leases.acquire(LEASE_NAME, replica, now, LEASE).await? {
            Some(_) => Ok(()),
            None => Err(PublishError::Elsewhere),
        }
    }

    fn confirm(&self, position: u64) {
        let moved =
            self.durable.send_if_modified(|durable| std::mem::replace(durable, (*durable).max(position)) < position);
        if moved {
            #[expect(clippy::cast_precision_loss, reason = "a gauge")]
            metrics::gauge!("halligan_log_durable_entries").set(position as f64);
            self.wake_followers();
        }
    }

    fn wake_followers(&self) {
        let followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.iter().for_each(|follower| follower.notify_one());
    }

    /// Publishes under the lease. Where others may want it, it is given back.
    async fn hold_and_publish(&self, turn: &mut Turn) -> Result<u64, PublishError> {
        let now = self.clock.now();
        let held = turn.lease.as_ref().is_some_and(|lease| lease.until.duration_since(now) > LEASE / 2);
        if !held {
            let replica = &self.settings.replica;
            turn.lease = self.leases.acquire(LEASE_NAME, replica, now, LEASE).await?;
        }
        let Some(lease) = turn.lease.clone() else {
            // What another replica published is durable for ours, too.
            let head = self.log.head().await?;
            self.confirm(head.size);
            turn.trunk = None;
            return Err(PublishError::Elsewhere);
        };
        let outcome = self.publish_all(turn).await;
        if outcome.is_err() {
            // Whatever was half done: what the archives hold is read again.
            turn.trunk = None;
        }
        if self.settings.shared {
            turn.lease = None;
            self.leases.release(&lease).await?;
        }
        outcome
    }
}
