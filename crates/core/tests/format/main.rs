//! The log's format as its readers have it: `docs/log-format` is what the code
//! says. `UPDATE_DOCS=1 cargo test -p halligan-core --test format` writes it anew.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod bounds;
mod examples;
mod schema;
mod types;

use std::path::Path;

/// Compares a document with what it should be, or writes it.
fn is_current(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/log-format").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/log-format/{name} is out of date: run `UPDATE_DOCS=1 cargo test -p halligan-core --test format`"
    );
}
