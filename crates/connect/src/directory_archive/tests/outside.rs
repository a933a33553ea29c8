//! What other processes do, and what the system denies.
//!
//! A process of its own is this one again, with a part to play in the same test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::*;

const PART: &str = "HALLIGAN_TEST_PART";
const DIRECTORY: &str = "HALLIGAN_TEST_DIRECTORY";
const RACES: u64 = 1_600;

/// The part that this process has to play, and where.
fn part() -> Option<(String, PathBuf)> {
    Some((std::env::var(PART).ok()?, std::env::var_os(DIRECTORY)?.into()))
}

/// `before` is a shell's words before those of the process.
fn process(before: &str, test: &str, part: &str, directory: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{before} exec \"$0\" \"$@\"")]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("directory_archive::tests::outside::{test}"), "--nocapture"]);
    command.env(PART, part).env(DIRECTORY, directory).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Reads on until a line says so.
fn wait_for(output: &mut BufReader<ChildStdout>, word: &str) {
    let mut line = String::new();
    // The test harness may have begun the line.
    while !line.trim_end().ends_with(word) {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the process has ended");
    }
}

fn start(mut command: Command) -> (Child, BufReader<ChildStdout>) {
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    wait_for(&mut output, "ready");
    (child, output)
}

#[tokio::test]
async fn of_two_processes_one_wins() {
    if let Some((name, directory)) = part() {
        let archive = DirectoryArchive::open("local", directory).await.unwrap();
        println!("ready");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        for first in (0..RACES).step_by(AT_ONCE) {
            let put = async |nth| (nth, archive.put_once(successor(nth), name.as_bytes()).await);
            for (nth, outcome) in join_all((first..RACES).take(AT_ONCE).map(put)).await {
                match outcome {
                    Ok(()) => println!("won {nth}"),
                    Err(ArchiveError::Taken { found, .. }) => assert_ne!(found, name.as_bytes()),
                    Err(error) => panic!("{error}"),
                }
            }
        }
        return;
    }
    let place = Place::in_memory();
    let mut children = ["one", "two"].map(|name| {
        let (child, output) = start(process("", "of_two_processes_one_wins", name, &place.path()));
        (name, child, output)
    });
    for (_, child, _) in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let mut winners = BTreeMap::new();
    for (name, mut child, output) in children {
        let text = std::io::read_to_string(output).unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
        for nth in text.lines().filter_map(|line| line.strip_prefix("won ")) {
            let key = successor(nth.parse().unwrap()).to_string();
            assert_eq!(winners.insert(key, name.as_bytes().to_vec()), None, "both have won {nth}");
        }
    }
    assert_eq!(winners.len() as u64, RACES);
    assert_eq!(place.files(), winners);
}

/// The bytes of the nth object: many pages, each of which says which it is.
fn pages(nth: u64) -> Vec<u8> {
    nth.to_be_bytes().repeat(10_000)
}

fn bundle(nth: u64) -> Object {
    Object::Entries(Span::full(nth))
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_whole_objects() {
    if let Some((_, directory)) = part() {
        let archive = DirectoryArchive::open("local", directory).await.unwrap();
        println!("ready");
        for nth in 0.. {
            let put = async |nth| archive.put_once(bundle(nth), &pages(nth)).await.unwrap();
            join_all((nth * 4..nth * 4 + 4).map(put)).await;
            archive.put_checkpoint(&pages(nth)).await.unwrap();
            println!("done {nth}");
        }
    }
    let place = Place::in_memory();
    let mut left = 0;
    for round in 0..12 {
        let this = "a_process_that_is_killed_leaves_whole_objects";
        let (mut child, mut output) = start(process("", this, "writer", &place.path()));
        // What is there already is passed over faster than it is written.
        wait_for(&mut output, &format!("done {round}"));
        let unfinished = || fs::read_dir(place.at(UNFINISHED)).unwrap().count() - 1;
        while unfinished() == 0 {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        left += unfinished();
        drop(place.open().await);
        let files = place.files();
        assert!((0..files.len() as u64).map(pages).any(|note| note == files["checkpoint"]), "{round}");
        for nth in 0..(round + 1) * 4 {
            assert!(files[&bundle(nth).to_string()] == pages(nth), "{round}: {nth}");
        }
        for (key, bytes) in files.iter().filter(|(key, _)| *key != "checkpoint") {
            let nth = u64::from_be_bytes(*bytes.first_chunk().unwrap());
            assert!(*key == bundle(nth).to_string() && *bytes == pages(nth), "{round}: {key}");
        }
    }
    assert!(left > 0, "no process was killed while it wrote");
}

/// A file system with little room where this process may make one; a limit to the
/// size of its files where not.
#[tokio::test]
async fn a_full_disk_leaves_whole_objects_and_goes_on_once_there_is_room() {
    if let Some((_, directory)) = part() {
        return fill(directory).await;
    }
    let place = Place::new();
    fs::create_dir_all(place.path()).unwrap();
    let mount = "mount -t tmpfs -o size=256k,mode=700 none \"$HALLIGAN_TEST_DIRECTORY\"";
    let limit = "trap '' XFSZ; ulimit -f 128;";
    let alone = Command::new("unshare").args(["-rm", "true"]).stderr(Stdio::null()).status();
    let before = if alone.is_ok_and(|status| status.success()) {
        format!("exec unshare -rm sh -c '{mount} && exec \"$0\" \"$@\"' \"$0\" \"$@\";")
    } else {
        limit.to_owned()
    };
    for before in [before.as_str(), limit] {
        let this = "a_full_disk_leaves_whole_objects_and_goes_on_once_there_is_room";
        let output = process(before, this, "filler", &place.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("went on"), "{before}: {text}");
        fs::remove_dir_all(place.path()).unwrap();
        fs::create_dir_all(place.path()).unwrap();
    }
}

async fn fill(directory: PathBuf) {
    let archive = DirectoryArchive::open("local", &directory).await.unwrap();
    archive.put_checkpoint(b"old").await.unwrap();
    let object = |nth: usize| Object::Entries(Span::full(nth as u64));
    let bytes = |nth: usize| vec![u8::try_from(nth).unwrap(); 1 << nth];
    let mut room = 0;
    let full = loop {
        match archive.put_once(object(room), &bytes(room)).await {
            Ok(()) => room += 1,
            Err(error) => break unavailable::<()>(Err(error)),
        }
    };
    println!("{full}");
    assert!(full.contains("No space left") || full.contains("File too large"), "{full}");
    // Neither is half there, and nothing is left of the attempt.
    assert_eq!(self::bytes(&archive, object(room)).await, None);
    let large = vec![7; 1 << room];
    unavailable(archive.put_checkpoint(&large).await);
    assert_eq!(self::bytes(&archive, Object::Checkpoint).await.unwrap(), b"old");
    let unfinished: Vec<_> = fs::read_dir(directory.join(UNFINISHED)).unwrap().collect();
    assert_eq!(unfinished.len(), 1, "the lock alone: {unfinished:?}");
    for nth in 0..room {
        assert_eq!(self::bytes(&archive, object(nth)).await.unwrap(), bytes(nth));
    }
    archive.put_checkpoint(b"new").await.unwrap();
    archive.put_once(object(room), b"smaller").await.unwrap();
    assert_eq!(self::bytes(&archive, Object::Checkpoint).await.unwrap(), b"new");
    println!("went on");
}

/// Those who may do anything give that up first, in a thread of their own.
fn without_privileges<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(|| {
        #[cfg(target_os = "linux")]
        {
            use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
            let mut sets = capabilities(None).unwrap();
            sets.effective = CapabilitySet::empty();
            set_capabilities(None, sets).unwrap();
        }
        work()
    });
    thread.join().unwrap()
}

#[test]
fn a_directory_without_rights_is_refused_and_works_again_with_them() {
    let chmod = |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let place = Place::new();
    let disk = Arc::new(Disk::open(place.path()).unwrap());
    disk.put_once(TILE, b"tile").unwrap();
    type Do = fn(&Disk) -> Result<(), ArchiveError>;
    let read: Do = |disk| disk.read(&TILE.to_string(), 100).map(drop);
    let put: Do = |disk| disk.put_once(Object::Hashes { level: 0, span: Span { n: 0, width: 4 } }, b"more");
    let replace: Do = |disk| disk.put_checkpoint(disk.take_turn(), b"note");
    let cases: [(&str, u32, Do); 7] = [
        ("", 0o500, replace),
        ("", 0o000, replace),
        (UNFINISHED, 0o500, replace),
        (UNFINISHED, 0o500, put),
        ("tile/0/000.p", 0o500, put),
        ("tile/0/000.p", 0o000, put),
        ("tile/0/000.p/3", 0o000, read),
    ];
    for (key, mode, work) in cases {
        let before = place.mode(key);
        chmod(place.at(key), mode);
        let shared = Arc::clone(&disk);
        let text = refused(without_privileges(move || work(&shared)));
        assert!(text.contains("no right to do that") && text.contains("Permission denied"), "{key}: {text}");
        chmod(place.at(key), before);
        assert_eq!(place.files(), [(TILE.to_string(), b"tile".to_vec())].into(), "{key}");
    }
    for work in [read, put, replace] {
        work(&disk).unwrap();
    }

    let above = place.0.path().join("state");
    chmod(above.clone(), 0o500);
    let other = above.join("other");
    let text = refused(without_privileges(move || Disk::open(other)));
    assert!(text.contains("state/other: no right to do that"), "{text}");
    chmod(above, 0o700);
    refused(Disk::open(place.at(TILE.to_string())));
}
