#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod file;
mod validate;

use std::path::Path;

use halligan_core::entry::{Entry, SaltedPersonal, Sealed};
use halligan_core::event::Personal;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::document::event;
use super::*;

/// An entry of each type, as the specification has them.
pub(super) fn examples() -> Vec<QueuedEntry> {
    let lines = include_str!("../../../../docs/log-format/examples.ndjson").lines();
    let queued = |(position, line): (u64, &str)| {
        let entry: Entry = serde_json::from_str(line).unwrap();
        QueuedEntry::new(position, Sealed { entry, personal: None })
    };
    (1..).zip(lines).map(queued).collect()
}

fn example(kind: &str) -> QueuedEntry {
    examples().into_iter().find(|queued| queued.sealed.entry.event.kind() == kind).unwrap()
}

#[test]
fn every_type_becomes_an_event_of_its_class() {
    let classes = validate::Classes::read();
    let examples = examples();
    assert!(examples.len() > 40);
    for queued in examples {
        let faults = classes.faults(&event(&queued));
        assert!(faults.is_empty(), "{}: {faults:#?}", queued.sealed.entry.event.kind());
    }
}

#[test]
fn an_event_that_is_none_is_noticed() {
    let classes = validate::Classes::read();
    let original = event(&example("grant.activated"));
    let changes: [(&str, Option<Value>); 12] = [
        ("/class_uid", Some(json!(3_009))),
        ("/activity_id", Some(json!(7))),
        ("/type_uid", Some(json!(300_502))),
        ("/category_uid", Some(json!(6))),
        ("/severity_id", None),
        ("/severity", Some(json!("Grave"))),
        ("/time", Some(json!("2026-03-01T03:12:09Z"))),
        ("/user", Some(json!({"type_id": 1}))),
        ("/privileges", Some(json!("aws-role:prod-admin"))),
        ("/metadata/product", None),
        ("/metadata/product", Some(json!({"vendor_name": "Halligan"}))),
        ("/resources/0/colour", Some(json!("red"))),
    ];
    for (pointer, value) in changes {
        let mut changed = original.clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = changed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match &value {
            Some(value) => drop(parent.insert(field.to_owned(), value.clone())),
            None => drop(parent.remove(field).unwrap()),
        }
        assert!(!classes.faults(&changed).is_empty(), "{pointer} {value:?}");
    }
    let mut both = event(&example("credentials.issued"));
    both["group"] = json!({"name": "on-call"});
    assert_eq!(classes.faults(&both), ["/: just one of [\"privileges\",\"group\"] is expected"]);
}

#[test]
fn an_entry_stands_whole_in_its_event_and_nothing_of_its_personal_part() {
    let mut sealed = example("grant.requested").sealed;
    let personal = Personal::default().with("reason", "the database is full").with("address", "203.0.113.7");
    let personal = SaltedPersonal { salt: "5a".repeat(16), fields: personal };
    sealed.entry.personal_sha256 = Some(personal.sha256());
    sealed.personal = Some(personal);
    let queued = QueuedEntry::new(8, sealed);
    let event = event(&queued);
    let raw = event["raw_data"].as_str().unwrap();
    assert_eq!(raw.as_bytes(), queued.leaf.entry);
    assert_eq!(event["raw_data_hash"]["value"], hex::encode(Sha256::digest(raw)));
    assert_eq!(event["metadata"]["sequence"], 7);
    let line = event.to_string();
    for part in ["database", "203.0.113.7", "5a5a"] {
        assert!(!line.contains(part), "{part}");
    }
}

/// The acknowledger activates; whose access it is, is another matter.
#[test]
fn access_is_the_requesters() {
    let mut event = event(&example("grant.activated"));
    // The other test is about these.
    event["raw_data"].take();
    event["raw_data_hash"].take();
    event["metadata"]["product"]["version"].take();
    insta::assert_snapshot!(serde_json::to_string_pretty(&event).unwrap(), @r#"
    {
      "actor": {
        "user": {
          "uid": "bob",
          "name": "bob",
          "type_id": 1,
          "type": "User",
          "domain": "https://1.example.com",
          "uid_alt": "bob-1"
        }
      },
      "user": {
        "uid": "alice",
        "name": "alice",
        "type_id": 1,
        "type": "User"
      },
      "privileges": [
        "aws-role:prod-admin"
      ],
      "resources": [
        {
          "type": "aws-role",
          "name": "prod-admin"
        }
      ],
      "category_uid": 3,
      "category_name": "Identity & Access Management",
      "class_uid": 3005,
      "class_name": "User Access Management",
      "activity_id": 1,
      "activity_name": "Assign Privileges",
      "type_uid": 300501,
      "type_name": "User Access Management: Assign Privileges",
      "status_id": 1,
      "status": "Success",
      "message": "break-glass access began",
      "time": 1772334729113,
      "severity_id": 3,
      "severity": "Medium",
      "metadata": {
        "version": "1.8.0",
        "product": {
          "name": "Halligan",
          "vendor_name": "Halligan",
          "version": null
        },
        "uid": "019ca6f1-3cb8-7000-8000-000000000002",
        "event_code": "grant.activated",
        "sequence": 2,
        "log_version": "1",
        "logged_time": 1772334729113,
        "original_time": "2026-03-01T03:12:09.113Z",
        "transformation_info_list": [
          {
            "name": "Halligan to OCSF",
            "uid": "1"
          }
        ],
        "correlation_uid": "02wndAAHBC95f4Al8rNFlB"
      },
      "raw_data": null,
      "raw_data_hash": null,
      "unmapped": {
        "mapping_version": "1",
        "subject": {
          "kind": "aws-role",
          "id": "prod-admin"
        },
        "data": {
          "activated_at": "2026-03-01T03:12:09Z",
          "ends_at": "2026-03-01T04:12:09Z",
          "ack_due": null
        },
        "incident": {
          "provider": "files",
          "id": "INC-219"
        }
      }
    }
    "#);
}

/// What each type becomes, for whoever writes rules in a SIEM.
fn markdown() -> String {
    let head = format!(
        "# Entries as events of OCSF {SCHEMA_VERSION}\n\n\
         <!-- Made from crates/connect/src/ocsf/mapping.rs by `UPDATE_DOCS=1 cargo test -p halligan-connect ocsf`. -->\n\n\
         Version {MAPPING_VERSION} of the mapping, which each event names in `metadata.transformation_info_list` and \
         `unmapped.mapping_version`. `metadata.event_code` is our type, `metadata.uid` the entry's id, \
         `metadata.sequence` its index in the log, `metadata.correlation_uid` the grant; `raw_data` is the entry itself, \
         byte by byte ([the format](../log-format.md)), so SHA-256 over a zero byte and it is its leaf in the tree. \
         Events hold nothing of the personal part. \
         Attributes and values are those of [classes.json](classes.json). Severities and outcomes may depend on the \
         entry: an emergency start is High, a fork Critical.\n\n\
         | entry | class | activity | severity | status | message |\n| --- | --- | --- | --- | --- | --- |\n"
    );
    let row = |queued: &QueuedEntry| {
        let event = event(queued);
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let kind = queued.sealed.entry.event.kind();
        let class = format!("{} {}", event["class_uid"], text("class_name"));
        let cells = [class, text("activity_name"), text("severity"), text("status"), text("message")];
        format!("| `{kind}` | {} |\n", cells.join(" | "))
    };
    head + &examples().iter().map(row).collect::<String>()
}

#[test]
fn the_page_of_the_mapping_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ocsf/mapping.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, markdown()).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == markdown(),
        "docs/ocsf/mapping.md is out of date: run `UPDATE_DOCS=1 cargo test -p halligan-connect ocsf`. If the same entry \
         becomes another event than before, the mapping needs a new version too"
    );
}
