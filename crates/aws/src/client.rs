//! The one way to AWS: Region, endpoint, credentials, deadlines and retries are
//! decided here, for every adapter.

use std::sync::Arc;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::{Credentials as SdkCredentials, SharedCredentialsProvider};
use halligan_core::id::DeploymentId;
use halligan_engine::ports::{Clock, Credentials, SecretText, SignError};
use secrecy::ExposeSecret;

use crate::archive::{ArchiveSettings, ReaderSettings, S3Archive, S3Reader};
use crate::assume::Assumer;
use crate::cloudwatch::{CloudWatchSettings, CloudWatchSink};
use crate::console::{Federation, FederationError};
use crate::mint::StsMinter;
use crate::observe::{Dates, Observer};
use crate::offset::AwsClock;
use crate::partition::Partition;
use crate::probe::StsProbes;
use crate::revoker::Revoker;
use crate::signer::{KmsSettings, KmsSigner};
use crate::trails::{CloudTrails, TrailsSettings};

/// How to reach AWS.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where STS is called: its Regional endpoint, whose tokens are valid in every Region.
    pub region: String,
    /// One endpoint for every service; none: `AWS_ENDPOINT_URL`, else AWS's own.
    pub endpoint_url: Option<String>,
    /// The broker's own credentials; none: the SDK's default chain.
    pub credentials: Option<StaticCredentials>,
    /// How long to wait.
    pub limits: Limits,
}

impl Settings {
    /// AWS itself, with the default chain's credentials.
    #[must_use]
    pub fn in_region(region: &str) -> Self {
        Self { region: region.to_owned(), endpoint_url: None, credentials: None, limits: Limits::default() }
    }
}

/// Credentials that are known beforehand.
#[derive(Debug, Clone)]
pub struct StaticCredentials {
    /// Not a secret.
    pub access_key_id: String,
    /// Secret.
    pub secret_access_key: SecretText,
    /// Secret; none for an IAM user's key.
    pub session_token: Option<SecretText>,
}

/// How long one call may take. Three attempts and the waits between them fit
/// into the operation's limit, which ends the call whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until one attempt is answered.
    pub attempt: Duration,
    /// Until the call is over, retries and all.
    pub operation: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), attempt: Duration::from_secs(3), operation: Duration::from_secs(10) }
    }
}

const ATTEMPTS_MAX: u32 = 3;
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_millis(500);

/// AWS, as this broker reaches it. The adapters are made from it.
#[derive(Debug, Clone)]
pub struct Aws {
    pub(crate) sdk: SdkConfig,
    pub(crate) limits: Limits,
    pub(crate) observer: Observer,
    clock: SharedClock,
    dates: Arc<Dates>,
}

/// A clock that `Debug` passes over.
#[derive(Clone)]
pub(crate) struct SharedClock(pub(crate) Arc<dyn Clock>);

impl std::fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Aws {
    /// Reads the configuration; calls nobody yet.
    pub async fn connect(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        // One pinned version: an update of the SDK may not change timeouts or retries by itself.
        let limits = settings.limits;
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(settings.region.clone()))
            .timeout_config(timeouts(limits.connect, limits.attempt, limits.operation))
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(ATTEMPTS_MAX)
                    .with_initial_backoff(BACKOFF_FIRST)
                    .with_max_backoff(BACKOFF_MAX),
            );
        if let Some(url) = &settings.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(own) = &settings.credentials {
            let token = own.session_token.as_ref().map(|token| token.expose_secret().to_owned());
            let secret = own.secret_access_key.expose_secret();
            loader =
                loader.credentials_provider(SdkCredentials::new(&own.access_key_id, secret, token, None, "configured"));
        }
        let dates = Arc::new(Dates::new(Arc::clone(&clock)));
        let observer = Observer::new(Arc::clone(&dates));
        Self { sdk: loader.load().await, limits, observer, clock: SharedClock(clock), dates }
    }

    /// The SDK's configuration, for provisioning a stand-in.
    #[must_use]
    pub const fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    /// Mints with the broker's own credentials.
    #[must_use]
    pub fn minter(&self) -> StsMinter {
        StsMinter::new(self.assumer())
    }

    /// Inline policies through the revokers of the roles' accounts.
    #[must_use]
    pub fn role_policies(&self, deployment: &DeploymentId) -> Revoker {
        Revoker::new(self.clone(), self.assumer(), deployment)
    }

    /// The log in S3: written by one role, read by another.
    #[must_use]
    pub fn archive(&self, deployment: &DeploymentId, settings: ArchiveSettings) -> S3Archive {
        S3Archive::new(self.clone(), self.assumer(), deployment, settings)
    }

    /// The log in S3, to be read alone.
    #[must_use]
    pub fn log_reader(&self, deployment: &DeploymentId, settings: ReaderSettings) -> S3Reader {
        S3Reader::new(self.clone(), self.assumer(), deployment, settings)
    }

    /// A copy of the log's entries in CloudWatch Logs.
    #[must_use]
    pub fn cloudwatch(&self, deployment: &DeploymentId, settings: CloudWatchSettings) -> CloudWatchSink {
        CloudWatchSink::new(self.clone(), self.assumer(), deployment, settings)
    }

    /// Whether the catalogue's accounts are recorded, and the record is kept.
    #[must_use]
    pub fn trails(&self, deployment: &DeploymentId, settings: TrailsSettings) -> CloudTrails {
        CloudTrails::new(self.clone(), self.assumer(), deployment, settings)
    }

    /// The log's key in KMS; its public half is fetched.
    ///
    /// # Errors
    /// It can't be read, or is no Ed25519 key that signs.
    pub async fn kms_signer(&self, deployment: &DeploymentId, settings: KmsSettings) -> Result<KmsSigner, SignError> {
        KmsSigner::open(self.clone(), self.assumer(), deployment, settings).await
    }

    /// Probe sessions.
    #[must_use]
    pub fn probes(&self) -> StsProbes {
        StsProbes::new(self.clone(), self.assumer())
    }

    /// Compares the broker's clock with AWS's.
    #[must_use]
    pub fn clock_offset(&self) -> AwsClock {
        AwsClock::new(self.sts(), Arc::clone(&self.dates))
    }

    /// Console sign-in. `issuer_url` is where AWS sends people whose session is
    /// over; `federation_url` replaces the endpoint of the Region's partition.
    ///
    /// # Errors
    /// A URL that is none, or a partition whose endpoint isn't known.
    pub fn console(&self, issuer_url: &str, federation_url: Option<&str>) -> Result<Federation, FederationError> {
        let region = self.sdk.region().map_or("", Region::as_ref);
        Federation::new(Partition::of_region(region), issuer_url, federation_url, self.limits)
    }

    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.clock.0.now()
    }

    fn assumer(&self) -> Assumer {
        Assumer::new(self.sts(), self.clock.clone())
    }

    fn sts(&self) -> aws_sdk_sts::Client {
        let config = aws_sdk_sts::config::Builder::from(&self.sdk).interceptor(self.observer.clone());
        aws_sdk_sts::Client::from_conf(config.build())
    }

    /// The configuration for calls with a session of the broker's own.
    pub(crate) fn sdk_of(&self, session: &Credentials) -> SdkConfig {
        let credentials = SdkCredentials::new(
            &session.access_key_id,
            session.secret_access_key.expose_secret(),
            Some(session.session_token.expose_secret().to_owned()),
            Some(session.token_expires_at.into()),
            "AssumeRole",
        );
        // The shared cache would keep each of these sessions for as long as the broker runs.
        let builder = self.sdk.to_builder().identity_cache(IdentityCache::no_cache());
        builder.credentials_provider(SharedCredentialsProvider::new(credentials)).build()
    }
}

pub(crate) fn timeouts(connect: Duration, attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(connect)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}
