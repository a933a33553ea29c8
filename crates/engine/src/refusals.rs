//! Refusals, on their way out: each is in the log once, whoever refused it and whoever passes it on.
//!
//! Of somebody who is known a refusal is an entry with their name, within what one person can
//! cause a minute; of a stranger it is counted, since anybody can cause any number.

use std::net::IpAddr;

use halligan_core::actor::{Actor, Channel, Human, Party};
use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded, bounded, bounded_rules};
use halligan_core::grant::Grant;

use crate::caller::Caller;
use crate::problem::Problem;
use crate::recorder::Recorder;

/// Somebody who is known, and what they tried.
#[derive(Debug, Clone)]
pub struct Tried<'a> {
    party: Party,
    channel: Channel,
    address: Option<IpAddr>,
    action: &'a str,
    what: What<'a>,
}

/// What it was tried on.
#[derive(Debug, Clone)]
enum What<'a> {
    Subject(Subject),
    Grant(&'a Grant),
}

impl<'a> Tried<'a> {
    /// A call.
    #[must_use]
    pub fn by(caller: &Caller, action: &'a str, subject: Subject) -> Self {
        let Caller { party, shown, address, .. } = caller;
        let (party, what) = (party.clone(), What::Subject(subject));
        Self { party, channel: shown.channel, address: *address, action, what }
    }

    /// As [`Tried::by`], about a grant.
    #[must_use]
    pub fn about(caller: &Caller, action: &'a str, grant: &'a Grant) -> Self {
        let Caller { party, shown, address, .. } = caller;
        Self { party: party.clone(), channel: shown.channel, address: *address, action, what: What::Grant(grant) }
    }

    /// By somebody who has proved who they are, and is not in yet.
    #[must_use]
    pub fn at_the_door(human: &Human, action: &'a str, address: Option<IpAddr>) -> Self {
        let (party, what) = (Party::Human(human.clone()), What::Subject(Subject::broker("sign-ins")));
        Self { party, channel: Channel::Web, address, action, what }
    }

    /// With a token of the API, which is no use any more.
    #[must_use]
    pub fn with_token(party: &Party, action: &'a str) -> Self {
        let (party, what) = (party.clone(), What::Subject(Subject::broker("sign-ins")));
        Self { party, channel: Channel::Api, address: None, action, what }
    }

    fn recorded(&self, problem: &Problem) -> Recorded {
        let event = Event::ActionRefused {
            action: self.action.to_owned(),
            problem: problem.kind.slug().to_owned(),
            rules: bounded_rules(problem.rules.clone()),
            unmet: bounded(problem.unmet.clone()),
        };
        let mut recorded = Recorded::plain(event);
        if let Some(address) = self.address {
            recorded.personal = recorded.personal.with("address", address.to_string());
        }
        recorded
    }
}

impl Recorder {
    /// Records that somebody known was refused, unless that is recorded. Past what one person can
    /// cause a minute it is counted.
    pub async fn refuse(&self, tried: Tried<'_>, problem: Problem) -> Problem {
        if problem.is_recorded() || problem.kind.is_fault() {
            return problem;
        }
        if self.admits(&tried.party.name(), problem.kind) {
            let recorded = tried.recorded(&problem);
            let actor = Actor { party: Some(tried.party), channel: tried.channel };
            let draft = match tried.what {
                What::Subject(subject) => self.draft(actor, subject, recorded),
                What::Grant(grant) => self.draft_about(grant, actor, recorded),
            };
            self.record_draft(draft).await;
        }
        problem.recorded()
    }

    /// Counts that a stranger was refused, unless that is recorded.
    #[must_use]
    pub fn refuse_stranger(&self, problem: Problem) -> Problem {
        if problem.is_recorded() || problem.kind.is_fault() {
            return problem;
        }
        self.count(problem.kind);
        problem.recorded()
    }
}
