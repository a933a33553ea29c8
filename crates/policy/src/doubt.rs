//! What isn't known of somebody's groups never passes for an answer: a question is then
//! asked again, with each way that it could be. A forbid that is satisfied in one of them
//! counts, and a permit only if it is satisfied in all.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{EntityUid, PolicyId};
use halligan_core::id::GroupId;

use crate::index::Found;
use crate::question::{Question, Who};
use crate::set::PolicySet;
use crate::translate::{Translated, translate_assuming};
use crate::vocabulary::{Vocabulary, uid};

/// So many memberships that nobody knows of are tried in every combination …
const EXACT: usize = 6;
/// … of up to so many, each and each two alone, each and each two left out, and all; of more, no twos.
const IN_TWOS: usize = 24;

/// A membership that nobody knows of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Doubt {
    who: EntityUid,
    /// Whether it is of whoever asks.
    is_askers: bool,
    group: GroupId,
}

impl Doubt {
    /// What would end it.
    pub fn unmet(&self) -> String {
        let Self { who, is_askers, group } = self;
        if *is_askers {
            return format!("sign in again, so that your groups are known: `{group}` may be one of them");
        }
        let name = who.id().unescaped().escape_debug();
        format!("let `{name}` sign in again, so that their groups are known: `{group}` may be one of them")
    }

    /// It, as a reason.
    pub fn why(&self) -> String {
        format!("nobody knows whether `{}` is in the group `{}`", self.who.id().unescaped().escape_debug(), self.group)
    }
}

/// What policies of one action say.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// Of the permits. What is satisfied is so whatever isn't known.
    pub permits: Found,
    /// Of the forbids, as far as is known.
    pub forbids: Found,
    /// Forbids that would be satisfied if these memberships were so.
    pub may_forbid: BTreeMap<PolicyId, Vec<Doubt>>,
    /// Permits that would not be.
    pub may_not_permit: BTreeMap<PolicyId, Vec<Doubt>>,
}

impl PolicySet {
    /// Asks everything that is about the question's action.
    ///
    /// # Errors
    /// It doesn't fit the schema, in words.
    pub(crate) fn answer(&self, question: &Question<'_>, translated: &Translated) -> Result<Answered, String> {
        let about = self.about(question.action);
        let ask = |asked: &Translated| {
            (about.permits.find(&asked.request, &asked.entities), about.forbids.find(&asked.request, &asked.entities))
        };
        let (permits, forbids) = ask(translated);
        let mut answered = Answered { permits, forbids, ..Answered::default() };
        for assumed in ways(self.doubts(question)) {
            let pairs: Vec<(EntityUid, GroupId)> =
                assumed.iter().map(|doubt| (doubt.who.clone(), doubt.group.clone())).collect();
            let (permits, forbids) = ask(&translate_assuming(question, &pairs)?);
            answered.doubt_permits(&permits, &assumed);
            answered.doubt_forbids(forbids, &assumed);
        }
        Ok(answered)
    }

    /// The memberships that nobody knows of and that a policy about such a question asks for.
    fn doubts(&self, question: &Question<'_>) -> Vec<Doubt> {
        let everybody = everybody(question);
        if everybody.iter().all(|(_, _, possible)| possible.is_empty()) {
            return Vec::new();
        }
        let about = self.about(question.action);
        let lists = if about.reads_lists { question.resource.groups() } else { BTreeSet::new() };
        let matters = |group: &GroupId| about.groups.contains(group.as_str()) || lists.contains(group);
        let mut doubts = BTreeSet::new();
        for (n, (who, groups, possible)) in everybody.iter().enumerate() {
            for group in possible.difference(groups).filter(|group| matters(group)) {
                // Who stands there twice is told as the one who asks.
                if !doubts.iter().any(|doubt: &Doubt| doubt.who == *who && doubt.group == *group) {
                    doubts.insert(Doubt { who: who.clone(), is_askers: n == 0, group: group.clone() });
                }
            }
        }
        doubts.into_iter().collect()
    }
}

impl Answered {
    /// Whether any forbid counts.
    pub fn is_forbidden(&self) -> bool {
        !(self.forbids.satisfied.is_empty() && self.forbids.erring.is_empty() && self.may_forbid.is_empty())
    }

    fn doubt_permits(&mut self, found: &Found, assumed: &[Doubt]) {
        let (still, not): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.permits.satisfied).into_iter().partition(|id| found.satisfied.contains(id));
        self.permits.satisfied = still;
        self.may_not_permit.extend(not.into_iter().map(|id| (id, assumed.to_vec())));
    }

    /// What can't be evaluated if it were so counts as satisfied, and is no alarm: it may never be so.
    fn doubt_forbids(&mut self, found: Found, assumed: &[Doubt]) {
        let erring = found.erring.into_iter().map(|(id, _)| id);
        for id in found.satisfied.into_iter().chain(erring) {
            let counts =
                self.forbids.satisfied.contains(&id) || self.forbids.erring.iter().any(|(erring, _)| *erring == id);
            if !counts {
                // The first way is one of the fewest memberships: it says most.
                self.may_forbid.entry(id).or_insert_with(|| assumed.to_vec());
            }
        }
    }
}

type Member<'a> = (EntityUid, &'a BTreeSet<GroupId>, &'a BTreeSet<GroupId>);

/// Whoever asks first, then all others that the question is about: their groups, and those they may be in.
fn everybody<'a>(question: &Question<'a>) -> Vec<Member<'a>> {
    let words = Vocabulary::get();
    let context = &question.context;
    let mut everybody = Vec::new();
    let mut people = Vec::new();
    for who in [Some(question.principal), context.requester].into_iter().flatten() {
        match who {
            Who::Person(person) => {
                everybody.push((uid(&words.person, person.id.as_str()), person.groups, person.possible))
            }
            Who::Machine(machine) => {
                everybody.push((uid(&words.machine, machine.id.as_str()), machine.groups, machine.possible));
                people.extend(machine.on_behalf_of);
            }
        }
    }
    people.extend(context.incident.and_then(|incident| incident.creator));
    people.extend(context.acknowledger);
    let others =
        people.into_iter().map(|person| (uid(&words.person, person.id.as_str()), person.groups, person.possible));
    everybody.extend(others);
    everybody
}

/// The ways that it could be, beside the one that is known: those of the fewest memberships first.
fn ways(doubts: Vec<Doubt>) -> Vec<Vec<Doubt>> {
    if doubts.len() > EXACT {
        let ones = doubts.iter().map(|doubt| vec![doubt]);
        let behind = |n: usize| doubts.iter().skip(n.saturating_add(1));
        let twos = doubts.iter().enumerate().flat_map(|(n, one)| behind(n).map(move |other| vec![one, other]));
        let few: Vec<Vec<&Doubt>> = ones.chain(twos.filter(|_| doubts.len() <= IN_TWOS)).collect();
        let without = |left: &Vec<&Doubt>| doubts.iter().filter(|doubt| !left.contains(doubt)).cloned().collect();
        let most = few.iter().rev().map(without);
        let few = few.iter().map(|way| way.iter().copied().cloned().collect());
        return few.chain(most).chain([doubts.clone()]).collect();
    }
    let mut ways: Vec<Vec<Doubt>> = vec![Vec::new()];
    for doubt in doubts {
        let with: Vec<Vec<Doubt>> =
            ways.iter().map(|way| [way.as_slice(), std::slice::from_ref(&doubt)].concat()).collect();
        ways.extend(with);
    }
    ways.retain(|way| !way.is_empty());
    ways.sort_by_key(Vec::len);
    ways
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn few_doubts_are_tried_in_every_way_and_many_in_those_that_matter() {
        let doubt = |n: usize| Doubt {
            who: uid(&Vocabulary::get().person, "alice"),
            is_askers: true,
            group: format!("group-{n}").parse().unwrap(),
        };
        for (count, expected) in
            [(0, 0), (1, 1), (2, 3), (3, 7), (4, 15), (6, 63), (7, 57), (9, 91), (24, 601), (25, 51)]
        {
            let found = ways((0..count).map(doubt).collect());
            assert_eq!(found.len(), expected, "{count}");
            assert!(found.iter().collect::<BTreeSet<_>>().len() == expected && found.is_sorted_by_key(Vec::len));
        }
    }
}
