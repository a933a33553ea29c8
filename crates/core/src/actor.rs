//! Who does something, and by which way in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{MachineId, PartyName, PersonId};

/// A login: one human may have several, each linked to one person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Principal {
    /// Who vouches for it (the token's `iss`).
    pub issuer: String,
    /// Whom the issuer means (the claims that its configuration names).
    pub subject: String,
}

/// The way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// The HTTP API, whoever calls it.
    Api,
    /// The pages, in a browser.
    Web,
    /// The broker itself: a deadline, an incident's end.
    System,
}

impl Channel {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Web => "web",
            Self::System => "system",
        }
    }
}

/// A person as they came in: what they are, and how we know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Human {
    /// The person; "different" always compares this.
    pub person: PersonId,
    /// The login that was used.
    pub principal: Principal,
}

/// A login that is no human's: a pipeline, an incident tool. It may ask, and never acknowledges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Which, by its name in the configuration.
    pub machine: MachineId,
    /// The human that its token names: they count as the requester, and can't acknowledge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<PersonId>,
    /// The login that was used.
    pub principal: Principal,
}

/// Whoever may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Party {
    /// A person.
    Human(Human),
    /// A machine.
    Machine(Machine),
}

impl Party {
    /// What it is called: persons and machines share one set of names.
    #[must_use]
    pub fn name(&self) -> PartyName {
        match self {
            Self::Human(human) => PartyName::from(&human.person),
            Self::Machine(machine) => PartyName::from(&machine.machine),
        }
    }

    /// As [`Party::name`], to look at.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Human(human) => human.person.as_str(),
            Self::Machine(machine) => machine.machine.as_str(),
        }
    }

    /// The login.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        match self {
            Self::Human(Human { principal, .. }) | Self::Machine(Machine { principal, .. }) => principal,
        }
    }

    /// The person, if it is one.
    #[must_use]
    pub const fn human(&self) -> Option<&Human> {
        match self {
            Self::Human(human) => Some(human),
            Self::Machine(_) => None,
        }
    }

    /// Whether what it asked for is `person`'s own: theirs to use or a machine's on their behalf.
    #[must_use]
    pub fn stands_for(&self, person: &PersonId) -> bool {
        match self {
            Self::Human(human) => human.person == *person,
            Self::Machine(machine) => machine.on_behalf_of.as_ref() == Some(person),
        }
    }

    /// Whether both are the same person or the same machine, through whichever login.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Human(one), Self::Human(other)) => one.person == other.person,
            (Self::Machine(one), Self::Machine(other)) => {
                one.machine == other.machine && one.on_behalf_of == other.on_behalf_of
            }
            (Self::Human(_), Self::Machine(_)) | (Self::Machine(_), Self::Human(_)) => false,
        }
    }
}

impl From<Human> for Party {
    fn from(human: Human) -> Self {
        Self::Human(human)
    }
}

/// How long before they did something somebody had proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Freshness {
    /// By whatever they sign in with; none: nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_age_seconds: Option<i64>,
    /// With a second factor or a passkey; none: they did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_age_seconds: Option<i64>,
}

impl Freshness {
    /// Whether nothing is known.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        self.auth_age_seconds.is_none() && self.mfa_age_seconds.is_none()
    }
}

/// The way in that was used for something, and how fresh the proof of who it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The way in.
    pub channel: Channel,
    /// How fresh.
    #[serde(flatten)]
    pub fresh: Freshness,
}

impl Default for Shown {
    fn default() -> Self {
        Self { channel: Channel::Api, fresh: Freshness::default() }
    }
}

/// The fields of an [`Actor`], as readers see them.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Actor", description = "The `actor` of an entry.")]
pub(crate) struct ActorFields {
    /// The human, where there was one; "different" always compares this.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<PersonId>,
    /// The machine, where it was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<MachineId>,
    /// The human whom a machine's token names: they count as the requester, and can't acknowledge.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<PersonId>,
    /// The login that was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    /// The way in.
    channel: Channel,
}

/// The `actor` of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Who, where it was not the broker itself.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub party: Option<Party>,
    /// The way in.
    pub channel: Channel,
}

impl Actor {
    /// The broker itself.
    pub const SYSTEM: Self = Self { party: None, channel: Channel::System };

    /// Somebody through the API.
    #[must_use]
    pub fn api(party: impl Into<Party>) -> Self {
        Self { party: Some(party.into()), channel: Channel::Api }
    }

    /// The person, where there was one.
    #[must_use]
    pub const fn human(&self) -> Option<&Human> {
        match &self.party {
            Some(party) => party.human(),
            None => None,
        }
    }
}
