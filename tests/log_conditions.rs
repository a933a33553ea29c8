//! What else must hold before credentials leave: witnesses, and the way round the
//! archives; and where the log is streamed to.

use halligan_aws::Seen;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use toml::Table;

use crate::support::bucket::{self, Bucket, key};
use crate::support::proxy::Trouble;
use crate::support::stand_in::free_port;
use crate::support::witness::Witness;
use crate::support::{World, eventually, list};

fn id(grant: &Value) -> &str {
    grant["id"].as_str().unwrap()
}

/// Every time at the same address.
async fn up(witness: &Witness, port: u16) -> Child {
    let child = witness.command(&format!("127.0.0.1:{port}")).stderr(std::process::Stdio::null()).spawn().unwrap();
    eventually("the witness", async || TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop)).await;
    child
}

#[tokio::test]
async fn without_a_witness_that_is_needed_no_credentials_leave() {
    let mut world = World::without_broker().await;
    let key = key(&world).await;
    let witness = Witness::new(&world.directory().join("w1"), "witness.example.com/w1", std::slice::from_ref(&key));
    let port = free_port();
    let mut process = up(&witness, port).await;
    let log = world.config["log"].as_table_mut().unwrap();
    let more = format!(
        "cosignatures = 1\nkey.file = \"log.key\"\nwitnesses.w1 = {{ url = \"http://127.0.0.1:{port}\", key = \"{}\" }}",
        witness.key
    );
    log.extend(more.parse::<Table>().unwrap());
    world.configure();
    world.broker.start().await;
    let grant = world.active(3_600).await;
    world.mint(id(&grant)).await.ok();
    let verified = async || {
        let directory = world.log_directory();
        let arguments =
            ["log", "verify", "--dir", directory.to_str().unwrap(), "--key", &key, "--witness", &witness.key];
        world.cli("alice", &arguments).await
    };
    let cosigned = verified().await.ok();
    assert!(cosigned.stdout.contains("witness.example.com/w1"), "{cosigned:?}");

    process.kill().await.unwrap();
    let size = world.log().len();
    let reply = world.mint(id(&grant)).await;
    assert_eq!(reply.status, 503, "{reply:#?}");
    reply.problem("log-not-durable");
    assert_eq!(world.log().len(), size, "nothing counts that no witness has seen");
    verified().await.ok();
    let ready = world.send(world.http().get(format!("{}/readyz", world.broker.url))).await;
    assert_eq!(ready.status, 503);

    process = up(&witness, port).await;
    let issued = eventually("credentials", async || {
        let reply = world.mint(id(&grant)).await;
        (reply.status == 200).then_some(reply.body)
    })
    .await;
    assert_eq!(list(&world.visitor(&issued)).await, Seen::Allowed);
    verified().await.ok();
    world.post("carol", "/v1/revocations", &json!({"all": true, "reason": "over"})).await.ok();
    world.done().await;
    process.kill().await.unwrap();
}

/// A grant of somebody's that another has acknowledged.
async fn active(world: &World, login: &str) -> Value {
    let asked = world.post(login, "/v1/grants", &world.asking(3_600)).await.ok();
    let path = format!("/v1/grants/{}/acknowledge", id(&asked));
    world.post("bob", &path, &json!({"request_hash": asked["request_hash"]})).await.ok()
}

#[tokio::test]
async fn a_way_round_that_somebody_else_opened_is_open_for_a_while() {
    let mut world = World::without_broker().await;
    let bucket = Bucket::new(&mut world).await;
    let log = world.config["log"].as_table_mut().unwrap();
    let more = r#"
        wait = "1s"
        sinks.siem = { kind = "ocsf", path = "ocsf.ndjson" }
        override = { granters = ["security"], confirmed_by = ["siem"], longest = "1h" }
    "#;
    log.extend(more.parse::<Table>().unwrap());
    world.config["people"]["carol"]["groups"] = vec!["security", "oncall"].into();
    world.configure();
    world.broker.start().await;
    let (alices, carols) = (active(&world, "alice").await, active(&world, "carol").await);
    let mint = async |login: &str, grant: &Value| {
        world.post(login, &format!("/v1/grants/{}/credentials", id(grant)), &json!({})).await
    };
    let sink = || std::fs::read_to_string(world.directory().join("ocsf.ndjson")).unwrap_or_default();
    let asked = |seconds: u64| json!({"duration_seconds": seconds, "reason": "the archive's Region is down"});

    world.proxy.trouble("/halligan-archive/", usize::MAX, Trouble::Reset);
    mint("alice", &alices).await.problem("log-not-durable");
    for login in ["alice", "bob"] {
        world.post(login, "/v1/log/override", &asked(600)).await.problem("not-permitted");
    }
    assert_eq!(world.post("carol", "/v1/log/override", &asked(3_601)).await.status, 400, "too long");
    mint("alice", &alices).await.problem("log-not-durable");

    let granted = world.post("carol", "/v1/log/override", &asked(3_600)).await.ok();
    assert!(granted["confirmed_by"].to_string().contains("siem"), "{granted}");
    let issued = eventually("credentials", async || {
        let reply = mint("alice", &alices).await;
        (reply.status == 200).then_some(reply.body)
    })
    .await;
    assert_eq!(list(&world.visitor(&issued)).await, Seen::Allowed);
    let key_id = issued["AccessKeyId"].as_str().unwrap();
    mint("carol", &carols).await.problem("log-not-durable");
    eventually("the sink", async || sink().contains(key_id).then_some(())).await;
    world.post("carol", "/v1/log/override/end", &json!({})).await.ok();
    mint("alice", &alices).await.problem("log-not-durable");

    world.proxy.peace();
    eventually("the archive", async || (mint("carol", &carols).await.status == 200).then_some(())).await;
    let log = bucket.log(&world).await;
    let overrides: Vec<_> = log.iter().filter(|entry| entry.kind().starts_with("log.override_")).collect();
    let kinds: Vec<_> = overrides.iter().map(|entry| entry.kind()).collect();
    assert_eq!(kinds, ["log.override_granted", "log.override_ended"]);
    assert!(overrides.iter().all(|entry| entry.person() == Some("carol")), "{overrides:#?}");
    assert_eq!(overrides[0].data()["until"], granted["until"]);
    assert!(log.iter().any(|entry| entry.kind() == "credentials.issued" && entry.data().to_string().contains(key_id)));
    bucket.whole(&world, &[]).await;

    // What the sink was told beside the archives is what they got.
    world.logged_by_sink(&log).await;
    world.post("carol", "/v1/revocations", &json!({"all": true, "reason": "over"})).await.ok();
    world.done().await;
}

impl World {
    /// Waits until the file of the sink has all of `log`: each entry once, in order.
    async fn logged_by_sink(&self, log: &[crate::support::log::Entry]) {
        let expected: Vec<_> = log.iter().map(|entry| entry.entry["id"].as_str().unwrap().to_owned()).collect();
        let told = eventually("the sink", async || {
            let text = std::fs::read_to_string(self.directory().join("ocsf.ndjson")).unwrap_or_default();
            let id = |line: &str| {
                serde_json::from_str::<Value>(line).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned()
            };
            let told: Vec<_> = text.lines().map(id).collect();
            (told.len() >= expected.len()).then_some(told)
        })
        .await;
        assert_eq!(told[..expected.len()], expected);
    }
}

/// The messages of the log group, in the order of the stream, as boto3 reads them.
const EVENTS: &str = r#"
import boto3, sys
url, group = sys.argv[1:]
logs = boto3.client("logs", endpoint_url=url, region_name="eu-central-1",
                    aws_access_key_id="333333333333", aws_secret_access_key="test")
token = {}
while True:
    page = logs.get_log_events(logGroupName=group, logStreamName="test", startFromHead=True, **token)
    for event in page["events"]:
        print(event["message"])
    if not page["events"] or token.get("nextToken") == page["nextForwardToken"]:
        break
    token = {"nextToken": page["nextForwardToken"]}
"#;

#[tokio::test]
async fn every_sink_gets_every_entry_once_and_in_order() {
    let mut world = World::without_broker().await;
    let accounts = world.accounts.clone();
    let log = world.config["log"].as_table_mut().unwrap();
    log.extend(r#"sinks.siem = { kind = "ocsf", path = "ocsf.ndjson" }"#.parse::<Table>().unwrap());
    log["sinks"].as_table_mut().unwrap().insert("stream".into(), bucket::stream_section(&accounts).into());
    world.configure();
    world.broker.start().await;
    let grant = world.active(3_600).await;
    world.mint(id(&grant)).await.ok();
    world.logged_by_both().await;

    // A sink that takes nothing for a while keeps no credentials.
    world.proxy.trouble("logGroupName", usize::MAX, Trouble::error(503, "ServiceUnavailable", "down"));
    world.mint(id(&grant)).await.ok();
    let failing = |entry: &crate::support::log::Entry| {
        entry.kind() == "log.place_failing" && entry.data()["place"] == "sink stream"
    };
    world.logged("the failure", failing).await;

    // It goes on where it was, in another process.
    let stopped = world.broker.stop().await;
    assert!(stopped.success(), "{stopped}");
    world.proxy.peace();
    world.broker.start().await;
    world.mint(id(&grant)).await.ok();
    world.logged_by_both().await;
    world.post("carol", "/v1/revocations", &json!({"all": true, "reason": "over"})).await.ok();
    world.done().await;
}

impl World {
    /// Waits until both sinks have what is in the log now, and nothing twice.
    async fn logged_by_both(&self) {
        let log = self.log();
        self.logged_by_sink(&log).await;
        let events = eventually("the stream", async || {
            let events = self.streamed().await;
            (events.len() >= log.len()).then_some(events)
        })
        .await;
        for (entry, event) in log.iter().zip(&events) {
            let id = entry.entry["id"].as_str().unwrap();
            assert!(event.contains(id), "{} is not in {event}", entry.position);
        }
    }

    async fn streamed(&self) -> Vec<String> {
        let mut python = Command::new(crate::support::python());
        python.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        python.args(["-c", EVENTS, &self.stand_in_url(), &self.accounts.log_group]);
        let output = python.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
    }
}
