//! Policies that were found good, and what is known of each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{
    ActionConstraint, Effect, EntityUid, Policy, PolicyId, PrincipalConstraint, Request, ResourceConstraint,
};

use crate::decide::Obligation;
use crate::index::Index;
use crate::question::{Action, Kind, Question};
use crate::vocabulary::Vocabulary;
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
    is_permit: bool,
    /// What it asks of somebody's groups.
    pub asks: Asks,
    /// The kinds of principal and resource, and the actions, that it can be about.
    about: Vec<(Kind, Action, Kind)>,
    /// Whom and what its scope names alone.
    principal: Option<EntityUid>,
    resource: Option<EntityUid>,
}

/// The policies whose scope admits an action.
#[derive(Debug, Clone, Default)]
pub(crate) struct ByEffect {
    pub permits: Index,
    pub forbids: Index,
    /// The groups that any of them names.
    pub groups: BTreeSet<String>,
    /// Whether any of them could turn against somebody by the resource's lists.
    pub reads_lists: bool,
}

/// What a policy asks of somebody's groups.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asks {
    /// The groups that it names.
    groups: BTreeSet<String>,
    /// Whether it reads a list of the resource, in a way that being in it could turn against somebody: a
    /// permit that only asks for a membership takes none amiss.
    reads_lists: bool,
}

impl Asks {
    fn of(policy: &Policy) -> Self {
        let group = &Vocabulary::get().group;
        let named = policy.entity_literals().into_iter().filter(|literal| literal.type_name() == group);
        // What can't be written as JSON is taken for the worst.
        let reads_lists = policy.to_json().map_or(true, |policy_json| {
            let mut read = ListsRead::default();
            read.walk(&policy_json);
            read.any && (policy.effect() == Effect::Forbid || read.negated)
        });
        Self { groups: named.map(|literal| literal.id().unescaped().to_owned()).collect(), reads_lists }
    }
}

/// Whether a policy in Cedar's JSON reads lists, and whether anything in it is turned round.
#[derive(Default)]
struct ListsRead {
    any: bool,
    negated: bool,
}

impl ListsRead {
    fn walk(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, field) in fields {
                    self.any |= name == "attr" && field.as_str().is_some_and(crate::wording::is_list);
                    self.negated |= matches!(name.as_str(), "!" | "if-then-else" | "==" | "!=")
                        || (name == "kind" && field == "unless");
                    self.walk(field);
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            _ => {}
        }
    }
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
            Some((words.kind(env.principal())?, action, words.kind(env.resource())?))
        });
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Eq(named) => Some(named),
            _ => None,
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Eq(named) => Some(named),
            _ => None,
        };
        Self {
            id: policy.id().to_string(),
            position,
            is_permit: policy.effect() == Effect::Permit,
            about: about.collect(),
            principal,
            resource,
            asks: Asks::of(&policy),
            policy,
            wording,
            obliges,
        }
    }

    pub const fn is_permit(&self) -> bool {
        self.is_permit
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

    /// Whether it is about such questions, naming nobody and nothing else.
    fn is_about_such(&self, question: &Question<'_>, principal: &EntityUid, resource: &EntityUid) -> bool {
        let kinds = (question.principal.kind(), question.action, question.resource.kind());
        self.about.contains(&kinds)
            && self.principal.as_ref().is_none_or(|named| named == principal)
            && self.resource.as_ref().is_none_or(|named| named == resource)
    }
}

impl PolicySet {
    /// Of rules whose ids differ.
    pub(crate) fn new(rules: Vec<Rule>, sha256: String, warnings: Vec<String>) -> Result<Self, String> {
        let mut by_action: BTreeMap<Action, ByEffect> = BTreeMap::new();
        for action in Action::ALL {
            let about: Vec<&Rule> = rules.iter().filter(|rule| rule.admits(action)).collect();
            let of = |effect| {
                let about = about.iter().filter(|rule| rule.policy.effect() == effect);
                Index::new(&about.map(|rule| &rule.policy).collect::<Vec<_>>())
            };
            let index = ByEffect {
                permits: of(Effect::Permit)?,
                forbids: of(Effect::Forbid)?,
                groups: about.iter().flat_map(|rule| rule.asks.groups.iter().cloned()).collect(),
                reads_lists: about.iter().any(|rule| rule.asks.reads_lists),
            };
            by_action.insert(action, index);
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

    /// The policies that are about such a question at all, leaving out those that name
    /// another person, machine or resource.
    pub(crate) fn about_such<'a>(
        &'a self,
        question: &'a Question<'_>,
        request: &'a Request,
    ) -> impl Iterator<Item = &'a Rule> {
        let names = request.principal().zip(request.resource());
        let about = move |rule: &&Rule| names.is_some_and(|(who, what)| rule.is_about_such(question, who, what));
        self.rules.iter().filter(about)
    }

    pub(crate) fn about(&self, action: Action) -> &ByEffect {
        self.by_action.get(&action).unwrap_or(&self.nothing)
    }
}
