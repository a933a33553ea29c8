//! Machines ask and never acknowledge; two humans answer for them, neither of whom they act for.

use halligan_core::actor::Party;
use halligan_core::grant::Phase;
use halligan_engine::access::{Access, Directory, IssuerKind};
use halligan_engine::caller::Caller;
use halligan_engine::fakes::fixtures::{self, CI_ISSUER, ISSUER, machine, person};
use halligan_engine::fakes::world::caller;
use halligan_engine::problem::ProblemKind;

use crate::support::{ask, emergency, id, phase, refused, types, world};

fn deploy(on_behalf_of: Option<&str>) -> Caller {
    Caller { party: machine(on_behalf_of), ..caller("alice") }
}

#[tokio::test]
async fn a_machines_grant_needs_two_people_and_mints_for_the_machine_alone() {
    let (world, groups) = world();
    groups.put("alice", &["on-call", "leads"]);
    let running = world.start();
    let broker = &running.broker;
    let grant = broker.request(&deploy(Some("alice")), ask()).await.unwrap();
    let (name, hash) = (id(&grant), grant.request_hash.to_string());

    let own = broker.acknowledge(&caller("alice"), &name, &hash, None).await;
    refused(&world, own, ProblemKind::SamePerson);
    let itself = broker.acknowledge(&deploy(None), &name, &hash, None).await;
    refused(&world, itself, ProblemKind::NotPermitted);
    broker.acknowledge(&caller("bob"), &name, &hash, None).await.unwrap();
    assert_eq!(phase(&world, &grant).await, Phase::Pending, "one person is not two");
    let mint = broker.mint(&deploy(Some("alice")), &name).await;
    refused(&world, mint, ProblemKind::WrongState);
    let again = broker.acknowledge(&caller("bob"), &name, &hash, None).await;
    refused(&world, again, ProblemKind::SamePerson);
    broker.acknowledge(&caller("carol"), &name, &hash, None).await.unwrap();
    assert_eq!(phase(&world, &grant).await, Phase::Active);

    for stranger in [caller("alice"), caller("bob"), deploy(None), deploy(Some("bob"))] {
        refused(&world, broker.mint(&stranger, &name).await, ProblemKind::NotRequester);
    }
    let minted = broker.mint(&deploy(Some("alice")), &name).await.unwrap();
    assert!(world.aws.allows(&minted.credentials.access_key_id));
    let entries = world.store.entries();
    let requested = entries.iter().find(|e| e.sealed.entry.event.kind() == "grant.requested").unwrap();
    assert!(matches!(&requested.sealed.entry.actor.party, Some(Party::Machine(m)) if m.on_behalf_of.is_some()));
}

/// Whom a token means is asked again: who set a machine off can't say yes because its request was
/// somebody else's when it was asked for.
#[tokio::test]
async fn a_request_ends_with_the_name_that_it_was_asked_for_under() {
    let called = |names: &[(&str, &str)], human_claim: Option<&str>| {
        let groups = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let people =
            [("alice", groups(&["on-call", "leads"])), ("bob", groups(&["leads"])), ("carol", groups(&["leads"]))];
        let access = fixtures::access(people.map(|(name, groups)| (person(name), groups)).into());
        let mut people = access.directory.people().clone();
        for (name, value) in names {
            let name = people.get_mut(&person(name)).unwrap();
            name.named.insert((CI_ISSUER.to_owned(), "actor".to_owned(), (*value).to_owned()));
        }
        let mut rules = [ISSUER, CI_ISSUER].map(|issuer| access.directory.rules(issuer).unwrap().clone());
        if let IssuerKind::Machines(machines) = &mut rules[1].kind {
            machines[0].human_claim = human_claim.map(str::to_owned);
        }
        let directory = Directory::new(rules.to_vec(), people, access.directory.machines().clone());
        Access { directory, ..access }
    };
    for (case, named, human_claim) in [
        ("it is bob's name", &[("bob", "octo")][..], Some("actor")),
        ("it is nobody's", &[], Some("actor")),
        ("another claim says it", &[("alice", "octo")], Some("actor_id")),
    ] {
        let (world, _) = world();
        world.access.replace(called(&[("alice", "octo")], Some("actor")));
        let running = world.start();
        let broker = &running.broker;
        let grant = broker.request(&deploy(Some("alice")), ask()).await.unwrap();
        let (name, hash) = (id(&grant), grant.request_hash.to_string());
        broker.acknowledge(&caller("carol"), &name, &hash, None).await.unwrap();
        world.access.replace(called(named, human_claim));
        let yes = broker.acknowledge(&caller("bob"), &name, &hash, None).await;
        refused(&world, yes, ProblemKind::UnlinkedPrincipal);
        assert_eq!(phase(&world, &grant).await, Phase::Pending, "{case}");

        world.access.replace(called(&[("alice", "octo")], Some("actor")));
        broker.acknowledge(&caller("bob"), &name, &hash, None).await.unwrap();
        broker.mint(&deploy(Some("alice")), &name).await.unwrap();
        world.access.replace(called(named, human_claim));
        let mint = broker.mint(&deploy(Some("alice")), &name).await;
        refused(&world, mint, ProblemKind::UnlinkedPrincipal);
    }
    // One that nobody was named for is nobody's once a name is demanded.
    let (world, _) = world();
    world.access.replace(called(&[], None));
    let running = world.start();
    let grant = running.broker.request(&deploy(None), ask()).await.unwrap();
    world.access.replace(called(&[], Some("actor")));
    let yes = running.broker.acknowledge(&caller("bob"), &id(&grant), &grant.request_hash.to_string(), None).await;
    refused(&world, yes, ProblemKind::UnlinkedPrincipal);
}

/// Of two who said yes, each still must be one who may.
#[tokio::test]
async fn either_of_the_two_who_loses_the_right_stops_the_machine() {
    for loses in ["bob", "carol"] {
        let (world, groups) = world();
        let running = world.start();
        let broker = &running.broker;
        let grant = broker.request(&deploy(None), ask()).await.unwrap();
        for person in ["bob", "carol"] {
            broker.acknowledge(&caller(person), &id(&grant), &grant.request_hash.to_string(), None).await.unwrap();
        }
        broker.mint(&deploy(None), &id(&grant)).await.unwrap();
        groups.put(loses, &["on-call"]);
        refused(&world, broker.mint(&deploy(None), &id(&grant)).await, ProblemKind::NotPermitted);
    }
}

#[tokio::test]
async fn what_only_people_do_no_machine_does() {
    let (world, _) = world();
    let running = world.start();
    let broker = &running.broker;
    refused(&world, broker.request(&deploy(None), emergency()).await, ProblemKind::NotPermitted);
    let grant = broker.request(&caller("alice"), ask()).await.unwrap();
    let name = id(&grant);
    refused(&world, broker.decline(&deploy(None), &name, "no").await, ProblemKind::NotPermitted);
    refused(&world, broker.revoke(&deploy(None), &name, "no").await, ProblemKind::NotPermitted);
    refused(&world, broker.extend(&deploy(None), &name, 60, "more").await, ProblemKind::NotPermitted);
    refused(&world, broker.override_log(&deploy(None), 60, "down").await, ProblemKind::NotPermitted);
    refused(&world, broker.withdraw(&deploy(None), &name).await, ProblemKind::NotRequester);
    // Its own it takes back.
    let own = broker.request(&deploy(None), ask()).await.unwrap();
    assert_eq!(broker.withdraw(&deploy(None), &id(&own)).await.unwrap().phase(), Phase::Withdrawn);
    assert!(types(&world.store.entries()).contains(&"action.refused".to_owned()));
}
