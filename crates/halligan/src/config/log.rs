//! The log, as its settings were found to be usable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use halligan_core::catalogue::RoleArn;
use halligan_core::id::{GroupId, PlaceId};
use halligan_log::VerifierKey;
use jiff::SignedDuration;

/// The log: who signs it, where it is published to, what has to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How long credentials wait for their entry.
    pub wait: SignedDuration,
    /// How long there is no signed checkpoint, at most.
    pub heartbeat: SignedDuration,
    /// Archives that must have an entry: between 1 and all.
    pub confirmations: usize,
    /// Witnesses that must cosign: between 0 and all.
    pub cosignatures: usize,
    /// How long the store and directory archives keep personal parts.
    pub personal_kept: SignedDuration,
    /// Who may read the log through the API.
    pub readers: BTreeSet<GroupId>,
    /// The key.
    pub key: LogKey,
    /// At least one. No two places of whatever kind share a name.
    pub archives: BTreeMap<PlaceId, Archive>,
    /// Beside the archives.
    pub sinks: BTreeMap<PlaceId, Sink>,
    /// Who cosigns. Each has a key of its own.
    pub witnesses: BTreeMap<PlaceId, Witness>,
    /// None: no override exists.
    pub overriding: Option<Override>,
}

/// The key that signs the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    /// The log's name and the key's.
    pub origin: String,
    /// Where the private half is.
    pub kept: KeyPlace,
    /// Keys of the same name that signed before.
    pub former: Vec<VerifierKey>,
}

/// Where a private key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// A file that is made at the first start.
    Embedded(PathBuf),
    /// A file that somebody made.
    File(PathBuf),
    /// AWS KMS.
    Kms(KmsKey),
}

/// An Ed25519 key in AWS KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsKey {
    /// Its ARN.
    pub arn: String,
    /// Where it is, as its ARN says.
    pub region: String,
    /// Who signs.
    pub role: RoleArn,
    /// What the role demands.
    pub external_id: String,
}

/// A place that keeps the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Archive {
    /// A directory of this machine, or that is mounted there.
    Directory {
        /// Absolute.
        path: PathBuf,
    },
    /// In the logging account.
    S3(Box<S3Archive>),
}

/// Two buckets of the logging account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Archive {
    /// Under Object Lock.
    pub bucket: String,
    /// The personal parts.
    pub personal_bucket: String,
    /// Of both.
    pub region: String,
    /// Who owns both.
    pub account: String,
    /// Puts.
    pub writer: RoleArn,
    /// Reads.
    pub reader: RoleArn,
    /// What both demand.
    pub external_id: String,
    /// What the bucket's default retention must be at least, in days.
    pub retention_days: u16,
}

/// A place that entries are streamed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// A stream of CloudWatch Logs.
    CloudWatch(CloudWatchSink),
    /// A file of OCSF events.
    Ocsf {
        /// Absolute.
        path: PathBuf,
    },
}

/// A stream of CloudWatch Logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudWatchSink {
    /// The group.
    pub log_group: String,
    /// The stream.
    pub log_stream: String,
    /// Where.
    pub region: String,
    /// Puts.
    pub writer: RoleArn,
    /// What it demands.
    pub external_id: String,
}

/// Who cosigns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its address, without a slash at the end.
    pub url: String,
    /// Its key, as a cosigner's.
    pub key: VerifierKey,
}

/// What may be done while no archive can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Who may allow it.
    pub granters: BTreeSet<GroupId>,
    /// Which sinks must confirm each entry instead: all of them, at least one.
    pub confirmed_by: BTreeSet<PlaceId>,
    /// For how long at a time, at most.
    pub longest: SignedDuration,
}
