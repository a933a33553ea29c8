//! What was asked for. Nothing in it changes afterwards.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hash::{RequestHash, ScopeHash};
use super::state::{Activation, Active, Grant, Pending, Standing, State};
use super::{Effect, Transition};
use crate::actor::{Party, Shown};
use crate::catalogue::{Role, RoleArn, Scope, Target};
use crate::event::{Event, Recorded};
use crate::id::{DeploymentId, GrantId, Nonce, ScopeId};
use crate::incident::IncidentRef;
use crate::text::Reason;

/// A request, as it is hashed, acknowledged and minted from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The deployment that was asked.
    pub deployment: DeploymentId,
    /// The grant's id.
    pub id: GrantId,
    /// Makes two equal requests differ.
    pub nonce: Nonce,
    /// Who asks.
    pub requester: Party,
    /// What for: an entry of the catalogue …
    pub target: Target,
    /// … and what that entry meant when it was asked for.
    pub resolved: Resolved,
    /// The incident that is the occasion.
    pub incident: IncidentRef,
    /// Why.
    pub reason: Reason,
    /// How long the access is to last, from its activation.
    pub duration: SignedDuration,
    /// Whether it is to start before the second person answers.
    pub emergency: bool,
}

/// A catalogue entry resolved: the parts that decide what a session may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The IAM role.
    pub role_arn: RoleArn,
    /// The scope's name.
    pub scope: ScopeId,
    /// The scope's document, by hash.
    pub scope_hash: ScopeHash,
}

impl Request {
    /// How many different people must say yes: nobody stands behind a machine's request but they.
    #[must_use]
    pub const fn acknowledgements(&self) -> u8 {
        match self.requester {
            Party::Human(_) => 1,
            Party::Machine(_) => 2,
        }
    }
}

impl Resolved {
    /// Resolves `scope` of `role`, if the role has it.
    #[must_use]
    pub fn of(role: &Role, scope: &ScopeId) -> Option<Self> {
        let document: &Scope = role.scopes.get(scope)?;
        Some(Self { role_arn: role.arn.clone(), scope: scope.clone(), scope_hash: ScopeHash::of(document) })
    }
}

/// The limits of a grant, frozen when it is asked for: later changes of the
/// catalogue can refuse it, and never lengthen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// How long a request or an extension waits for a second person.
    pub acknowledge_within: SignedDuration,
    /// How long an emergency start lasts without one.
    pub emergency_acknowledge_within: SignedDuration,
    /// The longest that the access can become by extensions.
    pub total_max: SignedDuration,
}

/// A request that was permitted: what opens a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The request.
    pub request: Request,
    /// Its limits.
    pub limits: Limits,
    /// The rules that permitted it, for the record.
    pub rules: Vec<String>,
    /// How the requester came in.
    pub shown: Shown,
    /// Whether the incident's tool didn't answer, and the policy let it pass.
    pub incident_unknown: bool,
}

impl Opening {
    /// Opens the grant: pending, or active at once on an emergency start.
    #[must_use]
    pub fn open(self, now: Timestamp) -> Transition {
        let Self { request, limits, rules, shown, incident_unknown } = self;
        let request_hash = RequestHash::of(&request);
        let acknowledge_by = now + limits.acknowledge_within;
        let mut events = vec![Recorded::with_reason(
            Event::GrantRequested {
                role_arn: request.resolved.role_arn.clone(),
                scope: request.resolved.scope.clone(),
                scope_hash: request.resolved.scope_hash,
                duration_seconds: request.duration.as_secs(),
                emergency: request.emergency,
                acknowledge_by: (!request.emergency).then_some(acknowledge_by),
                nonce: request.nonce,
                request_hash,
                limits,
                rules,
                incident_unknown,
                fresh: shown.fresh,
            },
            &request.reason,
        )];
        let mut effects = Vec::new();
        let state = if request.emergency {
            let ack_due = crate::floor_second(now + limits.emergency_acknowledge_within);
            let activation = Activation::begin(now, request.duration, Standing::Unacknowledged { ack_due });
            events.push(activation.event());
            effects.push(Effect::Enforce(request.target.clone()));
            State::Active(Active { activation, extension: None })
        } else {
            State::Pending(Pending { acknowledge_by, first: None })
        };
        let grant = Grant { request: Arc::new(request), request_hash, limits, requested_at: now, shown, state };
        Transition { grant, events, effects }
    }
}
