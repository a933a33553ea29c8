//! Somebody whose groups are not known: that never passes for an answer.

use halligan_core::actor::Channel;
use halligan_policy::{Action, Context, Decision, Known, Obligation, PersonIn, PolicySet, Question, Source};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::world::{Alice, groups, now, role};

const DEFAULT: &str = halligan_policy::DEFAULT;

fn with(text: &str) -> PolicySet {
    let known = Known { groups: groups(&["platform", "contractors", "leads", "oncall"]), ..Known::default() };
    let sources = [Source::new("default.cedar", DEFAULT), Source::new("ours.cedar", text)];
    PolicySet::load(&sources, &known).unwrap_or_else(|errors| panic!("{}", errors[0]))
}

fn told(decision: &Decision) -> String {
    format!("{}\n{}", decision.rules.join(", "), decision.unmet.join("\n"))
}

const NOT_THEY: &str = r#"@id("no-contractors") @satisfiedBy("let somebody of ours ask")
    forbid (principal in Halligan::Group::"contractors", action == Halligan::Action::"request", resource)
    unless { context.signed };"#;

#[test]
fn a_forbid_by_a_group_refuses_whoever_may_be_in_it() {
    let (policies, role) = (with(NOT_THEY), role());
    let decide = |alice: &Alice| alice.decide(&policies, Action::Request, &role);
    assert!(decide(&Alice::in_groups(&["oncall"])).allow);
    let unknown = Alice::in_groups(&["oncall"]).maybe_in(&["contractors", "leads"]);
    let decision = decide(&unknown);
    assert!(!decision.allow && decision.permitted && !decision.can_be_healed);
    assert_snapshot!(told(&decision), @r"
    no-contractors
    sign in again, so that your groups are known: `contractors` may be one of them
    ");
    assert_eq!(decision.errors, Vec::<String>::new());
    // Who is known to be in it is told what they always were.
    let member = Alice::in_groups(&["oncall", "contractors"]).maybe_in(&["contractors", "leads"]);
    assert_eq!(decide(&member).unmet, ["let somebody of ours ask"]);
    // What else the forbid asks for still counts, and other actions are none of its business.
    let signed = Context { signed: true, ..Context::new(now(), Channel::Api) };
    assert!(policies.decide(&Question { context: signed, ..unknown.asks(Action::Request, &role) }).allow);
    assert!(unknown.decide(&policies, Action::Mint, &role).allow);
}

#[test]
fn explain_says_whose_groups_are_not_known() {
    let (policies, role) = (with(NOT_THEY), role());
    let unknown = Alice::in_groups(&["oncall"]).maybe_in(&["contractors"]);
    let explained = policies.explain(&unknown.asks(Action::Request, &role), &Default::default());
    assert_snapshot!(explained.to_string(), @"
    alice may not request on prod-admin

      `requesters-may-ask` permits it
        because principal in resource.requesters

      `no-contractors` refuses it
        because nobody knows whether `alice` is in the group `contractors`
        satisfied by: sign in again, so that your groups are known: `contractors` may be one of them

      asked and not in the way: incident-must-be-known

    What would permit it, each alone:
      - no membership of the group `contractors`
      - a signature with a passkey
    ");
}

#[test]
fn it_is_the_same_for_everybody_whom_the_question_is_about() {
    let policies = with(
        r#"@id("two-teams") @satisfiedBy("let another team acknowledge")
        forbid (principal in Halligan::Group::"platform", action == Halligan::Action::"acknowledge", resource)
        when { context has requester && context.requester has person &&
               context.requester.person in Halligan::Group::"platform" };"#,
    );
    let (lead, role) = (Alice::in_groups(&["leads", "platform"]), role());
    let (bob, none, platform) = ("bob".parse().unwrap(), groups(&[]), groups(&["platform"]));
    let asked_by = |possible| {
        let requester = PersonIn { possible, ..PersonIn::new(&bob, &none) };
        let context =
            Context { requester: Some(halligan_policy::Who::Person(requester)), ..Context::new(now(), Channel::Api) };
        policies.decide(&Question { context, ..lead.asks(Action::Acknowledge, &role) })
    };
    assert!(asked_by(&none).allow);
    assert_snapshot!(told(&asked_by(&platform)), @"
    two-teams
    let `bob` sign in again, so that their groups are known: `platform` may be one of them
    ");
}

/// The catalogue's lists name groups too: membership of one of them may be what a forbid is about.
#[test]
fn a_forbid_by_a_list_refuses_whoever_may_be_on_it() {
    let policies = with(
        r#"@id("no-acknowledgers") @satisfiedBy("let somebody ask who doesn't acknowledge")
        forbid (principal, action == Halligan::Action::"request", resource)
        when { principal in resource.acknowledgers };"#,
    );
    let role = role();
    let decide = |alice: &Alice| alice.decide(&policies, Action::Request, &role);
    assert!(decide(&Alice::in_groups(&["oncall"]).maybe_in(&["platform", "contractors"])).allow);
    let decision = decide(&Alice::in_groups(&["oncall"]).maybe_in(&["leads"]));
    assert_eq!(decision.rules, ["no-acknowledgers"]);
}

#[test]
fn a_permit_that_asks_for_no_membership_permits_nobody_who_may_have_it() {
    let policies = with(
        r#"@id("insiders") @satisfiedBy("be no contractor")
        permit (principal, action == Halligan::Action::"revoke", resource)
        unless { principal in Halligan::Group::"contractors" };"#,
    );
    let role = role();
    assert!(Alice::in_groups(&[]).decide(&policies, Action::Revoke, &role).allow);
    let decision = Alice::in_groups(&[]).maybe_in(&["contractors"]).decide(&policies, Action::Revoke, &role);
    assert!(!decision.allow && !decision.permitted);
    assert_snapshot!(told(&decision), @"
    revokers-may-revoke, insiders
    be a member of one of: security (roles.prod-admin.revokers)
    be no contractor
    sign in again, so that your groups are known: `contractors` may be one of them
    ");
    // Others permit as they did: those that ask for a membership take none amiss.
    let revoker = Alice::in_groups(&["security"]).maybe_in(&["contractors"]);
    assert!(revoker.decide(&policies, Action::Revoke, &role).allow);
}

#[test]
fn the_built_in_policies_take_no_possible_group_amiss_and_none_for_granted() {
    let (policies, role) = (PolicySet::defaults(), role());
    let all = ["oncall", "platform", "leads", "security"];
    for action in [Action::Request, Action::StartEmergency, Action::Acknowledge, Action::Revoke, Action::Read] {
        assert!(!Alice::in_groups(&[]).maybe_in(&all).decide(&policies, action, &role).allow, "{action}");
        for group in all {
            let known = Alice::in_groups(&[group]).decide(&policies, action, &role);
            let beside = Alice::in_groups(&[group]).maybe_in(&all).decide(&policies, action, &role);
            assert_eq!((known.allow, known.rules), (beside.allow, beside.rules), "{action} by {group}");
        }
    }
}

#[test]
fn a_remedy_is_none_where_groups_are_not_known() {
    let policies = with(
        r#"@id("fresh") @satisfiedBy("prove who you are") @obliges("stepUp")
        forbid (principal in Halligan::Group::"contractors", action == Halligan::Action::"request", resource)
        unless { context has mfaAgeSeconds };"#,
    );
    let (unknown, member) =
        (Alice::in_groups(&["oncall"]).maybe_in(&["contractors"]), Alice::in_groups(&["oncall", "contractors"]));
    let decide = |alice: &Alice| alice.decide(&policies, Action::Request, &role());
    let found = |decision: Decision| (decision.obligations, decision.can_be_healed);
    assert_eq!(found(decide(&member)), (vec![Obligation::StepUp], true));
    assert_eq!(found(decide(&unknown)), (vec![], false));
}

const GROUPS: [&str; 3] = ["oncall", "contractors", "leads"];
const CONDITIONS: [&str; 7] = [
    r#"principal in Halligan::Group::"oncall""#,
    r#"!(principal in Halligan::Group::"contractors")"#,
    r#"principal in Halligan::Group::"oncall" && !(principal in Halligan::Group::"leads")"#,
    "principal in resource.acknowledgers",
    "!(principal in resource.requesters)",
    r#"(principal in [Halligan::Group::"leads", Halligan::Group::"contractors"]) == context.signed"#,
    r#"if principal in Halligan::Group::"leads" then context.signed else principal in resource.requesters"#,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What is permitted is so however it really is.
    #[test]
    fn nothing_is_permitted_that_some_truth_would_refuse(
        all in prop::collection::vec((prop::sample::select(vec!["permit", "forbid"]), 0..CONDITIONS.len()), 1..8),
        known in prop::sample::subsequence(GROUPS.to_vec(), 0..3),
        possible in prop::sample::subsequence(GROUPS.to_vec(), 0..=3),
        signed: bool,
    ) {
        let policy = |(n, (effect, condition)): (usize, &(&str, usize))| format!(
            "@id(\"p-{n}\") @satisfiedBy(\"p-{n}\") {effect} (principal, action, resource is Halligan::Role) when {{ {} }};\n",
            CONDITIONS[*condition]
        );
        let text: String = all.iter().enumerate().map(policy).collect();
        let known_names = Known { groups: groups(&GROUPS), ..Known::default() };
        let policies = PolicySet::load(&[Source::new("p.cedar", text)], &known_names).unwrap_or_else(|errors| panic!("{}", errors[0]));
        let role = role();
        let decide = |alice: &Alice| {
            let context = Context { signed, ..Context::new(now(), Channel::Api) };
            policies.decide(&Question { context, ..alice.asks(Action::Request, &role) })
        };
        let decision = decide(&Alice::in_groups(&known).maybe_in(&possible));
        let mut refused = false;
        for bits in 0..1_usize << possible.len() {
            let also = possible.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0).map(|(_, group)| *group);
            let really = decide(&Alice::in_groups(&known.iter().copied().chain(also).collect::<Vec<_>>()));
            prop_assert!(really.allow || !decision.allow, "{bits}: {:?}", really);
            refused |= !really.allow;
        }
        prop_assert!(refused || decision.allow || decision.unmet.iter().any(|text| text.contains("sign in again")));
    }
}
