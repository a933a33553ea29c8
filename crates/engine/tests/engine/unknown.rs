//! What nobody knows when a policy is asked: somebody's groups, whether providers answer,
//! who the other person is. It never passes for an answer.

use std::collections::BTreeSet;

use halligan_core::grant::Phase;
use halligan_core::id::GroupId;
use halligan_engine::access::{Access, Directory, GroupsClaim, IssuerRules};
use halligan_engine::caller::Caller;
use halligan_engine::fakes::fixtures::{CI_ISSUER, ISSUER, human, machine};
use halligan_engine::fakes::world::{FakeWorld, caller};
use halligan_engine::ports::{Claims, Clock as _, LoginGroups as _};
use halligan_engine::problem::ProblemKind;
use halligan_engine::reconcile::{Reconciler as _, SignIns};
use halligan_policy::{DEFAULT, Known, PolicySet, Source};
use jiff::SignedDuration;
use serde_json::json;

use crate::sign_ins::doors;
use crate::support::{active, ask, id, mint, phase, refused, world};

/// The built-in policies, and this one, which may name these groups.
fn and(text: &str) -> PolicySet {
    let groups = ["on-call", "leads", "security", "contractors", "platform"];
    let known = Known { groups: groups.map(|name| name.parse().unwrap()).into(), ..Known::default() };
    PolicySet::load(&[Source::new("default.cedar", DEFAULT), Source::new("more.cedar", text)], &known)
        .unwrap_or_else(|errors| panic!("{}", errors[0]))
}

const NO_CONTRACTORS: &str = r#"
    @id("no-contractors") @satisfiedBy("let somebody of ours ask and answer")
    forbid (
        principal in Halligan::Group::"contractors",
        action in [Halligan::Action::"request", Halligan::Action::"acknowledge"],
        resource
    );
"#;

/// The fixtures' people, whose provider says in `groups` who is a contractor or a guest.
fn said_by_tokens(policies: PolicySet) -> FakeWorld {
    let (world, _) = world();
    let access = world.access.now();
    let rules = |issuer: &str| access.directory.rules(issuer).unwrap().clone();
    let map = ["contractors", "guests"].map(|name| (format!("eng-{name}"), name.parse().unwrap()));
    let people =
        IssuerRules { groups: Some(GroupsClaim { claim: "groups".to_owned(), map: map.into() }), ..rules(ISSUER) };
    let directory = Directory::new(
        vec![people, rules(CI_ISSUER)],
        access.directory.people().clone(),
        access.directory.machines().clone(),
    );
    world.access.replace(Access { directory, policies, ..(*access).clone() });
    world
}

async fn say(world: &FakeWorld, person: &str, groups: &[&str]) {
    let groups: BTreeSet<GroupId> = groups.iter().map(|name| name.parse().unwrap()).collect();
    world.store.saw_groups(&human(person).principal, &groups, world.clock.now()).await.unwrap();
}

#[tokio::test]
async fn a_forbid_by_group_refuses_whoever_it_could_be() {
    let world = said_by_tokens(and(NO_CONTRACTORS));
    let running = world.start();
    let broker = &running.broker;
    let problem = refused(&world, broker.request(&caller("alice"), ask()).await, ProblemKind::NotPermitted);
    assert_eq!(problem.rules, ["no-contractors"]);
    assert_eq!(problem.unmet, ["sign in again, so that your groups are known: `contractors` may be one of them"]);
    assert_eq!(problem.obligations, [], "nothing that a page can offer");
    // A token that doesn't say is no word; one that does is.
    let token = |groups: Option<serde_json::Value>| {
        let mut claims = Claims::from_iter([("sub".to_owned(), json!("alice"))]);
        claims.extend(groups.map(|groups| ("groups".to_owned(), groups)));
        claims
    };
    broker.identity().bearer(ISSUER, &token(None)).await.unwrap();
    refused(&world, broker.request(&caller("alice"), ask()).await, ProblemKind::NotPermitted);
    broker.identity().bearer(ISSUER, &token(Some(json!([])))).await.unwrap();
    broker.request(&caller("alice"), ask()).await.unwrap();
    // It holds for as long as groups are kept.
    world.clock.advance(SignedDuration::from_hours(12));
    broker.request(&caller("alice"), ask()).await.unwrap();
    world.clock.advance(SignedDuration::from_secs(1));
    refused(&world, broker.request(&caller("alice"), ask()).await, ProblemKind::NotPermitted);
    say(&world, "alice", &["contractors"]).await;
    let problem = refused(&world, broker.request(&caller("alice"), ask()).await, ProblemKind::NotPermitted);
    assert_eq!(problem.unmet, ["let somebody of ours ask and answer"]);
}

/// As after an import, which forgets all of it: a yes counts for nothing while nobody knows whether it may.
#[tokio::test]
async fn an_acknowledgers_groups_that_are_forgotten_stop_the_mint() {
    let world = said_by_tokens(and(NO_CONTRACTORS));
    let running = world.start();
    say(&world, "alice", &[]).await;
    say(&world, "bob", &["guests"]).await;
    let grant = active(&running.broker).await;
    mint(&running.broker, &grant).await.unwrap();
    world.store.forget_groups(world.clock.now() + SignedDuration::from_secs(1), 9).await.unwrap();
    say(&world, "alice", &[]).await;
    let problem = refused(&world, mint(&running.broker, &grant).await, ProblemKind::NotPermitted);
    assert_eq!(problem.rules, ["no-contractors"]);
    say(&world, "bob", &[]).await;
    mint(&running.broker, &grant).await.unwrap();
}

/// Groups of the configuration, and of a claim that can't say the group, are known.
#[tokio::test]
async fn what_no_token_can_say_is_known() {
    let other = NO_CONTRACTORS.replace("\"contractors\"", "\"platform\"");
    for policies in [PolicySet::defaults(), and(&other)] {
        let world = said_by_tokens(policies);
        let running = world.start();
        mint(&running.broker, &active(&running.broker).await).await.unwrap();
    }
}

const ONLY_THE_WORST: &str = r#"
    @id("only-the-worst") @satisfiedBy("wait until the identity provider answers")
    forbid (principal, action == Halligan::Action::"request", resource)
    unless { context has providerDown && !context.providerDown };
"#;

/// Each decision sees what was last seen, and none waits for a provider.
#[tokio::test]
async fn policies_know_whether_providers_answer() {
    let doors = doors();
    let policies = and(ONLY_THE_WORST);
    doors.world.access.replace(Access { policies, ..(*doors.world.access.now()).clone() });
    let broker = &doors.running.broker;
    let (alice, clock) = (caller("alice"), &doors.world.clock);
    let reconciler = SignIns::new(broker.clone());
    let look = async || {
        clock.advance(SignedDuration::from_mins(1));
        reconciler.tick(clock.now()).await.unwrap();
    };
    let refuses = async |why: &str| {
        let problem = refused(&doors.world, broker.request(&alice, ask()).await, ProblemKind::NotPermitted);
        assert_eq!(problem.rules, ["only-the-worst"], "{why}");
    };
    refuses("nobody has looked").await;
    look().await;
    broker.request(&alice, ask()).await.unwrap();
    doors.provider.set_down(true);
    look().await;
    broker.request(&alice, ask()).await.unwrap();
    doors.other.set_down(true);
    broker.request(&alice, ask()).await.unwrap();
    look().await;
    refuses("both are down").await;
    doors.other.set_down(false);
    refuses("nobody has looked since").await;
    look().await;
    broker.request(&alice, ask()).await.unwrap();
    clock.advance(SignedDuration::from_mins(3));
    refuses("nobody has looked lately").await;
    // Who signs in has seen one answer.
    doors.provider.set_down(false);
    doors.sign_in("alice", false).await;
    broker.request(&alice, ask()).await.unwrap();
}

const TWO_TEAMS: &str = r#"
    @id("two-teams") @satisfiedBy("let somebody from another team acknowledge")
    forbid (principal in Halligan::Group::"platform", action == Halligan::Action::"acknowledge", resource)
    when { context has acknowledger && context.acknowledger in Halligan::Group::"platform" };
"#;

/// Of the two people that a machine's request needs, each is asked about with the other.
#[tokio::test]
async fn a_policy_tells_the_two_people_of_a_machines_request_apart() {
    let (world, groups) = world();
    let running = world.start();
    let broker = &running.broker;
    let deploy = Caller { party: machine(None), ..caller("alice") };
    let teams = |bob: &[&str], carol: &[&str]| {
        groups.put("bob", bob);
        groups.put("carol", carol);
        world.access.replace(Access { policies: and(TWO_TEAMS), ..(*world.access.now()).clone() });
    };
    let acknowledge = async |name: &str, grant: &halligan_core::grant::Grant| {
        broker.acknowledge(&caller(name), &id(grant), &grant.request_hash.to_string(), None).await
    };
    teams(&["leads", "platform"], &["leads", "platform"]);
    let grant = broker.request(&deploy, ask()).await.unwrap();
    acknowledge("bob", &grant).await.unwrap();
    let problem = refused(&world, acknowledge("carol", &grant).await, ProblemKind::NotPermitted);
    assert_eq!(problem.rules, ["two-teams"]);
    teams(&["leads", "platform"], &["leads"]);
    acknowledge("carol", &grant).await.unwrap();
    assert_eq!(phase(&world, &grant).await, Phase::Active);
    broker.mint(&deploy, &id(&grant)).await.unwrap();
    // Whoever comes to be of one team later, or said yes at the very same time, is found at the mint.
    teams(&["leads", "platform"], &["leads", "platform"]);
    let problem = refused(&world, broker.mint(&deploy, &id(&grant)).await, ProblemKind::NotPermitted);
    assert_eq!(problem.rules, ["two-teams"]);
    // A person's request needs one: there is no other.
    mint(broker, &active(broker).await).await.unwrap();
}
