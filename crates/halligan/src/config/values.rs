//! Values that are more than text: what they look like in the file, and what
//! is said when they don't.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that stands in the file as text.
trait Text: Sized {
    /// Completes "expected …".
    const EXPECTED: &'static str;

    fn parse(text: &str) -> Option<Self>;
}

/// Reads a [`Text`], and says what was expected whatever stands there instead.
struct TextVisitor<T>(PhantomData<T>);

impl<T: Text> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// A length of time, positive and in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String", extend("examples" = ["30s", "15m", "1h 30m"]))]
pub struct Period(SignedDuration);

impl Period {
    /// So many seconds, at least one.
    pub const fn seconds(seconds: u32) -> Self {
        Self(SignedDuration::from_secs(if seconds == 0 { 1 } else { seconds as i64 }))
    }

    /// The length.
    pub const fn get(self) -> SignedDuration {
        self.0
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl Text for Period {
    const EXPECTED: &'static str = "a length of time with its unit, such as \"30s\", \"15m\" or \"1h 30m\"";

    fn parse(text: &str) -> Option<Self> {
        let duration: SignedDuration = text.parse().ok()?;
        (duration.is_positive() && duration.subsec_nanos() == 0).then_some(Self(duration))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whole days, at least one: what S3 and people count in where data is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[1-9][0-9]{0,4}d$", "examples" = ["30d", "400d"]))]
pub struct Days(u16);

impl Days {
    /// So many days, at least one.
    pub const fn new(days: u16) -> Self {
        Self(if days == 0 { 1 } else { days })
    }

    /// How many.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}d", self.0)
    }
}

impl Text for Days {
    const EXPECTED: &'static str = "whole days, at least one, such as \"30d\" or \"400d\"";

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_suffix('d').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse().ok().filter(|days| *days > 0).map(Self)
    }
}

impl<'de> Deserialize<'de> for Days {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

impl Serialize for Days {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(with = "String", extend("examples" = ["10.0.0.0/8", "fd00::/8"]))]
pub struct Network(pub IpNet);

impl Text for Network {
    const EXPECTED: &'static str = "a range of addresses, such as \"10.0.0.0/8\" or \"192.0.2.7/32\"";

    fn parse(text: &str) -> Option<Self> {
        IpNet::from_str(text).ok().map(|net| Self(net.trunc()))
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

/// An address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(with = "String", extend("examples" = ["127.0.0.1:8080", "[::]:8443"]))]
pub struct Listen(pub std::net::SocketAddr);

impl Text for Listen {
    const EXPECTED: &'static str = "an address and a port, such as \"127.0.0.1:8080\" or \"[::]:8443\"";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

/// Where a secret is kept: `{ env = "NAME" }` or `{ file = "path" }`. Secrets
/// themselves never stand in the configuration.
#[derive(Clone, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum SecretRef {
    /// The environment variable of this name holds it.
    Env(String),
    /// This file holds it; a line feed at its end is not part of it.
    File(PathBuf),
    /// Somebody wrote the secret itself. It is not kept: errors must not show it.
    #[schemars(skip)]
    Literal,
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "Env({name})"),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Literal => f.write_str("Literal"),
        }
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("where a secret is kept, as `{ env = \"NAME\" }` or `{ file = \"path\" }`")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<SecretRef, E> {
        // Refused with the other semantic errors, by the field's name: an error
        // here would quote the line.
        Ok(SecretRef::Literal)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        const FIELDS: &[&str] = &["env", "file"];
        let first: Option<(String, String)> = map.next_entry()?;
        let (key, value) = first.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        if map.next_key::<String>()?.is_some() {
            return Err(A::Error::custom("a secret is kept in one place: expected either `env` or `file`"));
        }
        match key.as_str() {
            "env" => Ok(SecretRef::Env(value)),
            "file" => Ok(SecretRef::File(value.into())),
            other => Err(A::Error::unknown_field(other, FIELDS)),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}
