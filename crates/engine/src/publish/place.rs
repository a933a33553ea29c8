//! One archive, and how far the tree in it has grown.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::try_join_all;
use futures::{StreamExt as _, stream};
use halligan_log::checkpoint::CheckpointError;
use halligan_log::edge::EdgeError;
use halligan_log::{Edge, Leaf, Object, SignedCheckpoint, Successor, VerifierKey};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, watch};

use super::PAGE;
use crate::ports::{Archive, ArchiveError, Head, LogStore, QueuedEntry, StoreError, Tampering};

/// More successors of one tree than people give up: whoever may put could name them for ever.
const ATTEMPTS_MAX: u16 = 64;
/// So many objects are put side by side.
const AT_ONCE: usize = 16;

/// An archive.
pub(super) struct Place {
    pub(super) archive: Arc<dyn Archive>,
    /// Where it stands; none where it must be read before it is written to.
    standing: Arc<Mutex<Option<Standing>>>,
}

/// What an archive holds.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) edge: Edge,
    /// None in an archive that is new.
    pub(super) checkpoint: Option<SignedCheckpoint>,
}

/// Why an archive doesn't hold the tree.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it holds is not what any log of ours could hold.
    #[error("what it holds can't be read: {0}")]
    Unreadable(String),
    /// Its objects don't make the tree that they should.
    #[error("what it holds makes no tree: {0}")]
    Tree(#[from] EdgeError),
    /// Another publisher has written to it since it was read.
    #[error("another publisher has written to it")]
    Moved,
    /// Its checkpoint is older than the one that we put.
    #[error("its checkpoint went back from {from} to {to} entries: somebody replaced it")]
    RolledBack {
        /// What it covered.
        from: u64,
        /// What it covers now.
        to: u64,
    },
    /// It holds more than the store knows of, or something else: all archives are read again to tell.
    #[error("it holds entries that this store doesn't know of")]
    Ahead,
    /// It holds another tree than the store.
    #[error(
        "it holds another log than the store, before entry {size}: nothing is minted until somebody has looked at both (halligan log recover)"
    )]
    Fork {
        /// The size of the tree that differs.
        size: u64,
    },
    /// Somebody began to publish what the store doesn't have.
    #[error(
        "another publisher began to publish entries {from} to {to} and this store has others: \
         nothing is minted until somebody has looked at both (halligan log recover)"
    )]
    Unfinished { from: u64, to: u64 },
    /// The round that this was part of came to nothing.
    #[error("nothing was signed")]
    Abandoned,
    /// An earlier round is still at it.
    #[error("it is slow: an earlier write has not ended")]
    Busy,
}

impl PlaceError {
    /// Whether a retry can't help: somebody has to look at both.
    pub(super) const fn is_fork(&self) -> bool {
        matches!(self, Self::Fork { .. } | Self::Unfinished { .. })
    }
}

impl From<CheckpointError> for PlaceError {
    fn from(error: CheckpointError) -> Self {
        Self::Unreadable(format!("the checkpoint: {error}"))
    }
}

/// What a round wants of every archive.
#[derive(Clone)]
pub(super) struct Order {
    /// The tree to hold.
    pub(super) to: Head,
    /// The entries that it grew by last.
    pub(super) batch: Arc<[QueuedEntry]>,
    /// Its signed checkpoint, once there is one.
    pub(super) signed: watch::Receiver<Option<Arc<SignedCheckpoint>>>,
    /// Where an archive says that all but the checkpoint is there.
    pub(super) staged: mpsc::UnboundedSender<Arc<dyn Archive>>,
}

impl Place {
    pub(super) fn new(archive: Arc<dyn Archive>) -> Self {
        Self { archive, standing: Arc::default() }
    }

    /// How many entries it holds, as far as we know and nobody is at it.
    pub(super) fn size(&self) -> Option<u64> {
        let standing = self.standing.try_lock().ok()?;
        standing.as_ref().map(|standing| standing.edge.size())
    }

    /// Reads where it stands, and what was done to its keys.
    pub(super) async fn read(
        &self,
        keys: &[VerifierKey],
        touched: &mut Vec<(Object, Tampering)>,
    ) -> Result<Standing, PlaceError> {
        let mut guard = self.free()?;
        *guard = None;
        let standing = read(self.archive.as_ref(), keys, touched).await?;
        *guard = Some(standing.clone());
        Ok(standing)
    }

    fn free(&self) -> Result<OwnedMutexGuard<Option<Standing>>, PlaceError> {
        Arc::clone(&self.standing).try_lock_owned().map_err(|_| PlaceError::Busy)
    }

    /// Brings it to the tree of the order, checkpoint and all.
    pub(super) async fn carry_out(
        self: Arc<Self>,
        order: Order,
        keys: Arc<[VerifierKey]>,
        log: Arc<dyn LogStore>,
    ) -> Result<(), PlaceError> {
        let mut guard = self.free()?;
        let mut known = guard.take();
        let before = known.as_ref().map_or(0, |standing| standing.edge.size());
        let edge = loop {
            let fresh = known.is_none();
            let standing = match known.take() {
                Some(standing) => standing,
                None => read(self.archive.as_ref(), &keys, &mut Vec::new()).await?,
            };
            if standing.edge.size() < before {
                // Said once; from then on it is written again.
                return Err(PlaceError::RolledBack { from: before, to: standing.edge.size() });
            }
            match self.stage(&standing, &order, log.as_ref(), fresh).await {
                // Read anew, and once more only: two publishers that take turns are two too many.
                Err(PlaceError::Moved) if !fresh => {}
                outcome => break outcome?,
            }
        };
        let Order { mut signed, staged, .. } = order;
        // Nobody listens any more where enough others were faster.
        drop(staged.send(Arc::clone(&self.archive)));
        drop(staged);
        let checkpoint = match signed.wait_for(Option::is_some).await {
            Ok(checkpoint) => checkpoint.clone().ok_or(PlaceError::Abandoned)?,
            Err(_) => return Err(PlaceError::Abandoned),
        };
        self.archive.put_checkpoint(&checkpoint.to_bytes()).await?;
        *guard = Some(Standing { edge, checkpoint: Some(checkpoint.as_ref().clone()) });
        Ok(())
    }

    /// Puts everything but the checkpoint.
    async fn stage(
        &self,
        standing: &Standing,
        order: &Order,
        log: &dyn LogStore,
        fresh: bool,
    ) -> Result<Edge, PlaceError> {
        let Head { size: to, root } = order.to;
        let mut edge = standing.edge.clone();
        if edge.size() > to {
            return Err(PlaceError::Ahead);
        }
        // Beside the first objects: whoever wrote since is noticed before anything is signed.
        let mut watch = (!fresh).then_some(standing);
        while edge.size() < to {
            let leaves = leaves(order, log, edge.size(), to).await?;
            let (growth, unmoved) = tokio::join!(self.put(&edge, &leaves, order, log), self.unmoved(watch.take()));
            // Told first: whoever has written since explains what can't be written now.
            unmoved?;
            edge = growth?;
        }
        self.unmoved(watch).await?;
        if edge.root() == root { Ok(edge) } else { Err(PlaceError::Ahead) }
    }

    async fn unmoved(&self, standing: Option<&Standing>) -> Result<(), PlaceError> {
        let Some(standing) = standing else { return Ok(()) };
        let found = self.archive.read(Object::Checkpoint).await?;
        let found = found.map(|stored| SignedCheckpoint::parse(&stored.bytes)).transpose()?;
        let body = |signed: &Option<SignedCheckpoint>| signed.as_ref().map(|signed| signed.checkpoint().clone());
        if body(&found) == body(&standing.checkpoint) { Ok(()) } else { Err(PlaceError::Moved) }
    }

    /// Puts what the tree needs to grow by `leaves`, or by as many as an attempt
    /// that ended half way had begun with.
    async fn put(
        &self,
        edge: &Edge,
        leaves: &[Arc<Leaf>],
        order: &Order,
        log: &dyn LogStore,
    ) -> Result<Edge, PlaceError> {
        let too_long = |error: halligan_log::bundle::BundleError| PlaceError::Unreadable(error.to_string());
        let growth = edge.grow(leaves.iter().cloned()).map_err(too_long)?;
        let (size, root) = (growth.edge.size(), growth.edge.root());
        if size == order.to.size && root != order.to.root {
            return Err(PlaceError::Ahead);
        }
        let ours = Successor { size, root };
        let ((), follower) = tokio::try_join!(self.put_all(&growth.objects), self.claim(edge.size(), ours))?;
        if follower == ours {
            return Ok(growth.edge);
        }
        // The store gives the same entries again after a crash: an attempt of ours is finished.
        let unfinished = PlaceError::Unfinished { from: edge.size(), to: follower.size };
        let wanted = follower.size.saturating_sub(edge.size());
        if wanted == 0 || wanted > u64::from(PAGE) {
            return Err(unfinished);
        }
        let limit = u32::try_from(wanted).unwrap_or(PAGE);
        let found = log.entries(edge.size().saturating_add(1), limit).await?;
        let begun = edge.grow(found.iter().map(|entry| Arc::clone(&entry.leaf))).map_err(too_long)?;
        if (begun.edge.size(), begun.edge.root()) != (follower.size, follower.root) {
            return Err(unfinished);
        }
        self.put_all(&begun.objects).await?;
        Ok(begun.edge)
    }

    async fn put_all(&self, objects: &[(Object, Vec<u8>)]) -> Result<(), PlaceError> {
        let puts: Vec<_> = objects.iter().map(|(object, bytes)| self.archive.put_once(*object, bytes)).collect();
        let mut puts = stream::iter(puts).buffer_unordered(AT_ONCE);
        while let Some(put) = puts.next().await {
            put?;
        }
        Ok(())
    }

    /// Takes the right to follow the tree of `size`; returns who has it.
    async fn claim(&self, size: u64, ours: Successor) -> Result<Successor, PlaceError> {
        match self.archive.put_once(Object::Successor { size, attempt: 0 }, &ours.to_bytes()).await {
            Ok(()) => Ok(ours),
            Err(ArchiveError::Taken { .. }) => Ok(self.claimed(size).await?.map_or(ours, |(_, claimed)| claimed)),
            Err(error) => Err(error.into()),
        }
    }

    /// The last attempt to follow the tree of `size`, and what follows: it counts, since
    /// a person has given up those before.
    pub(super) async fn claimed(&self, size: u64) -> Result<Option<(u16, Successor)>, PlaceError> {
        let mut claimed = None;
        for attempt in 0..ATTEMPTS_MAX {
            let object = Object::Successor { size, attempt };
            let Some(stored) = self.archive.read(object).await? else { break };
            let unreadable = || PlaceError::Unreadable(format!("`{object}` is no successor"));
            claimed = Some((attempt, Successor::parse(&stored.bytes).ok_or_else(unreadable)?));
        }
        Ok(claimed)
    }
}

/// The entries by which a tree of `size` grows next, towards `to`.
async fn leaves(order: &Order, log: &dyn LogStore, size: u64, to: u64) -> Result<Vec<Arc<Leaf>>, PlaceError> {
    let wanted = to.saturating_sub(size).min(u64::from(PAGE));
    let first = order.batch.first().map(QueuedEntry::index);
    if first == Some(size) {
        return Ok(order.batch.iter().map(|entry| Arc::clone(&entry.leaf)).collect());
    }
    let found = log.entries(size.saturating_add(1), u32::try_from(wanted).unwrap_or(PAGE)).await?;
    if found.is_empty() {
        return Err(PlaceError::Ahead);
    }
    Ok(found.into_iter().map(|entry| entry.leaf).collect())
}

async fn read(
    archive: &dyn Archive,
    keys: &[VerifierKey],
    touched: &mut Vec<(Object, Tampering)>,
) -> Result<Standing, PlaceError> {
    let Some(stored) = archive.read(Object::Checkpoint).await? else {
        return Ok(Standing { edge: Edge::default(), checkpoint: None });
    };
    touched.extend(stored.tampering.map(|tampering| (Object::Checkpoint, tampering)));
    let signed = SignedCheckpoint::parse(&stored.bytes)?;
    signed.signer(keys)?;
    let (size, root) = (signed.checkpoint().size, signed.checkpoint().root);
    let edge = edge_of(archive, size, root, size, touched).await?;
    Ok(Standing { edge, checkpoint: Some(signed) })
}

/// The edge of the tree of `size`, out of an archive of a tree of at least that size.
pub(super) async fn edge_of(
    archive: &dyn Archive,
    size: u64,
    root: halligan_log::Hash,
    within: u64,
    touched: &mut Vec<(Object, Tampering)>,
) -> Result<Edge, PlaceError> {
    let wanted = Edge::parts(size, within);
    // Few enough to be read at once: one a level, and the last bundle.
    let found = try_join_all(wanted.iter().map(|part| archive.read(*part)).collect::<Vec<_>>()).await?;
    let mut parts = BTreeMap::new();
    for (part, stored) in wanted.into_iter().zip(found) {
        if let Some(stored) = stored {
            touched.extend(stored.tampering.map(|tampering| (part, tampering)));
            parts.insert(part, stored.bytes);
        }
    }
    Ok(Edge::restore(size, root, within, |part| parts.remove(&part))?)
}
