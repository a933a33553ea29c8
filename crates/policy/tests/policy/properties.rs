//! What holds of any policies and any question.

use halligan_core::actor::Channel;
use halligan_policy::{Action, Context, IncidentIn, Known, PolicySet, Question, SignInMethod, Source};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::world::{Alice, groups, now, role};

const SCOPES: [&str; 4] = [
    "principal, action, resource",
    r#"principal in Halligan::Group::"oncall", action == Halligan::Action::"request", resource"#,
    r#"principal == Halligan::Person::"alice", action, resource == Halligan::Role::"prod-admin""#,
    r#"principal is Halligan::Person, action in [Halligan::Action::"acknowledge", Halligan::Action::"request"], resource"#,
];
/// The last three can't be evaluated on some occasions.
const CONDITIONS: [&str; 9] = [
    "true",
    "context.signed",
    "!context.signed",
    "context has mfaAgeSeconds && context.mfaAgeSeconds <= 900",
    r#"context has incident && context.incident has severity && context.incident.severity == "sev1""#,
    r#"context has signInMethod && context.signInMethod == "passkey""#,
    "context.reviewDebt * 9223372036854775807 > 0",
    "context has durationSeconds && context.durationSeconds + 9223372036854775807 > 0",
    r#"context.time.offset(duration("106751991167d")) > context.time"#,
];
const BREAKS: &str = "context.reviewDebt + 9223372036854775807 > 0";

fn written(effect: &str, scope: &str, condition: &str, n: usize) -> String {
    format!("@id(\"p-{n}\") @satisfiedBy(\"p-{n}\") {effect} ({scope}) when {{ {condition} }};\n")
}

fn load(texts: &[String]) -> PolicySet {
    let known = Known {
        persons: ["alice".parse().unwrap()].into(),
        groups: groups(&["oncall"]),
        roles: ["prod-admin".parse().unwrap()].into(),
        ..Known::default()
    };
    PolicySet::load(&[Source::new("p.cedar", texts.concat())], &known).unwrap_or_else(|errors| panic!("{}", errors[0]))
}

fn effect() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["permit", "permit", "forbid"])
}

fn policies() -> impl Strategy<Value = Vec<String>> {
    let one = (effect(), prop::sample::select(&SCOPES[..]), prop::sample::select(&CONDITIONS[..]));
    prop::collection::vec(one, 1..24)
        .prop_map(|all| all.into_iter().enumerate().map(|(n, (e, s, c))| written(e, s, c, n)).collect())
}

#[derive(Debug, Clone)]
struct Occasion {
    groups: Vec<&'static str>,
    action: Action,
    signed: bool,
    mfa: Option<i64>,
    severity: Option<&'static str>,
    passkey: bool,
    debt: u32,
    seconds: Option<i64>,
}

prop_compose! {
    fn occasion()(
        groups in prop::sample::subsequence(vec!["oncall", "leads"], 0..3),
        action in prop::sample::select(vec![Action::Request, Action::Acknowledge, Action::Mint]),
        signed: bool, mfa in prop::option::of(0..2000i64),
        severity in prop::option::of(prop::sample::select(vec!["sev1", "sev2"])),
        passkey: bool, debt in 0..4u32, seconds in prop::option::of(0..9000i64),
    ) -> Occasion {
        Occasion { groups, action, signed, mfa, severity, passkey, debt, seconds }
    }
}

fn ask<T>(occasion: &Occasion, answer: impl FnOnce(&Question<'_>) -> T) -> T {
    let (alice, role) = (Alice::in_groups(&occasion.groups), role());
    let provider = "pagerduty".parse().unwrap();
    let context = Context {
        signed: occasion.signed,
        mfa_age: occasion.mfa.map(SignedDuration::from_secs),
        incident: Some(IncidentIn { known: true, severity: occasion.severity, ..IncidentIn::unknown(&provider) }),
        sign_in_method: occasion.passkey.then_some(SignInMethod::Passkey),
        review_debt: occasion.debt,
        duration: occasion.seconds.map(SignedDuration::from_secs),
        ..Context::new(now(), Channel::Web)
    };
    answer(&Question { context, ..alice.asks(occasion.action, &role) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn one_policy_more_only_does_what_its_effect_says(
        before in policies(), effect in effect(), scope in prop::sample::select(&SCOPES[..]),
        condition in prop::sample::select(&CONDITIONS[..]), occasions in prop::collection::vec(occasion(), 8),
    ) {
        let added = written(effect, scope, condition, before.len());
        let (old, new) = (load(&before), load(&[before, vec![added]].concat()));
        for occasion in occasions {
            let (was, is) = ask(&occasion, |question| (old.decide(question), new.decide(question)));
            if effect == "forbid" {
                prop_assert!(was.allow || !is.allow, "a forbid permitted: {:?}", is);
            } else {
                prop_assert!(is.allow || !was.allow, "a permit refused: {:?}", is);
            }
        }
    }

    #[test]
    fn nothing_is_permitted_by_what_cannot_be_evaluated(
        before in policies(), effect in effect(), occasions in prop::collection::vec(occasion(), 8),
    ) {
        let broken = written(effect, SCOPES[0], BREAKS, before.len());
        let (old, new) = (load(&before), load(&[before, vec![broken]].concat()));
        for occasion in occasions {
            let occasion = Occasion { debt: occasion.debt.max(1), ..occasion };
            let (was, is) = ask(&occasion, |question| (old.decide(question), new.decide(question)));
            prop_assert_eq!(is.allow, was.allow && effect == "permit");
            prop_assert_eq!(is.errors.len(), was.errors.len() + 1);
        }
    }

    /// An answer can be acted on: a refusal says what is missing, a permission who gave it,
    /// and whatever is offered as a remedy is enough if it says so.
    #[test]
    fn an_answer_says_why(all in policies(), occasions in prop::collection::vec(occasion(), 2)) {
        let policies = load(&all);
        for occasion in occasions {
            let decision = ask(&occasion, |question| policies.decide(question));
            prop_assert_eq!(decision.allow, decision.unmet.is_empty());
            prop_assert!(!decision.allow || !decision.rules.is_empty());
            prop_assert!(decision.permitted || !decision.allow && !decision.can_be_healed);
            prop_assert!(!decision.can_be_healed || !decision.obligations.is_empty());
            let forbidden = ask(&occasion, |question| {
                let reports = policies.explain(question, &Default::default()).rules;
                reports.iter().filter(|rule| decision.rules.contains(&rule.id)).count()
            });
            prop_assert_eq!(forbidden, decision.rules.len(), "explained and decided by the same");
        }
    }
}
