//! What a change of policies changes, as a reviewer reads it.

use std::collections::BTreeSet;

use halligan_policy::diff::{Diff, diff};
use halligan_policy::testing::TestFile;
use halligan_policy::{DEFAULT, Occasion, PolicySet, Source, World};
use insta::assert_snapshot;

const WORLD: &str = r#"{
  "people": {
    "alice": {"groups": ["oncall"]}, "bob": {"groups": ["leads"]}, "carol": {"groups": ["leads"]}
  },
  "machines": {"deploys": {"groups": ["oncall"], "onBehalfOf": "alice"}},
  "roles": {
    "prod-admin": {"requesters": ["oncall"], "acknowledgers": ["leads"]},
    "staging": {"requesters": ["oncall"], "acknowledgers": ["leads"]}
  },
  "tests": []
}"#;

fn world() -> World {
    TestFile::parse(&Source::new("world.json", WORLD)).unwrap().world()
}

fn load(text: &str) -> PolicySet {
    let sources = [Source::new("default.cedar", DEFAULT), Source::new("ours.cedar", text)];
    PolicySet::load(&sources, &world().known()).unwrap_or_else(|errors| panic!("{}", errors[0]))
}

fn compared(old: &str, new: &str) -> Diff {
    let severities: BTreeSet<String> = ["sev1", "sev3"].map(str::to_owned).into();
    diff(&load(old), &load(new), &world(), &severities, &Occasion::default())
}

const SIGNED: &str = r#"@id("signed") @satisfiedBy("sign it") @obliges("sign")
    forbid (principal, action == Halligan::Action::"acknowledge", resource == Halligan::Role::"prod-admin")
    unless { context.signed };"#;
const SEVERE: &str = r#"@id("severe") @satisfiedBy("name a severe incident")
    forbid (principal, action in [Halligan::Action::"request", Halligan::Action::"acknowledge"], resource)
    unless { context has incident && context.incident has severity && ["sev1", "sev2"].contains(context.incident.severity) };"#;
const BOB: &str = r#"@id("bob-may-read-all") permit (principal == Halligan::Person::"bob", action == Halligan::Action::"read", resource);"#;
const SHORT: &str = r#"@id("short") @satisfiedBy("ask for less")
    forbid (principal is Halligan::Person, action == Halligan::Action::"request", resource)
    when { context has durationSeconds && context.durationSeconds > 1800 };"#;

#[test]
fn nothing() {
    assert_snapshot!(compared(SIGNED, SIGNED), @r#"no answer differs (300 questions asked)"#);
}

#[test]
fn a_signature_demanded_for_one_role() {
    assert_snapshot!(compared("", SIGNED), @r#"
    added: signed
    - may no longer acknowledge on prod-admin: bob, carol
        when incident.known is true; signed is false
        before: acknowledgers-may-answer; now: signed
    (300 questions asked)
    "#);
}

#[test]
fn and_demanded_no_longer() {
    assert_snapshot!(compared(SIGNED, ""), @r#"
    removed: signed
    + now may acknowledge on prod-admin: bob, carol
        when incident.known is true; signed is false
        before: signed; now: acknowledgers-may-answer
    (300 questions asked)
    "#);
}

#[test]
fn one_limit_for_another() {
    assert_snapshot!(compared(SEVERE, &format!("{SIGNED}{SHORT}")), @r#"
    added: short, signed
    removed: severe
    + now may request on prod-admin, staging: alice
        when incident.severity is sev3 or missing; incident.known is true; durationSeconds is 1800
        before: severe; now: requesters-may-ask
    + now may request on prod-admin, staging: deploys
        when incident.severity is sev3 or missing; incident.known is true
        before: severe; now: requesters-may-ask
    + now may acknowledge on prod-admin: bob, carol
        when incident.severity is sev3 or missing; incident.known is true; signed is true
        before: severe; now: acknowledgers-may-answer
    + now may acknowledge on staging: bob, carol
        when incident.severity is sev3 or missing; incident.known is true
        before: severe; now: acknowledgers-may-answer
    - may no longer request on prod-admin, staging: alice
        when incident.severity is sev1 or sev2; incident.known is true; durationSeconds is 1801
        before: requesters-may-ask; now: short
    - may no longer acknowledge on prod-admin: bob, carol
        when incident.severity is sev1 or sev2; incident.known is true; signed is false
        before: acknowledgers-may-answer; now: signed
    (2400 questions asked)
    "#);
}

#[test]
fn a_permit_for_one_person() {
    assert_snapshot!(compared("", BOB), @r#"
    added: bob-may-read-all
    + now may read on log: bob
        before: log-readers-may-read; now: bob-may-read-all
    (368 questions asked)
    "#);
}

#[test]
fn as_json() {
    let diff = compared("", BOB);
    assert_snapshot!(serde_json::to_string(&diff.differences[0]).unwrap(), @r#"{"allowed_now":true,"action":"read","who":["bob"],"targets":["log"],"when":[],"before":["log-readers-may-read"],"now":["bob-may-read-all"]}"#);
}

/// Whoever folds answers into lines must lose none: each line is asked again, cell by cell.
#[test]
fn the_lines_say_exactly_what_differs() {
    let (old, new) = (load(SEVERE), load(&format!("{SIGNED}{SHORT}{BOB}")));
    let world = world();
    let diff = compared(SEVERE, &format!("{SIGNED}{SHORT}{BOB}"));
    let mut differing = 0;
    for (severity, signed, seconds) in
        [("sev1", true, 1800), ("sev1", false, 1801), ("sev2", true, 1801), ("sev3", false, 1800), ("sev3", true, 1801)]
    {
        let occasion = Occasion {
            signed,
            duration_seconds: Some(seconds),
            incident: Some(halligan_policy::Incident { severity: Some(severity.to_owned()), ..Default::default() }),
            ..Occasion::default()
        };
        for who in ["alice", "bob", "carol", "deploys"] {
            for target in ["prod-admin", "staging"] {
                for action in [
                    halligan_policy::Action::Request,
                    halligan_policy::Action::Acknowledge,
                    halligan_policy::Action::Read,
                ] {
                    let question = world.question(who, action, target, &occasion).unwrap();
                    let (before, now) = (old.decide(&question).allow, new.decide(&question).allow);
                    let holds = |attribute: &str, values: &[String]| match attribute {
                        "incident.severity" => values.iter().any(|value| value == severity),
                        "signed" => values.contains(&signed.to_string()),
                        "durationSeconds" => values.contains(&seconds.to_string()),
                        "incident.known" => values.contains(&"true".to_owned()),
                        _ => true,
                    };
                    let lines = diff.differences.iter().filter(|line| {
                        line.action == action
                            && line.who.iter().any(|name| name == who)
                            && line.targets.iter().any(|name| name == target)
                            && line.when.iter().all(|when| holds(&when.attribute, &when.values))
                    });
                    let lines: Vec<bool> = lines.map(|line| line.allowed_now).collect();
                    let at = format!("{who} {action} {target} {severity} {signed} {seconds}: {lines:?}");
                    assert_eq!(!lines.is_empty(), before != now, "{at}");
                    assert!(lines.iter().all(|allowed| *allowed == now), "{at}");
                    differing += usize::from(before != now);
                }
            }
        }
    }
    assert!(differing > 10, "{differing}");
}
