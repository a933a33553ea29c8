//! What the use cases need of the outside, each port as narrow as its use.
//!
//! The doc comments are contracts: an adapter is right when it keeps them, and
//! the contract suites test it.

mod aws;
mod environment;
mod incidents;
mod log;
mod policy;
mod store;

pub use aws::{
    CallOutcome, ClockOffset, Console, ConsoleUrl, Credentials, Denial, MintError, Minter, Offset, ProbeSession,
    ProbeSpec, Probes, ROLE_POLICY_CALL_MAX, RolePolicies, RolePoliciesError, RolePolicy, SecretText,
};
pub use environment::{Clock, Entropy};
pub use incidents::Incidents;
pub use log::{Sink, SinkError};
pub use policy::{Action, Ask, Authority, Decision};
pub use store::{
    Begun, Change, Committed, DueGrant, Effort, Filter, GrantStore, Idempotency, IdempotencyKey, IdempotencyStore,
    Lease, Leases, LogQueue, Page, QueuedEntry, RoleLedger, RoleRecord, StoreError, Version, Versioned, WorkQueue,
};
