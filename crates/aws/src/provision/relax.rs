//! What a stand-in of AWS can't evaluate.

use serde_json::{Map, Value, json};

/// Condition keys that the stand-in never fills in, or fills in otherwise than AWS
/// does because it is spoken to in plain HTTP.
const NOT_FILLED_IN: [&str; 5] = [
    "aws:SecureTransport",
    "iam:PermissionsBoundary",
    "s3:if-none-match",
    "sts:SourceIdentity",
    "sts:TransitiveTagKeys",
];

/// Takes the conditions on such keys out of Allow statements, which would never
/// allow, and takes out the Deny statements that hang on one, which would always
/// deny. Returns what was taken out, as `resource: statement: key`.
pub(super) fn relax(resources: &mut Map<String, Value>) -> Vec<String> {
    let mut taken = Vec::new();
    for (name, resource) in resources {
        walk(resource, &mut |sid, key| taken.push(format!("{name}: {sid}: {key}")));
    }
    taken.sort();
    taken
}

fn walk(value: &mut Value, taken: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, taken)),
        Value::Object(object) if object.contains_key("Effect") => {
            if statement(object, taken) {
                // A list of statements may hold it directly or inside a Fn::If: this drops it from both.
                *value = json!({"Ref": "AWS::NoValue"});
            }
        }
        Value::Object(object) => object.values_mut().for_each(|item| walk(item, taken)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether the whole statement has to go.
fn statement(statement: &mut Map<String, Value>, taken: &mut impl FnMut(&str, &str)) -> bool {
    let denies = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
    let sid = statement.get("Sid").and_then(Value::as_str).unwrap_or("unnamed").to_owned();
    let Some(condition) = statement.get_mut("Condition").and_then(Value::as_object_mut) else {
        return false;
    };
    let mut found = false;
    for keys in condition.values_mut().filter_map(Value::as_object_mut) {
        keys.retain(|key, _| {
            let known = NOT_FILLED_IN.iter().any(|gap| gap.eq_ignore_ascii_case(key));
            if known {
                taken(&sid, key);
            }
            found |= known;
            !known
        });
    }
    condition.retain(|_, keys| keys.as_object().is_none_or(|keys| !keys.is_empty()));
    if condition.is_empty() {
        statement.remove("Condition");
    }
    denies && found
}
