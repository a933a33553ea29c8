//! Whether CloudTrail records what people do in a target account, and whether
//! they could take the record back.
//!
//! The revoker of the account looks at its trails, the log's reader at the bucket
//! that they deliver to. Neither can change anything of it, nor read what was
//! recorded.

mod coverage;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use aws_sdk_cloudtrail::types::Trail;
use aws_sdk_s3::types::{ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use halligan_core::catalogue::Role;
use halligan_core::id::DeploymentId;
use halligan_core::text::printable;
use halligan_engine::ports::{TrailError, Trails};

use coverage::Coverage;

use crate::assume::Assumer;
use crate::client::Aws;
use crate::session::{As, AssumedRole, CallError, Sessions, in_time};

/// Names and errors of AWS's, as they are shown.
const SHOWN_CHARACTERS_MAX: usize = 100;

/// The logging account, which trails are to deliver to.
#[derive(Debug, Clone)]
pub struct TrailsSettings {
    /// Its twelve digits.
    pub account: String,
    /// Where its bucket is first looked for; S3 says where else.
    pub region: String,
    /// Who may see the lock of the bucket.
    pub reader: AssumedRole,
}

/// [`Trails`] by CloudTrail and S3. A look is over after four times
/// [`Limits::operation`](crate::Limits): 40 s by default.
pub struct CloudTrails {
    settings: TrailsSettings,
    trails: Sessions<aws_sdk_cloudtrail::Client>,
    s3: Sessions<aws_sdk_s3::Client>,
    limit: Duration,
}

impl fmt::Debug for CloudTrails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudTrails").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl CloudTrails {
    pub(crate) fn new(aws: Aws, assumer: Assumer, deployment: &DeploymentId, settings: TrailsSettings) -> Self {
        let limit = 4 * aws.limits.operation;
        let observer = aws.observer.clone();
        let trails = move |sdk: SdkConfig| {
            let config = aws_sdk_cloudtrail::config::Builder::from(&sdk).interceptor(observer.clone());
            aws_sdk_cloudtrail::Client::from_conf(config.build())
        };
        let (observer, region) = (aws.observer.clone(), Region::new(settings.region.clone()));
        let s3 = move |sdk: SdkConfig| {
            // A stand-in has no host name for each bucket.
            let path_style = sdk.endpoint_url().is_some();
            let config = aws_sdk_s3::config::Builder::from(&sdk).region(region.clone()).force_path_style(path_style);
            aws_sdk_s3::Client::from_conf(config.interceptor(observer.clone()).build())
        };
        Self {
            trails: Sessions::new(aws.clone(), assumer.clone(), deployment, trails),
            s3: Sessions::new(aws, assumer, deployment, s3),
            settings,
            limit,
        }
    }

    /// The first trail that lacks nothing is enough; else the one that lacks least is told.
    async fn look(&self, role: &Role) -> Result<Option<String>, TrailError> {
        let (mut best, mut unseen): (Option<(String, Vec<String>)>, Option<TrailError>) = (None, None);
        for trail in self.trails_of(role).await? {
            match self.faults(role, &trail).await {
                Ok(faults) if faults.is_empty() => return Ok(None),
                Ok(faults) if best.as_ref().is_none_or(|(_, least)| faults.len() < least.len()) => {
                    best = Some((shown(trail.name().unwrap_or("unnamed")), faults));
                }
                Ok(_) => {}
                Err(error) => unseen = Some(error),
            }
        }
        let account = role.arn.account();
        match (unseen, best) {
            // The one that can't be looked at may be the one that lacks nothing.
            (Some(error), _) => Err(error),
            (None, Some((name, faults))) => {
                Ok(Some(format!("the trail `{name}` of account {account} is not enough: {}", faults.join("; "))))
            }
            (None, None) => Ok(Some(format!(
                "no trail records account {account}: make one for all Regions and all management events, with log file \
                 validation, into a bucket of account {} with Object Lock in compliance mode",
                self.settings.account
            ))),
        }
    }

    async fn trails_of(&self, role: &Role) -> Result<Vec<Trail>, TrailError> {
        // A trail for all Regions is seen from each of them.
        let region = role.regions.first().cloned().map(Region::new);
        let describe = |client: aws_sdk_cloudtrail::Client| {
            client.describe_trails().customize().config_override(in_region(region.clone())).send()
        };
        let answer = self.trails.call(revoker(role), "DescribeTrails", describe).await.map_err(unseen)?;
        Ok(answer.trail_list.unwrap_or_default())
    }

    /// What `trail` lacks, each with what mends it.
    async fn faults(&self, role: &Role, trail: &Trail) -> Result<Vec<String>, TrailError> {
        let mut faults = Vec::new();
        let everywhere = trail.is_multi_region_trail() == Some(true);
        if !everywhere {
            let home = shown(trail.home_region().unwrap_or("one Region"));
            faults.push(format!("it records {home} alone, make it a trail for all Regions"));
        }
        if trail.include_global_service_events() == Some(false) {
            faults.push("it leaves out IAM and the other global services, include them".to_owned());
        }
        if trail.log_file_validation_enabled() != Some(true) {
            faults.push("log file validation is off, turn it on".to_owned());
        }
        let home = || trail.home_region().map(ToOwned::to_owned);
        // What it delivers differs from Region to Region.
        let regions = if everywhere { role.regions.clone() } else { home().into_iter().collect() };
        for region in regions {
            faults.extend(self.state(role, trail, region).await?);
        }
        faults.extend(self.gaps(role, trail, home()).await?);
        faults.extend(self.bucket(trail).await?);
        Ok(faults)
    }

    async fn state(&self, role: &Role, trail: &Trail, region: String) -> Result<Vec<String>, TrailError> {
        let get = |client: aws_sdk_cloudtrail::Client| {
            let call = client.get_trail_status().set_name(trail.trail_arn().map(ToOwned::to_owned));
            call.customize().config_override(in_region(Some(Region::new(region.clone())))).send()
        };
        let status = self.trails.call(revoker(role), "GetTrailStatus", get).await.map_err(unseen)?;
        if status.is_logging() != Some(true) {
            return Ok(vec![format!("it is not logging in {region}, start it")]);
        }
        let failed = |what: &str, error: Option<&str>| {
            let error = error.filter(|error| !error.is_empty()).map(shown)?;
            Some(format!("its latest delivery of {what} in {region} failed with `{error}`, mend its bucket's policy"))
        };
        let logs = failed("log files", status.latest_delivery_error());
        let digests = failed("digests", status.latest_digest_delivery_error());
        Ok(logs.into_iter().chain(digests).collect())
    }

    async fn gaps(&self, role: &Role, trail: &Trail, home: Option<String>) -> Result<Option<String>, TrailError> {
        let home = home.map(Region::new);
        let get = |client: aws_sdk_cloudtrail::Client| {
            let call = client.get_event_selectors().set_trail_name(trail.trail_arn().map(ToOwned::to_owned));
            call.customize().config_override(in_region(home.clone())).send()
        };
        let answer = self.trails.call(revoker(role), "GetEventSelectors", get).await.map_err(unseen)?;
        let gaps = Coverage::of(answer.event_selectors(), answer.advanced_event_selectors()).gaps();
        Ok((!gaps.is_empty()).then(|| format!("it leaves out {}, include all", gaps.join(" and "))))
    }

    /// Whether what was delivered stays.
    async fn bucket(&self, trail: &Trail) -> Result<Option<String>, TrailError> {
        let Some(bucket) = trail.s3_bucket_name() else {
            return Ok(Some("it delivers to no bucket, give it one".to_owned()));
        };
        let (shown, account) = (shown(bucket), &self.settings.account);
        let region = Region::new(self.settings.region.clone());
        let get = |client: aws_sdk_s3::Client| {
            let region = region.clone();
            async move {
                let ask = |region: Region| {
                    let call = client.get_object_lock_configuration().bucket(bucket).expected_bucket_owner(account);
                    let elsewhere = aws_sdk_s3::config::Builder::new().region(region);
                    call.customize().config_override(elsewhere).send()
                };
                match ask(region.clone()).await {
                    Err(error) => match bucket_region(&error).filter(|other| *other != region) {
                        Some(other) => ask(other).await,
                        None => Err(error),
                    },
                    answer => answer,
                }
            }
        };
        match self.s3.call((&self.settings.reader).into(), "GetObjectLockConfiguration", get).await {
            Ok(answer) => Ok(weakness(answer.object_lock_configuration())
                .map(|found| format!("its bucket `{shown}` {found}, lock it in compliance mode by default"))),
            Err(error) if error.has_code(&["ObjectLockConfigurationNotFoundError"]) => {
                Ok(Some(format!("its bucket `{shown}` has no Object Lock, deliver to one that has")))
            }
            Err(error) if error.has_code(&["NoSuchBucket"]) => {
                Ok(Some(format!("its bucket `{shown}` isn't there, make it or deliver to another")))
            }
            // S3 says the same to one who has no right and to one who expects another owner.
            Err(error @ CallError::Failed(_)) if error.has_code(&["AccessDenied"]) => Ok(Some(format!(
                "its bucket `{shown}` is not account {account}'s, or the log's reader can't see its lock: deliver to a \
                 bucket of that account, and name it as TrailBucketName of deploy/aws/logging-account.yaml"
            ))),
            Err(error) => Err(unseen(error)),
        }
    }
}

const fn revoker(role: &Role) -> As<'_> {
    As::Role { arn: &role.revoker, external_id: role.external_id.as_str() }
}

/// None: the Region that the client has.
fn in_region(region: Option<Region>) -> aws_sdk_cloudtrail::config::Builder {
    let config = aws_sdk_cloudtrail::config::Builder::new();
    match region {
        Some(region) => config.region(region),
        None => config,
    }
}

/// S3 names a bucket's Region to whoever asks in another.
fn bucket_region<E: Error>(error: &SdkError<E, HttpResponse>) -> Option<Region> {
    let region = error.raw_response()?.headers().get("x-amz-bucket-region")?;
    Some(Region::new(region.to_owned()))
}

fn weakness(lock: Option<&ObjectLockConfiguration>) -> Option<String> {
    let enabled = lock.and_then(|lock| lock.object_lock_enabled()) == Some(&ObjectLockEnabled::Enabled);
    let Some(lock) = lock.filter(|_| enabled) else { return Some("has no Object Lock".to_owned()) };
    match lock.rule().and_then(|rule| rule.default_retention()).and_then(|retention| retention.mode()) {
        Some(ObjectLockRetentionMode::Compliance) => None,
        Some(mode) => Some(format!("is locked in {} mode", shown(mode.as_str()).to_lowercase())),
        None => Some("gives what is delivered no retention".to_owned()),
    }
}

fn shown(text: &str) -> String {
    printable(text, SHOWN_CHARACTERS_MAX)
}

fn unseen(error: CallError) -> TrailError {
    TrailError(error.into_text())
}

#[async_trait]
impl Trails for CloudTrails {
    #[tracing::instrument(name = "look_at_trails", skip_all, fields(account = role.arn.account()))]
    async fn missing(&self, role: &Role) -> Result<Option<String>, TrailError> {
        in_time(self.limit, self.look(role), TrailError).await
    }
}
