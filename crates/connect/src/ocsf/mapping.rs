//! Which event of OCSF an entry of ours is. One function, exhaustive: a new type
//! of entry doesn't compile until somebody has said what it is to a SIEM.

use halligan_core::entry::Entry;
use halligan_core::event::Event;
use halligan_core::id::MintId;
use jiff::Timestamp;

/// The version of what this module and [`super::document`] do. It goes up whenever
/// the same entry would become another event, so that a SIEM's rules can tell.
pub const MAPPING_VERSION: &str = "1";

/// What an entry becomes.
#[derive(Debug)]
pub(super) struct Mapped<'a> {
    pub(super) what: What<'a>,
    pub(super) severity: Severity,
    pub(super) outcome: Outcome,
    /// What happened, for people. Nothing of it is taken from the entry.
    pub(super) message: &'static str,
}

/// The class, with what it alone has.
#[derive(Debug)]
pub(super) enum What<'a> {
    /// User Access Management: a person has more or less access from here on.
    Access { granted: bool },
    /// Authorize Session: one issuance of credentials.
    Session(Session<'a>),
    /// Entity Management: something that people or the broker manage was changed.
    Entity { activity: Activity, kind: &'static str },
    /// Entity Management too: something was to be done, and was not.
    Refused(Refused<'a>),
    /// Detection Finding: somebody should look. The same `uid` closes it.
    Finding { uid: String, over: bool },
    /// Authentication: somebody signed in, proved themselves again, or signed out.
    SignIn { on: bool, mfa: bool, passkey: bool },
    /// Application Lifecycle: the broker started.
    Started { version: &'a str },
}

/// A session at AWS, as far as an entry tells of it.
#[derive(Debug, Default)]
pub(super) struct Session<'a> {
    pub(super) mint: Option<MintId>,
    pub(super) name: Option<&'a str>,
    pub(super) access_key_id: Option<&'a str>,
    pub(super) until: Option<Timestamp>,
    /// Whether it is the broker's own, and nobody's.
    pub(super) probe: bool,
}

/// What was done to an entity.
#[derive(Debug, Clone, Copy)]
pub(super) enum Activity {
    Create,
    Update,
    Activate,
    Deactivate,
}

/// What was refused.
#[derive(Debug)]
pub(super) enum Refused<'a> {
    /// One action, and the problem's type.
    One { action: &'a str, problem: &'a str },
    /// So many since then.
    Counted { since: Timestamp, count: u64 },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Severity {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    Success,
    Failure,
    /// It is about to happen, or nobody knows whether it did.
    Open,
}

/// The method of a sign-in past the identity provider.
const PASSKEY: &str = "passkey";

use Activity::{Activate, Create, Deactivate, Update};
use Outcome::{Failure, Open, Success};
use Severity::{Critical, High, Informational, Low, Medium};

impl<'a> Mapped<'a> {
    const fn of(what: What<'a>, severity: Severity, message: &'static str) -> Self {
        Self { what, severity, outcome: Success, message }
    }

    const fn entity(activity: Activity, kind: &'static str, severity: Severity, message: &'static str) -> Self {
        Self::of(What::Entity { activity, kind }, severity, message)
    }

    const fn sign_in(mfa: bool, passkey: bool, severity: Severity, message: &'static str) -> Self {
        Self::of(What::SignIn { on: true, mfa, passkey }, severity, message)
    }

    const fn access(granted: bool, severity: Severity, message: &'static str) -> Self {
        Self::of(What::Access { granted }, severity, message)
    }

    const fn found(uid: String, severity: Severity, message: &'static str) -> Self {
        Self::of(What::Finding { uid, over: false }, severity, message)
    }

    const fn over(uid: String, message: &'static str) -> Self {
        Self::of(What::Finding { uid, over: true }, Informational, message)
    }

    fn but(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }
}

/// What the entry is to a SIEM.
pub(super) fn map(entry: &Entry) -> Mapped<'_> {
    let subject = &entry.subject.id;
    match &entry.event {
        Event::GrantRequested { emergency, .. } => {
            let (severity, message) = match emergency {
                false => (Informational, "break-glass access was asked for"),
                true => (High, "an emergency start of break-glass access was asked for"),
            };
            Mapped::entity(Create, "grant", severity, message)
        }
        Event::GrantAcknowledged { .. } => {
            Mapped::entity(Update, "grant", Informational, "a second person said yes to break-glass access")
        }
        Event::GrantDeclined { .. } => Mapped::entity(Deactivate, "grant", Low, "a second person said no to a request"),
        Event::GrantWithdrawn {} => {
            Mapped::entity(Deactivate, "grant", Informational, "the requester took a request back")
        }
        Event::GrantCancelled {} => {
            Mapped::entity(Deactivate, "grant", Informational, "a request ended with its incident")
        }
        Event::GrantLapsed {} => {
            Mapped::entity(Deactivate, "grant", Informational, "nobody answered a request in time")
        }
        Event::GrantActivated { .. } => Mapped::access(true, Medium, "break-glass access began"),
        Event::GrantExpired { .. } => Mapped::access(false, Informational, "break-glass access ended on time"),
        Event::GrantReturned {} => Mapped::access(false, Informational, "break-glass access was given back early"),
        Event::GrantRevoked { .. } => Mapped::access(false, Medium, "break-glass access was taken before its end"),
        Event::ExtensionRequested { .. } => {
            Mapped::entity(Create, "extension", Informational, "a later end of break-glass access was asked for")
        }
        Event::ExtensionAcknowledged { .. } => Mapped::access(true, Medium, "break-glass access ends later"),
        Event::ExtensionDeclined { .. } => {
            Mapped::entity(Deactivate, "extension", Low, "a second person said no to a later end")
        }
        Event::ExtensionVoid { .. } => {
            Mapped::entity(Deactivate, "extension", Informational, "a later end that was asked for comes no more")
        }
        Event::ContainmentObserved(_) => {
            Mapped::access(false, Informational, "an early end of break-glass access was seen to hold")
        }
        Event::ContainmentStuck { .. } => {
            Mapped::access(false, Critical, "an early end of break-glass access was not seen to hold").but(Failure)
        }
        Event::ActionRefused { action, problem, .. } => {
            let refused = What::Refused(Refused::One { action, problem });
            Mapped::of(refused, Low, "something was asked for and refused").but(Failure)
        }
        Event::RefusalsCounted { since, counts } => {
            let refused = What::Refused(Refused::Counted { since: *since, count: counts.values().sum() });
            Mapped::of(refused, Low, "callers whom nobody knows, or too many calls, were refused").but(Failure)
        }
        Event::CredentialsIntended { mint, session_name, fence, .. } => {
            let session = Session {
                mint: Some(*mint),
                name: Some(session_name.as_str()),
                until: Some(*fence),
                ..Session::default()
            };
            Mapped::of(What::Session(session), Informational, "credentials are about to be minted").but(Open)
        }
        Event::CredentialsIssued { mint, access_key_id, .. } => {
            Mapped::of(What::Session(issued(*mint, access_key_id)), Medium, "credentials were handed out")
        }
        Event::CredentialsDiscarded { mint, access_key_id, .. } => {
            let session = What::Session(issued(*mint, access_key_id));
            Mapped::of(session, Medium, "credentials were minted and never left").but(Failure)
        }
        Event::CredentialsFailed { mint, outcome_unknown, .. } => {
            let session = What::Session(Session { mint: Some(*mint), ..Session::default() });
            let outcome = if *outcome_unknown { Open } else { Failure };
            Mapped::of(session, Low, "no credentials were handed out").but(outcome)
        }
        Event::ProbeIntended { session_name, fence, .. } => {
            let session =
                Session { name: Some(session_name.as_str()), until: Some(*fence), probe: true, ..Session::default() };
            Mapped::of(What::Session(session), Informational, "the broker is about to look whether an end holds")
                .but(Open)
        }
        Event::RevocationWritten { .. } => {
            Mapped::entity(Update, "revocation policy", Informational, "a role's revocation policy was written")
        }
        Event::RevocationFailed { .. } => {
            Mapped::entity(Update, "revocation policy", High, "a role's revocation policy can't be written")
                .but(Failure)
        }
        Event::RevocationDrift { .. } => {
            Mapped::found(format!("revocation/{subject}"), High, "somebody else changed a role's revocation policy")
        }
        Event::BrokerStarted { version, .. } => {
            Mapped::of(What::Started { version }, Informational, "the broker started")
        }
        Event::ClockSkewed { stopped, .. } => {
            let severity = if *stopped { High } else { Low };
            Mapped::found("clock".to_owned(), severity, "the broker's clock and AWS's differ")
        }
        Event::CatalogueChanged { .. } => Mapped::entity(Update, "catalogue", Medium, "the catalogue of roles changed"),
        Event::PolicyChanged { .. } => {
            Mapped::entity(Update, "policy", Medium, "who may do what is decided otherwise than before")
        }
        Event::PolicyRejected { .. } => {
            Mapped::entity(Update, "policy", High, "new policies are faulty: those from before still decide")
                .but(Failure)
        }
        Event::PolicyFaulty { .. } => {
            Mapped::found("policy".to_owned(), High, "a policy can't be evaluated, and refuses")
        }
        Event::SessionOpened { method, mfa, .. } => match method == PASSKEY {
            true => Mapped::sign_in(true, true, High, "somebody signed in past the identity provider"),
            false => Mapped::sign_in(*mfa, false, Informational, "somebody signed in"),
        },
        Event::SessionSteppedUp { method, mfa, .. } => {
            Mapped::sign_in(*mfa, method == PASSKEY, Informational, "somebody proved again who they are")
        }
        Event::SessionEnded { .. } => {
            let what = What::SignIn { on: false, mfa: false, passkey: false };
            Mapped::of(what, Informational, "somebody signed out")
        }
        Event::PersonSignedOut { .. } => {
            Mapped::entity(Deactivate, "person", Medium, "a person's sessions and tokens are over, all of them")
        }
        Event::PasskeyEnrolled { .. } => {
            Mapped::entity(Create, "passkey", Medium, "somebody enrolled a passkey, which doesn't count yet")
        }
        Event::PasskeyNoticed { .. } => Mapped::entity(
            Update,
            "passkey",
            Informational,
            "somebody was told of a passkey that was enrolled for them",
        ),
        Event::PasskeyConfirmed { .. } => {
            Mapped::entity(Activate, "passkey", Medium, "a second person vouched for a passkey")
        }
        Event::PasskeyRemoved { .. } => Mapped::entity(Deactivate, "passkey", Low, "a passkey counts no more"),
        Event::PasskeyCounterWentBack { .. } => {
            Mapped::found(format!("passkey/{subject}"), High, "there may be a copy of a passkey")
        }
        Event::TrailMissing { .. } => Mapped::found(
            format!("trail/{subject}"),
            High,
            "what people do in an account is not recorded as it should be",
        ),
        Event::TrailFound {} => {
            Mapped::over(format!("trail/{subject}"), "what people do in an account is recorded as it should be")
        }
        Event::LogKeyChanged { .. } => Mapped::entity(Update, "log", High, "the log is signed with another key"),
        Event::LogPlacesChanged { .. } => {
            Mapped::entity(Update, "log", Medium, "the log is published to other places than before")
        }
        Event::LogImported { forked, .. } => {
            let (severity, message) = match forked {
                false => (Medium, "the store was older than the log, and was brought up to date"),
                true => (Critical, "the log had been forked, and a person decided how it goes on"),
            };
            Mapped::entity(Update, "log", severity, message)
        }
        Event::LogEntrySetAside { .. } => {
            Mapped::entity(Update, "log", High, "an entry of a store that was older than the log changed nothing")
        }
        Event::LogOverrideGranted { .. } => {
            Mapped::entity(Activate, "log override", Critical, "credentials may leave although no archive confirms")
        }
        Event::LogOverrideEnded { .. } => {
            Mapped::entity(Deactivate, "log override", Informational, "archives must confirm again")
        }
        Event::LogArchiveWeakened { archive, setting, .. } => Mapped::found(
            format!("archive/{archive}/{setting}"),
            High,
            "an archive of the log protects less than it should",
        ),
        Event::LogArchiveMended { archive, setting } => {
            Mapped::over(format!("archive/{archive}/{setting}"), "an archive of the log protects as it should")
        }
        Event::LogArchiveTouched { archive, key, .. } => {
            Mapped::found(format!("archive/{archive}/{key}"), Critical, "somebody touched what is written once")
        }
        Event::LogPlaceFailing { place, .. } => {
            Mapped::found(format!("place/{place}"), Medium, "a place that the log is published to fails")
        }
        Event::LogPlaceRecovered { place } => {
            Mapped::over(format!("place/{place}"), "a place that the log is published to holds again")
        }
    }
}

fn issued(mint: MintId, access_key_id: &str) -> Session<'_> {
    Session { mint: Some(mint), access_key_id: Some(access_key_id), ..Session::default() }
}
