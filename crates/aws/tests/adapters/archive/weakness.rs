//! What the logging account's administrator could weaken is seen.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    DefaultRetention, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule, VersioningConfiguration,
};
use halligan_aws::provision::LOGGING_ACCOUNT_ID;
use halligan_engine::ports::Archive as _;

use super::{Archived, error, kind, settings};
use crate::proxy::Trouble;
use crate::world::{REGION, deployment};

async fn found(archived: &Archived) -> Vec<String> {
    let weaknesses = archived.archive.weaknesses().await.unwrap();
    weaknesses.into_iter().map(|weakness| format!("{}: {}", weakness.setting, weakness.finding)).collect()
}

fn retention(mode: ObjectLockRetentionMode, days: Option<i32>, years: Option<i32>) -> DefaultRetention {
    DefaultRetention::builder().mode(mode).set_days(days).set_years(years).build()
}

async fn lock(root: &Client, bucket: &str, retention: Option<DefaultRetention>) {
    let rule = retention.map(|retention| ObjectLockRule::builder().default_retention(retention).build());
    let lock = ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).set_rule(rule);
    root.put_object_lock_configuration().bucket(bucket).object_lock_configuration(lock.build()).send().await.unwrap();
}

/// More than a role is deployed with.
async fn allow(archived: &Archived, role: &str, actions: &str) {
    let document =
        format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":{actions},"Resource":"*"}}}}"#);
    let iam = aws_sdk_iam::Client::new(&archived.world.accounts.root(LOGGING_ACCOUNT_ID));
    iam.put_role_policy().role_name(role).policy_name("more").policy_document(document).send().await.unwrap();
}

#[tokio::test]
async fn nothing_is_weak_as_it_is_deployed() {
    let archived = Archived::new().await;
    assert_eq!(found(&archived).await, Vec::<String>::new());
    archived.archive.put_checkpoint(b"note").await.unwrap();
    assert_eq!(found(&archived).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_retention_that_is_weaker_than_configured_is_seen() {
    let archived = Archived::new().await;
    let bucket = &archived.world.accounts.archive;
    let mut settings = settings(&archived.world);
    settings.retention_days = 400;
    let strict = archived.world.aws.archive(&deployment(), settings);
    let cases = [
        ("enough days", Some(retention(ObjectLockRetentionMode::Compliance, Some(400), None))),
        ("enough years", Some(retention(ObjectLockRetentionMode::Compliance, None, Some(2)))),
        ("few days", Some(retention(ObjectLockRetentionMode::Compliance, Some(399), None))),
        ("few years", Some(retention(ObjectLockRetentionMode::Compliance, None, Some(1)))),
        ("another mode", Some(retention(ObjectLockRetentionMode::Governance, Some(400), None))),
        ("none", None),
    ];
    let mut said = Vec::new();
    for (name, retention) in cases {
        lock(&archived.root, bucket, retention).await;
        let weaknesses = strict.weaknesses().await.unwrap();
        assert!(weaknesses.iter().all(|weakness| weakness.setting == "retention"), "{name}: {weaknesses:?}");
        said.push((name, weaknesses.into_iter().map(|weakness| weakness.finding).collect::<Vec<_>>()));
    }
    insta::assert_debug_snapshot!(said, @r#"
    [
        (
            "enough days",
            [],
        ),
        (
            "enough years",
            [],
        ),
        (
            "few days",
            [
                "`halligan-archive` gives new versions compliance mode for 399 days, expected compliance mode for 400 days: set it as deploy/aws/logging-account.yaml has it, with RetentionDays=400",
            ],
        ),
        (
            "few years",
            [
                "`halligan-archive` gives new versions compliance mode for 365 days, expected compliance mode for 400 days: set it as deploy/aws/logging-account.yaml has it, with RetentionDays=400",
            ],
        ),
        (
            "another mode",
            [
                "`halligan-archive` gives new versions governance mode for 400 days, expected compliance mode for 400 days: set it as deploy/aws/logging-account.yaml has it, with RetentionDays=400",
            ],
        ),
        (
            "none",
            [
                "`halligan-archive` gives new versions no retention, expected compliance mode for 400 days: set it as deploy/aws/logging-account.yaml has it, with RetentionDays=400",
            ],
        ),
    ]
    "#);
}

#[tokio::test]
async fn what_an_administrator_takes_away_is_seen() {
    let archived = Archived::new().await;
    let (root, accounts) = (&archived.root, &archived.world.accounts);
    root.delete_bucket_policy().bucket(&accounts.archive).send().await.unwrap();
    root.delete_public_access_block().bucket(&accounts.archive).send().await.unwrap();
    let expire = LifecycleRule::builder()
        .id("tidy")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .expiration(LifecycleExpiration::builder().days(30).build())
        .build()
        .unwrap();
    let rules = BucketLifecycleConfiguration::builder().rules(expire).build().unwrap();
    let put = root.put_bucket_lifecycle_configuration().bucket(&accounts.archive);
    put.lifecycle_configuration(rules).send().await.unwrap();
    let suspended = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
    let put = root.put_bucket_versioning().bucket(&accounts.personal_archive);
    put.versioning_configuration(suspended).send().await.unwrap();
    insta::assert_snapshot!(found(&archived).await.join("\n"), @r"
    bucket_policy: the policy of `halligan-archive` does not deny everybody s3:DeleteObject, so delete markers can hide the log: set it as deploy/aws/logging-account.yaml has it
    public_access: public access to `halligan-archive` is not wholly blocked, expected that it is: set it as deploy/aws/logging-account.yaml has it
    lifecycle: the lifecycle rule `tidy` of `halligan-archive` lets the newest versions expire, expected none that does: remove it
    personal_versioning: versioning of `halligan-personal` is suspended, expected enabled: set it as deploy/aws/logging-account.yaml has it
    ");
}

#[tokio::test]
async fn a_bucket_without_versions_or_lock_is_seen() {
    let archived = Archived::new().await;
    let mut settings = settings(&archived.world);
    // As somebody makes it who has not read the manual.
    "halligan-plain".clone_into(&mut settings.reader.bucket);
    let place = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(REGION));
    let create = archived.root.create_bucket().bucket("halligan-plain");
    create.create_bucket_configuration(place.build()).send().await.unwrap();
    allow(&archived, "halligan-log-reader", r#""s3:*""#).await;
    let archive = archived.world.aws.archive(&deployment(), settings);
    let weaknesses = archive.weaknesses().await.unwrap();
    let said: Vec<String> =
        weaknesses.into_iter().map(|weakness| format!("{}: {}", weakness.setting, weakness.finding)).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    versioning: versioning of `halligan-plain` is off, expected enabled: set it as deploy/aws/logging-account.yaml has it
    object_lock: `halligan-plain` has no Object Lock, expected one: set it as deploy/aws/logging-account.yaml has it
    bucket_policy: the policy of `halligan-plain` does not deny everybody s3:DeleteObject, so delete markers can hide the log: set it as deploy/aws/logging-account.yaml has it
    ");
}

#[tokio::test]
async fn a_writer_that_can_read_is_seen() {
    let archived = Archived::new().await;
    let mut said = Vec::new();
    for actions in [r#""s3:GetObject""#, r#""s3:ListBucket""#, r#""s3:GetBucketObjectLockConfiguration""#, r#""s3:*""#]
    {
        allow(&archived, "halligan-log-writer", actions).await;
        said.push(found(&archived).await.join("\n"));
    }
    insta::assert_snapshot!(said.join("\n"), @r"
    writer_rights: the writer is let into `halligan-archive` (GetObject) and `halligan-personal` (GetObject), expected that it may put objects alone: set it as deploy/aws/logging-account.yaml has it
    writer_rights: the writer is let into `halligan-archive` (ListObjectsV2) and `halligan-personal` (ListObjectsV2), expected that it may put objects alone: set it as deploy/aws/logging-account.yaml has it
    writer_rights: the writer is let into `halligan-archive` (GetObjectLockConfiguration) and `halligan-personal` (GetObjectLockConfiguration), expected that it may put objects alone: set it as deploy/aws/logging-account.yaml has it
    writer_rights: the writer is let into `halligan-archive` (GetObject, ListObjectsV2, GetObjectLockConfiguration) and `halligan-personal` (GetObject, ListObjectsV2, GetObjectLockConfiguration), expected that it may put objects alone: set it as deploy/aws/logging-account.yaml has it
    ");
}

#[tokio::test]
async fn what_the_reader_may_not_see_is_a_weakness_and_what_nobody_answers_is_none() {
    let archived = Archived::new().await;
    let proxy = &archived.world.proxy;
    for query in ["?policy", "?publicAccessBlock", "?lifecycle"] {
        proxy.trouble(query, usize::MAX, error(403, "AccessDenied"));
    }
    insta::assert_snapshot!(found(&archived).await.join("\n"), @r"
    reader_rights: GetBucketPolicy: AccessDenied: no: the reader can't see what protects the archive, give it the rights that deploy/aws/logging-account.yaml gives
    reader_rights: GetPublicAccessBlock: AccessDenied: no: the reader can't see what protects the archive, give it the rights that deploy/aws/logging-account.yaml gives
    reader_rights: GetBucketLifecycleConfiguration: AccessDenied: no: the reader can't see what protects the archive, give it the rights that deploy/aws/logging-account.yaml gives
    ");
    proxy.peace();
    proxy.trouble("?versioning", usize::MAX, error(403, "AccessDenied"));
    assert_eq!(kind(&archived.archive.weaknesses().await.unwrap_err()), "refused");
    for query in ["?versioning", "?object-lock", "?policy", "?publicAccessBlock", "?lifecycle", "list-type=2"] {
        proxy.peace();
        proxy.trouble(query, usize::MAX, Trouble::Answer(500, String::new()));
        assert_eq!(kind(&archived.archive.weaknesses().await.unwrap_err()), "unavailable", "{query}");
    }
}
