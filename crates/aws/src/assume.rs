//! One AssumeRole, whoever it is for: checked first, sent, and told truthfully
//! how it ended.

mod check;
mod trail;

use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use halligan_core::catalogue::RoleArn;
use halligan_core::iam::{SessionName, SessionPolicy, SourceIdentity};
use halligan_engine::ports::{Credentials, MintError};
use jiff::Timestamp;

use check::check;
use trail::Trail;

use crate::client::SharedClock;
use crate::failure::{Failure, Kind};

/// The shortest life that STS gives a token.
pub(crate) const TOKEN_SECONDS_MIN: u32 = 900;

/// What is asked of STS.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) role: &'a RoleArn,
    pub(crate) external_id: &'a str,
    pub(crate) session_name: &'a SessionName,
    pub(crate) source_identity: Option<&'a SourceIdentity>,
    pub(crate) seconds: u32,
    pub(crate) policy: Option<&'a SessionPolicy>,
    /// Transitive, all of them: they follow role chaining.
    pub(crate) tags: Vec<(&'static str, String)>,
}

/// Assumes roles with the broker's own credentials.
#[derive(Debug, Clone)]
pub(crate) struct Assumer {
    sts: aws_sdk_sts::Client,
    clock: SharedClock,
}

impl Assumer {
    pub(crate) const fn new(sts: aws_sdk_sts::Client, clock: SharedClock) -> Self {
        Self { sts, clock }
    }

    pub(crate) async fn assume(&self, ask: &Ask<'_>) -> Result<Credentials, MintError> {
        let seconds = check(ask)?;
        let mut call = self
            .sts
            .assume_role()
            .role_arn(ask.role.to_string())
            .external_id(ask.external_id)
            .role_session_name(ask.session_name.as_str())
            .duration_seconds(seconds)
            .set_source_identity(ask.source_identity.map(ToString::to_string));
        if let Some(policy) = ask.policy {
            call = call.policy(policy.json());
            for arn in policy.managed() {
                call = call.policy_arns(PolicyDescriptorType::builder().arn(arn).build());
            }
        }
        for (key, value) in &ask.tags {
            let tag =
                Tag::builder().key(*key).value(value).build().map_err(|error| MintError::Refused(error.to_string()))?;
            call = call.tags(tag).transitive_tag_keys(*key);
        }
        let trail = Trail::default();
        // An attempt whose answer was lost is retried although it may have made a token:
        // nobody has that token, and it would have the same tags and the same fence.
        match call.customize().interceptor(trail.clone()).send().await {
            Ok(answer) => credentials(answer, self.clock.0.now()),
            Err(error) => Err(refusal(Failure::of("AssumeRole", &error), &trail)),
        }
    }
}

fn refusal(failure: Failure, trail: &Trail) -> MintError {
    match failure.kind {
        // The last attempt says nothing about one before it.
        _ if trail.lost() => MintError::OutcomeUnknown(failure.text),
        Kind::Lost => MintError::OutcomeUnknown(failure.text),
        Kind::Unavailable => MintError::Unavailable(failure.text),
        Kind::Refused if failure.has_code(&["PackedPolicyTooLarge"]) => MintError::PackedPolicyTooLarge(failure.text),
        Kind::Refused => MintError::Refused(failure.text),
    }
}

fn credentials(answer: AssumeRoleOutput, now: Timestamp) -> Result<Credentials, MintError> {
    let nonsense = |what: &str| MintError::OutcomeUnknown(format!("AssumeRole: the answer {what}"));
    let packed_policy_percent = packed_percent(&answer);
    let given = answer.credentials.ok_or_else(|| nonsense("holds no credentials"))?;
    if given.access_key_id.is_empty() || given.secret_access_key.is_empty() || given.session_token.is_empty() {
        return Err(nonsense("leaves out a part of the credentials"));
    }
    let token_expires_at = given
        .expiration
        .to_millis()
        .ok()
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
        .ok_or_else(|| nonsense("has no legible expiry"))?;
    if token_expires_at <= now {
        return Err(nonsense("has credentials that have expired already: compare the clocks"));
    }
    Ok(Credentials {
        access_key_id: given.access_key_id,
        secret_access_key: given.secret_access_key.into(),
        session_token: given.session_token.into(),
        token_expires_at,
        packed_policy_percent,
    })
}

/// How full the token is. AWS replaces `PackedPolicySize` by `SessionTokenUtilization`
/// (since 2026-06); past 100 % of either the call fails.
#[expect(deprecated, reason = "endpoints that don't know the successor send this one alone")]
fn packed_percent(answer: &AssumeRoleOutput) -> Option<i32> {
    answer.session_token_utilization().max(answer.packed_policy_size())
}
