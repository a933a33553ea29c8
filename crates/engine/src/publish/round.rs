//! A round: the archives take what the tree grows by, the tree is signed, the
//! archives take the checkpoint. As few as must confirm are waited for; the
//! others go on behind.

use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt as _};
use halligan_log::{Checkpoint, Edge, SignedCheckpoint};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};

use super::health::Health;
use super::place::{Order, Place, PlaceError};
use super::signatory::signed_at;
use super::{Doubt, Inner, PAGE, PublishError, Turn};
use crate::ports::{Archive, Head, LogReader, QueuedEntry};

/// What an archive came to.
type Done = (Arc<Place>, Result<(), PlaceError>);
/// Archives at work on a round.
type Working = FuturesUnordered<JoinHandle<Done>>;

impl Inner {
    /// Publishes until nothing waits; signs again where it is time to.
    pub(super) async fn publish_all(&self, turn: &mut Turn) -> Result<u64, PublishError> {
        let mut trunk = self.trunk(turn).await?;
        loop {
            let batch = self.log.entries(trunk.size().saturating_add(1), PAGE).await?;
            if batch.is_empty() {
                if self.is_heartbeat_due(turn, &trunk) {
                    self.round(turn, &trunk, Vec::new()).await?;
                }
                turn.trunk = Some(trunk.clone());
                return Ok(trunk.size());
            }
            let more = batch.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
            let leaves = batch.iter().map(|entry| Arc::clone(&entry.leaf));
            let grown = trunk.grow(leaves).map_err(|error| PublishError::Unreadable(error.to_string()))?.edge;
            self.round(turn, &grown, batch).await?;
            let head = Head { size: grown.size(), root: grown.root() };
            self.log.advance(head).await?;
            self.confirm(head.size);
            turn.trunk = Some(grown.clone());
            trunk = grown;
            if !more {
                return Ok(trunk.size());
            }
        }
    }

    fn is_heartbeat_due(&self, turn: &Turn, trunk: &Edge) -> bool {
        let now = self.clock.now();
        let old = |at: jiff::Timestamp| now.duration_since(at).abs() >= self.settings.heartbeat;
        let lagging = || self.places.iter().any(|place| place.size().is_none_or(|size| size < trunk.size()));
        turn.signed.as_ref().is_none_or(|(_, at)| old(*at)) || lagging()
    }

    /// Has the archives hold the tree of `edge`, signed.
    pub(super) async fn round(
        &self,
        turn: &mut Turn,
        edge: &Edge,
        batch: Vec<QueuedEntry>,
    ) -> Result<(), PublishError> {
        let to = Head { size: edge.size(), root: edge.root() };
        let (sign, signed) = watch::channel(None);
        let (staged, mut staging) = mpsc::unbounded_channel();
        let order = Order { to, batch: batch.into(), signed, staged };
        let mut working = self.start(&order);
        drop(order);
        let needed = self.settings.confirmations;
        let mut outcome = Outcome::default();
        let mut holders: Vec<Arc<dyn Archive>> = Vec::new();
        while holders.len() < needed {
            tokio::select! {
                holder = staging.recv() => match holder {
                    Some(holder) => holders.push(holder),
                    // Each of the others has failed: there will be no more.
                    None => return Err(self.unconfirmed(outcome, working, sign, to).await),
                },
                Some(done) = working.next(), if !working.is_empty() => outcome.take(done),
            }
        }
        let checkpoint = match self.sign(turn, to, &holders).await {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                drop(self.unconfirmed(outcome, working, sign, to).await);
                return Err(error);
            }
        };
        sign.send_replace(Some(Arc::clone(&checkpoint)));
        while outcome.confirmed.len() < needed {
            match working.next().await {
                Some(done) => outcome.take(done),
                None => return Err(self.unconfirmed(outcome, working, sign, to).await),
            }
        }
        let own = std::slice::from_ref(self.signatory.key());
        turn.signed = signed_at(&checkpoint, own).map(|at| (checkpoint, at));
        metrics::counter!("halligan_log_checkpoints_total").increment(1);
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("halligan_log_signed_timestamp_seconds").set(self.clock.now().as_second() as f64);
        // Those that nobody waits for any more.
        let (health, doubt) = (Arc::clone(&self.health), self.doubt.clone());
        tokio::spawn(async move {
            outcome.finish(working).await;
            drop(sign);
            outcome.report(&health, &doubt, to).await;
        });
        Ok(())
    }

    fn start(&self, order: &Order) -> Working {
        let begin = |place: &Arc<Place>| {
            let (place, order) = (Arc::clone(place), order.clone());
            let (keys, log) = (Arc::clone(&self.keys), Arc::clone(&self.log));
            tokio::spawn(async move {
                let carried_out = Arc::clone(&place).carry_out(order, keys, log).await;
                (place, carried_out)
            })
        };
        self.places.iter().map(begin).collect()
    }

    /// The round has come to nothing: why.
    async fn unconfirmed(
        &self,
        mut outcome: Outcome,
        working: Working,
        sign: watch::Sender<Option<Arc<SignedCheckpoint>>>,
        to: Head,
    ) -> PublishError {
        // Who waits for a signature is told that there will be none.
        drop(sign);
        outcome.finish(working).await;
        outcome.report(&self.health, &self.doubt, to).await;
        let (confirmed, needed) = (outcome.confirmed.len(), self.settings.confirmations);
        let said = |(place, error): &(Arc<Place>, PlaceError)| format!("{}: {error}", place.archive.name());
        let because = outcome.failed.iter().map(said).collect::<Vec<_>>().join("; ");
        match outcome.failed.iter().any(|(_, error)| error.is_fork()) {
            true => PublishError::Fork(because),
            false => PublishError::Unconfirmed { confirmed, needed, because },
        }
    }

    async fn sign(
        &self,
        turn: &Turn,
        to: Head,
        holders: &[Arc<dyn Archive>],
    ) -> Result<Arc<SignedCheckpoint>, PublishError> {
        let origin = self.signatory.key().name().to_owned();
        let checkpoint = Checkpoint { origin, size: to.size, root: to.root };
        // Time never goes back, whatever the clock does.
        let last = turn.signed.as_ref().map(|(_, at)| *at);
        let now = last.map_or(self.clock.now(), |last| last.max(self.clock.now()));
        let signed = self.signatory.sign(checkpoint, now).await?;
        let Some(reader) = holders.first() else { return Ok(Arc::new(signed)) };
        let reader: Arc<dyn LogReader> = Arc::clone(reader) as _;
        let cosigned = self.signatory.cosign(signed, reader).await?;
        for (witness, failure) in cosigned.asked {
            self.health.report(&format!("witness {witness}"), failure, 0).await;
        }
        Ok(Arc::new(cosigned.checkpoint))
    }
}

/// What the archives have come to, so far.
#[derive(Default)]
struct Outcome {
    confirmed: Vec<Arc<Place>>,
    failed: Vec<(Arc<Place>, PlaceError)>,
}

impl Outcome {
    fn take(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok((place, Ok(()))) => self.confirmed.push(place),
            Ok((place, Err(error))) => self.failed.push((place, error)),
            // A defect of ours: the archive is read again before it is written to.
            Err(error) => tracing::error!(%error, "writing to an archive was cut short"),
        }
    }

    async fn finish(&mut self, mut working: Working) {
        while let Some(done) = working.next().await {
            self.take(done);
        }
    }

    async fn report(&self, health: &Health, doubt: &watch::Sender<Doubt>, to: Head) {
        for place in &self.confirmed {
            health.report(&format!("archive {}", place.archive.name()), None, 0).await;
        }
        for (place, error) in &self.failed {
            // That is said of the round, not of this archive.
            if matches!(error, PlaceError::Abandoned) {
                continue;
            }
            let lag = to.size.saturating_sub(place.size().unwrap_or(0));
            health.report(&format!("archive {}", place.archive.name()), Some(error.to_string()), lag).await;
            if error.is_fork() {
                doubt.send_modify(|doubt| doubt.forked = Some(format!("{}: {error}", place.archive.name())));
            }
            if matches!(error, PlaceError::Ahead) {
                doubt.send_modify(|doubt| doubt.ahead = true);
            }
        }
    }
}
