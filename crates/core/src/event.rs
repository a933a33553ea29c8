//! What happened: one variant a type of log entry.
//!
//! Free text never stands here but in the [`Personal`] part beside it.

mod bounded;
mod recorded;
mod revoked;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::actor::Freshness;
use crate::catalogue::RoleArn;
use crate::grant::{Evidence, ExtensionHash, Limits, RequestHash, ScopeHash};
use crate::iam::{SessionName, SourceIdentity};
use crate::id::{GrantId, MintId, Nonce, PersonId, ScopeId};
use crate::signed::{Enrolment, Signed};

pub use bounded::{bounded, bounded_rules};
pub use recorded::{Personal, Recorded};
pub use revoked::RevokedBy;

/// What happened. The names are the log's, kept for as long as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// Somebody asked, and policy, incident and identity said yes.
    #[serde(rename = "grant.requested")]
    GrantRequested {
        /// The IAM role that the catalogue's entry meant.
        role_arn: RoleArn,
        /// The scope's name.
        scope: ScopeId,
        /// The scope's document.
        scope_hash: ScopeHash,
        /// From activation to end.
        duration_seconds: i64,
        /// Whether it starts before the acknowledgement.
        emergency: bool,
        /// Until when it waits for a second person; none of an emergency start, which has an `ack_due`.
        acknowledge_by: Option<Timestamp>,
        /// Part of the request hash.
        nonce: Nonce,
        /// What an acknowledgement is bound to.
        request_hash: RequestHash,
        /// Frozen from the catalogue.
        limits: Limits,
        /// The rules that permitted it.
        rules: Vec<String>,
        /// Whether the incident's tool didn't answer, and the policy let it pass.
        #[serde(default, skip_serializing_if = "is_false")]
        incident_unknown: bool,
        /// How long before it the requester had proved who they are.
        #[serde(default, skip_serializing_if = "Freshness::is_unknown")]
        fresh: Freshness,
    },
    /// Something was asked for and refused; nothing changed.
    #[serde(rename = "action.refused")]
    ActionRefused {
        /// What was tried.
        action: String,
        /// The problem's type, as the API names it.
        problem: String,
        /// The rules that refused it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
        /// What would satisfy them.
        unmet: Vec<String>,
    },
    /// Refusals of callers who are not known, or of too many, counted.
    #[serde(rename = "refusals.counted")]
    RefusalsCounted {
        /// The window's begin.
        since: Timestamp,
        /// How many, by problem type.
        counts: BTreeMap<String, u64>,
    },
    /// The clock of a grant started.
    #[serde(rename = "grant.activated")]
    GrantActivated {
        /// When.
        activated_at: Timestamp,
        /// Its end.
        ends_at: Timestamp,
        /// Its end, if nobody acknowledges an emergency start.
        ack_due: Option<Timestamp>,
    },
    /// A second person said yes to the request.
    #[serde(rename = "grant.acknowledged")]
    GrantAcknowledged {
        /// To what.
        request_hash: RequestHash,
        /// How many more people must say yes before it counts: one, at the first of the two that a machine's request
        /// needs.
        #[serde(default, skip_serializing_if = "is_zero")]
        remaining: u8,
        /// Their passkey's signature over it, where they gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
        /// The rules that permitted it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
        /// Whether the incident's tool didn't answer, and the policy let it pass.
        #[serde(default, skip_serializing_if = "is_false")]
        incident_unknown: bool,
        /// How long before it they had proved who they are.
        #[serde(default, skip_serializing_if = "Freshness::is_unknown")]
        fresh: Freshness,
    },
    /// A second person said no to the request.
    #[serde(rename = "grant.declined")]
    GrantDeclined {
        /// The rules that permitted it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
    },
    /// The requester took the request back.
    #[serde(rename = "grant.withdrawn")]
    GrantWithdrawn {},
    /// The incident closed while the request waited.
    #[serde(rename = "grant.cancelled")]
    GrantCancelled {},
    /// Nobody answered the request in time.
    #[serde(rename = "grant.lapsed")]
    GrantLapsed {},
    /// A later end was asked for.
    #[serde(rename = "extension.requested")]
    ExtensionRequested {
        /// What an acknowledgement is bound to.
        extension_hash: ExtensionHash,
        /// Part of that hash.
        nonce: Nonce,
        /// By how much.
        duration_seconds: i64,
        /// Until when it waits.
        acknowledge_by: Timestamp,
        /// The rules that permitted it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
    },
    /// A second person said yes to a later end.
    #[serde(rename = "extension.acknowledged")]
    ExtensionAcknowledged {
        /// To what.
        extension_hash: ExtensionHash,
        /// The new end.
        ends_at: Timestamp,
        /// Their passkey's signature over it, where they gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
        /// The rules that permitted it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
        /// How long before it they had proved who they are.
        #[serde(default, skip_serializing_if = "Freshness::is_unknown")]
        fresh: Freshness,
    },
    /// A second person said no to a later end.
    #[serde(rename = "extension.declined")]
    ExtensionDeclined {
        /// To what.
        extension_hash: ExtensionHash,
        /// The rules that permitted it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
    },
    /// A later end that was asked for comes no more: nobody answered in time, or the grant ended first.
    #[serde(rename = "extension.void")]
    ExtensionVoid {
        /// Which.
        extension_hash: ExtensionHash,
    },
    /// Access ended when it was to end.
    #[serde(rename = "grant.expired")]
    GrantExpired {
        /// The end that was set.
        ends_at: Timestamp,
    },
    /// The requester gave access back early.
    #[serde(rename = "grant.returned")]
    GrantReturned {},
    /// Access was taken before its end.
    #[serde(rename = "grant.revoked")]
    GrantRevoked {
        /// By whom or what.
        cause: RevokedBy,
        /// The rules that permitted it, where a person did.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
    },
    /// Credentials are about to be minted; they leave only when this is durable.
    #[serde(rename = "credentials.intended")]
    CredentialsIntended {
        /// Which issuance.
        mint: MintId,
        /// The session's name at AWS.
        session_name: SessionName,
        /// The session's source identity: how CloudTrail names the person.
        source_identity: SourceIdentity,
        /// From here on every call is denied by the session's own policy.
        fence: Timestamp,
        /// The token's life.
        token_seconds: u32,
        /// Whether a console sign-in was asked for.
        console: bool,
        /// The rules that permitted it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
    },
    /// Credentials were minted and handed out.
    #[serde(rename = "credentials.issued")]
    CredentialsIssued {
        /// Which issuance.
        mint: MintId,
        /// How CloudTrail names the session's calls.
        access_key_id: String,
        /// How much of its room the session policy took.
        packed_policy_percent: Option<i32>,
    },
    /// Credentials were minted, and the right to them was lost meanwhile: they never left.
    #[serde(rename = "credentials.discarded")]
    CredentialsDiscarded {
        /// Which issuance.
        mint: MintId,
        /// How CloudTrail would name the session's calls.
        access_key_id: String,
        /// What was lost.
        because: String,
    },
    /// No credentials were minted; where the outcome is unknown they count as issued.
    #[serde(rename = "credentials.failed")]
    CredentialsFailed {
        /// Which issuance.
        mint: MintId,
        /// What AWS said.
        because: String,
        /// Whether AWS may have minted all the same.
        outcome_unknown: bool,
    },
    /// A role's revocation policy was written and read back.
    #[serde(rename = "revocation.written")]
    RevocationWritten {
        /// Its generation.
        generation: u64,
        /// How it singles out sessions: `listed`, `listed_without_expired`, `cut`, `empty`.
        mode: String,
        /// How many grants it denies by name.
        listed: usize,
        /// How much of its room it takes.
        fill_percent: usize,
    },
    /// A role's revocation policy said something that we had not written.
    #[serde(rename = "revocation.drift")]
    RevocationDrift {
        /// What was found.
        found: String,
        /// Grants found in it that the store doesn't know, kept denied.
        adopted: BTreeSet<GrantId>,
    },
    /// A role's revocation policy could not be brought to say what it should.
    #[serde(rename = "revocation.failed")]
    RevocationFailed {
        /// What went wrong.
        because: String,
        /// How often in a row.
        attempt: u32,
    },
    /// A session of the broker's own, to see whether a deny bites.
    #[serde(rename = "probe.intended")]
    ProbeIntended {
        /// The session's name at AWS.
        session_name: SessionName,
        /// The grant whose tag it carries; none for a control.
        tagged: Option<GrantId>,
        /// From here on its every call is denied.
        fence: Timestamp,
    },
    /// An end was seen to hold.
    #[serde(rename = "containment.observed")]
    ContainmentObserved(Evidence),
    /// An end was not seen to hold; it is tried again.
    #[serde(rename = "containment.stuck")]
    ContainmentStuck {
        /// What was seen instead.
        because: String,
    },
    /// The broker's clock and AWS's differ.
    #[serde(rename = "clock.skewed")]
    ClockSkewed {
        /// Ours less theirs.
        skew_ms: i64,
        /// Whether mints and time-driven ends have stopped.
        stopped: bool,
    },
    /// The log is signed with another key from here on.
    #[serde(rename = "log.key_changed")]
    LogKeyChanged {
        /// The public key before, as a verifier takes it.
        before: String,
        /// The public key from now on.
        after: String,
    },
    /// The places that the log is published to are others than before.
    #[serde(rename = "log.places_changed")]
    LogPlacesChanged {
        /// New archives, sinks and witnesses, by kind and name.
        added: Vec<String>,
        /// Those that are gone, or switched off.
        removed: Vec<String>,
        /// Those of the same name that are another place, or confirm otherwise.
        changed: Vec<String>,
    },
    /// An archive protects less than it was configured to.
    #[serde(rename = "log.archive_weakened")]
    LogArchiveWeakened {
        /// Which.
        archive: String,
        /// Which of its settings.
        setting: String,
        /// What was found, and what was expected.
        finding: String,
    },
    /// An archive protects again as it should.
    #[serde(rename = "log.archive_mended")]
    LogArchiveMended {
        /// Which.
        archive: String,
        /// Which of its settings.
        setting: String,
    },
    /// Somebody touched a key of an archive that is written once. What was first written still counts.
    #[serde(rename = "log.archive_touched")]
    LogArchiveTouched {
        /// Which.
        archive: String,
        /// The key.
        key: String,
        /// `hidden` by a delete marker, `overwritten` by other bytes.
        how: String,
    },
    /// An archive, a sink or a witness fails while others hold.
    #[serde(rename = "log.place_failing")]
    LogPlaceFailing {
        /// Which, by kind and name.
        place: String,
        /// What it says.
        because: String,
        /// How many entries it lacks.
        lag_entries: u64,
    },
    /// A place that failed holds again, with everything that it lacked.
    #[serde(rename = "log.place_recovered")]
    LogPlaceRecovered {
        /// Which, by kind and name.
        place: String,
    },
    /// The store was older than the log: what it lacked was read from an archive.
    #[serde(rename = "log.imported")]
    LogImported {
        /// From which archive.
        archive: String,
        /// The index of the first entry that was missing or other.
        from: u64,
        /// The log's size then.
        size: u64,
        /// Entries of the store's own that came behind.
        renumbered: u64,
        /// Entries of the store's own about grants that the log has other news of.
        set_aside: u64,
        /// Whether it was a true fork, and a person decided.
        forked: bool,
    },
    /// An entry of a store that was older than the log, about a grant that the log has other news of. It changed nothing.
    #[serde(rename = "log.entry_set_aside")]
    LogEntrySetAside {
        /// The entry's id.
        id: Uuid,
        /// Its type.
        kind: String,
        /// SHA-256 over its bytes, in hexadecimal.
        sha256: String,
    },
    /// For a while credentials may leave although no archive confirms.
    #[serde(rename = "log.override_granted")]
    LogOverrideGranted {
        /// Until when.
        until: Timestamp,
        /// The sinks that must confirm instead, by name.
        confirmed_by: Vec<String>,
        /// The rules that permitted it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
    },
    /// The override is over: archives must confirm again.
    #[serde(rename = "log.override_ended")]
    LogOverrideEnded {
        /// The rules that permitted it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
    },
    /// The catalogue is another than before.
    #[serde(rename = "catalogue.changed")]
    CatalogueChanged {
        /// New roles.
        added: Vec<String>,
        /// Roles that are gone.
        removed: Vec<String>,
        /// Roles that mean something else.
        changed: Vec<String>,
    },
    /// Who may do what is decided by other rules, people or issuers than before.
    #[serde(rename = "policy.changed")]
    PolicyChanged {
        /// SHA-256 over what decided before.
        before: String,
        /// SHA-256 over what decides now.
        after: String,
    },
    /// Policies that were to be used from now on are faulty: those from before still decide.
    #[serde(rename = "policy.rejected")]
    PolicyRejected {
        /// SHA-256 over what still decides.
        kept: String,
        /// What is wrong, and where.
        because: Vec<String>,
    },
    /// A policy could not be evaluated. A permit then permits nothing, and a forbid forbids.
    #[serde(rename = "policy.faulty")]
    PolicyFaulty {
        /// Which, and what it said.
        because: String,
    },
    /// Somebody signed in, in a browser.
    #[serde(rename = "session.opened")]
    SessionOpened {
        /// Names the session.
        session: Uuid,
        /// By what: `provider`, or `passkey` while the provider is down.
        method: String,
        /// When they last proved who they are; none: the provider didn't say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proved_at: Option<Timestamp>,
        /// Whether with a second factor or a passkey.
        mfa: bool,
        /// The rules that permitted it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
    },
    /// Somebody who was signed in has proved again who they are.
    #[serde(rename = "session.stepped_up")]
    SessionSteppedUp {
        /// Which session.
        session: Uuid,
        /// By what: `provider` or `passkey`.
        method: String,
        /// When they did.
        proved_at: Option<Timestamp>,
        /// Whether with a second factor or a passkey.
        mfa: bool,
    },
    /// A session of a browser is over before its time.
    #[serde(rename = "session.ended")]
    SessionEnded {
        /// Which.
        session: Uuid,
    },
    /// A person was signed out everywhere: no session that was opened before counts, and no token that was issued before.
    #[serde(rename = "person.signed_out")]
    PersonSignedOut {
        /// Who. Where the actor is another person, that one did it to them.
        person: PersonId,
        /// Only what is from after this counts.
        since: Timestamp,
        /// The rules that permitted it, where another person did it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
    },
    /// A person enrolled a passkey. It doesn't count for acknowledgements yet.
    #[serde(rename = "passkey.enrolled")]
    PasskeyEnrolled(Enrolment),
    /// An enrolment was told on a channel that the browser has no part in. It counts for acknowledgements a day later at the earliest.
    #[serde(rename = "passkey.noticed")]
    PasskeyNoticed {
        /// Which.
        credential: String,
        /// Whose.
        person: PersonId,
        /// Where it was told.
        channel: String,
    },
    /// A second person who has a passkey of their own vouches for an enrolment. It counts from now on.
    #[serde(rename = "passkey.confirmed")]
    PasskeyConfirmed {
        /// Which.
        credential: String,
        /// Whose.
        person: PersonId,
        /// What was confirmed.
        enrolment: String,
        /// The second person's signature over it.
        signed: Signed,
    },
    /// A passkey counts no more.
    #[serde(rename = "passkey.removed")]
    PasskeyRemoved {
        /// Which.
        credential: String,
        /// Whose it was.
        person: PersonId,
        /// The rules that permitted it, where another person did it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<String>,
    },
    /// A passkey's counter went back: there may be a copy of it.
    #[serde(rename = "passkey.counter_went_back")]
    PasskeyCounterWentBack {
        /// Which.
        credential: String,
        /// Whose.
        person: PersonId,
        /// What it had been.
        before: u32,
        /// What it is now.
        after: u32,
    },
    /// What people do in a target account is not recorded as it should be.
    #[serde(rename = "trail.missing")]
    TrailMissing {
        /// What is missing.
        because: String,
    },
    /// What people do in a target account is recorded again as it should be.
    #[serde(rename = "trail.found")]
    TrailFound {},
    /// The broker started.
    #[serde(rename = "broker.started")]
    BrokerStarted {
        /// Its version.
        version: String,
        /// SHA-256 of its configuration file.
        configuration_sha256: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
const fn is_zero(count: &u8) -> bool {
    *count == 0
}

impl Event {
    /// Its type, as the log has it.
    #[must_use]
    pub fn kind(&self) -> String {
        let json = serde_json::to_value(self).unwrap_or_default();
        json.get("type").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    }
}
