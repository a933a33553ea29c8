//! The configuration read again while the broker serves: whose tokens are taken, who may do
//! what, and what becomes of files that can't be used.

use std::fs;

use jsonwebtoken::{Algorithm, Header};
use reqwest::Method;
use serde_json::{Value, json};
use toml::Value as Toml;

use crate::support::log::Entry;
use crate::support::stand_in::free_port;
use crate::support::{Person, World, eventually};

const POLICY: &str = include_str!("../policies/default.cedar");

/// Whether the token is taken, and as whose.
async fn who(world: &World, token: &str) -> Result<String, u16> {
    let reply = world.send(world.call(Method::GET, "/v1/me", token)).await;
    if reply.status == 200 { Ok(reply.body["name"].as_str().unwrap().to_owned()) } else { Err(reply.status) }
}

/// A token of that login, signed by this key.
fn signed_by(key: &Person, login: &Person) -> String {
    key.sign(&Header::new(Algorithm::EdDSA), &login.claims())
}

fn issuer<'a>(world: &'a mut World, issuer: &str) -> &'a mut toml::Table {
    let issuers = world.config["issuers"].as_array_mut().unwrap();
    let found = issuers.iter_mut().find(|found| found["issuer"].as_str() == Some(issuer));
    found.unwrap().as_table_mut().unwrap()
}

/// Writes the configuration and tells the broker.
fn reload(world: &World) {
    world.configure();
    world.broker.hang_up();
}

/// Waits for the `nth` entry of this type, from 1, and for its alarm, which follows what it tells of.
async fn told(world: &World, kind: &str, nth: usize) -> Entry {
    eventually(kind, async || {
        let alarmed = world.broker.trace().into_iter().filter(|line| line["alarm"] == kind).count();
        (alarmed >= nth).then_some(())
    })
    .await;
    eventually(kind, async || {
        let mut found: Vec<Entry> = world.log().into_iter().filter(|entry| entry.kind() == kind).collect();
        (found.len() >= nth).then(|| found.swap_remove(nth - 1))
    })
    .await
}

fn because(entry: &Entry) -> String {
    entry.data()["because"].to_string()
}

#[tokio::test]
async fn a_key_that_is_taken_out_counts_for_nothing_and_a_broken_file_changes_nothing() {
    let mut world = World::new().await;
    let next = Person::new("alice-next", &world.home(), &world.broker.url).await;
    let (stolen, renewed) = (world.person("alice").token(), signed_by(&next, world.person("alice")));
    assert_eq!(who(&world, &stolen).await, Ok("alice".to_owned()));
    assert_eq!(who(&world, &renewed).await, Err(401));
    let key = |pem: &str| Toml::Array(vec![Toml::Table([("pem".to_owned(), pem.into())].into_iter().collect())]);

    let pem = key(&next.public_pem);
    issuer(&mut world, "halligan:alice").insert("keys".to_owned(), pem);
    reload(&world);
    let changed = told(&world, "policy.changed", 1).await;
    eventually("the end of a key", async || (who(&world, &stolen).await == Err(401)).then_some(())).await;
    assert_eq!(who(&world, &renewed).await, Ok("alice".to_owned()));
    assert_ne!(changed.data()["before"], changed.data()["after"]);
    // Others are taken as before.
    assert_eq!(who(&world, &world.person("bob").token()).await, Ok("bob".to_owned()));

    // A file that can't be used is told, with its reason, and everything stays.
    let sound = world.config.clone();
    issuer(&mut world, "halligan:alice").insert("keys".to_owned(), key("no key"));
    issuer(&mut world, "halligan:bob").insert("audience".to_owned(), "".into());
    reload(&world);
    let rejected = told(&world, "policy.rejected", 1).await;
    assert_eq!(rejected.data()["kept"], changed.data()["after"]);
    assert!(because(&rejected).contains("issuers[0]") && because(&rejected).contains("issuers["), "{rejected:?}");
    fs::write(world.directory().join("halligan.toml"), "[people").unwrap();
    world.broker.hang_up();
    world
        .logged("a file that is none", |entry| {
            entry.kind() == "policy.rejected" && because(entry).contains("TOML parse error at line 1")
        })
        .await;
    assert_eq!(who(&world, &renewed).await, Ok("alice".to_owned()));
    assert_eq!(who(&world, &world.person("bob").token()).await, Ok("bob".to_owned()));
    assert_eq!(who(&world, &stolen).await, Err(401));

    // An audience is swapped as well; what needs a restart is named and doesn't count.
    world.config = sound;
    issuer(&mut world, "halligan:bob").insert("audience".to_owned(), "elsewhere".into());
    world.config.insert("sessions".to_owned(), Toml::Table("idle = \"5m\"".parse().unwrap()));
    reload(&world);
    told(&world, "policy.changed", 2).await;
    let bob = world.person("bob").token();
    eventually("another audience", async || (who(&world, &bob).await == Err(401)).then_some(())).await;
    let line =
        eventually("a warning", async || world.broker.trace().into_iter().find(|line| line["settings"] == "sessions"))
            .await;
    assert!(line["message"].as_str().unwrap().contains("need a restart"), "{line}");
    world.done().await;
}

#[tokio::test]
async fn a_policy_that_is_broken_changes_nothing_and_lists_of_roles_count_at_once() {
    let mut world = World::without_broker().await;
    let policies = world.directory().join("policies");
    fs::create_dir(&policies).unwrap();
    fs::write(policies.join("default.cedar"), POLICY).unwrap();
    world.config.insert("policy".to_owned(), Toml::Table("directory = \"policies\"".parse().unwrap()));
    world.configure();
    world.broker.start().await;

    // By file and place; nobody has to say so.
    fs::write(policies.join("more.cedar"), "permit (principal, action, resource\n").unwrap();
    let rejected = told(&world, "policy.rejected", 1).await;
    assert!(because(&rejected).contains("policies/more.cedar:1:"), "{rejected:?}");
    let asked = world.post("alice", "/v1/grants", &world.asking(600)).await.ok();
    let nobody = "@id(\"nobody-asks\") @satisfiedBy(\"wait\")\nforbid (principal, action == Halligan::Action::\"request\", resource);\n";
    fs::write(policies.join("more.cedar"), nobody).unwrap();
    told(&world, "policy.changed", 1).await;
    let refused = eventually("the new policy", async || {
        let refused = world.post("alice", "/v1/grants", &world.asking(600)).await;
        (refused.status == 403).then_some(refused)
    })
    .await;
    refused.problem("not-permitted");
    assert_eq!(refused.body["rules"], json!(["nobody-asks"]));

    // Whoever is taken out of a role's list answers nothing any more, though they could when it was asked.
    fs::remove_file(policies.join("more.cedar")).unwrap();
    let role = world.config["roles"]["prod-admin"].as_table_mut().unwrap();
    role.insert("acknowledgers".to_owned(), Toml::Array(vec!["security".into()]));
    reload(&world);
    told(&world, "policy.changed", 2).await;
    let path = format!("/v1/grants/{}/acknowledge", asked["id"].as_str().unwrap());
    let yes = json!({"request_hash": asked["request_hash"]});
    eventually("the end of a list", async || (world.post("bob", &path, &yes).await.status == 403).then_some(())).await;
    world.post("carol", &path, &yes).await.ok();
    let warned = |line: &Value| line["message"].as_str().is_some_and(|text| text.contains("need a restart"));
    assert!(!world.broker.trace().iter().any(warned), "nothing of this needs a restart");
    let carol = format!("/v1/grants/{}/revoke", asked["id"].as_str().unwrap());
    world.post("carol", &carol, &json!({"reason": "it is over"})).await.ok();
    world.done().await;
}

#[tokio::test]
async fn whoever_holds_their_own_key_proves_nothing_by_it_unless_the_configuration_says_so() {
    const FRESH: &str = r#"
        @id("fresh") @satisfiedBy("prove who you are, with a second factor") @obliges("stepUp")
        forbid (principal is Halligan::Person, action == Halligan::Action::"acknowledge", resource)
        unless { context has mfaAgeSeconds && context.mfaAgeSeconds <= 900 };
    "#;
    let mut world = World::without_broker().await;
    let policies = world.directory().join("policies");
    fs::create_dir(&policies).unwrap();
    fs::write(policies.join("default.cedar"), format!("{POLICY}{FRESH}")).unwrap();
    world.config.insert("policy".to_owned(), Toml::Table("directory = \"policies\"".parse().unwrap()));
    world.configure();
    world.broker.start().await;
    let mut claims = world.person("bob").claims();
    (claims["auth_time"], claims["amr"]) = (claims["iat"].clone(), json!(["mfa"]));
    let token = world.person("bob").sign(&Header::new(Algorithm::EdDSA), &claims);

    let asked = world.post("alice", "/v1/grants", &world.asking(600)).await.ok();
    let path = format!("/v1/grants/{}/acknowledge", asked["id"].as_str().unwrap());
    let yes = json!({"request_hash": asked["request_hash"]});
    let acknowledge = async |world: &World| world.send(world.call(Method::POST, &path, &token).json(&yes)).await;
    let refused = acknowledge(&world).await;
    assert_eq!(refused.status, 401, "{refused:#?}");
    refused.problem("not-permitted");
    assert_eq!(refused.body["rules"], json!(["fresh"]));
    let me = world.send(world.call(Method::GET, "/v1/me", &token)).await.ok();
    assert_eq!((&me["auth_age_seconds"], &me["mfa_age_seconds"]), (&Value::Null, &Value::Null));

    let bob = issuer(&mut world, "halligan:bob");
    bob.insert("auth_time".to_owned(), true.into());
    bob.insert("mfa".to_owned(), Toml::Table("amr = [\"mfa\"]".parse().unwrap()));
    reload(&world);
    told(&world, "policy.changed", 1).await;
    eventually("a yes", async || (acknowledge(&world).await.status == 200).then_some(())).await;
    let revoke = format!("/v1/grants/{}/revoke", asked["id"].as_str().unwrap());
    world.post("carol", &revoke, &json!({"reason": "it is over"})).await.ok();
    world.done().await;
}

#[tokio::test]
async fn a_provider_that_is_down_keeps_nobody_from_starting() {
    let mut world = World::without_broker().await;
    let issuer = format!(
        "issuer = \"https://ci.example.com\"\naudience = \"halligan\"\npeople = false\n\
         jwks_url = \"http://127.0.0.1:{}/keys\"\n\
         machines = [{{ name = \"deploy\", claims = {{ sub = \"deploy\" }}, groups = [\"oncall\"] }}]\n",
        free_port()
    );
    world.config["issuers"].as_array_mut().unwrap().push(Toml::Table(issuer.parse().unwrap()));
    world.configure();
    world.broker.start().await;
    // Nobody had to come with a token for it to be known.
    let told = eventually("a word of missing keys", async || {
        world.broker.trace().into_iter().find(|line| line["issuers"] == "https://ci.example.com")
    })
    .await;
    assert_eq!(told["level"], "WARN");
    let metrics = world.http().get(format!("{}/metrics", world.broker.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("halligan_issuer_keys_failing{issuer=\"https://ci.example.com\"} 1"), "{metrics}");
    // Others are taken.
    assert_eq!(who(&world, &world.person("alice").token()).await, Ok("alice".to_owned()));
    world.done().await;
}
