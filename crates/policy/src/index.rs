//! Which of many policies are satisfied, without asking each.
//!
//! Cedar spends most of its time on a policy before it comes to its condition. So
//! policies are kept in chunks, each behind a *gate*: one policy whose condition is that
//! any of the chunk's holds. Nearly every gate is shut, and then so are all behind it: an
//! `or` is false without an error only if each of its sides is. Where a gate is open or
//! can't be evaluated, the policies behind it are asked one by one.

use cedar_policy::{AuthorizationError, Authorizer, Entities, Policy, PolicyId, PolicySet as CedarPolicies, Request};
use serde_json::{Value, json};

/// Few enough that an open gate costs little, many enough that a shut one saves much.
const CHUNK: usize = 16;

/// Policies of one effect that are about one action.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// Named `0`, `1`, … as their chunks stand.
    gates: CedarPolicies,
    chunks: Vec<CedarPolicies>,
    /// What stands behind no gate.
    ungated: CedarPolicies,
}

/// What was found: the ids of the satisfied policies, and those that can't be evaluated with the reason.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub satisfied: Vec<PolicyId>,
    pub erring: Vec<(PolicyId, String)>,
}

impl Index {
    /// Of policies whose ids differ.
    ///
    /// # Errors
    /// Two have the same id.
    pub fn new(policies: &[&Policy]) -> Result<Self, String> {
        let mut index = Self::default();
        for chunk in policies.chunks(CHUNK) {
            // A chunk alone gains nothing; what Cedar can't write as JSON is asked each time.
            let gate = gate(index.chunks.len(), chunk).filter(|_| policies.len() > CHUNK);
            let mut behind = CedarPolicies::new();
            let place = if gate.is_some() { &mut behind } else { &mut index.ungated };
            for policy in chunk {
                place.add((*policy).clone()).map_err(|error| error.to_string())?;
            }
            if let Some(gate) = gate {
                index.gates.add(gate).map_err(|error| error.to_string())?;
                index.chunks.push(behind);
            }
        }
        Ok(index)
    }

    /// Asks them.
    pub fn find(&self, request: &Request, entities: &Entities) -> Found {
        let mut found = Found::default();
        found.ask(&self.ungated, request, entities);
        let mut gates = Found::default();
        gates.ask(&self.gates, request, entities);
        let open = gates.satisfied.into_iter().chain(gates.erring.into_iter().map(|(id, _)| id));
        for id in open {
            let id: &str = id.as_ref();
            if let Some(chunk) = id.parse::<usize>().ok().and_then(|n| self.chunks.get(n)) {
                found.ask(chunk, request, entities);
            }
        }
        found
    }
}

impl Found {
    fn ask(&mut self, policies: &CedarPolicies, request: &Request, entities: &Entities) {
        if policies.is_empty() {
            return;
        }
        let response = Authorizer::new().is_authorized(request, policies, entities);
        self.satisfied.extend(response.diagnostics().reason().cloned());
        for AuthorizationError::PolicyEvaluationError(error) in response.diagnostics().errors() {
            self.erring.push((error.policy_id().clone(), error.inner().to_string()));
        }
    }
}

/// A permit that is satisfied if any of these is, whatever their effect.
fn gate(number: usize, policies: &[&Policy]) -> Option<Policy> {
    let conditions: Option<Vec<Value>> = policies.iter().map(|policy| condition(policy)).collect();
    let any = any_of(conditions?)?;
    let everything = json!({ "op": "All" });
    let gate = json!({
        "effect": "permit",
        "principal": everything,
        "action": everything,
        "resource": everything,
        "conditions": [{ "kind": "when", "body": any }],
    });
    Policy::from_json(Some(PolicyId::new(number.to_string())), gate).ok()
}

/// In halves, so that a gate is hardly deeper than what is behind it.
fn any_of(mut conditions: Vec<Value>) -> Option<Value> {
    if conditions.len() < 2 {
        return conditions.pop();
    }
    let right = any_of(conditions.split_off(conditions.len() / 2))?;
    let left = any_of(conditions)?;
    Some(json!({ "||": { "left": left, "right": right } }))
}

/// Scope and conditions as one expression in Cedar's JSON. The action is left out: the
/// index is of one.
fn condition(policy: &Policy) -> Option<Value> {
    let policy = policy.to_json().ok()?;
    let mut all = Vec::new();
    all.extend(scope("principal", policy.get("principal")?)?);
    all.extend(scope("resource", policy.get("resource")?)?);
    for clause in policy.get("conditions")?.as_array()? {
        let body = clause.get("body")?.clone();
        all.push(match clause.get("kind")?.as_str()? {
            "when" => body,
            "unless" => json!({ "!": { "arg": body } }),
            _ => return None,
        });
    }
    let all = all.into_iter().reduce(|left, right| json!({ "&&": { "left": left, "right": right } }));
    Some(all.unwrap_or_else(|| json!({ "Value": true })))
}

/// What the scope says of a variable, if it says anything.
#[expect(clippy::option_option, reason = "none at all: Cedar has come to write something that isn't known here")]
fn scope(variable: &str, constraint: &Value) -> Option<Option<Value>> {
    let variable = json!({ "Var": variable });
    let entity = |constraint: &Value| Some(json!({ "Value": { "__entity": constraint.get("entity")? } }));
    match constraint.get("op")?.as_str()? {
        "All" => Some(None),
        op @ ("==" | "in") => Some(Some(json!({ op: { "left": variable, "right": entity(constraint)? } }))),
        "is" => {
            let mut is = json!({ "left": variable, "entity_type": constraint.get("entity_type")? });
            if let Some(within) = constraint.get("in") {
                is.as_object_mut()?.insert("in".to_owned(), entity(within)?);
            }
            Some(Some(json!({ "is": is })))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use cedar_policy::{Context, Entity, EntityUid};
    use proptest::prelude::*;
    use std::collections::HashSet;

    const PRINCIPALS: [&str; 5] = [
        "principal",
        r#"principal == P::"1""#,
        r#"principal in G::"1""#,
        "principal is P",
        r#"principal is P in G::"2""#,
    ];
    const RESOURCES: [&str; 4] = ["resource", r#"resource == R::"1""#, r#"resource in R::"2""#, "resource is Q"];
    /// The last can't be evaluated, one of them only for some.
    const CONDITIONS: [&str; 8] = [
        "",
        "when { context.n > 1 }",
        "unless { context.n > 1 }",
        "when { context.n == 1 } unless { context.flag }",
        r#"when { context has missing && context.missing like "a*" }"#,
        r#"when { principal in [G::"1", G::"3"] || resource == R::"2" }"#,
        "when { context.missing == 1 }",
        "when { context.n + 9223372036854775806 > 0 }",
    ];

    fn uid(text: &str) -> EntityUid {
        text.parse().unwrap()
    }

    prop_compose! {
        fn written()(effect in prop::sample::select(vec!["permit", "forbid"]),
                     p in 0..PRINCIPALS.len(), r in 0..RESOURCES.len(), c in 0..CONDITIONS.len()) -> String {
            format!("{effect} ({}, action, {}) {};", PRINCIPALS[p], RESOURCES[r], CONDITIONS[c])
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn gates_change_nothing(
            policies in prop::collection::vec(written(), 0..60),
            p in 1..4u8, r in 1..4u8, groups in prop::collection::hash_set(1..4u8, 0..3), n in 0..4i64, flag: bool,
        ) {
            let parse = |(n, text): (usize, &String)| Policy::parse(Some(PolicyId::new(n.to_string())), text).unwrap();
            let policies: Vec<Policy> = policies.iter().enumerate().map(parse).collect();
            let principal = uid(&format!("P::\"{p}\""));
            let parents: HashSet<EntityUid> = groups.iter().map(|g| uid(&format!("G::\"{g}\""))).collect();
            let entities = Entities::from_entities([Entity::new_no_attrs(principal.clone(), parents)], None).unwrap();
            let context = Context::from_json_value(json!({ "n": n, "flag": flag }), None).unwrap();
            let resource = uid(&format!("R::\"{r}\""));
            let request = Request::new(principal, uid("Action::\"do\""), resource, context, None).unwrap();
            for effect in [cedar_policy::Effect::Permit, cedar_policy::Effect::Forbid] {
                let policies: Vec<&Policy> = policies.iter().filter(|policy| policy.effect() == effect).collect();
                let index = Index::new(&policies).unwrap();
                prop_assert!(policies.len() <= CHUNK || index.ungated.is_empty());
                let mut plain = Found::default();
                plain.ask(&CedarPolicies::from_policies(policies.into_iter().cloned()).unwrap(), &request, &entities);
                let mut found = index.find(&request, &entities);
                plain.satisfied.sort();
                found.satisfied.sort();
                plain.erring.sort();
                found.erring.sort();
                prop_assert_eq!(found.satisfied, plain.satisfied);
                prop_assert_eq!(found.erring, plain.erring);
            }
        }
    }
}
