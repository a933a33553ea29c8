//! Somebody, a role, an occasion.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::actor::Channel;
use halligan_core::catalogue::{Access, ProbeCall, Role, RoleArn};
use halligan_core::id::{GroupId, MachineId, PersonId};
use halligan_policy::{Action, Context, Decision, MachineIn, PersonIn, PolicySet, Question, Resource, Who};
use jiff::{SignedDuration, Timestamp};

pub fn groups(names: &[&str]) -> BTreeSet<GroupId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

pub fn now() -> Timestamp {
    "2026-03-04T05:06:07.089Z".parse().unwrap()
}

pub fn role() -> Role {
    let arn = |name: &str| RoleArn::try_from(format!("arn:aws:iam::123456789012:role/{name}")).unwrap();
    Role {
        id: "prod-admin".parse().unwrap(),
        description: String::new(),
        arn: arn("admin"),
        revoker: arn("revoker"),
        external_id: "halligan".to_owned(),
        regions: vec!["eu-central-1".to_owned()],
        session_max: SignedDuration::from_hours(1),
        duration_max: SignedDuration::from_hours(1),
        total_max: SignedDuration::from_hours(4),
        acknowledge_within: SignedDuration::from_mins(15),
        emergency_acknowledge_within: Some(SignedDuration::from_mins(5)),
        scopes: BTreeMap::new(),
        default_scope: "read-only".parse().unwrap(),
        probe: ProbeCall::default(),
        console: false,
        access: Access {
            requesters: groups(&["oncall", "platform"]),
            acknowledgers: groups(&["leads"]),
            revokers: groups(&["security"]),
            emergency_starters: groups(&["platform"]),
        },
    }
}

/// Alice, in these groups, and perhaps in those.
pub struct Alice(PersonId, BTreeSet<GroupId>, BTreeSet<GroupId>);

impl Alice {
    pub fn in_groups(names: &[&str]) -> Self {
        Self("alice".parse().unwrap(), groups(names), BTreeSet::new())
    }

    pub fn maybe_in(self, names: &[&str]) -> Self {
        Self(self.0, self.1, groups(names))
    }

    pub fn who(&self) -> Who<'_> {
        Who::Person(self.person())
    }

    pub fn person(&self) -> PersonIn<'_> {
        PersonIn { possible: &self.2, ..PersonIn::new(&self.0, &self.1) }
    }

    pub fn asks<'a>(&'a self, action: Action, role: &'a Role) -> Question<'a> {
        Question {
            principal: self.who(),
            action,
            resource: Resource::Role(role),
            context: Context::new(now(), Channel::Api),
        }
    }

    pub fn decide(&self, policies: &PolicySet, action: Action, role: &Role) -> Decision {
        policies.decide(&self.asks(action, role))
    }
}

/// A pipeline, in these groups, for alice.
pub struct Pipeline(MachineId, BTreeSet<GroupId>, Alice);

impl Pipeline {
    pub fn in_groups(names: &[&str]) -> Self {
        Self("deploys".parse().unwrap(), groups(names), Alice::in_groups(names))
    }

    pub fn who(&self) -> Who<'_> {
        let possible = &self.2.2;
        Who::Machine(MachineIn { id: &self.0, groups: &self.1, possible, on_behalf_of: Some(self.2.person()) })
    }

    pub fn decide(&self, policies: &PolicySet, action: Action, role: &Role) -> Decision {
        policies.decide(&Question { principal: self.who(), ..self.2.asks(action, role) })
    }
}
