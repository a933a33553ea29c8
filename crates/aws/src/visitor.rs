//! AWS as whoever holds credentials sees it: for the demo and the tests, which
//! believe AWS's answers and not the broker's.

use aws_config::SdkConfig;
use halligan_engine::ports::CallOutcome;

use crate::client::StaticCredentials;
use crate::probe::outcome;
use crate::provision::Accounts;

/// Somebody with session credentials.
#[derive(Debug, Clone)]
pub struct Visitor {
    sdk: SdkConfig,
}

impl Visitor {
    /// A visitor of these accounts.
    #[must_use]
    pub fn new(accounts: &Accounts, credentials: &StaticCredentials) -> Self {
        Self { sdk: accounts.sdk(credentials) }
    }

    /// `s3:ListAllMyBuckets`.
    pub async fn list_buckets(&self) -> CallOutcome {
        let s3 = aws_sdk_s3::Client::new(&self.sdk);
        outcome("ListBuckets", s3.list_buckets().max_buckets(1).send().await)
    }

    /// `iam:ListUsers`, for scopes without IAM.
    pub async fn list_users(&self) -> CallOutcome {
        let iam = aws_sdk_iam::Client::new(&self.sdk);
        outcome("ListUsers", iam.list_users().max_items(1).send().await)
    }

    /// `sts:GetCallerIdentity`, which nothing denies: the ARN of the session, if its
    /// token is one of AWS's and alive.
    pub async fn caller(&self) -> Option<String> {
        let sts = aws_sdk_sts::Client::new(&self.sdk);
        sts.get_caller_identity().send().await.ok()?.arn
    }
}
