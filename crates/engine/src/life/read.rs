//! Entries out of the log's bytes, in one go: without copies, and without the
//! buffers that a derived reader has for flattened fields.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use halligan_core::actor::Channel;
use halligan_core::event::Event;
use halligan_core::iam::SessionName;
use halligan_core::id::{GrantId, MintId};
use jiff::Timestamp;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::cause::{Concern, concern};
use super::step::{
    About, Anybody, DISCARDED, Doer, FAILED, Given, INTENDED, ISSUED, Name, Occasion, Step, Told, What, Who,
};

/// Reads an entry and its personal part; none if it concerns no life. Nothing else
/// is looked at then.
///
/// # Errors
/// It is no entry, or not in the form in which entries are written: texts without
/// escapes where there are names, the type before its data. A reader that copies
/// may still read it.
pub(super) fn step<'a>(entry: &'a [u8], personal: Option<&'a [u8]>) -> Result<Option<Step<'a>>, serde_json::Error> {
    let Quick(step) = serde_json::from_slice(entry)?;
    let Some(step) = step else { return Ok(None) };
    Ok(Some(Step { personal: given(personal)?, ..step }))
}

/// Reads the data of an event of this type.
pub(super) fn told<'a>(kind: &str, data: &'a str) -> Result<Told<'a>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(data);
    let told = Data(kind).deserialize(&mut reader)?;
    reader.end()?;
    Ok(told)
}

/// Reads an actor.
pub(super) fn actor(text: &str) -> Result<Anybody<'_>, serde_json::Error> {
    serde_json::from_str::<Actor<'_>>(text).map(Anybody::from)
}

/// Reads the reason of a personal part.
pub(super) fn given(personal: Option<&[u8]>) -> Result<Option<Given<'_>>, serde_json::Error> {
    let part = personal.map(serde_json::from_slice::<Part<'_>>).transpose()?;
    Ok(part.map(|part| Given(part.fields.reason)))
}

#[derive(serde::Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    fields: Texts<'a>,
}

#[derive(serde::Deserialize)]
struct Texts<'a> {
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
}

/// An actor, without the buffer that its flattened human costs.
#[derive(serde::Deserialize)]
struct Actor<'a> {
    #[serde(borrow)]
    person: Option<&'a str>,
    #[serde(borrow)]
    machine: Option<&'a str>,
    #[serde(borrow)]
    on_behalf_of: Option<&'a str>,
    #[serde(borrow)]
    principal: Option<Principal<'a>>,
    channel: Channel,
}

#[derive(serde::Deserialize)]
struct Principal<'a> {
    issuer: &'a str,
    subject: &'a str,
}

impl<'a> From<Actor<'a>> for Anybody<'a> {
    fn from(actor: Actor<'a>) -> Self {
        // As the untagged `Party` reads it: a person first.
        let machine = actor.machine.map(|machine| Name::Machine { machine, on_behalf_of: actor.on_behalf_of });
        let name = actor.person.map(Name::Person).or(machine);
        let who = |(name, Principal { issuer, subject }): (Name<'a>, Principal<'a>)| Who { name, issuer, subject };
        Self { who: name.zip(actor.principal).map(who), channel: actor.channel }
    }
}

#[derive(Default, serde::Deserialize)]
struct Links<'a> {
    grant: Option<GrantId>,
    #[serde(borrow)]
    requester: Option<&'a str>,
}

struct Quick<'a>(Option<Step<'a>>);

impl<'de> Deserialize<'de> for Quick<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields::default()).map(Self)
    }
}

#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a str>,
    time: Option<Timestamp>,
    decided_at: Option<Timestamp>,
    told: Option<Told<'a>>,
    actor: Option<Actor<'a>>,
    subject: Option<What<'a>>,
    incident: Option<Occasion<'a>>,
    links: Option<Links<'a>>,
    commits: bool,
}

impl<'de> Visitor<'de> for Fields<'de> {
    type Value = Option<Step<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(key) = map.next_key::<&'de str>()? {
            match key {
                "time" => once(&mut self.time, "time", map.next_value()?)?,
                "decided_at" => once(&mut self.decided_at, "decided_at", map.next_value()?)?,
                "type" => {
                    let kind: &'de str = map.next_value()?;
                    once(&mut self.kind, "type", kind)?;
                    if concern(kind) == Concern::Nothing {
                        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                        return Ok(None);
                    }
                }
                "data" => {
                    let kind = self.kind.ok_or_else(|| A::Error::missing_field("type"))?;
                    once(&mut self.told, "data", map.next_value_seed(Data(kind))?)?;
                }
                "actor" => once(&mut self.actor, "actor", map.next_value()?)?,
                "subject" => once(&mut self.subject, "subject", map.next_value()?)?,
                "incident" => once(&mut self.incident, "incident", map.next_value()?)?,
                "links" => once(&mut self.links, "links", map.next_value()?)?,
                "personal_sha256" => self.commits = map.next_value::<Option<&str>>()?.is_some(),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        self.step().map(Some)
    }
}

fn once<T, E: Error>(slot: &mut Option<T>, field: &'static str, value: T) -> Result<(), E> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(field)),
    }
}

impl<'de> Fields<'de> {
    fn step<E: Error>(self) -> Result<Step<'de>, E> {
        let time = self.time.ok_or_else(|| E::missing_field("time"))?;
        let actor = self.actor.ok_or_else(|| E::missing_field("actor"))?;
        let Links { grant, requester } = self.links.unwrap_or_default();
        Ok(Step {
            time,
            decided_at: self.decided_at.unwrap_or(time),
            told: self.told.ok_or_else(|| E::missing_field("data"))?,
            doer: Doer::Some(actor.into()),
            about: Some(About {
                subject: self.subject.ok_or_else(|| E::missing_field("subject"))?,
                incident: self.incident,
                requester,
            }),
            grant,
            commits: self.commits,
            personal: None,
        })
    }
}

/// Reads the data of an event whose type is known.
struct Data<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Data<'_> {
    type Value = Told<'de>;

    fn deserialize<D: Deserializer<'de>>(self, data: D) -> Result<Told<'de>, D::Error> {
        match self.0 {
            INTENDED => Intended::deserialize(data)?.told(),
            ISSUED => Issued::deserialize(data).map(|Issued { mint, .. }| Told::Came { mint, kind: ISSUED }),
            DISCARDED => {
                Discarded::deserialize(data).map(|Discarded { mint, .. }| Told::Came { mint, kind: DISCARDED })
            }
            FAILED => Failed::deserialize(data).map(|Failed { mint, .. }| Told::Came { mint, kind: FAILED }),
            kind => {
                // An event is read from its type and its data, in this order.
                let parts = Parts { kind: Some(kind), data: Some(data), of: PhantomData };
                Event::deserialize(MapAccessDeserializer::new(parts)).map(|event| Told::Event(Cow::Owned(event)))
            }
        }
    }
}

/// The data of [`Event::CredentialsIntended`], without copies; so those below.
#[derive(serde::Deserialize)]
struct Intended<'a> {
    mint: MintId,
    session_name: &'a str,
    source_identity: &'a str,
    fence: Timestamp,
    token_seconds: u32,
    #[serde(rename = "console")]
    _console: bool,
}

impl<'a> Intended<'a> {
    fn told<E: Error>(self) -> Result<Told<'a>, E> {
        let Self { mint, session_name, source_identity, fence, token_seconds, _console } = self;
        if SessionName::is_legal(session_name) && SessionName::is_legal(source_identity) {
            return Ok(Told::Intended { mint, fence, token_seconds, source_identity });
        }
        Err(E::custom("a session's name or its source identity is none"))
    }
}

#[derive(serde::Deserialize)]
struct Issued<'a> {
    mint: MintId,
    #[serde(rename = "access_key_id", borrow)]
    _access_key_id: Cow<'a, str>,
    #[serde(rename = "packed_policy_percent")]
    _packed_policy_percent: Option<i32>,
}

#[derive(serde::Deserialize)]
struct Discarded<'a> {
    mint: MintId,
    #[serde(rename = "access_key_id", borrow)]
    _access_key_id: Cow<'a, str>,
    #[serde(rename = "because", borrow)]
    _because: Cow<'a, str>,
}

#[derive(serde::Deserialize)]
struct Failed<'a> {
    mint: MintId,
    #[serde(rename = "because", borrow)]
    _because: Cow<'a, str>,
    #[serde(rename = "outcome_unknown")]
    _outcome_unknown: bool,
}

struct Parts<'de, 'k, D> {
    kind: Option<&'k str>,
    data: Option<D>,
    of: PhantomData<&'de ()>,
}

impl<'de, D: Deserializer<'de>> MapAccess<'de> for Parts<'de, '_, D> {
    type Error = D::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, D::Error> {
        let key = match (&self.kind, &self.data) {
            (Some(_), _) => "type",
            (None, Some(_)) => "data",
            (None, None) => return Ok(None),
        };
        seed.deserialize(StrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, D::Error> {
        match (self.kind.take(), self.data.take()) {
            (Some(kind), data) => {
                self.data = data;
                seed.deserialize(StrDeserializer::new(kind))
            }
            (None, Some(data)) => seed.deserialize(data),
            (None, None) => Err(D::Error::custom("a value without its key")),
        }
    }
}
