//! A call of a session, what is expected of it, and the question that it makes.

use halligan_core::iam::revocation::{Compiled, Desired, Ended, Generation, INLINE_CHARACTERS_MAX, Room};
use halligan_core::iam::{SessionPolicy, Statement};
use halligan_core::id::GrantId;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

pub const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/break-glass/halligan-0";
/// What the role itself may: everything, so that each denial is the documents' doing.
pub const ROLE_ALLOWS: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
/// Calls on no resource in particular.
pub const ACTIONS: [&str; 5] = [
    "s3:ListAllMyBuckets",
    "iam:ListAccountAliases",
    "iam:ListUsers",
    "ec2:DescribeInstances",
    "cloudwatch:ListMetrics",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Allowed,
    ExplicitDeny,
    ImplicitDeny,
    Invalid,
}

impl Expected {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::ExplicitDeny => "explicitDeny",
            Self::ImplicitDeny => "implicitDeny",
            Self::Invalid => "invalid",
        }
    }
}

/// One call of one session.
#[derive(Clone)]
pub struct Call {
    pub action: String,
    pub tag: Option<GrantId>,
    pub issued: Timestamp,
    pub now: Timestamp,
    pub session: Vec<String>,
    pub revocation: Option<String>,
    pub resource_policy: Option<Value>,
}

impl Call {
    pub fn new() -> Self {
        Self {
            action: "s3:ListAllMyBuckets".to_owned(),
            tag: Some(grant(1)),
            issued: at(0),
            now: at(60),
            session: vec![],
            revocation: None,
            resource_policy: None,
        }
    }

    pub fn action(mut self, action: &str) -> Self {
        action.clone_into(&mut self.action);
        self
    }

    pub fn tag(mut self, tag: Option<GrantId>) -> Self {
        self.tag = tag;
        self
    }

    pub fn issued(mut self, issued: Timestamp) -> Self {
        self.issued = issued;
        self
    }

    pub fn now(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    pub fn under(mut self, policy: &SessionPolicy, managed: &[Value]) -> Self {
        self.session = [policy.json().to_owned()].into_iter().chain(managed.iter().map(Value::to_string)).collect();
        self
    }

    pub fn revoked_by(mut self, compiled: &Compiled) -> Self {
        self.revocation = Some(compiled.json.clone());
        self
    }

    pub fn question(&self, id: usize) -> Value {
        // AWS knows these instants in whole seconds.
        let seconds = |t: Timestamp| Timestamp::from_second(t.as_millisecond().div_euclid(1000)).unwrap().to_string();
        let mut context = json!({"aws:CurrentTime": seconds(self.now), "aws:TokenIssueTime": seconds(self.issued)});
        if let Some(tag) = self.tag {
            context["aws:PrincipalTag/halligan:grant"] = tag.to_string().into();
        }
        let identity: Vec<&str> = [Some(ROLE_ALLOWS), self.revocation.as_deref()].into_iter().flatten().collect();
        json!({
            "id": id,
            "request": {"principal": SESSION, "action": self.action, "resource": "*", "context": context},
            "policies": {
                "identity": identity,
                "session": if self.session.is_empty() { Value::Null } else { json!(self.session) },
                "resource": self.resource_policy,
            },
        })
    }
}

#[derive(Default)]
pub struct Cases(pub Vec<(String, Call, Expected)>);

impl Cases {
    pub fn add(&mut self, name: impl Into<String>, call: Call, expected: Expected) {
        self.0.push((name.into(), call, expected));
    }
}

pub fn grant(n: u128) -> GrantId {
    GrantId::new(Uuid::from_u128(n))
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_772_334_000 + seconds).unwrap()
}

pub fn statement(effect: &str, action: &str) -> Statement {
    serde_json::from_value(json!({"Effect": effect, "Action": action, "Resource": "*"})).unwrap()
}

pub fn document(statements: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

pub fn compile(desired: &Desired, room: usize) -> Compiled {
    let others = "x".repeat(INLINE_CHARACTERS_MAX - room);
    desired.compile(Generation(7), Room::beside(&[others])).unwrap().unwrap()
}

pub fn ended(n: u128, seconds: i64, contained: bool) -> Ended {
    Ended { grant: grant(n), ended_at: at(seconds), contained }
}
