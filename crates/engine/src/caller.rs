//! Who calls, and what they ask for, before anything of it has been checked.

use std::net::IpAddr;

use halligan_core::actor::{Actor, Human, Party, Shown};
use halligan_core::catalogue::Role;
use halligan_core::grant::Grant;
use halligan_core::id::{DeploymentId, PersonId, ProviderId};
use halligan_policy::SignInMethod;
use jiff::{SignedDuration, Timestamp};

use crate::access::Asker;
use crate::ports::{Action, Credentials, IdempotencyKey, QueuedEntry, SecretText};
use crate::problem::{Problem, ProblemKind};

/// Somebody who has been authenticated, and how this call came in.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub party: Party,
    /// By which way, and how fresh the proof of who they are.
    pub shown: Shown,
    /// How they signed in, if they did.
    pub method: Option<SignInMethod>,
    /// How long ago they proved to an identity provider who they are, by its word; none: it didn't say.
    pub provider_proof_age: Option<SignedDuration>,
    /// From where, behind the trusted proxies.
    pub address: Option<IpAddr>,
    /// The call's idempotency key, if it has one.
    pub idempotency: Option<IdempotencyUse>,
}

impl Caller {
    /// As entries name it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor { party: Some(self.party.clone()), channel: self.shown.channel }
    }

    /// As policies see it.
    #[must_use]
    pub fn asker(&self) -> Asker<'_> {
        Asker::new(&self.party, self.shown)
    }

    /// The person, for what no machine may do.
    ///
    /// # Errors
    /// It is a machine.
    pub fn human(&self, action: &str) -> Result<&Human, Problem> {
        self.party.human().ok_or_else(|| {
            let detail = format!("`{}` is a machine, and only a person may {action}", self.party.as_str());
            Problem::new(ProblemKind::NotPermitted, detail).unmet(vec!["sign in as a person".to_owned()])
        })
    }

    /// Whether it is this person, or a machine on their behalf.
    #[must_use]
    pub fn stands_for(&self, person: &PersonId) -> bool {
        self.party.stands_for(person)
    }
}

/// An idempotency key in use.
#[derive(Debug, Clone)]
pub struct IdempotencyUse {
    /// The key, scoped to person and route.
    pub key: IdempotencyKey,
    /// The body, by hash: the same key with another body is refused.
    pub body_sha256: String,
}

/// `POST /v1/grants`, unchecked.
#[derive(Debug, Clone)]
pub struct RequestAsk {
    /// The role's name.
    pub target: String,
    /// The scope's name; none: the role's default.
    pub scope: Option<String>,
    /// The incident's provider and id.
    pub incident: (String, String),
    /// Why.
    pub reason: String,
    /// For how long.
    pub duration_seconds: i64,
    /// Whether to start before the second person answers.
    pub emergency: bool,
}

/// Which grants to revoke, unchecked; what is none matches all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Of this role.
    pub target: Option<String>,
    /// On this occasion: provider and id.
    pub incident: Option<(String, String)>,
    /// Asked for by this person.
    pub requester: Option<String>,
    /// Every grant: must be said, when nothing else is.
    pub all: bool,
}

/// Which grants to list, unchecked.
#[derive(Debug, Clone, Default)]
pub struct ListAsk {
    /// In this phase.
    pub state: Option<String>,
    /// Of this role.
    pub target: Option<String>,
    /// On this occasion: `provider:id`.
    pub incident: Option<String>,
    /// Asked for by this person.
    pub requester: Option<String>,
    /// Where the page begins.
    pub cursor: Option<String>,
    /// How many at most.
    pub limit: Option<u32>,
}

/// Credentials on their way to the requester.
#[derive(Debug)]
pub struct Minted {
    /// The credentials.
    pub credentials: Credentials,
    /// When they stop working: the earlier of token and fence.
    pub expires_at: Timestamp,
    /// The grant that they were minted under.
    pub grant: Grant,
}

/// A console sign-in on its way to the requester.
#[derive(Debug)]
pub struct ConsoleSignIn {
    /// The URL, a secret.
    pub url: SecretText,
    /// When the session stops working.
    pub expires_at: Timestamp,
}

/// A grant with its timeline.
#[derive(Debug)]
pub struct GrantRecord {
    /// The grant.
    pub grant: Grant,
    /// Its entries, in order.
    pub timeline: Vec<QueuedEntry>,
}

/// A role, and what the caller may do with it.
#[derive(Debug, Clone)]
pub struct RoleOffer {
    /// The role.
    pub role: Role,
    /// What the caller may do.
    pub may: Vec<Action>,
}

/// Who the caller is here.
#[derive(Debug, Clone)]
pub struct Me {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Where incidents can be named from.
    pub incident_providers: Vec<ProviderId>,
}
