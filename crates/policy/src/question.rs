//! What a policy is asked.

use std::collections::BTreeSet;
use std::fmt;

use halligan_core::actor::Channel;
use halligan_core::catalogue::{Access, Role};
use halligan_core::id::{GroupId, MachineId, PersonId, ProviderId, RoleId, ScopeId};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Ask for a grant.
    Request,
    /// Be active before the second person answers. Asked beside [`Action::Request`].
    StartEmergency,
    /// The second person's yes.
    Acknowledge,
    /// The second person's no. Apart from the yes, so that what makes a yes harder leaves a no easy.
    Decline,
    /// Get credentials under an active grant.
    Mint,
    /// Make a grant last longer.
    Extend,
    /// End somebody else's grant.
    Revoke,
    /// Close a review.
    Review,
    /// See grants of a role, or read the log.
    Read,
    /// Override the log's confirmation, or run the broker.
    Administer,
    /// Come in.
    SignIn,
}

impl Action {
    /// All there are.
    pub const ALL: [Self; 11] = [
        Self::Request,
        Self::StartEmergency,
        Self::Acknowledge,
        Self::Decline,
        Self::Mint,
        Self::Extend,
        Self::Revoke,
        Self::Review,
        Self::Read,
        Self::Administer,
        Self::SignIn,
    ];

    /// The verb, as policies and entries write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::StartEmergency => "startEmergency",
            Self::Acknowledge => "acknowledge",
            Self::Decline => "decline",
            Self::Mint => "mint",
            Self::Extend => "extend",
            Self::Revoke => "revoke",
            Self::Review => "review",
            Self::Read => "read",
            Self::Administer => "administer",
            Self::SignIn => "signIn",
        }
    }

    /// Whether a machine may ever do it. The schema says the same.
    #[must_use]
    pub const fn is_open_to_machines(self) -> bool {
        matches!(self, Self::Request | Self::Mint | Self::Read)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kinds of principals and resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Person,
    Machine,
    Role,
    Gate,
    Log,
    Broker,
}

/// No groups.
pub(crate) static NO_GROUPS: BTreeSet<GroupId> = BTreeSet::new();

/// A person, and the groups they are in now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonIn<'a> {
    /// Who.
    pub id: &'a PersonId,
    /// Their groups.
    pub groups: &'a BTreeSet<GroupId>,
    /// Groups that they may be in beside: nobody knows. No policy is satisfied by that, and
    /// a forbid that would be if they were is.
    pub possible: &'a BTreeSet<GroupId>,
}

impl<'a> PersonIn<'a> {
    /// One whose groups are known.
    #[must_use]
    pub fn new(id: &'a PersonId, groups: &'a BTreeSet<GroupId>) -> Self {
        Self { id, groups, possible: &NO_GROUPS }
    }
}

/// A machine, and the groups it is in now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineIn<'a> {
    /// Which.
    pub id: &'a MachineId,
    /// Its groups.
    pub groups: &'a BTreeSet<GroupId>,
    /// As [`PersonIn::possible`].
    pub possible: &'a BTreeSet<GroupId>,
    /// The human that its token names.
    pub on_behalf_of: Option<PersonIn<'a>>,
}

/// Whoever wants something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who<'a> {
    /// A human.
    Person(PersonIn<'a>),
    /// None.
    Machine(MachineIn<'a>),
}

impl<'a> Who<'a> {
    /// A person whose groups are known.
    #[must_use]
    pub fn person(id: &'a PersonId, groups: &'a BTreeSet<GroupId>) -> Self {
        Self::Person(PersonIn::new(id, groups))
    }

    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Person(_) => Kind::Person,
            Self::Machine(_) => Kind::Machine,
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        match self {
            Self::Person(person) => person.id.as_str(),
            Self::Machine(machine) => machine.id.as_str(),
        }
    }
}

/// A gate, as policies see it.
#[derive(Debug, Clone, Copy)]
pub struct GateIn<'a> {
    /// Its name in the catalogue.
    pub id: &'a RoleId,
    /// Its lists.
    pub access: &'a Access,
    /// Whether it takes an emergency start.
    pub emergency_start: bool,
    /// The longest that can be asked for.
    pub duration_max: SignedDuration,
    /// The longest that it can become by extensions.
    pub total_max: SignedDuration,
}

/// What it is to be done to.
#[derive(Debug, Clone, Copy)]
pub enum Resource<'a> {
    /// A role of the catalogue, or a grant of it.
    Role(&'a Role),
    /// A gate, or a grant of it.
    Gate(GateIn<'a>),
    /// The log.
    Log {
        /// May read it.
        readers: &'a BTreeSet<GroupId>,
        /// May override its confirmation.
        overriders: &'a BTreeSet<GroupId>,
    },
    /// This installation.
    Broker {
        /// May run it.
        administrators: &'a BTreeSet<GroupId>,
    },
}

impl<'a> Resource<'a> {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Role(_) => Kind::Role,
            Self::Gate(_) => Kind::Gate,
            Self::Log { .. } => Kind::Log,
            Self::Broker { .. } => Kind::Broker,
        }
    }

    /// Its name: the catalogue's, `log` or `broker`.
    #[must_use]
    pub fn name(&self) -> &'a str {
        match self {
            Self::Role(role) => role.id.as_str(),
            Self::Gate(gate) => gate.id.as_str(),
            Self::Log { .. } => LOG,
            Self::Broker { .. } => BROKER,
        }
    }

    /// The groups of its lists.
    pub(crate) fn groups(&self) -> BTreeSet<&'a GroupId> {
        let of = |access: &'a Access| {
            let Access { requesters, acknowledgers, revokers, emergency_starters } = access;
            [requesters, acknowledgers, revokers, emergency_starters].into_iter().flatten().collect()
        };
        match self {
            Self::Role(role) => of(&role.access),
            Self::Gate(gate) => of(gate.access),
            Self::Log { readers, overriders } => readers.union(overriders).collect(),
            Self::Broker { administrators } => administrators.iter().collect(),
        }
    }

    /// Where the configuration speaks of it: `roles.prod-admin`.
    #[must_use]
    pub fn setting(&self) -> String {
        match self {
            Self::Role(role) => format!("roles.{}", role.id),
            Self::Gate(gate) => format!("gates.{}", gate.id),
            Self::Log { .. } => LOG.to_owned(),
            Self::Broker { .. } => BROKER.to_owned(),
        }
    }
}

pub(crate) const LOG: &str = "log";
pub(crate) const BROKER: &str = "broker";

/// How somebody signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignInMethod {
    /// Through an identity provider.
    Provider,
    /// With a passkey, while the provider is down.
    Passkey,
}

impl SignInMethod {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Passkey => "passkey",
        }
    }
}

/// The incident that it is about.
#[derive(Debug, Clone, Copy)]
pub struct IncidentIn<'a> {
    /// Its tool.
    pub provider: &'a ProviderId,
    /// Whether the tool gave a usable answer.
    pub known: bool,
    /// The tool's word for how bad it is.
    pub severity: Option<&'a str>,
    /// Who opened it, if that is a person here.
    pub creator: Option<PersonIn<'a>>,
    /// Who opened it, in the tool's words.
    pub creator_name: Option<&'a str>,
    /// How long it has been open.
    pub age: Option<SignedDuration>,
}

impl<'a> IncidentIn<'a> {
    /// One of which nothing is known.
    #[must_use]
    pub const fn unknown(provider: &'a ProviderId) -> Self {
        Self { provider, known: false, severity: None, creator: None, creator_name: None, age: None }
    }
}

/// What is known of the occasion. What is none is missing for policies, which have to
/// ask before they rely on it.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// When.
    pub time: Timestamp,
    /// The way in.
    pub channel: Channel,
    /// How they signed in; none: a machine's token.
    pub sign_in_method: Option<SignInMethod>,
    /// Whether no identity provider answers; none: nobody has looked lately.
    pub provider_down: Option<bool>,
    /// Since they last proved who they are.
    pub auth_age: Option<SignedDuration>,
    /// Since they last did so with a second factor.
    pub mfa_age: Option<SignedDuration>,
    /// How many reviews of theirs are overdue.
    pub review_debt: u32,
    /// Whether a passkey signed this very acknowledgement, verified.
    pub signed: bool,
    /// The scope.
    pub scope: Option<&'a ScopeId>,
    /// The incident.
    pub incident: Option<IncidentIn<'a>>,
    /// How long the grant lasts: what is asked for, or at an extension what it would
    /// come to with it.
    pub duration: Option<SignedDuration>,
    /// Whether it is, or began as, an emergency start.
    pub emergency: Option<bool>,
    /// Who asked for the grant.
    pub requester: Option<Who<'a>>,
    /// The other person who said yes to it, or before: a machine's request needs two.
    pub acknowledger: Option<PersonIn<'a>>,
}

impl Context<'_> {
    /// An occasion of which no more is known.
    #[must_use]
    pub const fn new(time: Timestamp, channel: Channel) -> Self {
        Self {
            time,
            channel,
            sign_in_method: None,
            provider_down: None,
            auth_age: None,
            mfa_age: None,
            review_debt: 0,
            signed: false,
            scope: None,
            incident: None,
            duration: None,
            emergency: None,
            requester: None,
            acknowledger: None,
        }
    }
}

/// One question to the policies: may *who* do *this* to *that*, on this occasion?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who.
    pub principal: Who<'a>,
    /// What.
    pub action: Action,
    /// To what.
    pub resource: Resource<'a>,
    /// The occasion.
    pub context: Context<'a>,
}
