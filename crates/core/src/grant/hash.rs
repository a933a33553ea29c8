//! What an acknowledgement is bound to: a canonical encoding, hashed.
//!
//! The encoding is a domain line, then each field as its length in bytes
//! (32 bits, big-endian) and its bytes, in the order written here. Integers are
//! decimal text. No two different requests have the same encoding, because each
//! field says where it ends.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::request::Request;
use crate::actor::{Machine, Party};
use crate::catalogue::Scope;
use crate::id::InvalidId;

macro_rules! hash {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String", extend("pattern" = "^[0-9a-f]{64}$"))]
        pub struct $type([u8; 32]);

        impl $type {
            /// Its bytes.
            #[must_use]
            pub const fn bytes(&self) -> [u8; 32] {
                self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($type))
            }
        }

        impl From<$type> for String {
            fn from(hash: $type) -> Self {
                hash.to_string()
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(&text, &mut bytes)
                    .map_err(|_| InvalidId::new("hash", "64 hexadecimal digits", &text))?;
                Ok(Self(bytes))
            }
        }
    };
}

hash!(
    /// Names one request and everything it would grant.
    RequestHash
);
hash!(
    /// Names one extension of one grant.
    ExtensionHash
);
hash!(
    /// Names what a scope allows.
    ScopeHash
);

/// Fields, each with its length before it, behind a domain line.
struct Fields(Sha256);

impl Fields {
    fn of(domain: &str) -> Self {
        Self(Sha256::new()).put(domain)
    }

    fn put(mut self, field: impl AsRef<[u8]>) -> Self {
        let field = field.as_ref();
        let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
        self.0.update(length.to_be_bytes());
        self.0.update(field);
        self
    }

    /// A person's id; of a machine `machine:` and its name, which no person's id begins with,
    /// and whom it acts for.
    fn party(self, party: &Party) -> Self {
        let named = match party {
            Party::Human(human) => self.put(human.person.as_str()),
            Party::Machine(Machine { machine, on_behalf_of, .. }) => {
                self.put(format!("machine:{machine}")).put(on_behalf_of.as_ref().map_or("", |person| person.as_str()))
            }
        };
        named.put(&party.principal().issuer).put(&party.principal().subject)
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

impl RequestHash {
    /// The hash of a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let Request { deployment, id, nonce, requester, target, resolved, incident, reason, duration, emergency } =
            request;
        Self(
            Fields::of("halligan/request/v1")
                .put(deployment.as_str())
                .put(id.to_string())
                .put(nonce.0)
                .party(requester)
                .put(target.kind.as_str())
                .put(target.id.as_str())
                .put(resolved.role_arn.to_string())
                .put(resolved.scope.as_str())
                .put(resolved.scope_hash.0)
                .put(incident.provider.as_str())
                .put(incident.id.as_str())
                .put(reason.as_str())
                .put(duration.as_secs().to_string())
                .put(if *emergency { "emergency" } else { "acknowledge-first" })
                .finish(),
        )
    }
}

impl ExtensionHash {
    /// The hash of an extension: bound to its grant by the request's hash.
    #[must_use]
    pub fn of(request: RequestHash, nonce: &[u8; 32], seconds: i64, reason: &str) -> Self {
        let fields = Fields::of("halligan/extension/v1").put(request.0).put(nonce);
        Self(fields.put(seconds.to_string()).put(reason).finish())
    }
}

impl ScopeHash {
    /// The hash of a scope's document, as JSON with its keys in order.
    #[must_use]
    pub fn of(scope: &Scope) -> Self {
        // Strings and maps of strings alone: serialising them can't fail.
        let json = serde_json::to_vec(scope).unwrap_or_default();
        Self(Fields::of("halligan/scope/v1").put(json).finish())
    }
}
