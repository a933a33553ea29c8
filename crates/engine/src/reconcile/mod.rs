//! Reconcilers bring the world to what the store says. Each takes no input but
//! the time, can be run at any time and any number of times, and says when it
//! next has something to do.

mod deadlines;
mod forwarding;
mod guards;
mod housekeeping;
mod incident_watch;
mod observation;
mod probing;
mod publishing;
mod revocations;
mod role_policy;
mod sign_ins;

use async_trait::async_trait;
use jiff::Timestamp;

pub use deadlines::Deadlines;
pub use forwarding::{Forwarding, ForwardingPorts};
pub use guards::{GuardPorts, Guards};
pub use housekeeping::{Housekeeping, Personal};
pub use incident_watch::IncidentWatch;
pub use publishing::Publishing;
pub use revocations::{RevocationPorts, Revocations};
pub use sign_ins::SignIns;

/// What a tick came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// How much was done.
    pub done: u32,
    /// When there is something to do again, as far as is known now.
    pub next: Option<Timestamp>,
}

/// Brings one aspect of the world to what the store says.
#[async_trait]
pub trait Reconciler: Send + Sync {
    /// Its name, in traces.
    fn name(&self) -> &'static str;

    /// Does what is due at `now`.
    async fn tick(&self, now: Timestamp) -> Result<Status, crate::problem::Problem>;
}
