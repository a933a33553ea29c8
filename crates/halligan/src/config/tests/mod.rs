#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod identity;
mod loading;
mod log;
mod machines;
mod malformed;
mod policy;
mod unusable;

use std::error::Error;
use std::path::Path;

use super::{Config, ConfigError, Loaded};

/// A small configuration in which nothing is wrong.
pub(crate) const SOUND: &str = r#"
deployment = "test"

[aws]
region = "eu-central-1"

[[issuers]]
issuer = "halligan:alice"
audience = "halligan"
people = true
keys = [{ pem = """
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAmTq3gawyEfTbCnZBhlwk90OnXKIbzSlv1dLFo3F7BmE=
-----END PUBLIC KEY-----
""" }]

[[issuers]]
issuer = "halligan:bob"
audience = "halligan"
people = true
keys = [{ pem = """
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
""" }]

[people.alice]
groups = ["oncall"]
principals = [{ issuer = "halligan:alice", subject = "alice" }]

[people.bob]
groups = ["oncall", "leads"]
principals = [{ issuer = "halligan:bob", subject = "bob" }]

[incidents.drill]
kind = "file"
path = "incidents.json"

[incidents.tool]
kind = "http"
url = "https://tool.example.com/{id}"
secret_headers = { Authorization = { env = "TOOL_TOKEN" } }
status = "/status"
open_values = ["open"]

[roles.admin]
arn = "arn:aws:iam::123456789012:role/admin"
revoker = "arn:aws:iam::123456789012:role/revoker"
external_id = "test-0001"
regions = ["eu-central-1"]
default_scope = "all"
requesters = ["oncall"]
acknowledgers = ["leads", "oncall"]

[roles.admin.scopes.all]
statements = [{ Effect = "Allow", Action = "*", Resource = "*" }]
"#;

/// What the environment holds.
fn variable(name: &str) -> Option<String> {
    match name {
        "TOOL_TOKEN" => Some("Token halligan-test-secret".to_owned()),
        "STORE_URL" => Some("postgres://halligan:halligan-test-secret@db.example.com/halligan".to_owned()),
        "EMPTY" => Some("\n".to_owned()),
        _ => None,
    }
}

/// [`SOUND`] with these texts replaced.
fn with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(SOUND.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "there is no {old} to replace");
        text.replacen(old, new, 1)
    })
}

fn read(text: &str) -> Result<Loaded, ConfigError> {
    Config::read(text, Path::new("/etc/halligan.toml"), &variable)
}

/// The whole message, as somebody at a terminal sees it.
fn message(text: &str) -> String {
    let error = read(text).unwrap_err();
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push('\n');
        message.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(!message.contains("halligan-test-secret"), "{message}");
    message
}

/// What is said of [`SOUND`] with one text replaced.
fn refusal(old: &str, new: &str) -> String {
    refusals(&[(old, new)])
}

/// What is said of [`SOUND`] with these texts replaced, without the first line.
fn refusals(changes: &[(&str, &str)]) -> String {
    let message = message(&with(changes));
    let (first, rest) = message.split_once('\n').unwrap();
    assert!(first.starts_with("the configuration file /etc/halligan.toml can't be "), "{first}");
    rest.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The warnings of [`SOUND`] with these texts replaced, but for what is always said of the log of one machine.
fn warnings(changes: &[(&str, &str)]) -> String {
    let loaded = read(&with(changes)).unwrap();
    let said = loaded.warnings.iter().filter(|warning| !warning.field.starts_with("log."));
    said.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
