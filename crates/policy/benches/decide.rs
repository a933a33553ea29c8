//! One decision, by the number of policies: `cargo bench -p halligan-policy --bench decide`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::{Duration, Instant};

use halligan_core::actor::Channel;
use halligan_core::catalogue::{Access, ProbeCall, Role, RoleArn};
use halligan_core::id::{GroupId, PersonId, ProviderId};
use halligan_policy::{
    Action, Context, DEFAULT, IncidentIn, Known, PolicySet, Question, Resource, SignInMethod, Source, Who,
};
use jiff::SignedDuration;

const ROUNDS: usize = 7;
const ASKED: usize = 301;
const TARGET: Duration = Duration::from_millis(1);

/// A role's own rules, as a team with many roles would write them.
fn of_role(n: usize) -> String {
    let role = format!(r#"Halligan::Role::"role-{n}""#);
    format!(
        r#"
@id("oncall-may-ask-{n}") @satisfiedBy("be on call")
permit (principal in Halligan::Group::"team-{n}", action in [Halligan::Action::"request", Halligan::Action::"mint"], resource == {role});

@id("severe-only-{n}") @satisfiedBy("name an incident of severity sev1 or sev2")
forbid (principal, action == Halligan::Action::"request", resource == {role})
unless {{ context has incident && context.incident has severity && ["sev1", "sev2"].contains(context.incident.severity) }};

@id("an-hour-at-night-{n}") @satisfiedBy("ask for an hour at most") @obliges("stepUp")
forbid (principal, action in [Halligan::Action::"request", Halligan::Action::"extend"], resource == {role})
when {{ context.time.toTime() > duration("22h") && context has durationSeconds && context.durationSeconds > 3600 }};

@id("signed-{n}") @satisfiedBy("sign the acknowledgement with a passkey") @obliges("sign")
forbid (principal, action == Halligan::Action::"acknowledge", resource == {role})
unless {{ context.signed }};
"#
    )
}

/// Rules that are all about the same action and every role: what no index helps.
fn of_everything(n: usize) -> String {
    format!(
        r#"
@id("sev-{n}-needs-mfa") @satisfiedBy("prove who you are again") @obliges("stepUp")
forbid (principal, action == Halligan::Action::"request", resource)
when {{
  context has incident && context.incident has severity && context.incident.severity == "sev-{n}" &&
  !(context has mfaAgeSeconds && context.mfaAgeSeconds <= 900)
}};
"#
    )
}

fn policies(count: usize, each: usize, one: impl Fn(usize) -> String) -> PolicySet {
    let roles = count / each;
    let text: String = std::iter::once(DEFAULT.to_owned()).chain((0..roles).map(one)).collect();
    let known = Known {
        groups: (0..roles).map(|n| format!("team-{n}").parse().unwrap()).collect(),
        roles: (0..roles).map(|n| format!("role-{n}").parse().unwrap()).collect(),
        ..Known::default()
    };
    PolicySet::load(&[Source::new("bench.cedar", text)], &known).unwrap_or_else(|errors| panic!("{}", errors[0]))
}

fn role(groups: &BTreeSet<GroupId>) -> Role {
    let arn = RoleArn::try_from("arn:aws:iam::123456789012:role/admin".to_owned()).unwrap();
    Role {
        id: "role-1".parse().unwrap(),
        description: String::new(),
        arn: arn.clone(),
        revoker: arn,
        external_id: "halligan".to_owned(),
        regions: vec!["eu-central-1".to_owned()],
        session_max: SignedDuration::from_hours(1),
        duration_max: SignedDuration::from_hours(1),
        total_max: SignedDuration::from_hours(4),
        acknowledge_within: SignedDuration::from_mins(15),
        emergency_acknowledge_within: None,
        scopes: BTreeMap::new(),
        default_scope: "read-only".parse().unwrap(),
        probe: ProbeCall::default(),
        console: false,
        access: Access {
            requesters: groups.clone(),
            acknowledgers: groups.clone(),
            revokers: groups.clone(),
            emergency_starters: groups.clone(),
        },
    }
}

/// The median of a round; of the rounds, the one that others on the machine disturbed least.
fn median(policies: &PolicySet, question: &Question<'_>) -> Duration {
    let round = |_| {
        let mut times: Vec<Duration> = (0..ASKED)
            .map(|_| {
                let begin = Instant::now();
                black_box(policies.decide(black_box(question)));
                begin.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[ASKED / 2]
    };
    (0..ROUNDS).map(round).min().unwrap()
}

fn main() {
    let person: PersonId = "alice".parse().unwrap();
    let groups: BTreeSet<GroupId> = ["oncall", "platform", "team-1"].map(|name| name.parse().unwrap()).into();
    let provider: ProviderId = "pagerduty".parse().unwrap();
    let role = role(&groups);
    let incident = IncidentIn { known: true, severity: Some("sev1"), ..IncidentIn::unknown(&provider) };
    let context = Context {
        sign_in_method: Some(SignInMethod::Provider),
        mfa_age: Some(SignedDuration::from_mins(5)),
        incident: Some(incident),
        duration: Some(SignedDuration::from_mins(30)),
        emergency: Some(false),
        ..Context::new("2026-03-04T05:06:07Z".parse().unwrap(), Channel::Web)
    };
    let ask = |action| Question {
        principal: Who::person(&person, &groups),
        action,
        resource: Resource::Role(&role),
        context,
    };
    let nobody = BTreeSet::new();
    let refused = Question { principal: Who::person(&person, &nobody), ..ask(Action::Request) };
    let mut worst = Duration::ZERO;
    for count in [10, 1_000] {
        let sets = [("of roles", policies(count, 4, of_role)), ("of all requests", policies(count, 1, of_everything))];
        let begin = Instant::now();
        black_box(policies(count, 4, of_role));
        println!("{count:>5} policies of roles are loaded in {:.1?}", begin.elapsed());
        for (kind, policies) in sets {
            let (allowed, denied) = (median(&policies, &ask(Action::Request)), median(&policies, &refused));
            let acknowledged = median(&policies, &ask(Action::Acknowledge));
            worst = worst.max(allowed).max(denied).max(acknowledged);
            println!(
                "{count:>5} policies {kind:16} request: allowed {allowed:>9.1?}, refused {denied:>9.1?}; acknowledge {acknowledged:>9.1?}"
            );
        }
    }
    println!("target: under {TARGET:?} at the median with 1,000: {}", if worst < TARGET { "held" } else { "MISSED" });
}
