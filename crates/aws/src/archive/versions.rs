//! Which versions stand under a key. A plain GET and `If-None-Match` see the newest
//! alone, and nothing behind a delete marker.

use aws_sdk_s3::types::{DeleteMarkerEntry, ObjectVersion};
use aws_smithy_types::DateTime;

/// A version that is no delete marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) id: String,
    /// The same for the same bytes, unless a key of KMS's encrypts them.
    pub(super) tag: Option<String>,
    pub(super) size: Option<i64>,
    modified: Option<Modified>,
}

/// Seconds and nanoseconds since 1970.
type Modified = (i64, u32);

/// What stands and stood under a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Versions {
    /// The newest first, as S3 lists them.
    versions: Vec<Version>,
    hidden: bool,
    newest_marker: Option<Modified>,
}

impl Versions {
    /// The one before those that were added.
    pub(super) fn add(&mut self, found: ObjectVersion) {
        let modified = found.last_modified.map(modified);
        let version = found.version_id.map(|id| Version { id, tag: found.e_tag, size: found.size, modified });
        self.versions.extend(version);
    }

    pub(super) fn add_marker(&mut self, found: &DeleteMarkerEntry) {
        self.hidden |= found.is_latest.unwrap_or(false);
        self.newest_marker = self.newest_marker.max(found.last_modified.map(modified));
    }

    pub(super) fn oldest(&self) -> Option<&Version> {
        self.versions.last()
    }

    pub(super) fn newest(&self) -> Option<&Version> {
        self.versions.first()
    }

    /// All but the oldest.
    pub(super) fn later(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().rev().skip(1)
    }

    /// Whether a delete marker is on top.
    pub(super) const fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// Whether a delete marker came after the oldest version. One of the same second
    /// may have come before it: S3 lists whole seconds.
    pub(super) fn was_hidden(&self) -> bool {
        let written = self.oldest().and_then(|oldest| oldest.modified);
        self.hidden || self.newest_marker.zip(written).is_some_and(|(marker, written)| marker > written)
    }
}

fn modified(at: DateTime) -> Modified {
    (at.secs(), at.subsec_nanos())
}
