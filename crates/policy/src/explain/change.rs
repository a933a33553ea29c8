//! One thing that could be otherwise.

use std::collections::BTreeSet;
use std::fmt;

use halligan_core::actor::Channel;
use halligan_core::id::{GroupId, PersonId, ScopeId};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::question::{IncidentIn, MachineIn, PersonIn, Question, SignInMethod, Who};
use crate::world::Incident;

/// One thing that could be otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "camelCase")]
pub enum Change {
    /// Whoever asks is in this group too.
    Join {
        /// The group.
        group: GroupId,
    },
    /// Whoever asks is not in this group.
    Leave {
        /// The group.
        group: GroupId,
    },
    /// Another person, in the same groups, does it.
    Another,
    /// The acknowledgement is signed, or not.
    Signed {
        /// Whether.
        signed: bool,
    },
    /// So long ago a second factor was used.
    MfaAge {
        /// How long.
        seconds: i64,
        /// Whether more or less would do as well.
        bound: Bound,
    },
    /// So long ago they proved who they are.
    AuthAge {
        /// How long.
        seconds: i64,
        /// Whether more or less would do as well.
        bound: Bound,
    },
    /// The incident has this severity.
    Severity {
        /// The tool's word.
        severity: String,
    },
    /// The incident's tool answers, or doesn't.
    IncidentKnown {
        /// Whether.
        known: bool,
    },
    /// The incident has been open for so long.
    IncidentAge {
        /// How long.
        seconds: i64,
        /// Whether more or less would do as well.
        bound: Bound,
    },
    /// The grant lasts so long.
    Duration {
        /// How long.
        seconds: i64,
        /// Whether more or less would do as well.
        bound: Bound,
    },
    /// It is, or isn't, an emergency start.
    Emergency {
        /// Whether.
        emergency: bool,
    },
    /// It comes this way.
    Channel {
        /// Which.
        channel: Channel,
    },
    /// They signed in so.
    SignIn {
        /// How.
        method: SignInMethod,
    },
    /// The identity provider is down, or isn't.
    ProviderDown {
        /// Whether.
        down: bool,
    },
    /// So many reviews are overdue.
    ReviewDebt {
        /// How many.
        reviews: u32,
        /// Whether more or fewer would do as well.
        bound: Bound,
    },
    /// It is for this scope.
    Scope {
        /// Which.
        scope: ScopeId,
    },
    /// It is asked at this time.
    Time {
        /// When.
        time: Timestamp,
    },
}

/// Which way a number can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Bound {
    /// This or less.
    AtMost,
    /// This or more.
    AtLeast,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtMost => "at most",
            Self::AtLeast => "at least",
        })
    }
}

/// The groups of whoever asks.
pub(crate) fn groups<'a>(who: &Who<'a>) -> &'a BTreeSet<GroupId> {
    match who {
        Who::Person(person) => person.groups,
        Who::Machine(machine) => machine.groups,
    }
}

/// The groups that they may be in beside.
pub(crate) fn possible<'a>(who: &Who<'a>) -> &'a BTreeSet<GroupId> {
    match who {
        Who::Person(person) => person.possible,
        Who::Machine(machine) => machine.possible,
    }
}

/// Asks the question as it would be with all of these changes.
pub(crate) fn with<T>(question: &Question<'_>, changes: &[Change], ask: impl FnOnce(&Question<'_>) -> T) -> T {
    let (mut groups, mut possible) = (groups(&question.principal).clone(), possible(&question.principal).clone());
    for change in changes {
        match change {
            Change::Join { group } => drop(groups.insert(group.clone())),
            Change::Leave { group } => {
                groups.remove(group);
                possible.remove(group);
            }
            _ => {}
        }
    }
    let another = another(question);
    let elsewhere = Incident::default().provider;
    let mut changed: Question<'_> = *question;
    let context = &mut changed.context;
    let length = |seconds: &i64| Some(SignedDuration::from_secs(*seconds));
    let mut name = None;
    for change in changes {
        let incident =
            context.incident.unwrap_or_else(|| IncidentIn { known: true, ..IncidentIn::unknown(&elsewhere) });
        match change {
            Change::Join { .. } | Change::Leave { .. } => {}
            Change::Another => name = Some(&another),
            Change::Signed { signed } => context.signed = *signed,
            Change::MfaAge { seconds, .. } => context.mfa_age = length(seconds),
            Change::AuthAge { seconds, .. } => context.auth_age = length(seconds),
            Change::Severity { severity } => {
                context.incident = Some(IncidentIn { severity: Some(severity), ..incident });
            }
            Change::IncidentKnown { known } => context.incident = Some(IncidentIn { known: *known, ..incident }),
            Change::IncidentAge { seconds, .. } => {
                context.incident = Some(IncidentIn { age: length(seconds), ..incident })
            }
            Change::Duration { seconds, .. } => context.duration = length(seconds),
            Change::Emergency { emergency } => context.emergency = Some(*emergency),
            Change::Channel { channel } => context.channel = *channel,
            Change::SignIn { method } => context.sign_in_method = Some(*method),
            Change::ProviderDown { down } => context.provider_down = Some(*down),
            Change::ReviewDebt { reviews, .. } => context.review_debt = *reviews,
            Change::Scope { scope } => context.scope = Some(scope),
            Change::Time { time } => context.time = *time,
        }
    }
    changed.principal = match question.principal {
        Who::Person(PersonIn { id, .. }) => {
            Who::Person(PersonIn { id: name.unwrap_or(id), groups: &groups, possible: &possible })
        }
        Who::Machine(machine) => Who::Machine(MachineIn { groups: &groups, possible: &possible, ..machine }),
    };
    ask(&changed)
}

/// A person that nobody is.
#[expect(clippy::expect_used, reason = "the name is legal, and every test reads it")]
fn another(question: &Question<'_>) -> PersonId {
    let name = if question.principal.as_str() == "another-person" { "another-person-2" } else { "another-person" };
    name.parse().expect("the name is legal")
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join { group } => write!(f, "membership of the group `{group}`"),
            Self::Leave { group } => write!(f, "no membership of the group `{group}`"),
            Self::Another => write!(f, "another person, in the same groups"),
            Self::Signed { signed: true } => write!(f, "a signature with a passkey"),
            Self::Signed { signed: false } => write!(f, "no signature with a passkey"),
            Self::MfaAge { seconds, bound } => write!(f, "a second factor {bound} {seconds} s ago"),
            Self::AuthAge { seconds, bound } => write!(f, "a sign-in {bound} {seconds} s ago"),
            Self::Severity { severity } => write!(f, "an incident of severity `{}`", severity.escape_debug()),
            Self::IncidentKnown { known: true } => write!(f, "an answer of the incident's tool"),
            Self::IncidentKnown { known: false } => write!(f, "no answer of the incident's tool"),
            Self::IncidentAge { seconds, bound } => write!(f, "an incident that has been open for {bound} {seconds} s"),
            Self::Duration { seconds, bound } => write!(f, "a duration of {bound} {seconds} s"),
            Self::Emergency { emergency: true } => write!(f, "an emergency start"),
            Self::Emergency { emergency: false } => write!(f, "no emergency start"),
            Self::Channel { channel } => write!(f, "the channel `{}`", channel.as_str()),
            Self::SignIn { method } => write!(f, "a sign-in by `{}`", method.as_str()),
            Self::ProviderDown { down: true } => write!(f, "the identity provider down"),
            Self::ProviderDown { down: false } => write!(f, "the identity provider up"),
            Self::ReviewDebt { reviews, bound } => write!(f, "{bound} {reviews} overdue reviews"),
            Self::Scope { scope } => write!(f, "the scope `{scope}`"),
            Self::Time { time } => write!(f, "the time {time}"),
        }
    }
}
