//! Before anything is written: what the archives hold, and whether the store
//! knows all of it.

use std::sync::Arc;

use futures::future::join_all;
use halligan_core::actor::Actor;
use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded};
use halligan_log::edge::EdgeError;
use halligan_log::{Edge, Object};

use super::place::{Place, PlaceError, Standing, edge_of};
use super::signatory::signed_at;
use super::{Doubt, Inner, PAGE, PublishError, Turn};
use crate::ports::{Head, Tampering};

/// An archive that was read.
pub(super) struct Read {
    pub(super) place: Arc<Place>,
    pub(super) standing: Standing,
}

impl Read {
    pub(super) fn size(&self) -> u64 {
        self.standing.edge.size()
    }
}

impl Inner {
    /// The tree that is durable, and that the store agrees with.
    pub(super) async fn trunk(&self, turn: &mut Turn) -> Result<Edge, PublishError> {
        let Doubt { forked, ahead } = self.doubt.borrow().clone();
        if let Some(fork) = forked {
            return Err(PublishError::Fork(fork));
        }
        if ahead {
            turn.trunk = None;
        }
        let head = self.log.head().await?;
        let known = match turn.trunk.take() {
            // Another replica may have published meanwhile: from the same store.
            Some(trunk) if trunk.size() <= head.size => self.grown_from_store(trunk, head).await?,
            _ => None,
        };
        let trunk = match known {
            Some(trunk) => trunk,
            None => self.sync(turn, head).await?,
        };
        if self.is_unconfirmed(&trunk) {
            // Fewer archives than must confirm hold it: signed or not, nothing counts before they do.
            self.round(turn, &trunk, Vec::new()).await?;
        }
        let head = self.log.head().await?;
        if head.size < trunk.size() {
            self.log.advance(Head { size: trunk.size(), root: trunk.root() }).await?;
        }
        self.confirm(trunk.size());
        self.synced.send_if_modified(|synced| !std::mem::replace(synced, true));
        Ok(trunk)
    }

    /// Whether fewer archives than must confirm are known to hold the tree.
    fn is_unconfirmed(&self, trunk: &Edge) -> bool {
        let holding = self.places.iter().filter(|place| place.size().is_none_or(|size| size >= trunk.size()));
        holding.count() < self.settings.confirmations
    }

    /// Whether what was read tells that the store is not older than the log: any
    /// archive that wasn't reached may have been the one that confirmed the rest. One
    /// that was signed in just now was in step then.
    fn tells_enough(&self, read: &[Read]) -> bool {
        let fresh = |read: &Read| {
            let signed = read.standing.checkpoint.as_ref().and_then(|signed| signed_at(signed, &self.keys));
            signed.is_some_and(|at| self.clock.now().duration_since(at) < self.settings.heartbeat * 2)
        };
        let unread = self.places.len().saturating_sub(read.len());
        unread < self.settings.confirmations || read.iter().any(fresh)
    }

    /// Grows `edge` to `head` by the store's entries; none if they make another tree.
    async fn grown_from_store(&self, mut edge: Edge, head: Head) -> Result<Option<Edge>, PublishError> {
        while edge.size() < head.size {
            let wanted = u32::try_from(head.size - edge.size()).unwrap_or(PAGE).min(PAGE);
            let entries = self.log.entries(edge.size().saturating_add(1), wanted).await?;
            if entries.is_empty() {
                return Ok(None);
            }
            let leaves = entries.into_iter().map(|entry| entry.leaf);
            edge = edge.grow(leaves).map_err(|error| PublishError::Unreadable(error.to_string()))?.edge;
        }
        Ok((edge.root() == head.root).then_some(edge))
    }

    /// Reads every archive. A store that is an older prefix of the log gets what it lacks.
    async fn sync(&self, turn: &mut Turn, head: Head) -> Result<Edge, PublishError> {
        self.doubt.send_modify(|doubt| doubt.ahead = false);
        let read = self.read_places().await?;
        let Some(best) = read.iter().max_by_key(|read| read.size()) else {
            return Err(PublishError::Unreadable("no archive is configured".to_owned()));
        };
        for behind in read.iter().filter(|read| read.size() < best.size()) {
            let edge = &behind.standing.edge;
            self.edge_at(best, Head { size: edge.size(), root: edge.root() }).await?;
        }
        let own = std::slice::from_ref(self.signatory.key());
        let signed = best.standing.checkpoint.clone();
        // Signed by another key: signed again at once.
        turn.signed = signed.and_then(|signed| signed_at(&signed, own).map(|at| (Arc::new(signed), at)));
        if best.size() < head.size {
            for gone in read.iter().filter(|read| read.standing.checkpoint.is_some()) {
                let because = format!("it has {} entries, and {} were durable: it lost some", gone.size(), head.size);
                let place = format!("archive {}", gone.place.archive.name());
                self.health.report(&place, Some(because), head.size - gone.size()).await;
            }
            // Every archive that answers lacks what the store knows to be durable: it is written there again.
            let grown = self.grown_from_store(best.standing.edge.clone(), head).await?;
            return grown.ok_or_else(|| fork(best, PlaceError::Fork { size: best.size() }));
        }
        let at_head = self.edge_at(best, head).await?;
        let whole = Head { size: best.size(), root: best.standing.edge.root() };
        if best.size() > head.size {
            // What was published, and the store had no time to note.
            if self.log.last().await? >= whole.size
                && let Some(edge) = self.grown_from_store(at_head.clone(), whole).await?
            {
                return Ok(edge);
            }
            self.step_back();
            let imported = self.import(best, at_head, head, false).await?;
            self.tell_imported(imported).await;
        }
        Ok(best.standing.edge.clone())
    }

    /// Every archive that answers; enough of them, or nothing.
    pub(super) async fn read_places(&self) -> Result<Vec<Read>, PublishError> {
        let reads = self.places.iter().map(async |place| {
            let mut touched = Vec::new();
            let standing = place.read(&self.keys, &mut touched).await;
            (Arc::clone(place), standing, touched)
        });
        let (mut read, mut failures) = (Vec::new(), Vec::new());
        for (place, standing, touched) in join_all(reads).await {
            self.tell_touched(place.archive.name(), touched).await;
            match standing {
                Ok(standing) => read.push(Read { place, standing }),
                Err(error) => {
                    let name = place.archive.name();
                    self.health.report(&format!("archive {name}"), Some(error.to_string()), 0).await;
                    failures.push(format!("{name}: {error}"));
                }
            }
        }
        let (confirmed, needed) = (read.len(), self.settings.confirmations);
        if confirmed < needed {
            return Err(PublishError::Unconfirmed { confirmed, needed, because: failures.join("; ") });
        }
        if !*self.synced.borrow() && !self.tells_enough(&read) {
            let because = format!(
                "{}; and the others were not in step just now, so nobody knows whether the store is older than the log",
                failures.join("; ")
            );
            return Err(PublishError::Unconfirmed { confirmed, needed, because });
        }
        Ok(read)
    }

    /// The edge that the archive had when its tree was `head`, if it ever was.
    async fn edge_at(&self, read: &Read, head: Head) -> Result<Edge, PublishError> {
        if read.size() == head.size {
            let edge = read.standing.edge.clone();
            return if edge.root() == head.root {
                Ok(edge)
            } else {
                Err(fork(read, PlaceError::Fork { size: head.size }))
            };
        }
        let archive = read.place.archive.as_ref();
        match edge_of(archive, head.size, head.root, read.size(), &mut Vec::new()).await {
            Ok(edge) => Ok(edge),
            Err(PlaceError::Tree(EdgeError::Root { size, .. })) => Err(fork(read, PlaceError::Fork { size })),
            Err(PlaceError::Archive(error)) => {
                let because = format!("{}: {error}", archive.name());
                Err(PublishError::Unconfirmed { confirmed: 0, needed: self.settings.confirmations, because })
            }
            Err(error) => Err(PublishError::Unreadable(format!("{}: {error}", archive.name()))),
        }
    }

    async fn tell_touched(&self, archive: &str, touched: Vec<(Object, Tampering)>) {
        for (object, tampering) in touched {
            let how = match tampering {
                Tampering::Hidden => "hidden",
                Tampering::Overwritten => "overwritten",
            };
            tracing::error!(alarm = "log.archive_touched", archive, key = %object, how, "somebody touched the archive");
            let (archive, key, how) = (archive.to_owned(), object.to_string(), how.to_owned());
            let event = Event::LogArchiveTouched { archive, key, how };
            self.recorder.record(Actor::SYSTEM, Subject::broker("log"), Recorded::plain(event)).await;
        }
    }
}

fn fork(read: &Read, error: PlaceError) -> PublishError {
    PublishError::Fork(format!("{}: {error}", read.place.archive.name()))
}
