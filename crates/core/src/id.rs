//! Identifiers. Each is a type of its own, so that one can't stand in for
//! another, and each checks its text where it comes in.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not a {kind}: expected {expected}")]
pub struct InvalidId {
    kind: &'static str,
    expected: &'static str,
    shown: String,
}

impl InvalidId {
    pub(crate) fn new(kind: &'static str, expected: &'static str, text: &str) -> Self {
        // A refused text may be megabytes of terminal escapes: show little of it, harmless.
        let mut shown: String = text.chars().take(40).flat_map(char::escape_default).collect();
        if text.chars().count() > 40 {
            shown.push('…');
        }
        Self { kind, expected, shown }
    }
}

/// A grant's id: a UUID of version 7, written as 22 characters of base 62 where
/// people and AWS tags see it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[0-9A-Za-z]{22}$"))]
pub struct GrantId(Uuid);

const SHORT_LENGTH: usize = 22;

impl GrantId {
    /// Wraps a UUID that the caller made (version 7, so that ids sort by age).
    #[must_use]
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID behind the short form.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = base62::encode(self.0.as_u128());
        write!(f, "{digits:0>SHORT_LENGTH$}")
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantId({self})")
    }
}

impl FromStr for GrantId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new("grant id", "22 characters of 0-9, A-Z, a-z", text);
        if text.len() != SHORT_LENGTH || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(invalid());
        }
        base62::decode(text).map(|n| Self(Uuid::from_u128(n))).map_err(|_| invalid())
    }
}

impl Serialize for GrantId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GrantId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A name that a person chose in the configuration.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String", extend("pattern" = "^[a-z0-9][a-z0-9._-]{0,63}$"))]
        pub struct $type(String);

        impl $type {
            /// The name as written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_name(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(InvalidId::new($kind, NAME_RULE, text))
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

const NAME_RULE: &str = "1 to 64 of a-z, 0-9, `.`, `_`, `-`, beginning with a letter or digit";

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    first && rest && text.len() <= 64
}

name!(
    /// One human, whatever they sign in with.
    PersonId, "person id"
);
name!(
    /// A machine that asks: a pipeline, an incident tool.
    MachineId, "machine name"
);
name!(
    /// A person's id or a machine's: they share one set of names.
    PartyName, "name of a person or a machine"
);
name!(
    /// A group of persons, as the catalogue names it.
    GroupId, "group name"
);
name!(
    /// An entry of the role catalogue.
    RoleId, "role name"
);
name!(
    /// A named, narrower session policy of a role.
    ScopeId, "scope name"
);
name!(
    /// One installation of Halligan; part of every request hash and policy name.
    DeploymentId, "deployment name"
);
name!(
    /// An incident tool, as the configuration names it.
    ProviderId, "incident provider"
);
name!(
    /// An archive, a sink or a witness of the log, as the configuration names it.
    PlaceId, "name of a place"
);

impl From<&PersonId> for PartyName {
    fn from(person: &PersonId) -> Self {
        Self(person.0.clone())
    }
}

impl From<&MachineId> for PartyName {
    fn from(machine: &MachineId) -> Self {
        Self(machine.0.clone())
    }
}

/// One issuance of credentials under a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct MintId(pub Uuid);

impl fmt::Display for MintId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Thirty-two random bytes that make two equal requests differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[0-9a-f]{64}$"))]
pub struct Nonce(pub [u8; 32]);

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> Self {
        hex::encode(nonce.0)
    }
}

impl TryFrom<String> for Nonce {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).map_err(|_| InvalidId::new("nonce", "64 hexadecimal digits", &text))?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_grant_id_survives_its_short_form(n: u128) {
            let id = GrantId::new(Uuid::from_u128(n));
            prop_assert_eq!(id.to_string().len(), SHORT_LENGTH);
            prop_assert_eq!(id.to_string().parse::<GrantId>().unwrap(), id);
        }
    }

    #[test]
    fn texts_that_are_no_ids_are_refused() {
        for text in ["", "short", "!!!!!!!!!!!!!!!!!!!!!!", "zzzzzzzzzzzzzzzzzzzzzz"] {
            assert!(text.parse::<GrantId>().is_err(), "{text}");
        }
        for text in ["", "Alice", "a b", "-a", "../a", &"a".repeat(65)] {
            assert!(text.parse::<PersonId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_refusal_shows_no_escape_and_little_of_the_text() {
        let error = format!("\u{1b}[31m{}", "x".repeat(10_000)).parse::<RoleId>().unwrap_err();
        let shown = error.to_string();
        assert!(!shown.contains('\u{1b}') && shown.len() < 250, "{shown}");
    }
}
