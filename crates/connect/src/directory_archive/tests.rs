#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod outside;
mod weak;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use futures::future::join_all;
use halligan_log::Span;
use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;

use super::temporary::DIRECTORY as UNFINISHED;
use super::*;

const ENTRIES: Object = Object::Entries(Span { n: 0, width: 3 });
const PERSONAL: Object = Object::Personal(Span { n: 1_234_067, width: 2 });
const TILE: Object = Object::Hashes { level: 0, span: Span { n: 0, width: 3 } };
const FULL: Object = Object::Hashes { level: 1, span: Span::full(7) };
const ALL: [Object; 5] = [ENTRIES, PERSONAL, TILE, FULL, successor(3)];

const fn successor(size: u64) -> Object {
    Object::Successor { size, attempt: 0 }
}

/// A directory that is there only for as long as the test, and an archive in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// Where nothing is written to a disk: for tests that write much.
    fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        Self(if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("state/log")
    }

    fn at(&self, key: impl AsRef<Path>) -> PathBuf {
        self.path().join(key)
    }

    async fn open(&self) -> DirectoryArchive {
        DirectoryArchive::open("local", self.path()).await.unwrap()
    }

    /// Every file below the archive's directory, by its path in it.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut waiting = vec![self.path()];
        while let Some(directory) = waiting.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => waiting.push(path),
                    false => {
                        let key = path.strip_prefix(self.path()).unwrap().to_str().unwrap().to_owned();
                        drop(files.insert(key, fs::read(&path).unwrap()));
                    }
                }
            }
        }
        files.remove(&format!("{UNFINISHED}/lock"));
        files
    }

    fn mode(&self, key: &str) -> u32 {
        fs::symlink_metadata(self.at(key)).unwrap().permissions().mode() & 0o7777
    }
}

async fn bytes(archive: &dyn LogReader, object: Object) -> Option<Vec<u8>> {
    archive.read(object).await.unwrap().map(|stored| {
        assert_eq!(stored.tampering, None);
        stored.bytes
    })
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, ArchiveError>) -> String {
    match outcome {
        Err(ArchiveError::Refused(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn unavailable<T: std::fmt::Debug>(outcome: Result<T, ArchiveError>) -> String {
    match outcome {
        Err(ArchiveError::Unavailable(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn objects_are_files_under_their_keys_that_only_the_broker_reads() {
    let place = Place::new();
    let archive = place.open().await;
    assert_eq!(archive.name(), "local");
    for object in ALL {
        assert_eq!(bytes(&archive, object).await, None);
        archive.put_once(object, object.to_string().as_bytes()).await.unwrap();
        assert_eq!(bytes(&archive, object).await.unwrap(), object.to_string().as_bytes());
        assert_eq!(place.mode(&object.to_string()), 0o400);
    }
    assert_eq!(bytes(&archive, Object::Checkpoint).await, None);
    for note in ["one", "two"] {
        archive.put_checkpoint(note.as_bytes()).await.unwrap();
        assert_eq!(bytes(&archive, Object::Checkpoint).await.unwrap(), note.as_bytes());
        assert_eq!(place.mode("checkpoint"), 0o600);
    }
    for directory in ["", "tile", "tile/0", "tile/entries", "tile/entries/000.p", "personal/x001/x234", UNFINISHED] {
        assert_eq!(place.mode(directory), 0o700, "{directory}");
    }
    let mut expected: BTreeMap<String, Vec<u8>> =
        ALL.iter().map(|object| (object.to_string(), object.to_string().into_bytes())).collect();
    expected.insert("checkpoint".to_owned(), b"two".to_vec());
    assert_eq!(place.files(), expected);
    assert_eq!(archive.weaknesses().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_there_is_done_or_taken() {
    let place = Place::new();
    let (archive, other) = (place.open().await, place.open().await);
    archive.put_once(TILE, b"tile").await.unwrap();
    for archive in [&archive, &other, &place.open().await] {
        archive.put_once(TILE, b"tile").await.unwrap();
        for different in [&b"file"[..], b"", b"til", b"tiles"] {
            let taken = archive.put_once(TILE, different).await.unwrap_err();
            assert!(
                matches!(&taken, ArchiveError::Taken { object: TILE, found } if found == b"tile"),
                "{different:?}: {taken}"
            );
        }
    }
    assert_eq!(place.files(), [("tile/0/000.p/3".to_owned(), b"tile".to_vec())].into());
}

#[tokio::test]
async fn what_was_erased_is_none_and_may_be_put_again() {
    let place = Place::new();
    let archive = place.open().await;
    archive.put_once(PERSONAL, b"personal").await.unwrap();
    fs::remove_dir_all(place.at("personal")).unwrap();
    assert_eq!(bytes(&archive, PERSONAL).await, None);
    archive.put_once(PERSONAL, b"again").await.unwrap();
    assert_eq!(bytes(&archive, PERSONAL).await.unwrap(), b"again");
}

/// Each state that a crash can leave between two steps of a write.
#[tokio::test]
async fn a_crash_leaves_all_of_an_object_or_nothing() {
    type State = fn(&Place);
    fn unfinished(place: &Place, bytes: &[u8]) -> PathBuf {
        let path = place.at(UNFINISHED).join("4711-0");
        fs::create_dir_all(place.at(UNFINISHED)).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
    fn key(place: &Place) -> PathBuf {
        let path = place.at(TILE.to_string());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }
    let states: [(&str, State, Option<&[u8]>); 8] = [
        ("nothing", |_| {}, None),
        ("the directory", |place| fs::create_dir_all(place.path()).unwrap(), None),
        ("an empty file", |place| drop(unfinished(place, b"")), None),
        ("half a file", |place| drop(unfinished(place, b"ti")), None),
        ("a whole file", |place| drop(unfinished(place, b"tile")), None),
        ("a whole file and its directories", |place| drop((unfinished(place, b"tile"), key(place))), None),
        (
            "a file with its key and its first name",
            |place| fs::hard_link(unfinished(place, b"tile"), key(place)).unwrap(),
            Some(b"tile"),
        ),
        ("a file with its key", |place| fs::write(key(place), b"tile").unwrap(), Some(b"tile")),
    ];
    for (name, leave, expected) in states {
        let place = Place::new();
        leave(&place);
        let archive = place.open().await;
        assert_eq!(bytes(&archive, TILE).await.as_deref(), expected, "{name}");
        assert!(place.files().keys().all(|key| !key.starts_with(UNFINISHED)), "{name}: {:?}", place.files());
        archive.put_once(TILE, b"tile").await.unwrap();
        assert_eq!(place.files(), [(TILE.to_string(), b"tile".to_vec())].into(), "{name}");
        assert_eq!(fs::metadata(place.at(TILE.to_string())).unwrap().nlink(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_crash_leaves_the_old_checkpoint_or_the_new() {
    let place = Place::new();
    place.open().await.put_checkpoint(b"old").await.unwrap();
    fs::write(place.at(UNFINISHED).join("4711-0"), b"ne").unwrap();
    let archive = place.open().await;
    assert_eq!(bytes(&archive, Object::Checkpoint).await.unwrap(), b"old");
    assert_eq!(place.files(), [("checkpoint".to_owned(), b"old".to_vec())].into());
}

#[tokio::test]
async fn what_others_are_writing_is_not_cleared_up() {
    let place = Place::new();
    let living = place.open().await;
    let theirs = place.at(UNFINISHED).join("4711-0");
    fs::write(&theirs, b"half").unwrap();
    // A name that is in use is passed over.
    fs::write(place.at(UNFINISHED).join(format!("{}-0", std::process::id())), b"half").unwrap();
    let second = place.open().await;
    second.put_once(TILE, b"tile").await.unwrap();
    assert!(theirs.exists());
    drop((living, second));
    drop(place.open().await);
    assert_eq!(place.files(), [(TILE.to_string(), b"tile".to_vec())].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_one_wins_and_all_others_see_what_it_wrote() {
    let place = Place::in_memory();
    let archives = [place.open().await, place.open().await];
    for round in 0..50 {
        let writers = (0..16).map(|writer: usize| {
            let archive = archives[writer % 2].clone();
            tokio::spawn(async move {
                let bytes = vec![u8::try_from(writer).unwrap(); 5_000];
                archive.put_once(Object::Successor { size: round, attempt: 0 }, &bytes).await
            })
        });
        let outcomes: Vec<_> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
        let won: Vec<usize> = (0..16).filter(|writer| outcomes[*writer].is_ok()).collect();
        assert_eq!(won.len(), 1, "{outcomes:?}");
        let expected = vec![u8::try_from(won[0]).unwrap(); 5_000];
        let limit = bytes_max(successor(round)) + 1;
        for error in outcomes.into_iter().filter_map(Result::err) {
            let ArchiveError::Taken { found, .. } = error else { panic!("{error}") };
            assert!(found == expected[..limit]);
        }
        assert!(fs::read(place.at(successor(round).to_string())).unwrap() == expected);
    }
    assert_eq!(place.files().len(), 50);
}

#[tokio::test]
async fn many_writers_of_the_same_bytes_all_succeed() {
    let place = Place::in_memory();
    let archives = [place.open().await, place.open().await];
    for round in 0..50 {
        let puts = (0..16).map(|writer: usize| archives[writer % 2].put_once(successor(round), b"the same"));
        for outcome in join_all(puts).await {
            outcome.unwrap();
        }
    }
    assert!(place.files().values().all(|bytes| bytes == b"the same") && place.files().len() == 50);
}

#[tokio::test]
async fn a_checkpoint_that_hung_does_not_replace_a_newer_one() {
    let place = Place::new();
    let disk = Disk::open(place.path()).unwrap();
    let (slow, fast) = (disk.take_turn(), disk.take_turn());
    disk.put_checkpoint(fast, b"newer").unwrap();
    let text = unavailable(disk.put_checkpoint(slow, b"older"));
    assert!(text.ends_with("a newer one was handed over"), "{text}");
    assert_eq!(place.files(), [("checkpoint".to_owned(), b"newer".to_vec())].into());
}

#[tokio::test]
async fn a_disk_that_hangs_is_not_waited_for() {
    let place = Place::new();
    let mut archive = place.open().await;
    archive.0.deadline = Duration::from_millis(50);
    let (hang, hanging) = std::sync::mpsc::channel::<()>();
    let hanging = Arc::new(std::sync::Mutex::new(hanging));
    let stuck = (0..AT_ONCE).map(|_| {
        let hanging = Arc::clone(&hanging);
        archive.0.on_disk(move |_| {
            // Ends when nobody can send any more.
            let _ = hanging.lock().unwrap().recv();
            Ok(())
        })
    });
    for outcome in join_all(stuck).await {
        assert_eq!(unavailable(outcome), "the disk gave no answer within 50ms");
    }
    // The others wait for a turn: they don't pile up.
    assert_eq!(unavailable(archive.read(TILE).await), "the disk gave no answer within 50ms");
    drop(hang);
    archive.0.deadline = DEADLINE;
    assert_eq!(bytes(&archive, TILE).await, None);
}

#[tokio::test]
async fn links_are_not_followed_and_nothing_in_the_way_is_touched() {
    type InTheWay = fn(&Place, &Path);
    fn in_place_of(place: &Place, key: &str) -> PathBuf {
        let path = place.at(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }
    let link = "is a symbolic link, which is not followed";
    let way = "something other than a directory";
    let cases: [(&str, InTheWay, &str); 9] = [
        ("a link to a directory", |place, there| symlink(there, place.at("tile")).unwrap(), way),
        ("a link to a directory, deeper", |place, there| symlink(there, in_place_of(place, "tile/0")).unwrap(), way),
        ("a file", |place, _| fs::write(place.at("tile"), "").unwrap(), way),
        (
            "a link to the same bytes",
            |place, there| symlink(there.join("tile"), in_place_of(place, "tile/0/000.p/3")).unwrap(),
            link,
        ),
        (
            "a link to nothing",
            |place, there| symlink(there.join("none"), in_place_of(place, "tile/0/000.p/3")).unwrap(),
            link,
        ),
        ("a directory", |place, _| fs::create_dir_all(place.at("tile/0/000.p/3")).unwrap(), "is no file"),
        ("a pipe", |place, _| mkfifoat(CWD, in_place_of(place, "tile/0/000.p/3"), Mode::RWXU).unwrap(), "is no file"),
        ("a socket", |place, _| drop(UnixListener::bind(in_place_of(place, "tile/0/000.p/3")).unwrap()), "is no file"),
        (
            "a link in place of the unfinished",
            |place, there| {
                fs::remove_dir_all(place.at(UNFINISHED)).unwrap();
                symlink(there, place.at(UNFINISHED)).unwrap();
            },
            way,
        ),
    ];
    for (name, put_in_the_way, because) in cases {
        let (place, outside) = (Place::new(), TempDir::new().unwrap());
        fs::write(outside.path().join("tile"), b"tile").unwrap();
        let archive = place.open().await;
        put_in_the_way(&place, outside.path());
        let text = refused(archive.put_once(TILE, b"tile").await);
        assert!(text.contains(because) && text.contains("take it away"), "{name}: {text}");
        if name.ends_with("the unfinished") {
            drop(archive);
            refused(DirectoryArchive::open("local", place.path()).await);
        } else {
            assert!(refused(archive.read(TILE).await).contains(because), "{name}");
        }
        let there: Vec<_> = fs::read_dir(outside.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(there, ["tile"], "{name}");
    }
}

#[tokio::test]
async fn a_checkpoint_that_is_a_link_is_replaced_and_not_followed() {
    let (place, outside) = (Place::new(), TempDir::new().unwrap());
    let victim = outside.path().join("victim");
    fs::write(&victim, b"theirs").unwrap();
    let archive = place.open().await;
    symlink(&victim, place.at("checkpoint")).unwrap();
    assert!(refused(archive.read(Object::Checkpoint).await).contains("symbolic link"));
    archive.put_checkpoint(b"ours").await.unwrap();
    assert_eq!(bytes(&archive, Object::Checkpoint).await.unwrap(), b"ours");
    assert_eq!(fs::read(&victim).unwrap(), b"theirs");

    fs::remove_file(place.at("checkpoint")).unwrap();
    fs::create_dir(place.at("checkpoint")).unwrap();
    assert!(refused(archive.put_checkpoint(b"ours").await).contains("is a directory"));
}

#[tokio::test]
async fn another_directory_of_the_same_name_is_not_written_to() {
    let place = Place::new();
    let archive = place.open().await;
    archive.put_once(TILE, b"tile").await.unwrap();
    let moved = place.0.path().join("moved");
    fs::rename(place.path(), &moved).unwrap();
    for text in [unavailable(archive.read(TILE).await), unavailable(archive.put_checkpoint(b"note").await)] {
        assert!(text.contains("No such file"), "{text}");
    }
    fs::create_dir(place.path()).unwrap();
    for text in [refused(archive.read(TILE).await), refused(archive.put_once(FULL, b"full").await)] {
        assert!(text.contains("is another directory than when it was opened"), "{text}");
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    fs::remove_dir(place.path()).unwrap();
    fs::rename(&moved, place.path()).unwrap();
    archive.put_once(FULL, b"full").await.unwrap();
}

#[tokio::test]
async fn of_a_file_that_is_too_long_one_byte_too_many_is_read() {
    let place = Place::new();
    let archive = place.open().await;
    for object in [Object::Checkpoint, TILE, ENTRIES, successor(3)] {
        let path = place.at(object.to_string());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
        assert_eq!(bytes(&archive, object).await.unwrap().len(), bytes_max(object) + 1, "{object}");
    }
}

#[tokio::test]
async fn a_log_that_is_only_read_is_not_written_to() {
    let place = Place::new();
    let log = DirectoryLog::new("copy", place.path());
    assert_eq!(log.name(), "copy");
    assert!(unavailable(log.read(TILE).await).contains("No such file"), "a directory that isn't there is no empty log");
    fs::create_dir_all(place.at("tile/0/000.p")).unwrap();
    fs::write(place.at(TILE.to_string()), b"tile").unwrap();
    fs::write(place.at("checkpoint"), b"note").unwrap();
    assert_eq!(bytes(&log, TILE).await.unwrap(), b"tile");
    assert_eq!(bytes(&log, Object::Checkpoint).await.unwrap(), b"note");
    assert_eq!(bytes(&log, FULL).await, None);
    assert_eq!(place.files().len(), 2);
    assert!(!place.at(UNFINISHED).exists());
    // A link as its name is the reader's own.
    symlink(place.path(), place.0.path().join("link")).unwrap();
    let link = DirectoryLog::new("copy", place.0.path().join("link"));
    assert_eq!(bytes(&link, TILE).await.unwrap(), b"tile");
}
