//! The AWS SDK for Python with nothing but `halligan` to get credentials from.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{HALLIGAN, World, python, root};

fn script(name: &str) -> String {
    root().join("tests/python").join(name).display().to_string()
}

/// A program in an environment that knows no credentials, and where AWS is.
fn program(world: &World, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HALLIGAN_HOME", world.home());
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_ENDPOINT_URL", world.stand_in_url());
    command.env("AWS_DEFAULT_REGION", "eu-central-1");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn credential_process_is_enough_until_the_grant_ends() {
    let world = World::new().await;
    let grant = world.active(20).await;
    let id = grant["id"].as_str().unwrap();
    let end: jiff::Timestamp = grant["ends_at"].as_str().unwrap().parse().unwrap();
    let end = end.as_millisecond() as f64 / 1_000.0;
    let config = world.directory().join("python-config");
    let process = format!("{HALLIGAN} --profile alice credentials {id} --format process");
    std::fs::write(&config, format!("[default]\ncredential_process = {process}\n")).unwrap();
    let mut python = program(&world, &python(), &[&script("until_refused.py")]);
    python.env("AWS_CONFIG_FILE", config);
    let seen = world.run(python).await.ok().json();
    assert_eq!(seen["method"], "custom-process");
    let at = |who: &str, what: &str| seen[who][what].as_f64().unwrap_or_else(|| panic!("{seen:#}")) - end;

    // Copied credentials work to the end and not after it: the stand-in judges the fence by this machine's clock.
    assert!((-1.5..=0.0).contains(&at("copied", "last_success")), "{seen:#}");
    assert!((0.0..1.5).contains(&at("copied", "first_refusal")), "{seen:#}");
    let told = seen["copied"]["told"][0].as_str().unwrap();
    assert!(told.contains("AccessDenied") && told.contains("explicit deny"), "{told}");

    // The command hands out nothing that a call couldn't use any more: it stops seconds before.
    assert!((-8.0..=0.0).contains(&at("process", "last_success")), "{seen:#}");
    let told = seen["process"]["told"][0].as_str().unwrap();
    assert!(told.contains("too little is left to use"), "{told}");

    // The SDK asked on every use, since it is always less than 15 minutes to the end.
    assert!(seen["process"]["calls"].as_u64().unwrap() > 10, "{seen:#}");
    let over = world.grant(id).await;
    assert_eq!((&over["state"], &over["credentials_issued"]), (&"expired".into(), &1.into()));
    world.done().await;
}

#[tokio::test]
async fn exec_serves_the_container_endpoint_to_its_command_alone() {
    let world = World::new().await;
    let grant = world.active(600).await;
    let id = grant["id"].as_str().unwrap();
    let python = python();
    let mut command = world.command("alice", &["exec", id, "--", &python, &script("within_exec.py")]);
    // What the shell around it has is not what was granted.
    command.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "x").env("AWS_PROFILE", "root");
    command.env("AWS_ENDPOINT_URL", world.stand_in_url());
    let output = world.run(command).await;
    assert_eq!(output.code, 7, "the command's own: {output:?}");
    let mut seen = output.json();
    let arn = seen["arn"].take();
    assert!(arn.as_str().unwrap().contains(":assumed-role/halligan-break-glass/halligan-"), "{arn}");
    let minted = world.logged("the mint", |entry| entry.kind() == "credentials.issued").await;
    let expected = json!({
        "method": "container-role", "access_key": minted.data()["access_key_id"], "region": "eu-central-1",
        "arn": Value::Null, "buckets": seen["buckets"], "leftovers": [],
        "own_token": 200, "wrong_token": 403, "no_token": 403,
    });
    assert_eq!(seen, expected);
    assert_eq!(world.grant(id).await["credentials_issued"], 1);

    // A shell takes them by evaluation; nothing is in the process list or the history.
    let line = format!(
        "eval \"$({HALLIGAN} --profile alice credentials {id} --format env)\" && exec '{python}' -c '\
         import boto3; print(boto3.client(\"sts\").get_caller_identity()[\"Account\"])'"
    );
    let shell = program(&world, "sh", &["-c", &line]);
    assert_eq!(world.run(shell).await.ok().stdout.trim(), "222222222222");

    assert_eq!(world.cli("alice", &["exec", id, "--", "no-such-command"]).await.code, 127);
    world.post("alice", &format!("/v1/grants/{id}/return"), &json!({})).await.ok();
    assert_eq!(world.cli("alice", &["exec", id, "--", "true"]).await.code, 5);
    world.done().await;
}
