//! Archives, sinks and witnesses.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use halligan_core::catalogue::RoleArn;
use halligan_core::id::PlaceId;
use halligan_log::key::Kind;

use super::Surroundings;
use super::key::verifier_key;
use crate::config::check::places::secure_url;
use crate::config::check::{Findings, external_id, region, shown};
use crate::config::log::{Archive, CloudWatchSink, S3Archive, Sink, Witness};
use crate::config::model;

/// The archive that there is without any, and its directory in the state directory.
const EMBEDDED: (&str, &str) = ("local", "log");

/// What has been named, by where it was first.
type Seen<T> = BTreeMap<T, String>;

/// Refuses what stands somewhere else already.
fn once<T: Ord>(seen: &mut Seen<T>, thing: T, field: &str, found: &mut Findings<'_>) {
    if let Some(first) = seen.get(&thing) {
        found.refuse(field, format!("is that of `{first}` too: expected one of its own"));
    } else {
        seen.insert(thing, field.to_owned());
    }
}

pub(super) fn archives(
    archives: BTreeMap<PlaceId, model::Archive>,
    around: &Surroundings<'_>,
    found: &mut Findings<'_>,
) -> BTreeMap<PlaceId, Archive> {
    if archives.is_empty() {
        if around.shared_store {
            let problem = "there is none, so each replica would keep a log of its own: expected one for all, unless there is one replica for good";
            found.warn("log.archives", problem);
        }
        let path = around.state_directory.join(EMBEDDED.1);
        return EMBEDDED.0.parse().map(|name| (name, Archive::Directory { path })).into_iter().collect();
    }
    let mut buckets = Seen::new();
    let check = |(name, archive)| {
        let at = format!("log.archives.{name}");
        let archive = match archive {
            model::Archive::Directory { path } => Archive::Directory { path: normal(&found.path(&path)) },
            model::Archive::S3 { bucket, personal_bucket, region, account, writer, reader, external_id, retention } => {
                let retention_days = retention.get();
                let archive =
                    S3Archive { bucket, personal_bucket, region, account, writer, reader, external_id, retention_days };
                s3(&at, &archive, around, found);
                for (field, bucket) in [("bucket", &archive.bucket), ("personal_bucket", &archive.personal_bucket)] {
                    once(&mut buckets, bucket.clone(), &format!("{at}.{field}"), found);
                }
                Archive::S3(Box::new(archive))
            }
        };
        (name, archive)
    };
    archives.into_iter().map(check).collect()
}

fn s3(at: &str, archive: &S3Archive, around: &Surroundings<'_>, found: &mut Findings<'_>) {
    let S3Archive { bucket, personal_bucket, account, writer, reader, .. } = archive;
    for (field, bucket) in [("bucket", bucket), ("personal_bucket", personal_bucket)] {
        if !is_bucket(bucket) {
            let problem =
                format!("`{}` is not the name of a bucket: expected 3 to 63 of `a-z`, `0-9`, `.`, `-`", shown(bucket));
            found.refuse(format!("{at}.{field}"), problem);
        }
    }
    region(&format!("{at}.region"), &archive.region, found);
    external_id(format!("{at}.external_id"), &archive.external_id, found);
    if is_account(account) {
        for (field, role) in [("writer", writer), ("reader", reader)] {
            if role.account() != account {
                let problem =
                    format!("`{role}` is in account {}: expected a role in account {account}", role.account());
                found.refuse(format!("{at}.{field}"), problem);
            }
        }
        if let Some((name, _)) = around.roles.iter().find(|(_, role)| role.arn.account() == account) {
            let problem = format!(
                "is the account of the role `{name}`, and who breaks the glass must not be near the log: expected a separate logging account"
            );
            found.warn(format!("{at}.account"), problem);
        }
    } else {
        let problem =
            format!("`{}` is not an account: expected the 12 digits of the one that owns the buckets", shown(account));
        found.refuse(format!("{at}.account"), problem);
    }
    if writer == reader {
        let problem = "is the writer too, and who can write must not be who looks: expected a role of its own";
        found.refuse(format!("{at}.reader"), problem);
    }
    for (field, role) in [("writer", writer), ("reader", reader)] {
        of_catalogue(&format!("{at}.{field}"), role, around, found);
    }
}

/// Who breaks the glass, or ends it, has no business in the log.
fn of_catalogue(field: &str, arn: &RoleArn, around: &Surroundings<'_>, found: &mut Findings<'_>) {
    if let Some((name, _)) = around.roles.iter().find(|(_, role)| role.arn == *arn || role.revoker == *arn) {
        found.refuse(field, format!("is an IAM role of `roles.{name}`: expected one that is for the log alone"));
    }
}

pub(super) fn sinks(sinks: BTreeMap<PlaceId, model::Sink>, found: &mut Findings<'_>) -> BTreeMap<PlaceId, Sink> {
    let mut streams = Seen::new();
    let check = |(name, sink)| {
        let at = format!("log.sinks.{name}");
        let sink = match sink {
            model::Sink::CloudWatch { log_group, log_stream, region, writer, external_id } => {
                let sink = CloudWatchSink { log_group, log_stream, region, writer, external_id };
                cloudwatch(&at, &sink, found);
                let place = (
                    sink.writer.account().to_owned(),
                    sink.region.clone(),
                    sink.log_group.clone(),
                    sink.log_stream.clone(),
                );
                once(&mut streams, place, &format!("{at}.log_stream"), found);
                Sink::CloudWatch(sink)
            }
            model::Sink::Ocsf { path } => Sink::Ocsf { path: normal(&found.path(&path)) },
        };
        (name, sink)
    };
    sinks.into_iter().map(check).collect()
}

/// The names that `PutLogEvents` takes.
fn cloudwatch(at: &str, sink: &CloudWatchSink, found: &mut Findings<'_>) {
    let group = |b: u8| b.is_ascii_alphanumeric() || b"_-/.#".contains(&b);
    let stream = |b: u8| b.is_ascii_graphic() && b != b':' && b != b'*';
    if !(1..=512).contains(&sink.log_group.len()) || !sink.log_group.bytes().all(group) {
        let problem = format!(
            "`{}` is not the name of a log group: expected letters, digits and `_-/.#`",
            shown(&sink.log_group)
        );
        found.refuse(format!("{at}.log_group"), problem);
    }
    if !(1..=512).contains(&sink.log_stream.len()) || !sink.log_stream.bytes().all(stream) {
        let problem = format!(
            "`{}` is not the name of a log stream: expected ASCII without spaces, `:` and `*`",
            shown(&sink.log_stream)
        );
        found.refuse(format!("{at}.log_stream"), problem);
    }
    region(&format!("{at}.region"), &sink.region, found);
    external_id(format!("{at}.external_id"), &sink.external_id, found);
}

pub(super) fn witnesses(
    witnesses: BTreeMap<PlaceId, model::Witness>,
    origin: Option<&str>,
    found: &mut Findings<'_>,
) -> BTreeMap<PlaceId, Witness> {
    let (mut urls, mut keys) = (Seen::new(), Seen::new());
    let mut check = |(name, witness): (PlaceId, model::Witness)| {
        let at = format!("log.witnesses.{name}");
        let (url_field, key_field) = (format!("{at}.url"), format!("{at}.key"));
        let url = secure_url(&url_field, &witness.url, found);
        let key = verifier_key(&key_field, &witness.key, Kind::Cosigner, found);
        if let Some(key) = &key {
            // The log cosigns its own checkpoints: that would count as a witness's.
            if Some(key.name()) == origin {
                let problem = "has the log's own name: expected the key of somebody apart from the log";
                found.refuse(&key_field, problem);
            }
            // Whatever it is called: one key is one witness. Base 64 may have a `+` too.
            let bytes = key.to_string().splitn(3, '+').last().unwrap_or_default().to_owned();
            once(&mut keys, bytes, &key_field, found);
        }
        let url = url?;
        if url.query().is_some() || url.fragment().is_some() {
            let problem = format!(
                "`{}` has more than a path: expected such as `https://witness.example.com`",
                shown(url.as_str())
            );
            found.refuse(&url_field, problem);
        }
        let url = url.as_str().trim_end_matches('/').to_owned();
        once(&mut urls, url.clone(), &url_field, found);
        Some((name, Witness { url, key: key? }))
    };
    witnesses.into_iter().filter_map(&mut check).collect()
}

/// No archive or file is in the directory of another archive: what one writes or
/// removes would be the other's.
pub(super) fn apart(archives: &BTreeMap<PlaceId, Archive>, sinks: &BTreeMap<PlaceId, Sink>, found: &mut Findings<'_>) {
    let directories: Vec<(String, &Path)> = archives
        .iter()
        .filter_map(|(name, archive)| match archive {
            Archive::Directory { path } => Some((format!("log.archives.{name}.path"), path.as_path())),
            Archive::S3(_) => None,
        })
        .collect();
    let files = sinks.iter().filter_map(|(name, sink)| match sink {
        Sink::Ocsf { path } => Some((format!("log.sinks.{name}.path"), path.as_path())),
        Sink::CloudWatch(_) => None,
    });
    let mut seen = Seen::new();
    for (field, path) in directories.iter().cloned().chain(files) {
        once(&mut seen, path, &field, found);
        for (other, outer) in &directories {
            if *outer != path && path.starts_with(outer) {
                let problem = format!("is inside the directory of `{other}`: expected a place of its own");
                found.refuse(&field, problem);
            }
        }
    }
}

/// An absolute path without `.` and `..`, as far as that can be told without looking.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => normal.push(component),
        }
    }
    normal
}

/// The shape of a general purpose bucket's name.
fn is_bucket(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    (3..=63).contains(&bytes.len())
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(b))
        && !text.contains("..")
}

pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}
