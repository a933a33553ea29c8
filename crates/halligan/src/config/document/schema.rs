//! The JSON Schema.

use serde_json::{Map, Value, json};

use crate::config::model::Config;

/// The schema of the configuration, as TOML can be checked against it.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    // One action or resource needs no list.
    for field in ["Action", "Resource"] {
        let property = schema.pointer_mut(&format!("/$defs/Statement/properties/{field}")).unwrap();
        *property = json!({ "description": property["description"], "$ref": "#/$defs/Values" });
    }
    clean(&mut schema);
    schema
}

/// Makes of what the derive writes what TOML means.
fn clean(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(object) => {
            without_null(object);
            demanded(object);
            if let Some(Value::String(description)) = object.get_mut("description") {
                *description = description.replace('\n', " ");
            }
            object.values_mut().for_each(clean);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// TOML has no null: what is optional is left out.
fn without_null(object: &mut Map<String, Value>) {
    // A default of nothing, or of a whole section, says nothing.
    if object.get("default").is_some_and(|default| matches!(default, Value::Null | Value::Object(_))) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get("type")
        && let [one, null] = &types[..]
        && null == "null"
    {
        let one = one.clone();
        object.insert("type".to_owned(), one);
    }
    if let Some(Value::Array(any)) = object.get("anyOf")
        && let [Value::Object(one), null] = &any[..]
        && null == &json!({ "type": "null" })
    {
        let one = one.clone();
        object.remove("anyOf");
        object.extend(one);
    }
}

/// What must not be empty can't be left out either, though it is only found
/// missing together with everything else.
fn demanded(object: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = object.get_mut("properties") else { return };
    let mut demanded = Vec::new();
    for (name, property) in properties {
        if ["minItems", "minProperties"].iter().any(|least| property.get(least).is_some()) {
            property.as_object_mut().unwrap().remove("default");
            demanded.push(json!(name));
        }
    }
    if demanded.is_empty() {
        return;
    }
    let required = object.entry("required").or_insert_with(|| json!([])).as_array_mut().unwrap();
    demanded.retain(|name| !required.contains(name));
    required.extend(demanded);
}
