//! Calls in the name of roles that the broker keeps sessions with: revokers, the
//! archive's writer and reader, the signer. A session is opened when it is first
//! needed, and replaced before its end or when AWS has done with it.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use halligan_core::catalogue::RoleArn;
use halligan_core::iam::SessionName;
use halligan_core::id::DeploymentId;
use halligan_engine::ports::MintError;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::assume::{Ask, Assumer, TOKEN_SECONDS_MIN};
use crate::client::Aws;
use crate::failure::{Failure, Kind};

/// A session is replaced when less than this is left of it: more than one call takes.
const SESSION_LEFT_MIN: SignedDuration = SignedDuration::from_secs(60);
const SESSION_NAME_CHARACTERS_MAX: usize = 64;
/// A session that was over sooner than it said, in the words of IAM, S3 and the services that speak JSON.
const OVER: [&str; 6] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "UnrecognizedClientException",
];

/// A role that the broker may assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumedRole {
    /// Which.
    pub arn: RoleArn,
    /// What its trust policy demands.
    pub external_id: String,
}

/// In whose name a call is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum As<'a> {
    /// With the credentials that the process has itself.
    Own,
    /// A role's.
    Role { arn: &'a RoleArn, external_id: &'a str },
}

impl<'a> From<&'a AssumedRole> for As<'a> {
    fn from(role: &'a AssumedRole) -> Self {
        Self::Role { arn: &role.arn, external_id: &role.external_id }
    }
}

/// Clients of one service, one for each role.
pub(crate) struct Sessions<C> {
    aws: Aws,
    assumer: Assumer,
    name: SessionName,
    own: C,
    client: Box<dyn Fn(SdkConfig) -> C + Send + Sync>,
    /// A slot for each role, so that none waits for another's AssumeRole.
    slots: Mutex<HashMap<RoleArn, Slot<C>>>,
}

type Slot<C> = Arc<Mutex<Option<Open<C>>>>;

impl<C> fmt::Debug for Sessions<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
struct Open<C> {
    client: C,
    access_key_id: String,
    until: Timestamp,
}

impl<C: Clone> Sessions<C> {
    /// `client` makes the service's client of a configuration.
    pub(crate) fn new(
        aws: Aws,
        assumer: Assumer,
        deployment: &DeploymentId,
        client: impl Fn(SdkConfig) -> C + Send + Sync + 'static,
    ) -> Self {
        // CloudTrail tells deployments apart by it. No source identity: that would
        // take a right (`sts:SetSourceIdentity`) which these roles need for nothing else.
        let mut name = format!("halligan-{deployment}");
        name.truncate(SESSION_NAME_CHARACTERS_MAX);
        // A deployment's name has a legal name's characters; were it otherwise, any name serves.
        let name = SessionName::try_from(name).unwrap_or_else(|_| SessionName::new([0; 16]));
        let own = client(aws.sdk.clone());
        Self { aws, assumer, name, own, client: Box::new(client), slots: Mutex::default() }
    }

    async fn slot(&self, arn: &RoleArn) -> Slot<C> {
        Arc::clone(self.slots.lock().await.entry(arn.clone()).or_default())
    }

    async fn open(&self, arn: &RoleArn, external_id: &str) -> Result<Open<C>, MintError> {
        let slot = self.slot(arn).await;
        let mut slot = slot.lock().await;
        if let Some(open) = slot.as_ref().filter(|open| open.until.duration_since(self.aws.now()) > SESSION_LEFT_MIN) {
            return Ok(open.clone());
        }
        let ask = Ask {
            role: arn,
            external_id,
            session_name: &self.name,
            source_identity: None,
            seconds: TOKEN_SECONDS_MIN,
            policy: None,
            tags: Vec::new(),
        };
        let session = self.assumer.assume(&ask).await?;
        let client = (self.client)(self.aws.sdk_of(&session));
        let open = Open { client, access_key_id: session.access_key_id, until: session.token_expires_at };
        *slot = Some(open.clone());
        Ok(open)
    }

    /// Unless another call has replaced it already.
    async fn forget(&self, arn: &RoleArn, session: &Open<C>) {
        let slot = self.slot(arn).await;
        let mut slot = slot.lock().await;
        slot.take_if(|open| open.access_key_id == session.access_key_id);
    }

    /// Makes the call `name` in somebody's name, and once more with a new session
    /// if AWS has done with the first.
    pub(crate) async fn call<T, E, F>(&self, who: As<'_>, name: &str, call: impl Fn(C) -> F) -> Result<T, CallError>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let failed = |error: SdkError<E, HttpResponse>| Failure::of(name, &error);
        let As::Role { arn, external_id } = who else {
            return call(self.own.clone()).await.map_err(|error| CallError::Failed(failed(error)));
        };
        let session = self.open(arn, external_id).await.map_err(CallError::NotOpened)?;
        let failure = match call(session.client.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => failed(error),
        };
        if !failure.has_code(&OVER) {
            return Err(CallError::Failed(failure));
        }
        self.forget(arn, &session).await;
        let session = self.open(arn, external_id).await.map_err(CallError::NotOpened)?;
        call(session.client).await.map_err(|error| CallError::Failed(failed(error)))
    }
}

/// How a call in a role's name failed.
#[derive(Debug)]
pub(crate) enum CallError {
    /// There is no session to make it with.
    NotOpened(MintError),
    /// The call itself.
    Failed(Failure),
}

impl CallError {
    pub(crate) fn has_code(&self, codes: &[&str]) -> bool {
        matches!(self, Self::Failed(failure) if failure.has_code(codes))
    }

    /// Whether the same call will be refused again.
    pub(crate) const fn is_refused(&self) -> bool {
        match self {
            Self::NotOpened(MintError::Refused(_) | MintError::PackedPolicyTooLarge(_)) => true,
            Self::NotOpened(MintError::Unavailable(_) | MintError::OutcomeUnknown(_)) => false,
            Self::Failed(failure) => matches!(failure.kind, Kind::Refused),
        }
    }

    /// What people read: bounded, printable, free of secrets; begins with the call's name.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::NotOpened(
                MintError::Refused(text)
                | MintError::PackedPolicyTooLarge(text)
                | MintError::Unavailable(text)
                | MintError::OutcomeUnknown(text),
            ) => text,
            Self::Failed(failure) => failure.text,
        }
    }
}

/// Whatever comes of it, the call is over after `limit`: then `late` says so.
pub(crate) async fn in_time<T, E>(
    limit: Duration,
    call: impl Future<Output = Result<T, E>>,
    late: impl FnOnce(String) -> E,
) -> Result<T, E> {
    match tokio::time::timeout(limit, call).await {
        Ok(outcome) => outcome,
        Err(_) => Err(late(format!("no answer within {} s", limit.as_secs()))),
    }
}
