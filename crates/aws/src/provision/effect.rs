//! What of a resource is in effect: each property that a template asks for is read
//! back through the API of its service, set there if the stand-in's CloudFormation
//! is known to pass over it, and compared.

mod bucket;
mod identity;
mod log;

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::ProvisionError;
use super::template::Resource;

/// The clients of one account.
pub(super) struct Account {
    iam: aws_sdk_iam::Client,
    kms: aws_sdk_kms::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    s3: aws_sdk_s3::Client,
}

impl Account {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self {
            iam: aws_sdk_iam::Client::new(sdk),
            kms: aws_sdk_kms::Client::new(sdk),
            logs: aws_sdk_cloudwatchlogs::Client::new(sdk),
            s3: s3(sdk),
        }
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
            ("AWS::IAM::Role", "PermissionsBoundary") => self.set_boundary(&resource.physical_id, value).await?,
            ("AWS::S3::Bucket", "ObjectLockConfiguration") => self.set_lock(&resource.physical_id, value).await?,
            ("AWS::S3::Bucket", "LifecycleConfiguration") => self.set_lifecycle(&resource.physical_id, value).await?,
            _ => return Ok(false),
        }
        Ok(true)
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
            "AWS::Logs::LogGroup" => self.log_group(&resource.physical_id).await?,
            "AWS::KMS::Key" => self.key(&resource.physical_id).await?,
            kind => {
                return Err(ProvisionError::Unknown { resource: resource.name.clone(), property: kind.to_owned() });
            }
        };
        Ok(found.as_object().map(normalize).unwrap_or_default())
    }
}

/// A stand-in answers at one host name, whatever the bucket.
pub(super) fn s3(sdk: &SdkConfig) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(sdk).force_path_style(true).build())
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
