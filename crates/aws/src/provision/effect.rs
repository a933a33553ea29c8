//! What of a resource is in effect: each property that a template asks for is read
//! back through the API of its service, set there if the stand-in's CloudFormation
//! is known to pass over it, and compared.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule,
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::ProvisionError;
use super::template::Resource;

/// The clients of one account.
pub(super) struct Account {
    iam: aws_sdk_iam::Client,
    s3: aws_sdk_s3::Client,
}

impl Account {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        // A stand-in answers at one host name, whatever the bucket.
        let s3 = aws_sdk_s3::config::Builder::from(sdk).force_path_style(true).build();
        Self { iam: aws_sdk_iam::Client::new(sdk), s3: aws_sdk_s3::Client::from_conf(s3) }
    }

    /// # Errors
    /// [`ProvisionError::NotInEffect`] names the first property that isn't.
    pub(super) async fn bring_into_effect(&self, resource: &Resource) -> Result<(), ProvisionError> {
        let expected = normalize(&resource.properties);
        let found = self.observe(resource).await?;
        let mut left_out = false;
        for (property, value) in differences(&expected, &found) {
            left_out |= self.set(resource, property, value).await?;
        }
        let found = if left_out { self.observe(resource).await? } else { found };
        let Some((property, value)) = differences(&expected, &found).next() else { return Ok(()) };
        let (resource, property) = (resource.name.clone(), property.clone());
        Err(match found.get(&property) {
            Some(found) => ProvisionError::NotInEffect {
                resource,
                property,
                expected: value.to_string(),
                found: found.to_string(),
            },
            None => ProvisionError::Unknown { resource, property },
        })
    }

    /// Sets one of the properties that the stand-in's CloudFormation passes over.
    /// False for any other: that it differs is an error, not a gap.
    async fn set(&self, resource: &Resource, property: &str, value: &Value) -> Result<bool, ProvisionError> {
        match (resource.kind.as_str(), property) {
            ("AWS::IAM::Role", "PermissionsBoundary") => {
                self.iam
                    .put_role_permissions_boundary()
                    .role_name(&resource.physical_id)
                    .permissions_boundary(value.as_str().unwrap_or_default())
                    .send()
                    .await
                    .map_err(ProvisionError::call("iam:PutRolePermissionsBoundary"))?;
                Ok(true)
            }
            ("AWS::S3::Bucket", "ObjectLockConfiguration") => {
                self.s3
                    .put_object_lock_configuration()
                    .bucket(&resource.physical_id)
                    .object_lock_configuration(lock_configuration(value))
                    .send()
                    .await
                    .map_err(ProvisionError::call("s3:PutObjectLockConfiguration"))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// What can be read back of a resource, in the shape of a template's properties.
    async fn observe(&self, resource: &Resource) -> Result<Map<String, Value>, ProvisionError> {
        let found = match resource.kind.as_str() {
            "AWS::IAM::Role" => self.role(&resource.physical_id).await?,
            "AWS::IAM::ManagedPolicy" => self.managed_policy(&resource.physical_id).await?,
            "AWS::S3::Bucket" => self.bucket(&resource.physical_id).await?,
            "AWS::S3::BucketPolicy" => {
                let bucket = resource.properties.get("Bucket").and_then(Value::as_str).unwrap_or_default();
                self.bucket_policy(bucket).await?
            }
            kind => {
                return Err(ProvisionError::Unknown { resource: resource.name.clone(), property: kind.to_owned() });
            }
        };
        Ok(found.as_object().map(normalize).unwrap_or_default())
    }

    async fn role(&self, name: &str) -> Result<Value, ProvisionError> {
        let answer = self.iam.get_role().role_name(name).send().await.map_err(ProvisionError::call("iam:GetRole"))?;
        let Some(role) = answer.role() else { return Ok(Value::Null) };
        let attached = self
            .iam
            .list_attached_role_policies()
            .role_name(name)
            .send()
            .await
            .map_err(ProvisionError::call("iam:ListAttachedRolePolicies"))?;
        let inline = self
            .iam
            .list_role_policies()
            .role_name(name)
            .send()
            .await
            .map_err(ProvisionError::call("iam:ListRolePolicies"))?;
        let mut policies = Vec::new();
        for policy in inline.policy_names() {
            let found = self
                .iam
                .get_role_policy()
                .role_name(name)
                .policy_name(policy)
                .send()
                .await
                .map_err(ProvisionError::call("iam:GetRolePolicy"))?;
            policies.push(json!({"PolicyName": policy, "PolicyDocument": document(found.policy_document())}));
        }
        Ok(json!({
            "RoleName": role.role_name(),
            "Description": role.description(),
            "MaxSessionDuration": role.max_session_duration(),
            "PermissionsBoundary": role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn()),
            "AssumeRolePolicyDocument": role.assume_role_policy_document().map(document),
            "ManagedPolicyArns": attached.attached_policies().iter().map(|policy| policy.policy_arn()).collect::<Vec<_>>(),
            "Policies": policies,
        }))
    }

    async fn managed_policy(&self, arn: &str) -> Result<Value, ProvisionError> {
        let answer =
            self.iam.get_policy().policy_arn(arn).send().await.map_err(ProvisionError::call("iam:GetPolicy"))?;
        let Some(policy) = answer.policy() else { return Ok(Value::Null) };
        let version = self
            .iam
            .get_policy_version()
            .policy_arn(arn)
            .version_id(policy.default_version_id().unwrap_or_default())
            .send()
            .await
            .map_err(ProvisionError::call("iam:GetPolicyVersion"))?;
        Ok(json!({
            "ManagedPolicyName": policy.policy_name(),
            "Description": policy.description(),
            "PolicyDocument": version.policy_version().and_then(|version| version.document()).map(document),
        }))
    }

    async fn bucket(&self, bucket: &str) -> Result<Value, ProvisionError> {
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

    async fn bucket_policy(&self, bucket: &str) -> Result<Value, ProvisionError> {
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

fn code<E: aws_smithy_types::error::metadata::ProvideErrorMetadata>(error: &E) -> Option<&str> {
    error.code()
}

fn differences<'a>(
    expected: &'a Map<String, Value>,
    found: &'a Map<String, Value>,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    expected.iter().filter(|&(property, value)| found.get(property) != Some(value))
}

/// A policy document as the API answers it: IAM's are percent-encoded, S3's are not.
fn document(text: &str) -> Value {
    let text = percent_decode_str(text).decode_utf8_lossy();
    serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned()))
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

/// One shape for what means the same: CloudFormation's parameters make strings of
/// numbers, and some lists have no order.
fn normalize(properties: &Map<String, Value>) -> Map<String, Value> {
    let unordered = BTreeMap::from([("ManagedPolicyArns", ""), ("Policies", "/PolicyName")]);
    properties
        .iter()
        .map(|(name, value)| {
            let mut value = plain(value);
            if let (Some(key), Value::Array(items)) = (unordered.get(name.as_str()), &mut value) {
                items.sort_by_key(|item| item.pointer(key).and_then(Value::as_str).map(str::to_owned));
            }
            (name.clone(), value)
        })
        .collect()
}

fn plain(value: &Value) -> Value {
    match value {
        Value::Number(_) | Value::Bool(_) => Value::String(value.to_string()),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(object) => object.iter().map(|(key, item)| (key.clone(), plain(item))).collect(),
        Value::Null | Value::String(_) => value.clone(),
    }
}
