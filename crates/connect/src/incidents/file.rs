//! Incidents in a file that somebody edits: for the demo, for drills, and for
//! the day on which the incident tool itself is down.

use std::path::{Path, PathBuf};
use std::time::Duration;

use halligan_core::incident::{IncidentId, IncidentStatus, OpenIncident};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use tokio::io::AsyncReadExt;

use super::{BODY_BYTES_MAX, presentable, unknown};

/// The longest that a file is waited for: it may be on a network.
const DEADLINE: Duration = Duration::from_secs(3);

/// A file of incidents: TOML if its name ends in `.toml`, JSON otherwise. It is
/// read at each check, so that an edit acts at once.
#[derive(Debug, Clone)]
pub struct IncidentFile {
    path: PathBuf,
}

/// What the file holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    incidents: Vec<Incident>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incident {
    id: IncidentId,
    status: Status,
    #[serde(default)]
    severity: Option<String>,
    #[serde(default)]
    creator: Option<String>,
    #[serde(default, deserialize_with = "instant")]
    opened_at: Option<Timestamp>,
    #[serde(default)]
    title: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Open,
    Closed,
}

/// An instant as text, or as TOML's own date and time.
fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Instant {
        Text(String),
        Toml(toml::value::Datetime),
    }
    let text = match Option::<Instant>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Instant::Text(text)) => text,
        Some(Instant::Toml(datetime)) => datetime.to_string(),
    };
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

impl IncidentFile {
    /// The file at `path`. It need not be there yet.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What the file says of this incident now. An id that it doesn't hold is closed.
    pub async fn check(&self, id: &IncidentId) -> IncidentStatus {
        let path = self.path.display();
        let text = match tokio::time::timeout(DEADLINE, read(&self.path)).await {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => return unknown(format!("the incident file {path} can't be read: {error}")),
            Err(_) => return unknown(format!("the incident file {path} wasn't read within {} s", DEADLINE.as_secs())),
        };
        match parse(&self.path, &text) {
            Ok(contents) => contents.status(id),
            Err(problem) => unknown(format!("the incident file {path} is of no use: {problem}")),
        }
    }
}

impl Contents {
    fn status(self, id: &IncidentId) -> IncidentStatus {
        let mut found = self.incidents.into_iter().filter(|incident| incident.id == *id);
        let Some(Incident { status, severity, creator, opened_at, title, .. }) = found.next() else {
            return IncidentStatus::Closed { known: false };
        };
        if found.next().is_some() {
            return unknown(format!("the incident file holds {id} more than once: expected each but once"));
        }
        match status {
            Status::Open => IncidentStatus::Open(presentable(OpenIncident { severity, creator, opened_at, title })),
            Status::Closed => IncidentStatus::Closed { known: true },
        }
    }
}

async fn read(path: &Path) -> std::io::Result<String> {
    let file = tokio::fs::File::open(path).await?;
    let mut text = String::new();
    let read = file.take(BODY_BYTES_MAX as u64 + 1).read_to_string(&mut text).await?;
    if read > BODY_BYTES_MAX {
        return Err(std::io::Error::other(format!("it is longer than {BODY_BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn parse(path: &Path, text: &str) -> Result<Contents, String> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        return toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            format!("{} (line {line})", error.message())
        });
    }
    // The message ends in line and column.
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use tempfile::TempDir;

    const JSON: &str = r#"{"incidents": [
        {"id": "INC-1", "status": "open", "severity": "critical", "creator": "alice@example.com",
         "opened_at": "2026-03-01T03:00:00+01:00", "title": "checkout\u001b[2J is down"},
        {"id": "INC-2", "status": "closed"},
        {"id": "INC-3", "status": "open"}
    ]}"#;
    const TOML: &str = r#"
        [[incidents]]
        id = "INC-1"
        status = "open"
        severity = "critical"
        creator = "alice@example.com"
        opened_at = 2026-03-01T02:00:00Z
        title = "checkout\u001b[2J is down"

        [[incidents]]
        id = "INC-2"
        status = "closed"

        [[incidents]]
        id = "INC-3"
        status = "open"
    "#;

    fn id(text: &str) -> IncidentId {
        text.to_owned().try_into().unwrap()
    }

    async fn status_in(name: &str, text: &str, incident: &str) -> IncidentStatus {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        IncidentFile::new(path).check(&id(incident)).await
    }

    async fn unusable(name: &str, text: &str) -> String {
        match status_in(name, text, "INC-1").await {
            // Where the test's directory is differs from run to run.
            IncidentStatus::Unknown { reason } => reason.split_once(": ").unwrap().1.to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn json_and_toml_say_the_same() {
        for (name, text) in [("incidents.json", JSON), ("incidents.toml", TOML)] {
            let open = OpenIncident {
                severity: Some("critical".to_owned()),
                creator: Some("alice@example.com".to_owned()),
                opened_at: Some("2026-03-01T02:00:00Z".parse().unwrap()),
                title: Some("checkout [2J is down".to_owned()),
            };
            assert_eq!(status_in(name, text, "INC-1").await, IncidentStatus::Open(open));
            assert_eq!(status_in(name, text, "INC-2").await, IncidentStatus::Closed { known: true });
            assert_eq!(status_in(name, text, "INC-3").await, IncidentStatus::Open(OpenIncident::default()));
            assert_eq!(status_in(name, text, "INC-4").await, IncidentStatus::Closed { known: false });
        }
    }

    #[tokio::test]
    async fn an_edit_acts_at_once() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("incidents.json");
        std::fs::write(&path, JSON).unwrap();
        let file = IncidentFile::new(path.clone());
        assert!(matches!(file.check(&id("INC-3")).await, IncidentStatus::Open(_)));
        std::fs::write(&path, r#"{"incidents": [{"id": "INC-3", "status": "closed"}]}"#).unwrap();
        assert_eq!(file.check(&id("INC-3")).await, IncidentStatus::Closed { known: true });
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(file.check(&id("INC-3")).await, IncidentStatus::Unknown { .. }));
    }

    #[tokio::test]
    async fn what_can_t_be_read_is_unknown_and_says_why() {
        let twice = r#"{"incidents": [{"id": "INC-1", "status": "open"}, {"id": "INC-1", "status": "closed"}]}"#;
        insta::assert_snapshot!(unusable("i.json", "").await, @"EOF while parsing a value at line 1 column 0");
        insta::assert_snapshot!(unusable("i.json", r#"{"incidents": [{"id": "INC-1", "status": "ajar"}]}"#).await, @"unknown variant `ajar`, expected `open` or `closed` at line 1 column 47");
        insta::assert_snapshot!(unusable("i.json", r#"{"incidents": [{"id": "../1", "status": "open"}]}"#).await, @"`../1` is not a incident id: expected 1 to 128 of letters, digits and ._:/#@+=-, beginning with a letter or digit, without `..` or `//` at line 1 column 28");
        insta::assert_snapshot!(unusable("i.json", r#"{"incidents": [], "more": 1}"#).await, @"unknown field `more`, expected `incidents` at line 1 column 24");
        insta::assert_snapshot!(unusable("i.toml", "[[incidents]]\nid = \"INC-1\"\n").await, @"missing field `status` (line 1)");
        insta::assert_snapshot!(unusable("i.toml", "[[incidents]]\nid = \"INC-1\"\nstatus = \"open\"\nopened_at = 2026-03-01\n").await, @"failed to find time component, which is required for parsing a timestamp (line 4)");
        insta::assert_snapshot!(unusable("i.json", &" ".repeat(BODY_BYTES_MAX + 1)).await, @"it is longer than 1048576 bytes");
        let twice = status_in("i.json", twice, "INC-1").await;
        assert_eq!(twice, unknown("the incident file holds INC-1 more than once: expected each but once"));
    }
}
