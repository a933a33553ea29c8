//! `log verify` of a long log, beside plain SHA-256 over the same bytes. Each
//! verification is a process of its own, so that its memory is its own.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use halligan_connect::DirectoryLog;
use halligan_core::actor::Actor;
use halligan_core::entry::Draft;
use halligan_core::event::{Event, Recorded};
use halligan_core::grant::{Command, Grant, Transition};
use halligan_core::id::MintId;
use halligan_engine::audit::{self, Terms};
use halligan_engine::fakes::fixtures::{self, Asking};
use halligan_log::key::Kind;
use halligan_log::object::FULL;
use halligan_log::verify::Trust;
use halligan_log::{Checkpoint, Edge, Leaf, Object, SignedCheckpoint, SigningKey};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::publish::directory;
use crate::table::{Table, median};

/// What a verification's own process is called with.
pub const ALONE: &str = "--verify-alone";
const ORIGIN: &str = "log.example.com";
/// The first shows what a verification takes at once; the last, whether more comes with length.
const SIZES: [(u64, usize); 3] = [(100_000, 5), (1_000_000, 5), (3_000_000, 2)];
const STEP: usize = 1_024;
const RATIO_MAX: f64 = 3.0;
/// A log three times as long in so many times the memory: as much as it differs from run to run.
const MEMORY_MAX: f64 = 1.25;

fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, [1; 32]).unwrap()
}

/// Nights that follow each other: asked for, acknowledged, four mints, revoked, observed.
#[derive(Default)]
struct Nights {
    number: u64,
    entries: Vec<Arc<Leaf>>,
}

impl Nights {
    fn push(&mut self, grant: &Grant, actor: &Actor, recorded: Recorded, now: Timestamp) {
        self.number += 1;
        let id = fixtures::uuid((1 << 40) + self.number);
        let sealed = Draft::about(grant, actor.clone(), recorded, id, *id.as_bytes()).seal(now, now);
        let personal = sealed.personal.map(|part| part.to_json());
        self.entries.push(Arc::new(Leaf { entry: sealed.entry.to_json(), personal }));
    }

    fn all(&mut self, transition: Transition, actor: &Actor, now: Timestamp) -> Grant {
        for recorded in transition.events {
            self.push(&transition.grant, actor, recorded, now);
        }
        transition.grant
    }

    fn night(&mut self, number: u64) {
        let start = fixtures::start() + SignedDuration::from_secs(i64::try_from(number).unwrap() * 400);
        let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
        let person = |name: &str| Actor::api(fixtures::human(name));
        let mut grant = self.all(Asking::new(number * 400_000).at(start).open(), &person("alice"), at(0));
        grant = self.all(fixtures::acknowledge(&grant, "bob", at(10)), &person("bob"), at(10));
        for (mint, seconds) in (0..4).zip(20..) {
            let (transition, _) = fixtures::mint(&grant, number * 10 + mint, at(seconds));
            grant = self.all(transition, &person("alice"), at(seconds));
            let issued = Event::CredentialsIssued {
                mint: MintId(fixtures::uuid(number * 10 + mint)),
                access_key_id: "ASIA0000000000000000".into(),
                packed_policy_percent: Some(10),
            };
            self.push(&grant, &person("alice"), Recorded::plain(issued), at(seconds));
        }
        grant = self.all(fixtures::revoke(&grant, "carol", at(300)), &person("carol"), at(300));
        let evidence = Command::Contain(fixtures::evidence(at(310)));
        self.all(fixtures::apply(&grant, evidence, at(310)), &Actor::SYSTEM, at(310));
    }
}

/// The trees of so many entries as a publisher leaves them, signed; returns the files
/// that the last of them is made of.
fn build(directory: &Path, size: u64) -> Vec<PathBuf> {
    let (mut files, parts) = (Vec::new(), Edge::parts(size, size));
    let mut nights = Nights::default();
    let (mut edge, mut number) = (Edge::default(), 0);
    while edge.size() < size {
        while nights.entries.len() < STEP {
            nights.night(number);
            number += 1;
        }
        let step = STEP.min(usize::try_from(size - edge.size()).unwrap());
        let growth = edge.grow(nights.entries.drain(..step)).unwrap();
        for (object, bytes) in growth.objects {
            let path = write(directory, object, &bytes);
            // Partial tiles that later ones have replaced are read by nobody.
            if !is_partial(object) || parts.contains(&object) {
                files.push(path);
            }
        }
        edge = growth.edge;
    }
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: edge.size(), root: edge.root() };
    let (body, timed) = (checkpoint.body(), checkpoint.timed_body(1));
    let mut note = SignedCheckpoint::unsigned(checkpoint);
    note.sign(&key().verifier(Kind::Log), key().sign(body.as_bytes()));
    note.cosign(&key().verifier(Kind::Cosigner), 1, &key().sign(timed.as_bytes()));
    files.push(write(directory, Object::Checkpoint, &note.to_bytes()));
    files
}

const fn is_partial(object: Object) -> bool {
    match object {
        Object::Hashes { span, .. } | Object::Entries(span) | Object::Personal(span) => span.width < FULL,
        Object::Checkpoint | Object::Successor { .. } => false,
    }
}

fn write(directory: &Path, object: Object, bytes: &[u8]) -> PathBuf {
    let path = directory.join(object.to_string());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Verifies one log, and tells on standard output how long it took, on how many
/// processors' time, and in how much memory.
pub fn alone(directory: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let log = DirectoryLog::new("built", directory);
    let trust = Trust { keys: vec![key().verifier(Kind::Log)], witnesses: Vec::new(), quorum: 0 };
    let terms = Terms { trust, deployment: Some(fixtures::catalogue().deployment), fresh: None };
    let before = processor_seconds();
    let began = Instant::now();
    let report = runtime.block_on(audit::verify(&log, &terms, |_| {})).unwrap();
    let took = began.elapsed().as_secs_f64();
    assert!(report.is_sound(), "{:?}", report.first());
    let told = (report.entries, took, processor_seconds() - before, peak_mb());
    println!("{}", serde_json::to_string(&told).unwrap());
}

/// Of all threads.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // In ticks of a hundredth of a second: user's and system's.
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1_024.0
}

struct Verified {
    took: Vec<Duration>,
    processors: Vec<Duration>,
    peak: f64,
}

impl Verified {
    const fn new() -> Self {
        Self { took: Vec::new(), processors: Vec::new(), peak: 0.0 }
    }

    fn once(&mut self, directory: &Path, size: u64) {
        let output = Process::new(std::env::current_exe().unwrap()).arg(ALONE).arg(directory).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (entries, took, processors, peak): (u64, f64, f64, f64) = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(entries, size);
        self.took.push(Duration::from_secs_f64(took));
        self.processors.push(Duration::from_secs_f64(processors));
        self.peak = self.peak.max(peak);
    }
}

/// Plain SHA-256 over every object that a verification reads, by the faster of two
/// implementations; reading is not counted.
fn plain(files: &[PathBuf]) -> (Duration, u64) {
    let (mut rust, mut assembly, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    for path in files {
        let object = std::fs::read(path).unwrap();
        bytes += u64::try_from(object.len()).unwrap();
        let began = Instant::now();
        black_box(Sha256::digest(&object));
        rust += began.elapsed();
        let began = Instant::now();
        black_box(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &object));
        assembly += began.elapsed();
    }
    (rust.min(assembly), bytes)
}

pub fn measure(table: &mut Table) {
    let mut peaks = Vec::new();
    for (size, rounds) in SIZES {
        let directory = directory();
        let all = build(directory.path(), size);
        let (mut verified, mut hashed) = (Verified::new(), Vec::new());
        let mut bytes = 0;
        for _ in 0..rounds {
            let (took, read) = plain(&all);
            hashed.push(took);
            bytes = read;
            verified.once(directory.path(), size);
        }
        let (took, plain) = (median(&mut verified.took), median(&mut hashed));
        let processors = median(&mut verified.processors);
        let megabytes = bytes as f64 / 1e6;
        table.told(format!("log verify of {size} entries, {megabytes:.0} MB"), format!("{took:.2} s"));
        table.told("  plain SHA-256 over the same bytes, one core", format!("{plain:.2} s"));
        table.at_most("  verify ÷ plain SHA-256", took / plain, RATIO_MAX, "");
        table.told("  processors' time ÷ plain SHA-256", format!("{:.2}", processors / plain));
        table.told("  most memory", format!("{:.1} MB", verified.peak));
        peaks.push(verified.peak);
    }
    table.at_most("most memory, 3,000,000 ÷ 1,000,000 entries", peaks[2] / peaks[1], MEMORY_MAX, "");
}
