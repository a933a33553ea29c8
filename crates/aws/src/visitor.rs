//! AWS as whoever holds credentials sees it: for the demo and the tests, which
//! believe AWS's answers and not the broker's.

use std::error::Error;
use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use halligan_engine::ports::{CallOutcome, Denial};

use crate::client::StaticCredentials;
use crate::probe::outcome;
use crate::provision::Accounts;

/// Somebody with session credentials.
#[derive(Debug, Clone)]
pub struct Visitor {
    sdk: SdkConfig,
}

/// What somebody tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt<'a> {
    /// `s3:ListAllMyBuckets`.
    ListBuckets,
    /// `s3:PutObject` into this bucket.
    PutObject(&'a str),
    /// `iam:CreateUser` of this name.
    CreateUser(&'a str),
}

impl fmt::Display for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ListBuckets => "s3:ListAllMyBuckets",
            Self::PutObject(_) => "s3:PutObject",
            Self::CreateUser(_) => "iam:CreateUser",
        })
    }
}

/// What AWS answered to it.
///
/// Narrower than [`CallOutcome`], which shows whether a deny bites: here a denial
/// for want of an Allow is one too, and whatever is no answer of IAM's is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Yes.
    Allowed,
    /// No, for want of permission.
    Denied {
        /// Whether the answer names an explicit deny: one that no other policy can outweigh.
        explicitly: bool,
    },
    /// Neither: it shows nothing.
    Unclear(String),
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str("allowed"),
            Self::Denied { .. } => f.write_str("denied"),
            Self::Unclear(because) => write!(f, "unclear: {because}"),
        }
    }
}

impl Visitor {
    /// A visitor of these accounts.
    #[must_use]
    pub fn new(accounts: &Accounts, credentials: &StaticCredentials) -> Self {
        Self { sdk: accounts.sdk(credentials) }
    }

    /// The root of one of the accounts, whom nothing binds there.
    #[must_use]
    pub fn root(accounts: &Accounts, account: &str) -> Self {
        Self { sdk: accounts.root(account) }
    }

    /// Tries something, once, on a connection of its own.
    pub async fn attempt(&self, attempt: Attempt<'_>) -> Seen {
        let name = attempt.to_string();
        match attempt {
            Attempt::ListBuckets => seen(&name, self.s3().list_buckets().max_buckets(1).send().await),
            Attempt::PutObject(bucket) => {
                seen(&name, self.s3().put_object().bucket(bucket).key("halligan-demo").send().await)
            }
            Attempt::CreateUser(user) => {
                let iam = aws_sdk_iam::Client::new(&self.sdk);
                seen(&name, iam.create_user().user_name(user).send().await)
            }
        }
    }

    /// Makes a bucket.
    pub async fn create_bucket(&self, bucket: &str) -> Seen {
        let region = self.sdk.region().map_or("", |region| region.as_ref());
        let place = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region));
        let request = self.s3().create_bucket().bucket(bucket).create_bucket_configuration(place.build());
        seen("CreateBucket", request.send().await)
    }

    /// Deletes what was first written under a key, with the bypass that those have who administer the bucket.
    pub async fn delete_first_version(&self, bucket: &str, key: &str) -> Seen {
        let listed = match self.s3().list_object_versions().bucket(bucket).prefix(key).send().await {
            Ok(listed) => listed,
            Err(error) => return seen::<(), _>("ListObjectVersions", Err(error)),
        };
        let versions = listed.versions().iter().filter(|version| version.key() == Some(key));
        let Some(first) = versions.min_by_key(|version| version.last_modified().copied()) else {
            return Seen::Unclear(format!("`{key}` has no version"));
        };
        let delete = self.s3().delete_object().bucket(bucket).key(key).set_version_id(first.version_id.clone());
        seen("DeleteObject", delete.bypass_governance_retention(true).send().await)
    }

    /// Hides a key behind a delete marker.
    pub async fn hide(&self, bucket: &str, key: &str) -> Seen {
        seen("DeleteObject", self.s3().delete_object().bucket(bucket).key(key).send().await)
    }

    /// The messages of a log group's events.
    ///
    /// # Errors
    /// What was answered instead.
    pub async fn events(&self, log_group: &str) -> Result<Vec<String>, Seen> {
        let logs = aws_sdk_cloudwatchlogs::Client::new(&self.sdk);
        let (mut messages, mut next) = (Vec::new(), None);
        loop {
            let asked = logs.filter_log_events().log_group_name(log_group).set_next_token(next).send().await;
            let page = match asked {
                Ok(page) => page,
                Err(error) => return Err(seen::<(), _>("FilterLogEvents", Err(error))),
            };
            messages.extend(page.events.unwrap_or_default().into_iter().filter_map(|event| event.message));
            next = page.next_token;
            if next.is_none() {
                return Ok(messages);
            }
        }
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        // A stand-in has no host name for each bucket.
        let config = aws_sdk_s3::config::Builder::from(&self.sdk).force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

fn seen<T, E>(name: &str, answer: Result<T, SdkError<E, HttpResponse>>) -> Seen
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let code = answer.as_ref().err().and_then(SdkError::as_service_error).and_then(ProvideErrorMetadata::code);
    let denied = matches!(code, Some("AccessDenied" | "AccessDeniedException"));
    match outcome(name, answer) {
        CallOutcome::Allowed => Seen::Allowed,
        CallOutcome::Denied(denial) => Seen::Denied { explicitly: denial == Denial::Explicit },
        CallOutcome::Inconclusive(_) if denied => Seen::Denied { explicitly: false },
        CallOutcome::Inconclusive(because) => Seen::Unclear(because),
    }
}
