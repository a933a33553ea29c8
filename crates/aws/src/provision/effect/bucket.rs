//! S3's buckets and their policies.

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, DefaultRetention, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule,
};
use aws_smithy_types::error::operation::BuildError;
use serde_json::{Value, json};

use super::{Account, code, document};
use crate::provision::ProvisionError;

impl Account {
    pub(super) async fn set_lock(&self, bucket: &str, lock: &Value) -> Result<(), ProvisionError> {
        self.s3
            .put_object_lock_configuration()
            .bucket(bucket)
            .object_lock_configuration(lock_configuration(lock))
            .send()
            .await
            .map_err(ProvisionError::call("s3:PutObjectLockConfiguration"))?;
        Ok(())
    }

    pub(super) async fn set_lifecycle(&self, bucket: &str, lifecycle: &Value) -> Result<(), ProvisionError> {
        let rules = lifecycle.get("Rules").and_then(Value::as_array).into_iter().flatten().map(lifecycle_rule);
        let rules = rules.collect::<Result<_, _>>().map_err(ProvisionError::call("s3:PutBucketLifecycleConfiguration"));
        let configuration = BucketLifecycleConfiguration::builder().set_rules(Some(rules?)).build();
        self.s3
            .put_bucket_lifecycle_configuration()
            .bucket(bucket)
            .set_lifecycle_configuration(configuration.ok())
            .send()
            .await
            .map_err(ProvisionError::call("s3:PutBucketLifecycleConfiguration"))?;
        Ok(())
    }

    pub(super) async fn bucket(&self, bucket: &str) -> Result<Value, ProvisionError> {
        let versioning = self
            .s3
            .get_bucket_versioning()
            .bucket(bucket)
            .send()
            .await
            .map_err(ProvisionError::call("s3:GetBucketVersioning"))?;
        // Answers an error, not an empty configuration, where there is none.
        let lock = match self.s3.get_object_lock_configuration().bucket(bucket).send().await {
            Ok(answer) => answer.object_lock_configuration,
            Err(cause) if code(&cause) == Some("ObjectLockConfigurationNotFoundError") => None,
            Err(cause) => return Err(ProvisionError::call("s3:GetObjectLockConfiguration")(cause)),
        };
        let lifecycle = match self.s3.get_bucket_lifecycle_configuration().bucket(bucket).send().await {
            Ok(answer) => Some(answer.rules().iter().map(rule_properties).collect::<Vec<_>>()),
            Err(cause) if code(&cause) == Some("NoSuchLifecycleConfiguration") => None,
            Err(cause) => return Err(ProvisionError::call("s3:GetBucketLifecycleConfiguration")(cause)),
        };
        let access = self
            .s3
            .get_public_access_block()
            .bucket(bucket)
            .send()
            .await
            .map_err(ProvisionError::call("s3:GetPublicAccessBlock"))?;
        let ownership = self
            .s3
            .get_bucket_ownership_controls()
            .bucket(bucket)
            .send()
            .await
            .map_err(ProvisionError::call("s3:GetBucketOwnershipControls"))?;
        let retention = lock.as_ref().and_then(|lock| lock.rule()).and_then(|rule| rule.default_retention());
        Ok(json!({
            "BucketName": bucket,
            "VersioningConfiguration": {"Status": versioning.status().map(|status| status.as_str())},
            "ObjectLockEnabled": lock.is_some(),
            "ObjectLockConfiguration": lock.as_ref().map(|lock| json!({
                "ObjectLockEnabled": lock.object_lock_enabled().map(|enabled| enabled.as_str()),
                "Rule": {"DefaultRetention": retention.map(|retention| json!({
                    "Mode": retention.mode().map(|mode| mode.as_str()),
                    "Days": retention.days(),
                }))},
            })),
            "LifecycleConfiguration": lifecycle.map(|rules| json!({"Rules": rules})),
            "PublicAccessBlockConfiguration": access.public_access_block_configuration().map(|access| json!({
                "BlockPublicAcls": access.block_public_acls(),
                "BlockPublicPolicy": access.block_public_policy(),
                "IgnorePublicAcls": access.ignore_public_acls(),
                "RestrictPublicBuckets": access.restrict_public_buckets(),
            })),
            "OwnershipControls": ownership.ownership_controls().map(|controls| json!({
                "Rules": controls.rules().iter()
                    .map(|rule| json!({"ObjectOwnership": rule.object_ownership().as_str()}))
                    .collect::<Vec<_>>(),
            })),
        }))
    }

    pub(super) async fn bucket_policy(&self, bucket: &str) -> Result<Value, ProvisionError> {
        let answer = self
            .s3
            .get_bucket_policy()
            .bucket(bucket)
            .send()
            .await
            .map_err(ProvisionError::call("s3:GetBucketPolicy"))?;
        Ok(json!({"Bucket": bucket, "PolicyDocument": answer.policy().map(document)}))
    }
}

fn lock_configuration(value: &Value) -> ObjectLockConfiguration {
    let retention = value.pointer("/Rule/DefaultRetention");
    let field = |name: &str| retention.and_then(|retention| retention.get(name)).and_then(Value::as_str);
    let retention = DefaultRetention::builder()
        .set_mode(field("Mode").map(ObjectLockRetentionMode::from))
        .set_days(field("Days").and_then(|days| days.parse().ok()))
        .build();
    ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(retention).build())
        .build()
}

fn lifecycle_rule(rule: &Value) -> Result<LifecycleRule, BuildError> {
    let days = |at: &str| rule.pointer(at).and_then(Value::as_str).and_then(|days| days.parse().ok());
    let noncurrent = NoncurrentVersionExpiration::builder()
        .set_noncurrent_days(days("/NoncurrentVersionExpiration/NoncurrentDays"))
        .build();
    LifecycleRule::builder()
        .set_id(rule.get("Id").and_then(Value::as_str).map(ToOwned::to_owned))
        .status(rule.get("Status").and_then(Value::as_str).unwrap_or_default().into())
        // Every object of the bucket.
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .expiration(LifecycleExpiration::builder().set_days(days("/ExpirationInDays")).build())
        .noncurrent_version_expiration(noncurrent)
        .build()
}

fn rule_properties(rule: &LifecycleRule) -> Value {
    let mut properties = json!({
        "Id": rule.id(),
        "Status": rule.status().as_str(),
        "ExpirationInDays": rule.expiration().and_then(LifecycleExpiration::days),
        "NoncurrentVersionExpiration": rule.noncurrent_version_expiration().map(|noncurrent| json!({
            "NoncurrentDays": noncurrent.noncurrent_days(),
        })),
    });
    // A rule for some of the objects is another rule.
    if let Some(prefix) = rule.filter().and_then(LifecycleRuleFilter::prefix).filter(|prefix| !prefix.is_empty())
        && let Some(properties) = properties.as_object_mut()
    {
        properties.insert("Prefix".to_owned(), prefix.into());
    }
    properties
}
