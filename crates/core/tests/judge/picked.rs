//! Cases picked by hand: around each instant and for each kind of session.

use std::collections::{BTreeMap, BTreeSet};

use halligan_core::catalogue::{ProbeCall, Scope};
use halligan_core::iam::revocation::{Cut, Desired, Mode};
use halligan_core::iam::{SessionPolicy, probe_policy, session_policy};
use jiff::SignedDuration;
use serde_json::json;

use crate::case::Expected::{Allowed, ExplicitDeny, ImplicitDeny, Invalid};
use crate::case::{ACTIONS, Call, Cases, SESSION, at, compile, document, ended, grant, statement};

pub fn fences(cases: &mut Cases) {
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
        ("one action", vec![statement("Allow", "s3:ListAllMyBuckets")]),
        ("everything", vec![statement("Allow", "*")]),
        ("everything, twice, once until later", vec![statement("Allow", "*"), serde_json::from_value(later).unwrap()]),
        ("everything, under a name", vec![serde_json::from_value(named).unwrap()]),
    ];
    for (scope, statements) in scopes {
        // A fraction of a second is cut off: the fence is never late.
        for fence in [fence, fence + SignedDuration::from_millis(999)] {
            let policy = session_policy(&Scope { statements: statements.clone(), managed: vec![] }, fence).unwrap();
            for (now, when) in times {
                let expected = if when == "before" { Allowed } else { ExplicitDeny };
                cases.add(format!("{scope}, {when} the fence"), Call::new().under(&policy, &[]).now(now), expected);
            }
        }
    }

    let narrow =
        session_policy(&Scope { statements: vec![statement("Allow", "s3:List*")], managed: vec![] }, fence).unwrap();
    let beyond = Call::new().under(&narrow, &[]).action("iam:ListUsers");
    cases.add("beyond the scope", beyond.clone(), ImplicitDeny);
    cases.add("beyond the scope, after the fence", beyond.now(fence), ExplicitDeny);

    // A resource policy that names the session passes over what is only not allowed.
    let mut invited = Call::new().under(&narrow, &[]).action("s3:ListBucket").now(fence);
    invited.resource_policy =
        Some(document(&json!([{"Effect": "Allow", "Principal": {"AWS": SESSION}, "Action": "*", "Resource": "*"}])));
    cases.add("invited by a resource policy, after the fence", invited, ExplicitDeny);
}

pub fn managed_scopes(cases: &mut Cases) {
    let fence = at(600);
    let arn = "arn:aws:iam::111122223333:policy/on-call".to_owned();
    let managed = [document(&json!([{"Effect": "Allow", "Action": "iam:List*", "Resource": "*"}]))];
    let alone = session_policy(&Scope { statements: vec![], managed: vec![arn.clone()] }, fence).unwrap();
    let beside =
        session_policy(&Scope { statements: vec![statement("Allow", "s3:*")], managed: vec![arn] }, fence).unwrap();
    let cases_of = |policy: &SessionPolicy, action: &str| Call::new().under(policy, &managed).action(action);

    cases.add("managed alone, within", cases_of(&alone, "iam:ListUsers"), Allowed);
    cases.add("managed alone, beyond", cases_of(&alone, "s3:ListAllMyBuckets"), ImplicitDeny);
    cases.add("managed alone, at the fence", cases_of(&alone, "iam:ListUsers").now(fence), ExplicitDeny);
    cases.add("beside managed, within the one", cases_of(&beside, "iam:ListUsers"), Allowed);
    cases.add("beside managed, within the other", cases_of(&beside, "s3:ListAllMyBuckets"), Allowed);
    cases.add("beside managed, beyond both", cases_of(&beside, "ec2:DescribeInstances"), ImplicitDeny);
    cases.add("beside managed, at the fence", cases_of(&beside, "iam:ListUsers").now(fence), ExplicitDeny);
}

pub fn probes(cases: &mut Cases) {
    let fence = at(600);
    let revoked = compile(&Desired { ended_early: vec![ended(1, 50, false)], ..Desired::default() }, 10_240);
    for call in [ProbeCall::ListAllMyBuckets, ProbeCall::ListAccountAliases] {
        let policy = probe_policy(call, fence);
        let probe = Call::new().under(&policy, &[]).action(call.action()).issued(at(55));
        cases.add("a probe before the deny", probe.clone(), Allowed);
        cases.add("a probe under the deny", probe.clone().revoked_by(&revoked), ExplicitDeny);
        cases.add("its control", probe.clone().revoked_by(&revoked).tag(Some(grant(2))), Allowed);
        cases.add("a probe after its fence", probe.clone().now(fence), ExplicitDeny);
        for action in ACTIONS.iter().filter(|action| **action != call.action()) {
            cases.add("a probe that does another thing", probe.clone().action(action), ImplicitDeny);
        }
    }
}

pub fn revocations(cases: &mut Cases) {
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
    for (tag, expected) in [(1, ExplicitDeny), (2, ExplicitDeny), (3, ExplicitDeny), (4, Allowed), (5, Allowed)] {
        let call = Call::new().tag(Some(grant(tag)));
        cases.add(format!("grant {tag} without a policy"), call.clone(), Allowed);
        cases.add(format!("grant {tag} under a list"), call.revoked_by(&listed), expected);
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
    let latest = (101..160).rfind(|n| !is_listed(*n)).unwrap();
    let at_its_end = Call::new().revoked_by(&cut).tag(Some(grant(latest))).now(at(7_000));
    // Its last token may be dated as much later as the clocks may be apart.
    for seconds in [0, 10] {
        let issued = at(i64::try_from(latest).unwrap() + seconds);
        cases.add(
            format!("the latest cut off, issued {seconds} s after its end"),
            at_its_end.clone().issued(issued),
            ExplicitDeny,
        );
    }
    let second = SignedDuration::from_secs(1);
    for (issued, when) in
        [(before - second, "just before"), (before, "at"), (before + second, "just after"), (at(0), "long before")]
    {
        let early = issued < before;
        let dead_if_early = if early { ExplicitDeny } else { Allowed };
        let call = |tag: u128| Call::new().revoked_by(&cut).issued(issued).now(at(7_000)).tag(Some(grant(tag)));
        cases.add(format!("cut off, issued {when} the cut"), call(101), dead_if_early);
        cases.add(format!("unknown, issued {when} the cut"), call(777), dead_if_early);
        cases.add(format!("untagged, issued {when} the cut"), call(1).tag(None), dead_if_early);
        cases.add(format!("listed, issued {when} the cut"), call(1), ExplicitDeny);
        cases.add(format!("listed and contained, issued {when} the cut"), call(159), ExplicitDeny);
        cases.add(format!("active, issued {when} the cut"), call(900), Allowed);
        cases.add(format!("active for less, issued {when} the cut"), call(901), Allowed);
    }

    let adopted = compile(
        &Desired {
            adopted: BTreeMap::from([(grant(1), at(0))]),
            adopted_cut: Some(Cut { before: at(100), exempt: BTreeSet::from([grant(2)]) }),
            active: BTreeMap::from([(grant(1), at(0)), (grant(2), at(0)), (grant(3), at(0)), (grant(4), at(100))]),
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
        let call = Call::new().revoked_by(&adopted).tag(Some(grant(tag))).issued(at(issued));
        cases.add(format!("grant {tag} issued at {issued} under an adopted policy"), call, expected);
    }
}

/// What the judge must see through for its word to count.
pub fn controls(cases: &mut Cases) {
    let policy =
        session_policy(&Scope { statements: vec![statement("Allow", "*")], managed: vec![] }, at(600)).unwrap();
    let broken = |from: &str, to: &str| {
        let mut call = Call::new().under(&policy, &[]);
        call.session[0] = call.session[0].replace(from, to);
        call.now(at(600))
    };
    cases.add("a misspelt operator", broken("DateGreaterThanEquals", "DateGreaterThanOrEquals"), Invalid);
    cases.add("a fence that is no date", broken("2026-", "26-"), Invalid);
    cases.add("a fence at another time", broken(&at(600).to_string(), &at(700).to_string()), Allowed);
}
