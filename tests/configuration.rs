//! A configuration that can't be used: where, why, and what was expected; and nothing is started.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::HALLIGAN;

/// Nothing is wrong with it.
const SOUND: &str = r#"deployment = "example"
state_directory = "state"

[server]
listen = "127.0.0.1:8080"

[aws]
region = "eu-central-1"

[[issuers]]
issuer = "halligan:alice"
audience = "halligan"
people = true

[[issuers.keys]]
pem = """
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAmTq3gawyEfTbCnZBhlwk90OnXKIbzSlv1dLFo3F7BmE=
-----END PUBLIC KEY-----
"""

[people.alice]
groups = ["oncall"]
principals = [{ issuer = "halligan:alice", subject = "alice" }]

[people.bob]
groups = ["leads"]
principals = [{ issuer = "halligan:alice", subject = "bob" }]

[incidents.drill]
kind = "file"
path = "incidents.toml"

[roles.prod-admin]
arn = "arn:aws:iam::123456789012:role/halligan-break-glass"
revoker = "arn:aws:iam::123456789012:role/halligan-revoker"
external_id = "halligan-example"
regions = ["eu-central-1"]
duration_max = "2h"
default_scope = "restart"
requesters = ["oncall"]
acknowledgers = ["leads"]
revokers = ["leads"]

[roles.prod-admin.scopes.restart]
statements = [{ Effect = "Allow", Action = ["ecs:UpdateService"], Resource = "*" }]
"#;

fn serve(file: &Path) -> Output {
    Command::new(HALLIGAN).env_clear().arg("serve").arg("--config").arg(file).output().unwrap()
}

/// What `halligan serve` says to a configuration in which this text is changed to that.
fn told(what: &str, instead: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("incidents.toml"), "incidents = []\n").unwrap();
    assert!(SOUND.contains(what), "`{what}` is not in it");
    let text = SOUND.replacen(what, instead, 1);
    let file = directory.path().join("halligan.toml");
    std::fs::write(&file, text).unwrap();
    let output = serve(&file);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty() && !directory.path().join("state").exists(), "something was begun: {output:?}");
    String::from_utf8(output.stderr).unwrap().replace(&directory.path().display().to_string(), "/etc/halligan")
}

#[test]
fn a_malformed_file_is_shown_where_it_is() {
    insta::assert_snapshot!(told("listen = ", "listen "), @r#"
    halligan serve: the configuration file /etc/halligan/halligan.toml can't be understood: TOML parse error at line 5, column 8
      |
    5 | listen "127.0.0.1:8080"
      |        ^
    key with no value, expected `=`
    "#);
    insta::assert_snapshot!(told("people = true", "people = \"yes\""), @r#"
    halligan serve: the configuration file /etc/halligan/halligan.toml can't be understood: TOML parse error at line 13, column 10
       |
    13 | people = "yes"
       |          ^^^^^
    invalid type: string "yes", expected a boolean
    "#);
    insta::assert_snapshot!(told("revokers = ", "revoker_groups = "), @r#"
    halligan serve: the configuration file /etc/halligan/halligan.toml can't be understood: TOML parse error at line 43, column 1
       |
    43 | revoker_groups = ["leads"]
       | ^^^^^^^^^^^^^^
    unknown field `revoker_groups`, expected one of `description`, `arn`, `revoker`, `external_id`, `regions`, `session_max`, `duration_max`, `total_max`, `acknowledge_within`, `emergency_acknowledge_within`, `scopes`, `default_scope`, `probe`, `console`, `requesters`, `acknowledgers`, `revokers`, `emergency_starters`
    "#);
    insta::assert_snapshot!(told("duration_max = \"2h\"", "duration_max = \"two hours\""), @r#"
    halligan serve: the configuration file /etc/halligan/halligan.toml can't be understood: TOML parse error at line 39, column 16
       |
    39 | duration_max = "two hours"
       |                ^^^^^^^^^^^
    invalid value: string "two hours", expected a length of time with its unit, such as "30s", "15m" or "1h 30m"
    "#);
    insta::assert_snapshot!(told("region = \"eu-central-1\"", ""), @"
    halligan serve: the configuration file /etc/halligan/halligan.toml can't be understood: TOML parse error at line 7, column 1
      |
    7 | [aws]
      | ^^^^^
    missing field `region`
    ");
}

#[test]
fn everything_that_cannot_be_used_is_listed() {
    let all = told("duration_max = \"2h\"", "duration_max = \"13h\"\nsession_max = \"30m\"");
    insta::assert_snapshot!(all, @"
    halligan serve: the configuration file /etc/halligan/halligan.toml can't be used:
      roles.prod-admin.duration_max: `13h` is too long: expected at most `4h`, which is `total_max`
      roles.prod-admin.session_max: `30m` is too short: expected at least `1h`, the shortest `MaxSessionDuration` of an IAM role
    ");
    // A scope that STS would refuse is refused at the start, with the count.
    let actions: Vec<String> = (0..60).map(|n| format!("\"ec2:DescribeSomethingOrOther{n:02}\"")).collect();
    let large = format!("\"ecs:UpdateService\", {}", actions.join(", "));
    insta::assert_snapshot!(told("\"ecs:UpdateService\"", &large), @"
    halligan serve: the configuration file /etc/halligan/halligan.toml can't be used:
      roles.prod-admin.scopes.restart: the scope has 2216 characters with its time fence, STS takes 2048: shorten it, or move statements into managed policies
    ");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = serve(Path::new("/etc/halligan/none.toml"));
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"halligan serve: the configuration file /etc/halligan/none.toml can't be read: No such file or directory (os error 2)");
    let output = Command::new(HALLIGAN).env_clear().arg("serve").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "without a file: {output:?}");
}
