//! What the use cases need of the outside, each port as narrow as its use.
//!
//! The doc comments are contracts: an adapter is right when it keeps them, and
//! the contract suites test it.

mod archive;
mod aws;
mod environment;
mod identity;
mod incidents;
mod log_store;
mod signing;
mod sink;
mod store;
mod trails;

pub use archive::{Archive, ArchiveError, LogReader, Stored, Tampering, Weakness};
pub use aws::{
    CallOutcome, ClockOffset, Console, ConsoleUrl, Credentials, Denial, MintError, Minter, Offset, ProbeSession,
    ProbeSpec, Probes, ROLE_POLICY_CALL_MAX, RolePolicies, RolePoliciesError, RolePolicy, SecretText,
};
pub use environment::{Clock, Entropy};
pub use halligan_policy::{Action, Obligation, SignInMethod};
pub use identity::{
    AuthorizeAsk, Ceremonies, Claims, IdentityProvider, KeySets, LoginGroups, Notices, Passkey, PasskeyNews, Passkeys,
    Proof, ProviderError, Returned, Room, SecretHash, Session, Sessions, SignOuts,
};
pub use incidents::Incidents;
pub use log_store::{Cursor, Cursors, Facts, Head, Import, LogRestore, LogStore, PersonalData, QueuedEntry};
pub use signing::{CheckpointSigner, SignError, Witness, WitnessError};
pub use sink::{Sink, SinkError};
pub use store::{
    Begun, Change, Committed, DueGrant, Effort, Filter, GrantStore, Idempotency, IdempotencyKey, IdempotencyStore,
    Lease, Leases, Page, RoleLedger, RoleRecord, StoreError, Version, Versioned, WorkQueue,
};
pub use trails::{TrailError, Trails};
