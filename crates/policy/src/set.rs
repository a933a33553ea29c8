//! Policies that were found good, and what is known of each.

use std::collections::{BTreeMap, HashMap, HashSet};

use cedar_policy::{
    ActionConstraint, Effect, EntityTypeName, EntityUid, Policy, PolicyId, PrincipalConstraint, ResourceConstraint,
};

use crate::decide::Obligation;
use crate::index::Index;
use crate::question::{Action, Question, Resource, Who};
use crate::vocabulary::{Vocabulary, uid};
use crate::wording::Wording;

/// One policy.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub id: String,
    /// Where it stands among all.
    pub position: usize,
    pub policy: Policy,
    pub wording: Option<Wording>,
    pub obliges: Option<Obligation>,
    /// The kinds of principal and resource, and the actions, that it can be about.
    about: HashSet<(EntityTypeName, Action, EntityTypeName)>,
}

/// The policies whose scope admits an action.
#[derive(Debug, Clone, Default)]
pub(crate) struct ByEffect {
    pub permits: Index,
    pub forbids: Index,
}

/// Every policy of a deployment, found good as a whole.
#[derive(Debug, Clone)]
pub struct PolicySet {
    rules: Vec<Rule>,
    by_id: HashMap<PolicyId, usize>,
    by_action: BTreeMap<Action, ByEffect>,
    nothing: ByEffect,
    sha256: String,
    warnings: Vec<String>,
}

impl Rule {
    pub fn new(position: usize, policy: Policy, wording: Option<Wording>, obliges: Option<Obligation>) -> Self {
        let words = Vocabulary::get();
        let envs = policy.get_valid_request_envs(&words.schema);
        let about = envs.filter_map(|env| {
            let action = words.action_of(env.action())?;
            Some((env.principal().clone(), action, env.resource().clone()))
        });
        Self { id: policy.id().to_string(), position, about: about.collect(), policy, wording, obliges }
    }

    pub fn is_permit(&self) -> bool {
        self.policy.effect() == Effect::Permit
    }

    /// Whether there is a question of this action that it could be satisfied by.
    pub fn is_about(&self, action: Action) -> bool {
        self.about.iter().any(|(_, about, _)| *about == action)
    }

    /// What would satisfy it here.
    pub fn unmet(&self, question: &Question<'_>) -> String {
        match &self.wording {
            Some(wording) => wording.fill(question),
            None => format!("satisfy the policy `{}`", self.id),
        }
    }

    /// Whether its scope admits the action, as Cedar has it.
    pub fn admits(&self, action: Action) -> bool {
        let action = Vocabulary::get().action(action);
        match self.policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(one) => one == action,
            // INVARIANT: the schema has no groups of actions, so `in` is one of these.
            ActionConstraint::In(some) => some.contains(&action),
        }
    }

    /// Whether it is a permit that such a question is about, naming nobody and nothing else.
    pub fn could_permit(&self, question: &Question<'_>) -> bool {
        let (principal, resource) = names(question);
        let kinds = (principal.type_name().clone(), question.action, resource.type_name().clone());
        let names_another = match self.policy.principal_constraint() {
            PrincipalConstraint::Eq(named) => named != principal,
            _ => false,
        } || match self.policy.resource_constraint() {
            ResourceConstraint::Eq(named) => named != resource,
            _ => false,
        };
        self.is_permit() && !names_another && self.about.contains(&kinds)
    }
}

/// Who and what, as Cedar names them.
fn names(question: &Question<'_>) -> (EntityUid, EntityUid) {
    let words = Vocabulary::get();
    let principal = match question.principal {
        Who::Person(_) => &words.person,
        Who::Machine(_) => &words.machine,
    };
    let resource = match question.resource {
        Resource::Role(_) => &words.role,
        Resource::Gate(_) => &words.gate,
        Resource::Log { .. } => &words.log,
        Resource::Broker { .. } => &words.broker,
    };
    (uid(principal, question.principal.as_str()), uid(resource, question.resource.name()))
}

impl PolicySet {
    /// Of rules whose ids differ.
    pub(crate) fn new(rules: Vec<Rule>, sha256: String, warnings: Vec<String>) -> Result<Self, String> {
        let mut by_action: BTreeMap<Action, ByEffect> = BTreeMap::new();
        for action in Action::ALL {
            let of = |effect| {
                let about = rules.iter().filter(|rule| rule.policy.effect() == effect && rule.admits(action));
                Index::new(&about.map(|rule| &rule.policy).collect::<Vec<_>>())
            };
            by_action.insert(action, ByEffect { permits: of(Effect::Permit)?, forbids: of(Effect::Forbid)? });
        }
        let by_id = rules.iter().enumerate().map(|(n, rule)| (rule.policy.id().clone(), n)).collect();
        Ok(Self { rules, by_id, by_action, nothing: ByEffect::default(), sha256, warnings })
    }

    /// The ids of all policies, in the order of the files.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        self.rules.iter().map(|rule| rule.id.as_str()).collect()
    }

    /// Of the schema and of the names and texts that it was loaded from, in hexadecimal: what a change of policies is
    /// known by.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What the validator found odd, fit to be shown.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(crate) fn rule(&self, id: &PolicyId) -> Option<&Rule> {
        self.by_id.get(id).and_then(|n| self.rules.get(*n))
    }

    pub(crate) fn about(&self, action: Action) -> &ByEffect {
        self.by_action.get(&action).unwrap_or(&self.nothing)
    }
}
