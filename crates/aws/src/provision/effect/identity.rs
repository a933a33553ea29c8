//! IAM's roles and managed policies.

use serde_json::{Value, json};

use super::{Account, document};
use crate::provision::ProvisionError;

impl Account {
    /// What `Fn::GetAtt` gives of a role.
    pub(in crate::provision) async fn role_attributes(
        &self,
        name: &str,
    ) -> Result<[(&'static str, String); 2], ProvisionError> {
        let answer = self.iam.get_role().role_name(name).send().await.map_err(ProvisionError::call("iam:GetRole"))?;
        let (arn, id) = answer.role().map_or(("", ""), |role| (role.arn(), role.role_id()));
        Ok([("Arn", arn.to_owned()), ("RoleId", id.to_owned())])
    }

    pub(super) async fn set_boundary(&self, role: &str, boundary: &Value) -> Result<(), ProvisionError> {
        self.iam
            .put_role_permissions_boundary()
            .role_name(role)
            .permissions_boundary(boundary.as_str().unwrap_or_default())
            .send()
            .await
            .map_err(ProvisionError::call("iam:PutRolePermissionsBoundary"))?;
        Ok(())
    }

    pub(super) async fn role(&self, name: &str) -> Result<Value, ProvisionError> {
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

    pub(super) async fn managed_policy(&self, arn: &str) -> Result<Value, ProvisionError> {
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
}
