//! One entry of each type, for readers to try their code on.

use std::collections::BTreeSet;

use halligan_core::actor::{Actor, Channel, Human, Principal};
use halligan_core::entry::{ENTRY_BYTES_MAX, Entry, Links, Subject, VERSION};
use halligan_core::event::Event;
use halligan_core::id::GrantId;
use serde_json::{Value, json};
use uuid::Uuid;

const GRANT: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0001;
const HASH: &str = "14119046444fee3ab9daf055652c593aa21bdf8821cb3d5372dcf039e6a6a51b";
const EXTENSION: &str = "0134602f0ad884824cc756ba22354202664a7ef828b91c1aa831166b89e92475";
const SHA: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0bcd3e0b1d0a0b0c0d0e0f";
const MINT: &str = "01900000-0000-7000-8000-000000000002";
const END: &str = "2026-03-01T04:12:09Z";

/// Who did it, and what it is about.
enum By {
    /// A person, about a grant of alice's.
    Person(&'static str),
    /// The broker, about the same grant.
    Broker,
    /// The broker, about the role.
    OnRole,
    /// The broker, about a part of itself.
    On(&'static str),
    /// A person in a browser, about a session or a passkey.
    Web(&'static str, &'static str),
    /// The broker, about a passkey.
    OnPasskey,
}

fn events() -> Vec<(By, &'static str, Value)> {
    let [grants, issuances, ends] = [grants(), issuances(), ends()];
    grants
        .into_iter()
        .chain(issuances)
        .chain(ends)
        .chain(of_the_broker())
        .chain(of_the_log())
        .chain(of_identity())
        .collect()
}

fn grants() -> Vec<(By, &'static str, Value)> {
    let (alice, bob) = (|| By::Person("alice"), || By::Person("bob"));
    let nonce = "07".repeat(32);
    let requested = json!({
        "role_arn": "arn:aws:iam::123456789012:role/break-glass", "scope": "read-only",
        "scope_hash": "70c5772bb0eb2f2b99a1aa5d6f6f335fe1765f371094365c9df0fbeea5ef5a76",
        "duration_seconds": 3_600, "emergency": false, "acknowledge_by": "2026-03-01T03:25:00Z",
        "nonce": nonce, "request_hash": HASH,
        "limits": {"acknowledge_within": "PT15M", "emergency_acknowledge_within": "PT10M", "total_max": "PT4H"},
        "rules": ["requesters-may-ask"], "fresh": {"auth_age_seconds": 540, "mfa_age_seconds": 540},
    });
    vec![
        (alice(), "grant.requested", requested),
        (bob(), "grant.acknowledged", json!({"request_hash": HASH, "rules": ["acknowledgers-may-acknowledge"]})),
        (bob(), "grant.activated", json!({"activated_at": "2026-03-01T03:12:09Z", "ends_at": END, "ack_due": null})),
        (bob(), "grant.declined", json!({})),
        (alice(), "grant.withdrawn", json!({})),
        (By::Broker, "grant.cancelled", json!({})),
        (By::Broker, "grant.lapsed", json!({})),
        (
            alice(),
            "extension.requested",
            json!({"extension_hash": EXTENSION, "nonce": "09".repeat(32), "duration_seconds": 600,
                   "acknowledge_by": "2026-03-01T03:40:00Z"}),
        ),
        (bob(), "extension.acknowledged", json!({"extension_hash": EXTENSION, "ends_at": END})),
        (bob(), "extension.declined", json!({"extension_hash": EXTENSION})),
        (By::Broker, "extension.void", json!({"extension_hash": EXTENSION})),
        (By::Broker, "grant.expired", json!({"ends_at": END})),
        (alice(), "grant.returned", json!({})),
        (By::Person("carol"), "grant.revoked", json!({"cause": {"person": "carol"}})),
        (
            alice(),
            "action.refused",
            json!({"action": "mint", "problem": "incident-closed", "unmet": ["name an incident that is open"]}),
        ),
    ]
}

fn issuances() -> Vec<(By, &'static str, Value)> {
    let alice = || By::Person("alice");
    let intended = json!({
        "mint": MINT, "session_name": "halligan-07070707070707070707070707070707",
        "source_identity": "alice-41c6fd6ac4a1", "fence": END, "token_seconds": 900, "console": false,
    });
    let issued = json!({"mint": MINT, "access_key_id": "ASIAEXAMPLE000000001", "packed_policy_percent": 12});
    let because = "the grant was revoked meanwhile";
    vec![
        (alice(), "credentials.intended", intended),
        (alice(), "credentials.issued", issued),
        (
            alice(),
            "credentials.discarded",
            json!({"mint": MINT, "access_key_id": "ASIAEXAMPLE000000001", "because": because}),
        ),
        (
            alice(),
            "credentials.failed",
            json!({"mint": MINT, "because": "AWS did not answer", "outcome_unknown": true}),
        ),
    ]
}

fn ends() -> Vec<(By, &'static str, Value)> {
    let observed = json!({
        "baseline": "allowed", "observed_at": "2026-03-01T03:50:03.5Z", "after_ms": 3_500,
        "regions": [{"region": "eu-central-1", "denials": 3}],
    });
    let probe = json!({
        "session_name": "halligan-08080808080808080808080808080808", "tagged": null, "fence": END,
    });
    vec![
        (By::OnRole, "revocation.written", json!({"generation": 7, "mode": "listed", "listed": 2, "fill_percent": 4})),
        (By::OnRole, "revocation.drift", json!({"found": "the policy is not there", "adopted": [grant().to_string()]})),
        (By::OnRole, "revocation.failed", json!({"because": "IAM is throttling", "attempt": 2})),
        (By::OnRole, "probe.intended", probe),
        (By::Broker, "containment.observed", observed),
        (By::Broker, "containment.stuck", json!({"because": "the probe is still allowed in eu-central-1"})),
    ]
}

fn of_the_broker() -> Vec<(By, &'static str, Value)> {
    vec![
        (By::On("process"), "broker.started", json!({"version": "0.1.0", "configuration_sha256": SHA})),
        (By::On("clock"), "clock.skewed", json!({"skew_ms": -2_400, "stopped": false})),
        (
            By::On("refusals"),
            "refusals.counted",
            json!({"since": "2026-03-01T03:00:00Z", "counts": {"unauthenticated": 17}}),
        ),
        (
            By::On("catalogue"),
            "catalogue.changed",
            json!({"added": ["staging-admin"], "removed": [], "changed": ["prod-admin"]}),
        ),
        (By::On("policy"), "policy.changed", json!({"before": SHA, "after": HASH})),
        (By::OnRole, "trail.missing", json!({"because": "the trail `main` is not logging"})),
        (By::OnRole, "trail.found", json!({})),
    ]
}

fn of_the_log() -> Vec<(By, &'static str, Value)> {
    let log = || By::On("log");
    let key = |n: u8| format!("halligan.example.com/prod+0000000{n}+AQ==");
    let imported = json!({
        "archive": "frankfurt", "from": 4_000, "size": 4_012, "renumbered": 1, "set_aside": 1, "forked": false,
    });
    vec![
        (log(), "log.key_changed", json!({"before": key(1), "after": key(2)})),
        (log(), "log.places_changed", json!({"added": ["archive dublin"], "removed": [], "changed": ["sink siem"]})),
        (
            log(),
            "log.archive_weakened",
            json!({"archive": "frankfurt", "setting": "retention", "finding": "30 days: expected at least 400"}),
        ),
        (log(), "log.archive_mended", json!({"archive": "frankfurt", "setting": "retention"})),
        (log(), "log.archive_touched", json!({"archive": "frankfurt", "key": "tile/entries/000", "how": "hidden"})),
        (
            log(),
            "log.place_failing",
            json!({"place": "archive dublin", "because": "it can't be reached", "lag_entries": 12}),
        ),
        (log(), "log.place_recovered", json!({"place": "archive dublin"})),
        (log(), "log.imported", imported),
        (log(), "log.entry_set_aside", json!({"id": MINT, "kind": "grant.acknowledged", "sha256": SHA})),
        (By::Person("carol"), "log.override_granted", json!({"until": END, "confirmed_by": ["sink cloudwatch"]})),
        (By::Person("carol"), "log.override_ended", json!({})),
    ]
}

fn of_identity() -> Vec<(By, &'static str, Value)> {
    let (session, passkey) = (|| By::Web("alice", "session"), || By::Web("alice", "passkey"));
    let credential = "BwcHBwcHBwcHBwcHBwcHBw";
    let enrolled = json!({
        "credential": credential, "algorithm": "EdDSA",
        "public_key": "MCowBQYDK2VwAyEA6kpsY-KcUgq-9VB7Eydkgl1hWvdA_pxXlDSnm6xI-0U",
        "rp_id": "halligan.example.com", "origin": "https://halligan.example.com", "enrolment": HASH,
    });
    let signed = json!({
        "credential": "CAgICAgICAgICAgICAgICA", "nonce": "0a".repeat(32),
        "authenticator_data": "AAAA", "client_data": "e30", "signature": "AAAA",
    });
    vec![
        (
            By::On("policy"),
            "policy.rejected",
            json!({"kept": SHA, "because": ["on-call.cedar:12:5: unexpected `whne`"]}),
        ),
        (By::On("policy"), "policy.faulty", json!({"because": "`fresh-mfa`: integer overflow"})),
        (
            session(),
            "session.opened",
            json!({"session": MINT, "method": "provider", "proved_at": "2026-03-01T03:12:00Z", "mfa": true,
                   "rules": ["sign-in-through-a-provider"]}),
        ),
        (
            session(),
            "session.stepped_up",
            json!({"session": MINT, "method": "passkey", "proved_at": "2026-03-01T03:20:00Z", "mfa": true}),
        ),
        (session(), "session.ended", json!({"session": MINT})),
        (
            By::Web("carol", "person"),
            "person.signed_out",
            json!({"person": "alice", "since": "2026-03-01T03:12:50.2Z"}),
        ),
        (passkey(), "passkey.enrolled", enrolled),
        (By::OnPasskey, "passkey.noticed", json!({"credential": credential, "person": "alice", "channel": "mail"})),
        (
            By::Web("bob", "passkey"),
            "passkey.confirmed",
            json!({"credential": credential, "person": "alice", "enrolment": HASH, "signed": signed}),
        ),
        (passkey(), "passkey.removed", json!({"credential": credential, "person": "alice"})),
        (
            By::OnPasskey,
            "passkey.counter_went_back",
            json!({"credential": credential, "person": "alice", "before": 12, "after": 3}),
        ),
    ]
}

fn grant() -> GrantId {
    GrantId::new(Uuid::from_u128(GRANT))
}

fn human(person: &str) -> Human {
    let principal = Principal { issuer: "https://1.example.com".into(), subject: format!("{person}-1") };
    Human { person: person.parse().unwrap(), principal }
}

fn entry(n: usize, by: &By, kind: &str, data: &Value) -> Entry {
    let event: Event = serde_json::from_value(json!({"type": kind, "data": data})).unwrap();
    let role = Subject { kind: "aws-role".into(), id: "prod-admin".into() };
    let of_grant = || Links { grant: Some(grant()), requester: Some("alice".parse().unwrap()) };
    let (actor, subject, links) = match by {
        By::Person(person) if kind.starts_with("log.") => {
            (Actor::api(human(person)), Subject::broker("log"), Links::default())
        }
        By::Person(person) => (Actor::api(human(person)), role, of_grant()),
        By::Broker => (Actor::SYSTEM, role, of_grant()),
        By::OnRole => (Actor::SYSTEM, role, Links::default()),
        By::On(part) => (Actor::SYSTEM, Subject::broker(part), Links::default()),
        By::Web(person, about) => {
            let id = match *about {
                "session" => MINT,
                "person" => "alice",
                _ => HASH,
            };
            let subject = Subject { kind: (*about).to_owned(), id: id.to_owned() };
            (Actor { party: Some(human(person).into()), channel: Channel::Web }, subject, Links::default())
        }
        By::OnPasskey => {
            let subject = Subject { kind: "passkey".to_owned(), id: HASH.to_owned() };
            (Actor::SYSTEM, subject, Links::default())
        }
    };
    let incident = json!({"provider": "files", "id": "INC-219"});
    Entry {
        v: VERSION,
        id: Uuid::from_u128(0x019c_a6f1_3cb8_7000_8000_0000_0000_0000 + n as u128),
        time: format!("2026-03-01T03:{:02}:{:02}.113Z", 12 + (n + 7) / 60, (n + 7) % 60).parse().unwrap(),
        decided_at: None,
        event,
        actor,
        subject,
        incident: links.grant.map(|_| serde_json::from_value(incident).unwrap()),
        links,
        personal_sha256: None,
    }
}

/// One of each.
pub fn examples() -> Vec<Entry> {
    events().iter().enumerate().map(|(n, (by, kind, data))| entry(n, by, kind, data)).collect()
}

#[test]
fn the_examples_are_current() {
    let lines = examples().iter().flat_map(|entry| [entry.to_json(), b"\n".to_vec()].concat()).collect();
    crate::is_current("examples.ndjson", &String::from_utf8(lines).unwrap());
}

#[test]
fn there_is_an_example_of_every_type() {
    let of_schema: BTreeSet<String> = crate::schema::types().into_iter().map(|found| found.name).collect();
    let mut shown: Vec<String> = examples().iter().map(|entry| entry.event.kind()).collect();
    shown.sort();
    assert_eq!(shown, of_schema.into_iter().collect::<Vec<_>>());
}

#[test]
fn what_is_written_is_read_and_written_again() {
    for entry in examples() {
        let bytes = entry.to_json();
        let read: Entry = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((&read, &read.to_json()), (&entry, &bytes));
        assert!(bytes.len() < ENTRY_BYTES_MAX / 2);
    }
}
