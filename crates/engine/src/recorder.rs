//! Entries that belong to no transition: refusals, findings, the broker's own doings.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use halligan_core::actor::Actor;
use halligan_core::entry::{Draft, Links, Subject};
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::Grant;
use halligan_core::id::PartyName;
use jiff::{SignedDuration, Timestamp};

use crate::ports::{Change, Clock, Committed, Entropy, Facts, GrantStore, StoreError};
use crate::problem::ProblemKind;
use crate::wake::Wake;

/// So many refusals of one person a window are entries; the rest is counted.
const ENTRIES_PER_WINDOW: u32 = 60;
/// The length of a window.
pub const WINDOW: SignedDuration = SignedDuration::from_mins(1);

/// Makes entries, and bounds how many of them a caller can cause.
pub struct Recorder {
    store: Arc<dyn GrantStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    wake: Arc<Wake>,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    since: Option<Timestamp>,
    by_party: HashMap<PartyName, u32>,
    counted: BTreeMap<ProblemKind, u64>,
}

impl Recorder {
    /// A recorder over the store.
    pub fn new(store: Arc<dyn GrantStore>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, wake: Arc<Wake>) -> Self {
        Self { store, clock, entropy, wake, window: Mutex::default() }
    }

    /// A draft about a grant.
    pub fn draft_about(&self, grant: &Grant, actor: Actor, recorded: Recorded) -> Draft {
        Draft::about(grant, actor, recorded, self.entropy.uuid_v7(self.clock.now()), self.entropy.bytes())
    }

    /// A draft about something else.
    pub fn draft(&self, actor: Actor, subject: Subject, recorded: Recorded) -> Draft {
        let id = self.entropy.uuid_v7(self.clock.now());
        Draft { id, salt: self.entropy.bytes(), actor, subject, incident: None, links: Links::default(), recorded }
    }

    /// Commits a change that is decided now, and wakes those who wait for it.
    ///
    /// # Errors
    /// As [`GrantStore::commit`].
    pub async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        self.commit_decided(change, self.clock.now()).await
    }

    /// As [`Recorder::commit`], of what the lifecycle decided at `decided_at`: its
    /// entries say exactly that instant, so that the grant can be rebuilt from them.
    ///
    /// # Errors
    /// As [`GrantStore::commit`].
    pub async fn commit_decided(&self, change: Change, decided_at: Timestamp) -> Result<Committed, StoreError> {
        let (moved, works) = (change.grant.is_some(), !change.effects.is_empty());
        let committed = self.store.commit(change, decided_at).await?;
        self.wake.publisher.notify_one();
        if moved {
            self.wake.deadlines.notify_one();
        }
        if works {
            self.wake.work.notify_one();
        }
        Ok(committed)
    }

    /// Learns a fact, with entries, and wakes who publishes them.
    ///
    /// # Errors
    /// As [`Facts::learn`].
    pub async fn learn(
        &self,
        facts: &dyn Facts,
        name: &str,
        known: Option<&str>,
        value: &str,
        entries: Vec<Draft>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        facts.learn(name, known, value, entries, now).await?;
        self.wake.publisher.notify_one();
        Ok(())
    }

    /// Wakes who publishes what was committed by another way.
    pub fn wake(&self) {
        self.wake.publisher.notify_one();
    }

    /// As [`Recorder::wake`], and whoever tells people of enrolments.
    pub fn wake_of_enrolment(&self) {
        self.wake();
        self.wake.enrolments.notify_one();
    }

    /// Records something that changes no grant. A store that doesn't answer is
    /// told to the operators' log: the caller has something graver to say.
    pub async fn record(&self, actor: Actor, subject: Subject, recorded: Recorded) {
        let draft = self.draft(actor, subject, recorded);
        self.record_draft(draft).await;
    }

    /// As [`Recorder::record`], for a draft that was made before.
    pub async fn record_draft(&self, draft: Draft) {
        let change = Change { entries: vec![draft], ..Change::default() };
        if let Err(error) = self.commit(change).await {
            tracing::error!(%error, "an entry could not be written");
        }
    }

    /// Whether one more refusal of `party` is an entry of its own.
    pub(crate) fn admits(&self, party: &PartyName, kind: ProblemKind) -> bool {
        let mut window = self.window();
        let count = window.by_party.entry(party.clone()).or_default();
        *count = count.saturating_add(1);
        if *count <= ENTRIES_PER_WINDOW {
            return true;
        }
        *window.counted.entry(kind).or_default() += 1;
        false
    }

    /// Counts a refusal.
    pub(crate) fn count(&self, kind: ProblemKind) {
        *self.window().counted.entry(kind).or_default() += 1;
    }

    /// Ends the window if its time has come, with an entry if anything was counted.
    pub async fn close_window(&self, now: Timestamp) {
        self.end_window(now, WINDOW).await;
    }

    /// Ends the window before its time: what was counted would be forgotten with the process.
    pub async fn close_last_window(&self, now: Timestamp) {
        self.end_window(now, SignedDuration::ZERO).await;
    }

    async fn end_window(&self, now: Timestamp, after: SignedDuration) {
        let (since, counted) = {
            let mut window = self.window();
            let since = *window.since.get_or_insert(now);
            if now.duration_since(since) < after {
                return;
            }
            window.since = Some(now);
            window.by_party.clear();
            (since, std::mem::take(&mut window.counted))
        };
        if !counted.is_empty() {
            let counts = counted.into_iter().map(|(kind, count)| (kind.slug().to_owned(), count)).collect();
            let event = Event::RefusalsCounted { since, counts };
            self.record(Actor::SYSTEM, Subject::broker("refusals"), Recorded::plain(event)).await;
        }
    }

    fn window(&self) -> std::sync::MutexGuard<'_, Window> {
        // Counters stay usable whatever panicked while they were held.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
