//! Running tests.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::{Expected, Test, TestFile};
use crate::decide::{Decision, Obligation};
use crate::load::near;
use crate::set::PolicySet;
use crate::world::World;

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The test's name.
    pub name: String,
    /// How what the policies said differs from what was expected, in words. Empty: passed.
    pub differences: Vec<String>,
    /// What they said.
    pub decision: Decision,
}

impl Outcome {
    /// Whether it is as expected.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.passed() { "ok    " } else { "FAILED" }, self.name)?;
        for difference in &self.differences {
            write!(f, "\n       {difference}")?;
        }
        Ok(())
    }
}

/// Runs the tests of a file, in its order.
#[must_use]
pub fn run(policies: &PolicySet, file: &TestFile) -> Vec<Outcome> {
    let world = file.world();
    file.tests.iter().map(|test| run_one(policies, &world, test)).collect()
}

/// The policies that decided none of these tests: nobody has shown what they do.
#[must_use]
pub fn undecided<'a>(policies: &'a PolicySet, outcomes: &[Outcome]) -> Vec<&'a str> {
    let decided: BTreeSet<&str> =
        outcomes.iter().flat_map(|outcome| &outcome.decision.rules).map(String::as_str).collect();
    policies.ids().into_iter().filter(|id| !decided.contains(id)).collect()
}

fn run_one(policies: &PolicySet, world: &World, test: &Test) -> Outcome {
    let name = test.name.clone();
    match world.question(&test.who, test.action, &test.target, &test.context) {
        Ok(question) => {
            let decision = policies.decide(&question);
            Outcome { name, differences: differences(policies, test, &decision), decision }
        }
        Err(error) => Outcome { name, differences: vec![error], decision: Decision::default() },
    }
}

fn differences(policies: &PolicySet, test: &Test, decision: &Decision) -> Vec<String> {
    // What can't be evaluated is never what somebody meant.
    let mut all = decision.errors.clone();
    if decision.allow != (test.expect == Expected::Allow) {
        let (expected, found) = if decision.allow { ("refused", "permitted") } else { ("permitted", "refused") };
        let by = if decision.rules.is_empty() { String::new() } else { format!(" by {}", list(&decision.rules)) };
        all.push(format!("expected to be {expected}, was {found}{by}"));
        all.extend(decision.unmet.iter().map(|unmet| format!("unmet: {unmet}")));
        return all;
    }
    if let Some(rule) = &test.rule {
        all.extend(wrong_rule(policies, rule, decision));
    }
    if let Some(unmet) = &test.unmet
        && !decision.unmet.contains(unmet)
    {
        all.push(format!("expected to be told `{unmet}`, was told {}", list(&decision.unmet)));
    }
    if let Some(expected) = &test.obligations {
        let expected: BTreeSet<&Obligation> = expected.iter().collect();
        if expected != decision.obligations.iter().collect() {
            let names = |all: &mut dyn Iterator<Item = &Obligation>| {
                list(&all.map(|one| one.as_str().to_owned()).collect::<Vec<_>>())
            };
            let (expected, offered) = (names(&mut expected.into_iter()), names(&mut decision.obligations.iter()));
            all.push(format!("expected to be offered {expected}, was offered {offered}"));
        }
    }
    all
}

fn wrong_rule(policies: &PolicySet, rule: &str, decision: &Decision) -> Option<String> {
    if decision.rules.iter().any(|decided| decided == rule) {
        return None;
    }
    let ids = policies.ids();
    if !ids.contains(&rule) {
        let near = near(rule, ids).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
        return Some(format!("there is no policy `{rule}`{near}"));
    }
    Some(format!("expected `{rule}` to decide, it was {}", list(&decision.rules)))
}

fn list(texts: &[String]) -> String {
    match texts {
        [] => "nothing".to_owned(),
        texts => texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", "),
    }
}
