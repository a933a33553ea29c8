//! Everybody and everything that questions can be asked about, and occasions to ask
//! them on: what tests, explanations and comparisons are made of.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::actor::Channel;
use halligan_core::catalogue::Role;
use halligan_core::id::{GroupId, MachineId, PersonId, ProviderId, RoleId, ScopeId};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::load::{Known, near};
use crate::question::{Action, Context, IncidentIn, MachineIn, PersonIn, Question, Resource, SignInMethod, Who};

/// A person of a world.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Person {
    /// Their groups.
    pub groups: BTreeSet<GroupId>,
    /// Groups that they may be in beside, for all that is known: as of somebody whose
    /// provider has not said lately.
    pub possible_groups: BTreeSet<GroupId>,
}

/// A machine of a world.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Machine {
    /// Its groups.
    pub groups: BTreeSet<GroupId>,
    /// Groups that it may be in beside, for all that is known.
    pub possible_groups: BTreeSet<GroupId>,
    /// The person that its token names.
    pub on_behalf_of: Option<PersonId>,
}

/// Who may do what with the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Log {
    /// May read it.
    pub readers: BTreeSet<GroupId>,
    /// May override its confirmation.
    pub overriders: BTreeSet<GroupId>,
}

/// Who may run the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Broker {
    /// May run it.
    pub administrators: BTreeSet<GroupId>,
}

/// Everybody and everything.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The persons.
    pub people: BTreeMap<PersonId, Person>,
    /// The machines.
    pub machines: BTreeMap<MachineId, Machine>,
    /// The roles.
    pub roles: BTreeMap<RoleId, Role>,
    /// The log.
    pub log: Log,
    /// The broker.
    pub broker: Broker,
}

/// The incident of an occasion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Incident {
    /// Its tool.
    pub provider: ProviderId,
    /// Whether the tool gave a usable answer.
    pub known: bool,
    /// How bad it is.
    pub severity: Option<String>,
    /// The person who opened it.
    pub creator: Option<PersonId>,
    /// Who opened it, as the tool says it.
    pub creator_name: Option<String>,
    /// How long it has been open.
    pub age_seconds: Option<u32>,
}

impl Default for Incident {
    #[expect(clippy::expect_used, reason = "the name is legal, and every test reads it")]
    fn default() -> Self {
        let provider = "incidents".parse().expect("the name is legal");
        Self { provider, known: true, severity: None, creator: None, creator_name: None, age_seconds: None }
    }
}

/// What a question is asked on. The names are the schema's; what is left out is missing
/// for policies, but for `time` (a Monday at noon, UTC), `channel` (`api`), `signed`
/// (false) and `reviewDebt` (0).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Occasion {
    /// When.
    pub time: Timestamp,
    /// The way in.
    pub channel: Channel,
    /// How they signed in.
    pub sign_in_method: Option<SignInMethod>,
    /// Whether no identity provider answers.
    pub provider_down: Option<bool>,
    /// Since they last proved who they are.
    pub auth_age_seconds: Option<u32>,
    /// Since they last did so with a second factor.
    pub mfa_age_seconds: Option<u32>,
    /// How many reviews of theirs are overdue.
    pub review_debt: u32,
    /// Whether a passkey signed this very acknowledgement.
    pub signed: bool,
    /// The scope.
    pub scope: Option<ScopeId>,
    /// The incident.
    pub incident: Option<Incident>,
    /// How long the grant lasts, in all.
    pub duration_seconds: Option<u32>,
    /// Whether it is, or began as, an emergency start.
    pub emergency: Option<bool>,
    /// Who asked for the grant: a person or a machine, by name.
    pub requester: Option<String>,
    /// The other person who acknowledges it: a machine's request needs two.
    pub acknowledger: Option<PersonId>,
}

impl Default for Occasion {
    fn default() -> Self {
        // 2026-01-05T12:00:00Z, a Monday.
        let noon = Timestamp::constant(1_767_614_400, 0);
        Self {
            time: noon,
            channel: Channel::Api,
            sign_in_method: None,
            provider_down: None,
            auth_age_seconds: None,
            mfa_age_seconds: None,
            review_debt: 0,
            signed: false,
            scope: None,
            incident: None,
            duration_seconds: None,
            emergency: None,
            requester: None,
            acknowledger: None,
        }
    }
}

impl World {
    /// What policies may name in this world.
    #[must_use]
    pub fn known(&self) -> Known {
        let lists = self.roles.values().flat_map(|role| {
            let access = &role.access;
            [&access.requesters, &access.acknowledgers, &access.revokers, &access.emergency_starters]
        });
        let groups = lists
            .chain(self.people.values().flat_map(|person| [&person.groups, &person.possible_groups]))
            .chain(self.machines.values().flat_map(|machine| [&machine.groups, &machine.possible_groups]))
            .chain([&self.log.readers, &self.log.overriders, &self.broker.administrators]);
        Known {
            persons: self.people.keys().cloned().collect(),
            machines: self.machines.keys().cloned().collect(),
            groups: groups.flatten().cloned().collect(),
            roles: self.roles.keys().cloned().collect(),
            gates: BTreeSet::new(),
        }
    }

    /// The question whether `who` may do `action` to `target` (a role's name, `log` or `broker`).
    ///
    /// # Errors
    /// Somebody or something isn't in this world, in words.
    pub fn question<'a>(
        &'a self,
        who: &str,
        action: Action,
        target: &str,
        occasion: &'a Occasion,
    ) -> Result<Question<'a>, String> {
        Ok(Question {
            principal: self.who(who)?,
            action,
            resource: self.resource(target)?,
            context: self.context(occasion)?,
        })
    }

    /// The person or machine of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn who(&self, name: &str) -> Result<Who<'_>, String> {
        if let Some(person) = self.person(name) {
            return Ok(Who::Person(person));
        }
        if let Some((id, machine)) = self.machines.iter().find(|(id, _)| id.as_str() == name) {
            let on_behalf_of = machine.on_behalf_of.as_ref().map(|person| self.named(person)).transpose()?;
            let (groups, possible) = (&machine.groups, &machine.possible_groups);
            return Ok(Who::Machine(MachineIn { id, groups, possible, on_behalf_of }));
        }
        Err(self.nobody(name))
    }

    fn person(&self, name: &str) -> Option<PersonIn<'_>> {
        let (id, person) = self.people.iter().find(|(id, _)| id.as_str() == name)?;
        Some(PersonIn { id, groups: &person.groups, possible: &person.possible_groups })
    }

    fn named(&self, person: &PersonId) -> Result<PersonIn<'_>, String> {
        self.person(person.as_str()).ok_or_else(|| self.nobody(person.as_str()))
    }

    fn nobody(&self, name: &str) -> String {
        let names = self.people.keys().map(PersonId::as_str).chain(self.machines.keys().map(MachineId::as_str));
        missing("person or machine", name, names)
    }

    /// The role of this name, or `log` or `broker`.
    ///
    /// # Errors
    /// There is none.
    pub fn resource(&self, name: &str) -> Result<Resource<'_>, String> {
        if let Some(role) = self.roles.iter().find(|(id, _)| id.as_str() == name).map(|(_, role)| role) {
            return Ok(Resource::Role(role));
        }
        match name {
            crate::question::LOG => Ok(Resource::Log { readers: &self.log.readers, overriders: &self.log.overriders }),
            crate::question::BROKER => Ok(Resource::Broker { administrators: &self.broker.administrators }),
            _ => {
                let names = self.roles.keys().map(RoleId::as_str);
                Err(missing("target", name, names.chain([crate::question::LOG, crate::question::BROKER])))
            }
        }
    }

    fn context<'a>(&'a self, occasion: &'a Occasion) -> Result<Context<'a>, String> {
        let seconds = |seconds: u32| SignedDuration::from_secs(seconds.into());
        let incident = occasion.incident.as_ref().map(|incident| self.incident(incident)).transpose()?;
        Ok(Context {
            time: occasion.time,
            channel: occasion.channel,
            sign_in_method: occasion.sign_in_method,
            provider_down: occasion.provider_down,
            auth_age: occasion.auth_age_seconds.map(seconds),
            mfa_age: occasion.mfa_age_seconds.map(seconds),
            review_debt: occasion.review_debt,
            signed: occasion.signed,
            scope: occasion.scope.as_ref(),
            incident,
            duration: occasion.duration_seconds.map(seconds),
            emergency: occasion.emergency,
            requester: occasion.requester.as_deref().map(|name| self.who(name)).transpose()?,
            acknowledger: occasion.acknowledger.as_ref().map(|person| self.named(person)).transpose()?,
        })
    }

    fn incident<'a>(&'a self, incident: &'a Incident) -> Result<IncidentIn<'a>, String> {
        let creator = incident.creator.as_ref().map(|person| self.named(person)).transpose()?;
        Ok(IncidentIn {
            provider: &incident.provider,
            known: incident.known,
            severity: incident.severity.as_deref(),
            creator,
            creator_name: incident.creator_name.as_deref(),
            age: incident.age_seconds.map(|age| SignedDuration::from_secs(age.into())),
        })
    }
}

fn missing<'a>(what: &str, name: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    let name = name.escape_debug();
    match near(&name.to_string(), names.clone()) {
        Some(near) => format!("there is no {what} `{name}`: did you mean `{near}`?"),
        None => format!("there is no {what} `{name}`: expected one of {}", names.collect::<Vec<_>>().join(", ")),
    }
}
