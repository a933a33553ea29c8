//! A question in Cedar's words.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Context as CedarContext, Entities, Entity, EntityUid, Request, RestrictedExpression as Value};
use halligan_core::catalogue::Access;
use halligan_core::id::GroupId;
use jiff::{SignedDuration, Timestamp};

use crate::question::{Context, IncidentIn, MachineIn, PersonIn, Question, Resource, Who};
use crate::vocabulary::{Vocabulary, uid};

/// A question that Cedar can answer.
pub(crate) struct Translated {
    pub request: Request,
    pub entities: Entities,
}

/// Puts the question into Cedar's words, checked against the schema.
///
/// # Errors
/// It doesn't fit the schema, in words.
pub(crate) fn translate(question: &Question<'_>) -> Result<Translated, String> {
    translate_assuming(question, &[])
}

/// As [`translate`], as if these were in these groups too.
///
/// # Errors
/// As [`translate`].
pub(crate) fn translate_assuming(
    question: &Question<'_>,
    assumed: &[(EntityUid, GroupId)],
) -> Result<Translated, String> {
    let mut scribe = Scribe { words: Vocabulary::get(), entities: HashMap::new(), assumed };
    // The principal first: it is what its own word says, whatever an incident says of the same person.
    let principal = scribe.who(&question.principal)?;
    let resource = scribe.resource(&question.resource)?;
    let context = scribe.context(&question.context)?;
    let Scribe { words, entities, .. } = scribe;
    let context = CedarContext::from_pairs(context).map_err(in_words)?;
    let action = words.action(question.action);
    let request = Request::new(principal, action, resource, context, Some(&words.schema)).map_err(in_words)?;
    let entities = Entities::from_entities(entities.into_values(), Some(&words.schema)).map_err(in_words)?;
    Ok(Translated { request, entities })
}

type Fields = Vec<(String, Value)>;

struct Scribe<'a> {
    words: &'static Vocabulary,
    entities: HashMap<EntityUid, Entity>,
    assumed: &'a [(EntityUid, GroupId)],
}

impl Scribe<'_> {
    fn who(&mut self, who: &Who<'_>) -> Result<EntityUid, String> {
        match who {
            Who::Person(person) => self.person(person),
            Who::Machine(machine) => self.machine(machine),
        }
    }

    fn person(&mut self, person: &PersonIn<'_>) -> Result<EntityUid, String> {
        let uid = uid(&self.words.person, person.id.as_str());
        self.add(uid, Vec::new(), person.groups)
    }

    fn machine(&mut self, machine: &MachineIn<'_>) -> Result<EntityUid, String> {
        let mut fields = Fields::new();
        if let Some(human) = &machine.on_behalf_of {
            fields.push(field("onBehalfOf", Value::new_entity_uid(self.person(human)?)));
        }
        let uid = uid(&self.words.machine, machine.id.as_str());
        self.add(uid, fields, machine.groups)
    }

    fn add(&mut self, uid: EntityUid, fields: Fields, groups: &BTreeSet<GroupId>) -> Result<EntityUid, String> {
        if !self.entities.contains_key(&uid) {
            let assumed = self.assumed.iter().filter(|(who, _)| *who == uid).map(|(_, group)| group);
            let parents: HashSet<EntityUid> = groups.iter().chain(assumed).map(|group| self.group(group)).collect();
            let fields = fields.into_iter().collect();
            let entity = Entity::new(uid.clone(), fields, parents).map_err(in_words)?;
            self.entities.insert(uid.clone(), entity);
        }
        Ok(uid)
    }

    fn group(&self, group: &GroupId) -> EntityUid {
        uid(&self.words.group, group.as_str())
    }

    fn groups(&self, name: &str, groups: &BTreeSet<GroupId>) -> (String, Value) {
        field(name, Value::new_set(groups.iter().map(|group| Value::new_entity_uid(self.group(group)))))
    }

    fn access(&self, access: &Access) -> Fields {
        vec![
            self.groups("requesters", &access.requesters),
            self.groups("acknowledgers", &access.acknowledgers),
            self.groups("revokers", &access.revokers),
            self.groups("emergencyStarters", &access.emergency_starters),
        ]
    }

    fn resource(&mut self, resource: &Resource<'_>) -> Result<EntityUid, String> {
        let (kind, fields) = match resource {
            Resource::Role(role) => {
                let mut fields = self.access(&role.access);
                fields.push(text("account", role.arn.account()));
                fields.push(text("partition", role.arn.partition()));
                fields.push(flag("emergencyStart", role.emergency_acknowledge_within.is_some()));
                fields.push(flag("console", role.console));
                fields.push(text("defaultScope", role.default_scope.as_str()));
                fields.extend(longest(role.duration_max, role.total_max));
                fields.push(text("name", role.id.as_str()));
                (&self.words.role, fields)
            }
            Resource::Gate(gate) => {
                let mut fields = self.access(gate.access);
                fields.push(flag("emergencyStart", gate.emergency_start));
                fields.extend(longest(gate.duration_max, gate.total_max));
                fields.push(text("name", gate.id.as_str()));
                (&self.words.gate, fields)
            }
            Resource::Log { readers, overriders } => {
                (&self.words.log, vec![self.groups("readers", readers), self.groups("overriders", overriders)])
            }
            Resource::Broker { administrators } => {
                (&self.words.broker, vec![self.groups("administrators", administrators)])
            }
        };
        self.add(uid(kind, resource.name()), fields, &BTreeSet::new())
    }

    fn context(&mut self, context: &Context<'_>) -> Result<Fields, String> {
        let mut fields = vec![
            field("time", Value::new_datetime(instant(context.time))),
            text("channel", context.channel.as_str()),
            field("reviewDebt", Value::new_long(context.review_debt.into())),
            flag("signed", context.signed),
        ];
        fields.extend(context.provider_down.map(|down| flag("providerDown", down)));
        fields.extend(context.sign_in_method.map(|method| text("signInMethod", method.as_str())));
        fields.extend(context.auth_age.map(|age| seconds("authAgeSeconds", rounded_up(age))));
        fields.extend(context.mfa_age.map(|age| seconds("mfaAgeSeconds", rounded_up(age))));
        fields.extend(context.scope.map(|scope| text("scope", scope.as_str())));
        fields.extend(context.duration.map(|duration| seconds("durationSeconds", rounded_up(duration))));
        fields.extend(context.emergency.map(|emergency| flag("emergency", emergency)));
        if let Some(incident) = &context.incident {
            fields.push(record("incident", self.incident(incident)?)?);
        }
        if let Some(requester) = &context.requester {
            fields.push(record("requester", self.requester(requester)?)?);
        }
        if let Some(acknowledger) = &context.acknowledger {
            fields.push(field("acknowledger", Value::new_entity_uid(self.person(acknowledger)?)));
        }
        Ok(fields)
    }

    fn incident(&mut self, incident: &IncidentIn<'_>) -> Result<Fields, String> {
        let mut fields = vec![text("provider", incident.provider.as_str()), flag("known", incident.known)];
        fields.extend(incident.severity.map(|severity| text("severity", severity)));
        fields.extend(incident.creator_name.map(|name| text("creatorName", name)));
        fields.extend(incident.age.map(|age| seconds("ageSeconds", age)));
        if let Some(creator) = &incident.creator {
            fields.push(field("creator", Value::new_entity_uid(self.person(creator)?)));
        }
        Ok(fields)
    }

    fn requester(&mut self, requester: &Who<'_>) -> Result<Fields, String> {
        let mut fields = Fields::new();
        let person = match requester {
            Who::Person(person) => Some(person),
            Who::Machine(machine) => {
                fields.push(field("machine", Value::new_entity_uid(self.machine(machine)?)));
                machine.on_behalf_of.as_ref()
            }
        };
        if let Some(person) = person {
            fields.push(field("person", Value::new_entity_uid(self.person(person)?)));
        }
        Ok(fields)
    }
}

fn field(name: &str, value: Value) -> (String, Value) {
    (name.to_owned(), value)
}

fn text(name: &str, text: &str) -> (String, Value) {
    field(name, Value::new_string(text.to_owned()))
}

fn flag(name: &str, flag: bool) -> (String, Value) {
    field(name, Value::new_bool(flag))
}

fn seconds(name: &str, length: SignedDuration) -> (String, Value) {
    field(name, Value::new_long(length.as_secs()))
}

fn record(name: &str, fields: Fields) -> Result<(String, Value), String> {
    Ok(field(name, Value::new_record(fields).map_err(in_words)?))
}

fn longest(duration: SignedDuration, total: SignedDuration) -> [(String, Value); 2] {
    [seconds("durationMaxSeconds", duration), seconds("totalMaxSeconds", total)]
}

/// A limit of 900 seconds is not kept by 900.2.
fn rounded_up(length: SignedDuration) -> SignedDuration {
    let whole = SignedDuration::from_secs(length.as_secs());
    if length > whole { whole.saturating_add(SignedDuration::from_secs(1)) } else { whole }
}

/// Cedar's `datetime` knows milliseconds, always three digits of them.
fn instant(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
