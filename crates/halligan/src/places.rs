//! The places of the log, made from the configuration: for whoever serves, and for
//! whoever examines.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use halligan_aws::{
    ArchiveSettings, AssumedRole, Aws, CloudWatchSettings, KmsSettings, ReaderSettings, Settings as AwsSettings,
    TrailsSettings,
};
use halligan_connect::directory_archive::DirectoryArchive;
use halligan_connect::ocsf::OcsfFile;
use halligan_connect::witness::HttpWitness;
use halligan_core::catalogue::RoleArn;
use halligan_core::id::{DeploymentId, PlaceId};
use halligan_engine::ports::{
    Archive, ArchiveError, CheckpointSigner, Clock, Entropy, PersonalData, SignError, Sink, Trails, Witness,
};
use halligan_log::key::Kind;
use halligan_log::{SigningKey, VerifierKey};

use crate::config::{
    self,
    log::{self, KeyPlace, Log},
};
use crate::log_key;

/// AWS, as the configuration says it is reached.
pub async fn aws(settings: &config::Aws, clock: Arc<dyn Clock>) -> Aws {
    let endpoint_url = settings.endpoint_url.clone();
    Aws::connect(&AwsSettings { endpoint_url, ..AwsSettings::in_region(&settings.region) }, clock).await
}

/// Every archive of the configuration.
pub async fn archives(log: &Log, deployment: &DeploymentId, aws: &Aws) -> anyhow::Result<Vec<Arc<dyn Archive>>> {
    let mut archives: Vec<Arc<dyn Archive>> = Vec::with_capacity(log.archives.len());
    for (name, settings) in &log.archives {
        let opened = archive(name, settings, deployment, aws).await;
        archives.push(opened.with_context(|| format!("the archive `{name}` can't be opened"))?);
    }
    Ok(archives)
}

/// One of them.
pub async fn archive(
    name: &PlaceId,
    settings: &log::Archive,
    deployment: &DeploymentId,
    aws: &Aws,
) -> Result<Arc<dyn Archive>, ArchiveError> {
    Ok(match settings {
        log::Archive::Directory { path } => Arc::new(DirectoryArchive::open(name.to_string(), path).await?),
        log::Archive::S3(s3) => Arc::new(aws.archive(deployment, s3_settings(name.as_str(), s3))),
    })
}

/// Where personal parts are erased when their time is over. In S3 that is the bucket's own doing.
pub async fn personal_data(log: &Log) -> anyhow::Result<Vec<Arc<dyn PersonalData>>> {
    let mut places: Vec<Arc<dyn PersonalData>> = Vec::new();
    for (name, archive) in &log.archives {
        if let log::Archive::Directory { path } = archive {
            let opened = DirectoryArchive::open(name.to_string(), path).await;
            places.push(Arc::new(opened.with_context(|| format!("the archive `{name}` can't be opened"))?));
        }
    }
    Ok(places)
}

/// Who looks at trails; none without an archive in a logging account, which they would have to deliver to.
pub fn trails(log: &Log, deployment: &DeploymentId, aws: &Aws) -> Option<Arc<dyn Trails>> {
    let logging = log.archives.values().find_map(|archive| match archive {
        log::Archive::S3(s3) => Some(s3),
        log::Archive::Directory { .. } => None,
    })?;
    let (account, region) = (logging.account.clone(), logging.region.clone());
    let reader = assumed(&logging.reader, &logging.external_id);
    Some(Arc::new(aws.trails(deployment, TrailsSettings { account, region, reader })))
}

fn s3_settings(name: &str, s3: &log::S3Archive) -> ArchiveSettings {
    ArchiveSettings {
        reader: ReaderSettings {
            name: name.to_owned(),
            bucket: s3.bucket.clone(),
            personal_bucket: Some(s3.personal_bucket.clone()),
            region: s3.region.clone(),
            account: Some(s3.account.clone()),
            role: Some(assumed(&s3.reader, &s3.external_id)),
        },
        writer: assumed(&s3.writer, &s3.external_id),
        retention_days: s3.retention_days.into(),
    }
}

fn assumed(arn: &RoleArn, external_id: &str) -> AssumedRole {
    AssumedRole { arn: arn.clone(), external_id: external_id.to_owned() }
}

/// Every sink of the configuration.
pub fn sinks(log: &Log, deployment: &DeploymentId, aws: &Aws) -> Vec<Arc<dyn Sink>> {
    let sink = |(name, sink): (&PlaceId, &log::Sink)| -> Arc<dyn Sink> {
        match sink {
            log::Sink::Ocsf { path } => Arc::new(OcsfFile::new(name.to_string(), path)),
            log::Sink::CloudWatch(to) => Arc::new(aws.cloudwatch(
                deployment,
                CloudWatchSettings {
                    name: name.to_string(),
                    log_group: to.log_group.clone(),
                    log_stream: to.log_stream.clone(),
                    region: to.region.clone(),
                    writer: assumed(&to.writer, &to.external_id),
                },
            )),
        }
    };
    log.sinks.iter().map(sink).collect()
}

/// Every witness of the configuration.
pub fn witnesses(log: &Log) -> anyhow::Result<Vec<Arc<dyn Witness>>> {
    let mut witnesses: Vec<Arc<dyn Witness>> = Vec::with_capacity(log.witnesses.len());
    for (name, witness) in &log.witnesses {
        let made = HttpWitness::new(name.to_string(), &witness.url, witness.key.clone());
        witnesses.push(Arc::new(made.map_err(|because| anyhow!("the witness `{name}` can't be asked: {because}"))?));
    }
    Ok(witnesses)
}

/// The log's key, wherever it is kept; the embedded one is made where there is none.
pub async fn signer(
    log: &Log,
    deployment: &DeploymentId,
    aws: &Aws,
    entropy: &dyn Entropy,
) -> anyhow::Result<Arc<dyn CheckpointSigner>> {
    let origin = &log.key.origin;
    let key = match &log.key.kept {
        KeyPlace::Embedded(path) => log_key::load_or_make(path, origin, entropy)?,
        KeyPlace::File(path) => log_key::load(path, origin)?,
        KeyPlace::Kms(kms) => {
            let role = Some(assumed(&kms.role, &kms.external_id));
            let settings = KmsSettings { key: kms.arn.clone(), role, origin: origin.clone() };
            return Ok(Arc::new(aws.kms_signer(deployment, settings).await.context("the log's key can't be used")?));
        }
    };
    Ok(Arc::new(LocalSigner { public: key.verifier(Kind::Log), key }))
}

/// What tells each place from another of its name, for the record of changes.
pub fn fingerprints(log: &Log) -> BTreeMap<String, String> {
    let archives = log.archives.iter().map(|(name, archive)| (format!("archive {name}"), format!("{archive:?}")));
    let sinks = log.sinks.iter().map(|(name, sink)| (format!("sink {name}"), format!("{sink:?}")));
    let witnesses = log.witnesses.iter().map(|(name, witness)| (format!("witness {name}"), format!("{witness:?}")));
    let rules = format!("{} archives, {} witnesses", log.confirmations, log.cosignatures);
    archives.chain(sinks).chain(witnesses).chain([("confirmations".to_owned(), rules)]).collect()
}

/// A key in a file.
struct LocalSigner {
    key: SigningKey,
    public: VerifierKey,
}

#[async_trait]
impl CheckpointSigner for LocalSigner {
    fn key(&self) -> &VerifierKey {
        &self.public
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.key.sign(message))
    }
}
