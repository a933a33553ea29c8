//! Entries, as a broker writes them, and what is made of them.

use std::sync::Arc;

use halligan_core::actor::Actor;
use halligan_core::entry::{Draft, Sealed};
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::{Command, Containment, Ending, Grant, NeverActive, RevokeCause, State, Transition};
use halligan_core::id::{GrantId, MintId};
use halligan_core::text::Reason;
use halligan_engine::fakes::fixtures::{self, human};
use halligan_engine::life::{Illegal, Lives};
use jiff::Timestamp;

/// What a log says, one transition after the other.
#[derive(Debug, Clone, Default)]
pub struct Story {
    pub entries: Vec<Sealed>,
    pub written: u64,
}

impl Story {
    /// Adds the entries of a transition; gives the grant after it.
    pub fn tell(&mut self, actor: &Actor, transition: Transition, now: Timestamp) -> Grant {
        let Transition { grant, events, .. } = transition;
        for event in events {
            self.add(&grant, actor, event, now);
        }
        grant
    }

    /// Adds one entry about a grant.
    pub fn add(&mut self, grant: &Grant, actor: &Actor, recorded: Recorded, now: Timestamp) {
        self.written += 1;
        let id = fixtures::uuid(1_000_000 + self.written);
        let draft = Draft::about(grant, actor.clone(), recorded, id, *id.as_bytes());
        let time = self.entries.last().map_or(now, |last| last.entry.time.max(now));
        self.entries.push(draft.seal(now, time));
    }

    /// Somebody does something that is legal.
    pub fn act(&mut self, grant: &Grant, actor: &Actor, command: Command, now: Timestamp) -> Grant {
        self.tell(actor, fixtures::apply(grant, command, now), now)
    }

    /// A mint by the requester.
    pub fn mint(&mut self, grant: &Grant, number: u64, now: Timestamp) -> Grant {
        let transition = fixtures::mint(grant, number, now).0;
        self.tell(&Actor::api(grant.request.requester.clone()), transition, now)
    }

    /// What it came to.
    pub fn issued(&mut self, grant: &Grant, number: u64, now: Timestamp) {
        self.add(grant, &Actor::api(grant.request.requester.clone()), Recorded::plain(issued(number)), now);
    }
}

pub fn issued(number: u64) -> Event {
    Event::CredentialsIssued {
        mint: MintId(fixtures::uuid(number)),
        access_key_id: "ASIAEXAMPLE".to_owned(),
        packed_policy_percent: Some(7),
    }
}

pub fn api(name: &str) -> Actor {
    Actor::api(human(name))
}

/// What the entries make, both as they are and as bytes.
pub fn judge(entries: &[Sealed]) -> Result<Lives, Illegal> {
    let deployment = fixtures::catalogue().deployment;
    let (mut read, mut quick) = (Lives::new(deployment.clone()), Lives::new(deployment));
    for (index, sealed) in (0..).zip(entries) {
        let (entry, personal) = (sealed.entry.to_json(), sealed.personal.as_ref().map(|part| part.to_json()));
        let (slow, fast) = (read.enter(index, sealed), quick.enter_bytes(index, &entry, personal.as_deref()));
        assert_eq!(slow, fast, "entry {index} is another one in bytes: {}", String::from_utf8_lossy(&entry));
        slow?;
        let of = sealed.entry.links.grant;
        assert_eq!(of.and_then(|id| read.grant(id)), of.and_then(|id| quick.grant(id)), "entry {index}");
    }
    Ok(read)
}

/// The entry, without what can be erased.
pub fn erased(sealed: &Sealed) -> Sealed {
    Sealed { personal: None, ..sealed.clone() }
}

/// The grant, as it can be known when every reason was erased.
pub fn without_reasons(grant: &Grant) -> Grant {
    let mut grant = grant.clone();
    Arc::make_mut(&mut grant.request).reason = Reason::erased();
    match &mut grant.state {
        State::Pending(_) => {}
        State::Active(active) => {
            if let Some(extension) = &mut active.extension {
                extension.reason = Reason::erased();
            }
        }
        State::Dropped(dropped) => {
            if let NeverActive::Declined { reason, .. } = &mut dropped.how {
                *reason = Reason::erased();
            }
        }
        State::Ended(ended) => {
            if let Ending::Revoked {
                cause: RevokeCause::Person { reason, .. } | RevokeCause::Declined { reason, .. },
            } = &mut ended.ending
            {
                *reason = Reason::erased();
            }
            assert!(!matches!(ended.containment, Containment::Stuck { ref because, .. } if because.is_empty()));
        }
    }
    grant
}

pub fn id(grant: &Grant) -> GrantId {
    grant.request.id
}
