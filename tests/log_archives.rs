//! The log in the logging account: what is there, who can't touch it, and bad days of S3.

use std::time::{Duration, Instant};

use halligan_aws::provision::LOGGING_ACCOUNT_ID;
use halligan_aws::{Seen, Visitor};
use halligan_engine::ports::LogReader as _;
use halligan_log::{Object, SignedCheckpoint};
use serde_json::{Value, json};
use toml::Table;

use crate::support::bucket::Bucket;
use crate::support::proxy::Trouble;
use crate::support::stand_in::free_port;
use crate::support::{DENIED, World, eventually, list};

/// In every request about the log's objects.
const OBJECTS: &str = "/halligan-archive/";

fn id(grant: &Value) -> &str {
    grant["id"].as_str().unwrap()
}

/// As S3 writes it.
fn error(status: u16, code: &str) -> Trouble {
    Trouble::Answer(status, format!("<Error><Code>{code}</Code><Message>no</Message></Error>"))
}

#[tokio::test]
async fn a_grants_life_is_in_a_bucket_that_nobody_can_clean() {
    let mut world = World::without_broker().await;
    let bucket = Bucket::new(&mut world).await;
    world.configure();
    world.broker.start().await;
    let grant = world.active(600).await;
    let visitor = world.visitor(&world.mint(id(&grant)).await.ok());
    assert_eq!(list(&visitor).await, Seen::Allowed);
    world.post("alice", &format!("/v1/grants/{}/return", id(&grant)), &json!({})).await.ok();
    world.contained(id(&grant)).await;
    bucket.logged(&world, "the containment", |entry| entry.kind() == "containment.observed").await;
    assert_eq!(list(&visitor).await, DENIED);

    let life: Vec<_> = bucket.log(&world).await.into_iter().filter(|entry| entry.grant() == Some(id(&grant))).collect();
    let kinds: Vec<_> = life.iter().map(crate::support::log::Entry::kind).collect();
    for kinds_in_order in [
        ["grant.requested", "grant.acknowledged", "credentials.intended"],
        ["credentials.intended", "credentials.issued", "grant.returned"],
        ["grant.activated", "grant.returned", "containment.observed"],
    ] {
        let places = kinds_in_order
            .map(|kind| kinds.iter().position(|known| *known == kind).unwrap_or_else(|| panic!("{kind}: {kinds:?}")));
        assert!(places.is_sorted(), "{kinds:?}");
    }
    let whole = bucket.whole(&world, &["--expect-fresh", "10m"]).await;
    assert_eq!(whole["grants"], 1, "{whole:#}");
    assert!(whole["personal"]["kept"].as_u64().unwrap() > 0, "{whole:#}");

    // Who writes can't read; who administers the account deletes no version, but may hide one.
    let writer = bucket.read_as(&world, &world.accounts.log_writer).await;
    let refused = writer.read(Object::Checkpoint).await.unwrap_err().to_string();
    assert!(refused.contains("AccessDenied"), "{refused}");
    let root = Visitor::root(&world.accounts, LOGGING_ACCOUNT_ID);
    let archive = world.accounts.archive.clone();
    for key in ["checkpoint", "tile/entries/000.p/1", "tile/0/000.p/1"] {
        let refused = root.delete_first_version(&archive, key).await;
        assert!(matches!(refused, Seen::Denied { .. }), "{key}: {refused}");
    }
    bucket.whole(&world, &[]).await;

    // The private key stands in no trace.
    let private = std::fs::read_to_string(world.directory().join("log.key")).unwrap();
    let secret = private.trim().splitn(5, '+').last().unwrap();
    assert!(secret.len() > 30 && !world.broker.trace_text().contains(secret));
    world.done().await;
}

#[tokio::test]
async fn one_of_two_archives_may_be_in_trouble() {
    let mut world = World::without_broker().await;
    let bucket = Bucket::new(&mut world).await;
    let here: Table = "kind = \"directory\"\npath = \"state/log\"".parse().unwrap();
    world.config["log"]["archives"].as_table_mut().unwrap().insert("here".into(), here.into());
    world.configure();
    world.broker.start().await;
    let grant = world.active(3_600).await;
    let table = [
        ("it refuses", error(403, "AccessDenied")),
        ("its answers are lost", Trouble::Reset),
        ("its answers break off", Trouble::Cut),
        ("it is silent", Trouble::Silence),
    ];
    let last = || {
        let mut places = world.log().into_iter().filter(|entry| entry.kind().starts_with("log.place_"));
        places.next_back().map(|entry| entry.kind().to_owned()).unwrap_or_default()
    };
    for (name, trouble) in table {
        world.proxy.trouble(OBJECTS, usize::MAX, trouble);
        let began = Instant::now();
        world.mint(id(&grant)).await.ok();
        // A call to it is given up after ten.
        assert!(began.elapsed() < Duration::from_secs(7), "{name}: a mint waited for it");
        eventually(name, async || (last() == "log.place_failing").then_some(())).await;
        world.proxy.peace();
        eventually(name, async || (last() == "log.place_recovered").then_some(())).await;
    }
    let failing: Vec<_> = world.log().into_iter().filter(|entry| entry.kind().starts_with("log.place_")).collect();
    assert!(failing.iter().all(|entry| entry.data()["place"] == "archive logging"), "{failing:#?}");

    eventually("the other archive to catch up", async || {
        let here = std::fs::read(world.log_directory().join("checkpoint")).unwrap();
        let here = SignedCheckpoint::parse(&here).unwrap();
        (bucket.checkpoint().await.unwrap().checkpoint() == here.checkpoint()).then_some(())
    })
    .await;
    bucket.whole(&world, &[]).await;
    world.done().await;
}

#[tokio::test]
async fn without_the_only_archive_no_credentials_leave() {
    let mut world = World::without_broker().await;
    let bucket = Bucket::new(&mut world).await;
    world.config["log"]["wait"] = "1s".into();
    world.configure();
    world.broker.start().await;
    let (grant, ended) = (world.active(3_600).await, world.active(3_600).await);
    let visitor = world.visitor(&world.mint(id(&ended)).await.ok());
    for (name, trouble) in [("it fails", error(503, "SlowDown")), ("it is silent", Trouble::Silence)] {
        world.proxy.trouble(OBJECTS, usize::MAX, trouble);
        let reply = world.mint(id(&grant)).await;
        assert_eq!(reply.status, 503, "{name}: {reply:#?}");
        let detail = reply.problem("log-not-durable").body["detail"].as_str().unwrap();
        assert!(detail.contains("none were handed out"), "{name}: {detail}");
        world.proxy.peace();
        eventually(name, async || (world.mint(id(&grant)).await.status == 200).then_some(())).await;
    }
    // An end waits for no archive.
    world.proxy.trouble(OBJECTS, usize::MAX, Trouble::Reset);
    world.post("carol", &format!("/v1/grants/{}/revoke", id(&ended)), &json!({"reason": "over"})).await.ok();
    world.contained(id(&ended)).await;
    assert_eq!(list(&visitor).await, DENIED);
    world.proxy.peace();
    let seen = |entry: &crate::support::log::Entry| {
        entry.kind() == "containment.observed" && entry.grant() == Some(id(&ended))
    };
    bucket.logged(&world, "the end", seen).await;
    bucket.whole(&world, &[]).await;
    world.done().await;
}

/// SIGKILL after so many requests of a publication, each time others.
#[tokio::test]
async fn killed_amid_publications_it_has_one_log() {
    let mut world = World::without_broker().await;
    let bucket = Bucket::new(&mut world).await;
    world.configure();
    world.broker.start().await;
    let grant = world.active(3_600).await;
    let mut published = 0;
    for round in 0..8 {
        let before = world.proxy.seen(OBJECTS).len();
        let (busy, killed) = tokio::join!(
            async {
                let mut minted = 0;
                let path = format!("{}/v1/grants/{}/credentials", world.broker.url, id(&grant));
                loop {
                    let call = world.http().post(&path).bearer_auth(world.person("alice").token());
                    let Ok(answer) = call.json(&json!({})).send().await else { return minted };
                    let text = answer.text().await.unwrap_or_default();
                    world.remember_secrets_of(&text);
                    minted += usize::from(text.contains("SessionToken"));
                }
            },
            async {
                let begun = Instant::now();
                // Somewhere in the second or third publication, each time elsewhere.
                while world.proxy.seen(OBJECTS).len() < before + 24 + 3 * round {
                    assert!(begun.elapsed() < Duration::from_secs(60), "nothing is published");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                world.broker.shoot();
            }
        );
        let ((), minted) = (killed, busy);
        published += minted;
        world.broker.kill().await;
        world.broker.start().await;
    }
    assert!(published > 0, "the kills came too early to show anything");
    world.mint(id(&grant)).await.ok();
    let trace = world.broker.trace_text();
    assert!(!trace.contains("log.fork") && !trace.contains("log.archive_touched"), "{trace}");
    // What was handed out was in the log before; the outcome comes behind.
    let log = eventually("every outcome", async || {
        let log = bucket.log(&world).await;
        let issued = log.iter().filter(|entry| entry.kind() == "credentials.issued").count();
        let intended = log.iter().filter(|entry| entry.kind() == "credentials.intended").count();
        assert!(intended > published, "{intended} mints of {published} and one more are in the log");
        (issued > 0 && log.last().unwrap().kind() == "credentials.issued").then_some(log)
    })
    .await;
    assert_eq!(log.iter().filter(|entry| entry.kind() == "broker.started").count(), 9);
    let whole = bucket.whole(&world, &["--expect-fresh", "10m"]).await;
    assert_eq!(whole["found"], 0, "{whole:#}");
    world.done().await;
}

#[tokio::test]
async fn two_brokers_of_one_store_write_one_log() {
    let (mut world, postgres) = tokio::join!(World::without_broker(), crate::replicas::postgres());
    let bucket = Bucket::new(&mut world).await;
    let url = postgres.connection_uri();
    world.remember_secret(&url);
    world.broker.set("STORE_URL", &url);
    let store: Table = "url_from = { env = \"STORE_URL\" }".parse().unwrap();
    world.config.insert("store".into(), store.into());
    world.configure();
    world.broker.start().await;
    let port = free_port();
    let mut config = world.config.clone();
    config["server"]["listen"] = format!("127.0.0.1:{port}").into();
    config["state_directory"] = "other-state".into();
    let file = world.directory().join("other.toml");
    std::fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
    let mut other = world.broker.beside(&format!("http://127.0.0.1:{port}"), &file);
    other.start().await;

    let grant = world.active(3_600).await;
    let path = format!("/v1/grants/{}/credentials", id(&grant));
    let mint = async |url: &str| {
        let call = world.http().post(format!("{url}{path}")).bearer_auth(world.person("alice").token());
        world.send(call.json(&json!({}))).await
    };
    let mut keys = Vec::new();
    for _ in 0..3 {
        let (here, there) = tokio::join!(mint(&world.broker.url), mint(&other.url));
        keys.extend([here.ok(), there.ok()]);
    }
    for issued in keys {
        let key = issued["AccessKeyId"].as_str().unwrap().to_owned();
        bucket.logged(&world, "every mint", |entry| entry.data()["access_key_id"] == key.as_str()).await;
    }
    // One dies, and not in its turn, whose lease would have to run out first: the
    // other goes on with the same log.
    other.kill().await;
    let issued = mint(&world.broker.url).await.ok();
    assert_eq!(list(&world.visitor(&issued)).await, Seen::Allowed);
    let key = issued["AccessKeyId"].as_str().unwrap();
    bucket.logged(&world, "the last mint", |entry| entry.data()["access_key_id"] == key).await;
    let log = bucket.log(&world).await;
    assert_eq!(log.iter().filter(|entry| entry.kind() == "broker.started").count(), 2);
    bucket.whole(&world, &[]).await;
    assert!(!world.broker.trace_text().contains("log.fork"));
    world.post("carol", "/v1/revocations", &json!({"all": true, "reason": "over"})).await.ok();
    world.done().await;
}

#[tokio::test]
async fn a_bucket_that_keeps_too_shortly_is_told_of() {
    let mut world = World::without_broker().await;
    let _bucket = Bucket::new(&mut world).await;
    world.config["log"]["archives"]["logging"]["retention"] = "400d".into();
    world.configure();
    world.broker.start().await;
    let file = world.directory().join("halligan.toml");
    let mut command = world.command("alice", &["doctor", "--config", file.to_str().unwrap()]);
    command.envs(world.broker.environment().iter().map(|(name, value)| (name, value)));
    let told = world.run(command).await;
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.stdout.contains("400") && told.stdout.contains("retention"), "{told:?}");
    world.done().await;
}
