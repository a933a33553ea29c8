//! What the use cases need of AWS.

use std::fmt;

use async_trait::async_trait;
use halligan_core::catalogue::Role;
use halligan_core::grant::Warrant;
use halligan_core::iam::{SessionName, SessionPolicy};
use halligan_core::id::GrantId;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

/// A secret that is shown nowhere: `Debug` redacts it, dropping wipes it.
pub type SecretText = SecretString;

/// Session credentials. They exist in memory and in one answer, nowhere else.
pub struct Credentials {
    /// Not a secret: how CloudTrail names the session's calls.
    pub access_key_id: String,
    /// Secret.
    pub secret_access_key: SecretText,
    /// Secret, of no fixed length.
    pub session_token: SecretText,
    /// When the token dies; the fence may come before.
    pub token_expires_at: Timestamp,
    /// `PackedPolicySize`, in percent.
    pub packed_policy_percent: Option<i32>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Why nothing was minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// AWS said no, and will say so again: a trust policy, a Region that is off.
    #[error("AWS refused: {0}")]
    Refused(String),
    /// The session policy doesn't fit once AWS has packed it.
    #[error("AWS refused: the session policy and tags are too large once packed ({0})")]
    PackedPolicyTooLarge(String),
    /// AWS throttled, was unreachable or failed before anything was sent.
    #[error("AWS is unavailable: {0}")]
    Unavailable(String),
    /// The answer was lost or made no sense: a token may exist.
    #[error("AWS's answer was lost: {0}")]
    OutcomeUnknown(String),
}

/// Mints credentials.
#[async_trait]
pub trait Minter: Send + Sync {
    /// One AssumeRole, with bounded retries inside a deadline of about ten
    /// seconds. Checks before the call what STS would refuse.
    async fn mint(&self, warrant: &Warrant) -> Result<Credentials, MintError>;
}

/// A URL that signs in: a secret.
pub type ConsoleUrl = SecretText;

/// The console's sign-in.
#[async_trait]
pub trait Console: Send + Sync {
    /// Trades credentials for a URL that signs in once, within 15 minutes, for
    /// as long as the credentials last.
    async fn sign_in(&self, credentials: &Credentials) -> Result<ConsoleUrl, MintError>;
}

/// Another inline policy of a role, or ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePolicy {
    /// Its name.
    pub name: String,
    /// Its document, as JSON.
    pub document: String,
}

/// Why a role's policies could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RolePoliciesError {
    /// AWS said no, and will say so again until somebody changes something.
    #[error("AWS refused the revoker: {0}")]
    Refused(String),
    /// The document doesn't fit (`LimitExceeded`).
    #[error("the revocation policy doesn't fit beside the role's other inline policies: {0}")]
    TooLarge(String),
    /// AWS throttled, was unreachable, failed, or its answer was lost: a write
    /// may have happened.
    #[error("AWS is unavailable: {0}")]
    Unavailable(String),
}

/// The inline policies of a catalogue role, through its account's revoker.
/// The caller holds the role's lease; each call ends within
/// [`ROLE_POLICY_CALL_MAX`], under a third of it.
#[async_trait]
pub trait RolePolicies: Send + Sync {
    /// Every inline policy of the role.
    async fn read(&self, role: &Role) -> Result<Vec<RolePolicy>, RolePoliciesError>;

    /// Replaces or adds one inline policy.
    async fn write(&self, role: &Role, policy: &RolePolicy) -> Result<(), RolePoliciesError>;

    /// Removes one inline policy; that it isn't there is no error.
    async fn remove(&self, role: &Role, name: &str) -> Result<(), RolePoliciesError>;
}

/// The longest that one call of [`RolePolicies`] takes, retries and all.
pub const ROLE_POLICY_CALL_MAX: SignedDuration = SignedDuration::from_secs(10);

/// A session of the broker's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSpec {
    /// Unpredictable.
    pub session_name: SessionName,
    /// The value of its grant tag: a grant's id, or for a control any other.
    pub tag: GrantId,
    /// Allows one harmless call until the fence.
    pub policy: SessionPolicy,
}

/// What a call by a probe session came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// It was allowed.
    Allowed,
    /// AWS refused it for want of permission.
    Denied(Denial),
    /// Something else refused it, or nobody answered: it shows nothing.
    Inconclusive(String),
}

/// By what a call was refused, as far as AWS says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The answer names an explicit deny.
    Explicit,
    /// The answer doesn't say, as some services' don't. Beside a control session
    /// that differs in its tag alone and is allowed, it can only be the deny.
    Unsaid,
}

impl fmt::Display for CallOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str("allowed"),
            Self::Denied(Denial::Explicit) => f.write_str("explicitly denied"),
            Self::Denied(Denial::Unsaid) => f.write_str("denied"),
            Self::Inconclusive(because) => write!(f, "inconclusive ({because})"),
        }
    }
}

/// An open probe session. It never leaves the broker.
#[async_trait]
pub trait ProbeSession: Send + Sync {
    /// Makes the role's probe call in `region` on a fresh connection, within five seconds.
    async fn call(&self, region: &str) -> CallOutcome;
}

/// Opens probe sessions.
#[async_trait]
pub trait Probes: Send + Sync {
    /// Assumes `role` with the probe's source identity and the spec's tag and policy.
    async fn open(&self, role: &Role, spec: &ProbeSpec) -> Result<Box<dyn ProbeSession>, MintError>;
}

/// How far the broker's clock is from AWS's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// Ours less theirs.
    pub skew: SignedDuration,
    /// When that was measured, by our clock.
    pub measured_at: Timestamp,
}

/// Compares clocks.
#[async_trait]
pub trait ClockOffset: Send + Sync {
    /// The newest comparison with AWS's `Date`; measures, if there is none that is
    /// younger than a minute. None if AWS doesn't answer.
    async fn offset(&self) -> Option<Offset>;
}
