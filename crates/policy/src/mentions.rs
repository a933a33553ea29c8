//! What policies look at, and what they compare it with: the values worth trying.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::Policy;
use serde_json::Value;

use crate::set::PolicySet;

/// The attributes that policies read, by name, and the literals that each is compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mentions {
    read: BTreeSet<String>,
    texts: BTreeMap<String, BTreeSet<String>>,
    numbers: BTreeMap<String, BTreeSet<i64>>,
}

const COMPARISONS: [&str; 10] = ["==", "!=", "<", "<=", ">", ">=", "in", "contains", "containsAll", "containsAny"];

impl Mentions {
    pub fn of(policies: &PolicySet) -> Self {
        let each = policies.rules().iter().map(|rule| Self::of_one(&rule.policy));
        each.fold(Self::default(), Self::and)
    }

    pub fn of_one(policy: &Policy) -> Self {
        let mut mentions = Self::default();
        // What can't be written as JSON is no worse off: fewer values are tried.
        if let Ok(policy) = policy.to_json() {
            mentions.walk(&policy);
        }
        mentions
    }

    pub fn and(mut self, other: Self) -> Self {
        self.read.extend(other.read);
        for (attribute, texts) in other.texts {
            self.texts.entry(attribute).or_default().extend(texts);
        }
        for (attribute, numbers) in other.numbers {
            self.numbers.entry(attribute).or_default().extend(numbers);
        }
        self
    }

    /// Whether any policy reads an attribute of this name, of whatever it may be.
    pub fn reads(&self, attribute: &str) -> bool {
        self.read.contains(attribute)
    }

    pub fn texts(&self, attribute: &str) -> impl Iterator<Item = &str> {
        self.texts.get(attribute).into_iter().flatten().map(String::as_str)
    }

    pub fn numbers(&self, attribute: &str) -> impl Iterator<Item = i64> {
        self.numbers.get(attribute).into_iter().flatten().copied()
    }

    fn walk(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    if COMPARISONS.contains(&name.as_str()) {
                        self.compared(field);
                    }
                    self.walk(field);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            _ => {}
        }
        self.read.extend(attribute(value).map(str::to_owned));
    }

    fn compared(&mut self, sides: &Value) {
        let mut found = Found::default();
        found.walk(sides);
        for attribute in found.attributes {
            self.texts.entry(attribute.clone()).or_default().extend(found.texts.iter().cloned());
            self.numbers.entry(attribute).or_default().extend(&found.numbers);
        }
    }
}

/// The attribute that `left.attr` or `left has attr` is about: `{"left": …, "attr": …}`.
fn attribute(value: &Value) -> Option<&str> {
    value.get("left")?;
    value.get("attr")?.as_str()
}

/// The attributes and literals on both sides of a comparison.
#[derive(Default)]
struct Found {
    attributes: BTreeSet<String>,
    texts: BTreeSet<String>,
    numbers: BTreeSet<i64>,
}

impl Found {
    fn walk(&mut self, value: &Value) {
        self.attributes.extend(attribute(value).map(str::to_owned));
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match (name.as_str(), field) {
                        ("Value", Value::String(text)) => drop(self.texts.insert(text.clone())),
                        ("Value", Value::Number(number)) => self.numbers.extend(number.as_i64()),
                        (_, field) => self.walk(field),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::load::{Known, Source};

    #[test]
    fn what_policies_read_and_compare_is_found() {
        let text = r#"
            @id("a") @satisfiedBy("x") forbid (principal, action == Halligan::Action::"request", resource)
            when { context has durationSeconds && 3600 < context.durationSeconds || resource.name like "prod*" }
            unless { context has incident && context.incident has severity &&
                     (["sev1", "sev2"].contains(context.incident.severity) || context.incident.severity == "p0") };"#;
        let policies = PolicySet::load(&[Source::new("a.cedar", text)], &Known::default()).unwrap();
        let mentions = Mentions::of(&policies);
        assert_eq!(mentions.texts("severity").collect::<Vec<_>>(), ["p0", "sev1", "sev2"]);
        assert_eq!(mentions.numbers("durationSeconds").collect::<Vec<_>>(), [3600]);
        assert_eq!(mentions.numbers("severity").count() + mentions.texts("durationSeconds").count(), 0);
        for read in ["durationSeconds", "incident", "severity", "name"] {
            assert!(mentions.reads(read), "{read}");
        }
        assert!(!mentions.reads("signed"));
    }
}
