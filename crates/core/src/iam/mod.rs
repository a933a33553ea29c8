//! IAM documents: the session policy of a mint, the revocation policy of a
//! role, and the names and tags that AWS records of a session.

mod document;
mod name;
pub mod revocation;
mod session;

pub use document::{Document, Effect, Statement, Values};
pub use name::{SessionName, SourceIdentity, TAG_GRANT, TAG_INCIDENT, tag_value};
pub use session::{
    MANAGED_POLICIES_MAX, SESSION_POLICY_CHARACTERS_MAX, SessionPolicy, UnusableScope, check_scope, probe_policy,
    session_policy,
};
