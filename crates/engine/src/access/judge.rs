//! Asks the policies, with everything that is known of the occasion.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use halligan_core::actor::{Actor, Human, Party, Shown};
use halligan_core::catalogue::Role;
use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded};
use halligan_core::id::{GroupId, PersonId, ScopeId};
use halligan_core::incident::{IncidentRef, OpenIncident};
use halligan_policy::{
    Action, Context, Decision, IncidentIn, MachineIn, PersonIn, Question, Resource, SignInMethod, Who,
};
use jiff::{SignedDuration, Timestamp};

use super::membership::{Membership, Memberships};
use super::{Access, AccessInForce, ProvidersSeen};
use crate::identity::PASSKEY_ISSUER;
use crate::ports::{Clock, LoginGroups, Passkey, Passkeys, StoreError};
use crate::problem::{Problem, ProblemKind};
use crate::recorder::Recorder;

/// A faulty rule is told again after so long.
const TELL_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// Whoever wants something, and how they came in.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Who.
    pub party: &'a Party,
    /// By which way, and how fresh the proof of who they are.
    pub shown: Shown,
    /// How they signed in, if they are a person.
    method: Option<SignInMethod>,
}

impl<'a> Asker<'a> {
    /// Somebody as they come in, or as they came in when they did something. The login says how.
    #[must_use]
    pub fn new(party: &'a Party, shown: Shown) -> Self {
        let method = party.human().map(|human| match human.principal.issuer.as_str() {
            PASSKEY_ISSUER => SignInMethod::Passkey,
            _ => SignInMethod::Provider,
        });
        Self { party, shown, method }
    }
}

/// What is known of the occasion.
#[derive(Debug, Clone, Copy, Default)]
pub struct Occasion<'a> {
    /// The incident, and what its tool says of it.
    pub incident: Option<(&'a IncidentRef, Option<&'a OpenIncident>)>,
    /// The scope.
    pub scope: Option<&'a ScopeId>,
    /// How long the grant lasts, or would.
    pub duration: Option<SignedDuration>,
    /// Whether it is an emergency start.
    pub emergency: Option<bool>,
    /// Who asked for the grant.
    pub requester: Option<&'a Party>,
    /// The other person who said yes, where a request needs two.
    pub acknowledger: Option<&'a Human>,
    /// Whether a passkey signed it, verified.
    pub signed: bool,
}

/// What it is to be done to.
#[derive(Debug, Clone, Copy)]
pub enum Matter<'a> {
    /// A role, or a grant of it.
    Role(&'a Role),
    /// The log.
    Log,
    /// The broker.
    Broker,
}

/// Asks the policies.
pub struct Judge {
    access: Arc<AccessInForce>,
    passkeys: Arc<dyn Passkeys>,
    memberships: Memberships,
    providers: ProvidersSeen,
    clock: Arc<dyn Clock>,
    recorder: Arc<Recorder>,
    told: Mutex<BTreeMap<String, Timestamp>>,
}

impl Judge {
    /// Over what is in force. What providers last said of groups counts for `groups_kept`.
    pub fn new(
        access: Arc<AccessInForce>,
        passkeys: Arc<dyn Passkeys>,
        groups: Arc<dyn LoginGroups>,
        groups_kept: SignedDuration,
        clock: Arc<dyn Clock>,
        recorder: Arc<Recorder>,
    ) -> Self {
        let memberships = Memberships::new(groups, groups_kept);
        Self {
            access,
            passkeys,
            memberships,
            providers: ProvidersSeen::default(),
            clock,
            recorder,
            told: Mutex::default(),
        }
    }

    /// What is in force.
    #[must_use]
    pub const fn access(&self) -> &Arc<AccessInForce> {
        &self.access
    }

    /// Whether the policies permit it; returns the rules that do.
    ///
    /// # Errors
    /// They don't: which, and what would satisfy them. Or it can't be decided: that is no.
    pub async fn permits(
        &self,
        asker: Asker<'_>,
        action: Action,
        matter: Matter<'_>,
        occasion: Occasion<'_>,
    ) -> Result<Vec<String>, Problem> {
        let access = self.access.now();
        if !self.still(asker.party).await? {
            let detail = format!("`{}` is no longer linked to the login that was used", asker.party.as_str());
            return Err(Problem::new(ProblemKind::UnlinkedPrincipal, detail));
        }
        let decision = self.decide(&access, asker, action, matter, occasion).await?;
        if decision.allow {
            return Ok(decision.rules);
        }
        let detail = match matter {
            Matter::Role(role) => format!("`{}` may not {action} on the role `{}`", asker.party.as_str(), role.id),
            Matter::Log => format!("`{}` may not {action} the log", asker.party.as_str()),
            Matter::Broker if action == Action::SignIn => format!("`{}` may not sign in here", asker.party.as_str()),
            Matter::Broker => format!("`{}` may not {action} here", asker.party.as_str()),
        };
        let Decision { rules, unmet, mut obligations, can_be_healed, .. } = decision;
        // Nobody is sent off to prove or sign something that won't help them.
        if !can_be_healed {
            obligations.clear();
        }
        Err(Problem::new(ProblemKind::NotPermitted, detail).unmet(unmet).by(rules, obligations))
    }

    /// As [`Judge::permits`], of several actions at once, for showing what can be done.
    ///
    /// # Errors
    /// The store doesn't answer.
    pub async fn permitted(&self, asker: Asker<'_>, actions: &[Action], role: &Role) -> Result<Vec<Action>, Problem> {
        let access = self.access.now();
        let mut permitted = Vec::new();
        if !self.still(asker.party).await? {
            return Ok(permitted);
        }
        for action in actions {
            let decision = self.decide(&access, asker, *action, Matter::Role(role), Occasion::default()).await?;
            // What a rule says of the occasion is told when there is one.
            if decision.permitted {
                permitted.push(*action);
            }
        }
        Ok(permitted)
    }

    /// Whether the login still is theirs. Of who came in by a passkey, whether the passkey is still there, and the login
    /// that enrolled it theirs.
    ///
    /// # Errors
    /// The store doesn't answer.
    pub async fn still(&self, party: &Party) -> Result<bool, Problem> {
        let known = self.as_enrolled(party).await?;
        Ok(known.is_some_and(|known| self.access.now().directory.still(&known)))
    }

    /// Somebody with a login that an issuer vouches for: in place of a passkey, the one that enrolled it.
    /// None: there is no such passkey any more.
    async fn as_enrolled<'a>(&self, party: &'a Party) -> Result<Option<Cow<'a, Party>>, StoreError> {
        let Party::Human(human) = party else { return Ok(Some(Cow::Borrowed(party))) };
        if human.principal.issuer != PASSKEY_ISSUER {
            return Ok(Some(Cow::Borrowed(party)));
        }
        let passkey = self.passkeys.passkey(&human.principal.subject).await?;
        let enrolled = passkey.filter(|passkey| passkey.person == human.person);
        Ok(enrolled.map(|Passkey { person, principal, .. }| Cow::Owned(Party::Human(Human { person, principal }))))
    }

    /// Which groups somebody is in, as far as anybody knows.
    async fn membership(&self, access: &Access, party: &Party, now: Timestamp) -> Result<Membership, StoreError> {
        match self.as_enrolled(party).await? {
            Some(known) => self.memberships.of(access, &known, now).await,
            // The passkey is gone, and its person is in what they were in.
            None => self.memberships.of(access, party, now).await,
        }
    }

    /// The groups that policies see somebody in now.
    ///
    /// # Errors
    /// The store doesn't answer.
    pub async fn groups(&self, party: &Party) -> Result<BTreeSet<GroupId>, Problem> {
        Ok(self.membership(&self.access.now(), party, self.clock.now()).await?.groups)
    }

    /// Whether identity providers answer: whoever sees it says it here.
    #[must_use]
    pub const fn providers(&self) -> &ProvidersSeen {
        &self.providers
    }

    async fn decide(
        &self,
        access: &Access,
        asker: Asker<'_>,
        action: Action,
        matter: Matter<'_>,
        occasion: Occasion<'_>,
    ) -> Result<Decision, Problem> {
        let now = self.clock.now();
        let directory = &access.directory;
        let askers = self.membership(access, asker.party, now).await?;
        let requesters = match occasion.requester {
            Some(requester) => self.membership(access, requester, now).await?,
            None => Membership::default(),
        };
        let acknowledger = occasion.acknowledger.cloned().map(Party::Human);
        let acknowledgers = match &acknowledger {
            Some(acknowledger) => self.membership(access, acknowledger, now).await?,
            None => Membership::default(),
        };
        let creator = occasion
            .incident
            .and_then(|(incident, open)| directory.creator(&incident.provider, open?.creator.as_deref()?).cloned());
        let acts_for = |party: &Party| match party {
            Party::Human(_) => None,
            Party::Machine(machine) => machine.on_behalf_of.clone(),
        };
        let others = [creator.clone(), acts_for(asker.party), occasion.requester.and_then(acts_for)];
        let mut memberships: BTreeMap<PersonId, Membership> = BTreeMap::new();
        for other in others.into_iter().flatten() {
            let membership = self.memberships.of_person(access, &other, now).await?;
            memberships.insert(other, membership);
        }
        let none = Membership::default();
        let person = |id| in_groups(id, memberships.get(id).unwrap_or(&none));
        let incident = occasion.incident.map(|(incident, open)| {
            let mut known = IncidentIn::unknown(&incident.provider);
            if let Some(open) = open {
                known.known = true;
                known.severity = open.severity.as_deref();
                known.creator_name = open.creator.as_deref();
                known.creator = creator.as_ref().map(person);
                known.age = open.opened_at.map(|at| now.duration_since(at));
            }
            known
        });
        let context = Context {
            sign_in_method: asker.method,
            provider_down: self.providers.down(now),
            auth_age: asker.shown.fresh.auth_age_seconds.map(SignedDuration::from_secs),
            mfa_age: asker.shown.fresh.mfa_age_seconds.map(SignedDuration::from_secs),
            signed: occasion.signed,
            scope: occasion.scope,
            incident,
            duration: occasion.duration,
            emergency: occasion.emergency,
            requester: occasion.requester.map(|party| who(party, &requesters, person)),
            acknowledger: occasion.acknowledger.map(|human| in_groups(&human.person, &acknowledgers)),
            ..Context::new(now, asker.shown.channel)
        };
        let listed;
        let resource = match matter {
            Matter::Role(role) => {
                listed = access.listed(role);
                Resource::Role(&listed)
            }
            Matter::Log => Resource::Log { readers: &access.office.readers, overriders: &access.office.overriders },
            Matter::Broker => Resource::Broker { administrators: &access.office.administrators },
        };
        let principal = who(asker.party, &askers, person);
        let decision = access.policies.decide(&Question { principal, action, resource, context });
        self.tell_faults(&decision, now).await;
        Ok(decision)
    }

    /// A rule that can't be evaluated is told once an hour: it refuses people meanwhile.
    async fn tell_faults(&self, decision: &Decision, now: Timestamp) {
        for because in &decision.errors {
            let because = halligan_core::text::printable(because, 400);
            let is_new = {
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                // Bounded by the rules there are, which a reload may change: then all begin anew.
                if told.len() > 10_000 {
                    told.clear();
                }
                match told.get(&because) {
                    Some(at) if now.duration_since(*at) < TELL_AGAIN => false,
                    Some(_) | None => {
                        told.insert(because.clone(), now);
                        true
                    }
                }
            };
            if is_new {
                tracing::error!(alarm = "policy.faulty", because, "a policy can't be evaluated");
                let event = Event::PolicyFaulty { because };
                self.recorder.record(Actor::SYSTEM, Subject::broker("policy"), Recorded::plain(event)).await;
            }
        }
    }
}

fn in_groups<'a>(id: &'a PersonId, Membership { groups, possible }: &'a Membership) -> PersonIn<'a> {
    PersonIn { id, groups, possible }
}

fn who<'a>(party: &'a Party, membership: &'a Membership, person: impl FnOnce(&'a PersonId) -> PersonIn<'a>) -> Who<'a> {
    match party {
        Party::Human(human) => Who::Person(in_groups(&human.person, membership)),
        Party::Machine(machine) => Who::Machine(MachineIn {
            id: &machine.machine,
            groups: &membership.groups,
            possible: &membership.possible,
            on_behalf_of: machine.on_behalf_of.as_ref().map(person),
        }),
    }
}
