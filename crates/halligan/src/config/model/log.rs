//! The log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use halligan_core::catalogue::RoleArn;
use halligan_core::id::{GroupId, PlaceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::{Days, Period};

/// The log of every step.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How long credentials wait for their entry to be durable before they are refused. At most one minute.
    pub wait: Period,
    /// A checkpoint is signed at least so often, even when nothing happens, so that silence is seen. One minute to one
    /// day; whoever verifies the log with `--expect-fresh` expects the same.
    pub heartbeat: Period,
    /// How many archives must have an entry before it counts as durable.
    #[schemars(range(min = 1))]
    pub confirmations: u32,
    /// How many witnesses must cosign a checkpoint before what it covers counts as durable.
    pub cosignatures: u32,
    /// How long the store and archives of `kind = "directory"` keep the personal parts of entries. In S3 it is the
    /// lifecycle of `personal_bucket` that decides.
    pub personal_kept: Days,
    /// The groups that may read the log through the API.
    pub readers: BTreeSet<GroupId>,
    /// The key that signs the log.
    pub key: LogKey,
    /// Where the log is kept, by name. Without any there is `local`: the directory `log` in the state directory. No
    /// two archives, sinks or witnesses share a name.
    pub archives: BTreeMap<PlaceId, Archive>,
    /// Where entries are streamed to beside the archives, by name.
    pub sinks: BTreeMap<PlaceId, Sink>,
    /// Who cosigns the log's checkpoints, by name.
    pub witnesses: BTreeMap<PlaceId, Witness>,
    /// What may be done on the day on which no archive can be reached: without this section, no credentials leave.
    #[serde(rename = "override")]
    pub overriding: Option<Override>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            wait: Period::seconds(5),
            heartbeat: Period::seconds(600),
            confirmations: 1,
            cosignatures: 0,
            personal_kept: KEPT,
            readers: BTreeSet::new(),
            key: LogKey::default(),
            archives: BTreeMap::new(),
            sinks: BTreeMap::new(),
            witnesses: BTreeMap::new(),
            overriding: None,
        }
    }
}

/// Thirteen months: a year's audit looks back at the whole of it.
const KEPT: Days = Days::new(400);

const fn kept() -> Days {
    KEPT
}

/// The key that signs the log.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogKey {
    /// The log's name, in every checkpoint, which no other log in the world has, without spaces and `+`. It is also the
    /// key's, and never changes. Without it, `halligan/` and the deployment.
    #[schemars(extend("examples" = ["halligan.example.com/prod"]))]
    pub origin: Option<String>,
    /// The file with the private key, as `halligan log keygen` wrote it. Without `file` and `kms` it is `log.key` in
    /// the state directory, made at the first start.
    pub file: Option<PathBuf>,
    /// The key in AWS KMS; in place of `file`.
    pub kms: Option<Kms>,
    /// The public keys that signed the log before: its older checkpoints stay verifiable.
    pub former: Vec<String>,
}

/// An Ed25519 key in AWS KMS (`ECC_NIST_EDWARDS25519`, to sign and verify).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kms {
    /// Its ARN; not that of an alias, which somebody could point elsewhere.
    #[schemars(extend("examples" = ["arn:aws:kms:eu-central-1:210987654321:key/0f1e2d3c-0000-4000-8000-000000000000"]))]
    pub key: String,
    /// The IAM role that may sign with it, and read its public half.
    #[schemars(with = "String", extend("examples" = ["arn:aws:iam::210987654321:role/halligan-log-signer"]))]
    pub role: RoleArn,
    /// What the role's trust policy demands.
    pub external_id: String,
}

/// A place that keeps the log, tree and all, so that anybody can verify it there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "a handful, each read once")]
pub enum Archive {
    /// A directory. It protects from nobody who can write there.
    Directory {
        /// The directory, made where it is missing. No archive or sink is in another archive's.
        path: PathBuf,
    },
    /// Two buckets of a separate logging account, as `deploy/aws/` prepares them.
    S3 {
        /// The bucket of the log itself, with Object Lock in compliance mode.
        bucket: String,
        /// The bucket of the entries' personal parts: versioned, without Object Lock, so that they can be erased.
        personal_bucket: String,
        /// Where both are.
        #[schemars(extend("examples" = ["eu-central-1"]))]
        region: String,
        /// The account that owns both: what is there in another account's name is not used.
        #[schemars(extend("pattern" = "^[0-9]{12}$", "examples" = ["210987654321"]))]
        account: String,
        /// The IAM role of that account that can put objects, and nothing else.
        #[schemars(with = "String", extend("examples" = ["arn:aws:iam::210987654321:role/halligan-log-writer"]))]
        writer: RoleArn,
        /// The IAM role of that account that can read objects, their versions and the buckets' settings, and nothing
        /// else.
        #[schemars(with = "String", extend("examples" = ["arn:aws:iam::210987654321:role/halligan-log-reader"]))]
        reader: RoleArn,
        /// What the trust policies of both roles demand.
        external_id: String,
        /// How long `bucket` keeps every object by its own default retention, at least: less is an alarm.
        #[serde(default = "kept")]
        retention: Days,
    },
}

/// A place that entries are streamed to. It holds no tree and proves nothing; it is where people look first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Sink {
    /// A stream of CloudWatch Logs.
    CloudWatch {
        /// Its log group.
        #[schemars(extend("examples" = ["/halligan/log"]))]
        log_group: String,
        /// Its name there. One writer at a time.
        log_stream: String,
        /// Where it is.
        #[schemars(extend("examples" = ["eu-central-1"]))]
        region: String,
        /// The IAM role that can put events there, and nothing else.
        #[schemars(with = "String", extend("examples" = ["arn:aws:iam::210987654321:role/halligan-log-writer"]))]
        writer: RoleArn,
        /// What the role's trust policy demands.
        external_id: String,
    },
    /// A file for a SIEM: an OCSF 1.8 event a line, in JSON.
    Ocsf {
        /// The file; its directory exists. Whatever collects it may move it away.
        path: PathBuf,
    },
}

/// Somebody apart from this broker who cosigns checkpoints that extend what they had seen
/// ([C2SP tlog-witness](https://c2sp.org/tlog-witness)), such as `halligan witness` in the logging account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Its address: `/add-checkpoint` is added to it.
    #[schemars(extend("examples" = ["https://witness.example.com"]))]
    pub url: String,
    /// Its public key, as it says it at its start: `name+id+base64`.
    pub key: String,
}

/// What may be done while no archive can be reached. Each use is an entry and an alarm.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// The groups that may allow it.
    #[schemars(extend("minItems" = 1))]
    pub granters: BTreeSet<GroupId>,
    /// The sinks that must confirm each entry instead: all of them. No witness can: it cosigns only what an archive
    /// holds.
    #[schemars(extend("minItems" = 1))]
    pub confirmed_by: BTreeSet<PlaceId>,
    /// The longest that it can be allowed for at a time. At most one day.
    #[serde(default = "one_day")]
    pub longest: Period,
}

const fn one_day() -> Period {
    Period::seconds(24 * 3_600)
}
