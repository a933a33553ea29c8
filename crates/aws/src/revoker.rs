//! The inline policies of catalogue roles, read and written by the revoker of
//! each role's account: IAM writes act in the caller's own account alone.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_iam::error::SdkError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use halligan_core::catalogue::{Role, RoleArn};
use halligan_core::iam::SessionName;
use halligan_core::id::DeploymentId;
use halligan_engine::ports::{MintError, ROLE_POLICY_CALL_MAX, RolePolicies, RolePoliciesError, RolePolicy};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use tokio::sync::Mutex;

use crate::assume::{Ask, Assumer, TOKEN_SECONDS_MIN};
use crate::client::Aws;
use crate::failure::{Failure, Kind};

/// A revoker's session is replaced when less than this is left of it: more than one call takes.
const SESSION_LEFT_MIN: SignedDuration = SignedDuration::from_secs(60);
/// How many policies are read side by side.
const READS_AT_ONCE: usize = 8;
const SESSION_NAME_CHARACTERS_MAX: usize = 64;

/// [`RolePolicies`] through the revoker that the catalogue names for each role.
#[derive(Debug)]
pub struct Revoker {
    aws: Aws,
    assumer: Assumer,
    session_name: SessionName,
    /// A slot for each revoker, so that none waits for another's AssumeRole.
    sessions: Mutex<HashMap<RoleArn, Arc<Mutex<Option<Open>>>>>,
}

#[derive(Debug, Clone)]
struct Open {
    iam: aws_sdk_iam::Client,
    access_key_id: String,
    until: Timestamp,
}

impl Revoker {
    pub(crate) fn new(aws: Aws, assumer: Assumer, deployment: &DeploymentId) -> Self {
        // CloudTrail tells deployments apart by it. No source identity: that would
        // take a right (`sts:SetSourceIdentity`) which the revoker needs for nothing else.
        let mut name = format!("halligan-{deployment}");
        name.truncate(SESSION_NAME_CHARACTERS_MAX);
        // A deployment's name has a legal name's characters; were it otherwise, any name serves.
        let session_name = SessionName::try_from(name).unwrap_or_else(|_| SessionName::new([0; 16]));
        Self { aws, assumer, session_name, sessions: Mutex::default() }
    }

    async fn slot(&self, revoker: &RoleArn) -> Arc<Mutex<Option<Open>>> {
        Arc::clone(self.sessions.lock().await.entry(revoker.clone()).or_default())
    }

    async fn session(&self, role: &Role) -> Result<Open, RolePoliciesError> {
        let slot = self.slot(&role.revoker).await;
        let mut slot = slot.lock().await;
        if let Some(open) = slot.as_ref().filter(|open| open.until.duration_since(self.aws.now()) > SESSION_LEFT_MIN) {
            return Ok(open.clone());
        }
        let ask = Ask {
            role: &role.revoker,
            external_id: &role.external_id,
            session_name: &self.session_name,
            source_identity: None,
            seconds: TOKEN_SECONDS_MIN,
            policy: None,
            tags: Vec::new(),
        };
        let session = self.assumer.assume(&ask).await.map_err(not_opened)?;
        let config =
            aws_sdk_iam::config::Builder::from(&self.aws.sdk_of(&session)).interceptor(self.aws.observer.clone());
        let iam = aws_sdk_iam::Client::from_conf(config.build());
        let open = Open { iam, access_key_id: session.access_key_id, until: session.token_expires_at };
        *slot = Some(open.clone());
        Ok(open)
    }

    /// Unless another call has replaced it already.
    async fn forget(&self, role: &Role, session: &Open) {
        let slot = self.slot(&role.revoker).await;
        let mut slot = slot.lock().await;
        slot.take_if(|open| open.access_key_id == session.access_key_id);
    }

    /// Makes `call` with the revoker's session, and once more with a new session
    /// if IAM has done with the first.
    async fn call<T, E, F>(
        &self,
        role: &Role,
        name: &str,
        call: impl Fn(aws_sdk_iam::Client) -> F,
    ) -> Result<T, Outcome>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let failed = |error: SdkError<E, HttpResponse>| Failure::of(name, &error);
        let session = self.session(role).await.map_err(Outcome::NotOpened)?;
        let failure = match call(session.iam.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => failed(error),
        };
        if !failure.has_code(&["ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId"]) {
            return Err(Outcome::Failed(failure));
        }
        self.forget(role, &session).await;
        let session = self.session(role).await.map_err(Outcome::NotOpened)?;
        call(session.iam).await.map_err(|error| Outcome::Failed(failed(error)))
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
        self.call(role, "ListRolePolicies", list).await.map_err(Into::into)
    }

    /// None if it has gone since it was listed.
    async fn document(&self, role: &Role, name: String) -> Result<Option<RolePolicy>, RolePoliciesError> {
        let get = |iam: aws_sdk_iam::Client| iam.get_role_policy().role_name(role.arn.name()).policy_name(&name).send();
        match self.call(role, "GetRolePolicy", get).await {
            Ok(answer) => {
                // IAM answers with the document URL-encoded (RFC 3986).
                let document = percent_decode_str(answer.policy_document()).decode_utf8().map_err(|_| {
                    RolePoliciesError::Unavailable("GetRolePolicy: the document in the answer is not UTF-8".to_owned())
                })?;
                Ok(Some(RolePolicy { name, document: document.into_owned() }))
            }
            Err(outcome) if outcome.is_no_such_entity() => Ok(None),
            Err(outcome) => Err(outcome.into()),
        }
    }
}

/// How a call with the revoker's session failed.
enum Outcome {
    NotOpened(RolePoliciesError),
    Failed(Failure),
}

impl Outcome {
    fn is_no_such_entity(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.has_code(&["NoSuchEntity"]))
    }
}

impl From<Outcome> for RolePoliciesError {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::NotOpened(error) => error,
            Outcome::Failed(failure) if failure.has_code(&["LimitExceeded"]) => Self::TooLarge(failure.text),
            Outcome::Failed(failure) => match failure.kind {
                Kind::Refused => Self::Refused(failure.text),
                Kind::Unavailable | Kind::Lost => Self::Unavailable(failure.text),
            },
        }
    }
}

fn not_opened(error: MintError) -> RolePoliciesError {
    match error {
        MintError::Refused(text) | MintError::PackedPolicyTooLarge(text) => RolePoliciesError::Refused(text),
        MintError::Unavailable(text) | MintError::OutcomeUnknown(text) => RolePoliciesError::Unavailable(text),
    }
}

/// The lease that the caller holds counts on this: whatever comes of it, the call is over.
async fn in_time<T>(call: impl Future<Output = Result<T, RolePoliciesError>>) -> Result<T, RolePoliciesError> {
    let deadline = ROLE_POLICY_CALL_MAX.unsigned_abs();
    match tokio::time::timeout(deadline, call).await {
        Ok(outcome) => outcome,
        Err(_) => Err(RolePoliciesError::Unavailable(format!("no answer within {} s", deadline.as_secs()))),
    }
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
        in_time(read).await
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
        in_time(async { self.call(role, "PutRolePolicy", put).await.map(drop).map_err(Into::into) }).await
    }

    #[tracing::instrument(name = "remove_policy", skip_all, fields(role = %role.arn, policy = name))]
    async fn remove(&self, role: &Role, name: &str) -> Result<(), RolePoliciesError> {
        let delete =
            |iam: aws_sdk_iam::Client| iam.delete_role_policy().role_name(role.arn.name()).policy_name(name).send();
        let remove = async {
            match self.call(role, "DeleteRolePolicy", delete).await {
                Ok(_) => Ok(()),
                Err(outcome) if outcome.is_no_such_entity() => Ok(()),
                Err(outcome) => Err(outcome.into()),
            }
        };
        in_time(remove).await
    }
}
