//! Who can be in groups.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::id::{GroupId, MachineId, PersonId};

use super::people::People;

/// Who can be in groups: those of the configuration, and those of tokens.
pub(super) struct Society {
    pub people: People,
    pub machines: BTreeMap<MachineId, BTreeSet<GroupId>>,
    /// Groups that the tokens of people say.
    pub claimed: BTreeSet<GroupId>,
    /// Groups that the tokens of machines say.
    pub claimed_of_machines: BTreeSet<GroupId>,
    /// The settings of issuers that put somebody into groups, and into which.
    pub of_issuers: Vec<(String, BTreeSet<GroupId>)>,
}

impl Society {
    /// The groups that a person can be in.
    pub fn of_people(&self) -> BTreeSet<&GroupId> {
        self.people.values().flat_map(|person| &person.groups).chain(&self.claimed).collect()
    }

    /// The groups that a machine can be in.
    pub fn of_machines(&self) -> BTreeSet<&GroupId> {
        self.machines.values().flatten().chain(&self.claimed_of_machines).collect()
    }

    /// The groups that anybody can be in.
    pub fn of_anybody(&self) -> BTreeSet<&GroupId> {
        self.of_people().union(&self.of_machines()).copied().collect()
    }

    /// The people in these groups; none: tokens say who is in one of them.
    pub fn members(&self, groups: &BTreeSet<GroupId>) -> Option<BTreeSet<&PersonId>> {
        if !self.claimed.is_disjoint(groups) {
            return None;
        }
        Some(self.people.iter().filter(|(_, person)| !person.groups.is_disjoint(groups)).map(|(id, _)| id).collect())
    }
}
