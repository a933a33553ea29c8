//! Why a policy is satisfied or not: its conditions, one by one.

use cedar_policy::{EvalResult, Expression, Policy, eval_expression, pst};

use crate::translate::Translated;

/// More of a condition than this helps nobody.
const SHOWN: usize = 200;

/// The parts of scope and conditions that make the policy what it is here: for one that
/// is satisfied, all that holds; for one that isn't, what fails.
pub(super) fn why(policy: &Policy, translated: &Translated, satisfied: bool) -> Vec<String> {
    let Ok(policy) = policy.to_pst() else { return Vec::new() };
    let body = policy.body();
    let scope = [("principal", body.principal.to_string()), ("resource", body.resource.to_string())];
    let scope = scope.into_iter().filter(|(_, constraint)| !constraint.is_empty());
    let mut parts: Vec<Part> =
        scope.map(|(variable, constraint)| Part { text: format!("{variable} {constraint}"), wanted: true }).collect();
    for clause in body.clauses() {
        match clause {
            pst::Clause::When(condition) => parts.extend(all_of(condition)),
            // Not all of these hold: that is what lets the policy apply.
            pst::Clause::Unless(condition) if satisfied => {
                let failing = failing(all_of(condition), translated).into_iter();
                parts.extend(failing.map(|part| Part { wanted: false, ..part }));
            }
            pst::Clause::Unless(condition) => parts.push(Part { text: condition.to_string(), wanted: false }),
        }
    }
    if satisfied {
        return parts.iter().map(|part| part.shown(part.wanted)).collect();
    }
    failing(parts, translated).iter().map(|part| part.shown(!part.wanted)).collect()
}

/// Those that aren't as wanted. What can't be evaluated (most often it reads what is
/// missing) is worth telling only if that alone is in the way.
fn failing(parts: Vec<Part>, translated: &Translated) -> Vec<Part> {
    let known: Vec<(Part, Option<bool>)> = parts
        .into_iter()
        .map(|part| {
            let holds = part.holds(translated);
            (part, holds)
        })
        .filter(|(part, holds)| *holds != Some(part.wanted))
        .collect();
    let any_known = known.iter().any(|(_, holds)| holds.is_some());
    known.into_iter().filter(|(_, holds)| holds.is_some() || !any_known).map(|(part, _)| part).collect()
}

#[derive(Clone)]
struct Part {
    text: String,
    /// Whether the policy wants it true.
    wanted: bool,
}

/// The sides of `&&`.
fn all_of(condition: &pst::Expr) -> Vec<Part> {
    match condition {
        pst::Expr::BinaryOp { op: pst::BinaryOp::And, left, right } => [all_of(left), all_of(right)].concat(),
        other => vec![Part { text: other.to_string(), wanted: true }],
    }
}

impl Part {
    /// None: it can't be evaluated, for instance because what it reads is missing.
    fn holds(&self, translated: &Translated) -> Option<bool> {
        let expression: Expression = self.text.parse().ok()?;
        match eval_expression(&translated.request, &translated.entities, &expression) {
            Ok(EvalResult::Bool(holds)) => Some(holds),
            _ => None,
        }
    }

    fn shown(&self, holds: bool) -> String {
        let short: String = self.text.chars().take(SHOWN).collect();
        let more = if short.len() < self.text.len() { "…" } else { "" };
        format!("{}{short}{more}", if holds { "" } else { "not: " })
    }
}
