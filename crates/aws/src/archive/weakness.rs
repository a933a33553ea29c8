//! What protects the archive, compared with what should: the reader asks S3, and
//! the writer tries what it must not be able to do. Nothing is changed by it.

mod policy;

use std::error::Error;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ExpirationStatus, LifecycleRule, ObjectLockEnabled,
    ObjectLockRetentionMode, PublicAccessBlockConfiguration,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures::future::try_join_all;
use futures::try_join;
use halligan_engine::ports::{ArchiveError, Weakness};
use halligan_log::Object;

use super::place::{Place, failed};
use crate::session::{AssumedRole, CallError};

const DAYS_A_YEAR: u32 = 365;
const MEND: &str = "set it as deploy/aws/logging-account.yaml has it";

/// What is weaker than it should be.
pub(super) async fn look(
    place: &Place,
    writer: &AssumedRole,
    retention_days: u32,
) -> Result<Vec<Weakness>, ArchiveError> {
    let log = Bucket { place, name: &place.settings.bucket };
    let personal = place.settings.personal_bucket.as_deref().map(|name| Bucket { place, name });
    let personal_versioning = async {
        match &personal {
            Some(personal) => personal.versioning("personal_versioning").await,
            None => Ok(None),
        }
    };
    let (versioning, lock, policy, public, lifecycle, personal_versioning, rights) = try_join!(
        log.versioning("versioning"),
        log.lock(retention_days),
        log.policy(),
        log.public_access(),
        log.lifecycle(),
        personal_versioning,
        writer_rights(place, writer),
    )?;
    let found = [versioning, lock, policy, public, lifecycle, personal_versioning, rights];
    Ok(found.into_iter().flatten().collect())
}

fn weakness(setting: &'static str, finding: String) -> Weakness {
    Weakness { setting, finding }
}

/// A bucket, as the reader sees it.
struct Bucket<'a> {
    place: &'a Place,
    name: &'a str,
}

impl Bucket<'_> {
    async fn versioning(&self, setting: &'static str) -> Result<Option<Weakness>, ArchiveError> {
        let get = |s3: Client| {
            s3.get_bucket_versioning().bucket(self.name).set_expected_bucket_owner(self.place.owner()).send()
        };
        let answer = self.place.sessions.call(self.place.reader(), "GetBucketVersioning", get).await.map_err(failed)?;
        let found = match answer.status() {
            Some(BucketVersioningStatus::Enabled) => return Ok(None),
            Some(other) => other.as_str().to_lowercase(),
            None => "off".to_owned(),
        };
        let finding = format!("versioning of `{}` is {found}, expected enabled: {MEND}", self.name);
        Ok(Some(weakness(setting, finding)))
    }

    /// Object Lock and the retention that it gives to every new version.
    async fn lock(&self, days: u32) -> Result<Option<Weakness>, ArchiveError> {
        let get = |s3: Client| {
            s3.get_object_lock_configuration().bucket(self.name).set_expected_bucket_owner(self.place.owner()).send()
        };
        let name = "GetObjectLockConfiguration";
        let lock = match self.place.sessions.call(self.place.reader(), name, get).await {
            Ok(answer) => answer.object_lock_configuration,
            Err(error) if error.has_code(&["ObjectLockConfigurationNotFoundError"]) => None,
            Err(error) => return Err(failed(error)),
        };
        let enabled = lock.as_ref().and_then(|lock| lock.object_lock_enabled()) == Some(&ObjectLockEnabled::Enabled);
        let Some(lock) = lock.filter(|_| enabled) else {
            let finding = format!("`{}` has no Object Lock, expected one: {MEND}", self.name);
            return Ok(Some(weakness("object_lock", finding)));
        };
        let retention = lock.rule().and_then(|rule| rule.default_retention());
        Ok(retention_finding(retention, days).map(|found| {
            let finding = format!(
                "`{}` gives new versions {found}, expected compliance mode for {days} days: {MEND}, with RetentionDays={days}",
                self.name
            );
            weakness("retention", finding)
        }))
    }

    async fn policy(&self) -> Result<Option<Weakness>, ArchiveError> {
        let get =
            |s3: Client| s3.get_bucket_policy().bucket(self.name).set_expected_bucket_owner(self.place.owner()).send();
        let document = match self.place.sessions.call(self.place.reader(), "GetBucketPolicy", get).await {
            Ok(answer) => answer.policy,
            Err(error) if error.has_code(&["NoSuchBucketPolicy"]) => None,
            Err(error) => return unseen(error).map(Some),
        };
        let denied = policy::denies_delete(document.as_deref().unwrap_or_default(), self.name);
        Ok((!denied).then(|| {
            let finding = format!(
                "the policy of `{}` does not deny everybody s3:DeleteObject, so delete markers can hide the log: {MEND}",
                self.name
            );
            weakness("bucket_policy", finding)
        }))
    }

    async fn public_access(&self) -> Result<Option<Weakness>, ArchiveError> {
        let get = |s3: Client| {
            s3.get_public_access_block().bucket(self.name).set_expected_bucket_owner(self.place.owner()).send()
        };
        let block = match self.place.sessions.call(self.place.reader(), "GetPublicAccessBlock", get).await {
            Ok(answer) => answer.public_access_block_configuration,
            Err(error) if error.has_code(&["NoSuchPublicAccessBlockConfiguration"]) => None,
            Err(error) => return unseen(error).map(Some),
        };
        let finding = || format!("public access to `{}` is not wholly blocked, expected that it is: {MEND}", self.name);
        Ok((!block.is_some_and(|block| blocks_all(&block))).then(|| weakness("public_access", finding())))
    }

    /// A rule that lets the newest versions expire hides them behind delete markers.
    async fn lifecycle(&self) -> Result<Option<Weakness>, ArchiveError> {
        let get = |s3: Client| {
            s3.get_bucket_lifecycle_configuration()
                .bucket(self.name)
                .set_expected_bucket_owner(self.place.owner())
                .send()
        };
        let rules = match self.place.sessions.call(self.place.reader(), "GetBucketLifecycleConfiguration", get).await {
            Ok(answer) => answer.rules.unwrap_or_default(),
            Err(error) if error.has_code(&["NoSuchLifecycleConfiguration"]) => Vec::new(),
            Err(error) => return unseen(error).map(Some),
        };
        Ok(rules.iter().find(|rule| expires(rule)).map(|rule| {
            let finding = format!(
                "the lifecycle rule `{}` of `{}` lets the newest versions expire, expected none that does: remove it",
                rule.id().unwrap_or_default(),
                self.name
            );
            weakness("lifecycle", finding)
        }))
    }
}

/// What isn't to be seen for want of a right may be as weak as it likes.
fn unseen(error: CallError) -> Result<Weakness, ArchiveError> {
    if !error.has_code(&["AccessDenied"]) {
        return Err(failed(error));
    }
    let mend = "give it the rights that deploy/aws/logging-account.yaml gives";
    let finding = format!("{}: the reader can't see what protects the archive, {mend}", error.into_text());
    Ok(weakness("reader_rights", finding))
}

/// What is wrong with a default retention; none if it is strict and long enough.
fn retention_finding(retention: Option<&DefaultRetention>, days: u32) -> Option<String> {
    let Some(retention) = retention else { return Some("no retention".to_owned()) };
    let mode = retention.mode().map_or("unknown", ObjectLockRetentionMode::as_str);
    let whole = |count: Option<i32>| count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
    let found = whole(retention.days()).max(whole(retention.years()).saturating_mul(DAYS_A_YEAR));
    let strict = retention.mode() == Some(&ObjectLockRetentionMode::Compliance);
    (!strict || found < days).then(|| format!("{} mode for {found} days", mode.to_lowercase()))
}

fn blocks_all(block: &PublicAccessBlockConfiguration) -> bool {
    let settings = [
        block.block_public_acls(),
        block.block_public_policy(),
        block.ignore_public_acls(),
        block.restrict_public_buckets(),
    ];
    settings.iter().all(|setting| setting.unwrap_or(false))
}

fn expires(rule: &LifecycleRule) -> bool {
    let expiration = rule.expiration().filter(|_| rule.status() == &ExpirationStatus::Enabled);
    expiration.is_some_and(|expiration| expiration.days().is_some() || expiration.date().is_some())
}

/// What the writer can do beside putting. S3 admits that a key is missing to those
/// alone who may list: a right to read personal parts is seen once they may.
async fn writer_rights(place: &Place, writer: &AssumedRole) -> Result<Option<Weakness>, ArchiveError> {
    let writer = Writer { place, role: writer };
    let buckets = [Some(place.settings.bucket.as_str()), place.settings.personal_bucket.as_deref()];
    let can = try_join_all(buckets.into_iter().flatten().map(|bucket| writer.can_read(bucket))).await?;
    let can: Vec<String> = can.into_iter().flatten().collect();
    let finding =
        || format!("the writer is let into {}, expected that it may put objects alone: {MEND}", can.join(" and "));
    Ok((!can.is_empty()).then(|| weakness("writer_rights", finding())))
}

struct Writer<'a> {
    place: &'a Place,
    role: &'a AssumedRole,
}

impl Writer<'_> {
    async fn can_read(&self, bucket: &str) -> Result<Option<String>, ArchiveError> {
        let owner = || self.place.owner();
        let key = Object::Checkpoint.to_string();
        let get = |s3: Client| s3.get_object().bucket(bucket).key(&key).set_expected_bucket_owner(owner()).send();
        let list =
            |s3: Client| s3.list_objects_v2().bucket(bucket).max_keys(1).set_expected_bucket_owner(owner()).send();
        let lock =
            |s3: Client| s3.get_object_lock_configuration().bucket(bucket).set_expected_bucket_owner(owner()).send();
        let (get, list, lock) = try_join!(
            self.may("GetObject", get),
            self.may("ListObjectsV2", list),
            self.may("GetObjectLockConfiguration", lock),
        )?;
        let calls: Vec<&str> = [get, list, lock].into_iter().flatten().collect();
        Ok((!calls.is_empty()).then(|| format!("`{bucket}` ({})", calls.join(", "))))
    }

    /// The call's name, if the writer isn't refused.
    async fn may<'n, T, E, F>(&self, name: &'n str, call: impl Fn(Client) -> F) -> Result<Option<&'n str>, ArchiveError>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        match self.place.sessions.call(self.role.into(), name, call).await {
            Ok(_) => Ok(Some(name)),
            Err(error) if error.has_code(&["AccessDenied"]) => Ok(None),
            // S3 says this only to those who may know.
            Err(error) if error.has_code(&["NoSuchKey", "ObjectLockConfigurationNotFoundError"]) => Ok(Some(name)),
            Err(error) => Err(failed(error)),
        }
    }
}
