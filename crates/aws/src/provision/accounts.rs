//! The accounts of a deployment on a stand-in of AWS: what `deploy/aws/README.md`
//! does on AWS, in its order.

use std::collections::BTreeMap;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::{Credentials as SdkCredentials, SharedCredentialsProvider};
use secrecy::ExposeSecret as _;

use super::{BREAK_GLASS_ROLE, BROKER, LOGGING_ACCOUNT, ProvisionError, TARGET_ACCOUNT, deploy, trail};
use crate::client::StaticCredentials;

/// Where the broker's own role is.
pub const BROKER_ACCOUNT_ID: &str = "111111111111";
/// Where people get in.
pub const TARGET_ACCOUNT_ID: &str = "222222222222";
/// Where the archive is.
pub const LOGGING_ACCOUNT_ID: &str = "333333333333";

/// The secret of every root: the stand-in takes an account's number for the
/// access key of its root, and whatever secret.
const ROOT_SECRET: &str = "test";

/// What is wanted beyond the templates' defaults.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The Region of every call.
    pub region: String,
    /// What the trust policies demand.
    pub external_id: String,
    /// The names of the break-glass roles; each begins with `halligan-`.
    pub roles: Vec<String>,
    /// More parameters of [`TARGET_ACCOUNT`].
    pub target: BTreeMap<String, String>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            region: "eu-central-1".to_owned(),
            external_id: "stand-in-external-id".to_owned(),
            roles: vec!["halligan-break-glass".to_owned()],
            target: BTreeMap::new(),
        }
    }
}

/// What is there once [`stand_in`] is done. ARNs are known from the names.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// The broker's own role.
    pub broker: String,
    /// The break-glass roles, in the plan's order.
    pub roles: Vec<String>,
    /// The revoker of the target account.
    pub revoker: String,
    /// What the trust policies demand.
    pub external_id: String,
    /// The archive's bucket.
    pub archive: String,
    /// The bucket of the personal parts.
    pub personal_archive: String,
    /// The log group that entries are streamed to.
    pub log_group: String,
    /// Who puts into all three.
    pub log_writer: String,
    /// Who reads the buckets.
    pub log_reader: String,
    /// Who erases personal parts; the logging account's root may become this role.
    pub log_eraser: String,
    /// Who signs with the key.
    pub log_signer: String,
    /// The ARN of the key in KMS; empty before it is made.
    pub log_key: String,
    /// The name of the trail that records the target account.
    pub trail: String,
    /// The bucket of the logging account that it delivers to.
    pub trail_archive: String,
    endpoint_url: String,
    region: String,
}

/// Deploys the broker's account, a target account with its break-glass roles and
/// a logging account to the stand-in at `endpoint_url`, and a trail as an
/// organization has one.
///
/// # Errors
/// As [`deploy`].
pub async fn stand_in(endpoint_url: &str, plan: &Plan) -> Result<Accounts, ProvisionError> {
    let accounts = Accounts::planned(endpoint_url, plan);
    // The others trust this one, and a trust policy may only name what exists.
    accounts.deploy_broker().await?;
    let ((), log_key) = futures::try_join!(accounts.deploy_target(plan), accounts.deploy_logging())?;
    trail::record(&accounts).await?;
    Ok(Accounts { log_key, ..accounts })
}

impl Accounts {
    /// What would be there, before anything is deployed.
    #[must_use]
    pub fn planned(endpoint_url: &str, plan: &Plan) -> Self {
        let arn = |account: &str, name: &str| format!("arn:aws:iam::{account}:role/{name}");
        Self {
            broker: arn(BROKER_ACCOUNT_ID, "halligan-broker"),
            roles: plan.roles.iter().map(|name| arn(TARGET_ACCOUNT_ID, name)).collect(),
            revoker: arn(TARGET_ACCOUNT_ID, "halligan-revoker"),
            external_id: plan.external_id.clone(),
            archive: "halligan-archive".to_owned(),
            personal_archive: "halligan-personal".to_owned(),
            log_group: "halligan".to_owned(),
            log_writer: arn(LOGGING_ACCOUNT_ID, "halligan-log-writer"),
            log_reader: arn(LOGGING_ACCOUNT_ID, "halligan-log-reader"),
            log_eraser: arn(LOGGING_ACCOUNT_ID, "halligan-log-eraser"),
            log_signer: arn(LOGGING_ACCOUNT_ID, "halligan-log-signer"),
            log_key: String::new(),
            trail: "org-trail".to_owned(),
            trail_archive: "org-trail".to_owned(),
            endpoint_url: endpoint_url.to_owned(),
            region: plan.region.clone(),
        }
    }

    async fn deploy_broker(&self) -> Result<(), ProvisionError> {
        let root = format!("arn:aws:iam::{BROKER_ACCOUNT_ID}:root");
        let parameters = [
            ("BreakGlassRoleArns", self.roles.join(",")),
            ("RevokerRoleArns", self.revoker.clone()),
            ("LogWriterRoleArns", self.log_writer.clone()),
            ("LogReaderRoleArns", self.log_reader.clone()),
            ("LogSignerRoleArns", self.log_signer.clone()),
            ("TrustedPrincipalArn", root),
        ];
        self.deploy(BROKER_ACCOUNT_ID, "halligan-broker", BROKER, named(parameters)).await.map(drop)
    }

    async fn deploy_target(&self, plan: &Plan) -> Result<(), ProvisionError> {
        let mut parameters = plan.target.clone();
        parameters.extend(self.trust());
        self.deploy(TARGET_ACCOUNT_ID, "halligan-target", TARGET_ACCOUNT, parameters).await?;
        let roles = plan.roles.iter().map(async |name| {
            let mut parameters = self.trust();
            parameters.insert("RoleName".to_owned(), name.clone());
            self.deploy(TARGET_ACCOUNT_ID, name, BREAK_GLASS_ROLE, parameters).await.map(drop)
        });
        futures::future::try_join_all(roles).await.map(drop)
    }

    /// The ARN of the log's key.
    async fn deploy_logging(&self) -> Result<String, ProvisionError> {
        let mut parameters = self.trust();
        parameters.extend(named([
            ("BucketName", self.archive.clone()),
            // What is written can't be deleted before: no longer than a try needs.
            ("RetentionDays", "1".to_owned()),
            ("PersonalBucketName", self.personal_archive.clone()),
            ("LogGroupName", self.log_group.clone()),
            ("EraserPrincipalArn", format!("arn:aws:iam::{LOGGING_ACCOUNT_ID}:root")),
            ("SigningKey", "true".to_owned()),
            ("TrailBucketName", self.trail_archive.clone()),
        ]));
        let outputs = self.deploy(LOGGING_ACCOUNT_ID, "halligan-log", LOGGING_ACCOUNT, parameters).await?;
        Ok(outputs.get("LogKeyArn").cloned().unwrap_or_default())
    }

    async fn deploy(
        &self,
        account: &str,
        stack: &str,
        template: &str,
        parameters: BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, ProvisionError> {
        deploy(&self.root(account), stack, template, &parameters).await
    }

    fn trust(&self) -> BTreeMap<String, String> {
        named([("BrokerRoleArn", self.broker.clone()), ("ExternalId", self.external_id.clone())])
    }

    /// The root of an account of the stand-in.
    #[must_use]
    pub fn root(&self, account: &str) -> SdkConfig {
        let keys = StaticCredentials {
            access_key_id: account.to_owned(),
            secret_access_key: ROOT_SECRET.to_owned().into(),
            session_token: None,
        };
        self.sdk(&keys)
    }

    /// Whoever holds these credentials. No call is tried twice, so that each
    /// answer is seen.
    #[must_use]
    pub fn sdk(&self, credentials: &StaticCredentials) -> SdkConfig {
        let token = credentials.session_token.as_ref().map(|token| token.expose_secret().to_owned());
        let secret = credentials.secret_access_key.expose_secret();
        let keys = SdkCredentials::new(&credentials.access_key_id, secret, token, None, "stand-in");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(self.region.clone()))
            .endpoint_url(&self.endpoint_url)
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .retry_config(RetryConfig::disabled())
            .build()
    }

    /// A session of the broker's role: an hour.
    ///
    /// # Errors
    /// [`ProvisionError::Call`].
    pub async fn become_broker(&self) -> Result<StaticCredentials, ProvisionError> {
        let sts = aws_sdk_sts::Client::new(&self.root(BROKER_ACCOUNT_ID));
        let answer = sts.assume_role().role_arn(&self.broker).role_session_name("broker").send().await;
        let answer = answer.map_err(ProvisionError::call("sts:AssumeRole"))?;
        let keys = answer
            .credentials
            .ok_or(ProvisionError::Call { call: "sts:AssumeRole", source: "the answer holds no credentials".into() })?;
        Ok(StaticCredentials {
            access_key_id: keys.access_key_id,
            secret_access_key: keys.secret_access_key.into(),
            session_token: Some(keys.session_token.into()),
        })
    }

    /// An AWS configuration file whose default profile is the broker's role, for
    /// a process that outlives one session. It goes with `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn aws_config(&self) -> String {
        let (region, broker) = (&self.region, &self.broker);
        format!(
            "[default]\nregion = {region}\nrole_arn = {broker}\nrole_session_name = broker\nsource_profile = root\n\n\
             [profile root]\nregion = {region}\naws_access_key_id = {BROKER_ACCOUNT_ID}\n\
             aws_secret_access_key = {ROOT_SECRET}\n"
        )
    }
}

fn named<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
