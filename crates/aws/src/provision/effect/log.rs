//! Where the log's entries are streamed to, and the key that signs its heads.

use serde_json::{Value, json};

use super::{Account, document};
use crate::provision::ProvisionError;

impl Account {
    pub(super) async fn log_group(&self, name: &str) -> Result<Value, ProvisionError> {
        let answer = self
            .logs
            .describe_log_groups()
            .log_group_name_prefix(name)
            .send()
            .await
            .map_err(ProvisionError::call("logs:DescribeLogGroups"))?;
        let found = answer.log_groups().iter().find(|group| group.log_group_name() == Some(name));
        Ok(found.map_or(
            Value::Null,
            |group| json!({"LogGroupName": group.log_group_name(), "RetentionInDays": group.retention_in_days()}),
        ))
    }

    pub(super) async fn key(&self, id: &str) -> Result<Value, ProvisionError> {
        let answer =
            self.kms.describe_key().key_id(id).send().await.map_err(ProvisionError::call("kms:DescribeKey"))?;
        let policy =
            self.kms.get_key_policy().key_id(id).send().await.map_err(ProvisionError::call("kms:GetKeyPolicy"))?;
        Ok(answer.key_metadata().map_or(Value::Null, |key| {
            json!({
                "Description": key.description(),
                "KeySpec": key.key_spec().map(|spec| spec.as_str()),
                "KeyUsage": key.key_usage().map(|usage| usage.as_str()),
                "KeyPolicy": policy.policy().map(document),
            })
        }))
    }
}
