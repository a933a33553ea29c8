//! A small log in a directory, and the commands' definitions.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser};
use halligan_connect::DirectoryArchive;
use halligan_core::actor::Actor;
use halligan_core::entry::{Draft, Sealed};
use halligan_core::grant::Transition;
use halligan_engine::fakes::fixtures::{self, Asking, at, human};
use halligan_engine::ports::{Archive as _, Clock};
use halligan_log::key::Kind;
use halligan_log::{Checkpoint, Edge, Leaf, Object, SignedCheckpoint, SigningKey};
use jiff::Timestamp;

use super::Context;
use crate::cli::Cli;
use crate::cli::Global;

const ORIGIN: &str = "halligan.example.com/prod";

/// The log signed it then, and it is a minute later.
pub fn signed_at() -> Timestamp {
    at(100_000)
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        at(100_060)
    }
}

/// What a command works with at that time, as nobody.
pub fn context(json: bool) -> Context {
    let mut context = Context::of_process(Global { profile: None, json });
    context.surroundings = crate::client::surroundings::Surroundings::default();
    context.clock = Arc::new(Still);
    context
}

/// A command's arguments.
pub fn parsed<A: clap::Args>(line: &[&str]) -> A {
    #[derive(Parser)]
    struct Line<A: clap::Args> {
        #[command(flatten)]
        args: A,
    }
    Line::<A>::parse_from([&["command"], line].concat()).args
}

/// A log in a directory, published as the broker does.
pub struct Sample {
    directory: tempfile::TempDir,
    archive: DirectoryArchive,
    pub edge: Edge,
    pub grants: Vec<String>,
    written: u64,
}

impl Sample {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let archive = DirectoryArchive::open("sample", directory.path()).await.unwrap();
        Self { directory, archive, edge: Edge::default(), grants: Vec::new(), written: 0 }
    }

    /// A log of one night.
    pub async fn of_a_night() -> Self {
        let mut sample = Self::new().await;
        let entries = sample.night();
        sample.publish(&entries).await;
        sample
    }

    /// A grant is asked for, acknowledged, active and revoked: four entries.
    pub fn night(&mut self) -> Vec<Sealed> {
        let n = i64::try_from(self.grants.len()).unwrap();
        let mut entries = Vec::new();
        let mut tell = |by: &str, transition: Transition, seconds: i64| {
            for recorded in transition.events {
                self.written += 1;
                let id = fixtures::uuid(1_000_000 + self.written);
                let actor = Actor::api(human(by));
                let draft = Draft::about(&transition.grant, actor, recorded, id, *id.as_bytes());
                entries.push(draft.seal(at(seconds), at(seconds)));
            }
            transition.grant
        };
        let start = n * 60;
        let grant = tell("alice", Asking::new(self.grants.len() as u64 * 60_000).at(at(start)).open(), start);
        let grant = tell("bob", fixtures::acknowledge(&grant, "bob", at(start + 5)), start + 5);
        let grant = tell("carol", fixtures::revoke(&grant, "carol", at(start + 8)), start + 8);
        self.grants.push(grant.request.id.to_string());
        entries
    }

    /// Adds the entries and signs the tree.
    pub async fn publish(&mut self, entries: &[Sealed]) {
        let leaf = |sealed: &Sealed| {
            Arc::new(Leaf {
                entry: sealed.entry.to_json(),
                personal: sealed.personal.as_ref().map(|part| part.to_json()),
            })
        };
        self.publish_leaves(entries.iter().map(leaf).collect()).await;
    }

    pub async fn publish_leaves(&mut self, leaves: Vec<Arc<Leaf>>) {
        let growth = self.edge.grow(leaves).unwrap();
        for (object, bytes) in &growth.objects {
            self.archive.put_once(*object, bytes).await.unwrap();
        }
        self.edge = growth.edge;
        self.sign(self.edge.size(), self.edge.root()).await;
    }

    pub async fn sign(&self, size: u64, root: halligan_log::Hash) {
        let (key, witness) = (key(1, ORIGIN), key(2, "witness.example.com"));
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root };
        let seconds = u64::try_from(signed_at().as_second()).unwrap();
        let mut signed = SignedCheckpoint::unsigned(checkpoint.clone());
        signed.sign(&key.verifier(Kind::Log), key.sign(checkpoint.body().as_bytes()));
        for key in [key, witness] {
            let signature = key.sign(checkpoint.timed_body(seconds).as_bytes());
            signed.cosign(&key.verifier(Kind::Cosigner), seconds, &signature);
        }
        self.archive.put_checkpoint(&signed.to_bytes()).await.unwrap();
    }

    pub fn dir(&self) -> String {
        self.directory.path().display().to_string()
    }

    pub fn path(&self, object: Object) -> PathBuf {
        self.directory.path().join(object.to_string())
    }

    /// Changes bytes where they stand, as root of the machine can.
    pub fn change(&self, object: Object, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.path(object);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }

    /// The newest bundle.
    pub fn bundle(&self) -> Object {
        Object::Entries(halligan_log::Span::partial(self.edge.size()).unwrap())
    }
}

fn key(seed: u8, name: &str) -> SigningKey {
    SigningKey::from_seed(name, [seed; 32]).unwrap()
}

pub fn log_key() -> String {
    key(1, ORIGIN).verifier(Kind::Log).to_string()
}

pub fn strangers_key() -> String {
    key(9, ORIGIN).verifier(Kind::Log).to_string()
}

pub fn witness_key() -> String {
    key(2, "witness.example.com").verifier(Kind::Cosigner).to_string()
}

#[test]
fn what_can_be_said_and_what_not() {
    let (key, witness) = (log_key(), witness_key());
    let (key, witness) = (key.as_str(), witness.as_str());
    let verify = ["verify", "--key", key];
    let bucket = ["verify", "--key", key, "--bucket", "b", "--region", "eu-central-1"];
    let role = ["--role", "arn:aws:iam::111122223333:role/reader"];
    for (name, line, fine) in [
        ("a directory", [&verify[..], &["--dir", "."]].concat(), true),
        ("a bucket", bucket.to_vec(), true),
        ("no place", verify.to_vec(), false),
        ("two places", [&verify[..], &["--dir", ".", "--url", "https://h"]].concat(), false),
        ("no key", vec!["verify", "--dir", "."], false),
        ("a witness's key for the log's", vec!["verify", "--dir", ".", "--key", witness], false),
        ("no key at all", vec!["verify", "--dir", ".", "--key", "secret"], false),
        ("a quorum of nobody", [&verify[..], &["--dir", ".", "--quorum", "1"]].concat(), false),
        ("a role without its external id", [&bucket[..], &role].concat(), false),
        ("a role", [&bucket[..], &role, &["--external-id", "x"]].concat(), true),
        ("a role for a directory", [&verify[..], &["--dir", "."], &role, &["--external-id", "x"]].concat(), false),
        ("a proof without a file", vec!["prove", "02z5IjAP8ychUMTu3yGwJV", "--key", key, "--dir", "."], false),
        ("a proof to be checked without a key", vec!["check-proof", "f"], false),
        ("a tail without a key", vec!["tail", "--dir", "."], true),
        ("an override without a reason", vec!["override", "--for", "2h"], false),
        ("an override without a length", vec!["override", "because"], false),
        ("an override", vec!["override", "--for", "2h", "because"], true),
        ("its end", vec!["override", "--end"], true),
        ("its end with a length", vec!["override", "--end", "--for", "2h"], false),
    ] {
        let parsed = Cli::try_parse_from([&["halligan", "log"], &line[..]].concat());
        assert_eq!(parsed.is_ok(), fine, "{name}: {:?}", parsed.err());
    }
}

#[test]
fn help_says_what_each_is_for() {
    let mut cli = Cli::command();
    let log = cli.find_subcommand_mut("log").unwrap();
    insta::assert_snapshot!(log.render_help(), @r"
    The transparency log

    Usage: log <COMMAND>

    Commands:
      verify       Check a whole log, wherever it is kept: every signature, every entry, what became of
                   every grant
      prove        Write a proof that the log has the entries of a grant, for whoever has its public key
      check-proof  Check such a proof, and show what it proves
      tail         Show the newest entries, and those that come
      override     Let credentials leave for a while although no archive confirms; or end that
      keygen       Make a key that signs the log, or a witness's: the private one into a file, the
                   public one printed
      recover      Look at a log and a store that have gone different ways, and have the store follow
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help  Print help
    ");
    let long = log.find_subcommand_mut("verify").unwrap().render_help().to_string();
    for said in ["--key", "--expect-fresh", "0 whole, 1 it is not, 3 it could not be read", "from somebody you trust"] {
        assert!(long.contains(said), "{said}");
    }
}
