//! A role of the catalogue.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::catalogue::{ProbeCall, RoleArn};
use halligan_core::iam::Statement;
use halligan_core::id::{GroupId, ScopeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::Period;

/// A role of the catalogue.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// One line for people who choose.
    #[serde(default)]
    pub description: String,
    /// The IAM role that sessions are minted from. No two roles, and no two deployments, share one.
    #[schemars(with = "String", extend("examples" = ["arn:aws:iam::123456789012:role/break-glass-admin"]))]
    pub arn: RoleArn,
    /// The IAM role that writes the revocation policy, in the same account.
    #[schemars(with = "String", extend("examples" = ["arn:aws:iam::123456789012:role/halligan-revoker"]))]
    pub revoker: RoleArn,
    /// What the trust policies of both demand: 2 to 1224 of letters, digits and `_+=,.@:/-`. Not a secret.
    pub external_id: String,
    /// The Regions that the role is used in, and that its end is observed in.
    #[schemars(extend("minItems" = 1, "examples" = [["eu-central-1"]]))]
    pub regions: Vec<String>,
    /// The `MaxSessionDuration` of the IAM role: one to twelve hours.
    #[serde(default = "one_hour")]
    pub session_max: Period,
    /// The longest that a grant can be asked for. At most twelve hours.
    #[serde(default = "one_hour")]
    pub duration_max: Period,
    /// The longest that a grant can become by extensions. At most twelve hours: then a new one is asked for.
    #[serde(default = "four_hours")]
    pub total_max: Period,
    /// How long a request waits for a second person. At most twelve hours.
    #[serde(default = "fifteen_minutes")]
    pub acknowledge_within: Period,
    /// How long an emergency start lasts without a second person. At most one hour. Without it, the role takes no
    /// emergency starts.
    #[serde(default)]
    pub emergency_acknowledge_within: Option<Period>,
    /// Session policies, by name: a grant has one of them, and it only narrows what the IAM role may. Statements,
    /// time fence and ARNs together have at most 2,048 characters.
    #[schemars(extend("minProperties" = 1))]
    pub scopes: BTreeMap<ScopeId, Scope>,
    /// The scope of a request that names none: the narrowest.
    pub default_scope: ScopeId,
    /// The harmless call that shows whether a session still works.
    #[serde(default)]
    #[schemars(with = "ProbeName")]
    pub probe: ProbeCall,
    /// Whether a console sign-in can be asked for.
    #[serde(default)]
    pub console: bool,
    /// The groups that may ask.
    #[serde(default)]
    #[schemars(extend("minItems" = 1))]
    pub requesters: BTreeSet<GroupId>,
    /// The groups that may acknowledge and decline what somebody else asked for.
    #[serde(default)]
    #[schemars(extend("minItems" = 1))]
    pub acknowledgers: BTreeSet<GroupId>,
    /// The groups that may end a grant of somebody else.
    #[serde(default)]
    pub revokers: BTreeSet<GroupId>,
    /// The groups that may start before a second person answers.
    #[serde(default)]
    pub emergency_starters: BTreeSet<GroupId>,
}

const fn one_hour() -> Period {
    Period::seconds(3_600)
}

const fn four_hours() -> Period {
    Period::seconds(4 * 3_600)
}

const fn fifteen_minutes() -> Period {
    Period::seconds(15 * 60)
}

/// The names of [`ProbeCall`], for the schema.
#[derive(Default, Serialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum ProbeName {
    #[default]
    #[serde(rename = "s3:ListAllMyBuckets")]
    ListAllMyBuckets,
    #[serde(rename = "iam:ListAccountAliases")]
    ListAccountAliases,
}

/// A session policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// What the scope allows and denies, as IAM writes it.
    #[serde(default)]
    pub statements: Vec<Statement>,
    /// ARNs of managed policies, at most ten, for what is too large to stand here.
    #[serde(default)]
    pub managed: Vec<String>,
}
