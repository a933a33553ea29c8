//! The page of types, made from the schema, which is made from the code.

use std::fmt::Write;

use serde_json::Value;

use crate::schema::{schema, types};

const HEAD: &str = "# The types of entries\n\n\
    <!-- Made from crates/core/src/event.rs by `UPDATE_DOCS=1 cargo test -p halligan-core --test format`. -->\n\n\
    What `type` says, and what `data` then holds ([the format](../log-format.md), [JSON Schema](entry.schema.json), \
    [an example of each](examples.ndjson)). Times are RFC 3339 in UTC, lengths of time ISO 8601 (`PT15M`), hashes and \
    nonces lower-case hexadecimal. A field that is `null` says as much as one that is not there.\n\n\
    | type | when | `data` |\n| --- | --- | --- |\n";

/// The definitions that are told of by their name alone.
const PLAIN: [&str; 11] = [
    "ExtensionHash",
    "GrantId",
    "MintId",
    "Nonce",
    "PersonId",
    "RequestHash",
    "RoleArn",
    "ScopeHash",
    "ScopeId",
    "SessionName",
    "SourceIdentity",
];

fn one_line(text: &Value) -> String {
    text.as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

fn definition(property: &Value) -> Option<&str> {
    let reference = property["$ref"].as_str().or_else(|| property["anyOf"][0]["$ref"].as_str())?;
    reference.strip_prefix("#/$defs/")
}

/// The form of a field, where its meaning doesn't give it away.
fn form(property: &Value) -> String {
    let kind = property["type"].as_str().or_else(|| property["type"][0].as_str()).unwrap_or_default();
    match (definition(property), kind, property["format"].as_str()) {
        (Some(name), ..) if name.ends_with("Hash") || name == "Nonce" => "64 hexadecimal digits".into(),
        (Some("MintId"), ..) => "UUID".into(),
        (Some(name), ..) if PLAIN.contains(&name) => "text".into(),
        (Some(name), ..) => format!("[{name}](#{})", name.to_lowercase()),
        (None, "string", Some("date-time")) => "time".into(),
        (None, "string", Some("uuid")) => "UUID".into(),
        (None, "string", Some("duration")) => "length of time".into(),
        (None, "string", _) => "text".into(),
        (None, "integer", _) => "integer".into(),
        (None, "boolean", _) => "true or false".into(),
        (None, "array", _) => format!("list of {}", form(&property["items"]).replace("text", "texts")),
        (None, "object", _) => "object".into(),
        other => panic!("{other:?}: say how a field of this form is told of"),
    }
}

fn fields(object: &Value) -> String {
    let Some(properties) = object["properties"].as_object() else { return "nothing".into() };
    let required: Vec<&str> = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let field = |(name, property): (&String, &Value)| {
        let nullable = property["type"].as_array().is_some() || property["anyOf"].is_array();
        let or_null = if nullable || !required.contains(&name.as_str()) { ", or null" } else { "" };
        format!("`{name}` ({}{or_null}): {}", form(property), one_line(&property["description"]))
    };
    // In the order in which they are written.
    properties.iter().map(field).collect::<Vec<_>>().join("<br>")
}

fn markdown() -> String {
    let (schema, mut page) = (schema(), HEAD.to_owned());
    let mut within = Vec::new();
    for found in types() {
        let mut cell = match definition(&found.data) {
            Some(name) => fields(&schema["$defs"][name]),
            None => fields(&found.data),
        };
        if cell.is_empty() {
            cell = "nothing".into();
        }
        writeln!(page, "| `{}` | {} | {cell} |", found.name, one_line(&Value::String(found.meaning))).unwrap();
        within.extend(nested(&schema, &found.data));
    }
    within.sort();
    within.dedup();
    page.push_str("\n## Objects within\n");
    for name in within {
        let object = &schema["$defs"][&name];
        write!(page, "\n### {name}\n\n{}\n\n", one_line(&object["description"])).unwrap();
        match object["oneOf"].as_array() {
            Some(variants) => variants.iter().for_each(|variant| {
                let (value, meaning) = (word(variant), one_line(&variant["description"]));
                writeln!(page, "- {value}: {meaning}").unwrap();
            }),
            None => fields(object).split("<br>").for_each(|field| writeln!(page, "- {field}").unwrap()),
        }
    }
    page
}

fn word(variant: &Value) -> String {
    match variant["const"].as_str() {
        Some(word) => format!("`\"{word}\"`"),
        None => format!("`{{\"{}\": …}}`", variant["properties"].as_object().unwrap().keys().next().unwrap()),
    }
}

/// The definitions that the reader must be told of, within these data.
fn nested(schema: &Value, object: &Value) -> Vec<String> {
    let own = definition(object).map(|name| &schema["$defs"][name]).unwrap_or(object);
    let mut found = Vec::new();
    for property in own["properties"].as_object().into_iter().flat_map(|properties| properties.values()) {
        for place in [property, &property["items"]] {
            if let Some(name) = definition(place).filter(|name| !PLAIN.contains(name)) {
                found.push(name.to_owned());
                found.extend(nested(schema, place));
            }
        }
    }
    found
}

#[test]
fn the_page_of_types_is_current() {
    crate::is_current("types.md", &markdown());
}

#[test]
fn the_page_about_logging_names_every_type() {
    let page = include_str!("../../../../docs/LOGGING.md");
    let missing: Vec<String> =
        types().into_iter().map(|found| found.name).filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/LOGGING.md doesn't say when these are written: {missing:?}");
}
