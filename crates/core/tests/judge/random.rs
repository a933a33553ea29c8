//! Cases of a seeded generator: the same in each run.

use std::collections::BTreeSet;

use halligan_core::catalogue::Scope;
use halligan_core::iam::revocation::{
    ACTIVE_GRANTS_MAX, Desired, Ended, INLINE_CHARACTERS_MAX, Mode, OTHER_POLICIES_CHARACTERS_MAX,
};
use halligan_core::iam::{Effect, session_policy};
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::case::Expected::{Allowed, ExplicitDeny, ImplicitDeny};
use crate::case::{ACTIONS, Call, Cases, at, compile, grant, statement};

/// Which call is made of a random role's grants.
#[derive(Debug, Clone, Copy)]
enum Asker {
    Ended(prop::sample::Index),
    Adopted(prop::sample::Index),
    Active(prop::sample::Index, i64),
    Later(u8),
    UntaggedBeforeCut,
}

fn askers() -> impl Strategy<Value = Asker> {
    prop_oneof![
        4 => any::<prop::sample::Index>().prop_map(Asker::Ended),
        1 => any::<prop::sample::Index>().prop_map(Asker::Adopted),
        4 => (any::<prop::sample::Index>(), -5_000..5_000_i64).prop_map(|(which, offset)| Asker::Active(which, offset)),
        2 => any::<u8>().prop_map(Asker::Later),
        1 => Just(Asker::UntaggedBeforeCut),
    ]
}

fn roles() -> impl Strategy<Value = Desired> {
    let ends = |count| prop::collection::vec((0..4_000_000_i64, any::<bool>()), 1..count);
    (ends(500), ends(200), ends(40), ends(ACTIVE_GRANTS_MAX + 1)).prop_map(|(early, expired, adopted, active)| {
        let instant = |millis: i64| at(0) + SignedDuration::from_millis(millis);
        let mut next = 1_000;
        let mut id = || {
            next += 1;
            grant(next)
        };
        Desired {
            ended_early: early
                .iter()
                .map(|&(t, contained)| Ended { grant: id(), ended_at: instant(t), contained })
                .collect(),
            expired: expired.iter().map(|&(t, _)| (id(), instant(t))).collect(),
            adopted: adopted.iter().map(|&(t, _)| (id(), instant(t))).collect(),
            adopted_cut: None,
            active: active.iter().map(|&(t, _)| (id(), instant(t))).collect(),
        }
    })
}

pub fn revocations(cases: &mut Cases, runner: &mut TestRunner, count: usize) {
    let strategy = (roles(), askers(), INLINE_CHARACTERS_MAX - OTHER_POLICIES_CHARACTERS_MAX..=INLINE_CHARACTERS_MAX);
    let mut modes = BTreeSet::new();
    for number in 0..count {
        let (desired, asker, room) = strategy.new_tree(runner).unwrap().current();
        let compiled = compile(&desired, room);
        modes.insert(compiled.mode);
        let before = compiled.policy.cut.as_ref().map(|cut| cut.before);
        let call = Call::new().revoked_by(&compiled).now(at(9_000));
        let (call, expected) = match asker {
            Asker::Ended(which) => {
                let ended = which.get(&desired.ended_early);
                // The clocks may be 10 s apart.
                (call.tag(Some(ended.grant)).issued(ended.ended_at + SignedDuration::from_secs(10)), ExplicitDeny)
            }
            Asker::Adopted(which) => {
                let adopted: Vec<_> = desired.adopted.iter().collect();
                let (grant, found) = which.get(&adopted);
                (call.tag(Some(**grant)).issued(**found), ExplicitDeny)
            }
            Asker::Active(which, offset) => {
                let active: Vec<_> = desired.active.keys().collect();
                (call.tag(Some(**which.get(&active))).issued(at(offset)), Allowed)
            }
            Asker::Later(seconds) => {
                let issued = before.unwrap_or(at(0)) + SignedDuration::from_secs(seconds.into());
                (call.tag(Some(grant(1))).issued(issued), Allowed)
            }
            Asker::UntaggedBeforeCut => {
                let Some(before) = before else { continue };
                (call.tag(None).issued(before - SignedDuration::from_secs(1)), ExplicitDeny)
            }
        };
        cases.add(format!("random role {number} ({:?}), {asker:?}", compiled.mode), call, expected);
    }
    assert!(modes.contains(&Mode::Cut) && modes.len() > 1, "the random roles exercise too little: {modes:?}");
}

pub fn scopes(cases: &mut Cases, runner: &mut TestRunner, count: usize) {
    let action = || prop::sample::select(&ACTIONS[..]);
    let statements = prop::collection::vec((any::<bool>(), prop::collection::vec(action(), 1..4)), 1..5);
    let strategy = (statements, action(), -100..100_i64);
    for number in 0..count {
        let (pairs, action, offset) = strategy.new_tree(runner).unwrap().current();
        let mut statements = vec![statement("Allow", "cloudwatch:ListMetrics")];
        statements.extend(pairs.into_iter().map(|(allows, actions)| {
            let mut one = statement(if allows { "Allow" } else { "Deny" }, "*");
            one.action = actions.into_iter().map(str::to_owned).collect();
            one
        }));
        let says = |effect| statements.iter().any(|s| s.effect == effect && s.action.iter().any(|a| a == action));
        let expected = match (offset >= 0 || says(Effect::Deny), says(Effect::Allow)) {
            (true, _) => ExplicitDeny,
            (false, true) => Allowed,
            (false, false) => ImplicitDeny,
        };
        let fence = at(1_000);
        let policy = session_policy(&Scope { statements, managed: vec![] }, fence).unwrap();
        let call = Call::new().under(&policy, &[]).action(action).now(fence + SignedDuration::from_secs(offset));
        cases.add(format!("random scope {number}, {action} at {offset}"), call, expected);
    }
}
