//! What the store holds of the log: the entries in their order, how far they
//! are durable, and what has to be remembered about the places they go to.

use std::sync::Arc;

use async_trait::async_trait;
use halligan_core::entry::{Draft, Sealed};
use halligan_core::grant::{Effect, Grant};
use halligan_core::id::{GrantId, PersonId};
use halligan_log::{Hash, Leaf};
use jiff::Timestamp;

use super::identity::PasskeyNews;
use super::store::{Committed, StoreError};

/// An entry with its position in the store's order, which begins at 1 and has no
/// gaps. Once it is published its index in the log is its position less 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedEntry {
    /// Its position.
    pub position: u64,
    /// The entry and its personal part, read.
    pub sealed: Sealed,
    /// The same, byte by byte as it was first written: what the log hashes.
    pub leaf: Arc<Leaf>,
}

impl QueuedEntry {
    /// An entry that is written now.
    #[must_use]
    pub fn new(position: u64, sealed: Sealed) -> Self {
        let leaf = Arc::new(Leaf {
            entry: sealed.entry.to_json(),
            personal: sealed.personal.as_ref().map(|part| part.to_json()),
        });
        Self { position, sealed, leaf }
    }

    /// Its index in the log.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.position.saturating_sub(1)
    }
}

/// A tree of the log that is durable: everything in it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Head {
    /// How many entries it has: the position of the last.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// The entries, in their order.
#[async_trait]
pub trait LogStore: Send + Sync {
    /// Entries from position `from` on, in order, at most `limit`. A gap is
    /// [`StoreError::Corrupt`]: publishing on would close it for ever.
    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<QueuedEntry>, StoreError>;

    /// The position of the last entry; 0 before the first.
    async fn last(&self) -> Result<u64, StoreError>;

    /// The tree that was last durable; the empty one at first.
    async fn head(&self) -> Result<Head, StoreError>;

    /// `head` is durable at the archives. It never moves back: a smaller one is passed
    /// over. One past the last entry, or of the same size with another root, is a
    /// [`StoreError::Conflict`]: the store doesn't have what the archives have.
    async fn advance(&self, head: Head) -> Result<(), StoreError>;

    /// The entries of a grant, in order: its timeline.
    async fn timeline(&self, grant: GrantId) -> Result<Vec<QueuedEntry>, StoreError>;
}

/// What the log has and the store lacks, or has otherwise.
#[derive(Debug, Clone)]
pub struct Import {
    /// Up to here the store and the log agree: everything above is replaced.
    pub after: u64,
    /// The position of the store's last entry when this was decided on: if there
    /// are more by then, it is a [`StoreError::Conflict`].
    pub last: u64,
    /// The tree that the store knew to be durable then: if it knows another by then, it
    /// is a [`StoreError::Conflict`], since somebody else imports. None: whatever it knows.
    pub known: Option<Head>,
    /// The log's entries, from position `after` + 1 on, byte by byte.
    pub entries: Vec<QueuedEntry>,
    /// The store's own entries that the log doesn't have: they get the positions
    /// behind, and times that don't go back.
    pub tail: Vec<Sealed>,
    /// The grants that the log's entries are about, as they are after them.
    pub grants: Vec<Grant>,
    /// What is left to do about those.
    pub effects: Vec<Effect>,
    /// What the log's entries say of passkeys, in their order.
    pub passkeys: Vec<PasskeyNews>,
    /// When people were signed out everywhere, by the log's entries.
    pub sign_outs: Vec<(PersonId, Timestamp)>,
    /// The log's tree after its entries.
    pub head: Head,
}

impl Import {
    /// Why no store takes it, if there is a reason: what it left behind would have
    /// gaps, or couldn't be read again.
    #[must_use]
    pub fn flaw(&self) -> Option<String> {
        if self.after > self.last {
            return Some(format!("it goes on after {}, and the last entry was {}", self.after, self.last));
        }
        let mut end = self.after;
        for entry in &self.entries {
            end = end.saturating_add(1);
            if entry.position != end {
                return Some(format!("it has entry {} where {end} comes", entry.position));
            }
        }
        if self.head.size != end {
            return Some(format!("its tree has {} entries, and the last of its entries is {end}", self.head.size));
        }
        let other = |sealed: &&Sealed| {
            // What is not there was erased, or there never was any.
            sealed.personal.as_ref().is_some_and(|part| sealed.entry.personal_sha256 != Some(part.sha256()))
        };
        if let Some(torn) = self.tail.iter().find(other) {
            return Some(format!("the personal part of {} is not what the entry commits to", torn.entry.id));
        }
        self.passkeys.iter().find_map(|news| match news {
            PasskeyNews::Kept(passkey) => Some(format!("the passkey {}: {}", passkey.credential, passkey.flaw()?)),
            PasskeyNews::Removed(_) => None,
        })
    }
}

/// Brings a store that is older than the log up to date.
#[async_trait]
pub trait LogRestore: Send + Sync {
    /// Does all of `import` in one durable transaction, or none of it. It may be one
    /// of several that follow each other: what each leaves behind is a store that is
    /// a shorter prefix of the log, with entries of its own behind.
    ///
    /// Grants get their next version. No cursor stays past [`Import::after`]: what
    /// comes behind is other than what the sinks may have kept. An id that is there
    /// already is a [`StoreError::Conflict`]; an import with a [`Import::flaw`] is refused.
    ///
    /// What was ended since the store was saved must not come back with it: every
    /// session and ceremony is gone, and so is what was said of logins' groups. People
    /// sign in again. Of when somebody was signed out everywhere the later word holds, the
    /// store's or the log's.
    async fn import(&self, import: Import, now: Timestamp) -> Result<(), StoreError>;
}

/// What of the entries can be erased.
#[async_trait]
pub trait PersonalData: Send + Sync {
    /// Erases the personal parts of the entries that were recorded before `time`;
    /// returns how many there were. The entries stay as they are. Where it fails on
    /// the way, some are erased, and the same call goes on with the others.
    ///
    /// An import may bring back what an archive still has: it is erased again then.
    async fn erase_before(&self, time: Timestamp) -> Result<u64, StoreError>;
}

/// How far a sink was when somebody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Up to which position it has kept everything; 0 before the first.
    pub position: u64,
    /// How many imports there had been: what is read after one may be other entries than
    /// before it, at the same positions.
    pub imports: u64,
}

/// How far each sink is.
#[async_trait]
pub trait Cursors: Send + Sync {
    /// How far `sink` is. What is sent is read after this.
    async fn cursor(&self, sink: &str) -> Result<Cursor, StoreError>;

    /// It has kept everything up to `position`, having begun where `from` says.
    /// [`StoreError::Conflict`] if the cursor is elsewhere by now, or there was an import
    /// since: what was sent may be other than what is there. Never back: a smaller
    /// position is passed over.
    async fn move_cursor(&self, sink: &str, from: Cursor, position: u64) -> Result<Cursor, StoreError>;
}

/// What was last known of something that is compared with how it is now: keys,
/// places, the catalogue.
#[async_trait]
pub trait Facts: Send + Sync {
    /// What was learnt under `name`.
    async fn fact(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// From now on `value` is what is known under `name`, where `known` is still
    /// what was known before ([`StoreError::Conflict`] if not), with entries, in one
    /// transaction.
    async fn learn(
        &self,
        name: &str,
        known: Option<&str>,
        value: &str,
        entries: Vec<Draft>,
        now: Timestamp,
    ) -> Result<Committed, StoreError>;
}
