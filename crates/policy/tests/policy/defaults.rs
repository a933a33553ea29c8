//! What holds while a deployment has no policies of its own.

use halligan_core::actor::Channel;
use halligan_policy::{Action, Context, PolicySet, Question, Resource, SignInMethod};

use crate::world::{Alice, Pipeline, groups, now, role};

/// What a member of each group may do with a role; every other action is refused.
#[test]
fn a_group_may_what_the_catalogue_says_and_nothing_else() {
    use Action::{Acknowledge, Decline, Extend, Mint, Read, Request, Review, Revoke, StartEmergency};
    let table: [(&[&str], &[Action]); 7] = [
        (&[], &[]),
        (&["strangers"], &[]),
        (&["oncall"], &[Request, Mint, Extend, Read]),
        (&["platform"], &[Request, Mint, Extend, StartEmergency, Read]),
        (&["leads"], &[Acknowledge, Decline, Review, Read]),
        (&["security"], &[Revoke, Review, Read]),
        (&["oncall", "leads"], &[Request, Mint, Extend, Acknowledge, Decline, Review, Read]),
    ];
    let policies = PolicySet::defaults();
    for (groups, permitted) in table {
        for action in Action::ALL {
            let decision = Alice::in_groups(groups).decide(&policies, action, &role());
            assert_eq!(decision.allow, permitted.contains(&action), "{groups:?} {action} {decision:?}");
            assert_eq!(decision.allow, decision.unmet.is_empty(), "{groups:?} {action} {decision:?}");
            // Nobody signs in to a role: that is the one question which the schema has no place for.
            let foreign = matches!(action, Action::SignIn | Action::Administer);
            assert_eq!(decision.errors.is_empty(), !foreign, "{groups:?} {action} {decision:?}");
            assert_eq!(decision.rules.is_empty(), foreign, "{groups:?} {action} {decision:?}");
        }
    }
}

#[test]
fn a_machine_may_ask_and_read_and_never_acknowledge() {
    let policies = PolicySet::defaults();
    let everywhere = Pipeline::in_groups(&["oncall", "platform", "leads", "security"]);
    for action in Action::ALL {
        let decision = everywhere.decide(&policies, action, &role());
        let may = matches!(action, Action::Request | Action::Mint | Action::Read);
        assert_eq!(decision.allow, may, "{action} {decision:?}");
    }
    assert!(!Pipeline::in_groups(&["leads"]).decide(&policies, Action::Request, &role()).allow);
}

#[test]
fn a_permission_names_the_policy_that_gave_it() {
    let decision = Alice::in_groups(&["oncall", "platform"]).decide(&PolicySet::defaults(), Action::Request, &role());
    assert_eq!(decision.rules, ["requesters-may-ask"]);
}

#[test]
fn a_refusal_names_the_policy_and_what_would_satisfy_it() {
    let decision = Alice::in_groups(&["leads"]).decide(&PolicySet::defaults(), Action::Request, &role());
    assert_eq!(decision.rules, ["requesters-may-ask"]);
    assert_eq!(decision.unmet, ["be a member of one of: oncall, platform (roles.prod-admin.requesters)"]);
    let decision = Alice::in_groups(&[]).decide(&PolicySet::defaults(), Action::Read, &role());
    let lists = "roles.prod-admin.requesters, roles.prod-admin.acknowledgers, roles.prod-admin.revokers, \
                 roles.prod-admin.emergency_starters";
    assert_eq!(decision.unmet, [format!("be a member of one of: leads, oncall, platform, security ({lists})")]);
}

#[test]
fn an_empty_list_permits_nobody() {
    let mut role = role();
    role.access.revokers.clear();
    let decision =
        Alice::in_groups(&["oncall", "leads", "security"]).decide(&PolicySet::defaults(), Action::Revoke, &role);
    assert!(!decision.allow);
    assert_eq!(decision.unmet, ["nobody may: no group is named (roles.prod-admin.revokers)"]);
}

#[test]
fn a_role_without_a_deadline_takes_no_emergency_start() {
    let mut role = role();
    role.emergency_acknowledge_within = None;
    let decision = Alice::in_groups(&["platform"]).decide(&PolicySet::defaults(), Action::StartEmergency, &role);
    assert!(!decision.allow);
    assert_eq!(decision.rules, ["emergency-start-only-where-taken"]);
    let unmet = "ask without an emergency start: this role takes none (roles.prod-admin.emergency_acknowledge_within is not set)";
    assert_eq!(decision.unmet, [unmet]);
}

#[test]
fn the_log_is_read_by_its_readers_and_overridden_by_its_overriders() {
    let (readers, overriders) = (groups(&["audit"]), groups(&["chiefs"]));
    let log = Resource::Log { readers: &readers, overriders: &overriders };
    let role = role();
    for (group, action, rule) in
        [("audit", Action::Read, "log-readers-may-read"), ("chiefs", Action::Administer, "log-overriders-may-override")]
    {
        let alice = Alice::in_groups(&[group]);
        let decision = PolicySet::defaults().decide(&Question { resource: log, ..alice.asks(action, &role) });
        assert!(decision.allow, "{group} {decision:?}");
        assert_eq!(decision.rules, [rule]);
    }
    let alice = Alice::in_groups(&["oncall"]);
    let decision = PolicySet::defaults().decide(&Question { resource: log, ..alice.asks(Action::Read, &role) });
    assert_eq!(decision.unmet, ["be a member of one of: audit (log.readers)"]);
}

#[test]
fn a_passkey_lets_in_only_while_the_provider_is_down() {
    use SignInMethod::{Passkey, Provider};
    let none = groups(&[]);
    let role = role();
    let alice = Alice::in_groups(&[]);
    for (method, down, may) in [
        (Some(Provider), false, true),
        (Some(Provider), true, true),
        (Some(Passkey), false, false),
        (Some(Passkey), true, true),
        (None, true, false),
    ] {
        let context =
            Context { sign_in_method: method, provider_down: Some(down), ..Context::new(now(), Channel::Web) };
        let resource = Resource::Broker { administrators: &none };
        let question = Question { resource, context, ..alice.asks(Action::SignIn, &role) };
        let decision = PolicySet::defaults().decide(&question);
        assert_eq!(decision.allow, may, "{method:?} {down} {decision:?}");
    }
}
