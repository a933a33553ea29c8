//! Probe sessions: whether a deny bites is asked of AWS, not assumed.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use halligan_core::catalogue::{ProbeCall, Role, RoleArn};
use halligan_core::iam::{SourceIdentity, TAG_GRANT};
use halligan_engine::ports::{CallOutcome, Denial, MintError, ProbeSession, ProbeSpec, Probes};

use crate::assume::{Ask, Assumer, TOKEN_SECONDS_MIN};
use crate::client::{Aws, timeouts};
use crate::failure::Failure;

/// The longest that one probe call takes.
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// [`Probes`] by AssumeRole with the broker's own credentials.
#[derive(Debug, Clone)]
pub struct StsProbes {
    aws: Aws,
    assumer: Assumer,
}

impl StsProbes {
    pub(crate) const fn new(aws: Aws, assumer: Assumer) -> Self {
        Self { aws, assumer }
    }
}

#[async_trait]
impl Probes for StsProbes {
    #[tracing::instrument(name = "open_probe", skip_all, fields(role = %role.arn, tag = %spec.tag))]
    async fn open(&self, role: &Role, spec: &ProbeSpec) -> Result<Box<dyn ProbeSession>, MintError> {
        let ask = Ask {
            role: &role.arn,
            external_id: &role.external_id,
            session_name: &spec.session_name,
            source_identity: Some(&SourceIdentity::probe()),
            seconds: TOKEN_SECONDS_MIN,
            policy: Some(&spec.policy),
            tags: vec![(TAG_GRANT, spec.tag.to_string())],
        };
        let session = self.assumer.assume(&ask).await?;
        let limit = CALL_LIMIT.min(self.aws.limits.operation);
        let builder = self.aws.sdk_of(&session).to_builder();
        // One call is one observation: a retry would hide what the first attempt saw.
        let sdk = builder
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(self.aws.limits.connect, limit, limit))
            .build();
        Ok(Box::new(Session { role: role.arn.clone(), aws: self.aws.clone(), sdk, call: role.probe }))
    }
}

#[derive(Debug)]
struct Session {
    role: RoleArn,
    aws: Aws,
    sdk: SdkConfig,
    call: ProbeCall,
}

#[async_trait]
impl ProbeSession for Session {
    #[tracing::instrument(name = "probe", skip_all, fields(role = %self.role, region))]
    async fn call(&self, region: &str) -> CallOutcome {
        let region = Region::new(region.to_owned());
        let observer = self.aws.observer.clone();
        // A new client has a pool of its own, so each call resolves the name and
        // connects anew: hosts that haven't heard of the deny yet get their turn.
        match self.call {
            ProbeCall::ListAllMyBuckets => {
                let config = aws_sdk_s3::config::Builder::from(&self.sdk).region(region).interceptor(observer);
                // Without a page size S3 refuses accounts that have very many buckets.
                outcome(
                    "ListBuckets",
                    aws_sdk_s3::Client::from_conf(config.build()).list_buckets().max_buckets(1).send().await,
                )
            }
            ProbeCall::ListAccountAliases => {
                // IAM is global: one endpoint a partition, whatever the Region.
                let config = aws_sdk_iam::config::Builder::from(&self.sdk).region(region).interceptor(observer);
                let iam = aws_sdk_iam::Client::from_conf(config.build());
                outcome("ListAccountAliases", iam.list_account_aliases().max_items(1).send().await)
            }
        }
    }
}

/// A denial is told by its message: `… with an explicit deny in a[n] … policy`, or
/// `… because no … policy allows …`. IAM says which, and S3 does for calls within
/// the account (S3 user guide, "Troubleshoot access denied errors"), where a
/// probe's calls stay. An implicit denial shows nothing of ours: a session policy
/// or a boundary that is too narrow looks the same.
///
/// Which policy denied isn't asked: with several, AWS names one. That it was
/// the one on the tag is what the control session, which differs in nothing else, is for.
pub(crate) fn outcome<T, E>(name: &str, answer: Result<T, SdkError<E, HttpResponse>>) -> CallOutcome
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let Err(error) = answer else { return CallOutcome::Allowed };
    let failure = Failure::of(name, &error);
    if !failure.has_code(&["AccessDenied", "AccessDeniedException"]) {
        return CallOutcome::Inconclusive(failure.text);
    }
    let message = error.as_service_error().and_then(ProvideErrorMetadata::message).unwrap_or_default();
    if message.contains("with an explicit deny in a") {
        CallOutcome::Denied(Denial::Explicit)
    } else if message.contains("because no ") {
        CallOutcome::Inconclusive(failure.text)
    } else {
        CallOutcome::Denied(Denial::Unsaid)
    }
}
