//! `halligan doctor` before a broker's first start, beside it, and on bad days.

use std::fs;

use serde_json::Value;
use toml::Table;

use crate::support::bucket;
use crate::support::proxy::Trouble;
use crate::support::witness::Witness;
use crate::support::{Output, World, eventually};

/// A log in earnest: signed by KMS, kept in the logging account and here, streamed
/// to CloudWatch and a file, and witnessed where somebody is there to do so.
fn log(world: &World, witness: Option<(&str, &str)>) -> Table {
    let accounts = &world.accounts;
    let mut log: Table = format!(
        r#"
        confirmations = 2

        [key]
        origin = "log.example.com/test"
        kms = {{ key = "{key}", role = "{signer}", external_id = "{external_id}" }}

        [archives.here]
        kind = "directory"
        path = "state/log"

        [sinks.siem]
        kind = "ocsf"
        path = "ocsf.ndjson"
        "#,
        external_id = accounts.external_id,
        key = accounts.log_key,
        signer = accounts.log_signer,
    )
    .parse()
    .unwrap();
    log["archives"].as_table_mut().unwrap().insert("logging".into(), bucket::section(accounts).into());
    log["sinks"].as_table_mut().unwrap().insert("stream".into(), bucket::stream_section(accounts).into());
    if let Some((url, key)) = witness {
        let witness = format!("cosignatures = 1\nwitnesses.w1 = {{ url = \"{url}\", key = \"{key}\" }}");
        log.extend(witness.parse::<Table>().unwrap());
    }
    log
}

impl World {
    /// What the doctor says, in the broker's environment.
    async fn doctor(&self) -> Output {
        self.doctor_with(&["--json"]).await
    }

    async fn doctor_in_words(&self) -> String {
        self.doctor_with(&[]).await.stdout
    }

    async fn doctor_with(&self, arguments: &[&str]) -> Output {
        let file = self.directory().join("halligan.toml");
        let mut command = self.command("alice", &["doctor", "--config", file.to_str().unwrap()]);
        command.args(arguments).envs(self.broker.environment().iter().map(|(name, value)| (name, value)));
        self.run(command).await
    }
}

/// `check of: status` of all that aren't ok.
fn not_ok(output: &Output) -> Vec<String> {
    let said = output.json();
    let checks = said["checks"].as_array().unwrap();
    let failed = checks.iter().any(|check| check["status"] == "failed");
    assert_eq!((said["ok"] == true, output.code), (!failed, i32::from(failed)), "{output:?}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |check: &Value| {
        // Either names what mends it, or says so itself.
        assert!(check["status"] != "failed" || check["finding"].is_string(), "{check}");
        format!("{} {}: {}", text(&check["check"]), text(&check["of"]), text(&check["status"])).replace(" :", ":")
    };
    checks.iter().filter(|check| check["status"] != "ok").map(line).collect()
}

/// The public key that the doctor shows.
fn key_of(output: &Output) -> String {
    let said = output.json();
    let key = said["checks"].as_array().unwrap().iter().find(|check| check["check"] == "key").unwrap();
    key["finding"].as_str().unwrap().strip_prefix("it signs as ").unwrap().to_owned()
}

#[tokio::test]
async fn everything_that_the_log_rests_on_is_looked_at() {
    let mut world = World::without_broker().await;
    world.config.insert("log".into(), log(&world, None).into());
    world.configure();
    let before = world.doctor().await;
    assert_eq!(not_ok(&before), ["store: skipped", "archive here: skipped", "sink stream: skipped"]);
    assert!(!world.directory().join("state").exists(), "something was made");

    let mut witness = Witness::new(&world.directory().join("w1"), "witness.example.com/w1", &[key_of(&before)]);
    let url = witness.start().await;
    world.config.insert("log".into(), log(&world, Some((&url, &witness.key))).into());
    world.configure();
    world.broker.start().await;
    let published = async || (not_ok(&world.doctor().await) == ["sink stream: skipped"]).then_some(());
    eventually("a log that is published and cosigned", published).await;

    assert!(witness.stop().await.success());
    assert_eq!(not_ok(&world.doctor().await), ["witness w1: failed", "sink stream: skipped"]);

    let no_lock = "<Error><Code>ObjectLockConfigurationNotFoundError</Code><Message>no</Message></Error>";
    world.proxy.trouble("object-lock", usize::MAX, Trouble::Answer(404, no_lock.to_owned()));
    let unlocked = world.doctor().await;
    // The writer, too, is let look by this answer, which it must not be.
    let expected = [
        "protection logging: failed",
        "protection logging: failed",
        "witness w1: failed",
        "sink stream: skipped",
        "trail prod-admin: failed",
    ];
    assert_eq!(not_ok(&unlocked), expected, "{}", unlocked.stdout);
    assert!(unlocked.stdout.contains("has no Object Lock"), "{unlocked:?}");
    world.proxy.peace();

    world.broker.kill().await;
    world.proxy.trouble_all(Trouble::Reset);
    let expected = [
        "key: failed",
        "checkpoint here: skipped",
        "archive logging: failed",
        "protection logging: failed",
        "witness w1: failed",
        "sink stream: skipped",
        "trail prod-admin: failed",
    ];
    assert_eq!(not_ok(&world.doctor().await), expected, "AWS is gone");
    world.proxy.peace();
    world.done().await;
}

#[tokio::test]
async fn a_log_that_another_key_signed_is_noticed() {
    let world = World::new().await;
    world.logged("the start", |entry| entry.kind() == "broker.started").await;
    // Nothing outside of this machine keeps the log or records what people do.
    assert_eq!(not_ok(&world.doctor().await), ["trail prod-admin: failed"]);
    let text = world.doctor_in_words().await;
    assert!(text.contains("to mend it: ") && text.contains("warning  log.archives: "), "{text}");

    let key = world.directory().join("state/log.key");
    fs::rename(&key, world.directory().join("former.key")).unwrap();
    assert_eq!(not_ok(&world.doctor().await), ["key: failed", "checkpoint local: skipped", "trail prod-admin: failed"]);
    let origin = "halligan/test";
    world.cli("alice", &["log", "keygen", "--origin", origin, key.to_str().unwrap()]).await.ok();
    assert_eq!(not_ok(&world.doctor().await), ["checkpoint local: failed", "trail prod-admin: failed"]);
    fs::rename(world.directory().join("former.key"), &key).unwrap();
    assert_eq!(not_ok(&world.doctor().await), ["trail prod-admin: failed"]);
    world.done().await;
}

#[tokio::test]
async fn a_configuration_that_can_not_be_used_is_all_that_is_looked_at() {
    let mut world = World::without_broker().await;
    world.config.insert("deployment".into(), "Not a name".into());
    world.configure();
    let output = world.doctor().await;
    let mut expected = vec!["configuration: failed".to_owned()];
    expected.extend(["store", "key", "archive", "witness", "sink", "trail"].map(|name| format!("{name}: skipped")));
    assert_eq!(not_ok(&output), expected);
    world.done().await;
}
