//! P2: it ends on time, exactly that one, and the end is seen.

use halligan_core::grant::{Baseline, Containment, Phase, State};
use halligan_core::iam::revocation::{Cut, Generation, RevocationPolicy, policy_name};
use halligan_core::incident::IncidentStatus;
use halligan_engine::fakes::fixtures;
use halligan_engine::fakes::store::Fault;
use halligan_engine::fakes::world::caller;
use halligan_engine::ports::{RoleLedger as _, RolePoliciesError};
use halligan_engine::problem::ProblemKind;

use crate::support::{active, advance, ask, emergency, id, mint, minted, minted_by, now, phase, refused, types, world};

/// A grant that nobody ever asked for.
fn fixtures_grant() -> halligan_core::id::GrantId {
    halligan_core::id::GrantId::new(fixtures::uuid(7_777))
}

fn containment(grant: &halligan_core::grant::Grant) -> Containment {
    match &grant.state {
        State::Ended(ended) => ended.containment.clone(),
        other => panic!("not ended: {other:?}"),
    }
}

#[tokio::test]
async fn ending_one_grant_leaves_another_of_the_same_person_and_role() {
    let (world, _) = world();
    let running = world.start();
    let (one, two) = (active(&running.broker).await, active(&running.broker).await);
    let (first, second, third) =
        (minted(&running.broker, &one).await, minted(&running.broker, &one).await, minted(&running.broker, &two).await);
    running.broker.revoke(&caller("carol"), &id(&one), "stop").await.unwrap();
    running.settle().await.unwrap();
    assert!(!world.aws.allows(&first) && !world.aws.allows(&second), "ending it must end every mint of it");
    assert!(world.aws.allows(&third), "another grant's credentials were touched");
    assert!(mint(&running.broker, &two).await.is_ok());
    let Containment::Contained(evidence) = containment(&now(&world, &one).await) else { panic!("not contained") };
    assert_eq!(evidence.baseline, Baseline::Allowed);
    assert!(evidence.regions.iter().all(|region| region.denials == 3) && !evidence.regions.is_empty());
}

#[tokio::test]
async fn a_grant_dies_on_its_second_with_nobody_at_work() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    let key = minted(&running.broker, &grant).await;
    drop(running);
    advance(&world, 1_799);
    assert!(world.aws.allows(&key));
    advance(&world, 1);
    assert!(!world.aws.allows(&key), "the fence needs no broker");
    let running = world.start();
    running.settle().await.unwrap();
    assert_eq!(phase(&world, &grant).await, Phase::Expired);
    assert_eq!(containment(&now(&world, &grant).await), Containment::Fenced);
    refused(&world, mint(&running.broker, &grant).await, ProblemKind::WrongState);
}

#[tokio::test]
async fn an_emergency_start_dies_unless_it_is_acknowledged() {
    let (world, _) = world();
    let running = world.start();
    let (lone, backed) = (
        running.broker.request(&caller("alice"), emergency()).await.unwrap(),
        running.broker.request(&caller("bob"), emergency()).await.unwrap(),
    );
    let (first, second) = (minted(&running.broker, &lone).await, minted_by("bob", &running.broker, &backed).await);
    running.broker.acknowledge(&caller("carol"), &id(&backed), &backed.request_hash.to_string(), None).await.unwrap();
    let due = lone.activation().unwrap().fence().duration_since(fixtures::start()).as_secs();
    advance(&world, due);
    assert!(!world.aws.allows(&first), "it outlived its acknowledgement's deadline");
    assert!(!world.aws.allows(&second), "what was minted before the acknowledgement keeps its fence");
    let renewed = minted_by("bob", &running.broker, &backed).await;
    assert!(world.aws.allows(&renewed), "a mint after the acknowledgement has the whole time");
    running.settle().await.unwrap();
    assert_eq!((phase(&world, &lone).await, phase(&world, &backed).await), (Phase::Revoked, Phase::Active));
    let again = running.broker.request(&caller("alice"), emergency()).await;
    refused(&world, again, ProblemKind::NotAcknowledged);
}

#[tokio::test]
async fn an_end_that_aws_refuses_is_tried_until_it_holds_and_said() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    let key = minted(&running.broker, &grant).await;
    world.aws.fail_write(Fault::NotDone, RolePoliciesError::Refused("AccessDenied".into()));
    world.aws.fail_write(Fault::Done, RolePoliciesError::Unavailable("reset".into()));
    running.broker.give_back(&caller("alice"), &id(&grant)).await.unwrap();
    running.settle().await.unwrap();
    assert!(world.aws.allows(&key));
    assert_eq!(containment(&now(&world, &grant).await), Containment::Enforcing);
    for _ in 0..3 {
        advance(&world, 40);
        running.settle().await.unwrap();
    }
    assert!(!world.aws.allows(&key));
    assert!(matches!(containment(&now(&world, &grant).await), Containment::Contained(_)));
    let failures = types(&world.store.entries()).into_iter().filter(|name| name == "revocation.failed").count();
    assert_eq!(failures, 2);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_not_seen_is_stuck_until_it_is_seen() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    minted(&running.broker, &grant).await;
    world.aws.set_inert(true);
    running.broker.give_back(&caller("alice"), &id(&grant)).await.unwrap();
    running.settle().await.unwrap();
    assert!(matches!(containment(&now(&world, &grant).await), Containment::Stuck { .. }));
    world.aws.set_inert(false);
    advance(&world, 40);
    running.settle().await.unwrap();
    let Containment::Contained(evidence) = containment(&now(&world, &grant).await) else { panic!("still stuck") };
    assert_eq!(evidence.baseline, Baseline::AlreadyDenied, "the deny stood when this probe was opened");
}

#[tokio::test]
async fn a_probe_that_cannot_be_opened_delays_no_deny() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    let key = minted(&running.broker, &grant).await;
    world.aws.refuse_probes(true);
    running.broker.give_back(&caller("alice"), &id(&grant)).await.unwrap();
    running.settle().await.unwrap();
    assert!(!world.aws.allows(&key), "the deny was written all the same");
    assert!(
        matches!(containment(&now(&world, &grant).await), Containment::Stuck { .. }),
        "it was not seen, so it is not said"
    );
}

#[tokio::test]
async fn tampering_is_told_from_our_own_late_writes_and_repaired() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    let key = minted(&running.broker, &grant).await;
    running.broker.give_back(&caller("alice"), &id(&grant)).await.unwrap();
    running.settle().await.unwrap();
    let role = grant.request.resolved.role_arn.to_string();
    let name = policy_name(&world.catalogue.deployment);
    let drifts = || types(&world.store.entries()).into_iter().filter(|name| name == "revocation.drift").count();

    world.aws.policies(&role, |policies| policies.remove(&name));
    assert!(world.aws.allows(&key), "the session deleted its own deny");
    advance(&world, 601);
    running.settle().await.unwrap();
    assert!(!world.aws.allows(&key), "it is back");
    assert_eq!(drifts(), 1);

    world
        .aws
        .policies(&role, |policies| policies.insert(name.clone(), r#"{"Version":"2012-10-17","Statement":[]}"#.into()));
    advance(&world, 601);
    running.settle().await.unwrap();
    assert!(!world.aws.allows(&key));
    assert_eq!(drifts(), 2);

    // A late write of ours: the one before.
    let previous = world.store.record(&grant.request.target.id).await.unwrap().previous.unwrap();
    world.aws.policies(&role, |policies| policies.insert(name.clone(), previous));
    advance(&world, 601);
    running.settle().await.unwrap();
    assert_eq!(drifts(), 2, "our own late write is no drift");
    assert!(!world.aws.allows(&key));

    // Somebody's idea of an older one of ours, which lists nobody that it should.
    let forged = RevocationPolicy { generation: Generation(1), listed: [fixtures_grant()].into(), cut: None };
    world.aws.policies(&role, |policies| policies.insert(name.clone(), forged.document().to_json()));
    advance(&world, 601);
    running.settle().await.unwrap();
    assert_eq!(drifts(), 3);
    assert!(!world.aws.allows(&key));

    // Cuts of the year 9999 and generations beyond all reason are nobody's of ours.
    let end_of_time = "9999-12-30T22:00:00Z".parse().unwrap();
    for forged in [
        RevocationPolicy {
            generation: Generation(1_000),
            listed: [].into(),
            cut: Some(Cut { before: end_of_time, exempt: [].into() }),
        },
        RevocationPolicy { generation: Generation(u64::MAX), listed: [fixtures_grant()].into(), cut: None },
    ] {
        world.aws.policies(&role, |policies| policies.insert(name.clone(), forged.document().to_json()));
        advance(&world, 1);
        running.housekeeping_now().await.unwrap();
        let json = world.aws.policies(&role, |policies| policies.get(&name).cloned());
        let policy = json.map(|json| RevocationPolicy::parse(&json).unwrap());
        assert!(policy.is_none_or(|policy| policy.cut.is_none() && policy.generation < Generation(100)));
    }
}

#[tokio::test]
async fn a_policy_newer_than_the_store_keeps_ended_what_the_store_takes_for_active() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    let key = minted(&running.broker, &grant).await;
    let newer = RevocationPolicy { generation: Generation(40), listed: [grant.request.id].into(), cut: None };
    let name = policy_name(&world.catalogue.deployment);
    let role = grant.request.resolved.role_arn.to_string();
    world.aws.policies(&role, |policies| policies.insert(name.clone(), newer.document().to_json()));
    running.settle().await.unwrap();
    assert!(!world.aws.allows(&key), "what was ended came back");
    let json = world.aws.policies(&role, |policies| policies[&name].clone());
    assert!(RevocationPolicy::parse(&json).unwrap().generation >= Generation(40), "the generation went back");
}

#[tokio::test]
async fn an_extension_moves_the_end_for_new_mints_after_a_second_yes() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    let old = minted(&running.broker, &grant).await;
    let grant = running.broker.extend(&caller("alice"), &id(&grant), 600, "not done").await.unwrap();
    let State::Active(waiting) = &grant.state else { panic!("not active") };
    let hash = waiting.extension.as_ref().unwrap().hash.to_string();
    refused(
        &world,
        running.broker.acknowledge(&caller("alice"), &id(&grant), &hash, None).await,
        ProblemKind::SamePerson,
    );
    refused(
        &world,
        running.broker.extend(&caller("alice"), &id(&grant), 60, "more").await,
        ProblemKind::ExtensionPending,
    );
    running.broker.acknowledge(&caller("carol"), &id(&grant), &hash, None).await.unwrap();
    let new = minted(&running.broker, &grant).await;
    advance(&world, 1_800);
    assert!(!world.aws.allows(&old), "copied credentials end at their old fence");
    assert!(world.aws.allows(&new));
    running.settle().await.unwrap();
    assert_eq!(phase(&world, &grant).await, Phase::Active);
    advance(&world, 600);
    running.settle().await.unwrap();
    assert_eq!(phase(&world, &grant).await, Phase::Expired);
}

#[tokio::test]
async fn deadlines_are_judged_when_no_worker_has_run() {
    let (world, _) = world();
    let running = world.start();
    let grant = running.broker.request(&caller("alice"), ask()).await.unwrap();
    advance(&world, 100_000);
    let late = running.broker.acknowledge(&caller("bob"), &id(&grant), &grant.request_hash.to_string(), None).await;
    refused(&world, late, ProblemKind::WrongState);
    assert_eq!(phase(&world, &grant).await, Phase::Lapsed);
}

#[tokio::test]
async fn a_closed_incident_ends_its_grants_though_nobody_mints() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    let key = minted(&running.broker, &grant).await;
    let waiting = running.broker.request(&caller("alice"), ask()).await.unwrap();
    world.incidents.set(fixtures::incident("INC-219"), IncidentStatus::Closed { known: false });
    running.settle().await.unwrap();
    assert_eq!(phase(&world, &grant).await, Phase::Active, "an incident that its tool has lost is no closed one");
    world.incidents.set(fixtures::incident("INC-219"), IncidentStatus::Closed { known: true });
    running.settle().await.unwrap();
    assert_eq!((phase(&world, &grant).await, phase(&world, &waiting).await), (Phase::Revoked, Phase::Cancelled));
    assert!(!world.aws.allows(&key));
}

#[tokio::test]
async fn somebody_elses_inline_policy_is_said_once() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    let role = grant.request.resolved.role_arn.to_string();
    world.aws.policies(&role, |policies| {
        policies.insert("theirs".into(), r#"{"Version":"2012-10-17","Statement":[]}"#.into())
    });
    for _ in 0..3 {
        advance(&world, 601);
        running.settle().await.unwrap();
    }
    let drifts = types(&world.store.entries()).into_iter().filter(|name| name == "revocation.drift").count();
    assert_eq!(drifts, 1);
}

#[tokio::test]
async fn a_grant_that_a_newer_policy_had_ended_is_ended_in_an_older_store() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    let newer = RevocationPolicy { generation: Generation(40), listed: [grant.request.id].into(), cut: None };
    let (name, role) = (policy_name(&world.catalogue.deployment), grant.request.resolved.role_arn.to_string());
    world.aws.policies(&role, |policies| policies.insert(name, newer.document().to_json()));
    running.settle().await.unwrap();
    assert_eq!(phase(&world, &grant).await, Phase::Revoked);
    refused(&world, mint(&running.broker, &grant).await, ProblemKind::WrongState);
}

#[tokio::test]
async fn no_clock_starts_and_no_deny_is_lifted_by_a_wrong_clock() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    let key = minted(&running.broker, &grant).await;
    running.broker.give_back(&caller("alice"), &id(&grant)).await.unwrap();
    running.settle().await.unwrap();
    let waiting = running.broker.request(&caller("alice"), ask()).await.unwrap();
    let other = active(&running.broker).await;
    minted(&running.broker, &other).await;

    // The broker's clock jumps two hours ahead; AWS's doesn't.
    let two_hours = jiff::SignedDuration::from_hours(2);
    world.clock.advance(two_hours);
    world.aws.set_skew(two_hours);
    running.settle().await.unwrap();
    let policy = world.aws.policies(&grant.request.resolved.role_arn.to_string(), |policies| policies.len());
    assert_eq!(policy, 1, "the deny was lifted by a clock that is ahead");
    let hash = waiting.request_hash.to_string();
    refused(
        &world,
        running.broker.acknowledge(&caller("bob"), &id(&waiting), &hash, None).await,
        ProblemKind::ClockSkewed,
    );
    refused(&world, running.broker.request(&caller("alice"), emergency()).await, ProblemKind::ClockSkewed);
    // Ending waits for no clock.
    running.broker.give_back(&caller("alice"), &id(&other)).await.unwrap();
    world.clock.advance(-two_hours);
    assert!(!world.aws.allows(&key));
}

#[tokio::test(start_paused = true)]
async fn an_end_whose_tokens_have_died_is_not_probed_for_ever() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    minted(&running.broker, &grant).await;
    world.aws.refuse_probes(true);
    running.broker.give_back(&caller("alice"), &id(&grant)).await.unwrap();
    running.settle().await.unwrap();
    assert!(matches!(containment(&now(&world, &grant).await), Containment::Stuck { .. }));
    advance(&world, 7_200);
    running.settle().await.unwrap();
    let Containment::Contained(evidence) = containment(&now(&world, &grant).await) else { panic!("probed for ever") };
    assert_eq!(evidence.baseline, Baseline::TokensDead);
}

#[tokio::test]
async fn a_catalogue_that_cannot_end_a_grant_is_found_out() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    assert!(running.broker.orphans().await.unwrap().is_empty());
    for change in ["gone", "moved"] {
        let mut changed = world.clone();
        let mut catalogue = (*world.catalogue).clone();
        let mut role = catalogue.roles.remove(&grant.request.target.id).unwrap();
        if change == "moved" {
            role.arn = "arn:aws:iam::123456789012:role/another".to_owned().try_into().unwrap();
            catalogue.roles.insert(role.id.clone(), role);
        }
        changed.catalogue = catalogue.into();
        let orphans = changed.start().broker.orphans().await.unwrap();
        assert!(orphans.len() == 1 && orphans[0].contains(&id(&grant)), "{change}: {orphans:?}");
    }
    running.broker.give_back(&caller("alice"), &id(&grant)).await.unwrap();
    running.settle().await.unwrap();
    let mut changed = world.clone();
    changed.catalogue = halligan_core::catalogue::Catalogue { roles: [].into(), ..(*world.catalogue).clone() }.into();
    assert!(changed.start().broker.orphans().await.unwrap().is_empty(), "what is over needs no role");
}

#[tokio::test]
async fn one_person_cannot_fill_a_role() {
    let (world, _) = world();
    let running = world.start();
    for _ in 0..11 {
        running.broker.request(&caller("alice"), ask()).await.ok();
    }
    refused(&world, running.broker.request(&caller("alice"), ask()).await, ProblemKind::RateLimited);
    assert!(running.broker.request(&caller("bob"), ask()).await.is_ok());
}
