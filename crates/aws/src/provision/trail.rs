//! A trail in the target account and its bucket in the logging account, which
//! organizations have already and no template of ours makes.

use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled,
    ObjectLockRetentionMode, ObjectLockRule,
};

use super::accounts::{Accounts, LOGGING_ACCOUNT_ID, TARGET_ACCOUNT_ID};
use super::{ProvisionError, effect};

/// The Region whose buckets have no location constraint.
const NAMELESS_REGION: &str = "us-east-1";

pub(super) async fn record(accounts: &Accounts) -> Result<(), ProvisionError> {
    make_bucket(accounts).await?;
    let trails = aws_sdk_cloudtrail::Client::new(&accounts.root(TARGET_ACCOUNT_ID));
    trails
        .create_trail()
        .name(&accounts.trail)
        .s3_bucket_name(&accounts.trail_archive)
        .is_multi_region_trail(true)
        .include_global_service_events(true)
        .enable_log_file_validation(true)
        .send()
        .await
        .map_err(ProvisionError::call("cloudtrail:CreateTrail"))?;
    trails
        .start_logging()
        .name(&accounts.trail)
        .send()
        .await
        .map_err(ProvisionError::call("cloudtrail:StartLogging"))?;
    Ok(())
}

async fn make_bucket(accounts: &Accounts) -> Result<(), ProvisionError> {
    let sdk = accounts.root(LOGGING_ACCOUNT_ID);
    let s3 = effect::s3(&sdk);
    let region = sdk.region().map_or(NAMELESS_REGION, |region| region.as_ref());
    let place = (region != NAMELESS_REGION).then(|| {
        CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region)).build()
    });
    s3.create_bucket()
        .bucket(&accounts.trail_archive)
        .set_create_bucket_configuration(place)
        .object_lock_enabled_for_bucket(true)
        .send()
        .await
        .map_err(ProvisionError::call("s3:CreateBucket"))?;
    let retention = DefaultRetention::builder().mode(ObjectLockRetentionMode::Compliance).days(1).build();
    let lock = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(retention).build())
        .build();
    s3.put_object_lock_configuration()
        .bucket(&accounts.trail_archive)
        .object_lock_configuration(lock)
        .send()
        .await
        .map_err(ProvisionError::call("s3:PutObjectLockConfiguration"))?;
    Ok(())
}
