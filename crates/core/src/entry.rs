//! The envelope of a log entry: who, what, when, on what occasion.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::actor::Actor;
use crate::catalogue::Target;
use crate::event::{Event, Personal, Recorded};
use crate::grant::Grant;
use crate::id::{GrantId, PartyName};
use crate::incident::IncidentRef;

/// The version of the envelope.
pub const VERSION: u8 = 1;

/// The longest entry, in bytes of JSON.
pub const ENTRY_BYTES_MAX: usize = 4_096;

/// A record of one event, immutable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// The envelope's version.
    #[schemars(extend("const" = VERSION))]
    pub v: u8,
    /// The entry's id: a UUID of version 7.
    pub id: Uuid,
    /// When it was recorded; never earlier than the entry before it.
    pub time: Timestamp,
    /// When it was decided, where that is not `time`: by a clock behind the entry
    /// before, or in a store that was older than the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// The event: `type` and `data`.
    #[serde(flatten)]
    pub event: Event,
    /// Who.
    #[schemars(with = "crate::actor::ActorFields")]
    pub actor: Actor,
    /// On what.
    pub subject: Subject,
    /// On what occasion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentRef>,
    /// What else it belongs to.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub links: Links,
    /// SHA-256 over the bytes of the personal part as it is published, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub personal_sha256: Option<String>,
}

impl Entry {
    /// When it was decided: deadlines were judged by this.
    #[must_use]
    pub fn decided_at(&self) -> Timestamp {
        self.decided_at.unwrap_or(self.time)
    }

    /// The bytes that are published and hashed. They are made once: what was
    /// written is kept, not made again.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Keys are texts everywhere: serialising can't fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The same entry, recorded no earlier than `time`.
    #[must_use]
    pub fn recorded_at(self, time: Timestamp) -> Self {
        let decided_at = self.decided_at();
        Self { time, decided_at: (decided_at != time).then_some(decided_at), ..self }
    }
}

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// `aws-role`, `broker`, …
    pub kind: String,
    /// Its name there.
    pub id: String,
}

impl Subject {
    /// A target of the catalogue.
    #[must_use]
    pub fn target(target: &Target) -> Self {
        Self { kind: target.kind.as_str().to_owned(), id: target.id.to_string() }
    }

    /// The broker itself.
    #[must_use]
    pub fn broker(part: &str) -> Self {
        Self { kind: "broker".to_owned(), id: part.to_owned() }
    }
}

/// What else an entry belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Links {
    /// The grant, in its short form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// Whose grant it is: the person whose access begins, ends or is talked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<PartyName>,
}

impl Links {
    /// Whether it belongs to nothing else.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.grant.is_none() && self.requester.is_none()
    }

    /// To a grant.
    #[must_use]
    pub fn to(grant: &Grant) -> Self {
        Self { grant: Some(grant.request.id), requester: Some(grant.request.requester.name()) }
    }
}

/// An entry before the store has given it its time: what a use case hands over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The entry's id.
    pub id: Uuid,
    /// Salts the personal part's hash.
    pub salt: [u8; 16],
    /// Who.
    pub actor: Actor,
    /// On what.
    pub subject: Subject,
    /// On what occasion.
    pub incident: Option<IncidentRef>,
    /// What else it belongs to.
    pub links: Links,
    /// What happened.
    pub recorded: Recorded,
}

impl Draft {
    /// A draft about a grant.
    #[must_use]
    pub fn about(grant: &Grant, actor: Actor, recorded: Recorded, id: Uuid, salt: [u8; 16]) -> Self {
        Self {
            id,
            salt,
            actor,
            subject: Subject::target(&grant.request.target),
            incident: Some(grant.request.incident.clone()),
            links: Links::to(grant),
            recorded,
        }
    }

    /// The entry, decided at `decided_at` and recorded at `time`, which the store's order allows.
    #[must_use]
    pub fn seal(self, decided_at: Timestamp, time: Timestamp) -> Sealed {
        let Self { id, salt, actor, subject, incident, links, recorded } = self;
        let Recorded { event, personal } = recorded;
        let personal = (!personal.is_empty()).then(|| SaltedPersonal { salt: hex::encode(salt), fields: personal });
        let personal_sha256 = personal.as_ref().map(SaltedPersonal::sha256);
        let decided_at = (decided_at != time).then_some(decided_at);
        let entry = Entry { v: VERSION, id, time, decided_at, event, actor, subject, incident, links, personal_sha256 };
        Sealed { entry, personal }
    }
}

/// An entry and the personal part that it commits to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The entry.
    pub entry: Entry,
    /// Beside it, and erasable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<SaltedPersonal>,
}

/// A personal part with the salt that keeps its hash from being guessed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SaltedPersonal {
    /// Sixteen random bytes, in hexadecimal.
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    pub salt: String,
    /// The texts.
    pub fields: Personal,
}

impl SaltedPersonal {
    /// The bytes that are published beside the entry.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Strings alone: serialising them can't fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What the entry commits to.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.to_json()))
    }
}
