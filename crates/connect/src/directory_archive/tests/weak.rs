//! What is open to others.

use super::*;

async fn with_objects() -> (Place, DirectoryArchive) {
    let place = Place::new();
    let archive = place.open().await;
    archive.put_once(TILE, b"tile").await.unwrap();
    archive.put_once(ENTRIES, b"entries").await.unwrap();
    archive.put_checkpoint(b"note").await.unwrap();
    (place, archive)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Setting and finding, with the test's own directory taken out.
fn shown(place: &Place, weaknesses: &[Weakness]) -> Vec<String> {
    let directory = place.0.path().canonicalize().unwrap().to_str().unwrap().to_owned();
    let line = |weakness: &Weakness| format!("{}: {}", weakness.setting, weakness.finding.replace(&directory, ""));
    weaknesses.iter().map(line).collect()
}

#[tokio::test]
async fn what_is_open_to_others_is_named() {
    type Weaken = fn(&Place);
    let cases: [(Weaken, &[&str]); 8] = [
        (|_| {}, &[]),
        (
            |place| chmod(&place.path(), 0o750),
            &["permissions: /state/log: is open to others (mode 750): expected none: `chmod -R go= …` mends it"],
        ),
        (
            |place| chmod(&place.at("tile/0/000.p/3"), 0o404),
            &[
                "permissions: /state/log/tile/0/000.p/3: is open to others (mode 404): expected none: `chmod -R go= …` mends it",
            ],
        ),
        (
            |place| ["tile", "tile/0", "checkpoint"].iter().for_each(|key| chmod(&place.at(key), 0o720)),
            &[
                "permissions: /state/log/checkpoint: is open to others (mode 720): expected none: `chmod -R go= …` mends it (and 2 more)",
            ],
        ),
        (
            |place| symlink("/", place.at("tile/link")).unwrap(),
            &["foreign: /state/log/tile/link: is no file and no directory: the log never wrote it: take it away"],
        ),
        (
            |place| chmod(&place.0.path().join("state"), 0o707),
            &[
                "replaceable: /state: anybody may write to it, and so put another directory in the place of /state/log: `chmod o-w /state` mends it",
            ],
        ),
        (|place| chmod(&place.0.path().join("state"), 0o1777), &[]),
        (|place| fs::remove_dir_all(place.at("tile")).unwrap(), &[]),
    ];
    for (weaken, expected) in cases {
        let (place, archive) = with_objects().await;
        weaken(&place);
        assert_eq!(shown(&place, &archive.weaknesses().await.unwrap()), expected);
    }
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_named() {
    let (place, archive) = with_objects().await;
    let us = geteuid().as_raw();
    let somebody = rustix::process::Uid::from_raw(us + 1);
    let found = archive.0.on_disk(move |disk| look::weaknesses(disk, somebody)).await.unwrap();
    let expected = format!(
        "owner: /state/log: belongs to user {us}: expected {}, whom the broker runs as: `chown` mends it (and 10 more)",
        us + 1
    );
    assert_eq!(shown(&place, &found), [expected]);
}

#[tokio::test]
async fn a_directory_that_is_gone_is_no_directory_without_weaknesses() {
    let (place, archive) = with_objects().await;
    fs::remove_dir_all(place.path()).unwrap();
    unavailable(archive.weaknesses().await);
}
