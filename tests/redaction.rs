//! Credentials and tokens are in memory and in one answer, nowhere else: [`World::done`]
//! looks for them after every test. Here the broker tells all that it can.

use serde_json::json;

use crate::support::{World, list};

#[tokio::test]
async fn no_secret_is_told_at_any_level_of_detail() {
    let mut world = World::without_broker().await;
    world.configure();
    world.broker.set("HALLIGAN_LOG", "trace");
    world.broker.start().await;
    let grant = world.active(600).await;
    let id = grant["id"].as_str().unwrap();
    let held = world.mint(id).await.ok();
    list(&world.visitor(&held)).await;
    for format in ["process", "env", "json"] {
        world.cli("alice", &["credentials", id, "--format", format]).await.ok();
    }
    world.cli("alice", &["exec", id, "--", "true"]).await.ok();
    let token = world.cli("alice", &["token", "new", "--as", "alice", "--key"]).await;
    assert_eq!(token.code, 2, "no key, no token: {token:?}");
    let key = world.home().join("profiles/alice.pem").display().to_string();
    world.cli("alice", &["token", "new", "--json", "--as", "alice", "--key", &key]).await.ok();
    // A token that is refused may be somebody's all the same.
    let other = world.person("bob").token();
    let (stolen, _) = other.rsplit_once('.').unwrap();
    world.send(world.call(reqwest::Method::GET, "/v1/me", &format!("{stolen}.AAAA"))).await.problem("unauthenticated");
    world.post("carol", &format!("/v1/grants/{id}/revoke"), &json!({"reason": "over"})).await.ok();
    world.contained(id).await;
    world.mint(id).await.problem("wrong-state");

    let trace = world.broker.trace_text();
    assert!(trace.contains("TRACE"), "it tells all that it can");
    // Its own, the revoker's, the probes', alice's; and what carried a bearer token.
    assert!(world.secrets().len() > 15, "{} secrets", world.secrets().len());
    // Whoever looks for them would find them.
    let planted = world.directory().join("planted");
    std::fs::write(&planted, format!("x{}x", held["SecretAccessKey"].as_str().unwrap())).unwrap();
    assert_eq!(world.told_secrets(), [planted.display().to_string()]);
    std::fs::remove_file(planted).unwrap();
    world.done().await;
}
