//! Why a command failed, and with which exit code.

use std::io;
use std::process::ExitCode;

use halligan_core::text::with_causes;
use halligan_engine::audit::AuditError;
use halligan_server::views::ProblemView;
use serde_json::{Value, json};

use super::identity::IdentityError;
use super::private::PrivateError;
use super::profile::ProfileError;
use super::sign_in::SignInError;
use super::token::TokenError;
use crate::config::ConfigError;
use crate::log_key::KeyFileError;

/// The exit codes, as `--help` and the manual list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The broker said no: the problem says why, and what would satisfy it. Or what was verified is not whole.
    Refused = 1,
    /// The command line is wrong. The argument parser uses the same number.
    Usage = 2,
    /// No answer from the broker, or from where a log is.
    Unreachable = 3,
    /// Nobody to call as, or not this one.
    NoAccess = 4,
    /// The grant is over, or what was waited for didn't come.
    Over = 5,
    /// Stopped on this machine: a file, no confirmation.
    Stopped = 6,
    /// Ended by Ctrl-C while it waited, as shells write it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The broker said no.
    #[error("{}", .0.problem.detail)]
    Refused(Box<Refused>),
    /// No connection.
    #[error("can't reach the broker at {url}")]
    Unreachable {
        /// Its address.
        url: String,
        /// What the network said.
        #[source]
        source: reqwest::Error,
    },
    /// A connection, and no answer.
    #[error("the broker at {url} did not answer within {seconds} s")]
    TimedOut {
        /// Its address.
        url: String,
        /// How long it had.
        seconds: u64,
    },
    /// An answer that isn't the broker's.
    #[error("the answer of {url} (status {status}) is not the broker's: {what}")]
    Garbled {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What was wrong with it.
        what: String,
    },
    /// Nobody to call as.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The command line is wrong in a way that only the command knows.
    #[error("{0}")]
    Usage(String),
    /// The grant is over, or what was waited for didn't come.
    #[error("{0}")]
    Over(String),
    /// A question was answered with no, or there was nobody to ask.
    #[error("{0}")]
    Unconfirmed(String),
    /// Ctrl-C.
    #[error("{0}")]
    Interrupted(String),
    /// A private file.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// A key.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The key of a log or a witness.
    #[error(transparent)]
    LogKey(#[from] KeyFileError),
    /// A log that can't be read to its end. It says nothing about the log.
    #[error(transparent)]
    Unread(#[from] AuditError),
    /// A log, or a proof, that is not what its keys say.
    #[error("{0}")]
    Unsound(String),
    /// The broker's configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something else on this machine.
    #[error("can't {doing}")]
    Local {
        /// What was tried.
        doing: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A problem, as it was read and as it came.
#[derive(Debug)]
pub struct Refused {
    /// For people.
    pub problem: ProblemView,
    /// For `--json`, with fields that this client doesn't know.
    pub json: Value,
    /// The one thing that this caller can do about it at once: a command, or an address.
    pub advice: Option<String>,
}

impl From<SignInError> for Failure {
    fn from(error: SignInError) -> Self {
        Self::Identity(error.into())
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        Self::Identity(error.into())
    }
}

impl Failure {
    /// Something on this machine.
    pub fn local(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Local { doing, source }
    }

    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Refused(refused) if matches!(refused.problem.status, 401 | 403) => Exit::NoAccess,
            Self::Refused(_) | Self::Unsound(_) => Exit::Refused,
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Garbled { .. } => Exit::Unreachable,
            Self::Unread(AuditError::Archive { .. }) => Exit::Unreachable,
            Self::Unread(AuditError::Walk(_) | AuditError::Interrupted(_)) => Exit::Stopped,
            Self::Identity(IdentityError::SignIn(error)) => of_sign_in(error),
            Self::Identity(_) => Exit::NoAccess,
            Self::Usage(_) => Exit::Usage,
            Self::Over(_) => Exit::Over,
            Self::Unconfirmed(_)
            | Self::Private(_)
            | Self::Token(_)
            | Self::LogKey(_)
            | Self::Config(_)
            | Self::Local { .. } => Exit::Stopped,
            Self::Interrupted(_) => Exit::Interrupted,
        }
    }

    /// Whether the same call may go through in a moment: nobody has decided anything.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Refused(refused) => refused.problem.status == 429 || refused.problem.status >= 500,
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Garbled { .. } => true,
            Self::Identity(IdentityError::SignIn(SignInError::Unavailable { .. } | SignInError::Busy(_))) => true,
            Self::Identity(_)
            | Self::Usage(_)
            | Self::Over(_)
            | Self::Unconfirmed(_)
            | Self::Interrupted(_)
            | Self::Private(_)
            | Self::Token(_)
            | Self::LogKey(_)
            | Self::Unread(_)
            | Self::Unsound(_)
            | Self::Config(_)
            | Self::Local { .. } => false,
        }
    }

    /// The message with its causes, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        with_causes(self)
    }

    /// What `--json` prints: the broker's problem, or one of the same shape.
    #[must_use]
    pub fn json(&self) -> Value {
        let (slug, title) = match self {
            Self::Refused(refused) => return refused.json.clone(),
            Self::Unreachable { .. } => ("unreachable", "The broker can't be reached"),
            Self::TimedOut { .. } => ("timed-out", "The broker did not answer in time"),
            Self::Garbled { .. } => ("garbled", "The answer is not the broker's"),
            Self::Unread(_) => ("log-unread", "The log can't be read"),
            Self::Unsound(_) => ("log-unsound", "The log, or the proof, is not what its keys say"),
            Self::Identity(IdentityError::SignIn(SignInError::Unavailable { .. })) => {
                ("provider-unreachable", "The identity provider can't be reached")
            }
            Self::Identity(_) => ("no-identity", "Nobody to call as"),
            Self::Usage(_) => ("usage", "The command line is wrong"),
            Self::Over(_) => ("over", "The grant is over"),
            Self::Unconfirmed(_) => ("unconfirmed", "It was not confirmed"),
            Self::Interrupted(_) => ("interrupted", "It was interrupted"),
            Self::Private(_) | Self::Token(_) | Self::LogKey(_) | Self::Config(_) | Self::Local { .. } => {
                ("stopped", "Something on this machine is in the way")
            }
        };
        json!({ "type": format!("urn:halligan:client:{slug}"), "title": title, "detail": self.chain() })
    }
}

const fn of_sign_in(error: &SignInError) -> Exit {
    match error {
        SignInError::SignedOut { .. }
        | SignInError::Over { .. }
        | SignInError::Refused(_)
        | SignInError::Denied(_)
        | SignInError::Stale { .. } => Exit::NoAccess,
        SignInError::Unavailable { .. } | SignInError::NotRevoked { .. } => Exit::Unreachable,
        SignInError::TimedOut { .. } => Exit::Over,
        SignInError::Choice(_) => Exit::Usage,
        SignInError::Moved { .. }
        | SignInError::Provider(_)
        | SignInError::Busy(_)
        | SignInError::Private(_)
        | SignInError::Spoilt { .. }
        | SignInError::Local { .. } => Exit::Stopped,
    }
}
