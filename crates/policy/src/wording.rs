//! `@satisfiedBy`: what would satisfy a rule, told of the question at hand.

use std::collections::BTreeSet;

use halligan_core::catalogue::Access;
use halligan_core::id::GroupId;

use crate::question::{Question, Resource};

/// A text with places that a question fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wording(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Place),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// `{principal}`: the name.
    Principal,
    /// `{action}`
    Action,
    /// `{resource}`: where the configuration speaks of it.
    Resource,
    /// `{resource.name}`
    ResourceName,
    /// `{resource.requesters|revokers}`: the groups of these lists, and where they are set.
    Lists(Vec<List>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Requesters,
    Acknowledgers,
    Revokers,
    EmergencyStarters,
    Readers,
    Overriders,
    Administrators,
}

const LISTS: [(&str, List); 7] = [
    ("requesters", List::Requesters),
    ("acknowledgers", List::Acknowledgers),
    ("revokers", List::Revokers),
    ("emergencyStarters", List::EmergencyStarters),
    ("readers", List::Readers),
    ("overriders", List::Overriders),
    ("administrators", List::Administrators),
];

impl Wording {
    /// Reads a text.
    ///
    /// # Errors
    /// It is empty, or has a place that nothing can fill: what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("the text is empty: say what would satisfy the rule".to_owned());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').ok_or("`{` without `}`")?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Place(place(name)?));
            rest = tail;
        }
        parts.push(Part::Text(rest.to_owned()));
        if parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains('}'))) {
            return Err("`}` without `{`".to_owned());
        }
        Ok(Self(parts))
    }

    /// The text for this question. If it names lists and all of them are empty, it
    /// says that instead: to be in none of no groups can't be achieved.
    pub fn fill(&self, question: &Question<'_>) -> String {
        let mut named = false;
        let mut groups_named = false;
        let mut nobody = Vec::new();
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Place(Place::Principal) => filled.push_str(question.principal.as_str()),
                Part::Place(Place::Action) => filled.push_str(question.action.as_str()),
                Part::Place(Place::Resource) => filled.push_str(&question.resource.setting()),
                Part::Place(Place::ResourceName) => filled.push_str(question.resource.name()),
                Part::Place(Place::Lists(lists)) => {
                    let (groups, settings) = members(lists, &question.resource);
                    named = true;
                    groups_named |= !groups.is_empty();
                    filled.push_str(&format!("{} ({})", groups.join(", "), settings.join(", ")));
                    nobody.extend(settings);
                }
            }
        }
        if named && !groups_named {
            return format!("nobody may: no group is named ({})", nobody.join(", "));
        }
        filled
    }
}

/// Whether it is a list of a resource, by its name in the schema.
pub(crate) fn is_list(name: &str) -> bool {
    LISTS.iter().any(|(known, _)| *known == name)
}

fn place(name: &str) -> Result<Place, String> {
    match name {
        "principal" => return Ok(Place::Principal),
        "action" => return Ok(Place::Action),
        "resource" => return Ok(Place::Resource),
        "resource.name" => return Ok(Place::ResourceName),
        _ => {}
    }
    let list = |name: &str| LISTS.iter().find(|(known, _)| *known == name).map(|(_, list)| *list);
    let lists: Option<Vec<List>> =
        name.strip_prefix("resource.").and_then(|names| names.split('|').map(list).collect());
    lists.map(Place::Lists).ok_or_else(|| {
        let lists: Vec<&str> = LISTS.iter().map(|(name, _)| *name).collect();
        format!(
            "nothing fills `{{{name}}}`: expected `{{principal}}`, `{{action}}`, `{{resource}}`, `{{resource.name}}` or \
             `{{resource.LIST}}`, LIST being one or more (with `|` between) of {}",
            lists.join(", ")
        )
    })
}

/// The groups of these lists, and where each list is set; a list that the resource
/// doesn't have is passed over.
fn members(lists: &[List], resource: &Resource<'_>) -> (Vec<String>, Vec<String>) {
    let mut groups: BTreeSet<&GroupId> = BTreeSet::new();
    let mut settings = Vec::new();
    for list in lists {
        if let Some((setting, members)) = list.of(resource) {
            groups.extend(members);
            settings.push(format!("{}.{setting}", resource.setting()));
        }
    }
    (groups.into_iter().map(|group| group.as_str().to_owned()).collect(), settings)
}

impl List {
    fn of<'a>(self, resource: &Resource<'a>) -> Option<(&'static str, &'a BTreeSet<GroupId>)> {
        match resource {
            Resource::Role(role) => self.of_access(&role.access),
            Resource::Gate(gate) => self.of_access(gate.access),
            Resource::Log { readers, overriders } => match self {
                Self::Readers => Some(("readers", readers)),
                Self::Overriders => Some(("override.granters", overriders)),
                _ => None,
            },
            Resource::Broker { administrators } => match self {
                Self::Administrators => Some(("administrators", administrators)),
                _ => None,
            },
        }
    }

    const fn of_access(self, access: &Access) -> Option<(&'static str, &BTreeSet<GroupId>)> {
        match self {
            Self::Requesters => Some(("requesters", &access.requesters)),
            Self::Acknowledgers => Some(("acknowledgers", &access.acknowledgers)),
            Self::Revokers => Some(("revokers", &access.revokers)),
            Self::EmergencyStarters => Some(("emergency_starters", &access.emergency_starters)),
            Self::Readers | Self::Overriders | Self::Administrators => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_nothing_fills_is_refused() {
        for text in ["", "  ", "be {x}", "{", "}", "{resource.requesters|x}", "{resource.}", "a } b {action}"] {
            assert!(Wording::parse(text).is_err(), "{text:?}");
        }
        for text in ["plain", "{principal} {action} {resource} {resource.name} {resource.requesters|revokers}"] {
            assert!(Wording::parse(text).is_ok(), "{text:?}");
        }
    }
}
