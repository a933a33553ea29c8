//! Who does something, and by which way in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::PersonId;

/// A login: one human may have several, each linked to one person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// Who vouches for it (the token's `iss`).
    pub issuer: String,
    /// Whom the issuer means (the claim that its configuration names).
    pub subject: String,
}

/// The way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// The HTTP API, whoever calls it.
    Api,
    /// The broker itself: a deadline, an incident's end.
    System,
}

/// A person as they came in: what they are, and how we know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Human {
    /// The person; "different" always compares this.
    pub person: PersonId,
    /// The login that was used.
    pub principal: Principal,
}

/// The `actor` of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    /// The human, where there was one.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub human: Option<Human>,
    /// The way in.
    pub channel: Channel,
}

impl Actor {
    /// The broker itself.
    pub const SYSTEM: Self = Self { human: None, channel: Channel::System };

    /// A person through the API.
    #[must_use]
    pub const fn api(human: Human) -> Self {
        Self { human: Some(human), channel: Channel::Api }
    }
}
