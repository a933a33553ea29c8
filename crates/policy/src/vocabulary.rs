//! The words that policies are written in.

use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};

use crate::question::{Action, Kind};

/// The schema, as the program carries it.
pub const SCHEMA: &str = include_str!("../../../policies/halligan.cedarschema");

/// The parsed schema and the names that questions are put in.
pub(crate) struct Vocabulary {
    pub schema: Schema,
    pub person: EntityTypeName,
    pub machine: EntityTypeName,
    pub group: EntityTypeName,
    pub role: EntityTypeName,
    pub gate: EntityTypeName,
    pub log: EntityTypeName,
    pub broker: EntityTypeName,
    action: EntityTypeName,
}

impl Vocabulary {
    /// The one there is.
    pub fn get() -> &'static Self {
        static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::parse);
        &VOCABULARY
    }

    #[expect(clippy::expect_used, reason = "the texts are part of the program, and every test reads them")]
    fn parse() -> Self {
        let (schema, _warnings) = Schema::from_cedarschema_str(SCHEMA).expect("the schema is legal");
        let name = |name: &str| format!("Halligan::{name}").parse().expect("the name is legal");
        Self {
            schema,
            person: name("Person"),
            machine: name("Machine"),
            group: name("Group"),
            role: name("Role"),
            gate: name("Gate"),
            log: name("Log"),
            broker: name("Broker"),
            action: name("Action"),
        }
    }

    pub fn action(&self, action: Action) -> EntityUid {
        uid(&self.action, action.as_str())
    }

    /// The kind of a principal or a resource.
    pub fn kind(&self, name: &EntityTypeName) -> Option<Kind> {
        let kinds = [
            (&self.person, Kind::Person),
            (&self.machine, Kind::Machine),
            (&self.role, Kind::Role),
            (&self.gate, Kind::Gate),
            (&self.log, Kind::Log),
            (&self.broker, Kind::Broker),
        ];
        kinds.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
    }

    /// The kinds of entities, for whoever named another.
    pub fn kinds(&self) -> String {
        let kinds = [&self.person, &self.machine, &self.group, &self.role, &self.gate, &self.log, &self.broker];
        format!("expected one of {}", kinds.map(ToString::to_string).join(", "))
    }

    /// The action that a literal means.
    pub fn action_of(&self, uid: &EntityUid) -> Option<Action> {
        Action::ALL.into_iter().find(|action| *uid == self.action(*action))
    }
}

pub(crate) fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}
