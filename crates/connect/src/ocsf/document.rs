//! The event of OCSF itself, as a JSON object.

use halligan_core::actor::Party;
use halligan_core::entry::Entry;
use halligan_engine::ports::QueuedEntry;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::mapping::{Activity, MAPPING_VERSION, Mapped, Outcome, Refused, Session, Severity, What, map};

/// The version of the schema that the events are of.
pub const SCHEMA_VERSION: &str = "1.8.0";

/// `algorithm_id` of `fingerprint`.
const SHA_256: u8 = 3;

/// `type_id` where the schema has no word for it, and `type` says.
const OTHER: u8 = 99;
/// `auth_protocol_id` of OpenID.
const OPENID: u8 = 4;
/// `type_id` of a user that is no human.
const SERVICE: u8 = 4;

/// The event that the entry becomes. The same entry becomes the same bytes, and
/// nothing of its personal part is in them.
pub(super) fn event(queued: &QueuedEntry) -> Value {
    let entry = &queued.sealed.entry;
    let mapped = map(entry);
    let mut event = own(entry, &mapped);
    classify(&mut event, &mapped);
    let (severity_id, severity) = severity(mapped.severity);
    let text = String::from_utf8_lossy(&queued.leaf.entry);
    let same = json!({
        "message": mapped.message,
        "time": entry.decided_at().as_millisecond(),
        "severity_id": severity_id,
        "severity": severity,
        "metadata": metadata(queued),
        "raw_data": text,
        "raw_data_hash": {
            "algorithm_id": SHA_256, "algorithm": "SHA-256", "value": hex::encode(Sha256::digest(&queued.leaf.entry)),
        },
        "unmapped": unmapped(entry),
    });
    event.extend(same.as_object().cloned().unwrap_or_default());
    Value::Object(event)
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

fn metadata(queued: &QueuedEntry) -> Value {
    let entry = &queued.sealed.entry;
    let mut metadata = json!({
        "version": SCHEMA_VERSION,
        "product": {"name": "Halligan", "vendor_name": "Halligan", "version": env!("CARGO_PKG_VERSION")},
        "uid": entry.id,
        "event_code": entry.event.kind(),
        "sequence": queued.index(),
        "log_version": entry.v.to_string(),
        "logged_time": entry.time.as_millisecond(),
        "original_time": entry.decided_at().to_string(),
        "transformation_info_list": [{"name": "Halligan to OCSF", "uid": MAPPING_VERSION}],
    });
    if let Some(grant) = &entry.links.grant {
        put(&mut metadata, "correlation_uid", json!(grant));
    }
    metadata
}

/// What OCSF has no attribute for, once more, for those who search by field.
fn unmapped(entry: &Entry) -> Value {
    let whole = serde_json::to_value(entry).unwrap_or_default();
    let mut unmapped = json!({"mapping_version": MAPPING_VERSION, "subject": entry.subject});
    for field in ["data", "incident"] {
        if let Some(value) = whole.get(field) {
            put(&mut unmapped, field, value.clone());
        }
    }
    unmapped
}

struct Class {
    uid: u32,
    name: &'static str,
    category_uid: u32,
    category: &'static str,
}

const IAM: (u32, &str) = (3, "Identity & Access Management");

const fn class(what: &What<'_>) -> Class {
    let (category_uid, category) = IAM;
    match what {
        What::Access { .. } => Class { uid: 3005, name: "User Access Management", category_uid, category },
        What::SignIn { .. } => Class { uid: 3002, name: "Authentication", category_uid, category },
        What::Session(_) => Class { uid: 3003, name: "Authorize Session", category_uid, category },
        What::Entity { .. } | What::Refused(_) => {
            Class { uid: 3004, name: "Entity Management", category_uid, category }
        }
        What::Finding { .. } => Class { uid: 2004, name: "Detection Finding", category_uid: 2, category: "Findings" },
        What::Started { .. } => {
            Class { uid: 6002, name: "Application Lifecycle", category_uid: 6, category: "Application Activity" }
        }
    }
}

const fn activity(what: &What<'_>) -> (u32, &'static str) {
    match what {
        What::Access { granted: true } | What::Session(_) => (1, "Assign Privileges"),
        What::Access { granted: false } => (2, "Revoke Privileges"),
        What::Entity { activity: Activity::Create, .. } => (1, "Create"),
        What::Entity { activity: Activity::Update, .. } => (3, "Update"),
        What::Entity { activity: Activity::Activate, .. } => (10, "Activate"),
        What::Entity { activity: Activity::Deactivate, .. } => (11, "Deactivate"),
        What::SignIn { on: true, .. } => (1, "Logon"),
        What::SignIn { on: false, .. } => (2, "Logoff"),
        What::Refused(_) => (99, "Refuse"),
        What::Finding { over: false, .. } => (1, "Create"),
        What::Finding { over: true, .. } => (3, "Close"),
        What::Started { .. } => (3, "Start"),
    }
}

fn classify(event: &mut Map<String, Value>, mapped: &Mapped<'_>) {
    let (class, (activity_id, activity_name)) = (class(&mapped.what), activity(&mapped.what));
    let (status_id, status) = match (&mapped.what, mapped.outcome) {
        (What::Finding { over: false, .. }, _) => (1, "New"),
        (What::Finding { over: true, .. }, _) => (4, "Resolved"),
        (_, Outcome::Success) => (1, "Success"),
        (_, Outcome::Failure) => (2, "Failure"),
        (_, Outcome::Open) => (0, "Unknown"),
    };
    let named = json!({
        "category_uid": class.category_uid,
        "category_name": class.category,
        "class_uid": class.uid,
        "class_name": class.name,
        "activity_id": activity_id,
        "activity_name": activity_name,
        "type_uid": class.uid * 100 + activity_id,
        "type_name": format!("{}: {activity_name}", class.name),
        "status_id": status_id,
        "status": status,
    });
    event.extend(named.as_object().cloned().unwrap_or_default());
}

const fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

/// What the event's class has and others lack.
fn own(entry: &Entry, mapped: &Mapped<'_>) -> Map<String, Value> {
    let resource = json!({"type": entry.subject.kind, "name": entry.subject.id});
    let privilege = format!("{}:{}", entry.subject.kind, entry.subject.id);
    let own = match &mapped.what {
        What::Access { .. } => json!({
            "actor": actor(entry), "user": holder(entry), "privileges": [privilege], "resources": [resource],
        }),
        What::Session(session) => json!({
            "actor": actor(entry),
            "user": if session.probe { json!({"name": "halligan-probe", "type_id": 3, "type": "System"}) } else { holder(entry) },
            "privileges": [privilege],
            "session": described(session),
        }),
        What::SignIn { on, mfa, passkey } => {
            let mut own = json!({
                "actor": actor(entry),
                "user": user(entry).unwrap_or_else(|| json!({"name": "Unknown", "type_id": 0, "type": "Unknown"})),
                "service": {"name": "Halligan"},
            });
            if *on {
                let (id, name) = if *passkey { (OTHER, "WebAuthn") } else { (OPENID, "OpenID") };
                put(&mut own, "auth_protocol_id", json!(id));
                put(&mut own, "auth_protocol", json!(name));
                put(&mut own, "is_mfa", json!(mfa));
            }
            own
        }
        What::Entity { kind, .. } => json!({"actor": actor(entry), "entity": entity(entry, kind)}),
        What::Refused(what) => {
            let mut own = json!({"actor": actor(entry), "entity": entity(entry, "request")});
            refused(&mut own, what);
            own
        }
        What::Finding { uid, over } => json!({
            "finding_info": {"uid": uid, "title": mapped.message, "types": [entry.event.kind()]},
            "is_alert": !over,
            "resources": [resource],
        }),
        What::Started { version } => {
            json!({"app": {"name": "Halligan", "vendor_name": "Halligan", "version": version}})
        }
    };
    own.as_object().cloned().unwrap_or_default()
}

fn actor(entry: &Entry) -> Value {
    user(entry).map_or_else(|| json!({"app_name": "Halligan"}), |user| json!({"user": user}))
}

/// Who did it, person or machine.
fn user(entry: &Entry) -> Option<Value> {
    let party = entry.actor.party.as_ref()?;
    let (type_id, kind) = match party {
        Party::Human(_) => (1, "User"),
        Party::Machine(_) => (SERVICE, "Service"),
    };
    Some(json!({
        "uid": party.as_str(), "name": party.as_str(), "type_id": type_id, "type": kind,
        "domain": party.principal().issuer, "uid_alt": party.principal().subject,
    }))
}

/// Whose access it is: never the acknowledger's.
fn holder(entry: &Entry) -> Value {
    let actor = entry.actor.party.as_ref().map(Party::as_str);
    match entry.links.requester.as_ref().map(|name| name.as_str()).or(actor) {
        Some(name) => json!({"uid": name, "name": name, "type_id": 1, "type": "User"}),
        None => json!({"name": "Unknown", "type_id": 0, "type": "Unknown"}),
    }
}

fn entity(entry: &Entry, kind: &str) -> Value {
    let mut entity = json!({"name": entry.subject.id, "type_id": OTHER, "type": kind});
    if let Some(grant) = entry.links.grant {
        put(&mut entity, "uid", json!(grant));
    }
    entity
}

fn refused(own: &mut Value, refused: &Refused<'_>) {
    match refused {
        Refused::One { action, problem } => {
            put(own, "status_code", json!(problem));
            put(own, "status_detail", json!(format!("`{action}` was refused")));
        }
        Refused::Counted { since, count } => {
            put(own, "count", json!(count));
            put(own, "start_time", json!(since.as_millisecond()));
        }
    }
}

fn described(session: &Session<'_>) -> Value {
    let fields = [
        ("uid", session.mint.map(|mint| json!(mint))),
        ("uid_alt", session.name.map(|name| json!(name))),
        ("credential_uid", session.access_key_id.map(|key| json!(key))),
        ("expiration_time", session.until.map(|until| json!(until.as_millisecond()))),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
