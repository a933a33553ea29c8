//! The laws that every test holds the log to notice what breaks them.

use std::panic::catch_unwind;

use serde_json::{Value, json};

use crate::support::log::{Entry, assert_lawful};

/// One grant from its request to its end, with one mint.
fn life() -> Vec<Entry> {
    let story = [
        ("grant.requested", "alice", json!({})),
        ("grant.acknowledged", "bob", json!({})),
        ("grant.activated", "bob", json!({})),
        ("credentials.intended", "alice", json!({"mint": "m"})),
        ("credentials.issued", "alice", json!({"mint": "m"})),
        ("grant.returned", "alice", json!({})),
    ];
    let entry = |(index, (kind, person, data)): (usize, (&str, &str, Value))| Entry {
        position: index as u64 + 1,
        entry: json!({"type": kind, "time": format!("2026-03-01T03:00:{index:02}Z"), "data": data,
                      "actor": {"person": person}, "links": {"grant": "g"}}),
    };
    story.into_iter().enumerate().map(entry).collect()
}

fn renumbered(mut log: Vec<Entry>) -> Vec<Entry> {
    log.iter_mut().enumerate().for_each(|(index, entry)| {
        entry.position = index as u64 + 1;
        entry.entry["time"] = json!(format!("2026-03-01T03:00:{index:02}Z"));
    });
    log
}

#[test]
fn a_life_is_lawful_and_no_broken_one_is() {
    assert_lawful(&life());
    let broken = |name: &str, change: &dyn Fn(&mut Vec<Entry>), numbered: bool| {
        let mut log = life();
        change(&mut log);
        let log = if numbered { renumbered(log) } else { log };
        assert!(catch_unwind(|| assert_lawful(&log)).is_err(), "{name} is not noticed");
    };
    broken("a gap", &|log| drop(log.remove(1)), false);
    broken("the same twice", &|log| log.insert(1, log[0].clone()), false);
    broken("time going back", &|log| log[3].entry["time"] = json!("2026-03-01T02:00:00Z"), false);
    broken("an acknowledgement by the requester", &|log| log[1].entry["actor"]["person"] = json!("alice"), true);
    broken("a mint by another", &|log| log[3].entry["actor"]["person"] = json!("bob"), true);
    broken("credentials without an intent", &|log| drop(log.remove(3)), true);
    broken("a second outcome", &|log| log.insert(5, log[4].clone()), true);
    broken("a mint before it is active", &|log| log.swap(2, 3), true);
    broken("a mint after the end", &|log| log.swap(3, 5), true);
    broken("a second activation", &|log| log.insert(3, log[2].clone()), true);
    broken("a second end", &|log| log.push(log[5].clone()), true);
}
