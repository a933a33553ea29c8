//! Machines: what their tokens say, and that no token is two machines'.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::id::{GroupId, MachineId};
use halligan_engine::access::MachineRule;

use super::issuers::MUTABLE;
use super::{Findings, shown};
use crate::config::model;

/// Claims that name people by what they choose, or by what is reused.
const NO_NAMES_OF_HUMANS: [&str; 3] = ["actor", "user_login", "user_email"];

/// The rules of one issuer; `all` are the machines of those before it.
pub(super) fn rules(
    at: &str,
    machines: &[model::Machine],
    all: &mut BTreeMap<MachineId, BTreeSet<GroupId>>,
    found: &mut Findings<'_>,
) -> Option<Vec<MachineRule>> {
    let mut rules: Vec<MachineRule> = Vec::with_capacity(machines.len());
    for (index, machine) in machines.iter().enumerate() {
        let at = format!("{at}.machines[{index}]");
        let model::Machine { name, claims, groups, human_claim } = machine;
        if all.insert(name.clone(), groups.clone()).is_some() {
            let problem = format!("`{name}` is another machine's name too: expected a name of its own");
            found.refuse(format!("{at}.name"), problem);
        }
        if groups.is_empty() {
            found
                .warn(format!("{at}.groups"), "is empty, so this machine may do nothing, unless its tokens say groups");
        }
        claims_of(&at, claims, found);
        if let Some(claim) = human_claim {
            human(&at, claim, found);
        }
        for (earlier, rule) in rules.iter().enumerate() {
            told_apart(&at, (earlier, rule), claims, found);
        }
        let (machine, claims, human_claim) = (name.clone(), claims.clone(), human_claim.clone());
        rules.push(MachineRule { machine, claims, human_claim });
    }
    (!rules.is_empty()).then_some(rules)
}

fn claims_of(at: &str, claims: &BTreeMap<String, String>, found: &mut Findings<'_>) {
    if claims.is_empty() {
        let problem = "is empty, so every token of the issuer would be this machine's: expected what its tokens say, such as `{ repository = \"example/app\" }`";
        found.refuse(format!("{at}.claims"), problem);
    }
    for (claim, value) in claims {
        let field = format!("{at}.claims.{claim}");
        if value.is_empty() {
            found.refuse(field, "is empty: expected what the tokens of this machine say there");
        } else if value.contains('*') {
            let problem = format!(
                "`{}` looks like a pattern, and values are compared to the letter: expected the whole value, or a claim that says less, such as `repository` in place of `sub`",
                shown(value)
            );
            found.refuse(field, problem);
        }
    }
}

fn human(at: &str, claim: &str, found: &mut Findings<'_>) {
    let field = format!("{at}.human_claim");
    if claim.is_empty() {
        found.refuse(field, "is empty: expected the name of a claim, such as `actor_id`");
    } else if MUTABLE.contains(&claim) || NO_NAMES_OF_HUMANS.contains(&claim) {
        let problem = format!(
            "`{claim}` changes, or is what people choose, so somebody could pass for another: expected a claim that names the same human for ever, such as `actor_id`"
        );
        found.refuse(field, problem);
    }
}

/// A token is the first machine's that it fits. Which that is, is plain where no token fits
/// both, or where the earlier one demands all that the later does, and more.
fn told_apart(
    at: &str,
    (earlier, rule): (usize, &MachineRule),
    claims: &BTreeMap<String, String>,
    found: &mut Findings<'_>,
) {
    let differ = |(claim, value): (&String, &String)| rule.claims.get(claim).is_some_and(|other| other != value);
    let demands = |claims: &BTreeMap<String, String>, all: &BTreeMap<String, String>| {
        all.iter().all(|(claim, value)| claims.get(claim) == Some(value))
    };
    if claims.iter().any(differ) || claims.is_empty() {
        return;
    }
    let name = &rule.machine;
    if demands(claims, &rule.claims) {
        let problem = format!(
            "no token is this machine's, since each is `{name}`'s, `machines[{earlier}]`, which demands no more: expected it before that one"
        );
        found.refuse(at, problem);
    } else if !demands(&rule.claims, claims) {
        let problem = format!(
            "a token could fit this machine and `{name}`, `machines[{earlier}]`: expected a claim of which both say something else, or one that demands all that the other does, and stands before it"
        );
        found.refuse(at, problem);
    }
}
