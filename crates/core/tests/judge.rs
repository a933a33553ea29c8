//! Every kind of IAM document, judged by an evaluator that is not ours.
//!
//! Expectations come from what was asked for (this grant ended, that one is
//! active), never from reading the document that is being judged.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use halligan_core::catalogue::{ProbeCall, Scope};
use halligan_core::iam::revocation::{
    ACTIVE_GRANTS_MAX, Compiled, Cut, Desired, Ended, Generation, INLINE_CHARACTERS_MAX, Mode,
    OTHER_POLICIES_CHARACTERS_MAX, Room,
};
use halligan_core::iam::{Effect, SessionPolicy, Statement, probe_policy, session_policy};
use halligan_core::id::GrantId;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use uuid::Uuid;

const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/break-glass/halligan-0";
/// What the role itself may: everything, so that each denial is the documents' doing.
const ROLE_ALLOWS: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
/// Calls on no resource in particular.
const ACTIONS: [&str; 5] = [
    "s3:ListAllMyBuckets",
    "iam:ListAccountAliases",
    "iam:ListUsers",
    "ec2:DescribeInstances",
    "cloudwatch:ListMetrics",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Allowed,
    ExplicitDeny,
    ImplicitDeny,
    Invalid,
}

impl Expected {
    const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::ExplicitDeny => "explicitDeny",
            Self::ImplicitDeny => "implicitDeny",
            Self::Invalid => "invalid",
        }
    }
}

use Expected::{Allowed, ExplicitDeny, ImplicitDeny, Invalid};

/// One call of one session.
#[derive(Clone)]
struct Call {
    action: String,
    tag: Option<GrantId>,
    issued: Timestamp,
    now: Timestamp,
    session: Vec<String>,
    revocation: Option<String>,
    resource_policy: Option<Value>,
}

impl Call {
    fn new() -> Self {
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

    fn action(mut self, action: &str) -> Self {
        action.clone_into(&mut self.action);
        self
    }

    fn tag(mut self, tag: Option<GrantId>) -> Self {
        self.tag = tag;
        self
    }

    fn issued(mut self, issued: Timestamp) -> Self {
        self.issued = issued;
        self
    }

    fn now(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    fn under(mut self, policy: &SessionPolicy, managed: &[Value]) -> Self {
        self.session = [policy.json().to_owned()]
            .into_iter()
            .chain(managed.iter().map(Value::to_string))
            .collect();
        self
    }

    fn revoked_by(mut self, compiled: &Compiled) -> Self {
        self.revocation = Some(compiled.json.clone());
        self
    }

    fn question(&self, id: usize) -> Value {
        // AWS knows these instants in whole seconds.
        let seconds = |t: Timestamp| {
            Timestamp::from_second(t.as_millisecond().div_euclid(1000))
                .unwrap()
                .to_string()
        };
        let mut context = json!({"aws:CurrentTime": seconds(self.now), "aws:TokenIssueTime": seconds(self.issued)});
        if let Some(tag) = self.tag {
            context["aws:PrincipalTag/halligan:grant"] = tag.to_string().into();
        }
        let identity: Vec<&str> = [Some(ROLE_ALLOWS), self.revocation.as_deref()]
            .into_iter()
            .flatten()
            .collect();
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
struct Cases(Vec<(String, Call, Expected)>);

impl Cases {
    fn add(&mut self, name: impl Into<String>, call: Call, expected: Expected) {
        self.0.push((name.into(), call, expected));
    }
}

fn grant(n: u128) -> GrantId {
    GrantId::new(Uuid::from_u128(n))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_772_334_000 + seconds).unwrap()
}

fn statement(effect: &str, action: &str) -> Statement {
    serde_json::from_value(json!({"Effect": effect, "Action": action, "Resource": "*"})).unwrap()
}

fn document(statements: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn compile(desired: &Desired, room: usize) -> Compiled {
    let others = "x".repeat(INLINE_CHARACTERS_MAX - room);
    desired
        .compile(Generation(7), Room::beside(&[others]))
        .unwrap()
        .unwrap()
}

fn fences(cases: &mut Cases) {
    let fence = at(600);
    let times = [
        (fence - SignedDuration::from_secs(1), "before"),
        (fence, "at"),
        (at(601), "after"),
        (at(9_000), "long after"),
    ];
    let later = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"DateLessThan": {"aws:CurrentTime": at(90_000).to_string()}}});
    let named = json!({"Sid": "Fence", "Effect": "Allow", "Action": ["*"], "Resource": ["*"]});
    let scopes = [
        (
            "one action",
            vec![statement("Allow", "s3:ListAllMyBuckets")],
        ),
        ("everything", vec![statement("Allow", "*")]),
        (
            "everything, twice, once until later",
            vec![
                statement("Allow", "*"),
                serde_json::from_value(later).unwrap(),
            ],
        ),
        (
            "everything, under a name",
            vec![serde_json::from_value(named).unwrap()],
        ),
    ];
    for (scope, statements) in scopes {
        // A fraction of a second is cut off: the fence is never late.
        for fence in [fence, fence + SignedDuration::from_millis(999)] {
            let policy = session_policy(
                &Scope {
                    statements: statements.clone(),
                    managed: vec![],
                },
                fence,
            )
            .unwrap();
            for (now, when) in times {
                let expected = if when == "before" {
                    Allowed
                } else {
                    ExplicitDeny
                };
                cases.add(
                    format!("{scope}, {when} the fence"),
                    Call::new().under(&policy, &[]).now(now),
                    expected,
                );
            }
        }
    }

    let narrow = session_policy(
        &Scope {
            statements: vec![statement("Allow", "s3:List*")],
            managed: vec![],
        },
        fence,
    )
    .unwrap();
    let beyond = Call::new().under(&narrow, &[]).action("iam:ListUsers");
    cases.add("beyond the scope", beyond.clone(), ImplicitDeny);
    cases.add(
        "beyond the scope, after the fence",
        beyond.now(fence),
        ExplicitDeny,
    );

    // A resource policy that names the session passes over what is only not allowed.
    let mut invited = Call::new()
        .under(&narrow, &[])
        .action("s3:ListBucket")
        .now(fence);
    invited.resource_policy = Some(document(
        &json!([{"Effect": "Allow", "Principal": {"AWS": SESSION}, "Action": "*", "Resource": "*"}]),
    ));
    cases.add(
        "invited by a resource policy, after the fence",
        invited,
        ExplicitDeny,
    );
}

fn managed_scopes(cases: &mut Cases) {
    let fence = at(600);
    let arn = "arn:aws:iam::111122223333:policy/on-call".to_owned();
    let managed = [document(
        &json!([{"Effect": "Allow", "Action": "iam:List*", "Resource": "*"}]),
    )];
    let alone = session_policy(
        &Scope {
            statements: vec![],
            managed: vec![arn.clone()],
        },
        fence,
    )
    .unwrap();
    let beside = session_policy(
        &Scope {
            statements: vec![statement("Allow", "s3:*")],
            managed: vec![arn],
        },
        fence,
    )
    .unwrap();
    let cases_of =
        |policy: &SessionPolicy, action: &str| Call::new().under(policy, &managed).action(action);

    cases.add(
        "managed alone, within",
        cases_of(&alone, "iam:ListUsers"),
        Allowed,
    );
    cases.add(
        "managed alone, beyond",
        cases_of(&alone, "s3:ListAllMyBuckets"),
        ImplicitDeny,
    );
    cases.add(
        "managed alone, at the fence",
        cases_of(&alone, "iam:ListUsers").now(fence),
        ExplicitDeny,
    );
    cases.add(
        "beside managed, within the one",
        cases_of(&beside, "iam:ListUsers"),
        Allowed,
    );
    cases.add(
        "beside managed, within the other",
        cases_of(&beside, "s3:ListAllMyBuckets"),
        Allowed,
    );
    cases.add(
        "beside managed, beyond both",
        cases_of(&beside, "ec2:DescribeInstances"),
        ImplicitDeny,
    );
    cases.add(
        "beside managed, at the fence",
        cases_of(&beside, "iam:ListUsers").now(fence),
        ExplicitDeny,
    );
}

fn probes(cases: &mut Cases) {
    let fence = at(600);
    let revoked = compile(
        &Desired {
            ended_early: vec![ended(1, 50, false)],
            ..Desired::default()
        },
        10_240,
    );
    for call in [ProbeCall::ListAllMyBuckets, ProbeCall::ListAccountAliases] {
        let policy = probe_policy(call, fence);
        let probe = Call::new()
            .under(&policy, &[])
            .action(call.action())
            .issued(at(55));
        cases.add("a probe before the deny", probe.clone(), Allowed);
        cases.add(
            "a probe under the deny",
            probe.clone().revoked_by(&revoked),
            ExplicitDeny,
        );
        cases.add(
            "its control",
            probe.clone().revoked_by(&revoked).tag(Some(grant(2))),
            Allowed,
        );
        cases.add(
            "a probe after its fence",
            probe.clone().now(fence),
            ExplicitDeny,
        );
        for action in ACTIONS.iter().filter(|action| **action != call.action()) {
            cases.add(
                "a probe that does another thing",
                probe.clone().action(action),
                ImplicitDeny,
            );
        }
    }
}

fn ended(n: u128, seconds: i64, contained: bool) -> Ended {
    Ended {
        grant: grant(n),
        ended_at: at(seconds),
        contained,
    }
}

fn revocations(cases: &mut Cases) {
    let listed = compile(
        &Desired {
            ended_early: vec![ended(1, 10, false), ended(2, 20, true)],
            expired: vec![(grant(3), at(0))],
            active: BTreeMap::from([(grant(4), at(0))]),
            ..Desired::default()
        },
        10_240,
    );
    assert_eq!(listed.mode, Mode::Listed);
    for (tag, expected) in [
        (1, ExplicitDeny),
        (2, ExplicitDeny),
        (3, ExplicitDeny),
        (4, Allowed),
        (5, Allowed),
    ] {
        let call = Call::new().tag(Some(grant(tag)));
        cases.add(
            format!("grant {tag} without a policy"),
            call.clone(),
            Allowed,
        );
        cases.add(
            format!("grant {tag} under a list"),
            call.revoked_by(&listed),
            expected,
        );
    }

    // The contained ones ended at 101, 102, …; 1 is still listed, 900 and 901 are active.
    let desired = Desired {
        ended_early: (101..160)
            .map(|n| ended(n, i64::try_from(n).unwrap(), true))
            .chain([ended(1, 0, false)])
            .collect(),
        active: BTreeMap::from([(grant(900), at(0)), (grant(901), at(130))]),
        ..Desired::default()
    };
    let cut = compile(&desired, 1_200);
    let before = cut.policy.cut.as_ref().unwrap().before;
    let is_listed = |n: u128| cut.policy.listed.contains(&grant(n));
    assert!(is_listed(1) && is_listed(159) && !is_listed(101));
    let second = SignedDuration::from_secs(1);
    for (issued, when) in [
        (before - second, "just before"),
        (before, "at"),
        (before + second, "just after"),
        (at(0), "long before"),
    ] {
        let early = issued < before;
        let dead_if_early = if early { ExplicitDeny } else { Allowed };
        let call = |tag: u128| {
            Call::new()
                .revoked_by(&cut)
                .issued(issued)
                .now(at(7_000))
                .tag(Some(grant(tag)))
        };
        cases.add(
            format!("cut off, issued {when} the cut"),
            call(101),
            dead_if_early,
        );
        cases.add(
            format!("unknown, issued {when} the cut"),
            call(777),
            dead_if_early,
        );
        cases.add(
            format!("untagged, issued {when} the cut"),
            call(1).tag(None),
            dead_if_early,
        );
        cases.add(
            format!("listed, issued {when} the cut"),
            call(1),
            ExplicitDeny,
        );
        cases.add(
            format!("listed and contained, issued {when} the cut"),
            call(159),
            ExplicitDeny,
        );
        cases.add(format!("active, issued {when} the cut"), call(900), Allowed);
        cases.add(
            format!("active for less, issued {when} the cut"),
            call(901),
            Allowed,
        );
    }

    let adopted = compile(
        &Desired {
            adopted: BTreeMap::from([(grant(1), at(0))]),
            adopted_cut: Some(Cut {
                before: at(100),
                exempt: BTreeSet::from([grant(2)]),
            }),
            active: BTreeMap::from([
                (grant(1), at(0)),
                (grant(2), at(0)),
                (grant(3), at(0)),
                (grant(4), at(100)),
            ]),
            ..Desired::default()
        },
        10_240,
    );
    for (tag, issued, expected) in [
        (1, 200, ExplicitDeny),
        (2, 99, Allowed),
        (3, 99, ExplicitDeny),
        (3, 100, Allowed),
        (4, 100, Allowed),
        (5, 99, ExplicitDeny),
    ] {
        let call = Call::new()
            .revoked_by(&adopted)
            .tag(Some(grant(tag)))
            .issued(at(issued));
        cases.add(
            format!("grant {tag} issued at {issued} under an adopted policy"),
            call,
            expected,
        );
    }
}

/// What the judge must see through for its word to count.
fn controls(cases: &mut Cases) {
    let policy = session_policy(
        &Scope {
            statements: vec![statement("Allow", "*")],
            managed: vec![],
        },
        at(600),
    )
    .unwrap();
    let broken = |from: &str, to: &str| {
        let mut call = Call::new().under(&policy, &[]);
        call.session[0] = call.session[0].replace(from, to);
        call.now(at(600))
    };
    cases.add(
        "a misspelt operator",
        broken("DateGreaterThanEquals", "DateGreaterThanOrEquals"),
        Invalid,
    );
    cases.add("a fence that is no date", broken("2026-", "26-"), Invalid);
    cases.add(
        "a fence at another time",
        broken(&at(600).to_string(), &at(700).to_string()),
        Allowed,
    );
}

/// Which call is made of a random role's grants.
#[derive(Debug, Clone, Copy)]
enum Asker {
    Ended(prop::sample::Index),
    Adopted(prop::sample::Index),
    Active(prop::sample::Index, i64),
    Later(u8),
    UntaggedBeforeCut,
}

fn askers() -> impl Strategy<Value = Asker> {
    prop_oneof![
        4 => any::<prop::sample::Index>().prop_map(Asker::Ended),
        1 => any::<prop::sample::Index>().prop_map(Asker::Adopted),
        4 => (any::<prop::sample::Index>(), -5_000..5_000_i64).prop_map(|(which, offset)| Asker::Active(which, offset)),
        2 => any::<u8>().prop_map(Asker::Later),
        1 => Just(Asker::UntaggedBeforeCut),
    ]
}

fn roles() -> impl Strategy<Value = Desired> {
    let ends = |count| prop::collection::vec((0..4_000_000_i64, any::<bool>()), 1..count);
    (ends(500), ends(200), ends(40), ends(ACTIVE_GRANTS_MAX + 1)).prop_map(
        |(early, expired, adopted, active)| {
            let instant = |millis: i64| at(0) + SignedDuration::from_millis(millis);
            let mut next = 1_000;
            let mut id = || {
                next += 1;
                grant(next)
            };
            Desired {
                ended_early: early
                    .iter()
                    .map(|&(t, contained)| Ended {
                        grant: id(),
                        ended_at: instant(t),
                        contained,
                    })
                    .collect(),
                expired: expired.iter().map(|&(t, _)| (id(), instant(t))).collect(),
                adopted: adopted.iter().map(|&(t, _)| (id(), instant(t))).collect(),
                adopted_cut: None,
                active: active.iter().map(|&(t, _)| (id(), instant(t))).collect(),
            }
        },
    )
}

fn random_revocations(cases: &mut Cases, runner: &mut TestRunner, count: usize) {
    let strategy = (
        roles(),
        askers(),
        INLINE_CHARACTERS_MAX - OTHER_POLICIES_CHARACTERS_MAX..=INLINE_CHARACTERS_MAX,
    );
    let mut modes = BTreeSet::new();
    for number in 0..count {
        let (desired, asker, room) = strategy.new_tree(runner).unwrap().current();
        let compiled = compile(&desired, room);
        modes.insert(compiled.mode);
        let before = compiled.policy.cut.as_ref().map(|cut| cut.before);
        let call = Call::new().revoked_by(&compiled).now(at(9_000));
        let (call, expected) = match asker {
            Asker::Ended(which) => {
                let ended = which.get(&desired.ended_early);
                // The clocks may be 10 s apart.
                (
                    call.tag(Some(ended.grant))
                        .issued(ended.ended_at + SignedDuration::from_secs(10)),
                    ExplicitDeny,
                )
            }
            Asker::Adopted(which) => {
                let adopted: Vec<_> = desired.adopted.iter().collect();
                let (grant, found) = which.get(&adopted);
                (call.tag(Some(**grant)).issued(**found), ExplicitDeny)
            }
            Asker::Active(which, offset) => {
                let active: Vec<_> = desired.active.keys().collect();
                (
                    call.tag(Some(**which.get(&active))).issued(at(offset)),
                    Allowed,
                )
            }
            Asker::Later(seconds) => {
                let issued = before.unwrap_or(at(0)) + SignedDuration::from_secs(seconds.into());
                (call.tag(Some(grant(1))).issued(issued), Allowed)
            }
            Asker::UntaggedBeforeCut => {
                let Some(before) = before else { continue };
                (
                    call.tag(None).issued(before - SignedDuration::from_secs(1)),
                    ExplicitDeny,
                )
            }
        };
        cases.add(
            format!("random role {number} ({:?}), {asker:?}", compiled.mode),
            call,
            expected,
        );
    }
    assert!(
        modes.contains(&Mode::Cut) && modes.len() > 1,
        "the random roles exercise too little: {modes:?}"
    );
}

fn random_scopes(cases: &mut Cases, runner: &mut TestRunner, count: usize) {
    let action = || prop::sample::select(&ACTIONS[..]);
    let statements =
        prop::collection::vec((any::<bool>(), prop::collection::vec(action(), 1..4)), 1..5);
    let strategy = (statements, action(), -100..100_i64);
    for number in 0..count {
        let (pairs, action, offset) = strategy.new_tree(runner).unwrap().current();
        let mut statements = vec![statement("Allow", "cloudwatch:ListMetrics")];
        statements.extend(pairs.into_iter().map(|(allows, actions)| {
            let mut one = statement(if allows { "Allow" } else { "Deny" }, "*");
            one.action = actions.into_iter().map(str::to_owned).collect();
            one
        }));
        let says = |effect| {
            statements
                .iter()
                .any(|s| s.effect == effect && s.action.iter().any(|a| a == action))
        };
        let expected = match (offset >= 0 || says(Effect::Deny), says(Effect::Allow)) {
            (true, _) => ExplicitDeny,
            (false, true) => Allowed,
            (false, false) => ImplicitDeny,
        };
        let fence = at(1_000);
        let policy = session_policy(
            &Scope {
                statements,
                managed: vec![],
            },
            fence,
        )
        .unwrap();
        let call = Call::new()
            .under(&policy, &[])
            .action(action)
            .now(fence + SignedDuration::from_secs(offset));
        cases.add(
            format!("random scope {number}, {action} at {offset}"),
            call,
            expected,
        );
    }
}

/// One process for all questions; its answers in their order.
fn ask(questions: Vec<Value>) -> Vec<Value> {
    let launcher = std::env::var_os("HALLIGAN_JUDGE").expect("set HALLIGAN_JUDGE or run tests/run");
    let mut judge = Command::new(&launcher)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "HALLIGAN_JUDGE names {}, which doesn't start: {error}",
                launcher.display()
            )
        });
    let mut input = judge.stdin.take().unwrap();
    let output = BufReader::new(judge.stdout.take().unwrap());
    // Beside reading: both pipes are shorter than what goes through them.
    let writer = std::thread::spawn(move || {
        for question in questions {
            writeln!(input, "{question}").expect("the judge ended early");
        }
    });
    let answers = output
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    writer.join().unwrap();
    assert!(judge.wait().unwrap().success());
    answers
}

#[test]
fn an_independent_evaluator_agrees() {
    let mut cases = Cases::default();
    controls(&mut cases);
    fences(&mut cases);
    managed_scopes(&mut cases);
    probes(&mut cases);
    revocations(&mut cases);
    let mut runner = TestRunner::deterministic();
    random_scopes(&mut cases, &mut runner, 100);
    random_revocations(&mut cases, &mut runner, 150);

    let answers = ask(cases
        .0
        .iter()
        .enumerate()
        .map(|(id, (_, call, _))| call.question(id))
        .collect());
    assert_eq!(answers.len(), cases.0.len());
    let mut disagreements = Vec::new();
    for (id, ((name, _, expected), answer)) in cases.0.iter().zip(&answers).enumerate() {
        assert_eq!(answer["id"], id);
        // A warning is an action or a condition key that nobody has: our misspelling.
        if answer["decision"] != expected.word() || answer["detail"]["warnings"] != json!([]) {
            disagreements.push(format!(
                "{name}: expected {}, found {answer}",
                expected.word()
            ));
        }
    }
    assert!(
        disagreements.is_empty(),
        "{} of {} cases:\n{}",
        disagreements.len(),
        answers.len(),
        disagreements.join("\n")
    );
}
