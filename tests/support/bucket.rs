//! The log in the buckets of the logging account, read as its reader role reads it.

use std::sync::Arc;

use halligan_aws::provision::{Accounts, LOGGING_ACCOUNT_ID};
use halligan_aws::{AssumedRole, Aws, ReaderSettings, S3Reader, Settings};
use halligan_engine::ports::{Clock, LogReader as _};
use halligan_log::{Object, SignedCheckpoint, Span};
use jiff::Timestamp;
use serde_json::Value;
use toml::Table;

use super::log::{self, Entry};
use super::{Output, World, eventually, now};

const REGION: &str = "eu-central-1";

struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

/// A log whose key is known and whose archive `logging` is in S3.
pub struct Bucket {
    /// The log's public key.
    pub key: String,
    accounts: Accounts,
    reader: S3Reader,
}

impl Bucket {
    /// Makes the log's key, and configures the archive as the only one. It has time:
    /// where it is in trouble, say for how long it is waited for.
    pub async fn new(world: &mut World) -> Self {
        let key = key(world).await;
        let mut log = world.config["log"].as_table().unwrap().clone();
        log.insert("wait".into(), "20s".into());
        log.insert("key".into(), "file = \"log.key\"".parse::<Table>().unwrap().into());
        let archives = Table::from_iter([("logging".to_owned(), section(&world.accounts).into())]);
        log.insert("archives".into(), archives.into());
        world.config.insert("log".into(), log.into());
        let accounts = world.accounts.clone();
        let reader = reader(world, &accounts.log_reader).await;
        Self { key, accounts, reader }
    }

    /// Reads the buckets as another role does.
    pub async fn read_as(&self, world: &World, role: &str) -> S3Reader {
        reader(world, role).await
    }

    /// Copies what a log is read from to `state/log`, which no archive uses here; its entries.
    pub async fn log(&self, world: &World) -> Vec<Entry> {
        let Some(checkpoint) = self.checkpoint().await else { return Vec::new() };
        let size = checkpoint.checkpoint().size;
        for n in 0..size.div_ceil(256) {
            let width = u16::try_from((size - n * 256).min(256)).unwrap();
            self.copy(world, Object::Entries(Span { n, width })).await;
        }
        // Of just this tree, whatever was published meanwhile.
        std::fs::write(world.log_directory().join("checkpoint"), checkpoint.to_bytes()).unwrap();
        log::read(&world.log_directory())
    }

    /// The newest checkpoint, if there is one.
    pub async fn checkpoint(&self) -> Option<SignedCheckpoint> {
        let stored = self.reader.read(Object::Checkpoint).await.unwrap()?;
        Some(SignedCheckpoint::parse(&stored.bytes).unwrap())
    }

    async fn copy(&self, world: &World, object: Object) {
        let stored = self.reader.read(object).await.unwrap().unwrap();
        assert_eq!(stored.tampering, None, "{object}");
        let file = world.log_directory().join(object.to_string());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, stored.bytes).unwrap();
    }

    /// Waits until an entry stands in the bucket that fits.
    pub async fn logged(&self, world: &World, what: &str, fits: impl Fn(&Entry) -> bool) -> Entry {
        eventually(what, async || self.log(world).await.into_iter().find(|entry| fits(entry))).await
    }

    /// `halligan log verify` of the buckets, as the reader role.
    pub async fn verify(&self, world: &World, more: &[&str]) -> Output {
        let accounts = &self.accounts;
        let (bucket, personal) = (accounts.archive.as_str(), accounts.personal_archive.as_str());
        let mut command = world.command("alice", &["--json", "log", "verify", "--deployment", "test"]);
        command.args(["--bucket", bucket, "--personal-bucket", personal, "--region", REGION]);
        command.args(["--account", LOGGING_ACCOUNT_ID, "--role", &accounts.log_reader]);
        command.args(["--external-id", &accounts.external_id, "--key", &self.key]).args(more);
        command.envs(world.broker.environment().iter().map(|(name, value)| (name, value)));
        world.run(command).await
    }

    /// That the log is whole, and what was found out about it.
    pub async fn whole(&self, world: &World, more: &[&str]) -> Value {
        let output = self.verify(world, more).await;
        assert_eq!((output.code, &output.json()["sound"]), (0, &Value::Bool(true)), "{output:?}");
        output.json()
    }
}

/// Makes the log's key `log.key`; the public one.
pub async fn key(world: &World) -> String {
    let file = world.directory().join("log.key");
    let arguments = ["log", "keygen", "--origin", "halligan/test", file.to_str().unwrap(), "--json"];
    let made = world.cli("alice", &arguments).await.ok().json();
    made["public_key"].as_str().unwrap().to_owned()
}

/// `[log.archives.NAME]`.
pub fn section(accounts: &Accounts) -> Table {
    format!(
        r#"
        kind = "s3"
        bucket = "{bucket}"
        personal_bucket = "{personal}"
        retention = "1d"
        region = "{REGION}"
        account = "{LOGGING_ACCOUNT_ID}"
        writer = "{writer}"
        reader = "{reader}"
        external_id = "{external_id}"
        "#,
        bucket = accounts.archive,
        personal = accounts.personal_archive,
        writer = accounts.log_writer,
        reader = accounts.log_reader,
        external_id = accounts.external_id,
    )
    .parse()
    .unwrap()
}

/// `[log.sinks.NAME]`, into CloudWatch.
pub fn stream_section(accounts: &Accounts) -> Table {
    format!(
        r#"
        kind = "cloudwatch"
        log_group = "{group}"
        log_stream = "test"
        region = "{REGION}"
        writer = "{writer}"
        external_id = "{external_id}"
        "#,
        group = accounts.log_group,
        writer = accounts.log_writer,
        external_id = accounts.external_id,
    )
    .parse()
    .unwrap()
}

/// Not through the proxy.
async fn reader(world: &World, role: &str) -> S3Reader {
    let accounts = &world.accounts;
    let settings = Settings {
        endpoint_url: Some(world.stand_in_url()),
        credentials: Some(accounts.become_broker().await.unwrap()),
        ..Settings::in_region(REGION)
    };
    let aws = Aws::connect(&settings, Arc::new(MachineClock)).await;
    let settings = ReaderSettings {
        name: "logging".to_owned(),
        bucket: accounts.archive.clone(),
        personal_bucket: Some(accounts.personal_archive.clone()),
        region: REGION.to_owned(),
        account: Some(LOGGING_ACCOUNT_ID.to_owned()),
        role: Some(AssumedRole { arn: role.to_owned().try_into().unwrap(), external_id: accounts.external_id.clone() }),
    };
    aws.log_reader(&"test".parse().unwrap(), settings)
}
