//! The log's key changes: what it signed before stays verifiable, and the change is in the log.

use serde_json::{Value, json};
use toml::Table;

use crate::support::bucket::key;
use crate::support::{World, eventually};

fn id(grant: &Value) -> &str {
    grant["id"].as_str().unwrap()
}

/// `[log.key]`.
fn sign_with(world: &mut World, file: &str, former: &[&str]) {
    let section: Table = format!("file = \"{file}\"\nformer = {former:?}").parse().unwrap();
    world.config["log"].as_table_mut().unwrap().insert("key".into(), section.into());
    world.configure();
}

#[tokio::test]
async fn a_log_outlives_its_key() {
    let mut world = World::without_broker().await;
    let first = key(&world).await;
    sign_with(&mut world, "log.key", &[]);
    let configuration = world.directory().join("halligan.toml");
    let file = world.directory().join("second.key");
    let arguments = ["log", "keygen", "--config", configuration.to_str().unwrap(), file.to_str().unwrap(), "--json"];
    let made = world.cli("alice", &arguments).await.ok().json();
    let second = made["public_key"].as_str().unwrap();

    world.broker.start().await;
    let grant = world.active(3_600).await;
    world.mint(id(&grant)).await.ok();
    let log = world.log_directory();
    let (log, proof) = (log.to_str().unwrap(), world.directory().join("proof.json"));
    let proof = proof.to_str().unwrap();
    world.cli("alice", &["log", "prove", id(&grant), "--dir", log, "--key", &first, "--out", proof]).await.ok();
    assert!(world.broker.stop().await.success());

    // Without the former key it might be anybody's log.
    sign_with(&mut world, "second.key", &[]);
    world.broker.spawn();
    let refusal = eventually("a refusal to go on", async || {
        let mut failing = world.broker.trace().into_iter().filter(|line| line["alarm"] == "log.place_failing");
        failing.next().map(|line| line["because"].to_string())
    })
    .await;
    assert!(refusal.contains("none of the log's keys signed it"), "{refusal}");
    let ready = eventually("an answer", async || {
        let answer = world.http().get(format!("{}/readyz", world.broker.url)).send().await;
        answer.ok().map(|answer| answer.status().as_u16())
    })
    .await;
    assert_eq!(ready, 503);
    world.broker.kill().await;

    sign_with(&mut world, "second.key", &[&first]);
    world.broker.start().await;
    let changed = world.logged("the change", |entry| entry.kind() == "log.key_changed").await;
    assert_eq!(changed.data(), &json!({"before": first, "after": second}));
    assert!(world.broker.trace().iter().any(|line| line["alarm"] == "log.key_changed"));
    world.mint(id(&grant)).await.ok();
    world.post("carol", "/v1/revocations", &json!({"all": true, "reason": "over"})).await.ok();
    world.contained(id(&grant)).await;

    let verify = async |keys: &[&str]| {
        let mut arguments = vec!["log", "verify", "--deployment", "test", "--dir", log, "--json"];
        arguments.extend(keys.iter().flat_map(|key| ["--key", key]));
        world.cli("alice", &arguments).await
    };
    let whole = verify(&[second, &first]).await.ok().json();
    assert_eq!((&whole["sound"], &whole["checkpoint"]["key"]), (&json!(true), &json!(second)), "{whole:#}");
    assert_eq!(verify(&[&first]).await.code, 1, "the key of before signs no more");
    world.cli("alice", &["log", "check-proof", proof, "--key", second, "--key", &first]).await.ok();
    world.cli("alice", &["log", "check-proof", proof, "--key", &first]).await.ok();
    assert_eq!(world.cli("alice", &["log", "check-proof", proof, "--key", second]).await.code, 1);
    world.done().await;
}
