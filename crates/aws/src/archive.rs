//! The log in S3: written by a role that can only put, read by another that sees
//! every version.
//!
//! The bucket of the log has Object Lock, so what was first written under a key
//! stays, whoever hides it with a delete marker or writes over it. Personal parts
//! are in a bucket of their own without a lock, so that they can be erased.

mod listing;
mod place;
mod reader;
mod versions;
mod weakness;

use async_trait::async_trait;
use halligan_core::id::DeploymentId;
use halligan_engine::ports::{Archive, ArchiveError, LogReader, Stored, Weakness};
use halligan_log::Object;

use place::{Place, failed, late};
pub use reader::{ReaderSettings, S3Reader};

use crate::assume::Assumer;
use crate::client::Aws;
use crate::session::{AssumedRole, in_time};

/// An archive in a logging account.
#[derive(Debug, Clone)]
pub struct ArchiveSettings {
    /// Where it is, and who reads it.
    pub reader: ReaderSettings,
    /// Who can put, and nothing else.
    pub writer: AssumedRole,
    /// For how many days the bucket's own default retention must keep what is written.
    pub retention_days: u32,
}

/// [`Archive`] in S3.
///
/// Each call is over after twice [`Limits::operation`](crate::Limits): 20 s by default.
///
/// A put is one request. It is not looked before whether a delete marker hides the
/// key: S3 then takes other bytes, which no reader takes for the original
/// ([`Tampering`](halligan_engine::ports::Tampering) names them).
#[derive(Debug)]
pub struct S3Archive {
    reader: S3Reader,
    writer: AssumedRole,
    retention_days: u32,
}

impl S3Archive {
    pub(crate) fn new(aws: Aws, assumer: Assumer, deployment: &DeploymentId, settings: ArchiveSettings) -> Self {
        let ArchiveSettings { reader, writer, retention_days } = settings;
        Self { reader: S3Reader::new(aws, assumer, deployment, reader), writer, retention_days }
    }

    const fn place(&self) -> &Place {
        self.reader.place()
    }

    async fn put(&self, object: Object, bytes: &[u8]) -> Result<(), ArchiveError> {
        let Some(bucket) = self.place().bucket_of(object) else {
            let text = format!("`{}` has no bucket for personal parts: name one", self.name());
            return Err(ArchiveError::Refused(text));
        };
        match self.place().put((&self.writer).into(), bucket, object, bytes).await {
            Ok(()) => Ok(()),
            Err(error) if error.has_code(&["PreconditionFailed"]) => self.is_ours(object, bytes).await,
            Err(error) => Err(failed(error)),
        }
    }

    /// What has the key was put by us, in an attempt whose answer was lost, or it is another's.
    async fn is_ours(&self, object: Object, bytes: &[u8]) -> Result<(), ArchiveError> {
        match self.reader.first(object).await? {
            Some(Stored { bytes: found, .. }) if found == bytes => Ok(()),
            Some(Stored { bytes: found, .. }) => Err(ArchiveError::Taken { object, found }),
            None => Err(ArchiveError::Unavailable(format!("PutObject {object}: the key was taken, and is free again"))),
        }
    }
}

#[async_trait]
impl LogReader for S3Archive {
    fn name(&self) -> &str {
        self.reader.name()
    }

    async fn read(&self, object: Object) -> Result<Option<Stored>, ArchiveError> {
        self.reader.read(object).await
    }
}

#[async_trait]
impl Archive for S3Archive {
    #[tracing::instrument(name = "archive_put", skip_all, fields(archive = self.name(), %object, bytes = bytes.len()))]
    async fn put_once(&self, object: Object, bytes: &[u8]) -> Result<(), ArchiveError> {
        if object == Object::Checkpoint {
            return Err(ArchiveError::Refused("`checkpoint` is replaced, not written once".to_owned()));
        }
        in_time(self.place().limit, self.put(object, bytes), late(format!("PutObject {object}"))).await
    }

    #[tracing::instrument(name = "archive_checkpoint", skip_all, fields(archive = self.name()))]
    async fn put_checkpoint(&self, note: &[u8]) -> Result<(), ArchiveError> {
        in_time(self.place().limit, self.put(Object::Checkpoint, note), late("PutObject checkpoint".to_owned())).await
    }

    #[tracing::instrument(name = "archive_weaknesses", skip_all, fields(archive = self.name()))]
    async fn weaknesses(&self) -> Result<Vec<Weakness>, ArchiveError> {
        let look = weakness::look(self.place(), &self.writer, self.retention_days);
        in_time(self.place().limit, look, late("the look at the settings".to_owned())).await
    }
}
