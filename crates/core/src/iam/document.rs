//! An IAM policy document, typed: what it holds is what IAM reads.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::floor_second;

/// The policy language's version; the older one has no policy variables.
const VERSION: &str = "2012-10-17";

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Document {
    version: String,
    /// What it says, in order (IAM gives the order no meaning).
    pub statement: Vec<Statement>,
}

impl Document {
    /// A document of these statements.
    #[must_use]
    pub fn new(statement: Vec<Statement>) -> Self {
        Self { version: VERSION.to_owned(), statement }
    }

    /// The JSON as it is sent to IAM: no white space, keys in a fixed order.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings and maps of strings alone: serialising them can't fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Whether a statement allows or denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Effect {
    /// Grants, within what the role may.
    Allow,
    /// Forbids, over every allow.
    Deny,
}

/// One statement. Lists are always written as lists: one shape to read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Statement {
    /// The statement's name: letters and digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Allow or deny.
    pub effect: Effect,
    /// Which actions.
    #[serde(deserialize_with = "one_or_many")]
    pub action: Vec<String>,
    /// On which resources.
    #[serde(deserialize_with = "one_or_many")]
    pub resource: Vec<String>,
    /// When: operator → key → values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<String, BTreeMap<String, Values>>,
}

impl Statement {
    /// Denies everything under `conditions`, all of which must hold.
    pub(super) fn deny_all<const N: usize>(sid: Option<String>, conditions: [(&str, &str, Values); N]) -> Self {
        let mut condition: BTreeMap<String, BTreeMap<String, Values>> = BTreeMap::new();
        for (operator, key, values) in conditions {
            condition.entry(operator.to_owned()).or_default().insert(key.to_owned(), values);
        }
        let everything = || vec!["*".to_owned()];
        Self { sid, effect: Effect::Deny, action: everything(), resource: everything(), condition }
    }
}

/// The values of a condition key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Values {
    /// One value.
    One(String),
    /// Any of these.
    Many(Vec<String>),
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Values::deserialize(deserializer)? {
        Values::One(value) => vec![value],
        Values::Many(values) => values,
    })
}

/// `at` as IAM's date conditions write it, rounded down: they compare whole seconds.
pub(super) fn date(at: Timestamp) -> String {
    floor_second(at).to_string()
}
