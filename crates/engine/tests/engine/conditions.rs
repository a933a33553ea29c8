//! P1: no credentials without the conditions, each looked at again when it counts.

use halligan_core::actor::{Human, Party};
use halligan_core::grant::Phase;
use halligan_core::incident::IncidentStatus;
use halligan_engine::caller::{IdempotencyUse, RequestAsk, Selection};
use halligan_engine::fakes::fixtures::{human, incident, person};
use halligan_engine::fakes::world::caller;
use halligan_engine::ports::{IdempotencyKey, MintError};
use halligan_engine::problem::{Problem, ProblemKind};
use jiff::SignedDuration;

use crate::support::{active, advance, ask, emergency, id, mint, minted, phase, refused, types, world};

#[tokio::test]
async fn a_request_is_refused_for_each_missing_condition_and_leaves_an_entry() {
    let with = |change: fn(&mut RequestAsk)| {
        let mut changed = ask();
        change(&mut changed);
        changed
    };
    let (world, _) = world();
    world.incidents.set(incident("INC-100"), IncidentStatus::Closed { known: true });
    world.incidents.set(incident("INC-9"), IncidentStatus::Unknown { reason: "timed out".to_owned() });
    let running = world.start();
    let cases: Vec<(&str, RequestAsk, ProblemKind, Option<&str>)> = vec![
        ("unknown role", with(|a| a.target = "nope".into()), ProblemKind::UnknownRole, Some("target")),
        ("role with a path", with(|a| a.target = "../x".into()), ProblemKind::UnknownRole, Some("target")),
        ("unknown scope", with(|a| a.scope = Some("nope".into())), ProblemKind::UnknownScope, Some("scope")),
        ("closed incident", with(|a| a.incident.1 = "INC-100".into()), ProblemKind::IncidentClosed, Some("incident")),
        ("unheard incident", with(|a| a.incident.1 = "INC-404".into()), ProblemKind::IncidentClosed, Some("incident")),
        ("unknown state", with(|a| a.incident.1 = "INC-9".into()), ProblemKind::IncidentUnknown, Some("incident")),
        ("path as incident", with(|a| a.incident.1 = "../../x".into()), ProblemKind::Invalid, Some("incident.id")),
        ("long incident", with(|a| a.incident.1 = "9".repeat(10_240)), ProblemKind::Invalid, Some("incident.id")),
        ("url", with(|a| a.incident.1 = "https://example.com/".into()), ProblemKind::Invalid, Some("incident.id")),
        ("empty reason", with(|a| a.reason = " ".into()), ProblemKind::Invalid, Some("reason")),
        ("long reason", with(|a| a.reason = "x".repeat(100_000)), ProblemKind::Invalid, Some("reason")),
        ("escapes", with(|a| a.reason = "\u{1b}[2J".into()), ProblemKind::Invalid, Some("reason")),
        ("no duration", with(|a| a.duration_seconds = 0), ProblemKind::Duration, Some("duration_seconds")),
        ("negative", with(|a| a.duration_seconds = -1), ProblemKind::Duration, Some("duration_seconds")),
        ("too long", with(|a| a.duration_seconds = i64::MAX), ProblemKind::Duration, Some("duration_seconds")),
    ];
    for (name, ask, kind, field) in cases {
        let problem = refused(&world, running.broker.request(&caller("alice"), ask).await, kind);
        assert_eq!(problem.field, field, "{name}");
    }
    let problem = refused(&world, running.broker.request(&caller("carol"), ask()).await, ProblemKind::NotPermitted);
    assert!(!problem.unmet.is_empty(), "it doesn't say what would satisfy the rule");
    refused(&world, running.broker.request(&caller("carol"), emergency()).await, ProblemKind::NotPermitted);
    assert!(types(&world.store.entries()).iter().all(|name| name == "action.refused"), "something else happened");
    assert!(world.aws.sessions().is_empty());
}

#[tokio::test]
async fn the_second_person_is_another_human_who_may() {
    let (world, groups) = world();
    groups.put("alice", &["on-call", "leads", "security"]);
    let running = world.start();
    let grant = running.broker.request(&caller("alice"), ask()).await.unwrap();
    let hash = grant.request_hash.to_string();
    let mut phone = caller("alice");
    let mut other_login = human("alice");
    other_login.principal.subject = "alice-phone".to_owned();
    phone.party = other_login.into();
    for who in [caller("alice"), phone] {
        refused(&world, running.broker.acknowledge(&who, &id(&grant), &hash, None).await, ProblemKind::SamePerson);
    }
    let mut stranger = caller("bob");
    stranger.party = Human { person: person("stranger"), ..human("bob") }.into();
    refused(
        &world,
        running.broker.acknowledge(&stranger, &id(&grant), &hash, None).await,
        ProblemKind::UnlinkedPrincipal,
    );
    let other = "ab".repeat(32);
    refused(
        &world,
        running.broker.acknowledge(&caller("bob"), &id(&grant), &other, None).await,
        ProblemKind::HashMismatch,
    );
    refused(
        &world,
        running.broker.acknowledge(&caller("bob"), &id(&grant), "no hash", None).await,
        ProblemKind::Invalid,
    );
    refused(&world, mint(&running.broker, &grant).await, ProblemKind::WrongState);
    assert_eq!(phase(&world, &grant).await, Phase::Pending);
    running.broker.acknowledge(&caller("bob"), &id(&grant), &hash, None).await.unwrap();
    refused(
        &world,
        running.broker.acknowledge(&caller("carol"), &id(&grant), &hash, None).await,
        ProblemKind::WrongState,
    );
}

#[tokio::test]
async fn credentials_go_to_the_requester_alone() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    for who in ["bob", "carol"] {
        refused(&world, running.broker.mint(&caller(who), &id(&grant)).await, ProblemKind::NotRequester);
    }
    let minted = mint(&running.broker, &grant).await.unwrap();
    assert!(world.aws.allows(&minted.credentials.access_key_id));
    assert_eq!(minted.expires_at, grant.activation().unwrap().ends_at, "the fence comes before the token's end");
}

#[tokio::test]
async fn conditions_lost_between_acknowledgement_and_mint_refuse_it() {
    // Each loses one thing, and what the refusal is.
    let (world, groups) = world();
    let running = world.start();

    let grant = active(&running.broker).await;
    groups.put("alice", &[]);
    refused(&world, mint(&running.broker, &grant).await, ProblemKind::NotPermitted);
    groups.put("alice", &["on-call", "leads", "security"]);
    assert!(mint(&running.broker, &grant).await.is_ok());
    groups.put("bob", &[]);
    refused(&world, mint(&running.broker, &grant).await, ProblemKind::NotPermitted);
    groups.put("bob", &["on-call", "leads", "security"]);

    let mut changed = world.clone();
    let mut catalogue = (*world.catalogue).clone();
    let role = catalogue.roles.values_mut().find(|role| role.id.as_str() == "prod-admin").unwrap();
    role.scopes.values_mut().for_each(|scope| scope.managed.push("arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()));
    changed.catalogue = catalogue.into();
    let restarted = changed.start();
    refused(&world, mint(&restarted.broker, &grant).await, ProblemKind::CatalogueChanged);
    let hash = grant.request_hash.to_string();
    let waiting = running.broker.request(&caller("alice"), ask()).await.unwrap();
    let waiting_hash = waiting.request_hash.to_string();
    refused(
        &world,
        restarted.broker.acknowledge(&caller("bob"), &id(&waiting), &waiting_hash, None).await,
        ProblemKind::CatalogueChanged,
    );
    assert_ne!(hash, waiting_hash);

    world.incidents.set(incident("INC-219"), IncidentStatus::Unknown { reason: "down".to_owned() });
    assert!(mint(&running.broker, &grant).await.is_ok(), "under an active grant the last known state suffices");
    refused(
        &world,
        running.broker.acknowledge(&caller("bob"), &id(&waiting), &waiting_hash, None).await,
        ProblemKind::IncidentUnknown,
    );
    world.incidents.set(incident("INC-219"), IncidentStatus::Closed { known: true });
    refused(&world, mint(&running.broker, &grant).await, ProblemKind::IncidentClosed);
    assert_eq!(phase(&world, &grant).await, Phase::Revoked, "a closed incident ends the grant");
    refused(
        &world,
        running.broker.acknowledge(&caller("bob"), &id(&waiting), &waiting_hash, None).await,
        ProblemKind::IncidentClosed,
    );
    assert_eq!(phase(&world, &waiting).await, Phase::Cancelled, "a closed incident cancels the request");
}

#[tokio::test]
async fn a_mint_waits_for_its_record_and_none_leaves_without() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    world.archive.set_down(true);
    let problem = refused(&world, mint(&running.broker, &grant).await, ProblemKind::LogNotDurable);
    assert!(problem.detail.contains("none were handed out"), "{problem}");
    assert!(types(&world.store.entries()).contains(&"credentials.discarded".to_owned()));
    world.archive.set_down(false);
    minted(&running.broker, &grant).await;
    let durable: Vec<_> =
        world.archive.entries().iter().map(|entry| entry["type"].as_str().unwrap().to_owned()).collect();
    assert!(durable.contains(&"credentials.intended".to_owned()), "{durable:?}");
}

#[tokio::test]
async fn what_aws_refuses_or_loses_is_said_and_recorded() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    let cases = [
        (MintError::Refused("no".into()), ProblemKind::AwsRefused, false),
        (MintError::PackedPolicyTooLarge("120 %".into()), ProblemKind::AwsRefused, false),
        (MintError::Unavailable("throttled".into()), ProblemKind::AwsUnavailable, false),
        (MintError::OutcomeUnknown("reset".into()), ProblemKind::AwsOutcomeUnknown, true),
    ];
    for (error, kind, unknown) in cases {
        world.aws.fail_mint(error);
        refused(&world, mint(&running.broker, &grant).await, kind);
        let entries = world.store.entries();
        let failed = entries.iter().rev().map(|e| serde_json::to_value(&e.sealed.entry).unwrap()).collect::<Vec<_>>();
        let failed = failed.into_iter().find(|e| e["type"] == "credentials.failed").unwrap();
        assert_eq!(failed["data"]["outcome_unknown"], unknown);
    }
    // The orphan of the lost answer ends with its grant like any other.
    let (orphan, _) = world.aws.sessions().pop().unwrap();
    assert!(world.aws.allows(&orphan));
    running.broker.give_back(&caller("alice"), &id(&grant)).await.unwrap();
    running.settle().await.unwrap();
    assert!(!world.aws.allows(&orphan));
}

#[tokio::test]
async fn a_wrong_clock_stops_mints_and_time_driven_ends() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    world.aws.set_skew(SignedDuration::from_secs(3));
    assert!(mint(&running.broker, &grant).await.is_ok(), "3 s are an alarm, no stop");
    world.aws.set_skew(SignedDuration::from_secs(-11));
    refused(&world, mint(&running.broker, &grant).await, ProblemKind::ClockSkewed);
    advance(&world, 1_801);
    running.settle().await.unwrap();
    assert_eq!(phase(&world, &grant).await, Phase::Active, "ended by a clock that is wrong");
    world.aws.set_skew(SignedDuration::ZERO);
    running.settle().await.unwrap();
    assert_eq!(phase(&world, &grant).await, Phase::Expired);
    let skewed = types(&world.store.entries()).into_iter().filter(|name| name == "clock.skewed").count();
    assert_eq!(skewed, 3, "each change of grade is recorded once");
}

#[tokio::test]
async fn an_idempotency_key_makes_one_grant_of_many_calls() {
    let (world, _) = world();
    let running = world.start();
    let with = |body: &str| {
        let key = IdempotencyKey { person: person("alice"), route: "POST /v1/grants".into(), key: "k".into() };
        let mut caller = caller("alice");
        caller.idempotency = Some(IdempotencyUse { key, body_sha256: body.to_owned() });
        caller
    };
    let first = running.broker.request(&with("a"), ask()).await.unwrap();
    let again = running.broker.request(&with("a"), ask()).await.unwrap();
    assert_eq!(first, again);
    refused(&world, running.broker.request(&with("b"), ask()).await, ProblemKind::IdempotencyKeyReused);
    let requested = types(&world.store.entries()).into_iter().filter(|name| name == "grant.requested").count();
    assert_eq!(requested, 1);
}

#[tokio::test]
async fn mints_are_limited_by_grant() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    for _ in 0..30 {
        minted(&running.broker, &grant).await;
    }
    let problem = refused(&world, mint(&running.broker, &grant).await, ProblemKind::RateLimited);
    assert_eq!(problem.retry_after_seconds, Some(61));
    advance(&world, 61);
    minted(&running.broker, &grant).await;
}

#[tokio::test]
async fn refusals_beyond_the_bound_are_counted_instead() {
    let (world, _) = world();
    let running = world.start();
    running.settle().await.unwrap();
    for _ in 0..100 {
        drop(running.broker.request(&caller("carol"), ask()).await);
    }
    drop(running.broker.refuse_stranger(Problem::new(ProblemKind::Unauthenticated, "no token")));
    let refused = || types(&world.store.entries()).into_iter().filter(|name| name == "action.refused").count();
    assert_eq!(refused(), 60);
    advance(&world, 61);
    running.settle().await.unwrap();
    let mut counted = world.store.entries().into_iter().map(|e| serde_json::to_value(&e.sealed.entry).unwrap());
    let counted = counted.rfind(|e| e["type"] == "refusals.counted").unwrap();
    assert_eq!(counted["data"]["counts"]["not-permitted"], 40);
    assert_eq!(counted["data"]["counts"]["unauthenticated"], 1);
}

#[tokio::test]
async fn the_big_red_button_needs_to_be_told_what() {
    let (world, _) = world();
    let running = world.start();
    let (one, two) = (active(&running.broker).await, active(&running.broker).await);
    let carol = caller("carol");
    let nothing = running.broker.revoke_all(&carol, Selection::default(), "stop").await;
    refused(&world, nothing, ProblemKind::Invalid);
    let both = Selection { all: true, requester: Some("alice".into()), ..Selection::default() };
    refused(&world, running.broker.revoke_all(&carol, both, "stop").await, ProblemKind::Invalid);
    let all = Selection { all: true, ..Selection::default() };
    refused(&world, running.broker.revoke_all(&caller("bob"), all.clone(), "stop").await, ProblemKind::NotPermitted);
    let key = IdempotencyKey { person: person("carol"), route: "POST /v1/revocations".into(), key: "k".into() };
    let mut keyed = carol.clone();
    keyed.idempotency = Some(IdempotencyUse { key, body_sha256: "a".to_owned() });
    assert_eq!(running.broker.revoke_all(&keyed, all, "stop").await.unwrap().len(), 2);
    assert_eq!((phase(&world, &one).await, phase(&world, &two).await), (Phase::Revoked, Phase::Revoked));
    assert_eq!(Party::from(human("alice")), one.request.requester);
}
