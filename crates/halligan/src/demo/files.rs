//! What is written into the demo's directory: the broker's configuration, what an
//! auditor and a shell read, and the commands that are printed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::Context as _;
use halligan_aws::provision::{Accounts, LOGGING_ACCOUNT_ID};

use super::logging::{Keys, ORIGIN};
use super::people::People;
use super::world::{CLOSED_INCIDENT, EMERGENCY_ROLE, OPEN_INCIDENT, PROVIDER, ROLE, made};
use crate::client::private;
use crate::standin::Installed;

/// The deployment's name.
pub const DEPLOYMENT: &str = "demo";
/// Where everything is.
pub const REGION: &str = "eu-central-1";
/// Where the broker keeps its store.
pub const STATE: &str = "state";
/// The OCSF file, for a SIEM.
pub const OCSF: &str = "ocsf.ndjson";
/// The broker's configuration.
pub const CONFIGURATION: &str = "halligan.toml";
/// The policies, and their tests.
pub const POLICIES: &str = "policies";
/// The AWS configuration file of an auditor.
pub const AUDITOR: &str = "auditor.config";
/// A reader of the log that shares no code with this one.
const READ_LOG: &str = include_str!("../../../../docs/read-log.py");
const POLICY_FILES: [(&str, &str); 2] = [
    ("default.cedar", include_str!("../../../../policies/default.cedar")),
    ("default.tests.json", include_str!("../../../../policies/default.tests.json")),
];

/// The incident tool's file.
pub fn incidents() -> String {
    format!(
        r#"# Read at each check: edit it, and the broker knows.

[[incidents]]
id = "{OPEN_INCIDENT}"
status = "open"
severity = "critical"
creator = "carol@example.com"
title = "Checkout answers 500"

[[incidents]]
id = "{CLOSED_INCIDENT}"
status = "closed"
title = "A certificate ran out"
"#
    )
}

/// What the configuration is made of.
pub struct Parts<'a> {
    /// Where the broker listens.
    pub port: u16,
    /// The stand-in.
    pub endpoint: &'a str,
    /// Its accounts.
    pub accounts: &'a Accounts,
    /// The identity provider's `iss`.
    pub issuer: &'a str,
    /// The log's keys.
    pub keys: &'a Keys,
    /// Where the witness answers.
    pub witness: &'a str,
    /// How long an emergency start has to be acknowledged.
    pub emergency: &'a str,
}

/// The broker's.
pub fn configuration(parts: &Parts<'_>) -> anyhow::Result<String> {
    let Parts { port, endpoint, accounts, issuer, emergency, .. } = parts;
    let mut text = format!(
        r#"# The demo's broker. docs/configuration.md describes each setting.
deployment = "{DEPLOYMENT}"
state_directory = "{STATE}"

[server]
listen = "127.0.0.1:{port}"
# Passkeys belong to a host name, and this is one.
public_url = "http://localhost:{port}"

[policy]
# Read again when they change.
directory = "{POLICIES}"

[aws]
region = "{REGION}"
endpoint_url = "{endpoint}"

[incidents.{PROVIDER}]
kind = "file"
path = "incidents.toml"
"#
    );
    text.push_str(&log(parts));
    let (revoker, external_id) = (&accounts.revoker, &accounts.external_id);
    let described = [(ROLE, "The production account"), (EMERGENCY_ROLE, "The production databases")];
    for (role, description) in described {
        let arn = accounts.roles.iter().find(|arn| arn.ends_with(role)).context("a role was not deployed")?;
        text.push_str(&format!(
            r#"
[roles.{role}]
description = "{description}"
arn = "{arn}"
revoker = "{revoker}"
external_id = "{external_id}"
regions = ["{REGION}"]
emergency_acknowledge_within = "{emergency}"
default_scope = "read-only"
requesters = ["on-call"]
acknowledgers = ["on-call", "security"]
revokers = ["leads", "security"]
emergency_starters = ["on-call"]

[roles.{role}.scopes.read-only]
statements = [{{ Effect = "Allow", Action = ["s3:List*", "s3:Get*", "logs:Get*", "logs:FilterLogEvents"], Resource = "*" }}]

[roles.{role}.scopes.full]
statements = [{{ Effect = "Allow", Action = "*", Resource = "*" }}]
"#
        ));
    }
    text.push_str(&People::configuration(issuer));
    Ok(text)
}

/// The built-in policies and their tests, to be read and changed.
pub fn policies(directory: &Path) -> anyhow::Result<()> {
    let policies = made(directory, POLICIES)?;
    for (name, text) in POLICY_FILES {
        private::write_new(&policies.join(name), text.as_bytes())?;
    }
    Ok(())
}

/// One archive: it has every entry before anything happens because of it.
fn log(parts: &Parts<'_>) -> String {
    let Parts { accounts, keys, witness, .. } = parts;
    let Accounts { archive, personal_archive, log_writer, log_reader, log_group, external_id, .. } = accounts;
    let (key_file, witness_key) = (keys.log_file().display(), &keys.witness);
    format!(
        r#"
[log]
cosignatures = 1
readers = ["security"]

[log.key]
origin = "{ORIGIN}"
file = "{key_file}"

[log.archives.frankfurt]
kind = "s3"
bucket = "{archive}"
personal_bucket = "{personal_archive}"
region = "{REGION}"
account = "{LOGGING_ACCOUNT_ID}"
writer = "{log_writer}"
reader = "{log_reader}"
external_id = "{external_id}"
# Nobody could delete it for as long, which is too long for a try.
retention = "1d"

[log.sinks.cloudwatch]
kind = "cloudwatch"
log_group = "{log_group}"
log_stream = "{DEPLOYMENT}"
region = "{REGION}"
writer = "{log_writer}"
external_id = "{external_id}"

[log.sinks.siem]
kind = "ocsf"
path = "{OCSF}"

[log.witnesses.logging-account]
url = "{witness}"
key = "{witness_key}"
"#
    )
}

/// An AWS configuration file whose profile `auditor` becomes the role that reads the
/// archive and does nothing else.
pub fn auditor(accounts: &Accounts) -> String {
    let (role, external_id) = (&accounts.log_reader, &accounts.external_id);
    let broker = accounts.aws_config().replace("[default]", "[profile broker]");
    format!(
        "{broker}\n[profile auditor]\nregion = {REGION}\nrole_arn = {role}\nexternal_id = {external_id}\n\
         role_session_name = auditor\nsource_profile = broker\n"
    )
}

/// What the printed commands need: this program by its name, something that uses
/// credentials, since not every machine has the AWS command line, and the log's other reader.
pub fn commands(directory: &Path, program: &Path, installed: &Installed) -> anyhow::Result<()> {
    let bin = made(directory, "bin")?;
    symlink(program, bin.join("halligan")).context("can't link this program")?;
    let (python, packages) = (quoted(&installed.python), quoted(&installed.packages));
    let script = format!(
        r#"#!/bin/sh
# The AWS SDK for Python, with whatever credentials it finds.
PYTHONPATH={packages} PYTHONNOUSERSITE=1 exec {python} -c '
import sys
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

try:
    for bucket in Session().create_client("s3").list_buckets()["Buckets"]:
        print(bucket["Name"])
except (BotoCoreError, ClientError) as error:
    sys.exit(f"buckets: {{error}}")
'
"#
    );
    let read_log = directory.join("read-log.py");
    private::write_new(&read_log, READ_LOG.as_bytes())?;
    let read_log = quoted(&read_log);
    let reader = format!(
        "#!/bin/sh\n# docs/read-log.py: it shares no code with Halligan.\n\
         PYTHONPATH={packages} PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1 exec {python} {read_log} \"$@\"\n"
    );
    for (name, script) in [("buckets", script), ("read-log", reader)] {
        let path = bin.join(name);
        private::write_new(&path, script.as_bytes())?;
        let made = fs::set_permissions(&path, Permissions::from_mode(0o700));
        made.with_context(|| format!("can't make `{name}` a command"))?;
    }
    Ok(())
}

/// What a shell reads first.
pub fn environment(directory: &Path, home: &Path, endpoint: &str, keys: &Keys) -> String {
    let (bin, home, auditor) = (quoted(&directory.join("bin")), quoted(home), quoted(&directory.join(AUDITOR)));
    let Keys { log, witness, .. } = keys;
    let configuration = quoted(&directory.join(CONFIGURATION));
    format!(
        "# Read by a shell: `. {}/env`\nexport PATH={bin}:\"$PATH\"\nexport HALLIGAN_HOME={home} HALLIGAN_CONFIG={configuration}\n\
         export AWS_ENDPOINT_URL={endpoint} AWS_REGION={REGION} AWS_CONFIG_FILE={auditor}\n\
         export LOG_KEY='{log}' WITNESS_KEY='{witness}'\nunset HALLIGAN_PROFILE\n",
        directory.display()
    )
}

/// One word to any shell, whatever is in it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
