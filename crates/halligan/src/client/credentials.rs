//! Which credentials to hand out: the kept ones while they are right, else new ones.
//!
//! AWS SDKs ask again on every use when less than 15 minutes remain, so a mint
//! for each question would be hundreds of log entries and STS calls.

use std::sync::Arc;

use async_trait::async_trait;
use halligan_core::id::GrantId;
use halligan_engine::ports::Clock;
use halligan_server::views::{CredentialsView, GrantState, GrantView};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::cache::{Kept, Shelf};
use super::failure::Failure;
use super::words;

/// Credentials so near their end aren't handed out: the call they are for would come too late.
const TOO_LATE: SignedDuration = SignedDuration::from_secs(5);
/// Under 15 minutes the SDKs begin to ask on every use: be a little earlier than they.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_mins(16);
/// What a mint must add to be worth it.
const WORTHWHILE: SignedDuration = SignedDuration::from_mins(1);

/// What a broker is asked for here.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// The grant as it is now.
    async fn grant(&self, id: GrantId, tries: Tries) -> Result<GrantView, Failure>;
    /// New credentials, each time.
    async fn mint(&self, id: GrantId) -> Result<CredentialsView, Failure>;
}

/// How long a broker that can't be reached is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tries {
    /// Whoever asks goes on without an answer, or asks again of their own.
    One,
    /// There is nothing to go on with.
    Several,
}

/// Where warnings go.
pub type Warn = Arc<dyn Fn(&str) + Send + Sync>;

/// The credentials of one grant, for as long as it lasts.
pub struct Source {
    issuer: Arc<dyn Issuer>,
    shelf: Box<dyn Shelf>,
    clock: Arc<dyn Clock>,
    warn: Warn,
    grant: GrantId,
    // Within this process; the shelf keeps the turns among processes.
    turn: Mutex<()>,
}

impl Source {
    /// The credentials of this grant, kept on this shelf.
    #[must_use]
    pub fn new(
        issuer: Arc<dyn Issuer>,
        shelf: Box<dyn Shelf>,
        clock: Arc<dyn Clock>,
        warn: Warn,
        grant: GrantId,
    ) -> Self {
        Self { issuer, shelf, clock, warn, grant, turn: Mutex::new(()) }
    }

    /// Credentials that work now and for some seconds more.
    ///
    /// # Errors
    /// When the grant is over (what was kept is gone then), when the broker
    /// refuses, and when it can't be asked and nothing is kept.
    pub async fn current(&self) -> Result<CredentialsView, Failure> {
        // An SDK may ask before each of its calls: with something to fall back on, it isn't kept waiting.
        let tries = if self.kept().is_some() { Tries::One } else { Tries::Several };
        let grant = match self.issuer.grant(self.grant, tries).await {
            Ok(grant) => grant,
            Err(failure) => return self.fall_back(failure),
        };
        let fence = match self.fence(&grant) {
            Ok(fence) => fence,
            Err(over) => {
                self.shelf.clear();
                return Err(over);
            }
        };
        if let Some(kept) = self.right(fence) {
            return Ok(kept.credentials);
        }
        let _turn = self.turn.lock().await;
        let _turn_among_processes = self.shelf.turn().await.map_err(|why| (self.warn)(&why)).ok();
        // Somebody else may have minted while this one waited.
        if let Some(kept) = self.right(fence) {
            return Ok(kept.credentials);
        }
        self.mint(fence).await
    }

    async fn mint(&self, fence: Timestamp) -> Result<CredentialsView, Failure> {
        let minted_at = self.clock.now();
        let credentials = match self.issuer.mint(self.grant).await {
            Ok(credentials) => credentials,
            Err(failure) => return self.fall_back(failure),
        };
        let kept = Kept { credentials, fence, minted_at };
        if let Err(why) = self.shelf.write(&kept) {
            (self.warn)(&format!("the credentials are not kept, so the next call asks for new ones: {why}"));
        }
        if self.is_too_late(kept.credentials.expiration) {
            return Err(self.too_late(kept.credentials.expiration));
        }
        Ok(kept.credentials)
    }

    /// What the broker's silence leaves: kept credentials, since AWS would take them.
    /// Its no leaves nothing.
    fn fall_back(&self, failure: Failure) -> Result<CredentialsView, Failure> {
        if !failure.is_passing() {
            // Who couldn't show who they are may be the right one still.
            let decided = matches!(&failure, Failure::Refused(refused) if refused.problem.status != 401);
            if decided {
                self.shelf.clear();
            }
            return Err(failure);
        }
        let Some(kept) = self.kept() else { return Err(failure) };
        let end = words::time(kept.credentials.expiration);
        (self.warn)(&format!("{}; going on with the credentials of before, until {end}", failure.chain()));
        Ok(kept.credentials)
    }

    /// Where the grant ends as it stands. A grant that isn't active yet has no
    /// end: the broker is asked, says no, and records it.
    fn fence(&self, grant: &GrantView) -> Result<Timestamp, Failure> {
        if grant.state.is_over() {
            return Err(Failure::Over(words::ending(grant)));
        }
        let fence = fence_of(grant).unwrap_or(Timestamp::MAX);
        if self.is_too_late(fence) { Err(self.too_late(fence)) } else { Ok(fence) }
    }

    fn is_too_late(&self, end: Timestamp) -> bool {
        end.duration_since(self.clock.now()) <= TOO_LATE
    }

    fn too_late(&self, end: Timestamp) -> Failure {
        let (id, end, now) = (self.grant, words::at(end), words::time(self.clock.now()));
        Failure::Over(format!("grant {id} ends at {end}: too little is left to use (this machine's clock says {now})"))
    }

    /// What is kept and not too late.
    fn kept(&self) -> Option<Kept> {
        match self.shelf.read() {
            Ok(kept) => kept.filter(|kept| !self.is_too_late(kept.credentials.expiration)),
            Err(why) => {
                (self.warn)(&format!("the kept credentials are not used: {why}"));
                self.shelf.clear();
                None
            }
        }
    }

    /// What is kept and still as good as a mint would be.
    fn right(&self, fence: Timestamp) -> Option<Kept> {
        let now = self.clock.now();
        self.kept().filter(|kept| {
            let moved = kept.fence != fence;
            let end = kept.credentials.expiration;
            // A new token lives as long as this one did, and not past the fence.
            let gain = fence.duration_since(end).min(now.duration_since(kept.minted_at));
            let worn = end.duration_since(now) < RENEW_BEFORE && gain >= WORTHWHILE;
            !moved && !worn
        })
    }
}

/// When an active grant ends as it stands: an emergency start that nobody has
/// acknowledged ends sooner. `None` when it isn't active.
#[must_use]
pub fn fence_of(grant: &GrantView) -> Option<Timestamp> {
    match grant.state {
        GrantState::Active => match (grant.ack_due, grant.ends_at) {
            (Some(due), Some(end)) => Some(due.min(end)),
            (due, end) => due.or(end),
        },
        GrantState::Pending
        | GrantState::Declined
        | GrantState::Withdrawn
        | GrantState::Cancelled
        | GrantState::Lapsed
        | GrantState::Expired
        | GrantState::Revoked
        | GrantState::Returned => None,
    }
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
pub(crate) mod tests;
