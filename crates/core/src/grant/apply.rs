//! The transitions. One command, one arm; every refusal has a type.

use jiff::{SignedDuration, Timestamp};

use super::command::{Command, Deadline, Yes};
use super::containment::{Containment, Evidence};
use super::hash::{ExtensionHash, RequestHash};
use super::refusal::Refusal;
use super::state::{
    Acknowledged, Activation, Active, Dropped, Ended, Ending, Extended, Extension, Grant, NeverActive, Pending,
    RevokeCause, Standing, State,
};
use super::{Effect, Transition};
use crate::actor::{Human, Party, Shown};
use crate::event::{Event, Recorded, RevokedBy};
use crate::id::Nonce;
use crate::text::Reason;

type Outcome = Result<Transition, Refusal>;

impl Grant {
    /// The deadline that has passed at `now` and hasn't been acted on, the
    /// gravest first.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<Deadline> {
        self.deadlines().into_iter().flatten().filter(|(at, _)| *at <= now).map(|(_, deadline)| deadline).next()
    }

    /// When this grant next needs attention, if nobody does anything.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines().into_iter().flatten().map(|(at, _)| at).min()
    }

    /// Every deadline, the gravest first.
    fn deadlines(&self) -> [Option<(Timestamp, Deadline)>; 3] {
        match &self.state {
            State::Pending(pending) => [Some((pending.acknowledge_by, Deadline::Lapse)), None, None],
            State::Active(Active { activation, extension }) => {
                let overdue = match activation.standing {
                    Standing::Unacknowledged { ack_due } if ack_due < activation.ends_at => {
                        Some((ack_due, Deadline::AcknowledgementOverdue))
                    }
                    Standing::Unacknowledged { .. } | Standing::Acknowledged(_) => None,
                };
                let lapse = extension.as_ref().map(|e| (e.acknowledge_by, Deadline::ExtensionLapse));
                [overdue, Some((activation.ends_at, Deadline::Expire)), lapse]
            }
            State::Dropped(_) | State::Ended(_) => [None, None, None],
        }
    }

    /// What `command` at `now` makes of this grant.
    ///
    /// # Errors
    /// A [`Refusal`]: nothing changes. [`Refusal::Overdue`] names a deadline that
    /// must be applied first, as [`Command::Elapse`].
    pub fn apply(&self, command: Command, now: Timestamp) -> Outcome {
        // A deadline is judged here, by the clock, never by whether a worker has run.
        match (self.due(now), &command) {
            (Some(due), Command::Elapse(deadline)) if due == *deadline => {}
            // Ending waits for no deadline: with a clock that can't be trusted none is acted on.
            (
                Some(_),
                Command::Revoke { .. } | Command::Return { .. } | Command::CloseIncident | Command::FindEnded,
            ) if matches!(self.state, State::Active(_)) => {}
            (Some(due), _) => return Err(Refusal::Overdue(due)),
            (None, Command::Elapse(deadline)) => return Err(Refusal::NotDue(*deadline)),
            (None, _) => {}
        }
        let wrong_state = Refusal::WrongState { command: command.name(), phase: self.phase() };
        match (&self.state, command) {
            (State::Pending(pending), Command::Acknowledge { by, hash, yes }) => {
                self.acknowledge_pending(pending, by, hash, yes, now)
            }
            (State::Pending(_), Command::Decline { by, reason, rules }) => {
                self.differs(&by, "decline")?;
                let event = Recorded::with_reason(Event::GrantDeclined { rules }, &reason);
                Ok(self.dropped(NeverActive::Declined { by: by.person, reason }, event, now))
            }
            (State::Pending(_), Command::Withdraw { by }) => {
                self.is_by_requester(&by, "withdraw")?;
                Ok(self.dropped(NeverActive::Withdrawn, Recorded::plain(Event::GrantWithdrawn {}), now))
            }
            (State::Pending(_), Command::CloseIncident | Command::FindEnded) => {
                Ok(self.dropped(NeverActive::Cancelled, Recorded::plain(Event::GrantCancelled {}), now))
            }
            (State::Pending(pending), Command::Elapse(Deadline::Lapse)) => {
                let at = pending.acknowledge_by;
                Ok(self.dropped(NeverActive::Lapsed, Recorded::plain(Event::GrantLapsed {}), at))
            }
            (State::Active(active), Command::Acknowledge { by, hash, yes }) => {
                self.acknowledge_emergency(active, by, hash, yes, now)
            }
            (State::Active(active), Command::Decline { by, reason, rules }) => {
                self.decline_emergency(active, by, reason, rules, now)
            }
            (State::Active(active), Command::RequestExtension { by, duration, reason, nonce, rules }) => {
                self.request_extension(active, by, Asked { duration, reason, nonce, rules }, now)
            }
            (State::Active(active), Command::AcknowledgeExtension { by, hash, yes }) => {
                self.acknowledge_extension(active, by, hash, yes, now)
            }
            (State::Active(active), Command::DeclineExtension { by, reason, rules }) => {
                self.differs(&by, "decline an extension of")?;
                let extension = active.extension.as_ref().ok_or(Refusal::NoExtension)?;
                let event = Event::ExtensionDeclined { extension_hash: extension.hash, rules };
                let event = Recorded::with_reason(event, &reason);
                Ok(self.without_extension(active, event))
            }
            (State::Active(active), Command::Elapse(Deadline::ExtensionLapse)) => {
                let extension = active.extension.as_ref().ok_or(Refusal::NoExtension)?;
                let event = Recorded::plain(Event::ExtensionVoid { extension_hash: extension.hash });
                Ok(self.without_extension(active, event))
            }
            (State::Active(active), Command::Return { by }) => {
                self.is_by_requester(&by, "return")?;
                Ok(self.ended(active, Ending::Returned, Recorded::plain(Event::GrantReturned {}), now))
            }
            (State::Active(active), Command::Revoke { by, reason, rules }) => {
                let event = revoked_by(RevokedBy::Person(by.person.clone()), rules, Some(&reason));
                let cause = RevokeCause::Person { by: by.person, reason };
                Ok(self.ended(active, Ending::Revoked { cause }, event, now))
            }
            (State::Active(active), Command::CloseIncident) => {
                let ending = Ending::Revoked { cause: RevokeCause::IncidentClosed };
                Ok(self.ended(active, ending, revoked(RevokedBy::IncidentClosed, None), now))
            }
            (State::Active(active), Command::FindEnded) => {
                let ending = Ending::Revoked { cause: RevokeCause::FoundEnded };
                Ok(self.ended(active, ending, revoked(RevokedBy::FoundEnded, None), now))
            }
            (State::Active(active), Command::Elapse(Deadline::AcknowledgementOverdue)) => {
                let ending = Ending::Revoked { cause: RevokeCause::AcknowledgementOverdue };
                let at = active.activation.fence();
                Ok(self.ended(active, ending, revoked(RevokedBy::AcknowledgementOverdue, None), at))
            }
            (State::Active(active), Command::Elapse(Deadline::Expire)) => {
                let ends_at = active.activation.ends_at;
                let event = Recorded::plain(Event::GrantExpired { ends_at });
                Ok(self.ended(active, Ending::Expired, event, ends_at))
            }
            (State::Ended(ended), Command::Contain(evidence)) => self.contain(ended, evidence, wrong_state),
            (State::Ended(ended), Command::Stick { because }) => self.stick(ended, because, now, wrong_state),
            (
                State::Pending(_),
                Command::RequestExtension { .. }
                | Command::AcknowledgeExtension { .. }
                | Command::DeclineExtension { .. }
                | Command::Return { .. }
                | Command::Revoke { .. }
                | Command::Elapse(Deadline::AcknowledgementOverdue | Deadline::Expire | Deadline::ExtensionLapse)
                | Command::Contain(_)
                | Command::Stick { .. },
            )
            | (
                State::Active(_),
                Command::Withdraw { .. }
                | Command::Elapse(Deadline::Lapse)
                | Command::Contain(_)
                | Command::Stick { .. },
            )
            | (
                State::Dropped(_) | State::Ended(_),
                Command::Acknowledge { .. }
                | Command::Decline { .. }
                | Command::Withdraw { .. }
                | Command::RequestExtension { .. }
                | Command::AcknowledgeExtension { .. }
                | Command::DeclineExtension { .. }
                | Command::Return { .. }
                | Command::Revoke { .. }
                | Command::CloseIncident
                | Command::FindEnded
                | Command::Elapse(_),
            )
            | (State::Dropped(_), Command::Contain(_) | Command::Stick { .. }) => Err(wrong_state),
        }
    }

    fn acknowledge_pending(
        &self,
        pending: &Pending,
        by: Human,
        hash: RequestHash,
        yes: Yes,
        now: Timestamp,
    ) -> Outcome {
        self.differs(&by, "acknowledge")?;
        self.hash_matches(hash)?;
        let first = match &pending.first {
            Some(first) if first.by.person == by.person => return Err(Refusal::SecondPerson(by.person)),
            None if self.request.acknowledgements() > 1 => {
                let first = Some(yes.by(by, None, now));
                let state = State::Pending(Pending { first, ..pending.clone() });
                return Ok(Transition {
                    grant: self.with(state),
                    events: vec![yes.event(hash, 1)],
                    effects: Vec::new(),
                });
            }
            first => first.clone().map(Box::new),
        };
        let standing = Standing::Acknowledged(yes.by(by, first, now));
        let activation = Activation::begin(now, self.request.duration, standing);
        let events = vec![yes.event(hash, 0), activation.event()];
        let effects = vec![Effect::Enforce(self.request.target.clone())];
        let state = State::Active(Active { activation, extension: None });
        Ok(Transition { grant: self.with(state), events, effects })
    }

    fn acknowledge_emergency(
        &self,
        active: &Active,
        by: Human,
        hash: RequestHash,
        yes: Yes,
        now: Timestamp,
    ) -> Outcome {
        match active.activation.standing {
            Standing::Acknowledged(_) => Err(Refusal::WrongState { command: "acknowledge", phase: self.phase() }),
            // Nobody stands behind a machine's emergency start: there is none.
            Standing::Unacknowledged { .. } if self.request.acknowledgements() > 1 => {
                Err(Refusal::Machine { command: "start before the acknowledgement of" })
            }
            Standing::Unacknowledged { .. } => {
                self.differs(&by, "acknowledge")?;
                self.hash_matches(hash)?;
                let mut active = active.clone();
                active.activation.standing = Standing::Acknowledged(yes.by(by, None, now));
                let events = vec![yes.event(hash, 0)];
                Ok(Transition { grant: self.with(State::Active(active)), events, effects: Vec::new() })
            }
        }
    }

    fn decline_emergency(
        &self,
        active: &Active,
        by: Human,
        reason: Reason,
        rules: Vec<String>,
        now: Timestamp,
    ) -> Outcome {
        match active.activation.standing {
            Standing::Acknowledged(_) => Err(Refusal::WrongState { command: "decline", phase: self.phase() }),
            Standing::Unacknowledged { .. } => {
                self.differs(&by, "decline")?;
                let event = revoked_by(RevokedBy::Declined(by.person.clone()), rules, Some(&reason));
                let cause = RevokeCause::Declined { by: by.person, reason };
                Ok(self.ended(active, Ending::Revoked { cause }, event, now))
            }
        }
    }

    fn request_extension(&self, active: &Active, by: Human, asked: Asked, now: Timestamp) -> Outcome {
        let Asked { duration, reason, nonce, rules } = asked;
        if self.request.acknowledgements() > 1 {
            return Err(Refusal::Machine { command: "extend" });
        }
        self.is_by_requester(&by.into(), "extend")?;
        match active.activation.standing {
            Standing::Unacknowledged { .. } => return Err(Refusal::NotAcknowledged),
            Standing::Acknowledged(_) => {}
        }
        if active.extension.is_some() {
            return Err(Refusal::ExtensionPending);
        }
        if duration < SignedDuration::from_secs(1) {
            return Err(Refusal::NotPositive(duration));
        }
        self.within_total(&active.activation, duration)?;
        let seconds = duration.as_secs();
        let hash = ExtensionHash::of(self.request_hash, &nonce.0, seconds, reason.as_str());
        let acknowledge_by = (now + self.limits.acknowledge_within).min(active.activation.ends_at);
        let event =
            Event::ExtensionRequested { extension_hash: hash, nonce, duration_seconds: seconds, acknowledge_by, rules };
        let events = vec![Recorded::with_reason(event, &reason)];
        let extension = Extension { hash, nonce, duration: SignedDuration::from_secs(seconds), reason, acknowledge_by };
        let state = State::Active(Active { extension: Some(extension), ..active.clone() });
        Ok(Transition { grant: self.with(state), events, effects: Vec::new() })
    }

    fn acknowledge_extension(
        &self,
        active: &Active,
        by: Human,
        hash: ExtensionHash,
        yes: Yes,
        now: Timestamp,
    ) -> Outcome {
        self.differs(&by, "acknowledge an extension of")?;
        let extension = active.extension.as_ref().ok_or(Refusal::NoExtension)?;
        if extension.hash != hash {
            return Err(Refusal::HashMismatch);
        }
        let ends_at = self.within_total(&active.activation, extension.duration)?;
        let mut activation = active.activation.clone();
        activation.ends_at = ends_at;
        // Of one person the latest yes is the one to the most, and a row doesn't grow without end.
        activation.extended.retain(|before| before.yes.by.person != by.person);
        activation.extended.push(Extended { yes: yes.by(by, None, now), ends_at });
        let Yes { signed, rules, shown: Shown { fresh, .. }, incident_unknown: _ } = yes;
        let event = Event::ExtensionAcknowledged { extension_hash: hash, ends_at, signed, rules, fresh };
        let events = vec![Recorded::plain(event)];
        let state = State::Active(Active { activation, extension: None });
        Ok(Transition { grant: self.with(state), events, effects: Vec::new() })
    }

    fn contain(&self, ended: &Ended, evidence: Evidence, wrong_state: Refusal) -> Outcome {
        match ended.containment {
            Containment::Enforcing | Containment::Stuck { .. } => {
                let event = Recorded::plain(Event::ContainmentObserved(evidence.clone()));
                let state = State::Ended(Ended { containment: Containment::Contained(evidence), ..ended.clone() });
                Ok(Transition { grant: self.with(state), events: vec![event], effects: Vec::new() })
            }
            Containment::Fenced | Containment::Contained(_) => Err(wrong_state),
        }
    }

    fn stick(&self, ended: &Ended, because: String, now: Timestamp, wrong_state: Refusal) -> Outcome {
        let since = match ended.containment {
            Containment::Enforcing => now,
            Containment::Stuck { since, .. } => since,
            Containment::Fenced | Containment::Contained(_) => return Err(wrong_state),
        };
        let event = Recorded::plain(Event::ContainmentStuck { because: because.clone() });
        let state = State::Ended(Ended { containment: Containment::Stuck { since, because }, ..ended.clone() });
        Ok(Transition { grant: self.with(state), events: vec![event], effects: Vec::new() })
    }

    fn within_total(&self, activation: &Activation, extension: SignedDuration) -> Result<Timestamp, Refusal> {
        let asked = activation.length().saturating_add(extension);
        let max = self.limits.total_max;
        if asked > max {
            return Err(Refusal::TooLong { asked, max });
        }
        Ok(activation.ends_at + extension)
    }

    fn differs(&self, by: &Human, command: &'static str) -> Result<(), Refusal> {
        if self.is_requester(&by.person) { Err(Refusal::SamePerson { command }) } else { Ok(()) }
    }

    fn is_by_requester(&self, by: &Party, command: &'static str) -> Result<(), Refusal> {
        if self.request.requester.is(by) { Ok(()) } else { Err(Refusal::NotRequester { command }) }
    }

    fn hash_matches(&self, hash: RequestHash) -> Result<(), Refusal> {
        if hash == self.request_hash { Ok(()) } else { Err(Refusal::HashMismatch) }
    }

    fn with(&self, state: State) -> Self {
        Self { state, ..self.clone() }
    }

    fn dropped(&self, how: NeverActive, event: Recorded, at: Timestamp) -> Transition {
        Transition { grant: self.with(State::Dropped(Dropped { how, at })), events: vec![event], effects: Vec::new() }
    }

    fn without_extension(&self, active: &Active, event: Recorded) -> Transition {
        let state = State::Active(Active { extension: None, ..active.clone() });
        Transition { grant: self.with(state), events: vec![event], effects: Vec::new() }
    }

    /// Ends an activation. Its end is enforced whatever was minted: what a lost
    /// answer or a restored store doesn't know of is denied all the same.
    fn ended(&self, active: &Active, ending: Ending, event: Recorded, at: Timestamp) -> Transition {
        let containment = match ending {
            // Both fences stood at `at` already; the deny comes on top.
            Ending::Expired | Ending::Revoked { cause: RevokeCause::AcknowledgementOverdue } => Containment::Fenced,
            Ending::Revoked { .. } | Ending::Returned => Containment::Enforcing,
        };
        // However late it was noticed, no access outlived its fence.
        let at = at.min(active.activation.fence());
        let mut events = vec![event];
        if let Some(extension) = &active.extension {
            events.push(Recorded::plain(Event::ExtensionVoid { extension_hash: extension.hash }));
        }
        let state = State::Ended(Ended { activation: active.activation.clone(), ending, at, containment });
        let effects = vec![Effect::Enforce(self.request.target.clone())];
        Transition { grant: self.with(state), events, effects }
    }
}

/// A later end, as it was asked for.
struct Asked {
    duration: SignedDuration,
    reason: Reason,
    nonce: Nonce,
    rules: Vec<String>,
}

impl Yes {
    fn by(&self, by: Human, first: Option<Box<Acknowledged>>, at: Timestamp) -> Acknowledged {
        Acknowledged { by, shown: self.shown, signed: self.signed.is_some(), first, at }
    }

    fn event(self, request_hash: RequestHash, remaining: u8) -> Recorded {
        let Self { signed, rules, shown: Shown { fresh, .. }, incident_unknown } = self;
        Recorded::plain(Event::GrantAcknowledged { request_hash, remaining, signed, rules, incident_unknown, fresh })
    }
}

fn revoked(cause: RevokedBy, reason: Option<&Reason>) -> Recorded {
    revoked_by(cause, Vec::new(), reason)
}

fn revoked_by(cause: RevokedBy, rules: Vec<String>, reason: Option<&Reason>) -> Recorded {
    let event = Event::GrantRevoked { cause, rules };
    reason.map_or_else(|| Recorded::plain(event.clone()), |reason| Recorded::with_reason(event.clone(), reason))
}
