//! Whatever happens, its entry is no longer than readers take.

use halligan_core::entry::{ENTRY_BYTES_MAX, Entry, SaltedPersonal};
use halligan_core::event::{Personal, bounded, bounded_rules};
use halligan_core::id::GrantId;
use halligan_core::signed::Signed;
use halligan_core::text::{REASON_CHARACTERS_MAX, Reason};
use serde_json::{Value, json};

/// Of what comes from outside, each text costs up to this in JSON.
const DEAR: [char; 3] = ['a', '"', '\u{1d11e}'];

/// As long as a name here can be.
fn name() -> String {
    "n".repeat(64)
}

/// A signature that is taken, and no shorter than any other.
fn signed() -> Signed {
    let text = |length| "s".repeat(length);
    let nonce = serde_json::from_value(json!("07".repeat(32))).unwrap();
    let signed = Signed {
        credential: text(800),
        nonce,
        authenticator_data: text(50),
        client_data: text(300),
        signature: text(450),
    };
    assert!(signed.is_short());
    assert!(!Signed { signature: text(451), ..signed.clone() }.is_short());
    signed
}

/// Lists of texts of every kind, far too long.
fn lists() -> Vec<Vec<String>> {
    let dear = DEAR.into_iter().flat_map(|c| [1, 20, 400, 500].map(|length| c.to_string().repeat(length)));
    dear.map(|text| vec![text; 1_500]).collect()
}

/// An event's fields, each as long as whoever makes it lets it be.
fn largest(data: &mut Value, list: &[String], rules: &[String], dear: char) {
    let Value::Object(fields) = data else { panic!("{data}") };
    // Where a type has no such field, it is passed over.
    fields.insert("signed".into(), serde_json::to_value(signed()).unwrap());
    fields.insert("fresh".into(), json!({"auth_age_seconds": i64::MAX, "mfa_age_seconds": i64::MAX}));
    fields.insert("rules".into(), json!([]));
    for (field, value) in fields {
        let text = |length: usize| json!(dear.to_string().repeat(length));
        *value = match (field.as_str(), &value) {
            ("rules", _) => json!(rules),
            // As many as are told at once, beside a text that is the program's own.
            ("adopted", _) if dear == 'a' => {
                (0..100).map(|n| json!(GrantId::new(uuid::Uuid::from_u128(u128::MAX - n)))).collect()
            }
            ("found", _) if dear == 'a' => text(50),
            ("adopted", known) => (*known).clone(),
            ("regions", _) => {
                let seen = |n: usize| json!({"region": format!("ap-southwest-name-{n:02}"), "denials": u32::MAX});
                (0..40).map(seen).collect()
            }
            (_, Value::Array(_)) => json!(list),
            ("because" | "finding" | "found", Value::String(_)) => text(500),
            ("counts", _) => {
                let slug = |n: usize| (format!("a-problem-with-a-long-name-{n:03}"), json!(u64::MAX));
                Value::Object((0..40).map(slug).collect())
            }
            ("role_arn", _) => {
                json!(format!("arn:aws:iam::123456789012:role/{}/{name}", "p".repeat(510), name = name()))
            }
            ("credential" | "public_key", Value::String(_)) => json!("c".repeat(800)),
            ("archive" | "place" | "setting" | "scope" | "person", Value::String(_)) => json!(name()),
            ("before" | "after", Value::String(_)) => json!("k".repeat(320)),
            ("origin" | "rp_id", Value::String(_)) => json!("o".repeat(253)),
            (_, known) => (*known).clone(),
        };
    }
}

/// Everything beside the event.
fn envelope(entry: &mut Value) {
    entry["decided_at"] = entry["time"].clone();
    entry["personal_sha256"] = json!("5a".repeat(32));
    let actor = &mut entry["actor"];
    if !actor["person"].is_null() {
        *actor = json!({
            "machine": name(), "on_behalf_of": name(), "channel": "api",
            "principal": {"issuer": "i".repeat(255), "subject": "\"".repeat(255)},
        });
    }
    if entry["subject"]["kind"] == "aws-role" {
        entry["subject"]["id"] = json!(name());
    }
    if !entry["incident"].is_null() {
        entry["incident"] = json!({"provider": name(), "id": "9".repeat(128)});
        entry["links"]["requester"] = json!(name());
    }
}

#[test]
fn the_largest_entry_of_each_type_is_short_enough() {
    let lists: Vec<_> = lists().into_iter().map(|list| (bounded(list.clone()), bounded_rules(list))).collect();
    let mut bursting = std::collections::BTreeMap::new();
    for example in super::examples::examples() {
        for (list, rules) in &lists {
            for dear in DEAR {
                let mut entry = serde_json::to_value(&example).unwrap();
                largest(&mut entry["data"], list, rules, dear);
                envelope(&mut entry);
                let read: Entry = serde_json::from_value(entry).unwrap();
                let bytes = read.to_json();
                if bytes.len() > ENTRY_BYTES_MAX {
                    bursting.entry(example.event.kind()).or_insert(bytes.len());
                }
            }
        }
    }
    assert!(bursting.is_empty(), "{bursting:#?}");
}

#[test]
fn lists_say_what_they_leave_out() {
    for list in lists() {
        for (kept, most) in [(bounded(list.clone()), 1_000), (bounded_rules(list.clone()), 400)] {
            let (counted, kept) = kept.split_last().unwrap();
            assert!(!kept.is_empty() && *counted == format!("… and {} more", list.len() - kept.len()), "{counted}");
            let bytes = serde_json::to_string(kept).unwrap().len();
            assert!(bytes <= most + 1, "{bytes}");
        }
    }
    let few = vec!["one".to_owned(), "two".to_owned()];
    assert_eq!((bounded(few.clone()), bounded_rules(few.clone())), (few.clone(), few));
    assert_eq!((bounded(Vec::new()), bounded_rules(Vec::new())), (Vec::new(), Vec::new()));
}

#[test]
fn the_longest_personal_part_is_short_enough() {
    for c in ['a', '"', '\n', '語', '\u{1d11e}'] {
        let text = format!("a{}a", c.to_string().repeat(REASON_CHARACTERS_MAX - 2));
        let reason = Reason::try_from(text).unwrap();
        let fields = Personal::default()
            .with("reason", reason.as_str())
            .with("address", "2001:db8:ffff:ffff:ffff:ffff:255.255.255.255");
        let bytes = SaltedPersonal { salt: "5a".repeat(16), fields }.to_json();
        // What takes four bytes a character is rare, and read all the same.
        let most = if c.len_utf8() < 4 { ENTRY_BYTES_MAX } else { ENTRY_BYTES_MAX + 100 };
        assert!(bytes.len() <= most, "{c:?}: {}", bytes.len());
    }
    assert!(Reason::try_from("a".repeat(REASON_CHARACTERS_MAX + 1)).is_err());
}
