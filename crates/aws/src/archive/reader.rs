//! Reads versions: what was first written under a key, and what was done to it since.

use async_trait::async_trait;
use halligan_core::id::DeploymentId;
use halligan_engine::ports::{ArchiveError, LogReader, Stored, Tampering};
use halligan_log::Object;

use super::listing::Listing;
use super::place::{Place, late};
use super::versions::{Version, Versions};
use crate::assume::Assumer;
use crate::client::Aws;
use crate::session::{AssumedRole, in_time};

/// Where an archive is, and who reads it.
#[derive(Debug, Clone)]
pub struct ReaderSettings {
    /// How people call it.
    pub name: String,
    /// The log's bucket.
    pub bucket: String,
    /// The personal parts' bucket; none to read without them.
    pub personal_bucket: Option<String>,
    /// The Region of both.
    pub region: String,
    /// The twelve digits of the account that owns both: a bucket of another's is refused.
    pub account: Option<String>,
    /// Who reads; none: the process's own credentials.
    pub role: Option<AssumedRole>,
}

/// [`LogReader`] of S3.
///
/// It costs one GetObject an object and one ListObjectVersions for up to 1,000
/// versions on the way, if objects of a kind are read in the order of their
/// numbers: a log of 1,000,000 entries without partial tiles is about 8,000 GETs
/// and a dozen LISTs. A single read is one of each; so is one of something that
/// isn't there, without the GET. A checkpoint is one GET.
///
/// Personal parts behind a delete marker count as erased.
#[derive(Debug)]
pub struct S3Reader {
    place: Place,
    listing: Listing,
}

impl S3Reader {
    pub(crate) fn new(aws: Aws, assumer: Assumer, deployment: &DeploymentId, settings: ReaderSettings) -> Self {
        Self { place: Place::new(aws, assumer, deployment, settings), listing: Listing::default() }
    }

    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// The newest checkpoint. What a plain GET finds is the newest, and nothing hides it.
    async fn checkpoint(&self) -> Result<Option<Stored>, ArchiveError> {
        let (bucket, key) = (&self.place.settings.bucket, Object::Checkpoint.to_string());
        if let Some(bytes) = self.place.get(bucket, &key, None).await? {
            return Ok(Some(Stored::untouched(bytes)));
        }
        let versions = Listing::of_key(&self.place, bucket, &key).await?;
        let Some(newest) = versions.newest() else { return Ok(None) };
        let bytes = self.place.get(bucket, &key, Some(&newest.id)).await?;
        // The checkpoint may have been put between the two looks.
        let tampering = versions.is_hidden().then_some(Tampering::Hidden);
        Ok(bytes.map(|bytes| Stored { bytes, tampering }))
    }

    /// What was first written under a key that is written once, as it is now.
    pub(super) async fn first(&self, object: Object) -> Result<Option<Stored>, ArchiveError> {
        let Some(bucket) = self.place.bucket_of(object) else { return Ok(None) };
        let versions = Listing::of_key(&self.place, bucket, &object.to_string()).await?;
        match original(object, &versions) {
            Some(oldest) => self.stored(bucket, object, &versions, oldest).await,
            None => Ok(None),
        }
    }

    /// The same, from a list that may be a minute old if something stood there then.
    async fn listed(&self, object: Object) -> Result<Option<Stored>, ArchiveError> {
        let Some(bucket) = self.place.bucket_of(object) else { return Ok(None) };
        let versions = self.listing.versions(&self.place, bucket, object).await?;
        let Some(oldest) = original(object, &versions) else { return Ok(None) };
        match self.stored(bucket, object, &versions, oldest).await? {
            Some(stored) => Ok(Some(stored)),
            // It was erased since it was listed.
            None => self.first(object).await,
        }
    }

    /// None if the oldest version is gone.
    async fn stored(
        &self,
        bucket: &str,
        object: Object,
        versions: &Versions,
        oldest: &Version,
    ) -> Result<Option<Stored>, ArchiveError> {
        let key = object.to_string();
        let Some(bytes) = self.place.get(bucket, &key, Some(&oldest.id)).await? else { return Ok(None) };
        let tampering = if versions.is_hidden() {
            Some(Tampering::Hidden)
        } else if self.is_overwritten(bucket, &key, versions, (oldest, &bytes)).await? {
            Some(Tampering::Overwritten)
        } else {
            versions.was_hidden().then_some(Tampering::Hidden)
        };
        Ok(Some(Stored { bytes, tampering }))
    }

    async fn is_overwritten(
        &self,
        bucket: &str,
        key: &str,
        versions: &Versions,
        (oldest, bytes): (&Version, &[u8]),
    ) -> Result<bool, ArchiveError> {
        for later in versions.later().filter(|later| later.tag != oldest.tag) {
            // With a key of KMS's, tags of the same bytes differ.
            if later.size != oldest.size {
                return Ok(true);
            }
            if self.place.get(bucket, key, Some(&later.id)).await?.is_some_and(|found| found != bytes) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The version that counts. A delete marker in the bucket that is there to be
/// erased is how its lifecycle begins to.
fn original(object: Object, versions: &Versions) -> Option<&Version> {
    versions.oldest().filter(|_| !(object.is_personal() && versions.is_hidden()))
}

#[async_trait]
impl LogReader for S3Reader {
    fn name(&self) -> &str {
        &self.place.settings.name
    }

    #[tracing::instrument(name = "archive_read", skip_all, fields(archive = self.name(), %object))]
    async fn read(&self, object: Object) -> Result<Option<Stored>, ArchiveError> {
        let read = async {
            match object {
                Object::Checkpoint => self.checkpoint().await,
                _ => self.listed(object).await,
            }
        };
        in_time(self.place.limit, read, late(format!("the reading of {object}"))).await
    }
}
