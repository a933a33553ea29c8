//! A log that grows, shrinks, is rewritten and out of reach.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use halligan_connect::DirectoryLog;
use halligan_core::entry::Sealed;

use super::*;
use crate::cli::log::tests::{Sample, log_key, strangers_key};
use crate::client::failure::Exit;

fn follower(sample: &Sample, key: &str, json: bool) -> Follower {
    let trust = Trust { keys: vec![key.parse().unwrap()], witnesses: Vec::new(), quorum: 0 };
    Follower { reader: Arc::new(DirectoryLog::new("sample", sample.dir())), trust: Some(trust), json, edge: None }
}

async fn look(follower: &mut Follower, from: Option<u64>) -> Result<(Seen, Vec<String>), Failure> {
    let mut out = Vec::new();
    let seen = follower.look(from, &mut out).await?;
    Ok((seen, String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()))
}

fn indexes(lines: &[String]) -> Vec<u64> {
    lines.iter().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
}

/// So many nights' entries.
fn nights(sample: &mut Sample, count: usize) -> Vec<Sealed> {
    (0..count).flat_map(|_| sample.night()).collect()
}

#[tokio::test]
async fn what_comes_is_shown_once_and_in_order() {
    let mut sample = Sample::new().await;
    let mut tail = follower(&sample, &log_key(), false);
    assert_eq!(look(&mut tail, None).await.unwrap(), (Seen::Nothing, vec![]), "there is no checkpoint yet");
    let mut shown = Vec::new();
    // Across the ends of bundles, by steps that don't fit them.
    for count in [2, 1, 60, 70, 1, 130] {
        let entries = nights(&mut sample, count);
        sample.publish(&entries).await;
        let (seen, lines) = look(&mut tail, Some(0)).await.unwrap();
        assert_eq!((seen, lines.len()), (Seen::News, entries.len()));
        shown.extend(indexes(&lines));
        assert_eq!(look(&mut tail, Some(0)).await.unwrap(), (Seen::Nothing, vec![]));
    }
    assert_eq!(shown, (0..sample.edge.size()).collect::<Vec<_>>());
}

#[tokio::test]
async fn it_begins_where_it_is_told_to() {
    let mut sample = Sample::new().await;
    let entries = nights(&mut sample, 150);
    sample.publish(&entries).await;
    let size = sample.edge.size();
    assert!(size > 512, "{size}");
    for (name, from, expected) in [
        ("the last ten", None, size - 10),
        ("all", Some(0), 0),
        ("one in a full bundle", Some(100), 100),
        ("the first of a bundle", Some(256), 256),
        ("the last", Some(size - 1), size - 1),
        ("what comes", Some(size), size),
    ] {
        let (_, lines) = look(&mut follower(&sample, &log_key(), false), from).await.unwrap();
        assert_eq!(indexes(&lines), (expected..size).collect::<Vec<_>>(), "{name}");
    }
    let failure = look(&mut follower(&sample, &log_key(), false), Some(size + 1)).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
}

#[tokio::test]
async fn json_is_each_entry_as_it_was_written() {
    let mut sample = Sample::new().await;
    let entries = nights(&mut sample, 1);
    sample.publish(&entries).await;
    let (_, lines) = look(&mut follower(&sample, &log_key(), true), Some(0)).await.unwrap();
    let written: Vec<String> =
        entries.iter().map(|sealed| String::from_utf8(sealed.entry.to_json()).unwrap()).collect();
    assert_eq!(lines, written);
}

#[tokio::test]
async fn partial_bundles_that_are_gone_are_read_from_the_full_one() {
    let mut sample = Sample::new().await;
    let entries = nights(&mut sample, 10);
    sample.publish(&entries).await;
    let (old_size, old_root) = (sample.edge.size(), sample.edge.root());
    let parts = Edge::parts(old_size, old_size);
    let entries = nights(&mut sample, 80);
    sample.publish(&entries).await;
    for object in parts {
        let _ = std::fs::remove_file(sample.path(object));
    }
    // A web server's cache still has the older checkpoint.
    sample.sign(old_size, old_root).await;
    let (seen, lines) = look(&mut follower(&sample, &log_key(), false), Some(3)).await.unwrap();
    assert_eq!((seen, indexes(&lines)), (Seen::News, (3..old_size).collect()));
}

#[tokio::test]
async fn nothing_is_shown_that_was_not_signed() {
    let mut sample = Sample::of_a_night().await;
    let failure = look(&mut follower(&sample, &strangers_key(), false), None).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Refused, "{failure}");

    let mut tail = follower(&sample, &log_key(), false);
    look(&mut tail, None).await.unwrap();
    let entries = nights(&mut sample, 1);
    sample.publish(&entries).await;
    sample.change(sample.bundle(), |bytes| *bytes.last_mut().unwrap() ^= 1);
    let mut out = Vec::new();
    let failure = tail.look(None, &mut out).await.unwrap_err();
    assert!(out.is_empty());
    let size = sample.edge.size();
    let expected = format!("the entries from {} to {} are not those of the checkpoint", size / 2, size - 1);
    assert!(failure.to_string().starts_with(&expected), "{failure}");
    assert_eq!(failure.exit(), Exit::Refused);
}

#[tokio::test]
async fn a_log_never_gets_shorter_or_another() {
    for (name, shorter, said) in [("shorter", true, "and had"), ("another", false, "are not those")] {
        let mut sample = Sample::of_a_night().await;
        let mut tail = follower(&sample, &log_key(), false);
        look(&mut tail, None).await.unwrap();
        let (size, other) = (sample.edge.size(), halligan_log::Hash([7; 32]));
        sample.sign(if shorter { size - 1 } else { size }, other).await;
        let failure = look(&mut tail, None).await.unwrap_err();
        assert!(failure.to_string().contains(said), "{name}: {failure}");
        assert_eq!(failure.exit(), Exit::Refused, "{name}");
        // It is no passing thing.
        sample.night();
        assert!(look(&mut tail, None).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn an_outage_repeats_and_leaves_out_nothing() {
    let mut sample = Sample::of_a_night().await;
    let mut tail = follower(&sample, &log_key(), false);
    let (_, first) = look(&mut tail, Some(0)).await.unwrap();
    let entries = nights(&mut sample, 1);
    sample.publish(&entries).await;
    let reader = std::mem::replace(&mut tail.reader, Arc::new(Gone));
    let failure = look(&mut tail, Some(0)).await.unwrap_err();
    assert!(is_passing(&failure) && failure.exit() == Exit::Unreachable, "{failure}");
    tail.reader = reader;
    let (_, second) = look(&mut tail, Some(0)).await.unwrap();
    assert_eq!(indexes(&[first, second].concat()), (0..sample.edge.size()).collect::<Vec<_>>());
}

/// A disk that is gone.
struct Gone;

#[async_trait::async_trait]
impl LogReader for Gone {
    fn name(&self) -> &str {
        "gone"
    }

    async fn read(&self, _: Object) -> Result<Option<halligan_engine::ports::Stored>, ArchiveError> {
        Err(ArchiveError::Unavailable("the disk is gone".to_owned()))
    }
}

#[test]
fn whoever_has_seen_enough_ends_it() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert!(!show(&mut Closed, &mut vec!["line".to_owned()]).unwrap());
}

#[test]
fn pauses_grow_and_end() {
    let pauses: Vec<u64> = std::iter::successors(Some(PAUSE_FIRST), |pause| Some(longer(*pause)))
        .take(5)
        .map(|pause| pause.as_secs())
        .collect();
    assert_eq!(pauses, [1, 2, 4, 8, 8]);
}
