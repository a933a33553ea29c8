//! A store that is older than the log: what it lacks is read from an archive,
//! what had ended is ended, and what it had not published comes behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use halligan_core::actor::Actor;
use halligan_core::entry::{Draft, Entry, Sealed, Subject};
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::{Effect, Grant};
use halligan_core::id::{GrantId, PersonId};
use halligan_log::{Edge, Leaf, Object, Span, bundle};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::sync::Read;
use super::{Inner, PAGE, PublishError};
use crate::life::{Keyring, Lives, concerned};
use crate::ports::{Archive, ArchiveError, Head, Import, PasskeyNews, QueuedEntry, StoreError};

const BUNDLE: u64 = 256;
/// Workers may write to the store meanwhile: so many times it is begun again.
const TRIES: usize = 8;

/// What was imported.
pub(super) struct Imported {
    archive: String,
    from: u64,
    size: u64,
    renumbered: u64,
    set_aside: u64,
    forked: bool,
}

/// What an archive holds beyond the store.
pub(super) struct Missing<'a> {
    archive: &'a dyn Archive,
    from: u64,
    size: u64,
    ids: BTreeSet<Uuid>,
    grants: BTreeSet<GrantId>,
}

impl Inner {
    /// Imports what the archive holds beyond `head`, the tree that store and log agree about.
    pub(super) async fn import(
        &self,
        read: &Read,
        at_head: Edge,
        head: Head,
        forked: bool,
    ) -> Result<Imported, PublishError> {
        let archive = read.place.archive.as_ref();
        let whole = Head { size: read.size(), root: read.standing.edge.root() };
        let missing = Missing::find(archive, at_head.clone(), whole).await?;
        tracing::warn!(
            alarm = "log.imported",
            archive = archive.name(),
            from = missing.from,
            size = missing.size,
            "the store is older than the log: reading what it lacks"
        );
        for _ in 0..TRIES {
            match self.import_all(&missing, at_head.clone(), head).await {
                Err(PublishError::Store(StoreError::Conflict)) => {}
                Err(error) => return Err(error),
                Ok((renumbered, set_aside)) => {
                    let (from, size) = (missing.from, missing.size);
                    return Ok(Imported {
                        archive: archive.name().to_owned(),
                        from,
                        size,
                        renumbered,
                        set_aside,
                        forked,
                    });
                }
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// In pages: what a crash cuts short is gone on with from where it came to.
    async fn import_all(&self, missing: &Missing<'_>, at_head: Edge, head: Head) -> Result<(u64, u64), PublishError> {
        let Head { size: mut after, .. } = head;
        let mut known = self.log.head().await?;
        let mut edge = at_head;
        let mut lives = self.lives_until(missing, after).await?;
        let mut keyring = Keyring::default();
        loop {
            self.renew().await?;
            let page = missing.page(after).await?;
            edge = edge.grow(page.iter().map(|entry| Arc::clone(&entry.leaf))).map_err(unreadable)?.edge;
            let mut about = BTreeSet::new();
            for entry in &page {
                lives.enter(entry.index(), &entry.sealed).map_err(unreadable)?;
                about.extend(concerned(&entry.sealed.entry));
            }
            let grants: Vec<Grant> = about.iter().filter_map(|id| lives.grant(*id).cloned()).collect();
            let effects: BTreeSet<Effect> =
                grants.iter().map(|grant| Effect::Enforce(grant.request.target.clone())).collect();
            let last = self.log.last().await?;
            let own = self.own_entries(after, last).await?;
            let (tail, set_aside) = self.tail(missing, own);
            let (count, renumbered) = (u64::try_from(page.len()).unwrap_or(0), u64::try_from(tail.len()).unwrap_or(0));
            let head = Head { size: edge.size(), root: edge.root() };
            let effects = effects.into_iter().collect();
            let passkeys = self.passkeys(&mut keyring, &page).await?;
            let (sign_outs, known_head) = (page.iter().filter_map(signed_out).collect(), Some(known));
            let import = Import {
                after,
                last,
                known: known_head,
                entries: page,
                tail,
                grants,
                effects,
                passkeys,
                sign_outs,
                head,
            };
            self.restore.import(import, self.clock.now()).await?;
            known = head;
            after = after.saturating_add(count);
            if after >= missing.size {
                return Ok((renumbered, set_aside));
            }
        }
    }

    /// What a page of the log says of passkeys. Of those that it goes on about, the store's
    /// own word is where it begins.
    async fn passkeys(&self, keyring: &mut Keyring, page: &[QueuedEntry]) -> Result<Vec<PasskeyNews>, PublishError> {
        let (mut changed, mut followed) = (BTreeSet::new(), BTreeSet::new());
        for queued in page {
            let entry = &queued.sealed.entry;
            let Some(credential) = Keyring::changed_by(entry) else { continue };
            changed.insert(credential);
            // Whoever vouches may have a key that is older than the copy, and unchanged since.
            let older = (!matches!(entry.event, Event::PasskeyEnrolled { .. })).then_some(credential);
            for credential in older.into_iter().chain(Keyring::vouching_in(entry)) {
                if followed.insert(credential)
                    && !keyring.knows(credential)
                    && let Some(passkey) = self.passkeys.passkey(credential).await?
                {
                    keyring.resume(passkey);
                }
            }
            followed.insert(credential);
            if let Err(unsound) = keyring.enter(&queued.sealed) {
                tracing::error!(index = queued.index(), %unsound, "the log says of a passkey what doesn't hold: it is passed over");
            }
        }
        Ok(changed.into_iter().map(|credential| keyring.news_of(credential)).collect())
    }

    /// The lives, until `after`, of the grants that the missing entries are about.
    async fn lives_until(&self, missing: &Missing<'_>, after: u64) -> Result<Lives, PublishError> {
        let mut before: BTreeMap<u64, Sealed> = BTreeMap::new();
        for grant in &missing.grants {
            let timeline = self.log.timeline(*grant).await?;
            before.extend(timeline.into_iter().filter(|e| e.position <= after).map(|e| (e.index(), e.sealed)));
        }
        let mut lives = Lives::new(self.settings.deployment.clone());
        for (index, sealed) in &before {
            lives.enter(*index, sealed).map_err(unreadable)?;
        }
        Ok(lives)
    }

    /// The store's own entries beyond `after`.
    async fn own_entries(&self, after: u64, last: u64) -> Result<Vec<QueuedEntry>, PublishError> {
        let mut own: Vec<QueuedEntry> = Vec::new();
        let mut from = after.saturating_add(1);
        while from <= last {
            let page = self.log.entries(from, PAGE).await?;
            let Some(end) = page.last().map(|entry| entry.position) else { break };
            own.extend(page);
            from = end.saturating_add(1);
        }
        Ok(own)
    }

    /// What of the store's own entries comes behind, and how many of them change
    /// nothing any more: the log has other news of their grants.
    fn tail(&self, missing: &Missing<'_>, own: Vec<QueuedEntry>) -> (Vec<Sealed>, u64) {
        let unknown = own.into_iter().filter(|entry| !missing.ids.contains(&entry.sealed.entry.id));
        let behind = unknown.map(|own| {
            let entry = &own.sealed.entry;
            let contradicted = concerned(entry).is_some_and(|grant| missing.grants.contains(&grant));
            if contradicted { self.aside(&own) } else { own.sealed }
        });
        let tail: Vec<Sealed> = behind.collect();
        let set_aside = tail.iter().filter(|sealed| is_aside(&sealed.entry)).count();
        (tail, u64::try_from(set_aside).unwrap_or(0))
    }

    fn aside(&self, own: &QueuedEntry) -> Sealed {
        let entry = &own.sealed.entry;
        let event = Event::LogEntrySetAside {
            id: entry.id,
            kind: entry.event.kind(),
            sha256: hex::encode(Sha256::digest(&own.leaf.entry)),
        };
        let draft = self.recorder.draft(Actor::SYSTEM, entry.subject.clone(), Recorded::plain(event));
        let draft = Draft { incident: entry.incident.clone(), links: entry.links.clone(), ..draft };
        let now = self.clock.now();
        draft.seal(now, now)
    }

    pub(super) async fn tell_imported(&self, imported: Imported) {
        let Imported { archive, from, size, renumbered, set_aside, forked } = imported;
        let event = Event::LogImported { archive, from, size, renumbered, set_aside, forked };
        self.recorder.record(Actor::SYSTEM, Subject::broker("log"), Recorded::plain(event)).await;
    }
}

impl<'a> Missing<'a> {
    /// Everything that the archive's tree of `size` has.
    pub(super) const fn all(archive: &'a dyn Archive, size: u64) -> Self {
        Missing { archive, from: 0, size, ids: BTreeSet::new(), grants: BTreeSet::new() }
    }

    /// Reads everything beyond `at_head` once, and whether it makes the tree of `whole`.
    async fn find(archive: &'a dyn Archive, at_head: Edge, whole: Head) -> Result<Self, PublishError> {
        let (from, size) = (at_head.size(), whole.size);
        let mut missing = Missing { from, ..Missing::all(archive, size) };
        let mut edge = at_head;
        while edge.size() < size {
            let page = missing.page(edge.size()).await?;
            for QueuedEntry { sealed, .. } in &page {
                missing.ids.insert(sealed.entry.id);
                missing.grants.extend(concerned(&sealed.entry));
            }
            edge = edge.grow(page.into_iter().map(|entry| entry.leaf)).map_err(unreadable)?.edge;
        }
        if edge.root() == whole.root {
            return Ok(missing);
        }
        Err(unreadable(format!("{}: its entries {from} to {size} don't make its tree", archive.name())))
    }

    /// The entries behind the first `after` ones, to the end of a bundle.
    pub(super) async fn page(&self, after: u64) -> Result<Vec<QueuedEntry>, PublishError> {
        let n = after / BUNDLE;
        let end = n.saturating_add(1).saturating_mul(BUNDLE).min(self.size);
        let width = u16::try_from(end.saturating_sub(n.saturating_mul(BUNDLE))).unwrap_or(halligan_log::object::FULL);
        let span = Span { n, width };
        let entries = self.texts(Object::Entries(span), width).await?;
        let entries = entries.ok_or_else(|| self.missing(Object::Entries(span)))?;
        // One that is no bundle is nobody's word: as if erased.
        let personal = match self.texts(Object::Personal(span), width).await {
            Err(PublishError::Unreadable(_)) => Vec::new(),
            texts => texts?.unwrap_or_default(),
        };
        let mut personal = personal.into_iter().map(Some).chain(std::iter::repeat(None));
        let mut page = Vec::with_capacity(entries.len());
        for (index, entry) in (n.saturating_mul(BUNDLE)..).zip(entries) {
            let personal = personal.next().flatten().filter(|text| !text.is_empty());
            if index >= after {
                page.push(self.read(index, Leaf { entry, personal })?);
            }
        }
        Ok(page)
    }

    async fn texts(&self, object: Object, width: u16) -> Result<Option<Vec<Vec<u8>>>, PublishError> {
        let failed = |error: ArchiveError| {
            let because = format!("{}: {error}", self.archive.name());
            match error {
                // Not now is not never: what is there stays there.
                ArchiveError::Unavailable(_) => PublishError::Unconfirmed { confirmed: 0, needed: 1, because },
                ArchiveError::Refused(_) | ArchiveError::Taken { .. } => PublishError::Unreadable(because),
            }
        };
        let stored = self.archive.read(object).await.map_err(failed)?;
        let Some(stored) = stored else { return Ok(None) };
        let texts = bundle::read(&stored.bytes, width.into())
            .map_err(|error| unreadable(format!("{}: `{object}`: {error}", self.archive.name())))?;
        Ok(Some(texts.into_iter().map(<[u8]>::to_vec).collect()))
    }

    fn read(&self, index: u64, mut leaf: Leaf) -> Result<QueuedEntry, PublishError> {
        let entry: Entry = serde_json::from_slice(&leaf.entry).map_err(|error| {
            let archive = self.archive.name();
            unreadable(format!("{archive}: entry {index} ({error}): expected one that this version writes, use the version that wrote it"))
        })?;
        // A personal part that isn't what the entry commits to is nobody's word: as if erased.
        let commits = |text: &Vec<u8>| entry.personal_sha256.as_deref() == Some(&hex::encode(Sha256::digest(text)));
        let personal = leaf.personal.as_ref().filter(|text| commits(text));
        let personal = personal.and_then(|text| serde_json::from_slice(text).ok());
        // What can't be read can't be kept either.
        leaf.personal = leaf.personal.filter(|_| personal.is_some());
        let sealed = Sealed { entry, personal };
        Ok(QueuedEntry { position: index.saturating_add(1), sealed, leaf: Arc::new(leaf) })
    }

    fn missing(&self, object: Object) -> PublishError {
        unreadable(format!("{}: `{object}` is missing", self.archive.name()))
    }
}

/// Who was signed out everywhere, and when.
fn signed_out(queued: &QueuedEntry) -> Option<(PersonId, Timestamp)> {
    match &queued.sealed.entry.event {
        Event::PersonSignedOut { person, since, .. } => Some((person.clone(), *since)),
        _ => None,
    }
}

const fn is_aside(entry: &Entry) -> bool {
    matches!(entry.event, Event::LogEntrySetAside { .. })
}

fn unreadable(error: impl ToString) -> PublishError {
    PublishError::Unreadable(error.to_string())
}
