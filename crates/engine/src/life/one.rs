//! One life: the grant as it is, and what is still to come of it.

use std::collections::VecDeque;

use halligan_core::actor::Actor;
use halligan_core::catalogue::Target;
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::{Grant, Opening, Refusal, Request, RequestHash, Resolved, State, Transition};
use halligan_core::iam::SourceIdentity;
use halligan_core::id::{DeploymentId, GrantId, MintId};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::cause::{Cause, cause, shown};
use super::cut::Ending;
use super::illegal::{Because, compare, differs};
use super::step::{About, Doer, Occasion, Step, Told, What, Who};
use super::{Deployment, Owed};

/// A grant's id is made in the instant that it is asked for.
const ID_APART_MAX: SignedDuration = SignedDuration::from_hours(1);
/// So many mints of one grant are remembered: the newest.
const MINTS_MAX: usize = 4_096;

/// One life.
#[derive(Debug)]
pub(super) struct Life {
    grant: Grant,
    /// Who asked, and by which way in.
    requester: Actor,
    /// How its entries end, where our writer wrote them.
    ending: Option<Ending>,
    /// What CloudTrail calls the requester's sessions, as far as it was seen to be right.
    named: Option<Box<str>>,
    rest: Option<Rest>,
    mints: Mints,
    /// The log's time at the last entry about it.
    last: Timestamp,
    spoiled: bool,
}

/// What the last transition still owes the log.
#[derive(Debug)]
struct Rest {
    actor: Actor,
    decided_at: Timestamp,
    events: VecDeque<Recorded>,
    /// Whether the store that would have written it is lost.
    excused: bool,
}

impl Life {
    /// Begins with `grant.requested`.
    pub(super) fn begin(deployment: &Deployment, id: GrantId, step: &Step<'_>) -> Result<Self, Because> {
        // There is none before it to be the same as.
        let requester = step.doer.actor(&Actor::SYSTEM)?;
        let event = step.told.event().ok_or(Because::NeverRequested)?;
        let (opening, logged) = opening(&deployment.id, id, step)?;
        let mut transition = opening.open(step.decided_at);
        if (step.is_erased() || !deployment.known)
            && let Some(Recorded { event: Event::GrantRequested { request_hash, .. }, .. }) =
                transition.events.first_mut()
        {
            *request_hash = logged;
            transition.grant.request_hash = logged;
        }
        let Transition { grant, events, .. } = transition;
        check_about(&grant, step)?;
        check_age(id, step.decided_at)?;
        let rest = rest_after(event, step, &requester, events)?;
        let (last, mints, ending) = (step.time, Mints::default(), Ending::of(&grant, &requester));
        Ok(Self { grant, requester, ending, named: None, rest, mints, last, spoiled: false })
    }

    /// How its entries end, as far as that is known.
    pub(super) const fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Goes on from a grant whose entries are not at hand.
    pub(super) fn resumed(grant: Grant) -> Self {
        let requester = Actor { party: Some(grant.request.requester.clone()), channel: grant.shown.channel };
        let (last, mints) = (grant.requested_at, Mints { resumed: true, ..Mints::default() });
        Self { grant, requester, ending: None, named: None, rest: None, mints, last, spoiled: false }
    }

    pub(super) const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Follows one more entry of this life.
    pub(super) fn follow(&mut self, step: &Step<'_>) -> Result<(), Because> {
        if self.spoiled {
            return Ok(());
        }
        self.last = self.last.max(step.time);
        let followed = self.follow_on(step);
        self.spoiled = followed.is_err();
        followed
    }

    fn follow_on(&mut self, step: &Step<'_>) -> Result<(), Because> {
        check_about(&self.grant, step)?;
        if self.pays(step)? {
            return Ok(());
        }
        let now = step.decided_at;
        match &step.told {
            Told::Came { mint, .. } => {
                self.check_minter(step)?;
                self.mints.came_to(*mint)
            }
            Told::Intended { mint, fence, token_seconds, source_identity } => {
                self.mints.check_new(*mint)?;
                self.check_session(step, source_identity)?;
                self.grant.count_mint(*fence, *token_seconds, now).map_err(Because::Refused)?;
                self.mints.intend(*mint);
                Ok(())
            }
            Told::Event(event) => match cause(event, step, &self.requester)? {
                Cause::NeverFirst => Err(match event.as_ref() {
                    Event::GrantRequested { .. } => Because::RequestedTwice,
                    other => Because::Alone { kind: other.kind() },
                }),
                Cause::Command(command) => {
                    let mut transition = self.grant.apply(command, now).map_err(Because::Refused)?;
                    keep_hash(&mut transition, event, step);
                    let Transition { grant, events, .. } = transition;
                    self.rest = rest_after(event, step, &self.requester, events)?;
                    self.grant = grant;
                    Ok(())
                }
            },
        }
    }

    /// Nobody but the requester mints, through whichever login.
    fn check_minter<'a>(&'a self, step: &Step<'a>) -> Result<Who<'a>, Because> {
        let by = step.doer.who(&self.requester).ok_or(Because::Nobody)?;
        if by.name == Who::of(&self.grant.request.requester).name {
            return Ok(by);
        }
        Err(Because::Refused(Refusal::NotRequester { command: "mint under" }))
    }

    /// The session is the requester's.
    fn check_session(&mut self, step: &Step<'_>, named: &str) -> Result<(), Because> {
        let by = self.check_minter(step)?;
        let is_same = step.doer == Doer::Requester;
        if is_same && self.named.as_deref() == Some(named) {
            return Ok(());
        }
        check_identity(by, named)?;
        if is_same {
            self.named = Some(named.into());
        }
        Ok(())
    }

    /// Whether the entry is one that the transition before it owes.
    fn pays(&mut self, step: &Step<'_>) -> Result<bool, Because> {
        let Some(rest) = &mut self.rest else { return Ok(false) };
        let Some(next) = rest.events.front() else { return Ok(false) };
        let same = step.decided_at == rest.decided_at && step.doer.is(&rest.actor, &self.requester);
        if same && step.told.event() == Some(&next.event) {
            rest.events.pop_front();
            if rest.events.is_empty() {
                self.rest = None;
            }
            return Ok(true);
        }
        if rest.excused {
            self.rest = None;
            return Ok(false);
        }
        if let Some(event) = step.told.event().filter(|event| same && event.kind() == next.event.kind()) {
            compare(event, &next.event)?;
        }
        Err(Because::Cut { expected: next.event.kind() })
    }

    /// What is owed is demanded no more.
    pub(super) fn excuse(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.excused = true;
        }
    }

    /// What is owed, which is demanded no more.
    pub(super) fn settle(&mut self) -> Option<Owed> {
        self.excuse();
        let rest = self.rest.as_ref()?;
        Some(Owed {
            grant: self.grant.request.id,
            actor: rest.actor.clone(),
            decided_at: rest.decided_at,
            events: rest.events.iter().cloned().collect(),
        })
    }

    /// Whether nothing more is to happen to it, and nothing did for `kept`.
    pub(super) fn is_over_since(&self, now: Timestamp, kept: SignedDuration) -> bool {
        let quiet = now.duration_since(self.last) >= kept;
        quiet && !self.grant.is_unfinished(now) && self.rest.is_none()
    }

    /// The mints that came to nothing known yet.
    pub(super) fn open_mints(&self) -> Box<[MintId]> {
        self.mints.open().collect()
    }
}

/// The opening that an entry tells of, and the hash that it says the request has.
fn opening(deployment: &DeploymentId, id: GrantId, step: &Step<'_>) -> Result<(Opening, RequestHash), Because> {
    let Some(Event::GrantRequested {
        role_arn,
        scope,
        scope_hash,
        duration_seconds,
        emergency,
        acknowledge_by: _,
        nonce,
        request_hash,
        limits,
        rules,
        incident_unknown,
        fresh,
    }) = step.told.event()
    else {
        return Err(Because::NeverRequested);
    };
    let About { subject, incident, .. } = step.about.ok_or(Because::NeverRequested)?;
    let duration = SignedDuration::from_secs(*duration_seconds);
    if duration < SignedDuration::from_secs(1) || duration > limits.total_max {
        return Err(Because::Duration { asked: duration, max: limits.total_max });
    }
    let request = Request {
        deployment: deployment.clone(),
        id,
        nonce: *nonce,
        requester: step.doer.party(&Actor::SYSTEM)?,
        target: target(subject)?,
        resolved: Resolved { role_arn: role_arn.clone(), scope: scope.clone(), scope_hash: *scope_hash },
        incident: incident.and_then(Occasion::incident).ok_or(Because::NoIncident)?,
        reason: step.reason()?,
        duration,
        emergency: *emergency,
    };
    let shown = shown(step, &Actor::SYSTEM, *fresh);
    Ok((
        Opening { request, limits: *limits, rules: rules.clone(), shown, incident_unknown: *incident_unknown },
        *request_hash,
    ))
}

fn target(subject: What<'_>) -> Result<Target, Because> {
    let unknown =
        || differs("subject", Some(&json!(subject)), Some(&json!({"kind": "aws-role", "id": "a role's name"})));
    let target = Target::role(subject.id.parse().map_err(|_| unknown())?);
    if target.kind.as_str() == subject.kind { Ok(target) } else { Err(unknown()) }
}

/// Every entry of a life names the same target, incident and requester.
fn check_about(grant: &Grant, step: &Step<'_>) -> Result<(), Because> {
    let Some(found) = step.about else { return Ok(()) };
    let Request { target, incident, requester, .. } = &*grant.request;
    let subject = What { kind: target.kind.as_str(), id: target.id.as_str() };
    if found.subject != subject {
        return Err(differs("subject", Some(&json!(found.subject)), Some(&json!(subject))));
    }
    let occasion = Occasion::of(incident);
    if found.incident != Some(occasion) {
        return Err(differs("incident", Some(&json!(found.incident)), Some(&json!(occasion))));
    }
    match found.requester {
        Some(found) if found != requester.as_str() => {
            Err(differs("links.requester", Some(&json!(found)), Some(&json!(requester.as_str()))))
        }
        Some(_) | None => Ok(()),
    }
}

/// A new grant's id tells when it was asked for, so that an old one isn't taken for new.
fn check_age(id: GrantId, decided_at: Timestamp) -> Result<(), Because> {
    let made = id.uuid().get_timestamp().map(|at| at.to_unix()).and_then(|(seconds, nanoseconds)| {
        Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
    });
    let apart = decided_at.duration_since(made.unwrap_or(Timestamp::UNIX_EPOCH)).abs();
    if apart <= ID_APART_MAX { Ok(()) } else { Err(Because::OldId { apart }) }
}

/// CloudTrail's name of a session stands for the login that it was minted for: its
/// readable part may be any.
fn check_identity(by: Who<'_>, named: &str) -> Result<(), Because> {
    let expected = SourceIdentity::new(by.name(), by.issuer, by.subject);
    let digest = |name: &str| name.rsplit('-').next().map(str::to_owned);
    if digest(named) == digest(expected.as_str()) {
        return Ok(());
    }
    Err(differs("source_identity", Some(&json!(named)), Some(&json!(expected))))
}

/// Where an extension's reason was erased, the hash that was logged is its hash.
fn keep_hash(transition: &mut Transition, event: &Event, step: &Step<'_>) {
    let Event::ExtensionRequested { extension_hash: logged, .. } = event else { return };
    if !step.is_erased() {
        return;
    }
    if let Some(Recorded { event: Event::ExtensionRequested { extension_hash, .. }, .. }) =
        transition.events.first_mut()
    {
        *extension_hash = *logged;
    }
    if let State::Active(active) = &mut transition.grant.state
        && let Some(extension) = &mut active.extension
    {
        extension.hash = *logged;
    }
}

/// Compares the first of what a transition says with the entry; the others are owed.
fn rest_after(
    event: &Event,
    step: &Step<'_>,
    requester: &Actor,
    events: Vec<Recorded>,
) -> Result<Option<Rest>, Because> {
    let mut events = VecDeque::from(events);
    if let Some(first) = events.pop_front() {
        compare(event, &first.event)?;
    }
    if events.is_empty() {
        return Ok(None);
    }
    Ok(Some(Rest { actor: step.doer.actor(requester)?, decided_at: step.decided_at, events, excused: false }))
}

/// What became of the mints of a grant.
#[derive(Debug, Default)]
struct Mints {
    /// In the order of their intents, and whether each has come to something.
    known: VecDeque<(MintId, bool)>,
    /// Whether there may be intents that nobody told of.
    resumed: bool,
}

impl Mints {
    fn check_new(&self, mint: MintId) -> Result<(), Because> {
        let known = self.known.iter().any(|(known, _)| *known == mint);
        if known { Err(Because::IntendedTwice(mint)) } else { Ok(()) }
    }

    fn intend(&mut self, mint: MintId) {
        self.remember(mint, false);
    }

    fn remember(&mut self, mint: MintId, came: bool) {
        if self.known.len() >= MINTS_MAX {
            self.known.pop_front();
        }
        self.known.push_back((mint, came));
    }

    fn came_to(&mut self, mint: MintId) -> Result<(), Because> {
        // The newest is asked for most.
        match self.known.iter_mut().rev().find(|(known, _)| *known == mint) {
            Some((_, true)) => Err(Because::OutcomeTwice(mint)),
            Some((_, came)) => {
                *came = true;
                Ok(())
            }
            None if self.resumed => {
                self.remember(mint, true);
                Ok(())
            }
            None => Err(Because::NotIntended(mint)),
        }
    }

    fn open(&self) -> impl Iterator<Item = MintId> {
        self.known.iter().filter(|(_, came)| !came).map(|(mint, _)| *mint)
    }
}
