//! What the policies decide, as people meet it: at the request, at the yes, at each mint.

use std::collections::BTreeSet;

use halligan_core::actor::{Freshness, Shown};
use halligan_core::event::Event;
use halligan_core::grant::{Active, Grant, State};
use halligan_core::incident::{IncidentStatus, OpenIncident};
use halligan_engine::access::{Access, Office};
use halligan_engine::caller::Caller;
use halligan_engine::fakes::fixtures;
use halligan_engine::fakes::world::caller;
use halligan_engine::ports::QueuedEntry;
use halligan_engine::problem::ProblemKind;
use halligan_engine::publish::OverrideRules;
use halligan_policy::{DEFAULT, Known, Obligation, PolicySet, Source};
use jiff::SignedDuration;

use crate::passkeys::{answer, enrolled, key};
use crate::support::{Groups, active, ask, emergency, id, mint, refused, types, world};

/// The built-in policies, and these.
pub fn and(groups: &Groups, text: &str) {
    let known = Known {
        persons: ["alice", "bob", "carol"].map(fixtures::person).into(),
        machines: ["deploy".parse().unwrap()].into(),
        groups: ["on-call", "leads", "security"].map(|name| name.parse().unwrap()).into(),
        roles: ["prod-admin", "prod-reader"].map(fixtures::role_id).into(),
        gates: BTreeSet::new(),
    };
    let source = |name: &str, text: &str| Source { name: name.to_owned(), text: text.to_owned() };
    let loaded = PolicySet::load(&[source("default.cedar", DEFAULT), source("more.cedar", text)], &known);
    groups.decide_by(loaded.unwrap());
}

fn with_mfa(name: &str, seconds: i64) -> Caller {
    let fresh = Freshness { auth_age_seconds: Some(seconds), mfa_age_seconds: Some(seconds) };
    Caller { shown: Shown { fresh, ..Shown::default() }, ..caller(name) }
}

const FRESH_MFA: &str = r#"
    @id("fresh-mfa")
    @satisfiedBy("sign in again with a second factor: it must not be older than 15 minutes")
    @obliges("stepUp")
    forbid (principal, action == Halligan::Action::"acknowledge", resource)
    unless { context has mfaAgeSeconds && context.mfaAgeSeconds <= 900 };
"#;

#[tokio::test]
async fn a_yes_without_a_fresh_second_factor_is_refused_and_says_what_would_do() {
    let (world, groups) = world();
    and(&groups, FRESH_MFA);
    let running = world.start();
    let grant = running.broker.request(&caller("alice"), ask()).await.unwrap();
    let (name, hash) = (id(&grant), grant.request_hash.to_string());
    for stale in [caller("bob"), with_mfa("bob", 901)] {
        let problem =
            refused(&world, running.broker.acknowledge(&stale, &name, &hash, None).await, ProblemKind::NotPermitted);
        assert_eq!(problem.rules, ["fresh-mfa"]);
        assert_eq!(problem.obligations, [Obligation::StepUp]);
        assert!(problem.unmet[0].contains("15 minutes"), "{:?}", problem.unmet);
    }
    running.broker.acknowledge(&with_mfa("bob", 900), &name, &hash, None).await.unwrap();
    // It was fresh when they said yes; nobody asks bob again while alice works.
    mint(&running.broker, &grant).await.unwrap();
    world.clock.advance(SignedDuration::from_mins(20));
    mint(&running.broker, &grant).await.unwrap();
}

/// A rule that is made after the yes counts at the next mint.
#[tokio::test]
async fn a_tighter_policy_stops_what_was_acknowledged_before_it() {
    let (world, groups) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    mint(&running.broker, &grant).await.unwrap();
    and(&groups, FRESH_MFA);
    let problem = refused(&world, mint(&running.broker, &grant).await, ProblemKind::NotPermitted);
    assert_eq!(problem.rules, ["fresh-mfa"], "bob had shown no second factor");
}

#[tokio::test]
async fn who_opened_the_incident_does_not_acknowledge() {
    let (world, groups) = world();
    and(
        &groups,
        r#"
        @id("another-than-the-incidents-creator")
        @satisfiedBy("somebody else than who opened the incident must acknowledge")
        forbid (principal, action == Halligan::Action::"acknowledge", resource)
        when {
            principal == Halligan::Person::"bob" && context has incident
            && context.incident has creatorName && context.incident.creatorName == "bob"
        };
    "#,
    );
    let running = world.start();
    let open = OpenIncident { creator: Some("bob".to_owned()), ..OpenIncident::default() };
    world.incidents.set(fixtures::incident("INC-219"), IncidentStatus::Open(open));
    let grant = running.broker.request(&caller("alice"), ask()).await.unwrap();
    let (name, hash) = (id(&grant), grant.request_hash.to_string());
    refused(&world, running.broker.acknowledge(&caller("bob"), &name, &hash, None).await, ProblemKind::NotPermitted);
    running.broker.acknowledge(&caller("carol"), &name, &hash, None).await.unwrap();
}

/// Policies are written by people: one that lets everybody do everything still can't make
/// one person two, or lengthen what the catalogue bounds.
#[tokio::test]
async fn no_policy_lets_somebody_acknowledge_their_own_request_or_exceed_a_limit() {
    let (world, groups) = world();
    and(
        &groups,
        r#"@id("anything-goes") @satisfiedBy("nothing") permit (principal, action, resource);
        @id("eight-hours") @satisfiedBy("nothing")
        permit (principal, action in [Halligan::Action::"request", Halligan::Action::"extend"], resource)
        when { context has durationSeconds && context.durationSeconds <= 9999999 };"#,
    );
    let running = world.start();
    let too_long = halligan_engine::caller::RequestAsk { duration_seconds: 999_999, ..ask() };
    refused(&world, running.broker.request(&caller("alice"), too_long).await, ProblemKind::Duration);
    let grant = running.broker.request(&caller("alice"), ask()).await.unwrap();
    let own = running.broker.acknowledge(&caller("alice"), &id(&grant), &grant.request_hash.to_string(), None).await;
    refused(&world, own, ProblemKind::SamePerson);
    refused(&world, running.broker.mint(&caller("bob"), &id(&grant)).await, ProblemKind::WrongState);
    // Nor with a limit of its own that is wider than the role's: an extension stops there, too.
    let grant = active(&running.broker).await;
    refused(&world, running.broker.extend(&caller("alice"), &id(&grant), 999_999, "more").await, ProblemKind::Duration);
    refused(&world, running.broker.mint(&caller("bob"), &id(&grant)).await, ProblemKind::NotRequester);
    let machine = Caller { party: fixtures::machine(None), ..caller("alice") };
    let asked = running.broker.request(&caller("alice"), ask()).await.unwrap();
    let by_machine = running.broker.acknowledge(&machine, &id(&asked), &asked.request_hash.to_string(), None).await;
    refused(&world, by_machine, ProblemKind::NotPermitted);
}

#[tokio::test]
async fn a_rule_that_cannot_be_evaluated_refuses_and_is_told_once() {
    let (world, groups) = world();
    and(
        &groups,
        r#"
        @id("overflows") @satisfiedBy("a policy that can be evaluated")
        forbid (principal, action == Halligan::Action::"request", resource)
        when { context has durationSeconds && context.durationSeconds * 9223372036854775807 > 1 };
    "#,
    );
    let running = world.start();
    for _ in 0..3 {
        let problem = refused(&world, running.broker.request(&caller("alice"), ask()).await, ProblemKind::NotPermitted);
        assert_eq!(problem.rules, ["overflows"]);
    }
    let faulty = types(&world.store.entries()).iter().filter(|kind| *kind == "policy.faulty").count();
    assert_eq!(faulty, 1);
}

/// The permit doesn't count, those beside it do, and it is an alarm either way.
#[tokio::test]
async fn a_permit_that_cannot_be_evaluated_permits_nothing_and_is_told_once() {
    let (world, groups) = world();
    and(
        &groups,
        r#"
        @id("overflows") permit (principal, action == Halligan::Action::"request", resource)
        when { context has durationSeconds && context.durationSeconds * 9223372036854775807 > 1 };
    "#,
    );
    let running = world.start();
    for _ in 0..2 {
        let problem = refused(&world, running.broker.request(&caller("carol"), ask()).await, ProblemKind::NotPermitted);
        assert_eq!(problem.rules, ["requesters-may-ask", "overflows"], "those that could have");
    }
    running.broker.request(&caller("alice"), ask()).await.unwrap();
    let entries = world.store.entries();
    let told = entries.iter().filter_map(|entry| match &entry.sealed.entry.event {
        Event::PolicyFaulty { because } => Some(because.as_str()),
        _ => None,
    });
    let [told] = told.collect::<Vec<_>>()[..] else { panic!("it was told more than once, or not") };
    assert!(told.starts_with("policy `overflows` could not be evaluated: integer overflow"), "{told}");
}

/// Every use case that the policy decides leaves an entry with the rules that did.
#[tokio::test]
async fn the_record_names_the_rules_of_each_decision() {
    let mut doors = enrolled().await.0;
    doors.world.overrides =
        OverrideRules { confirmed_by: vec!["siem".to_owned()], longest: SignedDuration::from_hours(4) };
    doors.running = doors.world.start();
    let (world, broker) = (&doors.world, &doors.running.broker);
    let (alice, bob, carol) = (caller("alice"), caller("bob"), caller("carol"));
    let deploy = Caller { party: fixtures::machine(None), ..caller("alice") };
    let extended = async |grant: &Grant| {
        let extended = broker.extend(&alice, &id(grant), 600, "it takes longer").await.unwrap();
        let State::Active(Active { extension: Some(extension), .. }) = extended.state else { panic!("{extended:?}") };
        extension.hash.to_string()
    };

    let grant = active(broker).await;
    mint(broker, &grant).await.unwrap();
    let hash = extended(&grant).await;
    broker.acknowledge(&bob, &id(&grant), &hash, None).await.unwrap();
    extended(&grant).await;
    broker.decline(&bob, &id(&grant), "enough").await.unwrap();
    broker.revoke(&carol, &id(&grant), "it is fixed").await.unwrap();

    let grant = broker.request(&alice, ask()).await.unwrap();
    broker.decline(&bob, &id(&grant), "not now").await.unwrap();
    let grant = broker.request(&alice, emergency()).await.unwrap();
    mint(broker, &grant).await.unwrap();
    broker.decline(&bob, &id(&grant), "not now").await.unwrap();
    let grant = broker.request(&deploy, ask()).await.unwrap();
    for person in [&bob, &carol] {
        broker.acknowledge(person, &id(&grant), &grant.request_hash.to_string(), None).await.unwrap();
    }
    broker.mint(&deploy, &id(&grant)).await.unwrap();

    broker.override_log(&carol, 60, "both Regions are down").await.unwrap();
    broker.end_log_override(&carol).await.unwrap();
    let access = world.access.now();
    let office = Office { administrators: ["security".parse().unwrap()].into(), ..access.office.clone() };
    world.access.replace(Access { office, ..(*access).clone() });
    broker.sign_out_person(&carol, "alice", "the laptop was stolen").await.unwrap();
    broker.remove_passkey_of(&carol, "alice", &key(1).credential(), "it was stolen, too").await.unwrap();
    world.clock.advance(SignedDuration::from_secs(1));
    refused(world, broker.request(&carol, ask()).await, ProblemKind::NotPermitted);
    refused(world, broker.log_entry(&alice, 0).await, ProblemKind::NotPermitted);
    doors.sign_in("alice", true).await;
    doors.provider.set_down(true);
    doors.other.set_down(true);
    let asked = broker.identity().challenge_to_sign_in(None).await.unwrap();
    broker.identity().sign_in_by_passkey(&answer(&key(2), &asked), None).await.unwrap();

    insta::assert_snapshot!(decided(&world.store.entries()).join("\n"), @"
    grant.requested: requesters-may-ask
    grant.acknowledged: acknowledgers-may-answer, requesters-may-ask
    credentials.intended: requesters-may-ask, acknowledgers-may-answer
    extension.requested: requesters-may-ask
    extension.acknowledged: acknowledgers-may-answer, requesters-may-ask
    extension.declined: acknowledgers-may-answer
    grant.revoked: revokers-may-revoke
    grant.declined: acknowledgers-may-answer
    grant.requested: requesters-may-ask, emergency-starters-may-start
    credentials.intended: requesters-may-ask, emergency-starters-may-start
    grant.revoked: acknowledgers-may-answer
    log.override_granted: log-overriders-may-override
    log.override_ended: log-overriders-may-override
    person.signed_out: administrators-may-administer
    passkey.removed: administrators-may-administer
    action.refused: requesters-may-ask
    action.refused: log-readers-may-read
    session.opened: sign-in-by-provider
    session.opened: sign-in-by-passkey-while-provider-is-down
    ");
}

/// The entries of decisions with their rules, each kind once. None has none.
fn decided(entries: &[QueuedEntry]) -> Vec<String> {
    let mut seen = Vec::new();
    for entry in entries {
        let entry = serde_json::to_value(&entry.sealed.entry).unwrap();
        let (kind, data) = (entry["type"].as_str().unwrap(), &entry["data"]);
        if UNDECIDED.iter().any(|undecided| kind.starts_with(undecided)) {
            continue;
        }
        let rules: Vec<&str> =
            data["rules"].as_array().into_iter().flatten().filter_map(|rule| rule.as_str()).collect();
        assert!(!rules.is_empty(), "{entry}");
        let line = format!("{kind}: {}", rules.join(", "));
        if !seen.contains(&line) {
            seen.push(line);
        }
    }
    seen
}

/// What follows from a decision, or is the broker's own doing: no policy is asked.
const UNDECIDED: [&str; 6] =
    ["grant.activated", "extension.void", "credentials.issued", "passkey.enrolled", "passkey.noticed", "broker."];

#[tokio::test]
async fn a_person_removed_between_yes_and_mint_ends_it() {
    for removed in ["alice", "bob"] {
        let (world, groups) = world();
        let running = world.start();
        let grant = active(&running.broker).await;
        mint(&running.broker, &grant).await.unwrap();
        groups.remove(removed);
        refused(&world, mint(&running.broker, &grant).await, ProblemKind::UnlinkedPrincipal);
    }
}

/// AssumeRole takes its time: who is removed meanwhile stops what it minted from leaving.
#[tokio::test]
async fn a_person_removed_while_credentials_are_minted_ends_it() {
    for removed in ["alice", "bob"] {
        let (world, groups) = world();
        let running = world.start();
        let grant = active(&running.broker).await;
        world.aws.while_minting(move || groups.remove(removed));
        refused(&world, mint(&running.broker, &grant).await, ProblemKind::RightLost);
        let discarded = |event: &Event| match event {
            Event::CredentialsDiscarded { because, .. } => Some(because.clone()),
            _ => None,
        };
        let because = world.store.entries().iter().find_map(|entry| discarded(&entry.sealed.entry.event)).unwrap();
        assert!(because.contains(removed), "{because}");
    }
}

/// Nobody knows whether the incident is open: the built-in policies refuse, a team's own may
/// let it pass, and then the record says so.
#[tokio::test]
async fn an_incident_that_nobody_knows_is_the_policys_to_decide() {
    let (world, groups) = world();
    let running = world.start();
    world.incidents.set(fixtures::incident("INC-219"), IncidentStatus::Unknown { reason: "down".to_owned() });
    let problem = refused(&world, running.broker.request(&caller("alice"), ask()).await, ProblemKind::IncidentUnknown);
    assert_eq!(problem.rules, ["incident-must-be-known"]);

    let own = DEFAULT.replace("when { context has incident && !context.incident.known }", "when { false }");
    let source = Source { name: "own.cedar".to_owned(), text: own };
    groups.decide_by(PolicySet::load(&[source], &Known::default()).unwrap());
    let grant = running.broker.request(&caller("alice"), ask()).await.unwrap();
    running.broker.acknowledge(&caller("bob"), &id(&grant), &grant.request_hash.to_string(), None).await.unwrap();
    mint(&running.broker, &grant).await.unwrap();
    let told = |event: &Event| match event {
        Event::GrantRequested { incident_unknown, .. } | Event::GrantAcknowledged { incident_unknown, .. } => {
            Some(*incident_unknown)
        }
        _ => None,
    };
    let entries = world.store.entries();
    let told: Vec<bool> = entries.iter().filter_map(|entry| told(&entry.sealed.entry.event)).collect();
    assert_eq!(told, [true, true]);
    // Nobody gets past the rules that don't ask about the incident.
    refused(&world, running.broker.request(&caller("carol"), ask()).await, ProblemKind::IncidentUnknown);
}
