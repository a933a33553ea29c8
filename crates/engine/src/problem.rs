//! Why something was refused: one type for people, the API and the log.

use halligan_core::catalogue::InvalidArn;
use halligan_core::grant::Refusal;
use halligan_core::id::InvalidId;
use halligan_core::text::InvalidReason;
use halligan_policy::Obligation;

use crate::ports::{MintError, StoreError};

/// A refusal, with the rule that refused and what would satisfy it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// Which sort; its slug is stable.
    pub kind: ProblemKind,
    /// What was wrong, what was expected, what to do.
    pub detail: String,
    /// The field of the request that was wrong.
    pub field: Option<&'static str>,
    /// The rules that refused.
    pub rules: Vec<String>,
    /// What would satisfy them.
    pub unmet: Vec<String>,
    /// What the caller can do at once so that they are satisfied.
    pub obligations: Vec<Obligation>,
    /// When the same call may go through.
    pub retry_after_seconds: Option<u32>,
    /// Whether the log has it.
    recorded: bool,
}

impl Problem {
    /// A problem without field, rules and retry.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            field: None,
            rules: Vec::new(),
            unmet: Vec::new(),
            obligations: Vec::new(),
            retry_after_seconds: None,
            recorded: false,
        }
    }

    /// The log has it, as an entry or in a count: it is there once, through however many hands
    /// the problem goes.
    #[must_use]
    pub(crate) const fn recorded(mut self) -> Self {
        self.recorded = true;
        self
    }

    /// Whether the log has it.
    #[must_use]
    pub const fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// About this field of the request.
    #[must_use]
    pub const fn in_field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// By these rules of the policy.
    #[must_use]
    pub fn by(mut self, rules: Vec<String>, obligations: Vec<Obligation>) -> Self {
        self.rules = rules;
        self.obligations = obligations;
        self
    }

    /// This would satisfy them.
    #[must_use]
    pub fn unmet(mut self, unmet: Vec<String>) -> Self {
        self.unmet = unmet;
        self
    }

    /// It may go through after so long.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// A field that isn't what it should be.
    pub fn invalid(field: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::new(ProblemKind::Invalid, detail.to_string()).in_field(field)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $slug:literal, $title:literal;)*) => {
        /// The sorts of problems. A slug, once released, keeps its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemKind {
            $($(#[$doc])* $kind,)*
        }

        impl ProblemKind {
            /// Every sort.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The stable name.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug,)* }
            }

            /// One line for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }
        }
    };
}

kinds! {
    /// A field is missing, unknown or malformed.
    Invalid = "invalid-request", "The request is malformed";
    /// It has not read the log yet.
    Starting = "starting", "The broker is starting";
    /// No usable bearer token.
    Unauthenticated = "unauthenticated", "The caller is not known";
    /// The token is good and nobody's.
    UnlinkedPrincipal = "unlinked-principal", "The login belongs to no person";
    /// The sign-in broke a rule, or was used before.
    SignIn = "sign-in-refused", "The sign-in was refused";
    /// The identity provider doesn't answer.
    ProviderUnavailable = "provider-unavailable", "The identity provider is unavailable";
    /// A passkey's answer is not good, or the passkey doesn't count.
    PasskeyRefused = "passkey-refused", "The passkey was refused";
    /// No such thing, or not for this caller's eyes.
    NotFound = "not-found", "There is no such thing";
    /// Not with this method.
    MethodNotAllowed = "method-not-allowed", "The method does not apply here";
    /// Larger than anything legitimate.
    TooLarge = "too-large", "The request is too large";
    /// Too slow, either side.
    TimedOut = "timed-out", "The request took too long";
    /// Too many of these for now.
    RateLimited = "rate-limited", "Too many calls";
    /// The catalogue has no such role.
    UnknownRole = "unknown-role", "The catalogue has no such role";
    /// The role has no such scope.
    UnknownScope = "unknown-scope", "The role has no such scope";
    /// The policy says no.
    NotPermitted = "not-permitted", "The policy does not permit it";
    /// Requester and second person must be two humans.
    SamePerson = "same-person", "Another person must do this";
    /// Only the requester may.
    NotRequester = "not-requester", "Only the requester may do this";
    /// The tool says that the incident is over, or has never heard of it.
    IncidentClosed = "incident-closed", "The incident is not open";
    /// The tool gave no usable answer.
    IncidentUnknown = "incident-unknown", "Nobody knows whether the incident is open";
    /// The grant is in a state that doesn't have this.
    WrongState = "wrong-state", "The grant's state does not allow it";
    /// The acknowledgement was for something else.
    HashMismatch = "hash-mismatch", "The acknowledgement is for something else";
    /// The catalogue no longer says what was acknowledged.
    CatalogueChanged = "catalogue-changed", "The role has changed since the request";
    /// A duration outside its bounds.
    Duration = "duration-out-of-bounds", "The duration is out of bounds";
    /// An extension already waits.
    ExtensionPending = "extension-pending", "An extension is already waiting";
    /// Nothing is waiting for that answer.
    NoExtension = "no-extension", "No extension is waiting";
    /// An emergency start must be acknowledged first.
    NotAcknowledged = "not-acknowledged", "The grant must be acknowledged first";
    /// As many active grants as one revocation policy can tell apart.
    RoleAtCapacity = "role-at-capacity", "The role has too many active grants";
    /// The role has no console.
    NoConsole = "no-console", "The role has no console sign-in";
    /// The record couldn't be made durable, so no credentials left.
    LogNotDurable = "log-not-durable", "The record could not be made durable";
    /// The broker's clock can't be trusted.
    ClockSkewed = "clock-skewed", "The broker's clock is wrong";
    /// AWS said no.
    AwsRefused = "aws-refused", "AWS refused";
    /// AWS didn't answer in time.
    AwsUnavailable = "aws-unavailable", "AWS is unavailable";
    /// AWS's answer was lost; ask again.
    AwsOutcomeUnknown = "aws-outcome-unknown", "AWS's answer was lost";
    /// The right was lost between mint and answer.
    RightLost = "right-lost", "The grant changed while credentials were minted";
    /// The same call is being answered now.
    IdempotencyInFlight = "idempotency-in-flight", "The same call is being answered";
    /// The key was used with another body.
    IdempotencyKeyReused = "idempotency-key-reused", "The idempotency key was used for another call";
    /// This call can't be replayed.
    IdempotencyNotSupported = "idempotency-not-supported", "This call takes no idempotency key";
    /// Somebody else kept changing the grant.
    Conflict = "conflict", "The grant was changed meanwhile";
    /// The store doesn't answer.
    StoreUnavailable = "store-unavailable", "The store is unavailable";
    /// A defect.
    Internal = "internal", "Something is broken here";
}

impl ProblemKind {
    /// Whether the broker itself has failed: then nobody was refused anything, and the operators'
    /// log has it.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        matches!(self, Self::Starting | Self::TimedOut | Self::StoreUnavailable | Self::Internal)
    }
}

impl From<InvalidId> for Problem {
    fn from(error: InvalidId) -> Self {
        Self::new(ProblemKind::Invalid, error.to_string())
    }
}

impl From<InvalidArn> for Problem {
    fn from(error: InvalidArn) -> Self {
        Self::new(ProblemKind::Invalid, error.to_string())
    }
}

impl From<InvalidReason> for Problem {
    fn from(error: InvalidReason) -> Self {
        Self::invalid("reason", error)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let kind = match &refusal {
            Refusal::WrongState { .. } | Refusal::Overdue(_) | Refusal::NotDue(_) => ProblemKind::WrongState,
            Refusal::SamePerson { .. } | Refusal::SecondPerson(_) => ProblemKind::SamePerson,
            Refusal::Machine { .. } => ProblemKind::NotPermitted,
            Refusal::NotRequester { .. } => ProblemKind::NotRequester,
            Refusal::HashMismatch => ProblemKind::HashMismatch,
            Refusal::NotAcknowledged => ProblemKind::NotAcknowledged,
            Refusal::ExtensionPending => ProblemKind::ExtensionPending,
            Refusal::NoExtension => ProblemKind::NoExtension,
            Refusal::TooLong { .. } | Refusal::NotPositive(_) => ProblemKind::Duration,
            Refusal::RequestChanged => ProblemKind::CatalogueChanged,
            Refusal::FenceMoved { .. } => ProblemKind::Conflict,
            Refusal::UnusableScope(_) => ProblemKind::AwsRefused,
        };
        let problem = Self::new(kind, refusal.to_string());
        match kind {
            ProblemKind::HashMismatch => problem.in_field("request_hash"),
            ProblemKind::Duration => problem.in_field("duration_seconds"),
            _ => problem,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => {
                Self::new(ProblemKind::Conflict, "the grant was changed meanwhile: read it again").retry_after(1)
            }
            StoreError::Unavailable(because) => {
                tracing::error!(%because, "the store is unavailable");
                Self::new(ProblemKind::StoreUnavailable, "the broker's store does not answer: try again").retry_after(2)
            }
            corrupt @ StoreError::Corrupt { .. } => {
                tracing::error!(error = %corrupt, "the store holds a row that can't be read");
                Self::new(ProblemKind::Internal, "a record of the store can't be read: the operators' log names it")
            }
        }
    }
}

impl From<MintError> for Problem {
    fn from(error: MintError) -> Self {
        let kind = match &error {
            MintError::Refused(_) | MintError::PackedPolicyTooLarge(_) => ProblemKind::AwsRefused,
            MintError::Unavailable(_) => ProblemKind::AwsUnavailable,
            MintError::OutcomeUnknown(_) => ProblemKind::AwsOutcomeUnknown,
        };
        Self::new(kind, error.to_string())
    }
}
