//! A later end is judged by how long the grant comes to with it, at each step.

use halligan_core::grant::{Active, Grant, State};
use halligan_engine::broker::Broker;
use halligan_engine::caller::RequestAsk;
use halligan_engine::fakes::world::caller;
use halligan_engine::problem::ProblemKind;

use crate::policies::and;
use crate::support::{active, ask, id, mint, refused, world};

/// alice's grant of an hour, on bob's plain yes.
async fn an_hour(broker: &Broker) -> Grant {
    let grant = broker.request(&caller("alice"), RequestAsk { duration_seconds: 3_600, ..ask() }).await.unwrap();
    broker.acknowledge(&caller("bob"), &id(&grant), &grant.request_hash.to_string(), None).await.unwrap()
}

/// alice asks for so much more; returns what a yes to that is bound to.
async fn later(broker: &Broker, grant: &Grant, seconds: i64) -> String {
    let extended = broker.extend(&caller("alice"), &id(grant), seconds, "it takes longer").await.unwrap();
    let State::Active(Active { extension: Some(extension), .. }) = extended.state else { panic!("{extended:?}") };
    extension.hash.to_string()
}

/// A rule that stops `who` from doing `action` to what lasts longer than an hour.
fn an_hour_at_most(who: &str, action: &str) -> String {
    format!(
        r#"
        @id("an-hour-at-most") @satisfiedBy("sign it with a passkey, or an hour at most")
        forbid (principal{who}, action == Halligan::Action::"{action}", resource)
        when {{ context has durationSeconds && context.durationSeconds > 3600 }}
        unless {{ context.signed }};
        "#
    )
}

/// A limit can't be passed by asking for little first and for the rest afterwards.
#[tokio::test]
async fn the_yes_and_the_no_to_a_later_end_are_judged_by_what_it_comes_to() {
    let (world, groups) = world();
    let running = world.start();
    let broker = &running.broker;
    and(&groups, &an_hour_at_most("", "acknowledge"));
    let grant = an_hour(broker).await;
    let hash = later(broker, &grant, 10_800).await;
    let yes = broker.acknowledge(&caller("carol"), &id(&grant), &hash, None).await;
    assert_eq!(refused(&world, yes, ProblemKind::NotPermitted).rules, ["an-hour-at-most"]);
    // Who asks for a later end is judged by `extend`; what they asked for first is what it was.
    and(&groups, &an_hour_at_most("", "request"));
    broker.acknowledge(&caller("carol"), &id(&grant), &hash, None).await.unwrap();

    and(&groups, &an_hour_at_most("", "decline"));
    let grant = an_hour(broker).await;
    later(broker, &grant, 1).await;
    let no = broker.decline(&caller("carol"), &id(&grant), "enough").await;
    assert_eq!(refused(&world, no, ProblemKind::NotPermitted).rules, ["an-hour-at-most"]);
}

/// Whoever said yes to the later end is asked about at each mint, as who said yes at first.
#[tokio::test]
async fn who_acknowledged_a_later_end_still_must_be_one_who_may() {
    for extender in ["bob", "carol"] {
        let (world, groups) = world();
        let running = world.start();
        let broker = &running.broker;
        let grant = active(broker).await;
        let hash = later(broker, &grant, 10_800).await;
        broker.acknowledge(&caller(extender), &id(&grant), &hash, None).await.unwrap();
        mint(broker, &grant).await.unwrap();

        groups.put(extender, &[]);
        refused(&world, mint(broker, &grant).await, ProblemKind::NotPermitted);
        groups.put(extender, &["leads"]);
        mint(broker, &grant).await.unwrap();
        groups.remove(extender);
        refused(&world, mint(broker, &grant).await, ProblemKind::UnlinkedPrincipal);
    }
}

/// Each mint is judged by all of the grant, and each yes by what it was said to: bob, who may say
/// yes to an hour, doesn't lose it because carol said yes to more.
#[tokio::test]
async fn a_mint_is_judged_by_the_whole_and_each_yes_by_its_own_part() {
    let (world, groups) = world();
    let running = world.start();
    let broker = &running.broker;
    let grant = an_hour(broker).await;
    let hash = later(broker, &grant, 7_200).await;
    broker.acknowledge(&caller("carol"), &id(&grant), &hash, None).await.unwrap();

    let bob = r#" == Halligan::Person::"bob""#;
    and(&groups, &an_hour_at_most(bob, "acknowledge"));
    mint(broker, &grant).await.unwrap();
    and(&groups, &an_hour_at_most("", "mint"));
    let minted = mint(broker, &grant).await;
    assert_eq!(refused(&world, minted, ProblemKind::NotPermitted).rules, ["an-hour-at-most"]);
    // One that nobody extended is as long as it was.
    let grant = an_hour(broker).await;
    mint(broker, &grant).await.unwrap();
}
