//! `*.tests.json`.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::catalogue::{Access, ProbeCall, Role, RoleArn};
use halligan_core::id::{GroupId, MachineId, PersonId, RoleId, ScopeId};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decide::Obligation;
use crate::load::{LoadError, Source, Text};
use crate::question::Action;
use crate::world::{Broker, Log, Machine, Occasion, Person, World};

/// Tests of policies, and the small world that they happen in.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Tests of Halligan policies")]
pub struct TestFile {
    /// Where the schema of this file is, for editors.
    #[serde(rename = "$schema", default)]
    pub schema: Option<String>,
    /// The persons, by name.
    #[serde(default)]
    pub people: BTreeMap<PersonId, Person>,
    /// The machines, by name.
    #[serde(default)]
    pub machines: BTreeMap<MachineId, Machine>,
    /// The roles, by name.
    #[serde(default)]
    pub roles: BTreeMap<RoleId, RoleFixture>,
    /// The log.
    #[serde(default)]
    pub log: Log,
    /// The broker.
    #[serde(default)]
    pub broker: Broker,
    /// The tests.
    pub tests: Vec<Test>,
}

/// A role of the tests. The names are the schema's.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RoleFixture {
    /// May ask.
    pub requesters: BTreeSet<GroupId>,
    /// May acknowledge and decline.
    pub acknowledgers: BTreeSet<GroupId>,
    /// May end a grant of somebody else.
    pub revokers: BTreeSet<GroupId>,
    /// May start before the second person answers.
    pub emergency_starters: BTreeSet<GroupId>,
    /// Whether it takes an emergency start.
    pub emergency_start: bool,
    /// Whether a console sign-in may be minted.
    pub console: bool,
    /// The longest that can be asked for.
    pub duration_max_seconds: u32,
    /// The longest that it can become by extensions.
    pub total_max_seconds: u32,
    /// The IAM role that it stands for: account and partition are taken from it.
    pub arn: RoleArn,
    /// The scope of a request that names none.
    pub default_scope: ScopeId,
}

impl Default for RoleFixture {
    #[expect(clippy::expect_used, reason = "the names are legal, and every test reads them")]
    fn default() -> Self {
        let arn = RoleArn::try_from("arn:aws:iam::123456789012:role/example".to_owned());
        Self {
            requesters: BTreeSet::new(),
            acknowledgers: BTreeSet::new(),
            revokers: BTreeSet::new(),
            emergency_starters: BTreeSet::new(),
            emergency_start: false,
            console: false,
            duration_max_seconds: 3_600,
            total_max_seconds: 4 * 3_600,
            arn: arn.expect("the ARN is legal"),
            default_scope: "default".parse().expect("the name is legal"),
        }
    }
}

/// What the policies must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// It may be done.
    Allow,
    /// It may not.
    Deny,
}

/// One test.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Test {
    /// What it shows, in words. No two of a file have the same.
    pub name: String,
    /// Who: a person or a machine of this file.
    #[serde(rename = "as")]
    pub who: String,
    /// What.
    pub action: Action,
    /// To what: a role of this file, `log` or `broker`.
    pub target: String,
    /// On which occasion.
    #[serde(default)]
    pub context: Occasion,
    /// What the policies must say.
    pub expect: Expected,
    /// A policy that must be among those that decide, by its id.
    #[serde(default)]
    pub rule: Option<String>,
    /// A text that must be among what would satisfy the rules.
    #[serde(default)]
    pub unmet: Option<String>,
    /// What the refusal must offer as a remedy: exactly this.
    #[serde(default)]
    pub obligations: Option<Vec<Obligation>>,
}

impl TestFile {
    /// Reads a file of tests.
    ///
    /// # Errors
    /// All that is wrong with it: it is no such JSON, or a test names somebody or
    /// something that the file doesn't have, or two have one name, or one expects of a
    /// permission what only refusals have.
    pub fn parse(source: &Source) -> Result<Self, Vec<LoadError>> {
        let text = Text::new(source);
        let file: Self = serde_json::from_str(&source.text).map_err(|error| vec![text.refused_by_json(&error)])?;
        let world = file.world();
        let mut names = BTreeSet::new();
        let mut errors = Vec::new();
        for test in &file.tests {
            let mut wrong = Vec::new();
            if !names.insert(&test.name) {
                wrong.push("two tests have this name: give each its own".to_owned());
            }
            wrong.extend(world.question(&test.who, test.action, &test.target, &test.context).err());
            if test.expect == Expected::Allow && (test.unmet.is_some() || test.obligations.is_some()) {
                wrong.push("`unmet` and `obligations` go with `\"expect\": \"deny\"`".to_owned());
            }
            let at = source.text.rfind(&json_string(&test.name)).unwrap_or_default();
            errors
                .extend(wrong.into_iter().map(|wrong| text.error(at, format!("in the test `{}`: {wrong}", test.name))));
        }
        if errors.is_empty() { Ok(file) } else { Err(errors) }
    }

    /// The world of these tests; [`World::known`] is what their policies may name.
    #[must_use]
    pub fn world(&self) -> World {
        World {
            people: self.people.clone(),
            machines: self.machines.clone(),
            roles: self.roles.iter().map(|(id, role)| (id.clone(), role.of(id))).collect(),
            log: self.log.clone(),
            broker: self.broker.clone(),
        }
    }
}

/// As JSON writes it, so that it can be found in the file.
fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl RoleFixture {
    /// What policies don't see is made up.
    fn of(&self, id: &RoleId) -> Role {
        let seconds = |seconds: u32| SignedDuration::from_secs(seconds.into());
        let moment = SignedDuration::from_mins(15);
        Role {
            id: id.clone(),
            description: String::new(),
            arn: self.arn.clone(),
            revoker: self.arn.clone(),
            external_id: String::new(),
            regions: Vec::new(),
            session_max: seconds(self.duration_max_seconds),
            duration_max: seconds(self.duration_max_seconds),
            total_max: seconds(self.total_max_seconds),
            acknowledge_within: moment,
            emergency_acknowledge_within: self.emergency_start.then_some(moment),
            scopes: BTreeMap::new(),
            default_scope: self.default_scope.clone(),
            probe: ProbeCall::default(),
            console: self.console,
            access: Access {
                requesters: self.requesters.clone(),
                acknowledgers: self.acknowledgers.clone(),
                revokers: self.revokers.clone(),
                emergency_starters: self.emergency_starters.clone(),
            },
        }
    }
}
