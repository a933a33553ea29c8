//! The role catalogue: what can be asked for, and by whom.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::iam::Statement;
use crate::id::{DeploymentId, GroupId, RoleId, ScopeId};

/// What a grant is for. `kind` leaves room for things other than AWS roles.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What sort of thing it is.
    pub kind: TargetKind,
    /// Its name in the catalogue.
    pub id: RoleId,
}

/// The sorts of things that a grant can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TargetKind {
    /// A role of the catalogue.
    #[serde(rename = "aws-role")]
    AwsRole,
}

impl TargetKind {
    /// The word that the API, the log and the request hash use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwsRole => "aws-role",
        }
    }
}

impl Target {
    /// The role of this name.
    #[must_use]
    pub const fn role(id: RoleId) -> Self {
        Self { kind: TargetKind::AwsRole, id }
    }
}

/// Every role that this deployment brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// The deployment, part of every request hash and policy name.
    pub deployment: DeploymentId,
    /// The roles by name.
    pub roles: BTreeMap<RoleId, Role>,
}

/// One role of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub id: RoleId,
    /// One line for people who choose.
    pub description: String,
    /// The IAM role that sessions are minted from.
    pub arn: RoleArn,
    /// The role that writes the revocation policy, in the same account.
    pub revoker: RoleArn,
    /// What the trust policies of both demand.
    pub external_id: String,
    /// Where the role is used, and so where containment is observed. Never empty.
    pub regions: Vec<String>,
    /// `MaxSessionDuration` of the IAM role.
    pub session_max: SignedDuration,
    /// The longest that a grant can be asked for.
    pub duration_max: SignedDuration,
    /// The longest that a grant can become by extensions.
    pub total_max: SignedDuration,
    /// How long a request waits for a second person.
    pub acknowledge_within: SignedDuration,
    /// How long an emergency start lasts without one; none: no emergency starts.
    pub emergency_acknowledge_within: Option<SignedDuration>,
    /// The narrower policies, by name.
    pub scopes: BTreeMap<ScopeId, Scope>,
    /// The scope of a request that names none: the narrowest.
    pub default_scope: ScopeId,
    /// The call that shows whether a session still works.
    pub probe: ProbeCall,
    /// Whether a console sign-in may be minted.
    pub console: bool,
    /// Who may do what.
    pub access: Access,
}

/// A named session policy. It can only narrow what the role may.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scope {
    /// Inline statements.
    pub statements: Vec<Statement>,
    /// Managed policies, for scopes too large to stand inline.
    pub managed: Vec<String>,
}

/// Which groups may do what with a role. Nobody else may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// May ask.
    pub requesters: BTreeSet<GroupId>,
    /// May acknowledge and decline.
    pub acknowledgers: BTreeSet<GroupId>,
    /// May end a grant of somebody else.
    pub revokers: BTreeSet<GroupId>,
    /// May start before the second person answers.
    pub emergency_starters: BTreeSet<GroupId>,
}

/// A harmless call, made by a session that may do nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ProbeCall {
    /// `s3:ListAllMyBuckets`.
    #[default]
    #[serde(rename = "s3:ListAllMyBuckets")]
    ListAllMyBuckets,
    /// `iam:ListAccountAliases`.
    #[serde(rename = "iam:ListAccountAliases")]
    ListAccountAliases,
}

impl ProbeCall {
    /// The IAM action of the call.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::ListAllMyBuckets => "s3:ListAllMyBuckets",
            Self::ListAccountAliases => "iam:ListAccountAliases",
        }
    }
}

/// The ARN of an IAM role: `arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/"))]
pub struct RoleArn {
    partition: String,
    account: String,
    path_and_name: String,
}

/// Why a text is not a role's ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the ARN of an IAM role: expected `arn:aws:iam::123456789012:role/name`")]
pub struct InvalidArn(String);

impl RoleArn {
    /// `aws`, `aws-us-gov`, `aws-cn`, …
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The account's twelve digits.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The role's name, without its path: what IAM's API takes.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path_and_name.rsplit('/').next().unwrap_or(&self.path_and_name)
    }
}

impl TryFrom<String> for RoleArn {
    type Error = InvalidArn;

    fn try_from(text: String) -> Result<Self, InvalidArn> {
        let parse = || {
            let rest = text.strip_prefix("arn:")?;
            let (partition, rest) = rest.split_once(":iam::")?;
            let (account, path_and_name) = rest.split_once(":role/")?;
            let name = path_and_name.rsplit('/').next()?;
            let legal = partition.starts_with("aws")
                && partition.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
                && account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && (1..=64).contains(&name.len())
                && path_and_name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&b));
            legal.then(|| Self {
                partition: partition.to_owned(),
                account: account.to_owned(),
                path_and_name: path_and_name.to_owned(),
            })
        };
        parse().ok_or_else(|| InvalidArn(crate::text::printable(&text, 80)))
    }
}

impl From<RoleArn> for String {
    fn from(arn: RoleArn) -> Self {
        arn.to_string()
    }
}

impl std::fmt::Display for RoleArn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "arn:{}:iam::{}:role/{}", self.partition, self.account, self.path_and_name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_role_arn_is_taken_apart() {
        let arn = RoleArn::try_from("arn:aws:iam::123456789012:role/on/call/admin".to_owned()).unwrap();
        assert_eq!((arn.partition(), arn.account(), arn.name()), ("aws", "123456789012", "admin"));
        assert_eq!(arn.to_string(), "arn:aws:iam::123456789012:role/on/call/admin");
        for text in
            ["arn:aws:iam::1:role/x", "arn:aws:sts::123456789012:role/x", "arn:aws:iam::123456789012:role/", "x"]
        {
            assert!(RoleArn::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
