//! Whether a bucket's policy denies what the lock doesn't: Object Lock keeps
//! versions, and lets anybody who may delete hide them behind delete markers.

use serde::Deserialize;

/// Whether a statement of `document`, the policy of `bucket`, denies everybody
/// `s3:DeleteObject` on every key, whatever the conditions. A policy that says the
/// same in several statements is not understood.
pub(super) fn denies_delete(document: &str, bucket: &str) -> bool {
    let policy: Policy = serde_json::from_str(document).unwrap_or_default();
    policy.statement.has(|found| {
        found.denies_all()
            && found.condition.is_null()
            && found.resource.has(|arn| resource(arn, bucket) == Some("*"))
            && found.action.has(|action| is_action(action, "s3:DeleteObject"))
    })
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
    fn has(&self, wanted: impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Many(many) => many.iter().any(wanted),
            Self::One(one) => wanted(one),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use serde_json::{Value, json};

    use super::*;

    fn policy(key: &str, value: Value) -> Value {
        let mut denies = json!({"Sid": "NobodyDeletes", "Effect": "Deny", "Principal": "*",
            "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"], "Resource": "arn:aws-us-gov:s3:::log/*"});
        denies[key] = value;
        let other = json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::log/*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}});
        json!({"Version": "2012-10-17", "Statement": [other, denies]})
    }

    #[test]
    fn everybody_is_denied_or_it_does_not_count() {
        let cases = [
            ("as deployed", policy("Sid", json!("NobodyDeletes")), true),
            ("by a pattern", policy("Action", json!("s3:Delete*")), true),
            ("everything", policy("Action", json!("*")), true),
            ("everybody, in other words", policy("Principal", json!({"AWS": "*"})), true),
            ("no policy", Value::Null, false),
            ("an allow", policy("Effect", json!("Allow")), false),
            ("somebody alone", policy("Principal", json!({"AWS": "arn:aws:iam::1:root"})), false),
            ("another action", policy("Action", json!(["s3:DeleteBucket", "s3:DeleteObjectVersion"])), false),
            ("some keys", policy("Resource", json!("arn:aws:s3:::log/tile/*")), false),
            ("another bucket", policy("Resource", json!("arn:aws:s3:::logs/*")), false),
            ("sometimes", policy("Condition", json!({"Bool": {"a": "b"}})), false),
        ];
        for (name, policy, expected) in cases {
            assert_eq!(denies_delete(&policy.to_string(), "log"), expected, "{name}");
        }
        assert!(!denies_delete("no JSON", "log"));
        let one = policy("Action", json!("S3:deleteobject"));
        let unbracketed = json!({"Statement": one["Statement"][1].clone()});
        assert!(denies_delete(&unbracketed.to_string(), "log"));
    }
}
