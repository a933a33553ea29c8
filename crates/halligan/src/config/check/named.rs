//! What machines' tokens and incident tools call people.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::id::{PersonId, ProviderId};
use halligan_engine::access::{CREATOR, IssuerKind, IssuerRules};

use super::people::{Around, People};
use super::{Findings, quoted, shown};
use crate::config::model;

pub(super) fn named_by(
    at: &str,
    person: &PersonId,
    name: model::Named,
    around: &Around<'_>,
    owners: &mut BTreeMap<(String, String, String), PersonId>,
    found: &mut Findings<'_>,
) -> (String, String, String) {
    let model::Named { by, claim, value } = name;
    let tool = around.incidents.iter().any(|tool| tool.as_str() == by);
    let claims = human_claims(around.rules, &by);
    if !tool && claims.is_none() {
        let known = around.incidents.iter().map(ProviderId::as_str).chain(machines_issuers(around.rules));
        let problem = format!(
            "`{}` is no incident tool and no issuer of machines: expected one of {}",
            shown(&by),
            quoted(known.collect::<BTreeSet<_>>())
        );
        found.refuse(format!("{at}.by"), problem);
    } else {
        let known: BTreeSet<&str> = claims.unwrap_or_default().into_iter().chain(tool.then_some(CREATOR)).collect();
        if !known.contains(claim.as_str()) {
            let expected = if known.is_empty() {
                "expected a machine of it with `human_claim`".to_owned()
            } else {
                format!("expected {}", quoted(known))
            };
            let problem = format!("`{}` is nothing that `{by}` names people by: {expected}", shown(&claim));
            found.refuse(format!("{at}.claim"), problem);
        }
    }
    if value.trim().is_empty() {
        found.refuse(format!("{at}.value"), "is empty: expected what this person is called there");
    }
    let key = (by.clone(), claim.clone(), value.to_lowercase());
    let owner = owners.entry(key).or_insert_with(|| person.clone());
    if owner != person {
        let problem = format!(
            "`{}` means `{owner}` (case aside): expected each name to mean one person, or whoever asked could acknowledge",
            shown(&value)
        );
        found.refuse(at, problem);
    }
    (by, claim, value)
}

/// The claims by which an issuer's machines name humans; none: it is no issuer of machines.
fn human_claims<'a>(rules: &'a [IssuerRules], issuer: &str) -> Option<BTreeSet<&'a str>> {
    let rules = rules.iter().find(|rules| rules.issuer == issuer)?;
    match &rules.kind {
        IssuerKind::People(_) => None,
        IssuerKind::Machines(machines) => {
            Some(machines.iter().filter_map(|machine| machine.human_claim.as_deref()).collect())
        }
    }
}

fn machines_issuers(rules: &[IssuerRules]) -> impl Iterator<Item = &str> {
    rules.iter().filter(|rules| matches!(rules.kind, IssuerKind::Machines(_))).map(|rules| rules.issuer.as_str())
}

/// A machine that must name a human is refused where the human isn't known.
pub(super) fn unnamed_humans(rules: &[IssuerRules], people: &People, found: &mut Findings<'_>) {
    for (index, rules) in rules.iter().enumerate() {
        let IssuerKind::Machines(machines) = &rules.kind else { continue };
        for (number, machine) in machines.iter().enumerate() {
            let Some(claim) = &machine.human_claim else { continue };
            let names = |(by, by_claim, _): &(String, String, String)| *by == rules.issuer && by_claim == claim;
            if !people.values().any(|person| person.named.iter().any(names)) {
                let problem = format!(
                    "no person is named by `{claim}`, so each token of this machine is refused: expected `people.NAME.named` with `by = \"{}\"`",
                    shown(&rules.issuer)
                );
                found.warn(format!("issuers[{index}].machines[{number}].human_claim"), problem);
            }
        }
    }
}
