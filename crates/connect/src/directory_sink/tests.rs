#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use halligan_core::actor::Actor;
use halligan_core::entry::{Draft, Links, Subject};
use halligan_core::event::{Event, Personal, Recorded};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

/// An entry that differs from others by its position and `word`; every second has a personal part.
fn entry(position: u64, word: &str) -> QueuedEntry {
    let event = Event::BrokerStarted { version: word.to_owned(), configuration_sha256: "00".to_owned() };
    let personal =
        if position.is_multiple_of(2) { Personal::default().with("reason", word) } else { Personal::default() };
    let draft = Draft {
        id: Uuid::from_u128(position.into()),
        salt: [7; 16],
        actor: Actor::SYSTEM,
        subject: Subject::broker("broker"),
        incident: None,
        links: Links::default(),
        recorded: Recorded { event, personal },
    };
    let at = "2026-03-01T03:00:00Z".parse().unwrap();
    QueuedEntry::new(position, draft.seal(at, at))
}

fn entries(positions: std::ops::RangeInclusive<u64>) -> Vec<QueuedEntry> {
    positions.map(|position| entry(position, "one")).collect()
}

/// A directory that is there only for as long as the test, and the log in it.
struct Log {
    directory: TempDir,
}

impl Log {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    async fn with(positions: std::ops::RangeInclusive<u64>) -> Self {
        let log = Self::new();
        log.open().await.unwrap().append(&entries(positions)).await.unwrap();
        log
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("state/log")
    }

    fn file(&self) -> PathBuf {
        self.path().join(FILE_NAME)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()
    }

    async fn open(&self) -> Result<DirectorySink, JournalError> {
        DirectorySink::open(self.path()).await
    }

    fn holds(&self, positions: std::ops::RangeInclusive<u64>) {
        let found: Vec<QueuedEntry> = read(&self.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(found, entries(positions));
    }
}

fn unavailable(result: Result<impl Sized, JournalError>) -> String {
    match result {
        Err(JournalError::Unavailable(message)) => message,
        Err(JournalError::Fork { position }) => panic!("a fork at {position}"),
        Ok(_) => panic!("it went through"),
    }
}

fn fork(result: Result<(), JournalError>) -> u64 {
    match result {
        Err(JournalError::Fork { position }) => position,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn entries_are_lines_that_are_read_back() {
    let log = Log::with(1..=2).await;
    insta::assert_snapshot!(String::from_utf8(log.bytes()).unwrap(), @r#"
    {"position":1,"entry":{"v":1,"id":"00000000-0000-0000-0000-000000000001","time":"2026-03-01T03:00:00Z","type":"broker.started","data":{"version":"one","configuration_sha256":"00"},"actor":{"channel":"system"},"subject":{"kind":"broker","id":"broker"}}}
    {"position":2,"entry":{"v":1,"id":"00000000-0000-0000-0000-000000000002","time":"2026-03-01T03:00:00Z","type":"broker.started","data":{"version":"one","configuration_sha256":"00"},"actor":{"channel":"system"},"subject":{"kind":"broker","id":"broker"},"personal_sha256":"b77ba682e45f1c53910e5204a7e3ef8de0556fef22013f60c66b8f65dc0eb8d7"},"personal":{"salt":"07070707070707070707070707070707","fields":{"reason":"one"}}}
    "#);
    log.holds(1..=2);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(log.path()), mode(log.file())), (0o700, 0o600));
}

#[tokio::test]
async fn a_reopened_log_goes_on_where_it_ended() {
    let log = Log::with(1..=3).await;
    let sink = log.open().await.unwrap();
    sink.append(&entries(4..=5)).await.unwrap();
    sink.append(&[]).await.unwrap();
    log.holds(1..=5);
}

#[tokio::test]
async fn what_is_there_already_is_passed_over() {
    let log = Log::with(1..=5).await;
    let before = log.bytes();
    for sink in [log.open().await.unwrap(), log.open().await.unwrap()] {
        sink.append(&entries(1..=5)).await.unwrap();
        sink.append(&entries(3..=4)).await.unwrap();
        assert_eq!(log.bytes(), before);
    }
    log.open().await.unwrap().append(&entries(4..=7)).await.unwrap();
    log.holds(1..=7);
}

#[tokio::test]
async fn other_bytes_at_a_position_are_a_fork_and_nothing_is_written() {
    let log = Log::with(1..=5).await;
    let before = log.bytes();
    let sink = log.open().await.unwrap();
    for at in 1..=5 {
        let mut other = entries(1..=7);
        other[at - 1] = entry(at as u64, "two");
        assert_eq!(fork(sink.append(&other).await), at as u64);
        assert_eq!(fork(sink.append(&other[at - 1..at]).await), at as u64);
    }
    assert_eq!(log.bytes(), before);
}

#[tokio::test]
async fn a_gap_is_refused() {
    let log = Log::new();
    let sink = log.open().await.unwrap();
    assert!(unavailable(sink.append(&entries(2..=2)).await).contains("ends with entry 0, entry 2 can't follow"));
    sink.append(&entries(1..=2)).await.unwrap();
    assert!(unavailable(sink.append(&entries(4..=5)).await).contains("ends with entry 2, entry 4 can't follow"));
    let disordered = [entry(3, "one"), entry(5, "one")];
    assert!(unavailable(sink.append(&disordered).await).contains("entry 5 was handed over after entry 3"));
    log.holds(1..=2);
}

/// A crash may leave any part of the last write behind. Whatever it leaves, the
/// log opens, loses no entry that was confirmed, and takes the rest again.
#[tokio::test]
async fn a_torn_write_is_cut_off_wherever_it_was_torn() {
    let log = Log::with(1..=4).await;
    let (whole, confirmed) = (log.bytes(), {
        let two = Log::with(1..=2).await;
        two.bytes().len()
    });
    // Each tear costs a few fsyncs: all of those around a line's end, and every 31st between.
    let around_an_end = |length: &usize| whole[length.saturating_sub(3)..whole.len().min(length + 2)].contains(&b'\n');
    let tears = (0..=whole.len()).filter(|length| length.is_multiple_of(31) || around_an_end(length));
    for length in tears {
        fs::write(log.file(), &whole[..length]).unwrap();
        let sink = log.open().await.unwrap();
        let lines = whole[..length].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(read(&log.path()).unwrap().map(Result::unwrap).count(), lines, "at {length}");
        assert!(length < confirmed || lines >= 2);
        // Two of them are confirmed, so only a log that holds those is ever asked to go on.
        let again = if lines >= 2 { 3..=4 } else { 1..=4 };
        sink.append(&entries(again)).await.unwrap();
        assert_eq!(log.bytes(), whole, "at {length}");
    }
}

#[tokio::test]
async fn an_entry_longer_than_one_read_is_found_at_the_end() {
    let log = Log::new();
    let long = [entry(1, &"x".repeat(100_000)), entry(2, &"y".repeat(100_000))];
    log.open().await.unwrap().append(&long).await.unwrap();
    log.open().await.unwrap().append(&entries(3..=3)).await.unwrap();
    assert_eq!(
        read(&log.path()).unwrap().map(Result::unwrap).map(|found| found.position).collect::<Vec<_>>(),
        [1, 2, 3]
    );
}

#[tokio::test]
async fn a_complete_last_line_that_is_no_entry_is_left_for_somebody_to_look_at() {
    for foreign in ["garbage\n", "\n", "{}\n", "{\"position\":\"5\"}\n"] {
        let log = Log::with(1..=4).await;
        let mut bytes = log.bytes();
        bytes.extend_from_slice(foreign.as_bytes());
        fs::write(log.file(), &bytes).unwrap();
        assert!(unavailable(log.open().await).contains("is no entry"), "{foreign}");
        assert_eq!(log.bytes(), bytes);
    }
}

#[tokio::test]
async fn the_reader_tells_where_a_log_was_changed() {
    let log = Log::with(1..=4).await;
    let text = String::from_utf8(log.bytes()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let read_error = |text: String| {
        fs::write(log.file(), text).unwrap();
        let mut entries = read(&log.path()).unwrap();
        let error = entries.find_map(Result::err).unwrap();
        assert!(entries.next().is_none(), "nothing after an error");
        error.to_string()
    };
    assert_eq!(read_error(format!("{}\n{}\n", lines[0], lines[2])), "line 2 holds entry 3: expected entry 2");
    assert_eq!(read_error(format!("{}\nx\n{}\n", lines[0], lines[1])), "line 2 is no entry");
}

#[tokio::test]
async fn a_place_that_can_t_be_written_to_is_unavailable() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    unavailable(DirectorySink::open(file.join("log")).await);

    let log = Log::with(1..=2).await;
    let sink = log.open().await.unwrap();
    fs::remove_dir_all(log.path()).unwrap();
    unavailable(sink.append(&entries(3..=3)).await);
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_not_written_to() {
    let log = Log::with(1..=2).await;
    let sink = log.open().await.unwrap();
    fs::rename(log.file(), log.path().join("moved")).unwrap();
    assert!(unavailable(sink.append(&entries(3..=3)).await).contains("ends with entry 0"));
}

#[tokio::test]
async fn a_full_disk_is_unavailable_until_it_has_room() {
    let log = Log::new();
    fs::create_dir_all(log.path()).unwrap();
    symlink("/dev/full", log.file()).unwrap();
    let sink = log.open().await.unwrap();
    assert!(unavailable(sink.append(&entries(1..=3)).await).contains("No space left"));
    fs::remove_file(log.file()).unwrap();
    sink.append(&entries(1..=3)).await.unwrap();
    log.holds(1..=3);
}

/// The kernel takes the first part of a write and refuses the rest. The limit
/// is a process's own, so the test runs itself again under one.
#[tokio::test]
async fn half_a_write_is_taken_back() {
    const LIMITED: &str = "HALLIGAN_TEST_FILE_SIZE_IS_LIMITED";
    if std::env::var_os(LIMITED).is_none() {
        let name = "directory_sink::tests::half_a_write_is_taken_back";
        // 8 blocks of 512 bytes; without the trap the signal would end the process.
        let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact \"$1\"";
        let me = std::env::current_exe().unwrap();
        let output = Command::new("sh").arg("-c").arg(script).arg(me).arg(name).env(LIMITED, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        return;
    }
    let log = Log::with(1..=2).await;
    let before = log.bytes();
    let sink = log.open().await.unwrap();
    let long = entry(3, &"x".repeat(8_192));
    assert!(unavailable(sink.append(&[long]).await).contains("File too large"));
    assert_eq!(log.bytes(), before, "what fitted of the write was cut off again");
    sink.append(&entries(3..=3)).await.unwrap();
    log.holds(1..=3);
}

#[tokio::test]
async fn appends_at_the_same_time_leave_each_entry_once() {
    let log = Log::new();
    // Two handles, as two processes would have, and their clones.
    let (first, second) = (log.open().await.unwrap(), log.open().await.unwrap());
    let appends = (0..32).map(|n| {
        let sink = if n % 2 == 0 { first.clone() } else { second.clone() };
        tokio::spawn(async move {
            for end in 1..=20 {
                // Whoever comes late finds its entries there; nobody leaves a gap.
                sink.append(&entries(1..=end)).await.unwrap();
            }
        })
    });
    for append in appends.collect::<Vec<_>>() {
        append.await.unwrap();
    }
    log.holds(1..=20);
}
