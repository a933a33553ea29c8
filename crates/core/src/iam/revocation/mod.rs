//! The revocation policy: one inline policy on a role, compiled from which of
//! its grants ended early, that makes their sessions dead before their fence.
//!
//! - [`RevocationPolicy`]: what such a policy says, written as a document and read back;
//! - [`Desired`]: what should be so, compiled into the policy that fits its [`Room`].

mod compile;
mod policy;
mod room;

pub use compile::{ACTIVE_GRANTS_MAX, Compiled, Desired, Ended, Mode, NoRoom};
pub use policy::{Cut, Foreign, Generation, RevocationPolicy};
pub use room::{INLINE_CHARACTERS_MAX, OTHER_POLICIES_CHARACTERS_MAX, Room};

use crate::id::DeploymentId;

/// How the names of all deployments' revocation policies begin: another
/// deployment's is told from a stranger's.
pub const POLICY_NAME_PREFIX: &str = "halligan-revocations-";

/// The name of a deployment's policy, within IAM's 128 characters.
#[must_use]
pub fn policy_name(deployment: &DeploymentId) -> String {
    format!("{POLICY_NAME_PREFIX}{deployment}")
}

#[cfg(test)]
mod tests;
