//! What can't be evaluated, and what policies can't do however they are written.

use halligan_core::actor::Channel;
use halligan_policy::{Action, Context, DEFAULT, Decision, Known, Obligation, PolicySet, Question, Source};
use insta::assert_snapshot;
use jiff::SignedDuration;

use crate::world::{Alice, Pipeline, now, role};

/// The defaults and these.
pub fn with(text: &str) -> PolicySet {
    let sources = [Source::new("default.cedar", DEFAULT), Source::new("ours.cedar", text)];
    PolicySet::load(&sources, &Known::default()).unwrap_or_else(|errors| panic!("{}", errors[0]))
}

fn oncall_requests(policies: &PolicySet, seconds: i64) -> Decision {
    let (alice, role) = (Alice::in_groups(&["oncall"]), role());
    let context = Context { duration: Some(SignedDuration::from_secs(seconds)), ..Context::new(now(), Channel::Api) };
    policies.decide(&Question { context, ..alice.asks(Action::Request, &role) })
}

/// Strict validation doesn't see that a number grows too large.
const TOO_LARGE: &str = "context has durationSeconds && context.durationSeconds * 9223372036854775807 > 0";

#[test]
fn a_permit_that_cannot_be_evaluated_permits_nothing() {
    let policies = with(
        r#"@id("broken") permit (principal, action == Halligan::Action::"revoke", resource)
        when { context.reviewDebt * 9223372036854775807 >= 0 };"#,
    );
    let (alice, role) = (Alice::in_groups(&[]), role());
    let mut question = alice.asks(Action::Revoke, &role);
    assert!(policies.decide(&question).allow, "it can be evaluated: 0 * anything is 0");
    question.context.review_debt = 2;
    let decision = policies.decide(&question);
    assert!(!decision.allow, "{decision:?}");
    assert_snapshot!(decision.errors.join("\n"), @r#"policy `broken` could not be evaluated: integer overflow while attempting to multiply the values `2` and `9223372036854775807`"#);
    // Others permit as they did, and the alarm is there all the same.
    let revoker = Alice::in_groups(&["security"]);
    let decision = policies.decide(&Question { principal: revoker.who(), ..question });
    assert!(decision.allow && decision.errors.len() == 1, "{decision:?}");
}

#[test]
fn a_forbid_that_cannot_be_evaluated_refuses() {
    let policies = with(&format!(
        r#"@id("broken") @satisfiedBy("ask for less") forbid (principal, action == Halligan::Action::"request", resource) when {{ {TOO_LARGE} }};"#
    ));
    assert!(oncall_requests(&policies, 0).allow, "it can be evaluated: 0 times anything is 0");
    let decision = oncall_requests(&policies, 2);
    assert!(!decision.allow && !decision.can_be_healed, "{decision:?}");
    assert_eq!(decision.rules, ["broken"]);
    assert_eq!(decision.unmet, ["ask for less"]);
    assert_snapshot!(decision.errors.join("\n"), @r#"policy `broken` could not be evaluated: integer overflow while attempting to multiply the values `2` and `9223372036854775807`"#);
}

#[test]
fn a_question_that_the_schema_has_no_place_for_is_refused() {
    let decision = Alice::in_groups(&["oncall"]).decide(&PolicySet::defaults(), Action::SignIn, &role());
    assert!(!decision.allow);
    assert_snapshot!(decision.errors.join("\n"), @r#"the question doesn't fit the schema: resource type `Halligan::Role` is not valid for `Halligan::Action::"signIn"`"#);
}

/// A limit is a forbid: a permit beside it can't lift it, however much it permits.
#[test]
fn a_permit_cannot_grant_more_than_a_limit() {
    let limit = r#"@id("an-hour-at-most") @satisfiedBy("ask for an hour at most")
        forbid (principal, action in [Halligan::Action::"request", Halligan::Action::"extend"], resource)
        unless { context has durationSeconds && context.durationSeconds <= 3600 };"#;
    let more = r#"@id("eight-hours") permit (principal, action, resource) when { context has durationSeconds && context.durationSeconds <= 28800 };"#;
    for text in [limit.to_owned(), format!("{limit}\n{more}"), format!("{more}\n{limit}")] {
        let policies = with(&text);
        assert!(oncall_requests(&policies, 3600).allow);
        let decision = oncall_requests(&policies, 3601);
        assert!(!decision.allow);
        assert_eq!(
            (decision.rules, decision.unmet),
            (vec!["an-hour-at-most".into()], vec!["ask for an hour at most".into()])
        );
    }
}

/// The policies alone would let alice answer her own request. That the acknowledger is
/// another person is checked by the lifecycle, whatever they say: there it is tested.
#[test]
fn a_policy_may_say_yes_to_somebody_for_their_own_request() {
    let policies = with(r#"@id("anything") permit (principal, action, resource);"#);
    let (alice, role) = (Alice::in_groups(&[]), role());
    let mut question = alice.asks(Action::Acknowledge, &role);
    question.context.requester = Some(alice.who());
    assert!(policies.decide(&question).allow);
    // And the deployment can say so itself, to be told earlier.
    let policies = with(
        r#"@id("anything") permit (principal, action, resource);
        @id("another") @satisfiedBy("let another person answer")
        forbid (principal, action == Halligan::Action::"acknowledge", resource)
        when { context has requester && context.requester has person && context.requester.person == principal };"#,
    );
    assert_eq!(policies.decide(&question).unmet, ["let another person answer"]);
}

#[test]
fn nothing_lets_a_machine_acknowledge() {
    let policies = with(r#"@id("anything") permit (principal, action, resource);"#);
    let machine = Pipeline::in_groups(&["leads"]);
    for action in Action::ALL {
        let decision = machine.decide(&policies, action, &role());
        assert_eq!(decision.allow, matches!(action, Action::Request | Action::Mint | Action::Read), "{action}");
    }
    let refused = machine.decide(&policies, Action::Acknowledge, &role());
    assert_eq!(refused.unmet, ["let a person do it: no machine may acknowledge"]);
}

/// What a page may offer: only if nothing else stands in the way.
#[test]
fn a_refusal_says_whether_its_remedies_are_enough() {
    let policies = with(
        r#"@id("fresh") @satisfiedBy("prove who you are") @obliges("stepUp")
        forbid (principal, action == Halligan::Action::"acknowledge", resource)
        unless { context has mfaAgeSeconds && context.mfaAgeSeconds <= 900 };
        @id("signed") @satisfiedBy("sign it") @obliges("sign")
        forbid (principal, action == Halligan::Action::"acknowledge", resource) unless { context.signed };
        @id("no-debt") @satisfiedBy("close your reviews")
        forbid (principal, action == Halligan::Action::"acknowledge", resource) when { context.reviewDebt > 3 };"#,
    );
    let (lead, stranger, role) = (Alice::in_groups(&["leads"]), Alice::in_groups(&[]), role());
    let ask = |alice: &Alice, signed, age: Option<f64>, review_debt| {
        let mfa_age = age.map(SignedDuration::from_secs_f64);
        let context = Context { signed, mfa_age, review_debt, ..Context::new(now(), Channel::Web) };
        policies.decide(&Question { principal: alice.who(), context, ..lead.asks(Action::Acknowledge, &role) })
    };
    assert!(ask(&lead, true, Some(900.0), 3).allow);
    let told = |decision: Decision| (decision.obligations, decision.can_be_healed, decision.unmet.len());
    use Obligation::{Sign, StepUp};
    assert_eq!(told(ask(&lead, true, Some(900.2), 0)), (vec![StepUp], true, 1), "a limit of 900 is not kept by 900.2");
    assert_eq!(told(ask(&lead, false, Some(1.0), 0)), (vec![Sign], true, 1));
    assert_eq!(told(ask(&lead, false, None, 0)), (vec![StepUp, Sign], true, 2));
    assert_eq!(told(ask(&lead, false, None, 4)), (vec![StepUp, Sign], false, 3));
    assert_eq!(told(ask(&stranger, false, None, 0)), (vec![StepUp, Sign], false, 3));
    assert_eq!(told(ask(&stranger, true, Some(1.0), 0)), (vec![], false, 1));
}
