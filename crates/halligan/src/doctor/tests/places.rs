//! Each place as it should be, and in each way in which it isn't.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use halligan_connect::directory_archive::DirectoryArchive;
use halligan_core::catalogue::Role;
use halligan_engine::fakes::archive::FakeArchive;
use halligan_engine::fakes::fixtures;
use halligan_engine::ports::{
    Archive, ArchiveError, CheckpointSigner, SignError, Tampering, TrailError, Trails, Weakness,
};
use halligan_log::key::Kind;
use halligan_log::{Checkpoint, Hash, Object, SignedCheckpoint, SigningKey, VerifierKey};
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::config::log::{self, KeyPlace, Log, LogKey, Sink};

const ORIGIN: &str = "log.example.com";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, [seed; 32]).unwrap()
}

fn public(seed: u8) -> VerifierKey {
    key(seed).verifier(Kind::Log)
}

fn now() -> Timestamp {
    "2026-03-01T02:40:00Z".parse().unwrap()
}

/// A checkpoint that was signed so many minutes ago.
fn note(by: &SigningKey, minutes: i64) -> Vec<u8> {
    let checkpoint = Checkpoint { origin: by.verifier(Kind::Log).name().to_owned(), size: 42, root: Hash([9; 32]) };
    let mut note = SignedCheckpoint::unsigned(checkpoint.clone());
    note.sign(&by.verifier(Kind::Log), by.sign(checkpoint.body().as_bytes()));
    let seconds = u64::try_from((now() - SignedDuration::from_mins(minutes)).as_second()).unwrap();
    note.cosign(&by.verifier(Kind::Log), seconds, &by.sign(checkpoint.timed_body(seconds).as_bytes()));
    note.to_bytes()
}

fn log() -> Log {
    Log {
        wait: SignedDuration::from_secs(5),
        heartbeat: SignedDuration::from_mins(10),
        confirmations: 1,
        cosignatures: 0,
        personal_kept: SignedDuration::from_hours(24),
        readers: [].into(),
        key: LogKey { origin: ORIGIN.to_owned(), kept: KeyPlace::File("/etc/log.key".into()), former: vec![public(2)] },
        archives: [].into(),
        sinks: [].into(),
        witnesses: [].into(),
        overriding: None,
    }
}

/// What is said of an archive, by a doctor who knows key 1.
async fn said(archive: FakeArchive, entries: u64) -> String {
    said_by(archive, entries, Some(&public(1))).await
}

async fn said_by(archive: FakeArchive, entries: u64, key: Option<&VerifierKey>) -> String {
    let name = "memory".parse().unwrap();
    let settings = log::Archive::Directory { path: "/".into() };
    let archive: Arc<dyn Archive> = Arc::new(archive);
    let looked = archives::look(&name, &settings, entries, async || Ok(archive)).await;
    let mut checks = looked.checks.clone();
    checks.extend(looked.judged(key, &log(), now()));
    told(&checks)
}

async fn holding(note: Vec<u8>) -> FakeArchive {
    let archive = FakeArchive::named("memory");
    archive.put_checkpoint(&note).await.unwrap();
    archive
}

#[tokio::test]
async fn an_archive_holds_this_log_and_is_new() {
    insta::assert_snapshot!(said(FakeArchive::named("memory"), 0).await, @"
    archive memory ok: it can be read, and nothing was published yet
    protection memory ok: its settings protect what they should
    ");
    insta::assert_snapshot!(said(FakeArchive::named("memory"), 3).await, @"
    archive memory FAILED: it is empty, and the store holds 3 entries
        start the broker, or look into its trace for why nothing is published
    protection memory ok: its settings protect what they should
    ");
    insta::assert_snapshot!(said(holding(note(&key(1), 3)).await, 42).await, @"
    archive memory ok: it can be read, and has 42 entries
    protection memory ok: its settings protect what they should
    checkpoint memory ok: it is signed by the log's key
    heartbeat memory ok: the newest checkpoint is of 2026-03-01 02:37:00 UTC
    ");
    insta::assert_snapshot!(said(holding(note(&key(2), 3)).await, 42).await, @"
    archive memory ok: it can be read, and has 42 entries
    protection memory ok: its settings protect what they should
    checkpoint memory ok: it is signed by a former key: the next one is signed by the log's key
    heartbeat memory ok: the newest checkpoint is of 2026-03-01 02:37:00 UTC
    ");
    insta::assert_snapshot!(said(holding(note(&key(3), 3)).await, 42).await, @"
    archive memory ok: it can be read, and has 42 entries
    protection memory ok: its settings protect what they should
    checkpoint memory FAILED: the newest checkpoint is not this log's: none of the log's keys signed it
        if the key was changed, add the one that signed before to `log.key.former`; if not, somebody else signs: run `halligan log verify`
    ");
    insta::assert_snapshot!(said(holding(note(&key(1), 21)).await, 42).await, @"
    archive memory ok: it can be read, and has 42 entries
    protection memory ok: its settings protect what they should
    checkpoint memory ok: it is signed by the log's key
    heartbeat memory FAILED: the newest checkpoint is of 2026-03-01 02:19:00 UTC, 21m ago: expected one at least every 10m
        start the broker, or look into its trace for why nothing is published
    ");
    let other = SigningKey::from_seed("other.example.com", [1; 32]).unwrap();
    insta::assert_snapshot!(said(holding(note(&other, 3)).await, 42).await, @"
    archive memory ok: it can be read, and has 42 entries
    protection memory ok: its settings protect what they should
    checkpoint memory FAILED: the newest checkpoint is not this log's: it is of the log `other.example.com`: expected `log.example.com`
        set `log.key.origin` and the key to those of the log that this archive holds, or give this log an archive of its own
    ");
    insta::assert_snapshot!(said(holding(b"no note".to_vec()).await, 42).await, @"
    archive memory FAILED: its checkpoint can't be read: it is no signed checkpoint
        find in CloudTrail who did; `halligan log verify` says whether more was touched
    protection memory ok: its settings protect what they should
    ");
    insta::assert_snapshot!(said_by(holding(note(&key(1), 3)).await, 42, None).await, @"
    archive memory ok: it can be read, and has 42 entries
    protection memory ok: its settings protect what they should
    checkpoint memory skipped: the log's key isn't known
    ");
}

#[tokio::test]
async fn a_checkpoint_says_when_it_was_signed() {
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 42, root: Hash([9; 32]) };
    let mut untimed = SignedCheckpoint::unsigned(checkpoint.clone());
    untimed.sign(&public(1), key(1).sign(checkpoint.body().as_bytes()));
    insta::assert_snapshot!(said(holding(untimed.to_bytes()).await, 42).await, @"
    archive memory ok: it can be read, and has 42 entries
    protection memory ok: its settings protect what they should
    checkpoint memory ok: it is signed by the log's key
    heartbeat memory FAILED: its checkpoint doesn't say when it was signed
        something else than a broker wrote it: run `halligan log verify`
    ");
    untimed.cosign(&public(1), 1_000, &[0; 64]);
    insta::assert_snapshot!(said(holding(untimed.to_bytes()).await, 42).await, @"
    archive memory ok: it can be read, and has 42 entries
    protection memory ok: its settings protect what they should
    checkpoint memory ok: it is signed by the log's key
    heartbeat memory FAILED: the newest checkpoint is not this log's: the signature of `log.example.com` is not over this checkpoint
        something else than a broker wrote it: run `halligan log verify`
    ");
}

#[tokio::test]
async fn an_archive_that_was_touched_is_weak_or_gone_is_said_to_be() {
    for how in [Tampering::Hidden, Tampering::Overwritten] {
        let archive = holding(note(&key(1), 3)).await;
        archive.touch(Object::Checkpoint, how);
        let said = said(archive, 42).await;
        assert!(said.starts_with("archive memory FAILED: ") && said.contains("CloudTrail"), "{said}");
    }
    let archive = holding(note(&key(1), 3)).await;
    let weakness = |setting, finding: &str| Weakness { setting, finding: finding.to_owned() };
    archive.weaken(vec![
        weakness("object_lock", "there is none, expected compliance mode: deploy it"),
        weakness("retention", "it is 1 day, expected 400: set it"),
    ]);
    insta::assert_snapshot!(said(archive, 42).await, @"
    archive memory ok: it can be read, and has 42 entries
    protection memory FAILED: object_lock: there is none, expected compliance mode: deploy it
    protection memory FAILED: retention: it is 1 day, expected 400: set it
    checkpoint memory ok: it is signed by the log's key
    heartbeat memory ok: the newest checkpoint is of 2026-03-01 02:37:00 UTC
    ");
    let archive = holding(note(&key(1), 3)).await;
    archive.set_down(true);
    insta::assert_snapshot!(said(archive, 42).await, @"
    archive memory FAILED: told to fail
        put the directory back, and run doctor as the broker's user
    protection memory FAILED: told to fail
        put the directory back, and run doctor as the broker's user
    ");
}

#[tokio::test]
async fn a_directory_is_not_made_by_looking() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let settings = log::Archive::Directory { path: path.clone() };
    let name = "local".parse().unwrap();
    let look = async |entries| {
        let open = || async {
            let opened: Result<Arc<dyn Archive>, ArchiveError> =
                DirectoryArchive::open("local", &path).await.map(|archive| Arc::new(archive) as Arc<dyn Archive>);
            opened
        };
        told(&archives::look(&name, &settings, entries, open).await.checks).replace(path.to_str().unwrap(), "/log")
    };
    insta::assert_snapshot!(look(0).await, @"archive local skipped: there is none yet: the first start makes it");
    insta::assert_snapshot!(look(7).await, @"
    archive local FAILED: /log is not there, and the store holds 7 entries
        put the directory back, and run doctor as the broker's user
    ");
    assert!(!path.exists(), "it was made");
    std::fs::write(&path, "a file").unwrap();
    assert!(look(7).await.starts_with("archive local FAILED: "));
}

/// Signs with another key than it says, or not at all.
struct Broken {
    says: VerifierKey,
    signs: Option<SigningKey>,
}

#[async_trait]
impl CheckpointSigner for Broken {
    fn key(&self) -> &VerifierKey {
        &self.says
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.signs.as_ref().map(|key| key.sign(message)).ok_or_else(|| SignError("it is disabled".to_owned()))
    }
}

#[tokio::test]
async fn a_key_signs_what_its_public_half_verifies() {
    let signs = async |seed: Option<u8>| {
        let signer = Broken { says: public(1), signs: seed.map(key) };
        told(&[key::signs(&signer, "mend it").await.0])
    };
    insta::assert_snapshot!(signs(Some(1)).await, @"key ok: it signs as log.example.com+04603546+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c");
    insta::assert_snapshot!(signs(Some(2)).await, @"
    key FAILED: what it signs is not verified by its public half, log.example.com+04603546+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c
        mend it
    ");
    insta::assert_snapshot!(signs(None).await, @"
    key FAILED: the log's key can't sign: it is disabled
        mend it
    ");
}

/// Says the same of every role.
struct Says(Result<Option<String>, ()>);

#[async_trait]
impl Trails for Says {
    async fn missing(&self, _: &Role) -> Result<Option<String>, TrailError> {
        self.0.clone().map_err(|()| TrailError("access denied".to_owned()))
    }
}

#[tokio::test]
async fn every_account_s_trail_is_looked_at() {
    let role = fixtures::role("prod-admin");
    let trail =
        async |says: Option<Says>| told(&[others::trail(&role, says.as_ref().map(|says| says as &dyn Trails)).await]);
    insta::assert_snapshot!(trail(Some(Says(Ok(None)))).await, @"trail prod-admin ok: CloudTrail records account 123456789012 into a locked bucket");
    insta::assert_snapshot!(trail(Some(Says(Ok(Some("no trail records it: make one".to_owned()))))).await, @"trail prod-admin FAILED: no trail records it: make one");
    insta::assert_snapshot!(trail(Some(Says(Err(())))).await, @"
    trail prod-admin FAILED: the trails of account 123456789012 can't be looked at: access denied
        deploy deploy/aws/target-account.yaml there: its revoker may look at trails, the log's reader at their bucket
    ");
    insta::assert_snapshot!(trail(None).await, @r#"
    trail prod-admin FAILED: there is no logging account that a trail of account 123456789012 could deliver to
        deploy deploy/aws/logging-account.yaml into an account of its own, name its buckets as an archive of `kind = "s3"`, and make a trail that delivers there
    "#);
}

#[test]
fn a_file_that_can_not_be_written_is_said_to_be_none() {
    let directory = tempfile::tempdir().unwrap();
    let name = "siem".parse().unwrap();
    let said = |path: &Path| {
        let said = told(&[others::sink(&name, &Sink::Ocsf { path: path.to_owned() })]);
        said.replace(directory.path().to_str().unwrap(), "/var")
    };
    let file = directory.path().join("ocsf.ndjson");
    insta::assert_snapshot!(said(&file), @"sink siem ok: its file can be made");
    assert!(!file.exists(), "it was made");
    std::fs::write(&file, "").unwrap();
    insta::assert_snapshot!(said(&file), @"sink siem ok: its file can be written to");
    insta::assert_snapshot!(said(directory.path()), @"
    sink siem FAILED: /var: is no file
        make the file's directory, writable for the broker, and run doctor as the broker's user
    ");
    insta::assert_snapshot!(said(&directory.path().join("none/ocsf.ndjson")), @"
    sink siem FAILED: /var/none/ocsf.ndjson: its directory: No such file or directory (os error 2)
        make the file's directory, writable for the broker, and run doctor as the broker's user
    ");
}
