//! Explanations, as people read them.

use std::collections::BTreeSet;
use std::path::Path;

use halligan_policy::explain::{Alternatives, Explanation};
use halligan_policy::{Action, Context, DEFAULT, IncidentIn, Known, PolicySet, Question, Source};
use insta::assert_snapshot;
use jiff::SignedDuration;

use crate::bad_days::with;
use crate::world::{Alice, Pipeline, groups, now, role};

fn example(name: &str) -> Source {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/examples").join(name);
    Source::new(name, std::fs::read_to_string(path).unwrap())
}

fn with_examples(names: &[&str]) -> PolicySet {
    let sources: Vec<Source> =
        [Source::new("default.cedar", DEFAULT)].into_iter().chain(names.iter().map(|name| example(name))).collect();
    let known = Known {
        roles: BTreeSet::from(["prod-admin".parse().unwrap()]),
        groups: groups(&["platform"]),
        ..Known::default()
    };
    PolicySet::load(&sources, &known).unwrap()
}

fn alternatives() -> Alternatives {
    Alternatives {
        groups: groups(&["oncall", "platform", "leads", "security"]),
        severities: ["sev3".to_owned(), "sev4".to_owned()].into(),
    }
}

fn explain(policies: &PolicySet, question: &Question<'_>) -> Explanation {
    policies.explain(question, &alternatives())
}

#[test]
fn a_refusal_by_the_lists() {
    let (alice, role) = (Alice::in_groups(&["leads"]), role());
    assert_snapshot!(explain(&PolicySet::defaults(), &alice.asks(Action::Request, &role)), @r#"
    alice may not request on prod-admin

      `requesters-may-ask` does not permit it
        because not: principal in resource.requesters
        satisfied by: be a member of one of: oncall, platform (roles.prod-admin.requesters)

      asked and not in the way: incident-must-be-known

    What would permit it, each alone:
      - membership of the group `oncall`
      - membership of the group `platform`
    "#);
}

#[test]
fn a_permission() {
    let (alice, role) = (Alice::in_groups(&["oncall"]), role());
    assert_snapshot!(explain(&PolicySet::defaults(), &alice.asks(Action::Request, &role)), @r#"
    alice may request on prod-admin

      `requesters-may-ask` permits it
        because principal in resource.requesters

      asked and not in the way: incident-must-be-known

    What would refuse it, each alone:
      - no membership of the group `oncall`
    "#);
}

#[test]
fn a_signature_that_is_missing() {
    let (alice, role) = (Alice::in_groups(&["leads"]), role());
    let policies = with_examples(&["signed-acknowledgement.cedar"]);
    assert_snapshot!(explain(&policies, &alice.asks(Action::Acknowledge, &role)), @r#"
    alice may not acknowledge on prod-admin

      `acknowledgers-may-answer` permits it
        because principal in resource.acknowledgers

      `prod-admin-acknowledged-by-passkey` refuses it
        because resource == Halligan::Role::"prod-admin"
        because not: context.signed
        satisfied by: sign the acknowledgement with a passkey

      asked and not in the way: incident-must-be-known

    What would permit it, each alone:
      - a signature with a passkey
    "#);
}

#[test]
fn several_that_only_help_together() {
    let (alice, role) = (Alice::in_groups(&[]), role());
    let policies = with_examples(&["signed-acknowledgement.cedar", "recent-mfa.cedar", "severe-incidents-only.cedar"]);
    assert_snapshot!(explain(&policies, &alice.asks(Action::Acknowledge, &role)), @r#"
    alice may not acknowledge on prod-admin

      `acknowledgers-may-answer` does not permit it
        because not: principal in resource.acknowledgers
        satisfied by: be a member of one of: leads (roles.prod-admin.acknowledgers)

      `prod-admin-acknowledged-by-passkey` refuses it
        because resource == Halligan::Role::"prod-admin"
        because not: context.signed
        satisfied by: sign the acknowledgement with a passkey

      `mfa-within-15-minutes` refuses it
        because principal is Halligan::Person
        because not: context has mfaAgeSeconds
        satisfied by: prove again who you are, with a second factor: the last time must not be more than 15 minutes ago

      `prod-admin-for-severe-incidents` refuses it
        because resource == Halligan::Role::"prod-admin"
        because not: context has incident
        satisfied by: name an incident of severity sev1 or sev2

      asked and not in the way: incident-must-be-known

    What would permit it, all together:
      - membership of the group `leads`
      - a signature with a passkey
      - a second factor at most 900 s ago
      - an incident of severity `sev1`
    "#);
}

#[test]
fn a_length_and_an_hour() {
    let (alice, role) = (Alice::in_groups(&["oncall"]), role());
    let policies = with_examples(&["short-at-night.cedar"]);
    let context =
        Context { duration: Some(SignedDuration::from_hours(2)), ..alice.asks(Action::Request, &role).context };
    let question = Question { context, ..alice.asks(Action::Request, &role) };
    assert_snapshot!(explain(&policies, &question), @r#"
    alice may not request on prod-admin

      `requesters-may-ask` permits it
        because principal in resource.requesters

      `an-hour-at-night` refuses it
        because (context.time.toTime() >= duration("22h")) || (context.time.toTime() < duration("6h"))
        because not: context.durationSeconds <= 3600
        satisfied by: between 22:00 and 06:00 UTC, ask for an hour at most

      asked and not in the way: incident-must-be-known

    What would permit it, each alone:
      - a duration of at most 3600 s
      - the time 2026-03-04T06:00:00Z
    "#);
}

#[test]
fn somebody_else() {
    let (alice, role) = (Alice::in_groups(&["leads"]), role());
    let policies = with_examples(&["not-the-incidents-creator.cedar"]);
    let provider = "pagerduty".parse().unwrap();
    let incident = IncidentIn { known: true, creator: Some(alice.person()), ..IncidentIn::unknown(&provider) };
    let asks = alice.asks(Action::Acknowledge, &role);
    let question = Question { context: Context { incident: Some(incident), ..asks.context }, ..asks };
    assert_snapshot!(explain(&policies, &question), @r#"
    alice may not acknowledge on prod-admin

      `acknowledgers-may-answer` permits it
        because principal in resource.acknowledgers

      `not-the-incidents-creator` refuses it
        because not: context.incident.creator != principal
        satisfied by: let somebody acknowledge who didn't open the incident

      asked and not in the way: incident-must-be-known

    What would permit it, each alone:
      - another person, in the same groups
    "#);
}

#[test]
fn a_policy_that_cannot_be_evaluated() {
    let policies = with(
        r#"@id("broken") @satisfiedBy("owe less") forbid (principal, action == Halligan::Action::"request", resource)
        when { context.reviewDebt * 9223372036854775807 > 0 };"#,
    );
    let (alice, role) = (Alice::in_groups(&["oncall"]), role());
    let asks = alice.asks(Action::Request, &role);
    let question = Question { context: Context { review_debt: 3, ..asks.context }, ..asks };
    assert_snapshot!(explain(&policies, &question), @r#"
    alice may not request on prod-admin

      `requesters-may-ask` permits it
        because principal in resource.requesters

      `broken` can't be evaluated, so it counts against
        satisfied by: owe less

      policy `broken` could not be evaluated: integer overflow while attempting to multiply the values `3` and `9223372036854775807`

      asked and not in the way: incident-must-be-known

    What would permit it, each alone:
      - at most 0 overdue reviews
    "#);
}

#[test]
fn what_no_change_turns() {
    let role = role();
    let machine = Pipeline::in_groups(&["leads"]);
    let alice = Alice::in_groups(&["leads"]);
    let question = Question { principal: machine.who(), ..alice.asks(Action::Acknowledge, &role) };
    assert_snapshot!(explain(&PolicySet::defaults(), &question), @r#"
    deploys may not acknowledge on prod-admin

      let a person do it: no machine may acknowledge

    Nothing that was tried would permit it.
    "#);
}

/// What machines read of it.
#[test]
fn as_json() {
    let (alice, role) = (Alice::in_groups(&[]), role());
    let policies = with_examples(&["recent-mfa.cedar"]);
    let mut question = alice.asks(Action::Request, &role);
    question.context =
        Context { mfa_age: Some(SignedDuration::from_mins(20)), ..Context::new(now(), question.context.channel) };
    let explanation = explain(&policies, &question);
    assert_snapshot!(serde_json::to_string_pretty(&explanation).unwrap(), @r#"
    {
      "who": "alice",
      "action": "request",
      "target": "prod-admin",
      "decision": {
        "allow": false,
        "permitted": false,
        "rules": [
          "mfa-within-15-minutes"
        ],
        "unmet": [
          "prove again who you are, with a second factor: the last time must not be more than 15 minutes ago",
          "be a member of one of: oncall, platform (roles.prod-admin.requesters)"
        ],
        "obligations": [
          "stepUp"
        ],
        "can_be_healed": false,
        "errors": []
      },
      "rules": [
        {
          "id": "requesters-may-ask",
          "verdict": "doesNotPermit",
          "why": [
            "not: principal in resource.requesters"
          ],
          "satisfied_by": "be a member of one of: oncall, platform (roles.prod-admin.requesters)"
        },
        {
          "id": "mfa-within-15-minutes",
          "verdict": "refuses",
          "why": [
            "principal is Halligan::Person",
            "not: context.mfaAgeSeconds <= 900"
          ],
          "satisfied_by": "prove again who you are, with a second factor: the last time must not be more than 15 minutes ago"
        }
      ],
      "passed": [
        "incident-must-be-known"
      ],
      "alone": [],
      "together": [
        {
          "change": "join",
          "group": "oncall"
        },
        {
          "change": "mfaAge",
          "seconds": 900,
          "bound": "atMost"
        }
      ]
    }
    "#);
}
