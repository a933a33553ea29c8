//! The file as whoever reads and rotates it has it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn sink(&self) -> OcsfFile {
        OcsfFile::new("siem", self.path("ocsf.ndjson"))
    }

    /// The indexes of the events in a file, each of whose lines is whole.
    fn indexes(&self, name: &str) -> Vec<u64> {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        let index = |line| serde_json::from_str::<Value>(line).unwrap()["metadata"]["sequence"].as_u64().unwrap();
        text.lines().map(index).collect()
    }
}

#[tokio::test]
async fn batches_follow_each_other_in_a_file_that_nobody_else_reads() {
    let (place, entries) = (Place::new(), examples());
    let sink = place.sink();
    assert_eq!(sink.name(), "siem");
    sink.send(&entries[..3]).await.unwrap();
    sink.send(&[]).await.unwrap();
    sink.send(&entries[3..5]).await.unwrap();
    assert_eq!(place.indexes("ocsf.ndjson"), [0, 1, 2, 3, 4]);
    assert_eq!(fs::metadata(place.path("ocsf.ndjson")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_handed_over_again_is_not_written_again() {
    let (place, entries) = (Place::new(), examples());
    let sink = place.sink();
    sink.send(&entries[..3]).await.unwrap();
    sink.send(&entries[..2]).await.unwrap();
    sink.send(&entries[1..5]).await.unwrap();
    // After a restart, and from a second process.
    place.sink().send(&entries[2..6]).await.unwrap();
    sink.send(&entries[4..7]).await.unwrap();
    assert_eq!(place.indexes("ocsf.ndjson"), [0, 1, 2, 3, 4, 5, 6]);
    // The same place in another log is not the same entry.
    let mut other = entries[6].sealed.clone();
    other.entry.id = uuid::Uuid::from_u128(9);
    place.sink().send(&[QueuedEntry::new(7, other)]).await.unwrap();
    assert_eq!(place.indexes("ocsf.ndjson"), [0, 1, 2, 3, 4, 5, 6, 6]);
}

#[tokio::test]
async fn a_torn_line_is_cut_off_wherever_it_was_torn() {
    let (place, entries) = (Place::new(), examples());
    place.sink().send(&entries[..3]).await.unwrap();
    let whole = fs::read(place.path("ocsf.ndjson")).unwrap();
    let third = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for length in [third, third + 1, third + 200, whole.len() - 1] {
        fs::write(place.path("ocsf.ndjson"), &whole[..length]).unwrap();
        place.sink().send(&entries[2..4]).await.unwrap();
        assert_eq!(place.indexes("ocsf.ndjson"), [0, 1, 2, 3], "cut to {length} of {}", whole.len());
    }
    // Nothing but half a line.
    fs::write(place.path("ocsf.ndjson"), &whole[..20]).unwrap();
    place.sink().send(&entries[..1]).await.unwrap();
    assert_eq!(place.indexes("ocsf.ndjson"), [0]);
    // A sink that wrote the file itself, and found it torn afterwards.
    let sink = place.sink();
    sink.send(&entries[1..3]).await.unwrap();
    fs::write(place.path("ocsf.ndjson"), &whole[..whole.len() - 9]).unwrap();
    sink.send(&entries[2..3]).await.unwrap();
    assert_eq!(place.indexes("ocsf.ndjson"), [0, 1, 2]);
}

#[tokio::test]
async fn a_file_may_be_rotated_in_every_way() {
    let (place, entries) = (Place::new(), examples());
    let sink = place.sink();
    sink.send(&entries[..2]).await.unwrap();
    // Moved away, and not made anew.
    fs::rename(place.path("ocsf.ndjson"), place.path("ocsf.ndjson.1")).unwrap();
    sink.send(&entries[2..4]).await.unwrap();
    assert_eq!((place.indexes("ocsf.ndjson.1"), place.indexes("ocsf.ndjson")), (vec![0, 1], vec![2, 3]));
    // Moved away, and made anew by whoever did it, with rights of its own.
    fs::rename(place.path("ocsf.ndjson"), place.path("ocsf.ndjson.2")).unwrap();
    fs::write(place.path("ocsf.ndjson"), "").unwrap();
    fs::set_permissions(place.path("ocsf.ndjson"), fs::Permissions::from_mode(0o640)).unwrap();
    sink.send(&entries[4..5]).await.unwrap();
    assert_eq!((place.indexes("ocsf.ndjson.2"), place.indexes("ocsf.ndjson")), (vec![2, 3], vec![4]));
    assert_eq!(fs::metadata(place.path("ocsf.ndjson")).unwrap().permissions().mode() & 0o777, 0o640);
    // Copied and emptied.
    fs::write(place.path("ocsf.ndjson"), "").unwrap();
    sink.send(&entries[5..6]).await.unwrap();
    // Deleted.
    fs::remove_file(place.path("ocsf.ndjson")).unwrap();
    sink.send(&entries[6..7]).await.unwrap();
    assert_eq!(place.indexes("ocsf.ndjson"), [6]);
}

#[tokio::test]
async fn lines_of_others_stay() {
    let (place, entries) = (Place::new(), examples());
    fs::write(place.path("ocsf.ndjson"), "not json\n{\"metadata\":{}}\n").unwrap();
    place.sink().send(&entries[..1]).await.unwrap();
    let text = fs::read_to_string(place.path("ocsf.ndjson")).unwrap();
    assert!(text.starts_with("not json\n{\"metadata\":{}}\n{") && text.lines().count() == 3);
}

#[tokio::test]
async fn what_can_never_work_says_what_was_expected() {
    let (place, entries) = (Place::new(), examples());
    fs::write(place.path("file"), "").unwrap();
    fs::write(place.path("endless"), "x".repeat(5 * 1_024 * 1_024)).unwrap();
    for (path, words) in [
        (place.path("none/ocsf.ndjson"), "expected its directory to be there"),
        (place.path(""), "expected the path of a file"),
        (place.path("file/ocsf.ndjson"), "expected the path of a file"),
        (place.path("endless"), "expected no other writer"),
        ("/dev/full".into(), "expected the path of a file"),
    ] {
        let error = OcsfFile::new("siem", &path).send(&entries[..1]).await.unwrap_err();
        assert!(matches!(&error, SinkError::Refused(text) if text.contains(words)), "{}: {error}", path.display());
    }
    assert_eq!(fs::metadata(place.path("endless")).unwrap().len(), 5 * 1_024 * 1_024, "nothing was cut off");
}
