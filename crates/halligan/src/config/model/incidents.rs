//! The incident tools.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::values::SecretRef;

/// An incident tool.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "a handful, each read once")]
pub enum Provider {
    /// A file that somebody edits: for drills, and for the day on which the incident tool is down.
    File {
        /// The file, of TOML if its name ends in `.toml`, of JSON otherwise. It is read at each check.
        path: PathBuf,
    },
    /// Any tool that answers a GET with JSON. Where something stands in the answer is said by JSON pointers
    /// (RFC 6901), such as `/incident/status`. 404 is an incident that the tool doesn't have. It is given three
    /// seconds an attempt and six in all; redirects are not followed.
    Http {
        /// The URL of an incident: https, with `{id}` where the id stands, in its path or query.
        #[schemars(extend("examples" = ["https://tool.example.com/v2/incidents/{id}"]))]
        url: String,
        /// Headers of each request that are no secrets.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// Headers of each request that are: the whole value of each is kept elsewhere.
        #[serde(default)]
        secret_headers: BTreeMap<String, SecretRef>,
        /// Where the answer says whether the incident is open.
        status: String,
        /// What it says there of an incident that people are working on.
        #[schemars(extend("minItems" = 1))]
        open_values: BTreeSet<String>,
        /// What it says there of one that is over; anything else is then unknown, and refused. Without them,
        /// whatever isn't open is closed.
        #[serde(default)]
        closed_values: BTreeSet<String>,
        /// Where the answer says how bad it is.
        #[serde(default)]
        severity: Option<String>,
        /// Where the answer says who opened it.
        #[serde(default)]
        creator: Option<String>,
        /// Where the answer says since when it is open, in RFC 3339.
        #[serde(default)]
        opened_at: Option<String>,
        /// Where the answer says what it is about.
        #[serde(default)]
        title: Option<String>,
    },
}
