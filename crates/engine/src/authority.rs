//! Who may do what, by the groups that the catalogue names. Default deny.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::catalogue::Role;
use halligan_core::id::{GroupId, PersonId};

use crate::ports::{Action, Ask, Authority, Decision};

/// Decides by membership: a role of the catalogue names the groups that may,
/// the configuration names the groups that a person is in.
#[derive(Debug, Clone, Default)]
pub struct GroupAuthority {
    people: BTreeMap<PersonId, BTreeSet<GroupId>>,
}

impl GroupAuthority {
    /// Of everybody who is in a group; nobody else may do anything.
    #[must_use]
    pub const fn new(people: BTreeMap<PersonId, BTreeSet<GroupId>>) -> Self {
        Self { people }
    }
}

impl Authority for GroupAuthority {
    fn decide(&self, ask: &Ask<'_>) -> Decision {
        let role = ask.role;
        if ask.action == Action::StartEmergency && role.emergency_acknowledge_within.is_none() {
            let rule = rule(role, "emergency_acknowledge_within");
            let unmet = format!("ask without an emergency start: this role takes none ({rule} is not set)");
            return Decision { allow: false, rules: vec![rule], unmet: vec![unmet] };
        }
        let lists = lists(role, ask.action);
        let member_of = self.people.get(ask.person);
        let rules: Vec<String> = lists
            .iter()
            .flat_map(|(list, groups)| groups.iter().map(move |group| (list, group)))
            .filter(|(_, group)| member_of.is_some_and(|groups| groups.contains(*group)))
            .map(|(list, group)| format!("{}: {group}", rule(role, list)))
            .collect();
        if rules.is_empty() {
            let rules = lists.iter().map(|(list, _)| rule(role, list)).collect();
            return Decision { allow: false, rules, unmet: vec![unmet(role, &lists)] };
        }
        Decision { allow: true, rules, unmet: Vec::new() }
    }
}

/// A list of groups, and the name of its field.
type List<'a> = (&'static str, &'a BTreeSet<GroupId>);

/// The lists that permit an action: to be in one group of one of them is enough.
fn lists(role: &Role, action: Action) -> Vec<List<'_>> {
    let access = &role.access;
    let requesters = ("requesters", &access.requesters);
    let acknowledgers = ("acknowledgers", &access.acknowledgers);
    let revokers = ("revokers", &access.revokers);
    let emergency_starters = ("emergency_starters", &access.emergency_starters);
    match action {
        Action::Request | Action::Mint | Action::Extend => vec![requesters],
        Action::StartEmergency => vec![emergency_starters],
        Action::Acknowledge => vec![acknowledgers],
        Action::Revoke => vec![revokers],
        Action::Read => vec![requesters, acknowledgers, revokers, emergency_starters],
    }
}

fn rule(role: &Role, field: &str) -> String {
    format!("roles.{}.{field}", role.id)
}

fn unmet(role: &Role, lists: &[List<'_>]) -> String {
    let groups: BTreeSet<&str> = lists.iter().flat_map(|(_, groups)| groups.iter().map(GroupId::as_str)).collect();
    let rules: Vec<String> = lists.iter().map(|(list, _)| rule(role, list)).collect();
    if groups.is_empty() {
        return format!("nobody may: no group is named ({})", rules.join(", "));
    }
    let groups: Vec<&str> = groups.into_iter().collect();
    format!("be a member of one of: {} ({})", groups.join(", "), rules.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use halligan_core::catalogue::{Access, ProbeCall, RoleArn};
    use jiff::SignedDuration;

    const ACTIONS: [Action; 7] = [
        Action::Request,
        Action::StartEmergency,
        Action::Acknowledge,
        Action::Mint,
        Action::Extend,
        Action::Revoke,
        Action::Read,
    ];

    fn groups(names: &[&str]) -> BTreeSet<GroupId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn role() -> Role {
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

    fn decide(groups_of_alice: &[&str], action: Action, role: &Role) -> Decision {
        let alice: PersonId = "alice".parse().unwrap();
        let authority = GroupAuthority::new([(alice.clone(), groups(groups_of_alice))].into());
        authority.decide(&Ask { person: &alice, action, role })
    }

    /// What a member of each group may do; every other action is refused.
    #[test]
    fn a_group_may_what_the_catalogue_says_and_nothing_else() {
        use Action::{Acknowledge, Extend, Mint, Read, Request, Revoke, StartEmergency};
        let table: [(&[&str], &[Action]); 7] = [
            (&[], &[]),
            (&["strangers"], &[]),
            (&["oncall"], &[Request, Mint, Extend, Read]),
            (&["platform"], &[Request, Mint, Extend, StartEmergency, Read]),
            (&["leads"], &[Acknowledge, Read]),
            (&["security"], &[Revoke, Read]),
            (&["oncall", "leads"], &[Request, Mint, Extend, Acknowledge, Read]),
        ];
        for (groups, permitted) in table {
            for action in ACTIONS {
                let decision = decide(groups, action, &role());
                assert_eq!(decision.allow, permitted.contains(&action), "{groups:?} {action:?}");
                assert_eq!(decision.allow, decision.unmet.is_empty(), "{groups:?} {action:?}");
                assert!(!decision.rules.is_empty(), "{groups:?} {action:?}");
            }
        }
    }

    #[test]
    fn somebody_unknown_may_do_nothing() {
        let stranger: PersonId = "stranger".parse().unwrap();
        let alice = ("alice".parse().unwrap(), groups(&["oncall", "platform", "leads", "security"]));
        let authority = GroupAuthority::new([alice].into());
        for action in ACTIONS {
            assert!(!authority.decide(&Ask { person: &stranger, action, role: &role() }).allow, "{action:?}");
        }
    }

    #[test]
    fn a_permission_names_each_rule_that_gave_it() {
        let decision = decide(&["oncall", "platform"], Action::Request, &role());
        assert_eq!(decision.rules, ["roles.prod-admin.requesters: oncall", "roles.prod-admin.requesters: platform"]);
    }

    #[test]
    fn a_refusal_names_the_rule_and_what_would_satisfy_it() {
        let decision = decide(&["leads"], Action::Request, &role());
        assert_eq!(decision.rules, ["roles.prod-admin.requesters"]);
        assert_eq!(decision.unmet, ["be a member of one of: oncall, platform (roles.prod-admin.requesters)"]);
    }

    #[test]
    fn an_empty_list_permits_nobody() {
        let mut role = role();
        role.access.revokers.clear();
        let decision = decide(&["oncall", "leads", "security"], Action::Revoke, &role);
        assert!(!decision.allow);
        assert_eq!(decision.unmet, ["nobody may: no group is named (roles.prod-admin.revokers)"]);
    }

    #[test]
    fn a_role_without_a_deadline_takes_no_emergency_start() {
        let mut role = role();
        role.emergency_acknowledge_within = None;
        let decision = decide(&["platform"], Action::StartEmergency, &role);
        assert!(!decision.allow);
        assert_eq!(decision.rules, ["roles.prod-admin.emergency_acknowledge_within"]);
        let unmet = "ask without an emergency start: this role takes none (roles.prod-admin.emergency_acknowledge_within is not set)";
        assert_eq!(decision.unmet, [unmet]);
    }
}
