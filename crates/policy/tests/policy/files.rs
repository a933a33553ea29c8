//! The files in `policies/`: they are good, their tests pass, and each policy has a test.

use std::path::{Path, PathBuf};

use halligan_policy::testing::{self, TestFile};
use halligan_policy::{DEFAULT, PolicySet, Source};
use insta::assert_snapshot;

fn policies() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

fn read(path: &Path) -> Source {
    let name = path.strip_prefix(policies()).unwrap().display().to_string();
    Source::new(name, std::fs::read_to_string(path).unwrap())
}

/// Runs `tests` against `sources`; returns what is wrong.
fn problems(sources: &[Source], tests: &Source, ours: &str) -> Vec<String> {
    let texts = |errors: Vec<halligan_policy::LoadError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    let file = match TestFile::parse(tests) {
        Ok(file) => file,
        Err(errors) => return texts(errors),
    };
    let policies = match PolicySet::load(sources, &file.world().known()) {
        Ok(policies) => policies,
        Err(errors) => return texts(errors),
    };
    let outcomes = testing::run(&policies, &file);
    let mut problems: Vec<String> =
        outcomes.iter().filter(|outcome| !outcome.passed()).map(|o| format!("{}: {o}", tests.name)).collect();
    // Of what is not kept yet an example may speak all the same.
    problems.extend(policies.warnings().iter().filter(|warning| !warning.contains("`reviewDebt`")).cloned());
    let untested = testing::undecided(&policies, &outcomes);
    let ours = untested.iter().filter(|id| ours.contains(&format!("@id(\"{id}\")")));
    problems.extend(ours.map(|id| format!("{}: no test shows `{id}` decide", tests.name)));
    problems
}

#[test]
fn the_defaults_are_what_their_tests_say() {
    let tests = read(&policies().join("default.tests.json"));
    let default = Source::new("default.cedar", DEFAULT);
    assert_eq!(problems(&[default], &tests, DEFAULT), Vec::<String>::new());
}

#[test]
fn each_example_is_what_its_tests_say() {
    let mut seen = 0;
    for entry in std::fs::read_dir(policies().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "cedar") {
            let example = read(&path);
            let tests = read(&path.with_extension("tests.json"));
            let sources = [Source::new("default.cedar", DEFAULT), example.clone()];
            assert_eq!(problems(&sources, &tests, &example.text), Vec::<String>::new());
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn the_schema_of_tests_is_what_the_code_reads() {
    let path = policies().join("tests.schema.json");
    let schema = schemars::schema_for!(TestFile).to_value();
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "policies/tests.schema.json is out of date: UPDATE_DOCS=1 cargo test -p halligan-policy");
    let validator = jsonschema::validator_for(&schema).unwrap();
    let examples = std::fs::read_dir(policies().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    for path in examples.chain([policies().join("default.tests.json")]) {
        if path.to_string_lossy().ends_with(".tests.json") {
            let file: serde_json::Value = serde_json::from_str(&read(&path).text).unwrap();
            let errors: Vec<String> = validator.iter_errors(&file).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
        }
    }
}

const WORLD: &str = r#""people": {"alice": {"groups": ["oncall"]}}, "machines": {"deploys": {}},
  "roles": {"prod-admin": {"requesters": ["oncall"]}}"#;

fn file(tests: &str) -> Source {
    Source::new("a.tests.json", format!("{{\n  {WORLD},\n  \"tests\": [\n{tests}\n  ]\n}}"))
}

fn refused(tests: &str) -> String {
    let errors = TestFile::parse(&file(tests)).map(|_| ()).expect_err("it was taken");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_file_of_tests_that_means_nothing_is_refused_at_its_place() {
    assert_snapshot!(refused(r#"{"name": "a", "as": "alice", "action": "requst", "target": "prod-admin", "expect": "allow"}"#), @r#"
    a.tests.json:5:47: unknown variant `requst`, expected one of `request`, `startEmergency`, `acknowledge`, `decline`, `mint`, `extend`, `revoke`, `review`, `read`, `administer`, `signIn`
      | {"name": "a", "as": "alice", "action": "requst", "target": "prod-admin", "expect": "allow"}
      |                                               ^
    "#);
    assert_snapshot!(refused(r#"{"name": "a", "as": "alice", "action": "mint", "target": "prod-admin", "expect": "allow", "colour": 1}"#), @r#"
    a.tests.json:5:98: unknown field `colour`, expected one of `name`, `as`, `action`, `target`, `context`, `expect`, `rule`, `unmet`, `obligations`
      | {"name": "a", "as": "alice", "action": "mint", "target": "prod-admin", "expect": "allow", "colour": 1}
      |                                                                                                  ^
    "#);
    assert_snapshot!(refused(r#"{"name": "a", "as": "alcie", "action": "mint", "target": "prodadmin", "expect": "allow"}"#), @r#"
    a.tests.json:5:10: in the test `a`: there is no person or machine `alcie`: did you mean `alice`?
      | {"name": "a", "as": "alcie", "action": "mint", "target": "prodadmin", "expect": "allow"}
      |          ^
    "#);
    assert_snapshot!(refused(r#"{"name": "a", "as": "alice", "action": "mint", "target": "nothing", "context": {"requester": "x"}, "expect": "allow"}"#), @r#"
    a.tests.json:5:10: in the test `a`: there is no target `nothing`: expected one of prod-admin, log, broker
      | {"name": "a", "as": "alice", "action": "mint", "target": "nothing", "context": {"requester": "x"}, "expect": "allow"}
      |          ^
    "#);
    let twice = r#"{"name": "a", "as": "alice", "action": "mint", "target": "prod-admin", "expect": "allow"}"#;
    assert_snapshot!(refused(&format!("{twice},\n{twice}")), @r#"
    a.tests.json:6:10: in the test `a`: two tests have this name: give each its own
      | {"name": "a", "as": "alice", "action": "mint", "target": "prod-admin", "expect": "allow"}
      |          ^
    "#);
    assert_snapshot!(refused(r#"{"name": "a", "as": "alice", "action": "mint", "target": "prod-admin", "expect": "allow", "unmet": "x"}"#), @r#"
    a.tests.json:5:10: in the test `a`: `unmet` and `obligations` go with `"expect": "deny"`
      | {"name": "a", "as": "alice", "action": "mint", "target": "prod-admin", "expect": "allow", "unmet": "x"}
      |          ^
    "#);
}

#[test]
fn a_test_that_fails_says_how() {
    let tests = r#"
    {"name": "passes", "as": "alice", "action": "request", "target": "prod-admin", "expect": "allow"},
    {"name": "other answer", "as": "alice", "action": "request", "target": "prod-admin", "expect": "deny"},
    {"name": "another other answer", "as": "deploys", "action": "request", "target": "prod-admin", "expect": "allow"},
    {"name": "other rule", "as": "alice", "action": "request", "target": "prod-admin", "expect": "allow", "rule": "revokers-may-revoke"},
    {"name": "no such rule", "as": "alice", "action": "request", "target": "prod-admin", "expect": "allow", "rule": "requesters-may-aks"},
    {"name": "other reason", "as": "alice", "action": "revoke", "target": "prod-admin", "expect": "deny", "unmet": "sign it", "obligations": ["sign"]},
    {"name": "foreign question", "as": "alice", "action": "signIn", "target": "prod-admin", "expect": "deny"}"#;
    let file = TestFile::parse(&file(tests)).unwrap();
    let outcomes = testing::run(&PolicySet::defaults(), &file);
    assert_snapshot!(outcomes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    ok     passes
    FAILED other answer
           expected to be refused, was permitted by `requesters-may-ask`
    FAILED another other answer
           expected to be permitted, was refused by `requesters-may-ask`
           unmet: be a member of one of: oncall (roles.prod-admin.requesters)
    FAILED other rule
           expected `revokers-may-revoke` to decide, it was `requesters-may-ask`
    FAILED no such rule
           there is no policy `requesters-may-aks`: did you mean `requesters-may-ask`?
    FAILED other reason
           expected to be told `sign it`, was told `nobody may: no group is named (roles.prod-admin.revokers)`
           expected to be offered `sign`, was offered nothing
    FAILED foreign question
           the question doesn't fit the schema: resource type `Halligan::Role` is not valid for `Halligan::Action::"signIn"`
    "#);
}

#[test]
fn the_readmes_tests_are_real() {
    let readme = read(&policies().join("README.md")).text;
    let block = readme.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let example = read(&policies().join("examples/signed-acknowledgement.cedar"));
    let sources = [Source::new("default.cedar", DEFAULT), example.clone()];
    assert_eq!(problems(&sources, &Source::new("README.md", block), &example.text), Vec::<String>::new());
    for (file, _) in readme.match_indices("](").filter_map(|(at, _)| readme[at + 2..].split_once(')')) {
        assert!(file.starts_with("http") || file.starts_with('#') || policies().join(file).exists(), "{file}");
    }
}
