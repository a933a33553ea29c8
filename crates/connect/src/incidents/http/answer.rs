//! What a tool's JSON means.

use std::collections::BTreeSet;

use halligan_core::incident::{IncidentStatus, OpenIncident};
use halligan_core::text::printable;
use serde_json::Value;

use super::super::{presentable, unknown};

/// Where things stand in a tool's answer, as JSON pointers (RFC 6901):
/// `/incident/status`.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// Whether it is open.
    pub status: String,
    /// How bad it is.
    pub severity: Option<String>,
    /// Who opened it.
    pub creator: Option<String>,
    /// Since when, as RFC 3339 text.
    pub opened_at: Option<String>,
    /// What it is about.
    pub title: Option<String>,
}

impl Fields {
    /// Each field that is no pointer, by name.
    pub(super) fn wrong(&self) -> Vec<&'static str> {
        let Self { status, severity, creator, opened_at, title } = self;
        let others = [("severity", severity), ("creator", creator), ("opened_at", opened_at), ("title", title)];
        let all =
            std::iter::once(("status", Some(status))).chain(others.map(|(name, pointer)| (name, pointer.as_ref())));
        all.filter(|(_, pointer)| pointer.is_some_and(|pointer| !pointer.starts_with('/')))
            .map(|(name, _)| name)
            .collect()
    }
}

/// Which statuses mean what.
#[derive(Debug, Clone, Default)]
pub(super) struct Meaning {
    pub(super) fields: Fields,
    pub(super) open_values: BTreeSet<String>,
    /// Empty: every status that isn't open is closed.
    pub(super) closed_values: BTreeSet<String>,
}

impl Meaning {
    pub(super) fn of(&self, answer: &Value) -> IncidentStatus {
        let at = |pointer: &String| answer.pointer(pointer).and_then(text);
        let Some(status) = at(&self.fields.status) else {
            return unknown(format!(
                "the tool's answer has no text, number or truth value at `{}`",
                self.fields.status
            ));
        };
        if self.open_values.contains(&status) {
            let field = |pointer: &Option<String>| pointer.as_ref().and_then(at);
            return IncidentStatus::Open(presentable(OpenIncident {
                severity: field(&self.fields.severity),
                creator: field(&self.fields.creator),
                opened_at: field(&self.fields.opened_at).and_then(|text| text.parse().ok()),
                title: field(&self.fields.title),
            }));
        }
        if self.closed_values.is_empty() || self.closed_values.contains(&status) {
            return IncidentStatus::Closed { known: true };
        }
        unknown(format!(
            "the tool's status `{}` is neither among open_values nor among closed_values",
            printable(&status, 60)
        ))
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use serde_json::json;

    fn strings(values: &[&str]) -> BTreeSet<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    fn meaning(closed_values: &[&str]) -> Meaning {
        let at = |pointer: &str| Some(pointer.to_owned());
        let fields = Fields {
            status: "/incident/status".to_owned(),
            severity: at("/incident/severity/rank"),
            creator: at("/incident/creator/name"),
            opened_at: at("/incident/created_at"),
            title: at("/incident/name"),
        };
        Meaning {
            fields,
            open_values: strings(&["triggered", "acknowledged", "true", "2"]),
            closed_values: strings(closed_values),
        }
    }

    #[test]
    fn an_open_incident_is_taken_apart() {
        let answer = json!({"incident": {
            "status": "triggered", "severity": {"rank": 1}, "creator": {"name": "alice\u{1b}"},
            "created_at": "2026-03-01T03:00:00+01:00", "name": "checkout is down",
        }});
        let open = OpenIncident {
            severity: Some("1".to_owned()),
            creator: Some("alice".to_owned()),
            opened_at: Some("2026-03-01T02:00:00Z".parse().unwrap()),
            title: Some("checkout is down".to_owned()),
        };
        assert_eq!(meaning(&[]).of(&answer), IncidentStatus::Open(open));
    }

    #[test]
    fn what_a_tool_leaves_out_or_garbles_is_left_out() {
        let answer = json!({"incident": {"status": true, "severity": null, "creator": {"name": ["alice"]}, "created_at": "yesterday"}});
        assert_eq!(meaning(&[]).of(&answer), IncidentStatus::Open(OpenIncident::default()));
    }

    #[test]
    fn a_status_is_open_closed_or_nobody_knows() {
        let closed = IncidentStatus::Closed { known: true };
        for (status, closed_values, expected) in [
            (json!("resolved"), &[][..], Some(closed.clone())),
            (json!("Triggered"), &[], Some(closed.clone())),
            (json!("resolved"), &["resolved"], Some(closed)),
            (json!("merged"), &["resolved"], None),
            (json!(null), &[], None),
            (json!({"name": "triggered"}), &[], None),
        ] {
            let found = meaning(closed_values).of(&json!({"incident": {"status": status}}));
            match expected {
                Some(expected) => assert_eq!(found, expected, "{status}"),
                None => assert!(matches!(found, IncidentStatus::Unknown { .. }), "{status}: {found:?}"),
            }
        }
        assert!(matches!(meaning(&[]).of(&json!([])), IncidentStatus::Unknown { .. }));
    }
}
