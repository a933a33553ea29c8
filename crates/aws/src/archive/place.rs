//! One archive's buckets, call by call: each names the owner that it expects.

use std::fmt;
use std::time::Duration;

use aws_config::Region;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use backon::{ConstantBuilder, ExponentialBuilder, Retryable as _};
use halligan_core::id::DeploymentId;
use halligan_engine::ports::ArchiveError;
use halligan_log::Object;
use halligan_log::bundle::TEXT_BYTES_MAX;
use jiff::Timestamp;

use super::reader::ReaderSettings;
use crate::assume::Assumer;
use crate::client::Aws;
use crate::failure;
use crate::session::{As, CallError, Sessions};

/// The largest object there can be: a full bundle of the longest texts.
const OBJECT_BYTES_MAX: usize = 256 * (2 + TEXT_BYTES_MAX);
/// Somebody else is writing the same key at the same moment.
const CONFLICTS: [&str; 2] = ["ConditionalRequestConflict", "OperationAborted"];
const CONFLICT_RETRIES: usize = 4;
const CONFLICT_WAIT: Duration = Duration::from_millis(50);
/// How often a body that breaks off is asked for again.
const CUT_RETRIES: usize = 2;
const CUT_WAIT: Duration = Duration::from_millis(100);

/// Where an archive is, and how to reach it.
pub(super) struct Place {
    pub(super) settings: ReaderSettings,
    pub(super) sessions: Sessions<Client>,
    /// After so long every call of the archive is over.
    pub(super) limit: Duration,
    aws: Aws,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Place {
    pub(super) fn new(aws: Aws, assumer: Assumer, deployment: &DeploymentId, settings: ReaderSettings) -> Self {
        let (observer, region) = (aws.observer.clone(), Region::new(settings.region.clone()));
        let client = move |sdk: aws_config::SdkConfig| {
            // A stand-in has no host name for each bucket.
            let path_style = sdk.endpoint_url().is_some();
            let config = aws_sdk_s3::config::Builder::from(&sdk).region(region.clone()).force_path_style(path_style);
            Client::from_conf(config.interceptor(observer.clone()).build())
        };
        // Once for the session and its call, once for what a put that finds its key taken reads back.
        let limit = 2 * aws.limits.operation;
        Self { settings, sessions: Sessions::new(aws.clone(), assumer, deployment, client), limit, aws }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.aws.now()
    }

    /// Who reads.
    pub(super) fn reader(&self) -> As<'_> {
        self.settings.role.as_ref().map_or(As::Own, As::from)
    }

    /// None where personal parts would be, if the archive is read without them.
    pub(super) fn bucket_of(&self, object: Object) -> Option<&str> {
        if object.is_personal() { self.settings.personal_bucket.as_deref() } else { Some(&self.settings.bucket) }
    }

    pub(super) fn owner(&self) -> Option<String> {
        self.settings.account.clone()
    }

    /// Puts in one request, once only unless it is the checkpoint.
    pub(super) async fn put(&self, who: As<'_>, bucket: &str, object: Object, bytes: &[u8]) -> Result<(), CallError> {
        let content_type =
            if object == Object::Checkpoint { "text/plain; charset=utf-8" } else { "application/octet-stream" };
        let put = |s3: Client| {
            s3.put_object()
                .bucket(bucket)
                .key(object.to_string())
                .set_expected_bucket_owner(self.owner())
                .set_if_none_match((object != Object::Checkpoint).then(|| "*".to_owned()))
                // Object Lock takes nothing without one; retention is the bucket's default.
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .content_type(content_type)
                .body(ByteStream::from(bytes.to_vec()))
                .send()
        };
        let name = format!("PutObject {object}");
        let call = || self.sessions.call(who, &name, put);
        let again = ExponentialBuilder::default().with_min_delay(CONFLICT_WAIT).with_max_times(CONFLICT_RETRIES);
        call.retry(again).when(|error| error.has_code(&CONFLICTS)).await.map(drop)
    }

    /// The bytes of a version, or of the newest; none if it is gone.
    pub(super) async fn get(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<Option<Vec<u8>>, Ungot> {
        let get = || self.get_once(bucket, key, version);
        let again = ConstantBuilder::default().with_delay(CUT_WAIT).with_max_times(CUT_RETRIES);
        get.retry(again).when(|error| matches!(error, Ungot::Cut(_))).await
    }

    async fn get_once(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<Option<Vec<u8>>, Ungot> {
        let name = format!("GetObject {key}");
        let get = |s3: Client| {
            s3.get_object()
                .bucket(bucket)
                .key(key)
                .set_version_id(version.map(ToOwned::to_owned))
                .set_expected_bucket_owner(self.owner())
                .send()
        };
        let mut answer = match self.sessions.call(self.reader(), &name, get).await {
            Ok(answer) => answer,
            Err(error) if error.has_code(&["NoSuchKey", "NoSuchVersion"]) => return Ok(None),
            Err(error) => return Err(Ungot::Failed(error)),
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.body.next().await {
            let chunk = chunk.map_err(|error| Ungot::Cut(format!("{name}: {}", failure::chain(&error))))?;
            if bytes.len() + chunk.len() > OBJECT_BYTES_MAX {
                return Err(Ungot::TooLarge(format!("{name}: expected at most {OBJECT_BYTES_MAX} bytes, found more")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }
}

/// Why there are no bytes.
#[derive(Debug)]
pub(super) enum Ungot {
    Failed(CallError),
    /// The answer broke off, or isn't what its checksum says.
    Cut(String),
    TooLarge(String),
}

impl From<Ungot> for ArchiveError {
    fn from(error: Ungot) -> Self {
        match error {
            Ungot::Failed(error) => failed(error),
            Ungot::Cut(text) => Self::Unavailable(text),
            Ungot::TooLarge(text) => Self::Refused(text),
        }
    }
}

pub(super) fn failed(error: CallError) -> ArchiveError {
    if error.is_refused() {
        ArchiveError::Refused(error.into_text())
    } else {
        ArchiveError::Unavailable(error.into_text())
    }
}

/// What is said of a `call` that was not over in time.
pub(super) fn late(call: String) -> impl FnOnce(String) -> ArchiveError {
    move |text| ArchiveError::Unavailable(format!("{call}: {text}"))
}
