//! What the engine says, as the API shows it.

use halligan_core::actor::Party;
use halligan_core::catalogue::Target;
use halligan_core::grant::{
    Acknowledged, Activation, Containment, Ended, Ending, Extended, Extension, Grant, NeverActive, Pending, Phase,
    RevokeCause, Standing, State,
};
use halligan_core::incident::{IncidentRef, IncidentStatus, OpenIncident};
use halligan_engine::caller::{ConsoleSignIn, GrantRecord, Minted, RoleOffer};
use halligan_engine::identity::{ChallengeAsk, PasskeyAnswer};
use halligan_engine::ports::QueuedEntry;
use halligan_log::passkey::Assertion;
use jiff::{SignedDuration, Timestamp};

use crate::views::{
    AcknowledgementView, ChallengeView, ConsoleView, ContainmentState, ContainmentView, CredentialsView, ExtendedView,
    ExtensionView, GrantState, GrantView, GrantWithTimeline, IncidentRefView, IncidentState, IncidentView, PartyKind,
    RoleView, SignatureBody, TargetView, TimelineEntry,
};

/// Who ended a grant and why, as far as there is a who and a why.
struct End {
    at: Timestamp,
    by: Option<String>,
    because: Option<String>,
}

impl From<SignatureBody> for PasskeyAnswer {
    fn from(body: SignatureBody) -> Self {
        let SignatureBody { nonce, credential, authenticator_data, client_data, signature } = body;
        Self { nonce, assertion: Assertion { credential, authenticator_data, client_data, signature } }
    }
}

impl From<ChallengeAsk> for ChallengeView {
    fn from(asked: ChallengeAsk) -> Self {
        let ChallengeAsk { nonce, challenge, rp_id, credentials } = asked;
        Self { nonce, challenge, rp_id, credentials }
    }
}

impl From<&Target> for TargetView {
    fn from(target: &Target) -> Self {
        Self::role(target.id.as_str())
    }
}

impl From<&IncidentRef> for IncidentRefView {
    fn from(incident: &IncidentRef) -> Self {
        Self { provider: incident.provider.to_string(), id: incident.id.to_string() }
    }
}

impl From<Phase> for GrantState {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Pending => Self::Pending,
            Phase::Active => Self::Active,
            Phase::Declined => Self::Declined,
            Phase::Withdrawn => Self::Withdrawn,
            Phase::Cancelled => Self::Cancelled,
            Phase::Lapsed => Self::Lapsed,
            Phase::Expired => Self::Expired,
            Phase::Revoked => Self::Revoked,
            Phase::Returned => Self::Returned,
        }
    }
}

impl From<&Grant> for GrantView {
    fn from(grant: &Grant) -> Self {
        let request = &grant.request;
        let activation = grant.activation();
        let (ack_due, acknowledged) = match activation.map(|activation| &activation.standing) {
            None => (None, None),
            Some(Standing::Unacknowledged { ack_due }) => (Some(*ack_due), None),
            Some(Standing::Acknowledged(acknowledged)) => (None, Some(acknowledged)),
        };
        let (acknowledge_by, extension, containment) = match &grant.state {
            State::Pending(pending) => (Some(pending.acknowledge_by), None, None),
            State::Active(active) => (None, active.extension.as_ref().map(ExtensionView::from), None),
            State::Dropped(_) => (None, None, None),
            State::Ended(ended) => (None, None, Some(ContainmentView::from(&ended.containment))),
        };
        let end = end(grant);
        Self {
            id: request.id.to_string(),
            state: grant.phase().into(),
            target: TargetView::from(&request.target),
            role_arn: request.resolved.role_arn.to_string(),
            scope: request.resolved.scope.to_string(),
            incident: IncidentRefView::from(&request.incident),
            requester: request.requester.as_str().to_owned(),
            requester_kind: kind(&request.requester),
            on_behalf_of: on_behalf_of(&request.requester),
            reason: request.reason.to_string(),
            duration_seconds: request.duration.as_secs(),
            emergency: request.emergency,
            requested_at: grant.requested_at,
            request_hash: grant.request_hash.to_string(),
            acknowledge_by,
            activated_at: activation.map(|activation| activation.activated_at),
            ends_at: activation.map(|activation| activation.ends_at),
            ack_due,
            acknowledgements: acknowledgements(grant),
            acknowledgements_needed: needed(grant),
            acknowledged_by: acknowledged.map(|acknowledged| acknowledged.by.person.to_string()),
            acknowledged_at: acknowledged.map(|acknowledged| acknowledged.at),
            extended: activation.map_or_else(Vec::new, extended),
            extension,
            ended_at: end.as_ref().map(|end| end.at),
            ended_by: end.as_ref().and_then(|end| end.by.clone()),
            ended_because: end.and_then(|end| end.because),
            containment,
            credentials_issued: activation.map_or(0, |activation| activation.mints.count),
        }
    }
}

/// Whether somebody is a person or a machine.
pub(crate) const fn kind(party: &Party) -> PartyKind {
    match party {
        Party::Human(_) => PartyKind::Person,
        Party::Machine(_) => PartyKind::Machine,
    }
}

/// The person for whom a machine acts.
pub(crate) fn on_behalf_of(party: &Party) -> Option<String> {
    match party {
        Party::Human(_) => None,
        Party::Machine(machine) => machine.on_behalf_of.as_ref().map(ToString::to_string),
    }
}

/// Every yes, the first one first.
fn acknowledgements(grant: &Grant) -> Vec<AcknowledgementView> {
    let mut all: Vec<_> = grant.acknowledged().map(AcknowledgementView::from).collect();
    all.reverse();
    all
}

/// How many people must still say yes.
fn needed(grant: &Grant) -> u8 {
    match &grant.state {
        State::Pending(Pending { first, .. }) => match (&grant.request.requester, first) {
            (Party::Machine(_), None) => 2,
            (Party::Machine(_), Some(_)) | (Party::Human(_), _) => 1,
        },
        State::Active(active) => u8::from(matches!(active.activation.standing, Standing::Unacknowledged { .. })),
        State::Dropped(_) | State::Ended(_) => 0,
    }
}

impl From<&Acknowledged> for AcknowledgementView {
    fn from(acknowledged: &Acknowledged) -> Self {
        Self { by: acknowledged.by.person.to_string(), at: acknowledged.at, signed: acknowledged.signed }
    }
}

fn extended(activation: &Activation) -> Vec<ExtendedView> {
    activation.extended.iter().map(ExtendedView::from).collect()
}

impl From<&Extended> for ExtendedView {
    fn from(extended: &Extended) -> Self {
        Self { yes: AcknowledgementView::from(&extended.yes), ends_at: extended.ends_at }
    }
}

fn end(grant: &Grant) -> Option<End> {
    let ours = |text: &str| Some(text.to_owned());
    match &grant.state {
        State::Pending(_) | State::Active(_) => None,
        State::Dropped(dropped) => {
            let (by, because) = match &dropped.how {
                NeverActive::Declined { by, reason } => (Some(by.to_string()), Some(reason.to_string())),
                NeverActive::Withdrawn => (Some(grant.request.requester.as_str().to_owned()), None),
                NeverActive::Cancelled => (None, ours("its incident closed")),
                NeverActive::Lapsed => (None, ours("nobody acknowledged it in time")),
            };
            Some(End { at: dropped.at, by, because })
        }
        State::Ended(Ended { ending, at, .. }) => {
            let (by, because) = match ending {
                Ending::Expired => (None, ours("its end came")),
                Ending::Returned => (Some(grant.request.requester.as_str().to_owned()), None),
                Ending::Revoked {
                    cause: RevokeCause::Person { by, reason } | RevokeCause::Declined { by, reason },
                } => (Some(by.to_string()), Some(reason.to_string())),
                Ending::Revoked { cause: RevokeCause::IncidentClosed } => (None, ours("its incident closed")),
                Ending::Revoked { cause: RevokeCause::FoundEnded } => {
                    (None, ours("it had been ended before the store was restored"))
                }
                Ending::Revoked { cause: RevokeCause::AcknowledgementOverdue } => {
                    (None, ours("nobody acknowledged it in time"))
                }
            };
            Some(End { at: *at, by, because })
        }
    }
}

impl From<&Extension> for ExtensionView {
    fn from(extension: &Extension) -> Self {
        Self {
            hash: extension.hash.to_string(),
            duration_seconds: extension.duration.as_secs(),
            reason: extension.reason.to_string(),
            acknowledge_by: extension.acknowledge_by,
        }
    }
}

impl From<&Containment> for ContainmentView {
    fn from(containment: &Containment) -> Self {
        let bare = |state| Self { state, observed_at: None, seconds: None, regions: None, since: None, because: None };
        match containment {
            Containment::Fenced => bare(ContainmentState::Fenced),
            Containment::Enforcing => bare(ContainmentState::Enforcing),
            Containment::Contained(evidence) => Self {
                observed_at: Some(evidence.observed_at),
                seconds: Some(SignedDuration::from_millis(evidence.after_ms).as_secs_f64()),
                regions: Some(evidence.regions.iter().map(|seen| seen.region.clone()).collect()),
                ..bare(ContainmentState::Contained)
            },
            Containment::Stuck { since, because } => {
                Self { since: Some(*since), because: Some(because.clone()), ..bare(ContainmentState::Stuck) }
            }
        }
    }
}

impl From<&GrantRecord> for GrantWithTimeline {
    fn from(record: &GrantRecord) -> Self {
        Self {
            grant: GrantView::from(&record.grant),
            timeline: record.timeline.iter().map(TimelineEntry::from).collect(),
        }
    }
}

impl From<&QueuedEntry> for TimelineEntry {
    fn from(queued: &QueuedEntry) -> Self {
        let entry = &queued.sealed.entry;
        // An event is `{type, data}`: strings, numbers and maps of them, so this can't fail.
        let mut event = serde_json::to_value(&entry.event).unwrap_or_default();
        let kind = event.get("type").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let data = event.get_mut("data").map(serde_json::Value::take).unwrap_or_default();
        // Of the personal part the reason alone: addresses are for those who read the log.
        let reason = queued.sealed.personal.as_ref().and_then(|personal| personal.fields.0.get("reason").cloned());
        let actor = entry.actor.party.as_ref().map(|party| party.as_str().to_owned());
        Self { position: queued.position, time: entry.time, kind, actor, reason, data }
    }
}

impl From<Minted> for CredentialsView {
    fn from(minted: Minted) -> Self {
        let Minted { credentials, expires_at, grant: _ } = minted;
        Self {
            version: 1,
            access_key_id: credentials.access_key_id,
            secret_access_key: credentials.secret_access_key,
            session_token: credentials.session_token,
            expiration: expires_at,
        }
    }
}

impl From<ConsoleSignIn> for ConsoleView {
    fn from(sign_in: ConsoleSignIn) -> Self {
        let ConsoleSignIn { url, expires_at } = sign_in;
        Self { url, expires_at }
    }
}

impl From<&RoleOffer> for RoleView {
    fn from(offer: &RoleOffer) -> Self {
        let RoleOffer { role, may } = offer;
        Self {
            target: TargetView::role(role.id.as_str()),
            description: role.description.clone(),
            account: role.arn.account().to_owned(),
            role_arn: role.arn.to_string(),
            regions: role.regions.clone(),
            scopes: role.scopes.keys().map(ToString::to_string).collect(),
            default_scope: role.default_scope.to_string(),
            duration_seconds_max: role.duration_max.as_secs(),
            emergency: role.emergency_acknowledge_within.is_some(),
            console: role.console,
            may: may.iter().map(|action| action.as_str().to_owned()).collect(),
        }
    }
}

/// What an incident's tool answered.
pub(crate) fn incident(provider: &str, id: &str, status: IncidentStatus) -> IncidentView {
    let bare = |status| IncidentView {
        provider: provider.to_owned(),
        id: id.to_owned(),
        status,
        known: None,
        severity: None,
        creator: None,
        opened_at: None,
        title: None,
        reason: None,
    };
    match status {
        IncidentStatus::Open(OpenIncident { severity, creator, opened_at, title }) => {
            IncidentView { severity, creator, opened_at, title, ..bare(IncidentState::Open) }
        }
        IncidentStatus::Closed { known } => IncidentView { known: Some(known), ..bare(IncidentState::Closed) },
        IncidentStatus::Unknown { reason } => IncidentView { reason: Some(reason), ..bare(IncidentState::Unknown) },
    }
}
