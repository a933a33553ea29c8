//! Whether a bucket's policy has the two denials that the lock doesn't replace:
//! Object Lock keeps versions, not what a plain reader sees.

use serde::Deserialize;

/// Denials that a policy must have, as a finding says it of one that hasn't.
const DELETE: &str = "denies everybody s3:DeleteObject, so delete markers can hide the log";
const WRITE_ONCE: &str = "denies everybody s3:PutObject without if-none-match on every key but `checkpoint`, so what is \
                          there can be written over";

/// What of it `document`, the policy of `bucket`, is missing. A policy that says the
/// same in other words is not understood.
pub(super) fn missing(document: &str, bucket: &str) -> Vec<&'static str> {
    let policy: Policy = serde_json::from_str(document).unwrap_or_default();
    let statements = policy.statement.as_slice();
    let any = |wanted: &dyn Fn(&Statement) -> bool| statements.iter().any(|found| found.denies_all() && wanted(found));
    let deletes = any(&|found| {
        let all = found.resource.has(|arn| resource(arn, bucket) == Some("*"));
        all && found.condition.is_null() && found.action.has(|action| is_action(action, "s3:DeleteObject"))
    });
    let writes = any(&|found| {
        let but_checkpoint = found.not_resource.as_slice();
        let all = found.resource.has(|arn| resource(arn, bucket) == Some("*"))
            || matches!(but_checkpoint, [arn] if resource(arn, bucket) == Some("checkpoint"));
        let condition = serde_json::json!({"Null": {"s3:if-none-match": "true"}});
        all && found.condition == condition && found.action.has(|action| is_action(action, "s3:PutObject"))
    });
    [(!deletes).then_some(DELETE), (!writes).then_some(WRITE_ONCE)].into_iter().flatten().collect()
}

/// What follows the bucket in its ARN, in whatever partition.
fn resource<'a>(arn: &'a str, bucket: &str) -> Option<&'a str> {
    let (_, path) = arn.split_once(":s3:::")?;
    path.strip_prefix(bucket)?.strip_prefix('/')
}

fn is_action(found: &str, wanted: &str) -> bool {
    found.strip_suffix('*').map_or(found.eq_ignore_ascii_case(wanted), |stem| {
        wanted.get(..stem.len()).is_some_and(|start| start.eq_ignore_ascii_case(stem))
    })
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Policy {
    statement: OneOrMany<Statement>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Statement {
    effect: String,
    principal: serde_json::Value,
    action: OneOrMany<String>,
    resource: OneOrMany<String>,
    not_resource: OneOrMany<String>,
    condition: serde_json::Value,
}

impl Statement {
    fn denies_all(&self) -> bool {
        let everybody = [serde_json::json!("*"), serde_json::json!({"AWS": "*"}), serde_json::json!({"AWS": ["*"]})];
        self.effect == "Deny" && everybody.contains(&self.principal)
    }
}

/// IAM leaves brackets out around one.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::Many(many) => many,
            Self::One(one) => std::slice::from_ref(one),
        }
    }

    fn has(&self, wanted: impl Fn(&T) -> bool) -> bool {
        self.as_slice().iter().any(wanted)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use serde_json::{Value, json};

    use super::*;

    const ALL: &str = "arn:aws-us-gov:s3:::log/*";

    fn good() -> Value {
        json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "WriteOnce", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
                "NotResource": "arn:aws-us-gov:s3:::log/checkpoint",
                "Condition": {"Null": {"s3:if-none-match": "true"}}},
            {"Sid": "NobodyDeletes", "Effect": "Deny", "Principal": "*",
                "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"], "Resource": ALL},
        ]})
    }

    fn changed(statement: usize, key: &str, value: Value) -> Value {
        let mut policy = good();
        policy["Statement"][statement][key] = value;
        policy
    }

    #[test]
    fn each_denial_is_there_or_missed() {
        let cases = [
            ("both", good(), vec![]),
            ("written otherwise", changed(1, "Action", json!("s3:Delete*")), vec![]),
            ("more is denied", changed(1, "Principal", json!({"AWS": "*"})), vec![]),
            ("no policy", Value::Null, vec![DELETE, WRITE_ONCE]),
            ("an allow", changed(1, "Effect", json!("Allow")), vec![DELETE]),
            ("somebody alone", changed(1, "Principal", json!({"AWS": "arn:aws:iam::1:root"})), vec![DELETE]),
            ("another action", changed(1, "Action", json!(["s3:DeleteBucket"])), vec![DELETE]),
            ("some keys", changed(1, "Resource", json!("arn:aws:s3:::log/tile/*")), vec![DELETE]),
            ("another bucket", changed(1, "Resource", json!("arn:aws:s3:::logs/*")), vec![DELETE]),
            ("sometimes", changed(1, "Condition", json!({"Bool": {"a": "b"}})), vec![DELETE]),
            ("another header", changed(0, "Condition", json!({"Null": {"s3:if-match": "true"}})), vec![WRITE_ONCE]),
            ("no condition is no way to write at all", changed(0, "Condition", Value::Null), vec![WRITE_ONCE]),
            ("other keys excepted", changed(0, "NotResource", json!("arn:aws:s3:::log/tile/*")), vec![WRITE_ONCE]),
        ];
        for (name, policy, expected) in cases {
            assert_eq!(missing(&policy.to_string(), "log"), expected, "{name}");
        }
        assert_eq!(missing("no JSON", "log").len(), 2);
    }

    #[test]
    fn one_statement_needs_no_brackets() {
        let mut policy = good();
        policy["Statement"] = policy["Statement"][1].clone();
        assert_eq!(missing(&policy.to_string(), "log"), [WRITE_ONCE]);
    }
}
