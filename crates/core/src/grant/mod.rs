//! A grant: one person's time-boxed access to one target, from request to end.
//!
//! [`Grant::apply`] is the whole lifecycle: a pure function of the grant, a
//! command and the time. Whoever calls it holds the transaction.

mod activation;
mod apply;
mod command;
mod containment;
mod hash;
mod mint;
mod refusal;
mod request;
mod state;
mod warrant;

pub use command::{Command, Deadline, Yes};
pub use containment::{Baseline, Containment, Evidence, RegionEvidence};
pub use hash::{ExtensionHash, RequestHash, ScopeHash};
pub use refusal::Refusal;
pub use request::{Limits, Opening, Request, Resolved};
pub use state::{
    Acknowledged, Activation, Active, Dropped, Ended, Ending, Extended, Extension, Grant, Mints, NeverActive, Pending,
    Phase, RevokeCause, Standing, State,
};
pub use warrant::{MintDraft, Warrant};

use crate::catalogue::Target;
use crate::event::Recorded;

/// What a command makes of a grant: the next state, what is to be recorded,
/// and what is to be done outside. All of it is committed in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The grant as it is from now on.
    pub grant: Grant,
    /// What happened, in order.
    pub events: Vec<Recorded>,
    /// What the outside must be made to do.
    pub effects: Vec<Effect>,
}

/// Work that a transition leaves behind, durable until it is done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The role's revocation policy no longer says what it should.
    Enforce(Target),
}
