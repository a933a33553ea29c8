use std::collections::BTreeSet;

use halligan_core::entry::{Entry, SaltedPersonal};
use jsonschema::Validator;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use serde_json::{Value, json};

use crate::examples::examples;

const ABOUT: &str = "An entry of Halligan's log, as version 1 of the format has it: see docs/log-format.md. What is \
                     published beside it is `#/$defs/SaltedPersonal`. Later programs may write types and fields that \
                     are not here: readers pass over what they don't know.";

pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    generator.subschema_for::<SaltedPersonal>();
    let mut schema = generator.into_root_schema_for::<Entry>();
    // The program's own input is strict about unknown fields; readers of the log are not.
    open(&mut schema);
    schema.insert("description".into(), ABOUT.into());
    schema.to_value()
}

fn open(schema: &mut schemars::Schema) {
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        schema.remove("additionalProperties");
    }
    transform_subschemas(&mut open, schema);
}

/// A type of entry, as the schema has it.
pub struct Type {
    pub name: String,
    pub meaning: String,
    pub data: Value,
}

pub fn types() -> Vec<Type> {
    let one = |variant: &Value| Type {
        name: variant["properties"]["type"]["const"].as_str().unwrap().to_owned(),
        meaning: variant["description"].as_str().unwrap().to_owned(),
        data: variant["properties"]["data"].clone(),
    };
    schema()["oneOf"].as_array().unwrap().iter().map(one).collect()
}

/// The schema, and nothing beside what it names: what this program writes has no other fields.
fn strict() -> Validator {
    let mut schema = schema();
    close(&mut schema);
    schema["unevaluatedProperties"] = json!(false);
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn close(schema: &mut Value) {
    let Value::Object(fields) = schema else {
        if let Value::Array(items) = schema {
            items.iter_mut().for_each(close);
        }
        return;
    };
    fields.values_mut().for_each(close);
    // The root and its variants describe one object together.
    let shared =
        fields.contains_key("oneOf") || fields.get("properties").is_some_and(|p| p["type"]["const"].is_string());
    if !shared && fields.get("type") == Some(&json!("object")) && !fields.contains_key("additionalProperties") {
        fields.insert("unevaluatedProperties".into(), json!(false));
    }
}

#[test]
fn the_schema_is_current() {
    let text = serde_json::to_string_pretty(&schema()).unwrap();
    crate::is_current("entry.schema.json", &format!("{text}\n"));
}

#[test]
fn every_type_that_is_written_is_as_the_schema_says() {
    let (strict, lenient) = (strict(), jsonschema::validator_for(&schema()).unwrap());
    for entry in examples() {
        let value: Value = serde_json::from_slice(&entry.to_json()).unwrap();
        for validator in [&strict, &lenient] {
            let faults: Vec<String> =
                validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(faults.is_empty(), "{}: {faults:#?}", entry.event.kind());
        }
    }
}

/// The schema says something: none of these is an entry.
#[test]
fn what_is_no_entry_is_refused() {
    let validator = jsonschema::options().should_validate_formats(true).build(&schema()).unwrap();
    let strict = strict();
    let entry: Value = serde_json::from_slice(&examples()[0].to_json()).unwrap();
    assert!(validator.is_valid(&entry));
    let changed = |pointer: &str, value: Value| {
        let mut entry = entry.clone();
        *entry.pointer_mut(pointer).unwrap() = value;
        entry
    };
    for (pointer, value) in [
        ("/v", json!(2)),
        ("/id", json!("1")),
        ("/time", json!("yesterday")),
        ("/type", json!("grant.forgotten")),
        ("/type", json!("credentials.issued")),
        ("/data", json!({})),
        ("/data/role_arn", json!("arn:aws:s3:::bucket")),
        ("/data/limits/total_max", json!(4)),
        ("/data/request_hash", json!("14")),
        ("/actor/channel", json!("window")),
        ("/actor/person", json!("Alice Example")),
        ("/links/grant", json!("short")),
        ("/subject", json!({"kind": "aws-role"})),
    ] {
        assert!(!validator.is_valid(&changed(pointer, value.clone())), "{pointer} {value}");
    }
    for pointer in ["/data", "/actor", "/actor/principal", "/links", "/incident", "/subject", "/data/limits", ""] {
        let mut entry = entry.clone();
        entry.pointer_mut(pointer).unwrap()["later"] = json!(1);
        assert!(validator.is_valid(&entry), "readers pass over `{pointer}/later`");
        assert!(!strict.is_valid(&entry), "this program doesn't write `{pointer}/later`");
    }
}

/// What a person reads of the envelope is all of it.
#[test]
fn the_page_names_every_field_of_the_envelope() {
    let page = include_str!("../../../../docs/log-format.md");
    let schema = schema();
    let mut fields: BTreeSet<&str> = ["type", "data"].into();
    let objects = ["", "/$defs/Actor", "/$defs/Principal", "/$defs/Subject", "/$defs/IncidentRef", "/$defs/Links"];
    for object in objects.into_iter().chain(["/$defs/SaltedPersonal"]) {
        fields.extend(schema.pointer(object).unwrap()["properties"].as_object().unwrap().keys().map(String::as_str));
    }
    let missing: Vec<_> = fields.iter().filter(|field| !page.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty() && fields.len() > 15, "docs/log-format.md doesn't say what these are: {missing:?}");
}
