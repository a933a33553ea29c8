//! The reference and the JSON Schema, made from the model: what the program
//! takes and what its documents say can't drift apart.
//!
//! `UPDATE_DOCS=1 cargo test -p halligan config::document` writes them anew.

mod reference;
mod schema;

use std::path::Path;

/// Compares a document with what it should be, or writes it.
fn is_current(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/{name} is out of date: run `UPDATE_DOCS=1 cargo test -p halligan config::document`"
    );
}

#[test]
fn the_schema_is_current() {
    let schema = serde_json::to_string_pretty(&schema::schema()).unwrap();
    is_current("configuration.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_reference_is_current() {
    is_current("configuration.md", &reference::markdown(&schema::schema()));
}
