//! Persons, machines, groups and targets that policies name.

use cedar_policy::{EntityTypeName, EntityUid, Policy};
use halligan_core::id::{GroupId, MachineId, PersonId, RoleId};

use super::Known;
use crate::question::{Action, BROKER, LOG};
use crate::vocabulary::Vocabulary;

/// A name that the configuration doesn't know.
pub(super) struct Unknown {
    /// As the policy has it.
    pub written: String,
    pub message: String,
    pub expected: String,
}

/// The literals of a policy that nothing known bears. Types that don't exist are left to
/// the validator.
pub(super) fn unknown(policy: &Policy, known: &Known) -> Vec<Unknown> {
    let mut literals = policy.entity_literals();
    literals.sort();
    literals.dedup();
    literals.iter().filter_map(|literal| check(literal, known)).collect()
}

type Names<'a> = (&'static str, &'static str, Vec<&'a str>);

/// What such a thing is called, where the configuration has them, and which it has.
fn names_of<'a>(kind: &EntityTypeName, known: &'a Known) -> Option<Names<'a>> {
    let words = Vocabulary::get();
    if *kind == words.person {
        Some(("person", "people", known.persons.iter().map(PersonId::as_str).collect()))
    } else if *kind == words.machine {
        Some(("machine", "machines", known.machines.iter().map(MachineId::as_str).collect()))
    } else if *kind == words.group {
        Some(("group", "groups", known.groups.iter().map(GroupId::as_str).collect()))
    } else if *kind == words.role {
        Some(("role", "roles", known.roles.iter().map(RoleId::as_str).collect()))
    } else if *kind == words.gate {
        Some(("gate", "gates", known.gates.iter().map(RoleId::as_str).collect()))
    } else if *kind == words.log {
        Some(("log", "log", vec![LOG]))
    } else if *kind == words.broker {
        Some(("broker", "broker", vec![BROKER]))
    } else {
        None
    }
}

fn check(literal: &EntityUid, known: &Known) -> Option<Unknown> {
    let id = literal.id().unescaped();
    if *literal.type_name() == *Vocabulary::get().action(Action::Request).type_name() {
        return check_action(literal);
    }
    let (what, setting, names) = names_of(literal.type_name(), known)?;
    if names.contains(&id) {
        return None;
    }
    let expected = match near(id, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("name one that the configuration has under `{setting}`, or add it there"),
    };
    Some(Unknown {
        written: literal.to_string(),
        message: format!("there is no {what} `{}`", id.escape_debug()),
        expected,
    })
}

/// The validator would say so too, with a worse guess at what was meant.
fn check_action(literal: &EntityUid) -> Option<Unknown> {
    let id = literal.id().unescaped();
    let actions = Action::ALL.map(Action::as_str);
    if actions.contains(&id) {
        return None;
    }
    let expected = match near(id, actions) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected one of {}", actions.join(", ")),
    };
    let message = format!("there is no action `{}`", id.escape_debug());
    Some(Unknown { written: literal.to_string(), message, expected })
}

/// The nearest of these names, if one is near.
pub(crate) fn near<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = names.into_iter().map(|known| (strsim::jaro_winkler(name, known), known));
    scored.filter(|(score, _)| *score > 0.8).max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, name)| name)
}
