//! P6: killed at any write, the next start finds nothing lost, nothing done
//! twice, nothing open that was ended.

use std::collections::BTreeSet;

use halligan_core::grant::{Phase, State};
use halligan_engine::fakes::store::Fault;
use halligan_engine::fakes::world::{FakeWorld, caller};
use halligan_engine::ports::{GrantStore as _, QueuedEntry};
use serde_json::Value;

use crate::support::{advance, ask, id, types, world};

/// A story in which each step is tried again until it went through, as people do.
/// Returns the keys that reached somebody.
async fn story(world: &FakeWorld) -> Vec<String> {
    let mut received = Vec::new();
    let running = world.start();
    let Ok(grant) = running.broker.request(&caller("alice"), ask()).await else { return received };
    let hash = grant.request_hash.to_string();
    drop(running.broker.acknowledge(&caller("bob"), &id(&grant), &hash, None).await);
    for _ in 0..2 {
        if let Ok(minted) = running.broker.mint(&caller("alice"), &id(&grant)).await {
            received.push(minted.credentials.access_key_id);
        }
    }
    drop(running.broker.revoke(&caller("carol"), &id(&grant), "stop").await);
    drop(running.settle().await);
    received
}

fn json(entry: &QueuedEntry) -> Value {
    serde_json::to_value(&entry.sealed.entry).unwrap()
}

/// Everything that must be true after a restart, whatever went wrong.
async fn check(world: &FakeWorld, received: &[String], what: &str) {
    let durable = world.store.entries();
    let published: Vec<Value> = durable.iter().map(json).collect();
    assert_eq!(world.archive.entries(), published, "{what}: the log is not what the store says");
    for (index, entry) in durable.iter().enumerate() {
        assert_eq!(entry.position, index as u64 + 1, "{what}: a gap in the log");
    }
    let times: Vec<_> = durable.iter().map(|entry| entry.sealed.entry.time).collect();
    assert!(times.is_sorted(), "{what}: entry time went back");

    let issued: Vec<Value> = durable.iter().map(json).filter(|e| e["type"] == "credentials.issued").collect();
    let intended: BTreeSet<String> = durable
        .iter()
        .map(json)
        .filter(|e| e["type"] == "credentials.intended")
        .map(|e| e["data"]["mint"].to_string())
        .collect();
    for entry in &issued {
        assert!(intended.contains(&entry["data"]["mint"].to_string()), "{what}: issued without intent");
    }
    let known: BTreeSet<String> =
        issued.iter().map(|e| e["data"]["access_key_id"].as_str().unwrap().to_owned()).collect();
    for key in received {
        assert!(known.contains(key), "{what}: {key} left without a record");
    }
    let grants = world.store.grants(&halligan_engine::ports::Filter::default(), 100).await.unwrap().grants;
    assert!(grants.len() <= 1, "{what}: a grant was made twice");
    let activations = types(&durable).into_iter().filter(|name| name == "grant.activated").count();
    assert!(activations <= 1, "{what}: activated twice");
    for found in grants {
        let over = matches!(found.grant.state, State::Ended(_) | State::Dropped(_));
        if over {
            for (key, tag) in world.aws.sessions() {
                assert!(tag != found.grant.request.id || !world.aws.allows(&key), "{what}: {key} works after its end");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_write_may_fail_or_be_lost() {
    let (clean, _) = world();
    let received = story(&clean).await;
    check(&clean, &received, "no fault").await;
    let writes = clean.store.writes();
    assert!(writes > 15, "the story has too few steps to tell anything: {writes}");

    for nth in 0..writes {
        for fault in [Fault::NotDone, Fault::Done] {
            let what = format!("write {nth} {fault:?}");
            let (world, _) = world();
            world.store.fail_write(nth, fault);
            let received = story(&world).await;
            // The process dies, and another takes over when its leases have ended.
            let running = world.start();
            for _ in 0..4 {
                advance(&world, 61);
                drop(running.settle().await);
            }
            check(&world, &received, &what).await;
            let left = world.store.grants(&halligan_engine::ports::Filter::default(), 1).await.unwrap().grants;
            if let Some(found) = left.first().filter(|found| found.grant.phase() == Phase::Active) {
                // Where the revocation itself was lost, people do it again.
                running.broker.revoke(&caller("carol"), &id(&found.grant), "stop").await.unwrap();
                running.settle().await.unwrap();
                check(&world, &received, &format!("{what}, then revoked")).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_put_that_fails_or_is_lost_is_made_good() {
    // A publication puts a bundle, a tile, a successor and the checkpoint.
    for (fault, put) in [Fault::NotDone, Fault::Done].into_iter().flat_map(|fault| (0..5).map(move |put| (fault, put)))
    {
        for nth in 0..4 {
            let (world, _) = world();
            let running = world.start();
            let grant = crate::support::active(&running.broker).await;
            let mut received = Vec::new();
            for step in 0..4 {
                if step == nth {
                    world.archive.fail_put(put, fault);
                }
                received.push(crate::support::minted(&running.broker, &grant).await);
            }
            running.settle().await.unwrap();
            check(&world, &received, &format!("mint {nth}, put {put} {fault:?}")).await;
        }
    }
}

#[tokio::test]
async fn two_at_once_win_once() {
    let (world, _) = world();
    let (one, two) = (world.start(), world.start());
    let grant = one.broker.request(&caller("alice"), ask()).await.unwrap();
    let (id, hash) = (id(&grant), grant.request_hash.to_string());
    let (bob, carol) = (caller("bob"), caller("carol"));
    let both =
        tokio::join!(one.broker.acknowledge(&bob, &id, &hash, None), two.broker.acknowledge(&carol, &id, &hash, None));
    assert_eq!([both.0.is_ok(), both.1.is_ok()].into_iter().filter(|won| *won).count(), 1);
    let activations = types(&world.store.entries()).into_iter().filter(|name| name == "grant.activated").count();
    assert_eq!(activations, 1);
}

#[tokio::test]
async fn a_restarted_replica_goes_on_at_once_and_another_serves_beside_it() {
    let (world, _) = world();
    let (one, two) = (world.start_as("one"), world.start_as("two"));
    let grant = crate::support::active(&one.broker).await;
    let first = crate::support::minted(&one.broker, &grant).await;
    let second = crate::support::minted(&two.broker, &grant).await;
    one.broker.revoke(&caller("carol"), &id(&grant), "stop").await.unwrap();
    // It dies with its leases, and no time passes.
    drop(one);
    let again = world.start_as("one");
    again.settle().await.unwrap();
    assert!(!world.aws.allows(&first) && !world.aws.allows(&second));
    check(&world, &[first, second], "restarted").await;
}
