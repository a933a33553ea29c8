//! Who may do what.

use halligan_core::catalogue::Role;
use halligan_core::id::PersonId;

/// Something that a person wants to do to a role, or to a grant of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the verbs of the API")]
pub enum Action {
    Request,
    StartEmergency,
    Acknowledge,
    Mint,
    Extend,
    Revoke,
    Read,
}

impl Action {
    /// The verb, as entries and problems write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::StartEmergency => "startEmergency",
            Self::Acknowledge => "acknowledge",
            Self::Mint => "mint",
            Self::Extend => "extend",
            Self::Revoke => "revoke",
            Self::Read => "read",
        }
    }
}

/// One question to the policy.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Who wants to.
    pub person: &'a PersonId,
    /// What.
    pub action: Action,
    /// On which role.
    pub role: &'a Role,
}

/// The policy's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done.
    pub allow: bool,
    /// The rules that decided.
    pub rules: Vec<String>,
    /// What would satisfy the rules that refused.
    pub unmet: Vec<String>,
}

/// Decides who may do what. Default deny.
pub trait Authority: Send + Sync {
    /// Decides. Pure in its question and in the configuration it was made from.
    fn decide(&self, ask: &Ask<'_>) -> Decision;
}
