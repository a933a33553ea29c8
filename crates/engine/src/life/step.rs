//! What an entry says of a life, without copying it: most of a long log is read
//! only to be compared.

use std::borrow::Cow;

use halligan_core::actor::{Actor, Channel, Human, Machine, Party, Principal};
use halligan_core::entry::{Entry, Sealed};
use halligan_core::event::Event;
use halligan_core::id::{GrantId, MintId};
use halligan_core::incident::IncidentRef;
use halligan_core::text::Reason;
use jiff::Timestamp;

use super::illegal::Because;

/// One entry, as far as lives are concerned.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub time: Timestamp,
    pub decided_at: Timestamp,
    pub told: Told<'a>,
    pub doer: Doer<'a>,
    /// None if that was compared already.
    pub about: Option<About<'a>>,
    pub grant: Option<GrantId>,
    /// Whether it commits to a personal part.
    pub commits: bool,
    /// The reason in that, if the part is there.
    pub personal: Option<Given<'a>>,
}

/// What happened.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub(super) enum Told<'a> {
    /// A step of the lifecycle, or something that is none.
    Event(Cow<'a, Event>),
    /// Credentials were about to be minted. There are so many of these that they are
    /// read only as far as a life is concerned.
    Intended { mint: MintId, fence: Timestamp, token_seconds: u32, source_identity: &'a str },
    /// That came to something, of this type.
    Came { mint: MintId, kind: &'static str },
}

impl<'a> Told<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        match event {
            Event::CredentialsIntended { mint, source_identity, fence, token_seconds, .. } => Self::Intended {
                mint: *mint,
                fence: *fence,
                token_seconds: *token_seconds,
                source_identity: source_identity.as_str(),
            },
            Event::CredentialsIssued { mint, .. } => Self::Came { mint: *mint, kind: ISSUED },
            Event::CredentialsDiscarded { mint, .. } => Self::Came { mint: *mint, kind: DISCARDED },
            Event::CredentialsFailed { mint, .. } => Self::Came { mint: *mint, kind: FAILED },
            other => Self::Event(Cow::Borrowed(other)),
        }
    }

    /// The event, if it was read whole.
    pub(super) fn event(&self) -> Option<&Event> {
        match self {
            Self::Event(event) => Some(event),
            Self::Intended { .. } | Self::Came { .. } => None,
        }
    }

    /// Its type.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Event(event) => event.kind(),
            Self::Intended { .. } => INTENDED.to_owned(),
            Self::Came { kind, .. } => (*kind).to_owned(),
        }
    }
}

pub(super) const INTENDED: &str = "credentials.intended";
pub(super) const ISSUED: &str = "credentials.issued";
pub(super) const DISCARDED: &str = "credentials.discarded";
pub(super) const FAILED: &str = "credentials.failed";

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doer<'a> {
    /// The requester, through the login that asked.
    Requester,
    /// Somebody, or nobody.
    Some(Anybody<'a>),
}

/// An actor, as an entry writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anybody<'a> {
    pub who: Option<Who<'a>>,
    pub channel: Channel,
}

/// What an entry of a life is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct About<'a> {
    pub subject: What<'a>,
    pub incident: Option<Occasion<'a>>,
    pub requester: Option<&'a str>,
}

/// A person or a machine, as an entry writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who<'a> {
    pub name: Name<'a>,
    pub issuer: &'a str,
    pub subject: &'a str,
}

/// Who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name<'a> {
    Person(&'a str),
    Machine { machine: &'a str, on_behalf_of: Option<&'a str> },
}

/// A subject, as an entry writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct What<'a> {
    pub kind: &'a str,
    pub id: &'a str,
}

/// An incident, as an entry writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Occasion<'a> {
    pub provider: &'a str,
    pub id: &'a str,
}

/// The reason of a personal part that is there.
#[derive(Debug, Clone)]
pub(super) struct Given<'a>(pub Option<Cow<'a, str>>);

impl<'a> Step<'a> {
    /// What an entry that was read says.
    pub(super) fn of(sealed: &'a Sealed) -> Self {
        let entry: &Entry = &sealed.entry;
        let reason = |part: &'a halligan_core::entry::SaltedPersonal| {
            Given(part.fields.0.get("reason").map(|reason| Cow::Borrowed(reason.as_str())))
        };
        Self {
            time: entry.time,
            decided_at: entry.decided_at(),
            told: Told::of(&entry.event),
            doer: Doer::Some(Anybody { who: entry.actor.party.as_ref().map(Who::of), channel: entry.actor.channel }),
            about: Some(About {
                subject: What { kind: &entry.subject.kind, id: &entry.subject.id },
                incident: entry.incident.as_ref().map(Occasion::of),
                requester: entry.links.requester.as_ref().map(|name| name.as_str()),
            }),
            grant: entry.links.grant,
            commits: entry.personal_sha256.is_some(),
            personal: sealed.personal.as_ref().map(reason),
        }
    }

    /// The reason; where it was erased, what stands for it.
    pub(super) fn reason(&self) -> Result<Reason, Because> {
        if !self.commits {
            return Err(Because::NoReason);
        }
        match &self.personal {
            None => Ok(Reason::erased()),
            Some(Given(None)) => Err(Because::NoReason),
            Some(Given(Some(text))) => Reason::try_from(text.clone().into_owned()).map_err(Because::BadReason),
        }
    }

    /// Whether the entry commits to a reason that is not there any more.
    pub(super) const fn is_erased(&self) -> bool {
        self.commits && self.personal.is_none()
    }
}

impl<'a> Doer<'a> {
    /// The broker itself.
    pub(super) const BROKER: Self = Self::Some(Anybody { who: None, channel: Channel::System });

    /// Who it was, if it was not the broker, under a grant whose requester is this.
    pub(super) fn who(self, requester: &'a Actor) -> Option<Who<'a>> {
        match self {
            Self::Requester => requester.party.as_ref().map(Who::of),
            Self::Some(anybody) => anybody.who,
        }
    }

    /// The person who did it.
    pub(super) fn person(self, requester: &'a Actor) -> Result<Human, Because> {
        match self.party(requester)? {
            Party::Human(human) => Ok(human),
            Party::Machine(_) => Err(Because::Nobody),
        }
    }

    /// The person or the machine that did it.
    pub(super) fn party(self, requester: &'a Actor) -> Result<Party, Because> {
        self.who(requester).ok_or(Because::Nobody)?.party()
    }

    /// The actor.
    pub(super) fn actor(self, requester: &'a Actor) -> Result<Actor, Because> {
        match self {
            Self::Requester => Ok(requester.clone()),
            Self::Some(Anybody { who, channel }) => Ok(Actor { party: who.map(Who::party).transpose()?, channel }),
        }
    }

    /// Whether it is this actor.
    pub(super) fn is(self, actor: &Actor, requester: &Actor) -> bool {
        match self {
            Self::Requester => actor == requester,
            Self::Some(Anybody { who, channel }) => {
                channel == actor.channel && who == actor.party.as_ref().map(Who::of)
            }
        }
    }
}

impl<'a> Who<'a> {
    pub(super) fn of(party: &'a Party) -> Self {
        let Principal { issuer, subject } = party.principal();
        let name = match party {
            Party::Human(human) => Name::Person(human.person.as_str()),
            Party::Machine(Machine { machine, on_behalf_of, .. }) => Name::Machine {
                machine: machine.as_str(),
                on_behalf_of: on_behalf_of.as_ref().map(|person| person.as_str()),
            },
        };
        Self { name, issuer, subject }
    }

    /// What they are called.
    pub(super) const fn name(&self) -> &'a str {
        match self.name {
            Name::Person(name) | Name::Machine { machine: name, .. } => name,
        }
    }

    fn party(self) -> Result<Party, Because> {
        let principal = Principal { issuer: self.issuer.to_owned(), subject: self.subject.to_owned() };
        let unknown = |field: &str, name: &str| super::illegal::differs(field, Some(&name.into()), None);
        match self.name {
            Name::Person(name) => {
                let person = name.parse().map_err(|_| unknown("actor.person", name))?;
                Ok(Party::Human(Human { person, principal }))
            }
            Name::Machine { machine, on_behalf_of } => {
                let for_whom = on_behalf_of.map(|name| name.parse().map_err(|_| unknown("actor.on_behalf_of", name)));
                let machine = machine.parse().map_err(|_| unknown("actor.machine", machine))?;
                Ok(Party::Machine(Machine { machine, on_behalf_of: for_whom.transpose()?, principal }))
            }
        }
    }
}

impl<'a> Occasion<'a> {
    pub(super) fn of(incident: &'a IncidentRef) -> Self {
        Self { provider: incident.provider.as_str(), id: incident.id.as_str() }
    }

    pub(super) fn incident(self) -> Option<IncidentRef> {
        let (provider, id) = (self.provider.parse().ok()?, self.id.to_owned().try_into().ok()?);
        Some(IncidentRef { provider, id })
    }
}
