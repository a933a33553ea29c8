//! Who may do what.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::catalogue::Role;
use halligan_core::id::{GroupId, RoleId};
use halligan_policy::{Known, PolicySet, Source};

use super::Findings;
use super::society::Society;
use crate::config::model;
use crate::config::policies::{self, POLICIES};

const FIELD: &str = "policy.directory";

/// The texts of the policies, which say what else there is to know.
pub(super) struct Texts(Vec<Source>);

impl Texts {
    /// None, if there is no directory: then the built-in policies hold.
    pub fn read(policy: &model::Policy, found: &mut Findings<'_>) -> Option<Self> {
        let Some(named) = &policy.directory else { return Some(Self(Vec::new())) };
        let directory = found.path(named);
        match policies::read(&directory, named, POLICIES) {
            Ok(sources) if sources.is_empty() => {
                let problem = format!(
                    "{} holds no `*.cedar`, so nobody may do anything: expected policies, or no `{FIELD}`, for the built-in ones",
                    directory.display()
                );
                found.refuse(FIELD, problem);
                None
            }
            Ok(sources) => Some(Self(sources)),
            Err(problem) => {
                found.refuse(FIELD, problem.to_string());
                None
            }
        }
    }

    /// Whether a policy names this group.
    pub fn name(&self, group: &GroupId) -> bool {
        let literal = format!("Group::\"{group}\"");
        self.0.iter().any(|source| source.text.contains(&literal))
    }

    /// The policies, found good as a whole.
    pub fn load(
        &self,
        society: &Society,
        roles: &BTreeMap<RoleId, Role>,
        offices: &BTreeSet<GroupId>,
        found: &mut Findings<'_>,
    ) -> Option<PolicySet> {
        let lists = roles.values().map(|role| &role.access).flat_map(|access| {
            [&access.requesters, &access.acknowledgers, &access.revokers, &access.emergency_starters]
        });
        let groups = lists.flatten().chain(society.of_anybody()).chain(offices).cloned().collect();
        let known = Known {
            persons: society.people.keys().cloned().collect(),
            machines: society.machines.keys().cloned().collect(),
            groups,
            roles: roles.keys().cloned().collect(),
            gates: BTreeSet::new(),
        };
        match PolicySet::load(&self.0, &known) {
            Ok(policies) => {
                for warning in policies.warnings() {
                    found.warn(FIELD, warning);
                }
                Some(policies)
            }
            Err(errors) => {
                for error in errors {
                    found.refuse(FIELD, error.to_string());
                }
                None
            }
        }
    }
}
