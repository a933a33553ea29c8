//! Whether the log's entries make legal lives, and what the grants are after them.
//!
//! There is no second state machine here. Each entry is turned back into the
//! command that caused it, the lifecycle itself applies that to the grant at the
//! instant it was decided, and what the lifecycle then says must be what the log says.
//!
//! Where a reason was erased, [`Reason::erased`] stands in its place and the logged
//! hash is kept. Such a grant can be acknowledged, ended and contained, and nothing
//! is minted from it any more: its request no longer makes its hash.
//!
//! [`Reason::erased`]: halligan_core::text::Reason::erased

mod afterlife;
mod cause;
mod cut;
mod illegal;
mod keyring;
mod one;
mod read;
mod step;

use std::collections::HashMap;

use halligan_core::actor::Actor;
use halligan_core::entry::{Entry, Sealed};
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::Grant;
use halligan_core::id::{DeploymentId, GrantId};
use jiff::{SignedDuration, Timestamp};

pub use illegal::{Because, Illegal};
pub use keyring::{ENROLMENT_WAIT, Keyring, Unsound};

use afterlife::Afterlife;
use cause::Concern;
use cut::Cut;
use one::Life;
use step::Step;

/// So many grants can be open, or wait to be contained, at a time.
const OPEN_MAX: usize = 65_536;
/// A grant that is over is kept whole for so long after the last entry about it.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// The lives that a log tells of, as far as it has been read.
#[derive(Debug)]
pub struct Lives {
    deployment: Deployment,
    lives: HashMap<GrantId, Box<Life>>,
    after: Afterlife,
    /// How many lives there must be before forgetting is worth a look at each.
    look_at: usize,
    begun: u64,
}

/// Whose lives they are.
#[derive(Debug, Clone)]
struct Deployment {
    id: DeploymentId,
    known: bool,
}

/// What a transition said beyond the entries that the log has of it: the log was
/// cut between them, and the store that had the others is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Whose life.
    pub grant: GrantId,
    /// Who caused it.
    pub actor: Actor,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// What is missing, in order.
    pub events: Vec<Recorded>,
}

impl Lives {
    /// No lives yet. `deployment` is part of every request's hash, and in no entry.
    #[must_use]
    pub fn new(deployment: DeploymentId) -> Self {
        Self::of(Deployment { id: deployment, known: true })
    }

    /// As [`Lives::new`], where nobody said which deployment it was: the hashes of
    /// requests are taken as they are told.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a constant, which is a legal name")]
    pub fn of_any_deployment() -> Self {
        Self::of(Deployment { id: "unknown".parse().expect("a legal name"), known: false })
    }

    fn of(deployment: Deployment) -> Self {
        Self { deployment, lives: HashMap::new(), after: Afterlife::default(), look_at: 0, begun: 0 }
    }

    /// Goes on with the life of a grant whose entries so far are not at hand. What
    /// comes of a mint that was intended before is believed.
    pub fn resume(&mut self, grant: Grant) {
        self.lives.insert(grant.request.id, Box::new(Life::resumed(grant)));
    }

    /// Follows the entry at `index`. Most entries change no life, and are passed over.
    ///
    /// # Errors
    /// The life is not a legal one from here on. It stays as it was, and further
    /// entries about it are passed over: its first illegal entry tells enough.
    pub fn enter(&mut self, index: u64, sealed: &Sealed) -> Result<(), Illegal> {
        match cause::concern(&sealed.entry.event.kind()) {
            Concern::Nothing => Ok(()),
            Concern::Import | Concern::Life => self.take(index, &Step::of(sealed)),
        }
    }

    /// As [`Lives::enter`], of bytes as the log has them. An entry that concerns no
    /// life is not read beyond its type, which may be one that isn't known here.
    ///
    /// # Errors
    /// As [`Lives::enter`]; or it can't be read.
    pub fn enter_bytes(&mut self, index: u64, entry: &[u8], personal: Option<&[u8]>) -> Result<(), Illegal> {
        self.enter_timed(index, None, entry, personal)
    }

    /// As [`Lives::enter_bytes`], where the entry's time was read before.
    pub(crate) fn enter_timed(
        &mut self,
        index: u64,
        time: Option<Timestamp>,
        entry: &[u8],
        personal: Option<&[u8]>,
    ) -> Result<(), Illegal> {
        if let Some(followed) = Cut::of(entry).and_then(|cut| self.glance(index, time, &cut, personal)) {
            return followed;
        }
        match read::step(entry, personal) {
            Ok(None) => Ok(()),
            Ok(Some(step)) => self.take(index, &step),
            // Written in another way, perhaps: slowly, then.
            Err(_) => {
                let unreadable = |error: serde_json::Error| Illegal {
                    index,
                    grant: None,
                    kind: "?".to_owned(),
                    because: Because::Unreadable(error.to_string()),
                };
                let entry = serde_json::from_slice(entry).map_err(unreadable)?;
                let personal = personal.map(serde_json::from_slice).transpose().map_err(unreadable)?;
                self.enter(index, &Sealed { entry, personal })
            }
        }
    }

    /// Follows an entry that our writer wrote, of a life that has begun; none if it isn't one.
    fn glance(
        &mut self,
        index: u64,
        time: Option<Timestamp>,
        cut: &Cut<'_>,
        personal: Option<&[u8]>,
    ) -> Option<Result<(), Illegal>> {
        match cause::concern(cut.kind) {
            Concern::Nothing | Concern::Import => return None,
            Concern::Life => {}
        }
        let life = self.lives.get_mut(&cut.grant)?;
        let (data, doer) = cut.known(life.ending()?)?;
        let told = read::told(cut.kind, data).ok()?;
        let time = time.map_or_else(|| cut.time.parse(), Ok).ok()?;
        let step = Step {
            time,
            decided_at: cut.decided_at.map_or(Ok(time), str::parse).ok()?,
            told,
            doer,
            about: None,
            grant: Some(cut.grant),
            commits: cut.commits,
            personal: read::given(personal).ok()?,
        };
        let illegal = |because| Illegal { index, grant: Some(cut.grant), kind: cut.kind.to_owned(), because };
        Some(life.follow(&step).map_err(illegal))
    }

    fn take(&mut self, index: u64, step: &Step<'_>) -> Result<(), Illegal> {
        let illegal = |because| Illegal { index, grant: step.grant, kind: step.told.kind(), because };
        if matches!(step.told.event(), Some(Event::LogImported { .. })) {
            // The store that would have written the rest of a transition is lost.
            self.lives.values_mut().for_each(|life| life.excuse());
            return Ok(());
        }
        let grant = step.grant.ok_or_else(|| illegal(Because::NoGrant))?;
        self.follow(grant, step).map_err(illegal)
    }

    fn follow(&mut self, id: GrantId, step: &Step<'_>) -> Result<(), Because> {
        if let Some(life) = self.lives.get_mut(&id) {
            return life.follow(step);
        }
        match step.told.event() {
            Some(Event::GrantRequested { .. }) => {
                self.after.check_new(id)?;
                if self.lives.len() >= OPEN_MAX && self.forgetting() {
                    return Err(Because::TooMany { max: OPEN_MAX });
                }
                let life = Life::begin(&self.deployment, id, step)?;
                self.lives.insert(id, Box::new(life));
                self.begun = self.begun.saturating_add(1);
                Ok(())
            }
            _ => self.after.follow(id, &step.told),
        }
    }

    /// Whether [`Lives::forget`] is called, so that memory is to stay flat.
    fn forgetting(&self) -> bool {
        self.look_at > 0
    }

    /// Forgets the grants that are over for good at `now`, the log's own time: what
    /// stays of them is that they were, for as many as there is room for. Called
    /// every now and then, it keeps memory flat however long the log is.
    pub fn forget(&mut self, now: Timestamp) {
        if self.lives.len() < self.look_at {
            return;
        }
        let over = self.lives.extract_if(|_, life| life.is_over_since(now, KEPT));
        for (id, life) in over {
            self.after.admit(id, &life);
        }
        // As many again before the next look: each entry pays for a constant share of it.
        self.look_at = self.lives.len().saturating_mul(2).max(1_024);
    }

    /// The grant as it is after the entries so far; none if nobody asked for it, or
    /// it was forgotten.
    #[must_use]
    pub fn grant(&self, id: GrantId) -> Option<&Grant> {
        self.lives.get(&id).map(|life| life.grant())
    }

    /// Every grant that was not forgotten, in no order.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.lives.values().map(|life| life.grant())
    }

    /// How many grants were asked for so far.
    #[must_use]
    pub const fn begun(&self) -> u64 {
        self.begun
    }

    /// The log ends here, and goes on elsewhere: what its last transitions still
    /// owe, by grant. It is no fault of the log, and is demanded no more; whoever
    /// goes on may record it.
    pub fn settle(&mut self) -> Vec<Owed> {
        let mut owed: Vec<Owed> = self.lives.values_mut().filter_map(|life| life.settle()).collect();
        owed.sort_by_key(|owed| owed.grant);
        owed
    }
}

/// The grant whose life `entry` is part of; none of most entries, also of those that
/// only name a grant, as a refusal does.
#[must_use]
pub fn concerned(entry: &Entry) -> Option<GrantId> {
    match cause::concern(&entry.event.kind()) {
        Concern::Life => entry.links.grant,
        Concern::Nothing | Concern::Import => None,
    }
}
