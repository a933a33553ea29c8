//! A grant as a row: its body, and the copies that queries need.

use std::collections::BTreeSet;

use halligan_core::catalogue::TargetKind;
use halligan_core::grant::{Containment, Grant, RequestHash, Standing, State};
use halligan_core::text::Reason;
use halligan_engine::ports::{StoreError, Version, Versioned};
use sqlx::any::AnyRow;

use crate::fields::Fields;
use crate::instants;

/// A query of grants, by what follows the table's name.
macro_rules! select_grants {
    ($rest:literal) => {
        concat!(
            "SELECT id, version, phase, target_kind, role, incident_provider, incident_id, requester, \
             due_at, enforce_until, body FROM grants ",
            $rest
        )
    };
}
pub(crate) use select_grants;

/// `enforce_until` of a grant that the revocation policy must know of until
/// something else happens to it.
const WITHOUT_END: i64 = i64::MAX;

/// The copies.
#[derive(Debug, PartialEq, Eq)]
pub struct Columns {
    pub id: String,
    pub phase: &'static str,
    pub target_kind: &'static str,
    pub role: String,
    pub incident_provider: String,
    pub incident_id: String,
    pub requester: String,
    pub due_at: Option<i64>,
    pub enforce_until: Option<i64>,
}

impl Columns {
    pub fn of(grant: &Grant) -> Self {
        let request = &grant.request;
        Self {
            id: request.id.to_string(),
            phase: grant.phase().as_str(),
            target_kind: target_kind(request.target.kind),
            role: request.target.id.to_string(),
            incident_provider: request.incident.provider.to_string(),
            incident_id: request.incident.id.to_string(),
            requester: request.requester.as_str().to_owned(),
            due_at: grant.next_deadline().map(instants::ceil),
            enforce_until: enforce_until(grant),
        }
    }
}

/// The kind's name, as every table writes it.
pub const fn target_kind(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::AwsRole => "aws-role",
    }
}

fn enforce_until(grant: &Grant) -> Option<i64> {
    match &grant.state {
        State::Pending(_) | State::Dropped(_) => None,
        State::Active(_) => Some(WITHOUT_END),
        State::Ended(ended) => match ended.containment {
            Containment::Enforcing | Containment::Stuck { .. } => Some(WITHOUT_END),
            Containment::Fenced | Containment::Contained(_) => ended.activation.deny_until().map(instants::ceil),
        },
    }
}

/// The grant of a row of [`select_grants`].
pub fn decode(row: &AnyRow) -> Result<Versioned, StoreError> {
    let row = Fields::new("grants", &["id"], row)?;
    let grant: Grant = row.json("body")?;
    let Columns { id, phase, target_kind, role, incident_provider, incident_id, requester, due_at, enforce_until } =
        Columns::of(&grant);
    row.agrees("id", row.text("id")?, id)?;
    row.agrees("phase", row.text("phase")?, phase.to_owned())?;
    row.agrees("target_kind", row.text("target_kind")?, target_kind.to_owned())?;
    row.agrees("role", row.text("role")?, role)?;
    row.agrees("incident_provider", row.text("incident_provider")?, incident_provider)?;
    row.agrees("incident_id", row.text("incident_id")?, incident_id)?;
    row.agrees("requester", row.text("requester")?, requester)?;
    row.agrees("due_at", row.integer_or_null("due_at")?, due_at)?;
    row.agrees("enforce_until", row.integer_or_null("enforce_until")?, enforce_until)?;
    if let Some(because) = illegal(&grant) {
        return Err(row.corrupt("body", because));
    }
    let version = row.count("version").map(Version)?;
    Ok(Versioned { grant, version })
}

/// What no life of a grant leads to.
pub fn illegal(grant: &Grant) -> Option<&'static str> {
    // Of a reason that was erased no hash can be made: nothing is minted from such a grant.
    if grant.request.reason != Reason::erased() && RequestHash::of(&grant.request) != grant.request_hash {
        return Some("the request is not the one that its hash names");
    }
    let mut people = BTreeSet::new();
    for yes in grant.acknowledged() {
        if grant.is_requester(&yes.by.person) {
            return Some("the requester acknowledged it");
        }
        if !people.insert(&yes.by.person) {
            return Some("one person acknowledged it twice");
        }
    }
    if let Some(activation) = grant.activation() {
        if activation.extended.iter().any(|extended| grant.is_requester(&extended.yes.by.person)) {
            return Some("the requester acknowledged its later end");
        }
        if activation.extended.last().is_some_and(|extended| extended.ends_at != activation.ends_at) {
            return Some("its end is not the one that was acknowledged last");
        }
    }
    let needed = usize::from(grant.request.acknowledgements());
    match grant.activation().map(|activation| &activation.standing) {
        Some(Standing::Acknowledged(_)) if people.len() != needed => {
            Some("fewer or more people acknowledged it than had to")
        }
        Some(Standing::Unacknowledged { .. }) if needed > 1 => Some("a machine's request began unacknowledged"),
        None if people.len() >= needed => Some("it waits for an acknowledgement that it has"),
        Some(Standing::Acknowledged(_) | Standing::Unacknowledged { .. }) | None => None,
    }
}
