//! What to do when store and log have gone different ways: a person looks at both,
//! says which archive is right, and the store follows it.

use std::sync::Arc;

use halligan_core::actor::Actor;
use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded};
use halligan_log::{Edge, Object, Successor};

use super::import::Missing;
use super::place::PlaceError;
use super::sync::Read;
use super::{Inner, PAGE, PublishError, Publisher};
use crate::ports::{Head, QueuedEntry};

/// How an archive and the store stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// It can't be read.
    Unreadable(String),
    /// Everything in it is in the store, in the same places.
    Prefix,
    /// It goes on where the store ends, or where the store has not published.
    Ahead,
    /// From this index on they differ.
    Forked {
        /// The first index that differs.
        from: u64,
    },
}

/// An archive beside the store.
#[derive(Debug, Clone)]
pub struct Beside {
    /// The archive's name.
    pub archive: String,
    /// How many entries its checkpoint covers.
    pub size: u64,
    /// How it stands to the store.
    pub relation: Relation,
    /// Entries that another publisher began to add and never signed, by the size of that tree.
    pub unfinished: Option<u64>,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Examination {
    /// How many entries the store has.
    pub last: u64,
    /// How many of them it knows to be durable.
    pub durable: u64,
    /// Each archive beside it.
    pub archives: Vec<Beside>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// The first index at which the store followed the archive; none where there was nothing to follow.
    pub imported_from: Option<u64>,
    /// How many entries the log has now.
    pub size: u64,
}

impl Publisher {
    /// Compares every archive with the store, entry by entry. Nothing is changed.
    ///
    /// # Errors
    /// The store doesn't answer.
    pub async fn examine(&self) -> Result<Examination, PublishError> {
        let inner = &self.0;
        let (last, durable) = (inner.log.last().await?, inner.log.head().await?.size);
        let mut archives = Vec::new();
        for place in &inner.places {
            let archive = place.archive.name().to_owned();
            let (size, relation, unfinished) = match place.read(&inner.keys, &mut Vec::new()).await {
                Err(error) => (0, Relation::Unreadable(error.to_string()), None),
                Ok(standing) => {
                    let read = Read { place: Arc::clone(place), standing };
                    let (common, _) = inner.common(&read).await?;
                    let relation = match (common.size() == read.size(), read.size() > last) {
                        (true, _) => Relation::Prefix,
                        (false, true) if common.size() == last => Relation::Ahead,
                        (false, _) if common.size() >= durable => Relation::Ahead,
                        (false, _) => Relation::Forked { from: common.size() },
                    };
                    let unfinished = inner.unfinished(&read).await?.map(|(_, follower)| follower.size);
                    (read.size(), relation, unfinished)
                }
            };
            archives.push(Beside { archive, size, relation, unfinished });
        }
        Ok(Examination { last, durable, archives })
    }

    /// Has the store follow the archive `trusted`, whatever it had published
    /// elsewhere: what differs comes behind, or is set aside. Then publishes,
    /// over what another publisher began and nobody will finish.
    ///
    /// # Errors
    /// There is no such archive, it can't be read, or another replica publishes.
    pub async fn recover(&self, trusted: &str) -> Result<Recovery, PublishError> {
        let this = self.clone();
        let trusted = trusted.to_owned();
        let work = tokio::spawn(async move { this.0.recover_from(&trusted).await });
        work.await.unwrap_or_else(|error| Err(PublishError::Unsigned(format!("it was cut short: {error}"))))
    }
}

impl Inner {
    async fn recover_from(&self, trusted: &str) -> Result<Recovery, PublishError> {
        let mut turn = self.turn.lock().await;
        let now = self.clock.now();
        let lease = self.leases.acquire(super::LEASE_NAME, &self.settings.replica, now, super::LEASE).await?;
        let Some(lease) = lease else { return Err(PublishError::Elsewhere) };
        let outcome = async {
            let read = self.trusted(trusted).await?;
            let imported_from = self.follow(&read).await?;
            // Nothing left on the strength of what was never signed, and whoever may put could have
            // put it: it is given up, by name, never taken in.
            if let Some((_, follower)) = self.unfinished(&read).await? {
                self.give_up(&read, follower).await?;
            }
            self.doubt.send_replace(super::Doubt::default());
            turn.trunk = None;
            let size = self.publish_all(&mut turn).await?;
            Ok(Recovery { imported_from, size })
        };
        let outcome = outcome.await;
        self.leases.release(&lease).await?;
        outcome
    }

    async fn trusted(&self, name: &str) -> Result<Read, PublishError> {
        let place = self.places.iter().find(|place| place.archive.name() == name);
        let place = place.ok_or_else(|| PublishError::Unreadable(format!("there is no archive `{name}`")))?;
        let standing = place.read(&self.keys, &mut Vec::new()).await;
        let standing = standing.map_err(|error| PublishError::Unreadable(format!("{name}: {error}")))?;
        Ok(Read { place: Arc::clone(place), standing })
    }

    /// The tree that the archive and the store have in common.
    async fn common(&self, read: &Read) -> Result<(Edge, Head), PublishError> {
        let missing = Missing::all(read.place.archive.as_ref(), read.size());
        let mut edge = Edge::default();
        while edge.size() < read.size() {
            let page = missing.page(edge.size()).await?;
            let limit = u32::try_from(page.len()).unwrap_or(PAGE);
            let own = self.log.entries(edge.size().saturating_add(1), limit).await?;
            let same = page.iter().zip(&own).take_while(|(theirs, ours)| theirs.leaf.entry == ours.leaf.entry);
            let same: Vec<QueuedEntry> = same.map(|(_, ours)| ours.clone()).collect();
            let all = same.len() == page.len();
            let leaves = same.into_iter().map(|entry| entry.leaf);
            edge = edge.grow(leaves).map_err(|error| PublishError::Unreadable(error.to_string()))?.edge;
            if !all {
                break;
            }
        }
        let head = Head { size: edge.size(), root: edge.root() };
        Ok((edge, head))
    }

    /// Imports what the archive has and the store has not, or otherwise.
    async fn follow(&self, read: &Read) -> Result<Option<u64>, PublishError> {
        let (common, head) = self.common(read).await?;
        if common.size() == read.size() {
            return Ok(None);
        }
        let imported = self.import(read, common, head, true).await?;
        self.tell_imported(imported).await;
        Ok(Some(head.size))
    }

    /// What somebody began to publish behind the archive's checkpoint, if the store doesn't have it.
    async fn unfinished(&self, read: &Read) -> Result<Option<(u16, Successor)>, PublishError> {
        let archive = read.place.archive.as_ref();
        let unreadable = |error: PlaceError| PublishError::Unreadable(format!("{}: {error}", archive.name()));
        let Some((attempt, follower)) = read.place.claimed(read.size()).await.map_err(unreadable)? else {
            return Ok(None);
        };
        let wanted = follower.size.saturating_sub(read.size());
        let own = self.log.entries(read.size().saturating_add(1), u32::try_from(wanted).unwrap_or(PAGE)).await?;
        let grown = read.standing.edge.grow(own.into_iter().map(|entry| entry.leaf));
        let ours = grown.is_ok_and(|grown| (grown.edge.size(), grown.edge.root()) == (follower.size, follower.root));
        Ok((!ours).then_some((attempt, follower)))
    }

    /// Names another follower of the archive's tree: what the store publishes next.
    async fn give_up(&self, read: &Read, abandoned: Successor) -> Result<(), PublishError> {
        let (archive, size) = (read.place.archive.as_ref(), read.size());
        let unreadable = |error: PlaceError| PublishError::Unreadable(format!("{}: {error}", archive.name()));
        let attempt = read.place.claimed(size).await.map_err(unreadable)?;
        let attempt = attempt.map_or(0, |(attempt, _)| attempt.saturating_add(1));
        loop {
            // An entry says what was given up; and ours must not be as many as those, since the
            // partial bundle of that size may hold the others already.
            let how = format!("given up: {} {}", abandoned.size, abandoned.root);
            let key = Object::Successor { size, attempt: 0 }.to_string();
            let event = Event::LogArchiveTouched { archive: archive.name().to_owned(), key, how };
            self.recorder.record(Actor::SYSTEM, Subject::broker("log"), Recorded::plain(event)).await;
            let own = self.log.entries(size.saturating_add(1), PAGE).await?;
            let full = own.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
            let grown = read.standing.edge.grow(own.into_iter().map(|entry| entry.leaf));
            let grown = grown.map_err(|error| PublishError::Unreadable(error.to_string()))?.edge;
            if grown.size() != abandoned.size || full {
                let follower = Successor { size: grown.size(), root: grown.root() };
                let put = archive.put_once(Object::Successor { size, attempt }, &follower.to_bytes()).await;
                return put.map_err(|error| unreadable(error.into()));
            }
        }
    }
}
