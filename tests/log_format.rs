//! The log's format from outside: test vectors, and a reader that shares no code with us.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use halligan_core::entry::{Entry, SaltedPersonal};
use halligan_core::event::Personal;
use halligan_log::key::Kind;
use halligan_log::verify::{Trust, Walk, head};
use halligan_log::{Checkpoint, Edge, Hash, Leaf, SignedCheckpoint, SigningKey, Successor, VerifierKey};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{World, python, root};

// The bench includes this file, from elsewhere.
#[path = "log_format/passkeys.rs"]
mod passkeys;

const ORIGIN: &str = "halligan.example.com/vectors";
const SEED: [u8; 32] = [7; 32];
/// 2026-03-01T05:00:01Z
const SIGNED_AT: u64 = 1_772_341_201;

fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, SEED).unwrap()
}

/// The objects of an archive, by their keys.
#[derive(Clone, Default)]
struct Archive(BTreeMap<String, Vec<u8>>);

impl Archive {
    /// What publishing so many leaves at a time leaves.
    fn grown(leaves: &[Leaf], steps: &[usize]) -> (Self, Hash) {
        let (mut archive, mut edge, mut rest) = (Self::default(), Edge::default(), leaves);
        for step in steps {
            let (batch, behind) = rest.split_at(*step);
            rest = behind;
            let before = edge.size();
            let growth = edge.grow(batch.iter().cloned().map(Arc::new)).unwrap();
            edge = growth.edge;
            let objects = growth.objects.into_iter().map(|(object, bytes)| (object.to_string(), bytes));
            archive.0.extend(objects);
            let successor = halligan_log::Object::Successor { size: before, attempt: 0 };
            archive.put(&successor.to_string(), Successor { size: edge.size(), root: edge.root() }.to_bytes());
        }
        assert!(rest.is_empty());
        archive.put("checkpoint", signed(Checkpoint { origin: ORIGIN.into(), size: edge.size(), root: edge.root() }));
        (archive, edge.root())
    }

    fn put(&mut self, key: &str, bytes: Vec<u8>) {
        self.0.insert(key.to_owned(), bytes);
    }

    fn write(&self, directory: &Path) {
        for (key, bytes) in &self.0 {
            let path = directory.join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// What `crates/log` says of it: the tree, or the first bad index.
    fn verdict(&self) -> Verdict {
        let trust = Trust { keys: vec![key().verifier(Kind::Log)], ..Trust::default() };
        let Ok(head) = head(&self.0["checkpoint"], &trust) else { return Verdict::Bad(None) };
        let (size, root) = (head.checkpoint.size, head.checkpoint.root);
        let mut walk = Walk::new(head.checkpoint);
        while let Some(object) = walk.wanted() {
            if let Some(bundle) = walk.feed(object, self.0.get(&object.to_string()).cloned()).unwrap() {
                walk.accept(bundle.examine()).unwrap();
            }
        }
        match walk.finish().unwrap().first {
            Some(finding) => Verdict::Bad(finding.index),
            None => Verdict::Whole(size, root),
        }
    }
}

fn signed(checkpoint: Checkpoint) -> Vec<u8> {
    let key = key();
    let mut signed = SignedCheckpoint::unsigned(checkpoint.clone());
    signed.sign(&key.verifier(Kind::Log), key.sign(checkpoint.body().as_bytes()));
    let timed = key.sign(checkpoint.timed_body(SIGNED_AT).as_bytes());
    signed.cosign(&key.verifier(Kind::Cosigner), SIGNED_AT, &timed);
    signed.to_bytes()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    Whole(u64, Hash),
    Bad(Option<u64>),
}

/// What the page of Python says of a place.
fn read_by_python(place: &str, key: &VerifierKey) -> Verdict {
    told_by_python(place, key).0
}

/// As [`read_by_python`], with what it says of passkeys.
fn told_by_python(place: &str, key: &VerifierKey) -> (Verdict, String) {
    let mut command = Command::new(python());
    command.arg(root().join("docs/read-log.py")).args([place, &key.to_string()]);
    let output = command.output().unwrap();
    let (said, wrong) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    // A mistake of its own would end with 1 too.
    assert!(!wrong.contains("Traceback"), "{wrong}");
    // Whole, and with exceptions: the entries of the examples are no signatures of anybody.
    if let (Some(0 | 2), exceptional) = (output.status.code(), !wrong.is_empty()) {
        assert_eq!(output.status.code() == Some(2), exceptional, "{wrong}");
        let (size, root) = said.trim_end().split_once(' ').unwrap();
        return (Verdict::Whole(size.parse().unwrap(), Hash::parse_hash(root).unwrap()), wrong);
    }
    assert!(output.status.code() == Some(1) && said.is_empty(), "{said}{wrong}");
    let index = wrong.strip_prefix("entry ").and_then(|rest| rest.split_once(':'));
    (Verdict::Bad(index.map(|(index, _)| index.parse().unwrap())), String::new())
}

fn python_of(archive: &Archive) -> Verdict {
    let directory = tempfile::tempdir().unwrap();
    archive.write(directory.path());
    read_by_python(directory.path().to_str().unwrap(), &key().verifier(Kind::Log))
}

/// Entries of every type over and over; every third has a personal part, and some of those were erased.
fn leaves(count: usize) -> Vec<Leaf> {
    let lines = include_str!("../docs/log-format/examples.ndjson").lines().cycle();
    lines.take(count).enumerate().map(|(n, line)| leaf(n, line)).collect()
}

fn leaf(n: usize, example: &str) -> Leaf {
    let mut entry: Entry = serde_json::from_str(example).unwrap();
    entry.id = uuid::Uuid::from_u128(0x019c_a6f1_3cb8_7000_8000_0000_0000_0000 + n as u128);
    entry.time = format!("2026-03-01T03:{:02}:{:02}.5Z", 12 + n / 60 % 48, n % 60).parse().unwrap();
    let fields = Personal::default().with("reason", format!("reason {n}"));
    let personal = n.is_multiple_of(3).then(|| SaltedPersonal { salt: format!("{n:032x}"), fields });
    entry.personal_sha256 = personal.as_ref().map(SaltedPersonal::sha256);
    let kept = personal.filter(|_| !n.is_multiple_of(9));
    Leaf { entry: entry.to_json(), personal: kept.map(|part| part.to_json()) }
}

fn schema() -> Value {
    let schema = std::fs::read(root().join("docs/log-format/entry.schema.json")).unwrap();
    serde_json::from_slice(&schema).unwrap()
}

/// Every entry is what the specification's schema says.
pub fn assert_as_specified<'a>(entries: impl IntoIterator<Item = &'a Value>) {
    let validator = jsonschema::options().should_validate_formats(true).build(&schema()).unwrap();
    for entry in entries {
        let faults: Vec<String> = validator.iter_errors(entry).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{entry:#}: {faults:#?}");
    }
}

mod vectors {
    use super::*;

    /// A request with its reason, a yes, and an entry of a store that was older than the log.
    fn entries() -> Vec<Leaf> {
        let example = |kind: &str| -> Entry {
            let mut lines = include_str!("../docs/log-format/examples.ndjson").lines();
            serde_json::from_str(lines.find(|line| line.contains(&format!("\"type\":\"{kind}\""))).unwrap()).unwrap()
        };
        let fields = Personal::default().with("reason", "the database is full");
        let personal = SaltedPersonal { salt: "5a".repeat(16), fields };
        let requested = Entry { personal_sha256: Some(personal.sha256()), ..example("grant.requested") };
        let expired = Entry { time: "2026-03-01T04:12:09.2Z".parse().unwrap(), ..example("grant.expired") };
        let late = expired.recorded_at("2026-03-01T05:00:00Z".parse().unwrap());
        let plain = |entry: Entry| Leaf { entry: entry.to_json(), personal: None };
        vec![
            Leaf { entry: requested.to_json(), personal: Some(personal.to_json()) },
            plain(example("grant.acknowledged")),
            plain(late),
        ]
    }

    fn document() -> Value {
        let leaves = entries();
        let (archive, root) = Archive::grown(&leaves, &[1, 2]);
        let (log, cosigner) = (key().verifier(Kind::Log), key().verifier(Kind::Cosigner));
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
        let entry = |(index, leaf): (usize, &Leaf)| {
            json!({
                "index": index,
                "entry": text(&leaf.entry),
                "leaf_hash": hex::encode(Sha256::digest([&[0], leaf.entry.as_slice()].concat())),
                "personal": leaf.personal.as_ref().map(text),
            })
        };
        let hexadecimal = archive.0.iter().map(|(key, bytes)| (key.clone(), json!(hex::encode(bytes))));
        json!({
            "about": "Test vectors of docs/log-format.md. Two checkpoints were published, of 1 and of 3 entries; the objects are \
                      all that the archive then holds, in hexadecimal. Ed25519 and every hash are deterministic: the same seed, \
                      entries and time give the same bytes. The private key is for tests alone.",
            "key": {
                "name": ORIGIN,
                "seed": hex::encode(SEED),
                "private": *key().to_text(),
                "verifier": log.to_string(),
                "verifier_with_time": cosigner.to_string(),
            },
            "signed_at_seconds": SIGNED_AT,
            "entries": leaves.iter().enumerate().map(entry).collect::<Vec<_>>(),
            "size": leaves.len(),
            "root": root.to_string(),
            "checkpoint": text(&archive.0["checkpoint"]),
            "objects": hexadecimal.collect::<serde_json::Map<_, _>>(),
        })
    }

    #[test]
    fn they_are_current() {
        let path = root().join("docs/log-format/vectors.json");
        let expected = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        let mend = "run `UPDATE_DOCS=1 cargo test -p halligan --test e2e log_format`";
        assert!(found == expected, "docs/log-format/vectors.json is not what the code says: {mend}");
    }

    #[test]
    fn a_stranger_reads_them() {
        let vectors = std::fs::read(root().join("docs/log-format/vectors.json")).unwrap();
        let vectors: Value = serde_json::from_slice(&vectors).unwrap();
        let mut archive = Archive::default();
        for (key, bytes) in vectors["objects"].as_object().unwrap() {
            archive.put(key, hex::decode(bytes.as_str().unwrap()).unwrap());
        }
        let directory = tempfile::tempdir().unwrap();
        archive.write(directory.path());
        let key: VerifierKey = vectors["key"]["verifier"].as_str().unwrap().parse().unwrap();
        let root = Hash::parse_hash(vectors["root"].as_str().unwrap()).unwrap();
        let whole = Verdict::Whole(vectors["size"].as_u64().unwrap(), root);
        assert_eq!(read_by_python(directory.path().to_str().unwrap(), &key), whole);
        assert_eq!(archive.verdict(), whole);
        let stranger = SigningKey::from_seed(ORIGIN, [8; 32]).unwrap().verifier(Kind::Log);
        assert_eq!(read_by_python(directory.path().to_str().unwrap(), &stranger), Verdict::Bad(None));
    }
}

#[test]
fn a_page_of_python_agrees_on_the_root() {
    for steps in [vec![], vec![1], vec![2, 253], vec![256], vec![200, 57], vec![100, 200, 212], vec![700, 1, 300]] {
        let (archive, root) = Archive::grown(&leaves(steps.iter().sum()), &steps);
        let whole = Verdict::Whole(steps.iter().sum::<usize>() as u64, root);
        assert_eq!((python_of(&archive), archive.verdict()), (whole, whole), "{steps:?}");
    }
}

/// An archive whose partial runs are gone has the same bytes in its full ones.
#[test]
fn a_full_run_serves_for_a_partial_one() {
    let (archive, root) = Archive::grown(&leaves(300), &[250, 50]);
    let (mut smaller, earlier) = Archive::grown(&leaves(250), &[250]);
    smaller.0.extend(archive.0.into_iter().filter(|(key, _)| !key.contains(".p/") && key != "checkpoint"));
    smaller.0.retain(|key, _| !key.contains("000.p/"));
    let whole = Verdict::Whole(250, earlier);
    assert_eq!((python_of(&smaller), smaller.verdict()), (whole, whole));
    assert_ne!(root, earlier);
}

#[tokio::test]
async fn a_page_of_python_reads_over_http() {
    let (archive, root) = Archive::grown(&leaves(300), &[300]);
    let get = async |State(archive): State<Archive>, uri: Uri| match archive.0.get(uri.path().trim_start_matches('/')) {
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = format!("http://{}", listener.local_addr().unwrap());
    let serve = axum::serve(listener, Router::new().fallback(get).with_state(archive)).into_future();
    let server = tokio::spawn(serve);
    let read = tokio::task::spawn_blocking(move || read_by_python(&place, &key().verifier(Kind::Log)));
    assert_eq!(read.await.unwrap(), Verdict::Whole(300, root));
    server.abort();
}

/// One bit of what the two readers both look at.
#[test]
fn whatever_is_changed_both_find_at_the_same_index() {
    let (archive, _) = Archive::grown(&leaves(600), &[300, 300]);
    let read = ["checkpoint", "tile/entries/000", "tile/entries/002.p/88", "tile/0/001", "tile/0/002.p/88"];
    let read: Vec<&str> = read.into_iter().chain(["personal/000", "personal/002.p/88"]).collect();
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let case = (0..read.len(), any::<prop::sample::Index>(), 0..8_u32);
    let changed = |object: &str, at: usize, bit: u32| {
        let mut changed = archive.clone();
        changed.0.get_mut(object).unwrap()[at] ^= 1 << bit;
        changed
    };
    let find = |(object, at, bit): (usize, prop::sample::Index, u32)| {
        let object = read[object];
        let at = at.index(archive.0[object].len());
        let changed = changed(object, at, bit);
        let (ours, theirs) = (changed.verdict(), python_of(&changed));
        prop_assert_eq!(ours, theirs, "{} at {} bit {}", object, at, bit);
        prop_assert!(matches!(ours, Verdict::Bad(_)), "{} at {} bit {}: {:?}", object, at, bit, ours);
        Ok(())
    };
    TestRunner::new(config).run(&case, find).unwrap();
}

/// What a broker leaves on a disk while it runs, as it was installed: nothing but its key is asked of it.
#[tokio::test]
async fn a_stranger_reads_what_a_running_broker_publishes() {
    let world = World::new().await;
    let grant = world.active(600).await;
    let path = format!("/v1/grants/{}/credentials", grant["id"].as_str().unwrap());
    world.post("alice", &path, &json!({})).await.ok();
    let minted = world.logged("the mint", |entry| entry.kind() == "credentials.issued").await;
    let key: SigningKey = std::fs::read_to_string(world.directory().join("state/log.key")).unwrap().parse().unwrap();
    let directory = world.log_directory();
    let read = move || read_by_python(directory.to_str().unwrap(), &key.verifier(Kind::Log));
    let verdict = tokio::task::spawn_blocking(read).await.unwrap();
    assert!(matches!(verdict, Verdict::Whole(size, _) if size >= minted.position), "{verdict:?}");
    world.done().await;
}

/// What a broker writes, with everything outside of it played.
mod broker {
    use halligan_core::id::GroupId;
    use halligan_engine::caller::{Caller, RequestAsk};
    use halligan_engine::fakes::fixtures;
    use halligan_engine::fakes::world::{FakeWorld, Running, caller};
    use jiff::SignedDuration;

    use super::*;

    /// What a personal part may hold: what the specification names.
    const PERSONAL: [&str; 2] = ["reason", "address"];

    fn world() -> FakeWorld {
        let groups =
            [("alice", vec!["on-call"]), ("bob", vec!["on-call", "leads"]), ("carol", vec!["leads", "security"])];
        let group = |name: &&str| -> GroupId { name.parse().unwrap() };
        let of = |(person, groups): (&str, Vec<&str>)| (fixtures::person(person), groups.iter().map(group).collect());
        FakeWorld::new(fixtures::access(groups.into_iter().map(of).collect()))
    }

    fn ask(emergency: bool) -> RequestAsk {
        RequestAsk {
            target: "prod-admin".into(),
            scope: None,
            incident: ("file".into(), "INC-219".into()),
            reason: "the database is full of 🚒".into(),
            duration_seconds: 1_800,
            emergency,
        }
    }

    async fn requested(running: &Running, emergency: bool) -> (String, String) {
        let grant = running.broker.request(&caller("alice"), ask(emergency)).await.unwrap();
        (grant.request.id.to_string(), grant.request_hash.to_string())
    }

    async fn story(world: &FakeWorld, running: &Running) {
        let broker = &running.broker;
        broker.started("0.1.0", &"0".repeat(64)).await;
        let (id, hash) = requested(running, false).await;
        let from = Caller { address: Some([203, 0, 113, 7].into()), ..caller("alice") };
        broker.acknowledge(&from, &id, &hash, None).await.unwrap_err();
        broker.acknowledge(&caller("bob"), &id, &hash, None).await.unwrap();
        broker.mint(&caller("alice"), &id).await.unwrap();
        broker.extend(&caller("alice"), &id, 600, "it is not over").await.unwrap();
        broker.revoke(&caller("carol"), &id, "enough").await.unwrap();
        running.settle().await.unwrap();
        let (id, _) = requested(running, false).await;
        broker.withdraw(&caller("alice"), &id).await.unwrap();
        let (id, _) = requested(running, false).await;
        broker.decline(&caller("bob"), &id, "not now").await.unwrap();
        requested(running, true).await;
        requested(running, false).await;
        world.clock.advance(SignedDuration::from_hours(2));
        running.settle().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_it_publishes_is_as_the_specification_says_and_a_stranger_reads_it() {
        let world = world();
        let running = world.start();
        story(&world, &running).await;
        let schema = schema();
        let part = json!({"$ref": "#/$defs/SaltedPersonal", "$defs": schema["$defs"]});
        let parts = jsonschema::validator_for(&part).unwrap();
        let mut personal = 0;
        for queued in world.store.entries() {
            let entry: Value = serde_json::from_slice(&queued.leaf.entry).unwrap();
            assert_as_specified([&entry]);
            let Some(text) = &queued.leaf.personal else { continue };
            let part: Value = serde_json::from_slice(text).unwrap();
            let fields = part["fields"].as_object().unwrap();
            assert!(parts.is_valid(&part) && fields.keys().all(|name| PERSONAL.contains(&name.as_str())), "{part:#}");
            // Outside of its part nothing says it again.
            let told = String::from_utf8_lossy(&queued.leaf.entry);
            assert!(fields.values().all(|text| !told.contains(text.as_str().unwrap())), "{told}");
            personal += 1;
        }
        assert!(personal > 5);

        let mut archive = Archive::default();
        for (object, bytes) in world.archive.objects() {
            archive.put(&object.to_string(), bytes);
        }
        let checkpoint = world.archive.checkpoints().pop().unwrap();
        archive.put("checkpoint", checkpoint.to_bytes());
        let directory = tempfile::tempdir().unwrap();
        archive.write(directory.path());
        let key = halligan_engine::ports::CheckpointSigner::key(world.signer.as_ref()).clone();
        let (size, root) = (checkpoint.checkpoint().size, checkpoint.checkpoint().root);
        assert_eq!(size, world.store.entries().len() as u64);
        assert_eq!(read_by_python(directory.path().to_str().unwrap(), &key), Verdict::Whole(size, root));
    }
}
