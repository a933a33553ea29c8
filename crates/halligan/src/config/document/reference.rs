//! The reference.

use std::fmt::Write;

use serde_json::Value;

const EXAMPLE: &str = include_str!("../example.toml");
const INCIDENTS: &str = include_str!("../incidents.example.toml");
const KEYS: &str = r#"[[issuers]]
issuer = "keys/alice"
audience = "halligan"
people = true
keys = [{ file = "people/alice.pem" }]

[people.alice]
groups = ["oncall"]
principals = [{ issuer = "keys/alice", subject = "alice" }]
"#;

/// The sections, in the order in which a file is best read.
const ORDER: [&str; 14] = [
    "server",
    "store",
    "log",
    "aws",
    "issuers",
    "people",
    "sessions",
    "passkeys",
    "mail",
    "policy",
    "incidents",
    "roles",
    "limits",
    "state_directory",
];

pub fn markdown(schema: &Value) -> String {
    let mut page = Page { schema, text: String::new() };
    page.line(
        "# Configuration\n\n\
         <!-- Made from crates/halligan/src/config/model by `UPDATE_DOCS=1 cargo test -p halligan config::document`. -->\n\n\
         One file of [TOML](https://toml.io), given to `halligan serve --config FILE`. It is read and checked whole before \
         anything starts: a mistake of syntax or type is shown with its line and column, and every other mistake at once, \
         with the name of the setting and what would do. A setting that isn't named here is refused. The file's SHA-256 is \
         logged at each start.\n\n\
         - Paths begin at the directory of the file.\n\
         - Lengths of time have a unit: `30s`, `15m`, `1h 30m`.\n\
         - Names are 1 to 64 of `a-z`, `0-9`, `.`, `_`, `-`, beginning with a letter or digit.\n\
         - Secrets never stand in the file. Where one is needed, the file says where it is kept: `{ env = \"NAME\" }` for an \
         environment variable, `{ file = \"path\" }` for a file. One line feed at the end of the file is not part of it.\n\
         - Editors check the file as it is written when its first line is `#:schema ./configuration.schema.json`, with the \
         path of [the JSON Schema](configuration.schema.json).\n",
    );
    page.line("## An example\n");
    page.line(&format!("```toml\n{EXAMPLE}```\n"));
    page.line("## The settings\n");
    page.table(schema, &[]);
    let sections = |name: &&&str| page_has_section(schema, name);
    let named: Vec<&str> = ORDER.iter().filter(sections).copied().collect();
    for name in &named {
        page.section(name, &schema["properties"][name]);
    }
    for (name, property) in schema["properties"].as_object().unwrap() {
        let leaf = Page { schema, text: String::new() }.tables_of("", property).is_none();
        assert!(leaf || named.contains(&name.as_str()), "the section `{name}` has no place in the reference");
    }
    page.line(&format!(
        "## A file of incidents\n\n\
         `status` is `open` or `closed`; all that follows it is optional. In JSON it is `{{\"incidents\": [{{\"id\": …}}, …]}}`.\n\n\
         ```toml\n{INCIDENTS}```\n"
    ));
    page.line(
        "## What is read again while it serves\n\n\
         On SIGHUP, and within seconds of a change to the file, to a policy or to a file of a secret, a key or a \
         certificate that the configuration names: `people`, `issuers` (whose keys, algorithms, audiences and lives of tokens \
         count, what they mean, how people sign in), `policy`, the lists of `roles` (`requesters`, `acknowledgers`, `revokers`, \
         `emergency_starters`), `log.readers`, `log.override.granters`, and the settings of `mail` where there is one already. \
         It is read whole: if anything in the file can't be used, everything stays as it was, which is an alarm and an \
         entry of the log (`policy.rejected`). A change is an entry (`policy.changed`) before it decides anything; a secret \
         that is another in its place is taken without one. A person, a login or a key that is removed counts for nothing \
         from the next check on. Published keys of an issuer that has not changed are kept. \
         [What it means for roles](limits.md#what-signing-in-doesnt-do). All other settings need a restart, \
         and a warning says in which sections some have changed, a secret or a certificate among them.\n",
    );
    page.line(&format!(
        "## Keys that people hold\n\n\
         Whoever holds a key of an issuer can vouch for each of its subjects. An identity provider is one issuer for \
         everybody. A key that one person holds belongs to an issuer of its own, since with a shared issuer, the holder of \
         any of its keys could acknowledge what they themselves asked for:\n\n\
         ```toml\n{KEYS}```\n"
    ));
    format!("{}\n", page.text.trim_end())
}

fn page_has_section(schema: &Value, name: &str) -> bool {
    Page { schema, text: String::new() }.tables_of("", &schema["properties"][name]).is_some()
}

struct Page<'a> {
    schema: &'a Value,
    text: String,
}

impl<'a> Page<'a> {
    fn line(&mut self, text: &str) {
        writeln!(self.text, "{text}").unwrap();
    }

    fn resolved(&self, property: &'a Value) -> &'a Value {
        match property["$ref"].as_str() {
            Some(reference) => self.schema.pointer(reference.trim_start_matches('#')).unwrap(),
            None => property,
        }
    }

    /// The name of the definition that a property refers to.
    fn definition(property: &Value) -> Option<&str> {
        property["$ref"].as_str().and_then(|reference| reference.rsplit('/').next())
    }

    /// The heading and the variants of a property that is a section of its own:
    /// `[a]`, `[[a]]` for a list, `[a.NAME]` for a table of named things.
    fn tables_of(&self, path: &str, property: &'a Value) -> Option<(String, Vec<&'a Value>)> {
        if Self::definition(property) == Some("SecretRef") {
            return None;
        }
        let resolved = self.resolved(property);
        if let Some(item) = resolved.get("items") {
            let (_, tables) = self.tables_of(path, item)?;
            return Some((format!("[[{path}]]"), tables));
        }
        if let Some(named) = resolved["patternProperties"].as_object().and_then(|patterns| patterns.values().next()) {
            let (heading, tables) = self.tables_of(&format!("{path}.NAME"), named)?;
            return Some((heading, tables));
        }
        if resolved.get("properties").is_some() {
            return Some((format!("[{path}]"), vec![resolved]));
        }
        let variants: Vec<&Value> = resolved["oneOf"].as_array()?.iter().collect();
        variants.iter().all(|variant| variant.get("properties").is_some()).then(|| (format!("[{path}]"), variants))
    }

    /// A section, and those within it.
    fn section(&mut self, path: &str, property: &'a Value) {
        let Some((heading, tables)) = self.tables_of(path, property) else { return };
        self.line(&format!("### `{heading}`\n"));
        self.line(&format!("{}\n", property["description"].as_str().unwrap()));
        let inner = heading.trim_matches(['[', ']']).to_owned();
        for table in tables {
            if let Some(kind) = table["properties"]["kind"]["const"].as_str() {
                let own = table["description"].as_str().unwrap_or_default();
                self.line(&format!("#### `kind = \"{kind}\"`\n\n{own}\n"));
            }
            self.table(table, &["kind"]);
            for (name, property) in table["properties"].as_object().unwrap() {
                self.section(&format!("{inner}.{name}"), property);
            }
        }
    }

    /// The settings of one table, those first that can't be left out.
    fn table(&mut self, table: &'a Value, except: &[&str]) {
        let required: Vec<&str> = table["required"]
            .as_array()
            .map(|names| names.iter().map(|name| name.as_str().unwrap()).collect())
            .unwrap_or_default();
        let properties = table["properties"].as_object().unwrap();
        let leaves = properties
            .iter()
            .filter(|(name, property)| !except.contains(&name.as_str()) && self.tables_of("", property).is_none());
        let (first, then): (Vec<_>, Vec<_>) = leaves.partition(|(name, _)| required.contains(&name.as_str()));
        if first.is_empty() && then.is_empty() {
            return;
        }
        self.line("| setting | value | default | |\n| --- | --- | --- | --- |");
        for (name, property) in first.into_iter().chain(then) {
            let default = match property.get("default") {
                _ if required.contains(&name.as_str()) => "**required**".to_owned(),
                None => "–".to_owned(),
                Some(Value::Array(none)) if none.is_empty() => "none".to_owned(),
                Some(default) => format!("`{}`", default.to_string().replace(',', ", ")),
            };
            let said = property["description"].as_str().unwrap_or_default();
            self.line(&format!("| `{name}` | {} | {default} | {said} |", self.kind(name, property)));
        }
        self.line("");
    }

    /// What sort of value it is.
    fn kind(&self, name: &str, property: &'a Value) -> String {
        match Self::definition(property) {
            Some("SecretRef") => return "where a secret is kept".to_owned(),
            Some("Period") => return "length of time".to_owned(),
            Some("Days") => return "whole days, as `30d`".to_owned(),
            Some("Network") => return "range of addresses".to_owned(),
            Some("Listen") => return "address and port".to_owned(),
            Some("Values") => return "text, or list of texts".to_owned(),
            Some(id) if id.ends_with("Id") => return "name".to_owned(),
            Some(_) | None => {}
        }
        let resolved = self.resolved(property);
        if let Some(choices) = resolved["enum"].as_array() {
            return choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ");
        }
        if let Some(choices) = resolved["oneOf"].as_array() {
            return choices.iter().map(|choice| format!("`{}`", choice["const"])).collect::<Vec<_>>().join(", ");
        }
        match resolved["type"].as_str() {
            Some("array") => {
                let item = self.kind("", &resolved["items"]);
                if item.starts_with('`') {
                    format!("list of {item}")
                } else {
                    format!("list of {item}s").replace("range of addressess", "ranges of addresses")
                }
            }
            Some("object") if name == "Condition" => "operator → key → text, or list of texts".to_owned(),
            Some("object") if resolved["additionalProperties"]["$ref"].is_string() => {
                "table of where secrets are kept".to_owned()
            }
            Some("object") => "table of texts".to_owned(),
            Some("boolean") => "`true`, `false`".to_owned(),
            Some("integer") => "whole number".to_owned(),
            _ if ["file", "directory", "path"].iter().any(|end| name.ends_with(end)) => "path".to_owned(),
            _ => "text".to_owned(),
        }
    }
}
