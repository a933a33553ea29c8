//! What a change of policies changes: both are asked the same, over everybody and
//! everything, and the answers that differ are told in as few lines as say it all.

mod axes;
mod fold;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use halligan_core::id::{GroupId, PersonId};
use serde::Serialize;

pub use axes::Condition;
use axes::{Axes, Cell};

use crate::mentions::Mentions;
use crate::question::{Action, BROKER, LOG};
use crate::set::PolicySet;
use crate::stack;
use crate::world::{Occasion, World};

/// Answers that differ in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Whether it may be done now, and might not before.
    pub allowed_now: bool,
    /// What.
    pub action: Action,
    /// Who: persons and machines.
    pub who: Vec<String>,
    /// To what.
    pub targets: Vec<String>,
    /// On which occasions; none: on all that were tried.
    pub when: Vec<Condition>,
    /// The policies that decided before.
    pub before: Vec<String>,
    /// The policies that decide now.
    pub now: Vec<String>,
}

/// What a change of policies changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Diff {
    /// The ids that are new.
    pub added: Vec<String>,
    /// The ids that are gone.
    pub removed: Vec<String>,
    /// The answers that differ.
    pub differences: Vec<Difference>,
    /// How many questions were asked of both.
    pub asked: usize,
}

/// Compares two sets of policies over a world: each person and machine, each role (and
/// the log and the broker), each action, on occasions that differ from `occasion` in what
/// the policies read: severity (those of `severities` and those that policies name),
/// signature, second factor, duration, whether the incident's tool answers. Whoever is in
/// the same groups as somebody else, and named by no policy, is asked about once.
#[must_use]
pub fn diff(
    old: &PolicySet,
    new: &PolicySet,
    world: &World,
    severities: &BTreeSet<String>,
    occasion: &Occasion,
) -> Diff {
    let mentions = stack::with_much(|| Mentions::of(old).and(Mentions::of(new)));
    let axes = Axes::new(&mentions, severities, occasion);
    let mut asked = 0;
    let mut found = Vec::new();
    for like in alike(world, &[old, new]) {
        for (target, actions) in targets(world) {
            for action in actions {
                let mut cells = Vec::new();
                for cell in axes.cells(*action) {
                    let Ok(question) = world.question(like.0, *action, target, &cell.occasion) else { continue };
                    let (before, now) = (old.decide(&question), new.decide(&question));
                    asked += 1;
                    cells.push(Answers { before: (before.allow, before.rules), now: (now.allow, now.rules), cell });
                }
                found.extend(fold::of_question(&like.1, *action, target, &axes, cells));
            }
        }
    }
    let ids = |policies: &PolicySet| policies.ids().into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    let (before, now) = (ids(old), ids(new));
    Diff {
        added: now.difference(&before).cloned().collect(),
        removed: before.difference(&now).cloned().collect(),
        differences: fold::together(found),
        asked,
    }
}

/// What both say on one occasion: whether, and by which policies.
struct Answers {
    before: (bool, Vec<String>),
    now: (bool, Vec<String>),
    cell: Cell,
}

/// What policies can tell people and machines apart by: the name where one names it, the
/// groups, for whom a machine acts, and whether it is a person.
type Likeness<'a> = (Option<&'a str>, [&'a BTreeSet<GroupId>; 2], Option<&'a PersonId>, bool);

/// Somebody to ask about, and all who are like them.
fn alike<'a>(world: &'a World, policies: &[&PolicySet]) -> Vec<(&'a str, Vec<String>)> {
    let literals: BTreeSet<String> = policies
        .iter()
        .flat_map(|policies| policies.rules())
        .flat_map(|rule| rule.policy.entity_literals())
        .map(|literal| literal.id().unescaped().to_owned())
        .collect();
    let mut alike: BTreeMap<Likeness<'_>, Vec<&str>> = BTreeMap::new();
    let named = |name: &'a str| literals.contains(name).then_some(name);
    for (id, person) in &world.people {
        let groups = [&person.groups, &person.possible_groups];
        alike.entry((named(id.as_str()), groups, None, true)).or_default().push(id.as_str());
    }
    for (id, machine) in &world.machines {
        let groups = [&machine.groups, &machine.possible_groups];
        let key = (named(id.as_str()), groups, machine.on_behalf_of.as_ref(), false);
        alike.entry(key).or_default().push(id.as_str());
    }
    let classes = alike.into_values().filter_map(|names| {
        let all = names.iter().map(|name| (*name).to_owned()).collect();
        Some((*names.first()?, all))
    });
    classes.collect()
}

fn targets(world: &World) -> Vec<(&str, &'static [Action])> {
    use Action::{
        Acknowledge, Administer, Decline, Extend, Mint, Read, Request, Review, Revoke, SignIn, StartEmergency,
    };
    const OF_ROLES: &[Action] = &[Request, StartEmergency, Acknowledge, Decline, Mint, Extend, Revoke, Review, Read];
    let roles = world.roles.keys().map(|role| (role.as_str(), OF_ROLES));
    roles.chain([(LOG, &[Read, Administer] as &[Action]), (BROKER, &[Administer, SignIn])]).collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let may = if self.allowed_now { "+ now may" } else { "- may no longer" };
        write!(f, "{may} {} on {}: {}", self.action, self.targets.join(", "), self.who.join(", "))?;
        if !self.when.is_empty() {
            let when: Vec<String> = self.when.iter().map(ToString::to_string).collect();
            write!(f, "\n    when {}", when.join("; "))?;
        }
        let rules = |rules: &[String]| if rules.is_empty() { "nothing".to_owned() } else { rules.join(", ") };
        write!(f, "\n    before: {}; now: {}", rules(&self.before), rules(&self.now))
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, ids) in [("added", &self.added), ("removed", &self.removed)] {
            if !ids.is_empty() {
                writeln!(f, "{what}: {}", ids.join(", "))?;
            }
        }
        if self.differences.is_empty() {
            return writeln!(f, "no answer differs ({} questions asked)", self.asked);
        }
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        writeln!(f, "({} questions asked)", self.asked)
    }
}
