//! Policies as their authors look at them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use halligan_core::actor::{Freshness, Human, Party, Shown};
use halligan_core::incident::{IncidentRef, OpenIncident};
use halligan_engine::access::{Asker, Matter};
use halligan_engine::fakes::world::FakeWorld;
use halligan_policy::Action;
use jiff::SignedDuration;
use tempfile::TempDir;

use super::check::Detail;
use super::{check, diff, explain};
use crate::cli::{Context, Global};
use crate::client::token::tests::Still;
use crate::config::Config;
use crate::config::tests::SOUND;

pub fn parsed<A: clap::Args>(line: &[&str]) -> A {
    #[derive(Parser)]
    struct Line<A: clap::Args> {
        #[command(flatten)]
        args: A,
    }
    Line::<A>::parse_from([&["command"], line].concat()).args
}

fn context() -> Context {
    let mut context = Context::of_process(Global { profile: None, json: false });
    context.clock = Arc::new(Still("2026-03-02T10:00:00Z".parse().unwrap()));
    context
}

/// A directory with a configuration and policies.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("incidents.json", INCIDENTS);
        let machines = format!("[policy]\ndirectory = \"policies\"\n{MACHINES}");
        let sound = SOUND.replace(r#"secret_headers = { Authorization = { env = "TOOL_TOKEN" } }"#, "");
        place.write("halligan.toml", &format!("{sound}\n{machines}"));
        place.write("policies/default.cedar", halligan_policy::DEFAULT);
        place.write("policies/ours.cedar", OURS);
        place.write("policies/ours.tests.json", TESTS);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Whatever the directory is called.
    fn plain(&self, text: &str) -> String {
        text.replace(&self.0.path().display().to_string(), "DIR")
    }

    fn checked(&self, detail: Detail, with_configuration: bool) -> (String, bool) {
        let (policies, config) = (self.path("policies"), self.path("halligan.toml"));
        let mut line = vec![policies.to_str().unwrap()];
        if with_configuration {
            line.extend(["--config", config.to_str().unwrap()]);
        }
        let (text, ok) = check::shown(&line, detail);
        (self.plain(&text), ok)
    }

    async fn explained(&self, line: &[&str]) -> String {
        let config = self.path("halligan.toml");
        let line = [&["--config", config.to_str().unwrap()], line].concat();
        self.plain(&explain::shown(&line, &context()).await)
    }
}

const MACHINES: &str = r#"
[[issuers]]
issuer = "https://token.actions.githubusercontent.com"
audience = "halligan"
people = false
jwks_url = "https://token.actions.githubusercontent.com/.well-known/jwks"
machines = [{ name = "deploy", claims = { repository = "example/app" }, groups = ["oncall"], human_claim = "actor_id" }]
"#;

const INCIDENTS: &str = r#"{ "incidents": [
  { "id": "INC-219", "status": "open", "severity": "sev1", "creator": "bob@example.com", "opened_at": "2026-03-02T09:30:00Z" },
  { "id": "INC-220", "status": "open", "severity": "sev4" },
  { "id": "INC-200", "status": "closed" }
] }"#;

const OURS: &str = r#"@id("severe-incidents-only")
@satisfiedBy("name an incident of severity sev1 or sev2")
forbid (principal, action == Halligan::Action::"request", resource == Halligan::Role::"admin")
unless { context has incident && context.incident has severity && ["sev1", "sev2"].contains(context.incident.severity) };

@id("recent-second-factor")
@satisfiedBy("prove who you are with a second factor, at most 15 minutes before")
@obliges("stepUp")
forbid (principal is Halligan::Person, action == Halligan::Action::"acknowledge", resource == Halligan::Role::"admin")
unless { context has mfaAgeSeconds && context.mfaAgeSeconds <= 900 };
"#;

const REVIEWS: &str = r#"
@id("reviews-first")
@satisfiedBy("close your reviews")
forbid (principal, action == Halligan::Action::"request", resource) when { context.reviewDebt > 2 };
"#;

const TESTS: &str = r#"{
  "people": { "alice": { "groups": ["oncall"] }, "bob": { "groups": ["leads"] } },
  "roles": { "admin": { "requesters": ["oncall"], "acknowledgers": ["leads"] } },
  "tests": [
    { "name": "a severe incident will do", "as": "alice", "action": "request", "target": "admin",
      "context": { "incident": { "severity": "sev1" } }, "expect": "allow", "rule": "requesters-may-ask" },
    { "name": "another won't", "as": "alice", "action": "request", "target": "admin",
      "context": { "incident": { "severity": "sev3" } }, "expect": "deny", "rule": "severe-incidents-only" },
    { "name": "an old proof won't", "as": "bob", "action": "acknowledge", "target": "admin",
      "context": { "mfaAgeSeconds": 901 }, "expect": "deny", "obligations": ["stepUp"] }
  ]
}"#;

#[test]
fn policies_and_tests_in_which_nothing_is_wrong() {
    let place = Place::new();
    for (detail, with_configuration) in [(Detail::Findings, false), (Detail::Findings, true)] {
        let (text, ok) = place.checked(detail, with_configuration);
        assert!(ok, "{text}");
    }
    insta::assert_snapshot!(place.checked(Detail::Everything, true).0, @"
    DIR/policies/ours.tests.json:
      ok     a severe incident will do
      ok     another won't
      ok     an old proof won't

    DIR/policies: 15 policies, 3 tests, all passed
    ");
}

#[test]
fn a_test_that_fails_and_a_policy_that_nobody_tested() {
    let place = Place::new();
    place.write("policies/ours.tests.json", &TESTS.replace("\"severity\": \"sev3\"", "\"severity\": \"sev2\""));
    let (text, ok) = place.checked(Detail::Findings, true);
    assert!(!ok);
    insta::assert_snapshot!(text, @"
    DIR/policies/ours.tests.json:
      FAILED another won't
             expected to be refused, was permitted by `requesters-may-ask`
    warning: no test shows what `severe-incidents-only` decides

    DIR/policies: 15 policies, 1 of 3 tests FAILED
    ");
}

#[test]
fn what_is_wrong_is_shown_where_it_stands() {
    let place = Place::new();
    let broken = OURS.replace("unless { context has mfaAgeSeconds", "unless { context has mfaAge");
    place.write(
        "policies/ours.cedar",
        &broken.replace(
            "Role::\"admin\")\nunless { context has incident",
            "Role::\"amdin\")\nunless { context has incident",
        ),
    );
    place.write("policies/ours.tests.json", &TESTS.replace("\"expect\": \"allow\"", "\"expct\": \"allow\""));
    let (text, ok) = place.checked(Detail::Findings, false);
    assert!(!ok);
    insta::assert_snapshot!(text, @r#"
    DIR/policies/ours.cedar:3:71: there is no role `amdin`: name one that the configuration has under `roles`, or add it there
      | forbid (principal, action == Halligan::Action::"request", resource == Halligan::Role::"amdin")
      |                                                                       ^
    DIR/policies/ours.cedar:9:95: there is no role `admin`: name one that the configuration has under `roles`, or add it there
      | forbid (principal is Halligan::Person, action == Halligan::Action::"acknowledge", resource == Halligan::Role::"admin")
      |                                                                                               ^
    DIR/policies/ours.tests.json:6:64: unknown field `expct`, expected one of `name`, `as`, `action`, `target`, `context`, `expect`, `rule`, `unmet`, `obligations`
      |       "context": { "incident": { "severity": "sev1" } }, "expct": "allow", "rule": "requesters-may-ask" },
      |                                                                ^
    warning: what only unreadable tests have counts as unknown: mend those first, or add --config

    DIR/policies: 3 found wrong
    "#);
    // The same of the configuration that names the directory, since the broker would not start.
    let (text, ok) = place.checked(Detail::Findings, true);
    assert!(!ok && text.contains("ours.cedar:3:"), "{text}");
}

#[test]
fn where_there_is_nothing_to_look_at() {
    let empty = tempfile::tempdir().unwrap();
    let shown = |path: &std::path::Path| check::shown(&[path.to_str().unwrap()], Detail::Findings).0;
    let said = [shown(empty.path()), shown(&empty.path().join("none"))].join("\n");
    insta::assert_snapshot!(said.replace(&empty.path().display().to_string(), "DIR"), @"
    `DIR` holds no `*.cedar`: expected a directory of policies
    can't read the directory `DIR/none`: No such file or directory (os error 2)
    ");
    // Limits alone, and a configuration that is none.
    let place = Place::new();
    std::fs::remove_file(place.path("policies/default.cedar")).unwrap();
    place.write("policies/ours.tests.json", "{\"roles\": {\"admin\": {}}, \"tests\": []}");
    place.write("bad.toml", "deployment = [\n");
    let of_none = check::shown(&["--config", place.path("bad.toml").to_str().unwrap()], Detail::Findings).0;
    insta::assert_snapshot!(format!("{}\n{}", place.checked(Detail::Findings, false).0, place.plain(&of_none)), @"
    warning: nothing here permits anything: put a copy of the built-in policies, `default.cedar`, beside these limits
    warning: no test shows what `severe-incidents-only` decides
    warning: no test shows what `recent-second-factor` decides

    DIR/policies: 2 policies, no tests
    `DIR/bad.toml` can't be understood: TOML parse error at line 1, column 15
      |
    1 | deployment = [
      |               ^
    unclosed array, expected `]`
    ");
}

/// A forbid that can't be evaluated refuses, and a test that comes upon it fails, whatever it expects.
#[test]
fn a_test_that_comes_upon_what_cannot_be_evaluated_fails() {
    let place = Place::new();
    let grows = "context has durationSeconds && context.durationSeconds * 9223372036854775807 > 1";
    place.write("policies/ours.cedar", &format!(
        "@id(\"grows\") @satisfiedBy(\"less\")\nforbid (principal, action == Halligan::Action::\"request\", resource)\nwhen {{ {grows} }};\n"
    ));
    place.write(
        "policies/ours.tests.json",
        r#"{
      "people": { "alice": { "groups": ["oncall"] } }, "roles": { "admin": { "requesters": ["oncall"] } },
      "tests": [{ "name": "long", "as": "alice", "action": "request", "target": "admin",
                  "context": { "durationSeconds": 2 }, "expect": "deny", "rule": "grows" }] }"#,
    );
    let (text, ok) = place.checked(Detail::Findings, false);
    assert!(!ok);
    insta::assert_snapshot!(text, @"
    DIR/policies/ours.tests.json:
      FAILED long
             policy `grows` could not be evaluated: integer overflow while attempting to multiply the values `2` and `9223372036854775807`

    DIR/policies: 14 policies, 1 of 1 tests FAILED
    ");
}

#[test]
fn what_a_change_changes() {
    let place = Place::new();
    place.write("new/default.cedar", halligan_policy::DEFAULT);
    place.write("new/ours.cedar", &OURS.replace("\"sev1\", \"sev2\"", "\"sev1\""));
    let (old, new, config) = (place.path("policies"), place.path("new"), place.path("halligan.toml"));
    let line = [old.to_str().unwrap(), new.to_str().unwrap(), "--config", config.to_str().unwrap()];
    insta::assert_snapshot!(diff::shown(&line, &context()), @"
    - may no longer request on admin: alice, bob, deploy
        when incident.severity is sev2; incident.known is true
        before: requesters-may-ask; now: severe-incidents-only
    (1008 questions asked)
    ");
    assert!(diff::shown(&line[..2], &context()).contains("alice"), "the people of the tests");
    let same = [line[0], line[0]];
    assert!(diff::shown(&same, &context()).starts_with("no answer differs"));
    // What no answer shows, because nobody can be asked about it yet, is told.
    place.write("new/ours.cedar", &format!("{OURS}{REVIEWS}"));
    insta::assert_snapshot!(place.plain(&diff::shown(&line, &context())), @r#"
    added: reviews-first
    no answer differs (1008 questions asked)
    warning: DIR/new/ours.cedar:14:84: `reviews-first` goes by `reviewDebt`, which is 0 for everybody: no reviews are kept yet
      | forbid (principal, action == Halligan::Action::"request", resource) when { context.reviewDebt > 2 };
      |                                                                                    ^
    "#);

    place.write("new/ours.cedar", "permit (principal");
    let text = place.plain(&diff::shown(&line, &context()));
    assert!(text.starts_with("DIR/new/ours.cedar:1:"), "{text}");
}

#[tokio::test]
async fn a_permission_and_a_refusal() {
    let place = Place::new();
    let alice = ["--as", "alice", "--action", "request", "--target", "admin"];
    insta::assert_snapshot!(place.explained(&[&alice[..], &["--incident", "drill:INC-219"]].concat()).await, @"
    alice may request on admin

      `requesters-may-ask` permits it
        because principal in resource.requesters

      asked and not in the way: incident-must-be-known, severe-incidents-only

    What would refuse it, each alone:
      - no membership of the group `oncall`
      - no answer of the incident's tool

    Asked for 2026-03-02 10:00:00 UTC, scope all, 30m, incident drill:INC-219 of severity sev1, requested by alice
    ");
    insta::assert_snapshot!(place.explained(&[&alice[..], &["--incident", "drill:INC-220"]].concat()).await, @r#"
    alice may not request on admin

      `requesters-may-ask` permits it
        because principal in resource.requesters

      `severe-incidents-only` refuses it
        because resource == Halligan::Role::"admin"
        because not: ["sev1", "sev2"].contains(context.incident.severity)
        satisfied by: name an incident of severity sev1 or sev2

      asked and not in the way: incident-must-be-known

    What would permit it, each alone:
      - an incident of severity `sev1`
      - an incident of severity `sev2`

    Asked for 2026-03-02 10:00:00 UTC, scope all, 30m, incident drill:INC-220 of severity sev4, requested by alice
    "#);
    let bob =
        ["--as", "bob", "--action", "acknowledge", "--target", "admin", "--requester", "alice", "--severity", "sev1"];
    insta::assert_snapshot!(place.explained(&[&bob[..], &["--mfa-age", "20m"]].concat()).await, @r#"
    bob may not acknowledge on admin

      `acknowledgers-may-answer` permits it
        because principal in resource.acknowledgers

      `recent-second-factor` refuses it
        because principal is Halligan::Person
        because resource == Halligan::Role::"admin"
        because not: context.mfaAgeSeconds <= 900
        satisfied by: prove who you are with a second factor, at most 15 minutes before

      asked and not in the way: incident-must-be-known

    What would permit it, each alone:
      - a second factor at most 900 s ago

    Asked for 2026-03-02 10:00:00 UTC, scope all, 30m, an open incident of severity sev1, requested by alice, with a second factor 20m ago
    "#);
    let allowed = place.explained(&[&bob[..], &["--mfa-age", "15m"]].concat()).await;
    assert!(allowed.starts_with("bob may acknowledge on admin"), "{allowed}");
}

#[tokio::test]
async fn what_the_program_itself_refuses() {
    let place = Place::new();
    let mut said = Vec::new();
    for (title, line) in [
        ("their own", "--as bob --action acknowledge --target admin --requester bob --severity sev1 --mfa-age 1m"),
        ("a machine of theirs", "--as deploy --on-behalf-of bob --action acknowledge --target admin --requester alice"),
        ("a machine's, for them", "--as bob --requester deploy --on-behalf-of bob --action acknowledge --target admin"),
        (
            "a machine's, for another",
            "--as bob --requester deploy --on-behalf-of alice --action acknowledge --target admin --mfa-age 1m",
        ),
        ("closed", "--as alice --action request --target admin --incident drill:INC-200"),
        ("no such incident", "--as alice --action request --target admin --incident drill:INC-1"),
        ("too long", "--as alice --action request --target admin --severity sev1 --duration 20h"),
    ] {
        let line: Vec<&str> = line.split(' ').collect();
        let first = place.explained(&line).await.lines().next().unwrap().to_owned();
        said.push(format!("{title}: {first}"));
    }
    insta::assert_snapshot!(said.join("\n"), @"
    their own: The broker refuses it, whatever policies say: nobody answers for a grant that they asked for, or that a machine asked for on their behalf: let another person do it
    a machine of theirs: deploy may not acknowledge on admin
    a machine's, for them: The broker refuses it, whatever policies say: nobody answers for a grant that they asked for, or that a machine asked for on their behalf: let another person do it
    a machine's, for another: bob may acknowledge on admin
    closed: The broker refuses it, whatever policies say: the incident `drill:INC-200` is closed: name one that is open
    no such incident: The broker refuses it, whatever policies say: the incident `drill:INC-1` is not there: name one that is open
    too long: The broker refuses it, whatever policies say: 20h is longer than the role takes: ask for at most 1h
    ");
}

#[tokio::test]
async fn who_and_what_is_not_there() {
    let place = Place::new();
    let mut said = Vec::new();
    for line in [
        "--as alcie --action request --target admin",
        "--as alice --action request --target amdin",
        "--as alice --action request --target admin --incident nagios:1",
        "--as alice --action request --target admin --incident 1",
        "--as alice --action request --target admin --scope everything",
        "--as alice --on-behalf-of bob --action request --target admin",
        "--as bob --action acknowledge --target admin --requester nobody",
        "--as bob --group onclal --action acknowledge --target admin",
        "--as bob --action signIn --target admin",
        "--as bob --action mint --target log",
        "--as bob --action administer --target admin",
        "--as bob --action read --target broker",
    ] {
        said.push(place.explained(&line.split(' ').collect::<Vec<_>>()).await);
    }
    insta::assert_snapshot!(said.join("\n"), @"
    there is no person or machine `alcie`: did you mean `alice`?
    there is no target `amdin`: did you mean `admin`?
    there is no incident tool `nagios`: expected one of `drill`, `tool`
    say which incident tool, as PROVIDER:1: one of `drill`, `tool`
    the role `admin` has no scope `everything`: expected one of `all`
    no machine acts for `bob` here: --as or --requester names one
    there is no person or machine `nobody`: expected one of alice, bob, deploy
    there is no group `onclal`: expected one of `leads`, `oncall`
    `signIn` is never asked of `admin`: expected --target to name `broker`
    `mint` is never asked of `log`: expected --target to name a role
    `administer` is never asked of `admin`: expected --target to name `log` or `broker`
    `read` is never asked of `broker`: expected --target to name a role or `log`
    ");
}

#[tokio::test]
async fn the_log_and_the_broker_have_no_scope() {
    let place = Place::new();
    for line in ["--as bob --action read --target log", "--as bob --action signIn --target broker"] {
        let text = place.explained(&line.split(' ').collect::<Vec<_>>()).await;
        assert!(!text.contains("scope"), "{text}");
    }
    let mut said = Vec::new();
    for more in ["", " --passkey", " --passkey --provider-down"] {
        let line = format!("--as bob --action signIn --target broker{more}");
        said.push(place.explained(&line.split(' ').collect::<Vec<_>>()).await.lines().next().unwrap().to_owned());
    }
    assert_eq!(said, ["bob may signIn on broker", "bob may not signIn on broker", "bob may signIn on broker"]);
}

/// The broker's own judge, on the same occasion, says the same to the letter.
#[tokio::test]
async fn it_says_what_the_broker_says() {
    let place = Place::new();
    let file = place.path("halligan.toml");
    let loaded = Config::load(&file).unwrap();
    let outside = FakeWorld::new(loaded.rules.access());
    let broker = outside.start().broker;
    let mut context = context();
    context.clock = outside.clock.clone();
    let party = |name: &str| -> Party {
        let (person, known) = loaded.rules.people.iter().find(|(id, _)| id.as_str() == name).unwrap();
        Party::Human(Human { person: person.clone(), principal: known.principals.first().unwrap().clone() })
    };
    let role = loaded.catalogue.roles.values().next().unwrap();
    let incident = IncidentRef { provider: "drill".parse().unwrap(), id: "INC-1".to_owned().try_into().unwrap() };
    let (mut permitted, mut refused) = (0, 0);
    for (who, requester) in [("alice", "bob"), ("bob", "alice")] {
        for action in Action::ALL.into_iter().filter(|action| !matches!(action, Action::Administer | Action::SignIn)) {
            for (severity, mfa_age) in [(Some("sev1"), Some(60)), (Some("sev4"), Some(901)), (None, None)] {
                let mut line = vec!["--config", file.to_str().unwrap(), "--as", who, "--target", "admin"];
                let age = mfa_age.map(|seconds| format!("{seconds}s"));
                line.extend(["--action", action.as_str(), "--requester", requester]);
                line.extend(severity.iter().flat_map(|word| ["--severity", word]));
                line.extend(age.iter().flat_map(|age| ["--mfa-age", age.as_str()]));
                let said = explain::explain(&parsed(&line), &context).await.unwrap().explanation.decision;

                let open = OpenIncident { severity: severity.map(str::to_owned), ..OpenIncident::default() };
                let (asking, asked_for) = (party(who), party(requester));
                let occasion = halligan_engine::access::Occasion {
                    incident: Some((&incident, Some(&open))),
                    scope: Some(&role.default_scope),
                    duration: Some(SignedDuration::from_mins(30)),
                    emergency: Some(action == Action::StartEmergency),
                    requester: Some(&asked_for),
                    ..Default::default()
                };
                let fresh = Freshness { auth_age_seconds: None, mfa_age_seconds: mfa_age };
                let asker = Asker::new(&asking, Shown { fresh, ..Shown::default() });
                match broker.judge().permits(asker, action, Matter::Role(role), occasion).await {
                    Ok(rules) => {
                        assert_eq!((true, &rules), (said.allow, &said.rules), "{line:?}");
                        permitted += 1;
                    }
                    Err(problem) => {
                        let judged = (false, &problem.rules, &problem.unmet);
                        assert_eq!(judged, (said.allow, &said.rules, &said.unmet), "{line:?}");
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(permitted > 10 && refused > 10, "{permitted} permitted, {refused} refused");
}
