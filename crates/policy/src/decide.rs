//! The answer to one question.

use std::collections::BTreeSet;

use cedar_policy::PolicyId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doubt::Doubt;
use crate::index::Found;
use crate::question::{Question, Who};
use crate::set::{PolicySet, Rule};
use crate::stack;
use crate::translate::{Translated, translate};

/// What a refusal's reader could do at once to satisfy the rule that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Obligation {
    /// Prove who they are again, with a second factor.
    StepUp,
    /// Sign the acknowledgement with a passkey.
    Sign,
}

impl Obligation {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::StepUp, Self::Sign];

    /// The word in `@obliges`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StepUp => "stepUp",
            Self::Sign => "sign",
        }
    }
}

/// The policies' answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Decision {
    /// Whether it may be done.
    pub allow: bool,
    /// Whether a permit is satisfied. Forbids may refuse all the same: it is what to go by
    /// when something is offered to somebody and its occasion isn't known yet.
    pub permitted: bool,
    /// The ids of the policies that decided, in the order of the files: the permits that
    /// were satisfied; or the forbids that were (or could not be evaluated); or, where
    /// nothing permits, the permits that could have.
    pub rules: Vec<String>,
    /// What would satisfy the rules that refused: all of the forbids' texts, and one of
    /// the permits', if nothing permits. Empty if it may be done.
    pub unmet: Vec<String>,
    /// What the forbids that refused offer as a remedy. Others may have refused too:
    /// see [`Decision::can_be_healed`].
    pub obligations: Vec<Obligation>,
    /// Whether doing all of `obligations` leaves nothing that refuses.
    pub can_be_healed: bool,
    /// Policies that could not be evaluated, each with the reason: an alarm. A permit
    /// counts as not satisfied, a forbid as satisfied.
    pub errors: Vec<String>,
}

impl PolicySet {
    /// Answers. Pure in the question and in the policies. Fails closed: a question that
    /// the schema has no place for is refused, and says so in `errors`.
    #[must_use]
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        if matches!(question.principal, Who::Machine(_)) && !question.action.is_open_to_machines() {
            let unmet = format!("let a person do it: no machine may {}", question.action);
            return Decision { unmet: vec![unmet], ..Decision::default() };
        }
        match translate(question) {
            Ok(translated) => stack::with_some(|| self.decide_translated(question, &translated)),
            Err(error) => unasked(&error),
        }
    }

    fn decide_translated(&self, question: &Question<'_>, translated: &Translated) -> Decision {
        let answered = match self.answer(question, translated) {
            Ok(answered) => answered,
            Err(error) => return unasked(&error),
        };
        let errors = [errors_of(&answered.permits), errors_of(&answered.forbids)].concat();
        let satisfied = self.in_order(answered.permits.satisfied.iter());
        let permitted = !satisfied.is_empty();
        if permitted && !answered.is_forbidden() {
            return Decision { allow: true, permitted, rules: ids(&satisfied), errors, ..Decision::default() };
        }
        let certain = answered.forbids.satisfied.iter().chain(answered.forbids.erring.iter().map(|(id, _)| id));
        let certain = self.in_order(certain);
        let refusing = self.in_order(certain.iter().map(|rule| rule.policy.id()).chain(answered.may_forbid.keys()));
        let could: Vec<&Rule> = if permitted {
            Vec::new()
        } else {
            self.about_such(question, &translated.request).filter(|rule| rule.is_permit()).collect()
        };
        let obligations: BTreeSet<Obligation> = certain.iter().filter_map(|rule| rule.obliges).collect();
        let lost = answered.may_not_permit.values().filter(|_| !permitted);
        let doubts = answered.may_forbid.values().chain(lost).flatten().map(Doubt::unmet);
        let mut unmet: Vec<String> = Vec::new();
        for text in certain.iter().chain(&could).map(|rule| rule.unmet(question)).chain(doubts) {
            if !unmet.contains(&text) {
                unmet.push(text);
            }
        }
        if unmet.is_empty() {
            unmet.push(format!("nobody may: no policy permits `{}` here", question.action));
        }
        Decision {
            allow: false,
            permitted,
            rules: ids(if refusing.is_empty() { &could } else { &refusing }),
            unmet,
            can_be_healed: permitted
                && answered.may_forbid.is_empty()
                && certain.iter().all(|rule| rule.obliges.is_some()),
            obligations: obligations.into_iter().collect(),
            errors,
        }
    }

    /// The rules of these ids, as they stand in the files.
    fn in_order<'a>(&self, ids: impl Iterator<Item = &'a PolicyId>) -> Vec<&Rule> {
        let mut rules: Vec<&Rule> = ids.filter_map(|id| self.rule(id)).collect();
        rules.sort_by_key(|rule| rule.position);
        rules
    }
}

fn errors_of(found: &Found) -> Vec<String> {
    let text = |(id, why): &(PolicyId, String)| format!("policy `{id}` could not be evaluated: {why}");
    let mut errors: Vec<String> = found.erring.iter().map(text).collect();
    errors.sort();
    errors
}

fn unasked(error: &str) -> Decision {
    Decision {
        unmet: vec!["nobody may: the policies can't be asked".to_owned()],
        errors: vec![format!("the question doesn't fit the schema: {error}")],
        ..Decision::default()
    }
}

fn ids(rules: &[&Rule]) -> Vec<String> {
    rules.iter().map(|rule| rule.id.clone()).collect()
}
