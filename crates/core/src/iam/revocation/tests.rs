#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use super::compile::FRAME_CHARACTERS_MAX;
use super::*;
use crate::id::GrantId;

fn grant(n: u128) -> GrantId {
    GrantId::new(Uuid::from_u128(n))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_772_334_000 + seconds).unwrap()
}

fn ended(n: u128, seconds: i64, contained: bool) -> Ended {
    Ended { grant: grant(n), ended_at: at(seconds), contained }
}

fn compile(desired: &Desired, room: Room) -> Compiled {
    desired.compile(Generation(42), room).unwrap().unwrap()
}

/// Room of this many characters.
fn room(characters: usize) -> Room {
    Room::beside(&["x".repeat(INLINE_CHARACTERS_MAX - characters)])
}

/// A document read anew, as far as these documents go: it panics on all else.
struct Evaluator(Vec<Vec<Condition>>);

enum Condition {
    TagAmong(BTreeSet<String>),
    TagNotAmong(BTreeSet<String>),
    IssuedBefore(Timestamp),
}

impl Evaluator {
    fn new(json: &str) -> Self {
        let document: Value = serde_json::from_str(json).unwrap();
        let everything = serde_json::json!(["*"]);
        let statements = document["Statement"].as_array().unwrap().iter().map(|statement| {
            assert_eq!(statement["Effect"], "Deny");
            assert_eq!((&statement["Action"], &statement["Resource"]), (&everything, &everything));
            let operators = statement["Condition"].as_object().unwrap();
            operators.iter().map(|(operator, keys)| Self::condition(operator, keys)).collect()
        });
        Self(statements.collect())
    }

    fn condition(operator: &str, keys: &Value) -> Condition {
        let (key, values) = keys.as_object().unwrap().iter().next().unwrap();
        assert_eq!(keys.as_object().unwrap().len(), 1);
        let ids = || serde_json::from_value(values.clone()).unwrap();
        match (operator, key.as_str()) {
            ("StringEquals", "aws:PrincipalTag/halligan:grant") => Condition::TagAmong(ids()),
            ("StringNotEquals", "aws:PrincipalTag/halligan:grant") => Condition::TagNotAmong(ids()),
            ("DateLessThan", "aws:TokenIssueTime") => {
                Condition::IssuedBefore(values.as_str().unwrap().parse().unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    fn denies(&self, tag: Option<GrantId>, issued: Timestamp) -> bool {
        let tag = tag.map(|id| id.to_string());
        self.0.iter().any(|conditions| {
            conditions.iter().all(|condition| match condition {
                Condition::TagAmong(ids) => tag.as_ref().is_some_and(|tag| ids.contains(tag)),
                Condition::TagNotAmong(ids) => !tag.as_ref().is_some_and(|tag| ids.contains(tag)),
                Condition::IssuedBefore(before) => crate::floor_second(issued) < *before,
            })
        })
    }
}

#[test]
fn what_ended_is_listed() {
    let desired = Desired {
        ended_early: vec![ended(1, 0, false), ended(2, 5, true)],
        expired: vec![(grant(3), at(7))],
        active: BTreeMap::from([(grant(9), at(1))]),
        ..Desired::default()
    };
    let compiled = compile(&desired, Room::beside(&[]));
    insta::assert_snapshot!(compiled.json, @r#"{"Version":"2012-10-17","Statement":[{"Sid":"HalliganG42Listed","Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"StringEquals":{"aws:PrincipalTag/halligan:grant":["0000000000000000000001","0000000000000000000002","0000000000000000000003"]}}}]}"#);
    assert_eq!(compiled.mode, Mode::Listed);
    assert_eq!((compiled.used_characters(), compiled.fill_percent()), (compiled.json.len(), 2));
    assert!(!compiled.alarming());
}

#[test]
fn a_cut_stands_for_the_oldest_and_exempts_the_active() {
    let desired = Desired {
        ended_early: (1..17)
            .map(|n| ended(n, i64::try_from(n).unwrap(), true))
            .chain([ended(99, -60, false)])
            .collect(),
        active: BTreeMap::from([(grant(50), at(1)), (grant(51), at(-9))]),
        ..Desired::default()
    };
    let compiled = compile(&desired, room(545));
    insta::assert_snapshot!(compiled.json, @r#"{"Version":"2012-10-17","Statement":[{"Sid":"HalliganG42Listed","Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"StringEquals":{"aws:PrincipalTag/halligan:grant":["000000000000000000000E","000000000000000000000F","000000000000000000000G","000000000000000000001b"]}}},{"Sid":"HalliganG42Cut","Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-03-01T03:00:24Z"},"StringNotEquals":{"aws:PrincipalTag/halligan:grant":["000000000000000000000o","000000000000000000000p"]}}}]}"#);
    assert_eq!(compiled.mode, Mode::Cut);
    assert!(compiled.alarming());
    assert!(compiled.unexempted.is_empty());
    let listed = [14, 15, 16, 99].map(grant);
    assert_eq!(compiled.policy.listed, listed.into(), "the uncontained, and the latest of the others");
}

#[test]
fn what_has_ended_is_exempt_in_no_cut() {
    let desired = Desired {
        ended_early: (0..500).map(|n| ended(n, 0, true)).collect(),
        expired: vec![(grant(600), at(0))],
        adopted: BTreeMap::from([(grant(601), at(0))]),
        // As an older store would have it.
        active: (0..100).chain(600..603).map(|n| (grant(n), at(-60))).collect(),
        ..Desired::default()
    };
    let compiled = compile(&desired, Room::beside(&[]));
    assert_eq!(compiled.policy.cut.as_ref().unwrap().exempt, BTreeSet::from([grant(602)]));
    assert!(compiled.unexempted.is_empty());
}

#[test]
fn a_crowded_role_denies_what_ended_before_it_spares_what_is_active() {
    let desired = Desired {
        ended_early: (0..9).map(|n| ended(n, 0, false)).collect(),
        active: (20..30).map(|n| (grant(n), at(i64::try_from(n).unwrap()))).collect(),
        ..Desired::default()
    };
    let compiled = compile(&desired, room(300));
    insta::assert_snapshot!(compiled.json, @r#"{"Version":"2012-10-17","Statement":[{"Sid":"HalliganG42Cut","Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-03-01T03:00:11Z"},"StringNotEquals":{"aws:PrincipalTag/halligan:grant":["000000000000000000000S","000000000000000000000T"]}}}]}"#);
    assert_eq!(compiled.unexempted, (20..28).map(grant).collect());

    let refused = desired.compile(Generation(1), room(100)).unwrap_err();
    insta::assert_snapshot!(refused, @"the role's revocation policy needs 185 characters, its other inline policies leave 100: remove some of those");
}

#[test]
fn nothing_to_deny_is_no_policy() {
    let desired = Desired { active: BTreeMap::from([(grant(1), at(0))]), ..Desired::default() };
    assert_eq!(desired.compile(Generation(1), room(0)), Ok(None));
    let desired = Desired { expired: vec![(grant(1), at(0))], ..desired };
    assert_eq!(desired.compile(Generation(1), room(100)), Ok(None), "what expired is held by its fence");
}

#[test]
fn expired_grants_give_way_and_the_latest_stay() {
    let desired = Desired {
        ended_early: (0..10).map(|n| ended(n, 0, false)).collect(),
        expired: (100..1_000).map(|n| (grant(n), at(i64::try_from(n).unwrap()))).collect(),
        ..Desired::default()
    };
    let compiled = compile(&desired, Room::beside(&[]));
    assert_eq!(compiled.mode, Mode::ListedWithoutExpired);
    assert_eq!(compiled.fill_percent(), 79, "optional entries never raise the alarm");
    assert!(!compiled.alarming());
    let listed = &compiled.policy.listed;
    assert!((0..10).map(grant).all(|id| listed.contains(&id)));
    let optional: Vec<GrantId> = listed.iter().copied().skip(10).collect();
    let latest: Vec<GrantId> = (1_000 - optional.len() as u128..1_000).map(grant).collect();
    assert_eq!(optional, latest);
}

#[test]
fn every_active_grant_may_end_at_once_on_a_role_that_is_full() {
    let most = ACTIVE_GRANTS_MAX as u128;
    let full = Room::beside(&["x".repeat(OTHER_POLICIES_CHARACTERS_MAX)]);
    let desired = Desired {
        // More contained ones than there is room for, from before the button was pressed.
        ended_early: (0..most)
            .map(|n| ended(n, 0, false))
            .chain((1_000..2_000).map(|n| ended(n, -600, true)))
            .collect(),
        active: (10_000..10_000 + most).map(|n| (grant(n), at(1))).collect(),
        ..Desired::default()
    };
    let compiled = compile(&desired, full);
    assert_eq!(compiled.mode, Mode::Cut);
    assert!(compiled.unexempted.is_empty());
    assert!((0..most).all(|n| compiled.policy.listed.contains(&grant(n))), "each can be seen dead by its probe");
    insta::assert_snapshot!(ACTIVE_GRANTS_MAX, @"112");
}

#[test]
fn the_frame_is_what_it_was_taken_for() {
    let policy = RevocationPolicy {
        generation: Generation(u64::MAX),
        listed: BTreeSet::from([grant(1)]),
        cut: Some(Cut { before: at(0), exempt: BTreeSet::from([grant(2)]) }),
    };
    let ids = 2 * "\"0000000000000000000001\"".len();
    assert!(policy.document().to_json().len() - ids <= FRAME_CHARACTERS_MAX);
}

#[test]
fn an_older_store_revives_nothing_that_a_cut_had_ended() {
    let newer = Cut { before: at(100), exempt: BTreeSet::from([grant(1)]) };
    let desired = Desired {
        adopted_cut: Some(newer),
        // 1: spared by the policy; 2: not, so it had ended; 3: came later.
        active: BTreeMap::from([(grant(1), at(0)), (grant(2), at(0)), (grant(3), at(100))]),
        ..Desired::default()
    };
    let compiled = compile(&desired, Room::beside(&[]));
    assert_eq!(compiled.unexempted, BTreeSet::from([grant(2)]));
    let written = Evaluator::new(&compiled.json);
    for (tag, issued, dead) in [
        (Some(1), 99, false),
        (Some(2), 99, true),
        (Some(2), 100, false),
        (Some(3), 100, false),
        (Some(7), 99, true),
        (None, 99, true),
    ] {
        assert_eq!(written.denies(tag.map(grant), at(issued)), dead, "{tag:?} issued at {issued}");
    }
}

#[test]
fn what_is_listed_on_the_role_stays_ended_though_the_store_takes_it_for_active() {
    let desired = Desired {
        adopted: BTreeMap::from([(grant(1), at(0))]),
        active: BTreeMap::from([(grant(1), at(0)), (grant(2), at(0))]),
        ..Desired::default()
    };
    let compiled = compile(&desired, Room::beside(&[]));
    let written = Evaluator::new(&compiled.json);
    assert!(written.denies(Some(grant(1)), at(0)));
    assert!(!written.denies(Some(grant(2)), at(0)));
}

#[test]
fn documents_of_others_are_told_from_ours() {
    let desired = Desired { ended_early: vec![ended(1, 0, false), ended(2, 0, false)], ..Desired::default() };
    let ours = compile(&desired, Room::beside(&[])).json;
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&ours).unwrap()).unwrap();
    assert!(RevocationPolicy::parse(&pretty).is_ok(), "white space says nothing");

    let changed = [
        (r#""Deny""#, r#""Allow""#),
        (r#""Action":["*"]"#, r#""Action":["s3:*"]"#),
        (r#""Action":["*"]"#, r#""NotAction":["*"]"#),
        (r#""Resource":["*"]"#, r#""Resource":["arn:aws:s3:::x"]"#),
        ("StringEquals", "StringNotEquals"),
        ("PrincipalTag", "RequestTag"),
        ("HalliganG42Listed", "HalliganG042Listed"),
        ("HalliganG42Listed", "HalliganGListed"),
        ("HalliganG42Listed", "Statement1"),
        ("2012-10-17", "2008-10-17"),
        (r#""0000000000000000000001""#, r#""*""#),
        (r#""0000000000000000000001","#, ""),
        (r#"{"StringEquals""#, r#"{"Bool":{"aws:MultiFactorAuthPresent":"false"},"StringEquals""#),
    ];
    for (from, to) in changed {
        let json = ours.replace(from, to);
        assert_ne!(json, ours, "{from}");
        let read = RevocationPolicy::parse(&json);
        if from.ends_with(',') {
            // One id less is a document of ours, but not the one that was written.
            assert_eq!(read.unwrap().listed, BTreeSet::from([grant(2)]));
        } else {
            assert!(read.is_err(), "{from} → {to}: {read:?}");
        }
    }
    for json in ["", "{}", "[]", r#"{"Version":"2012-10-17","Statement":[]}"#, "\u{0}"] {
        assert!(RevocationPolicy::parse(json).is_err(), "{json}");
    }
}

#[test]
fn a_policy_is_named_for_its_deployment() {
    let longest = "x".repeat(64);
    let name = policy_name(&longest.parse().unwrap());
    assert!(name.starts_with(POLICY_NAME_PREFIX) && name.len() <= 128, "{name}");
    assert_eq!(policy_name(&"prod".parse().unwrap()), "halligan-revocations-prod");
}

/// Desired states in which each grant is in one place, most of them too large to be listed.
fn desired(active_max: usize) -> impl Strategy<Value = Desired> {
    let times = |count| prop::collection::vec((-4_000_000..0_i64, any::<bool>()), 0..count);
    (times(700), times(500), times(60), times(active_max + 1)).prop_map(|(early, expired, adopted, active)| {
        let instant = |millis: i64| at(0) + SignedDuration::from_millis(millis);
        let mut next = 0;
        let mut id = || {
            next += 1;
            grant(next * 0x9e37_79b9_7f4a_7c15)
        };
        Desired {
            ended_early: early
                .iter()
                .map(|&(t, contained)| Ended { grant: id(), ended_at: instant(t), contained })
                .collect(),
            expired: expired.iter().map(|&(t, _)| (id(), instant(t))).collect(),
            adopted: adopted.iter().map(|&(t, _)| (id(), instant(t))).collect(),
            adopted_cut: None,
            active: active.iter().map(|&(t, _)| (id(), instant(t))).collect(),
        }
    })
}

fn adopted_cut() -> impl Strategy<Value = (i64, Vec<prop::sample::Index>)> {
    (-4_000..20_i64, prop::collection::vec(any::<prop::sample::Index>(), 0..20))
}

/// Instants around everything that a policy could turn on.
fn instants(compiled: &Compiled) -> Vec<Timestamp> {
    let mut instants = vec![at(-100_000), at(-1), at(0), at(100_000)];
    if let Some(cut) = &compiled.policy.cut {
        let second = SignedDuration::from_secs(1);
        instants.extend([cut.before - second, cut.before, cut.before + second]);
    }
    instants
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn within_the_bounds_what_ended_is_denied_and_what_is_active_is_not(
        desired in desired(ACTIVE_GRANTS_MAX),
        others in 0..=OTHER_POLICIES_CHARACTERS_MAX,
    ) {
        let others = vec!["x".repeat(others)];
        let room = Room::beside(&others);
        let Some(compiled) = desired.compile(Generation(7), room).unwrap() else {
            prop_assert!(desired.ended_early.is_empty() && desired.expired.is_empty() && desired.adopted.is_empty());
            return Ok(());
        };
        prop_assert!(compiled.json.len() + others[0].len() <= INLINE_CHARACTERS_MAX);
        prop_assert_eq!(&RevocationPolicy::parse(&compiled.json).unwrap(), &compiled.policy);
        prop_assert!(compiled.unexempted.is_empty());

        let written = Evaluator::new(&compiled.json);
        let clocks = SignedDuration::from_secs(10);
        let ends = desired.ended_early.iter().map(|e| (e.grant, e.ended_at));
        for (grant, end) in ends.chain(desired.adopted.iter().map(|(g, t)| (*g, *t))) {
            for issued in [at(-100_000), end - clocks, end, end + clocks] {
                prop_assert!(written.denies(Some(grant), issued), "{grant} ended {end}, issued {issued}");
            }
        }
        for issued in instants(&compiled) {
            for grant in desired.active.keys() {
                prop_assert!(!written.denies(Some(*grant), issued), "{grant} is active, issued {issued}");
            }
            let later = compiled.policy.cut.as_ref().is_none_or(|cut| issued >= cut.before);
            prop_assert!(later || written.denies(None, issued), "untagged and before the cut");
            prop_assert!(!later || !written.denies(Some(grant(1)), issued), "unknown and after the cut");
        }

        let uncontained: Vec<_> = desired.ended_early.iter().filter(|e| !e.contained).collect();
        if uncontained.len() <= ACTIVE_GRANTS_MAX {
            prop_assert!(uncontained.iter().all(|e| compiled.policy.listed.contains(&e.grant)));
        }
        match compiled.mode {
            Mode::Listed => prop_assert!(desired.expired.iter().all(|(g, _)| compiled.policy.listed.contains(g))),
            Mode::ListedWithoutExpired => prop_assert!(compiled.policy.cut.is_none()),
            Mode::Cut => prop_assert!(compiled.alarming() && compiled.policy.cut.is_some()),
        }
    }

    #[test]
    fn beyond_the_bounds_what_ended_is_denied_all_the_same(
        desired in desired(700),
        characters in 0..INLINE_CHARACTERS_MAX,
        (before, exempt) in adopted_cut(),
        adopts: bool,
    ) {
        let mut desired = desired;
        if adopts {
            let ids: Vec<GrantId> = desired.active.keys().copied().collect();
            let exempt = if ids.is_empty() { BTreeSet::new() } else { exempt.iter().map(|i| *i.get(&ids)).collect() };
            desired.adopted_cut = Some(Cut { before: at(before), exempt });
        }
        match desired.compile(Generation(u64::MAX), room(characters)) {
            Err(refused) => prop_assert!(characters < FRAME_CHARACTERS_MAX && refused.needed > characters),
            Ok(None) => prop_assert!(desired.ended_early.is_empty() && desired.adopted.is_empty() && !adopts),
            Ok(Some(compiled)) => {
                prop_assert!(compiled.json.len() <= characters);
                prop_assert_eq!(&RevocationPolicy::parse(&compiled.json).unwrap(), &compiled.policy);
                let written = Evaluator::new(&compiled.json);
                for e in &desired.ended_early {
                    prop_assert!(written.denies(Some(e.grant), e.ended_at));
                }
                for issued in instants(&compiled) {
                    for (grant, activated) in &desired.active {
                        let denied = written.denies(Some(*grant), issued);
                        prop_assert!(!denied || compiled.unexempted.contains(grant), "{grant} is active, issued {issued}");
                        if let Some(cut) = &desired.adopted_cut {
                            let doubtful = *activated < cut.before && !cut.exempt.contains(grant);
                            prop_assert!(denied || !doubtful || issued >= cut.before, "{grant} is revived");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_order_in_which_the_store_answers_changes_nothing(desired in desired(50), rotate in 0..700_usize) {
        let mut other = desired.clone();
        if !other.ended_early.is_empty() {
            let by = rotate % other.ended_early.len();
            other.ended_early.rotate_left(by);
        }
        other.expired.reverse();
        let of = |desired: &Desired| desired.compile(Generation(1), Room::beside(&[])).unwrap();
        prop_assert_eq!(of(&desired), of(&other));
    }
}
