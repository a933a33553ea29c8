//! What the broker remembers. One adapter implements all of these over one
//! database; they are apart because their users are.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use halligan_core::entry::Draft;
use halligan_core::grant::{Effect, Grant, Phase};
use halligan_core::iam::revocation::{Cut, Generation};
use halligan_core::id::{GrantId, PartyName, PersonId, RoleId};
use halligan_core::incident::IncidentRef;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Counts the writes of a row: the compare in compare-and-swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

/// A grant with the version it was read at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The grant.
    pub grant: Grant,
    /// Its version.
    pub version: Version,
}

/// Why the store didn't do it. Nothing of the call has happened, except where
/// [`StoreError::Unavailable`] says that it may have.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed the row meanwhile: read again, decide again.
    #[error("the grant was changed meanwhile")]
    Conflict,
    /// The database didn't answer. A commit may have happened all the same.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A row that no version of this program wrote.
    #[error("{table}.{column} of row {row} can't be read: {because}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key.
        row: String,
        /// What is wrong with it.
        because: String,
    },
}

/// What one transaction does: all of it or nothing.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The grant's new value, and the version it was decided on; none: a new grant.
    pub grant: Option<(Grant, Option<Version>)>,
    /// Entries, in order.
    pub entries: Vec<Draft>,
    /// Work that this leaves behind, due at once.
    pub effects: Vec<Effect>,
    /// The idempotency key that this change answers: completed with the grant, once.
    /// A key that isn't begun, or is answered already, is a [`StoreError::Conflict`]:
    /// another try was first, or this one was given up. Without a grant it is passed over.
    pub answers: Option<IdempotencyKey>,
}

/// What a transaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The grant's new version, where there was one.
    pub version: Option<Version>,
    /// The position of the last entry written; none if there was none.
    pub position: Option<u64>,
}

/// Which grants.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In one of these phases; empty: in any.
    pub phases: Vec<Phase>,
    /// Of this role.
    pub role: Option<RoleId>,
    /// On this occasion.
    pub incident: Option<IncidentRef>,
    /// Asked for by this person or machine.
    pub requester: Option<PartyName>,
    /// Only ids below this one: the next page, newest first.
    pub before: Option<GrantId>,
}

/// A page of grants, newest first.
#[derive(Debug, Clone)]
pub struct Page {
    /// The grants.
    pub grants: Vec<Versioned>,
    /// Where the next page begins, if there is one.
    pub next: Option<GrantId>,
}

/// A grant and when it next needs attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueGrant {
    /// The grant.
    pub id: GrantId,
    /// When ([`Grant::next_deadline`]): never early, and less than a millisecond late.
    pub due_at: Timestamp,
}

/// Grants, and every change.
#[async_trait]
pub trait GrantStore: Send + Sync {
    /// The grant of this id.
    async fn grant(&self, id: GrantId) -> Result<Option<Versioned>, StoreError>;

    /// At most `limit` grants, newest first.
    async fn grants(&self, filter: &Filter, limit: u32) -> Result<Page, StoreError>;

    /// The grants whose next deadline comes first, soonest first, at most `limit`.
    async fn next_due(&self, limit: u32) -> Result<Vec<DueGrant>, StoreError>;

    /// Grants of `role` that matter to its revocation policy: active, or ended
    /// with a deny that must stand beyond `now` or that has not been seen to bite.
    async fn enforceable(&self, role: &RoleId, now: Timestamp) -> Result<Vec<Versioned>, StoreError>;

    /// Does all of `change` in one durable transaction, or none of it. Entries
    /// get consecutive positions in commit order, and times that never go back. An
    /// entry whose id is there already is a [`StoreError::Conflict`], as is a version
    /// that has moved on: a commit that may have happened can be tried again.
    async fn commit(&self, change: Change, now: Timestamp) -> Result<Committed, StoreError>;
}

/// A piece of work from [`Change::effects`]. One row an effect: what is due
/// twice is done once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effort {
    /// What to do.
    pub effect: Effect,
    /// How often it has failed in a row.
    pub attempts: u32,
    /// Counts the times that it was asked for: completing an older ask leaves the newer.
    pub ask: u64,
}

/// Work that was left behind by transitions.
#[async_trait]
pub trait WorkQueue: Send + Sync {
    /// What is due at `now`.
    async fn due(&self, now: Timestamp) -> Result<Vec<Effort>, StoreError>;

    /// When the next work is due, if there is any.
    async fn next(&self) -> Result<Option<Timestamp>, StoreError>;

    /// It is done, unless it was asked for again after `effort` was read.
    async fn complete(&self, effort: &Effort) -> Result<(), StoreError>;

    /// It failed; it is due again at `again_at`, never sooner. Asked for again after
    /// `effort` was read, it stays due.
    async fn postpone(&self, effort: &Effort, again_at: Timestamp) -> Result<(), StoreError>;

    /// It is to be done at `due_at`, or sooner if it was to be sooner. That is an ask:
    /// whoever does it now completes first, and schedules what comes next then.
    async fn schedule(&self, effect: &Effect, due_at: Timestamp) -> Result<(), StoreError>;
}

/// The right to be the one who does something, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is for.
    pub name: String,
    /// Tells this holding from every other: grows with each.
    pub token: u64,
    /// Until when.
    pub until: Timestamp,
}

/// One at a time, across replicas.
#[async_trait]
pub trait Leases: Send + Sync {
    /// The lease, unless somebody else holds it. `holder` may take again what it
    /// holds, with a new token.
    async fn acquire(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        length: SignedDuration,
    ) -> Result<Option<Lease>, StoreError>;

    /// Gives it back early. A lease that was lost meanwhile is left alone.
    async fn release(&self, lease: &Lease) -> Result<(), StoreError>;
}

/// What we know of a role's revocation policy, beside the grants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RoleRecord {
    /// The generation last written, or about to be.
    pub generation: Generation,
    /// The document of that generation, as it was sent; none: the policy was removed.
    pub document: Option<String>,
    /// The one before: a late write of ours is no drift.
    #[serde(default)]
    pub previous: Option<String>,
    /// Whether the document was read back from the role.
    #[serde(default)]
    pub confirmed: bool,
    /// Grants found in the policy that the store doesn't know, and when they were
    /// found: they stay denied for the longest token life from then.
    pub adopted: BTreeMap<GrantId, Timestamp>,
    /// A cut found in the policy that is newer than the store.
    pub adopted_cut: Option<Cut>,
    /// The role's inline policies that are somebody else's, as last seen.
    #[serde(default)]
    pub foreign: BTreeSet<String>,
}

/// What we know of the roles' revocation policies.
#[async_trait]
pub trait RoleLedger: Send + Sync {
    /// The record of a role; a role never written to has an empty one.
    async fn record(&self, role: &RoleId) -> Result<RoleRecord, StoreError>;

    /// Replaces it, with entries, in one transaction, if `lease` is still held at
    /// `now`. [`StoreError::Conflict`] if it was lost, given back, or is over.
    async fn save(
        &self,
        role: &RoleId,
        record: &RoleRecord,
        entries: Vec<Draft>,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Committed, StoreError>;
}

/// Names one call of one person on one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Whose call.
    pub person: PersonId,
    /// Which route, with its path parameters.
    pub route: String,
    /// The header's value.
    pub key: String,
}

/// What is known of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is new, or an earlier try left nothing behind: go on.
    Fresh,
    /// It was answered with this grant, as it was then.
    Answered(Box<Grant>),
    /// The same call is being answered now.
    InFlight,
    /// The key was used with another body.
    OtherBody,
}

/// How long a call may stay in flight before another try may take its place.
pub struct Idempotency;

impl Idempotency {
    /// After this a call without an answer is taken to have died.
    pub const IN_FLIGHT: SignedDuration = SignedDuration::from_secs(60);
    /// Answers are kept for this long.
    pub const KEPT: SignedDuration = SignedDuration::from_hours(24);
}

/// The answers of calls with an idempotency key.
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// Takes the key for this call, or says what is known of it. Of two at once one
    /// is [`Begun::Fresh`]; a call in flight for [`Idempotency::IN_FLIGHT`] is taken over.
    async fn begin(&self, key: &IdempotencyKey, body_sha256: &str, now: Timestamp) -> Result<Begun, StoreError>;

    /// The call came to nothing: the key is free again. An answer that was
    /// recorded by [`GrantStore::commit`] stays.
    async fn abandon(&self, key: &IdempotencyKey) -> Result<(), StoreError>;

    /// Forgets what is older than `before`; returns how many.
    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError>;
}
