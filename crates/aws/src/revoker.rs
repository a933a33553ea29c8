//! The inline policies of catalogue roles, read and written by the revoker of
//! each role's account: IAM writes act in the caller's own account alone.

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use halligan_core::catalogue::Role;
use halligan_core::id::DeploymentId;
use halligan_engine::ports::{ROLE_POLICY_CALL_MAX, RolePolicies, RolePoliciesError, RolePolicy};
use percent_encoding::percent_decode_str;

use crate::assume::Assumer;
use crate::client::Aws;
use crate::session::{As, CallError, Sessions, in_time};

/// How many policies are read side by side.
const READS_AT_ONCE: usize = 8;

/// [`RolePolicies`] through the revoker that the catalogue names for each role.
#[derive(Debug)]
pub struct Revoker {
    sessions: Sessions<aws_sdk_iam::Client>,
}

impl Revoker {
    pub(crate) fn new(aws: Aws, assumer: Assumer, deployment: &DeploymentId) -> Self {
        let observer = aws.observer.clone();
        let client = move |sdk| {
            let config = aws_sdk_iam::config::Builder::from(&sdk).interceptor(observer.clone());
            aws_sdk_iam::Client::from_conf(config.build())
        };
        Self { sessions: Sessions::new(aws, assumer, deployment, client) }
    }

    async fn names(&self, role: &Role) -> Result<Vec<String>, RolePoliciesError> {
        let list = |iam: aws_sdk_iam::Client| async move {
            iam.list_role_policies()
                .role_name(role.arn.name())
                .into_paginator()
                .items()
                .send()
                .collect::<Result<Vec<_>, _>>()
                .await
        };
        self.sessions.call(revoker(role), "ListRolePolicies", list).await.map_err(failed)
    }

    /// None if it has gone since it was listed.
    async fn document(&self, role: &Role, name: String) -> Result<Option<RolePolicy>, RolePoliciesError> {
        let get = |iam: aws_sdk_iam::Client| iam.get_role_policy().role_name(role.arn.name()).policy_name(&name).send();
        match self.sessions.call(revoker(role), "GetRolePolicy", get).await {
            Ok(answer) => {
                // IAM answers with the document URL-encoded (RFC 3986).
                let document = percent_decode_str(answer.policy_document()).decode_utf8().map_err(|_| {
                    RolePoliciesError::Unavailable("GetRolePolicy: the document in the answer is not UTF-8".to_owned())
                })?;
                Ok(Some(RolePolicy { name, document: document.into_owned() }))
            }
            Err(error) if is_no_such_entity(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

const fn revoker(role: &Role) -> As<'_> {
    As::Role { arn: &role.revoker, external_id: role.external_id.as_str() }
}

fn is_no_such_entity(error: &CallError) -> bool {
    error.has_code(&["NoSuchEntity"])
}

fn failed(error: CallError) -> RolePoliciesError {
    if error.has_code(&["LimitExceeded"]) {
        RolePoliciesError::TooLarge(error.into_text())
    } else if error.is_refused() {
        RolePoliciesError::Refused(error.into_text())
    } else {
        RolePoliciesError::Unavailable(error.into_text())
    }
}

/// The lease that the caller holds counts on this.
async fn bounded<T>(call: impl Future<Output = Result<T, RolePoliciesError>>) -> Result<T, RolePoliciesError> {
    in_time(ROLE_POLICY_CALL_MAX.unsigned_abs(), call, RolePoliciesError::Unavailable).await
}

#[async_trait]
impl RolePolicies for Revoker {
    #[tracing::instrument(name = "read_policies", skip_all, fields(role = %role.arn))]
    async fn read(&self, role: &Role) -> Result<Vec<RolePolicy>, RolePoliciesError> {
        let read = async {
            let names = self.names(role).await?;
            let reads = names.into_iter().map(|name| self.document(role, name));
            let documents = stream::iter(reads).buffered(READS_AT_ONCE);
            let policies: Vec<Option<RolePolicy>> = documents.try_collect().await?;
            Ok(policies.into_iter().flatten().collect())
        };
        bounded(read).await
    }

    #[tracing::instrument(name = "write_policy", skip_all, fields(role = %role.arn, policy = policy.name))]
    async fn write(&self, role: &Role, policy: &RolePolicy) -> Result<(), RolePoliciesError> {
        let put = |iam: aws_sdk_iam::Client| {
            iam.put_role_policy()
                .role_name(role.arn.name())
                .policy_name(&policy.name)
                .policy_document(&policy.document)
                .send()
        };
        bounded(async { self.sessions.call(revoker(role), "PutRolePolicy", put).await.map(drop).map_err(failed) }).await
    }

    #[tracing::instrument(name = "remove_policy", skip_all, fields(role = %role.arn, policy = name))]
    async fn remove(&self, role: &Role, name: &str) -> Result<(), RolePoliciesError> {
        let delete =
            |iam: aws_sdk_iam::Client| iam.delete_role_policy().role_name(role.arn.name()).policy_name(name).send();
        let remove = async {
            match self.sessions.call(revoker(role), "DeleteRolePolicy", delete).await {
                Ok(_) => Ok(()),
                Err(error) if is_no_such_entity(&error) => Ok(()),
                Err(error) => Err(failed(error)),
            }
        };
        bounded(remove).await
    }
}
