//! Lists the versions under a key, and under those that will be asked for next.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::types::EncodingType;
use halligan_engine::ports::ArchiveError;
use halligan_log::Object;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use tokio::sync::Mutex;

use super::place::{Place, failed};
use super::versions::Versions;

/// Versions a page when one key is looked at: it seldom has two, and its partial
/// siblings follow it.
const ROWS_OF_KEY: i32 = 8;
/// Versions a page at the first look at objects of a kind: few readers go on from there.
const ROWS_FIRST: i32 = 32;
/// Versions a page for who reads one after the other: S3's most.
const ROWS_WALK: i32 = 1_000;
/// What stood there may be believed for so long.
const KEPT: SignedDuration = SignedDuration::from_secs(60);

/// The versions of all keys after one and before another.
#[derive(Debug)]
struct Window {
    after: Option<String>,
    /// None where nothing follows.
    before: Option<String>,
    keys: BTreeMap<String, Versions>,
    listed_at: Timestamp,
}

impl Window {
    fn covers(&self, key: &str, now: Timestamp) -> bool {
        let age = now.duration_since(self.listed_at);
        (SignedDuration::ZERO..KEPT).contains(&age)
            && self.after.as_deref().is_none_or(|after| after < key)
            && self.before.as_deref().is_none_or(|before| key < before)
    }

    fn add(&mut self, page: ListObjectVersionsOutput) {
        let encoding = page.encoding_type;
        let decoded = |key: Option<String>| decoded(encoding.as_ref(), key?.as_str());
        for mut found in page.versions.unwrap_or_default() {
            if let Some(key) = decoded(found.key.take()) {
                self.keys.entry(key).or_default().add(found);
            }
        }
        for mut found in page.delete_markers.unwrap_or_default() {
            if let Some(key) = decoded(found.key.take()) {
                self.keys.entry(key).or_default().add_marker(&found);
            }
        }
    }
}

/// What was listed lately: one window for each kind of object, which are read in
/// order. Whoever misses in it lists on from there; the others of its kind wait for
/// that and find what they need.
#[derive(Debug, Default)]
pub(super) struct Listing {
    windows: Mutex<HashMap<String, Arc<Mutex<Option<Window>>>>>,
}

impl Listing {
    /// The versions of an object that is written once. What isn't there isn't there
    /// now; what is there was, at most a minute ago.
    pub(super) async fn versions(&self, place: &Place, bucket: &str, object: Object) -> Result<Versions, ArchiveError> {
        let (key, prefix) = (object.to_string(), prefix(object));
        let slot = Arc::clone(self.windows.lock().await.entry(prefix.clone()).or_default());
        let mut slot = slot.lock().await;
        let known = slot.as_ref().filter(|window| window.covers(&key, place.now()));
        if let Some(window) = known {
            let found = window.keys.get(&key).filter(|found| found.oldest().is_some()).cloned();
            drop(slot);
            return match found {
                Some(versions) => Ok(versions),
                None => Self::of_key(place, bucket, &key).await,
            };
        }
        let walks = slot.as_ref().is_some_and(|window| window.after.as_deref().is_some_and(|after| after < &*key));
        let rows = if walks { ROWS_WALK } else { ROWS_FIRST };
        let window = list(place, bucket, &prefix, Some(just_before(&key)), &key, rows).await?;
        let versions = window.keys.get(&key).cloned().unwrap_or_default();
        *slot = Some(window);
        Ok(versions)
    }

    /// The versions of one key, now.
    pub(super) async fn of_key(place: &Place, bucket: &str, key: &str) -> Result<Versions, ArchiveError> {
        let mut window = list(place, bucket, key, None, key, ROWS_OF_KEY).await?;
        Ok(window.keys.remove(key).unwrap_or_default())
    }
}

/// Lists the keys that begin with `prefix` and follow `after`, at least as far as
/// all of `key`'s versions.
async fn list(
    place: &Place,
    bucket: &str,
    prefix: &str,
    after: Option<String>,
    key: &str,
    rows: i32,
) -> Result<Window, ArchiveError> {
    let mut window = Window { after: after.clone(), before: None, keys: BTreeMap::new(), listed_at: place.now() };
    let mut from = Start { key: after, version: None };
    loop {
        let list = |s3: Client| {
            s3.list_object_versions()
                .bucket(bucket)
                .set_expected_bucket_owner(place.owner())
                .prefix(prefix)
                .set_key_marker(from.key.clone())
                .set_version_id_marker(from.version.clone())
                .max_keys(rows)
                // A key may hold what XML can't.
                .encoding_type(EncodingType::Url)
                .send()
        };
        let name = format!("ListObjectVersions {key}");
        let page = place.sessions.call(place.reader(), &name, list).await.map_err(failed)?;
        let next = next(&page).map_err(|problem| ArchiveError::Unavailable(format!("{name}: {problem}")))?;
        window.add(page);
        match next {
            None => return Ok(window),
            Some(next) if next == from => {
                return Err(ArchiveError::Unavailable(format!("{name}: the list does not go on")));
            }
            Some(next) => {
                // The last key of a page may have more versions on the next.
                window.before.clone_from(&next.key);
                from = next;
            }
        }
        if window.before.as_deref().is_some_and(|before| key < before) {
            return Ok(window);
        }
    }
}

/// A page begins after it.
#[derive(Debug, PartialEq, Eq)]
struct Start {
    key: Option<String>,
    /// Of this key's versions; none after all of them.
    version: Option<String>,
}

/// Where the next page begins; none after the last.
fn next(page: &ListObjectVersionsOutput) -> Result<Option<Start>, &'static str> {
    if !page.is_truncated.unwrap_or(false) {
        return Ok(None);
    }
    let key = page.next_key_marker().and_then(|key| decoded(page.encoding_type(), key));
    let key = key.ok_or("the list is cut and doesn't say where it goes on")?;
    Ok(Some(Start { key: Some(key), version: page.next_version_id_marker.clone() }))
}

/// None if it is not UTF-8, and so no key of S3's.
fn decoded(encoding: Option<&EncodingType>, key: &str) -> Option<String> {
    if encoding != Some(&EncodingType::Url) {
        return Some(key.to_owned());
    }
    // As a form has it.
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}

/// What the keys of all objects of a kind begin with.
fn prefix(object: Object) -> String {
    match object {
        Object::Checkpoint => object.to_string(),
        Object::Entries(_) => "tile/entries/".to_owned(),
        Object::Personal(_) => "personal/".to_owned(),
        Object::Hashes { level, .. } => format!("tile/{level}/"),
        Object::Successor { .. } => "successor/".to_owned(),
    }
}

/// A marker after which `key` is the next of our keys: S3 lists what follows it.
fn just_before(key: &str) -> String {
    let mut marker = key.to_owned();
    if let Some(last) = marker.pop().and_then(|last| char::from_u32(u32::from(last).saturating_sub(1))) {
        marker.push(last);
        // It follows every character that our keys have.
        marker.push('~');
    }
    marker
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use halligan_log::Span;

    use super::*;

    fn key(n: u64, width: u16) -> String {
        Object::Entries(Span { n, width }).to_string()
    }

    #[test]
    fn the_marker_stands_between_a_key_and_the_one_before_it() {
        let mut keys: Vec<String> = (0..3_000).chain([999_999, 1_000_000]).map(|n| key(n, 256)).collect();
        keys.extend((1..256).flat_map(|width| [key(0, width), key(1_009, width)]));
        keys.sort();
        for pair in keys.windows(2) {
            let marker = just_before(&pair[1]);
            assert!(pair[0] < marker && marker < pair[1], "{} < {marker} < {}", pair[0], pair[1]);
        }
        assert!(just_before("tile/entries/000") < key(0, 256));
    }

    #[test]
    fn every_object_is_among_its_kind() {
        let span = Span { n: 1_234_067, width: 7 };
        let of_kinds = [
            Object::Entries(span),
            Object::Personal(span),
            Object::Hashes { level: 12, span },
            Object::Successor { size: 7, attempt: 1 },
        ];
        for object in of_kinds {
            assert!(object.to_string().starts_with(&prefix(object)), "{object}");
        }
    }
}
