//! The right to mint: a value that only the lifecycle can build.

use jiff::{SignedDuration, Timestamp};

use super::state::Grant;
use crate::catalogue::RoleArn;
use crate::iam::{SessionName, SessionPolicy, SourceIdentity};
use crate::id::{GrantId, MintId};
use crate::incident::IncidentRef;

/// The shortest life that STS gives a token.
const TOKEN_SECONDS_MIN: i64 = 900;
/// The longest that we ask for: short tokens bound what a fence and a deny can't reach.
const TOKEN_SECONDS_MAX: i64 = 3_600;

/// What is to be minted, before anybody has said that it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MintDraft {
    /// This issuance.
    pub mint: MintId,
    /// The role that the catalogue names now; the grant's hash vouches for it.
    pub role_arn: RoleArn,
    /// What its trust policy demands.
    pub external_id: String,
    /// Unpredictable.
    pub session_name: SessionName,
    /// Who, as AWS records it.
    pub source_identity: SourceIdentity,
    /// The scope, and the fence from which on nothing is allowed.
    pub policy: SessionPolicy,
    /// How long the token lives: it may outlive the fence, and is useless from there on.
    pub token_seconds: u32,
    /// The rules that permit it, for the record.
    pub rules: Vec<String>,
}

impl MintDraft {
    /// `clamp(remaining, 900, min(3600, role maximum))`.
    #[must_use]
    pub fn token_seconds(now: Timestamp, fence: Timestamp, session_max: SignedDuration) -> u32 {
        let longest = session_max.as_secs().clamp(TOKEN_SECONDS_MIN, TOKEN_SECONDS_MAX);
        let remaining = crate::ceil_second(fence).duration_since(now).as_secs();
        u32::try_from(remaining.clamp(TOKEN_SECONDS_MIN, longest)).unwrap_or(900)
    }
}

/// No token of this length that is asked for at `now` lives longer, wherever AWS's
/// clock stands in the seconds that the call may take.
pub(super) fn token_until(token_seconds: u32, now: Timestamp) -> Timestamp {
    const CALL_AND_CLOCK_SECONDS: i64 = 60;
    now + SignedDuration::from_secs(i64::from(token_seconds) + CALL_AND_CLOCK_SECONDS)
}

/// The right to one AssumeRole under one active grant.
///
/// INVARIANT: built by [`Grant::intend_mint`] alone, from a grant that is active at
/// that instant, for its requester, with a fence that is the grant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warrant {
    grant: GrantId,
    incident: IncidentRef,
    draft: MintDraft,
}

impl Warrant {
    pub(super) fn new(grant: &Grant, draft: MintDraft) -> Self {
        Self { grant: grant.request.id, incident: grant.request.incident.clone(), draft }
    }

    /// Under which grant.
    #[must_use]
    pub const fn grant(&self) -> GrantId {
        self.grant
    }

    /// The occasion, for the session's tags.
    #[must_use]
    pub const fn incident(&self) -> &IncidentRef {
        &self.incident
    }

    /// What to mint.
    #[must_use]
    pub const fn draft(&self) -> &MintDraft {
        &self.draft
    }
}
