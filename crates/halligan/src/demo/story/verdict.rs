//! Whether each promise was held, from what was seen and nothing else.

use std::collections::BTreeSet;

use serde_json::json;

use super::Story;
use crate::demo::people::SignIn;
use crate::demo::report::Promise;

/// The six promises, as the README lists them.
pub fn promises(story: &Story) -> Vec<Promise> {
    vec![
        without_conditions_nothing(story),
        ends_on_time(story),
        unlogged_nothing(story),
        Promise::unbuilt("P4", "Loud", "alerts, reviews, the bypass rate"),
        works_at_night(story),
        crash_only(story),
    ]
}

/// What was seen to be so, or wasn't.
fn said(is_so: bool, what: &str) -> String {
    if is_so { what.to_owned() } else { format!("NOT SO: {what}") }
}

fn without_conditions_nothing(story: &Story) -> Promise {
    let Story { sign_ins, refusals, policies, acknowledged, emergency, log, .. } = story;
    let known = !sign_ins.is_empty() && sign_ins.iter().all(SignIn::is_right);
    let people: BTreeSet<&str> = sign_ins.iter().map(|sign_in| sign_in.person.as_str()).collect();
    let right = refusals.iter().filter(|refusal| refusal.is_right()).count();
    let all = !refusals.is_empty() && right == refusals.len();
    Promise {
        id: "P1",
        title: "No credentials without the conditions",
        held: Some(
            known && all && policies.held() && acknowledged.held() && emergency.held() && log.unlawful.is_empty(),
        ),
        pending: None,
        told: vec![
            said(known, &format!("{} logins of the provider are {} people", sign_ins.len(), people.len())),
            format!("{right} of {} attempts refused for their reason", refusals.len()),
            said(policies.agree(), "`policy explain` and a refusal: one reason"),
            format!("{} asked, {} acknowledged", acknowledged.requested_by, acknowledged.acknowledged_by),
            said(acknowledged.out_of_scope_denied, "denied by AWS: what her scope leaves out"),
            format!("an emergency start that nobody acknowledged:\n{}", emergency.end.told()),
        ],
        evidence: json!({
            "sign_ins": sign_ins, "refusals": refusals, "policies": policies, "acknowledged": acknowledged, "emergency": emergency,
            "unlawful_in_log": log.unlawful,
        }),
    }
}

fn ends_on_time(story: &Story) -> Promise {
    let Story { blackout, overlap, emergency, .. } = story;
    let seconds = |seconds: Option<f64>| seconds.map_or("never".to_owned(), |seconds| format!("{seconds:.2} s"));
    let contained = overlap.containment.as_ref().and_then(|seen| seen.seconds);
    Promise {
        id: "P2",
        title: "It ends on time, exactly that one",
        held: Some(
            blackout.held()
                && overlap.contained()
                && overlap.other_untouched()
                && overlap.boundary_denied
                && emergency.end.on_time,
        ),
        pending: None,
        told: vec![
            format!("20 s of access, the broker dead by SIGKILL:\n{}", blackout.end.told()),
            format!(
                "revoked: denied by AWS after {},\nseen contained by the broker after {}",
                seconds(overlap.denied_after_seconds),
                seconds(contained)
            ),
            format!("her other grant: {} of {} calls allowed", overlap.untouched_allowed, overlap.untouched_calls),
        ],
        evidence: json!({
            "ended_without_broker": blackout, "revoked": overlap, "emergency_not_acknowledged": emergency.end,
        }),
    }
}

fn unlogged_nothing(story: &Story) -> Promise {
    let Story { mints, log, verified, .. } = story;
    let before = mints.iter().filter(|mint| mint.intended_before).count();
    let intended = !mints.is_empty() && before == mints.len() && log.is_intended();
    let recorded = log.refusals - log.refusals_unrecorded.len();
    Promise {
        id: "P3",
        title: "Nothing happens unlogged",
        held: Some(log.is_whole() && log.is_discreet() && intended && verified.held()),
        pending: None,
        told: vec![
            said(log.continuous, &format!("the logging account has {} entries", verified.size)),
            format!("intents there before credentials: {before} of {}", mints.len()),
            format!("{recorded} of {} refusals have an entry", log.refusals),
            said(verified.agree(), "two programs verify it, with one root"),
            said(verified.change_seen(), &format!("a byte changed: both name entry {}", verified.changed_index)),
            said(verified.deletion_refused, "its account's root can't delete them"),
            said(verified.hiding_seen(), "hidden, they are verified all the same"),
            said(log.is_discreet(), &format!("no secret in {} files of the broker", log.files_searched)),
        ],
        evidence: json!({ "log": log, "mints": mints, "verified": verified }),
    }
}

fn works_at_night(story: &Story) -> Promise {
    let emergency = &story.emergency;
    Promise {
        id: "P5",
        title: "It works at 3 a.m.",
        held: (!emergency.worked).then_some(false),
        pending: Some("Slack, the page for phones, drills"),
        told: vec![format!("nobody there to say yes: access in {:.2} s", emergency.seconds_to_access)],
        evidence: json!({ "emergency_seconds_to_access": emergency.seconds_to_access }),
    }
}

fn crash_only(story: &Story) -> Promise {
    let Story { recovery, blackout, log, .. } = story;
    let sound = blackout.by_sigkill && recovery.held() && log.continuous && log.is_intended();
    Promise {
        id: "P6",
        title: "Crash-only",
        held: Some(sound),
        pending: None,
        told: vec![
            said(recovery.ended_stayed_ended(), "killed: what had ended stayed ended"),
            said(recovery.interrupted_contained, "the revocation under way was seen to hold"),
            said(recovery.active_went_on(), "the active grant went on, and mints again"),
            said(recovery.repeated_is_the_same, "a repeated request made no second grant"),
            format!("ready again after {:.2} s", recovery.ready_after_seconds),
        ],
        evidence: json!({ "recovery": recovery, "log_continuous": log.continuous, "mints_counted_once": log.is_intended() }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use halligan_server::views::{ContainmentState, ContainmentView, GrantState};
    use jiff::Timestamp;

    use super::super::acknowledged::Acknowledged;
    use super::super::blackout::Blackout;
    use super::super::emergency::Overdue;
    use super::super::log::Audit;
    use super::super::overlap::Overlap;
    use super::super::policy::{Policies, Told as PolicyTold};
    use super::super::recovery::Recovery;
    use super::super::scene::{Mint, Refusal};
    use super::super::verified::{Told, Verified};
    use super::*;
    use crate::demo::observe::End;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_772_332_800 + second).unwrap()
    }

    fn end() -> End {
        End {
            due: at(20),
            last_allowed_seconds: Some(-0.1),
            first_denied_seconds: Some(0.1),
            calls: 30,
            denied_early: 0,
            allowed_late: 0,
            on_time: true,
        }
    }

    /// Everything as it should be.
    fn good() -> Story {
        let refusal = Refusal {
            attempt: "her own yes",
            login: "alice@example.com".into(),
            expected: "same-person",
            answered: "same-person".into(),
            by_policy: PolicyTold::default(),
        };
        let told = PolicyTold { rules: vec!["r".into()], unmet: vec!["be somebody else".into()] };
        let sign_in = SignIn {
            login: "alice",
            issuer: "http://localhost:9".into(),
            subject: "u-alice".into(),
            person: "alice".into(),
            kept_private: true,
        };
        Story {
            sign_ins: vec![sign_in],
            refusals: vec![refusal],
            policies: Policies { tests: 3, passed: 3, refused: told.clone(), explained: told },
            mints: vec![Mint { grant: "g".into(), intended_before: true }],
            acknowledged: Acknowledged {
                grant: "g".into(),
                requested_by: "alice".into(),
                acknowledged_by: "bob".into(),
                in_scope_allowed: true,
                out_of_scope_denied: true,
            },
            overlap: Overlap {
                revoked: "g".into(),
                denied_after_seconds: Some(0.2),
                containment: Some(ContainmentView {
                    state: ContainmentState::Contained,
                    observed_at: Some(at(1)),
                    seconds: Some(0.1),
                    regions: None,
                    since: None,
                    because: None,
                }),
                allowed_after_containment: 0,
                untouched: "h".into(),
                untouched_calls: 9,
                untouched_allowed: 9,
                boundary_denied: true,
            },
            emergency: Overdue {
                grant: "e".into(),
                seconds_to_access: 0.3,
                worked: true,
                end: end(),
                state: GrantState::Revoked,
                ended_because: None,
            },
            blackout: Blackout {
                grant: "s".into(),
                duration_seconds: 20,
                broker_killed_at: at(2),
                by_sigkill: true,
                broker_stayed_dead: true,
                revocation_was_cut_short: true,
                end: end(),
                other_calls: 9,
                other_allowed: 9,
            },
            recovery: Recovery {
                ready_after_seconds: 0.2,
                ended_meanwhile: GrantState::Expired,
                ended_meanwhile_denied: true,
                active: GrantState::Active,
                active_same_end: true,
                active_allowed: true,
                active_new_mint_allowed: true,
                interrupted: GrantState::Revoked,
                interrupted_contained: true,
                interrupted_denied: true,
                repeated_is_the_same: true,
                grants: 5,
                active_grants: 1,
            },
            verified: verified(),
            log: Audit {
                entries: 40,
                continuous: true,
                received: 1,
                issued: 1,
                refusals: 1,
                files_searched: 5,
                ..Audit::default()
            },
        }
    }

    fn verified() -> Verified {
        let sound = Told { sound: true, size: Some(140), root: Some("root".into()), ..Told::default() };
        let changed = Told { first_bad_index: Some(57), findings: vec!["tree".into()], ..Told::default() };
        Verified {
            size: 140,
            root: "root".into(),
            not_in_cloudwatch: vec![],
            not_in_ocsf_file: vec![],
            by_halligan: sound.clone(),
            by_script: sound.clone(),
            changed_index: 57,
            changed_by_halligan: changed.clone(),
            changed_by_script: changed,
            deletion_refused: true,
            hidden: true,
            hidden_by_halligan: Told { sound: false, findings: vec!["hidden".into()], ..sound },
        }
    }

    fn held(story: &Story) -> Vec<Option<bool>> {
        promises(story).iter().map(|promise| promise.held).collect()
    }

    #[test]
    fn a_good_story_holds_what_is_built_and_leaves_the_rest_open() {
        assert_eq!(held(&good()), [Some(true), Some(true), Some(true), None, None, Some(true)]);
        for promise in promises(&good()) {
            assert_eq!(promise.pending.is_some(), promise.held.is_none(), "{}", promise.id);
        }
    }

    #[test]
    fn what_is_told_fits_the_table() {
        for promise in promises(&good()) {
            for line in promise.told.iter().flat_map(|told| told.lines()) {
                assert!(line.len() <= 45, "{line}");
            }
        }
    }

    #[test]
    fn each_breach_breaks_its_promises() {
        type Breach = fn(&mut Story);
        let breaches: [(&str, Breach, &[&str]); 40] = [
            ("not refused", |s| s.refusals.iter_mut().for_each(|r| r.answered = "not refused".into()), &["P1"]),
            ("nothing was tried", |s| s.refusals.clear(), &["P1"]),
            ("her own yes", |s| s.acknowledged.acknowledged_by = "alice".into(), &["P1"]),
            ("nobody's yes", |s| s.acknowledged.acknowledged_by.clear(), &["P1"]),
            ("a scope that doesn't narrow", |s| s.acknowledged.out_of_scope_denied = false, &["P1"]),
            ("unlawful in the log", |s| s.log.unlawful.push("g".into()), &["P1"]),
            ("an emergency that lives on", |s| s.emergency.end.on_time = false, &["P1", "P2"]),
            ("an emergency that stays active", |s| s.emergency.state = GrantState::Active, &["P1"]),
            ("an emergency without access", |s| s.emergency.worked = false, &["P1", "P5"]),
            ("a test of a policy fails", |s| s.policies.passed = 2, &["P1"]),
            ("no tests of policies", |s| (s.policies.tests, s.policies.passed) = (0, 0), &["P1"]),
            ("another explanation", |s| s.policies.explained.unmet.clear(), &["P1"]),
            (
                "a refusal without a reason",
                |s| {
                    s.policies.refused = PolicyTold::default();
                    s.policies.explained = PolicyTold::default();
                },
                &["P1"],
            ),
            ("nobody came in", |s| s.sign_ins.clear(), &["P1"]),
            ("somebody else", |s| s.sign_ins.iter_mut().for_each(|i| i.person = "bob".into()), &["P1"]),
            ("tokens for all to read", |s| s.sign_ins.iter_mut().for_each(|i| i.kept_private = false), &["P1"]),
            ("an end that is late", |s| s.blackout.end.on_time = false, &["P2"]),
            ("a broker that was alive", |s| s.blackout.broker_stayed_dead = false, &["P2"]),
            ("a broker that said farewell", |s| s.blackout.by_sigkill = false, &["P2", "P6"]),
            ("killed after the end", |s| s.blackout.broker_killed_at = at(21), &["P2"]),
            ("no containment", |s| s.overlap.containment = None, &["P2"]),
            ("claimed, not so", |s| s.overlap.allowed_after_containment = 1, &["P2"]),
            ("another grant was hit", |s| s.overlap.untouched_allowed = 8, &["P2"]),
            ("a way to lasting access", |s| s.overlap.boundary_denied = false, &["P2"]),
            ("a gap", |s| s.log.continuous = false, &["P3", "P6"]),
            ("an unrecorded refusal", |s| s.log.refusals_unrecorded.push("x"), &["P3"]),
            ("a secret in a file", |s| s.log.files_with_secrets.push("x".into()), &["P3"]),
            ("credentials first", |s| s.mints.iter_mut().for_each(|m| m.intended_before = false), &["P3"]),
            ("issued twice", |s| s.log.issued = 2, &["P3", "P6"]),
            ("another root", |s| s.verified.by_script.root = Some("other".into()), &["P3"]),
            ("not verified", |s| s.verified.by_halligan.sound = false, &["P3"]),
            ("an empty log", |s| s.verified.size = 0, &["P3"]),
            ("another index", |s| s.verified.changed_by_script.first_bad_index = Some(56), &["P3"]),
            ("a change unseen", |s| s.verified.changed_by_halligan.sound = true, &["P3"]),
            ("deleted", |s| s.verified.deletion_refused = false, &["P3"]),
            ("hidden unseen", |s| s.verified.hidden_by_halligan.findings.clear(), &["P3"]),
            ("hidden and lost", |s| s.verified.hidden_by_halligan.size = Some(139), &["P3"]),
            ("an end that came back", |s| s.recovery.ended_meanwhile_denied = false, &["P6"]),
            ("a forgotten revocation", |s| s.recovery.interrupted_contained = false, &["P6"]),
            ("a second grant", |s| s.recovery.repeated_is_the_same = false, &["P6"]),
        ];
        for (name, breach, expected) in breaches {
            let mut story = good();
            breach(&mut story);
            let broken: Vec<&str> = promises(&story)
                .iter()
                .filter(|promise| promise.held == Some(false))
                .map(|promise| promise.id)
                .collect();
            assert_eq!(broken, expected, "{name}");
        }
    }
}
