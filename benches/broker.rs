//! What a mint costs beside what it can't do without: one AssumeRole beside one
//! durable write to the log. Both are measured in turns, in the same run, against the
//! same stand-in of AWS and on the same disk. Beside it: start-up and idle memory.
//!
//! The stand-in answers in about two milliseconds, which is less than one call of the
//! broker's API takes. So the same is measured again with each AssumeRole as late as
//! from an AWS that is near.
//!
//! `cargo bench --bench broker`, with `HALLIGAN_MINISTACK` set (`eval "$(tests/run env)"`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a measurement")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the numbers are for whoever runs it")]

#[allow(dead_code, unused_imports, reason = "shared with the tests of the whole")]
#[path = "../tests/log_format.rs"]
mod log_format;
#[allow(dead_code, unused_imports, reason = "shared with the tests of the whole")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use halligan_aws::{Aws, Settings, StsMinter};
use halligan_connect::DirectoryArchive;
use halligan_core::catalogue::RoleArn;
use halligan_core::grant::{Grant, MintDraft, Warrant};
use halligan_core::iam::{SessionName, SourceIdentity, session_policy};
use halligan_core::id::MintId;
use halligan_engine::fakes::fixtures;
use halligan_engine::ports::{Archive as _, Clock, Minter as _, QueuedEntry};
use halligan_log::{Edge, Successor};
use jiff::Timestamp;
use reqwest::Method;

use support::proxy::Trouble;
use support::{Broker, World};

const ROUNDS: usize = 300;
const WARM_UP: usize = 30;
const STARTS: usize = 9;
/// From a call to its answer, on top of what the stand-in takes.
const AWS_AWAY: Duration = Duration::from_millis(20);

const RATIO_MAX: f64 = 1.2;
const START_MAX_SECONDS: f64 = 0.3;
const MEMORY_MAX_MB: f64 = 50.0;

struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        support::now()
    }
}

/// What can't be done without, and nothing around it.
struct Bare {
    minter: StsMinter,
    archive: DirectoryArchive,
    edge: Edge,
    grant: Grant,
    role: halligan_core::catalogue::Role,
    position: u64,
}

/// The puts that one more entry takes, in their order: all objects, then the checkpoint.
async fn put(archive: &DirectoryArchive, edge: &Edge, entry: &QueuedEntry) -> Edge {
    let growth = edge.grow([entry.leaf.clone()]).unwrap();
    let follower = Successor { size: growth.edge.size(), root: growth.edge.root() }.to_bytes();
    let claim = (halligan_log::Object::Successor { size: edge.size(), attempt: 0 }, follower);
    let puts = growth.objects.iter().chain([&claim]).map(|(object, bytes)| archive.put_once(*object, bytes));
    futures::future::try_join_all(puts).await.unwrap();
    // As long as a checkpoint with its two signatures.
    archive.put_checkpoint(&[b'x'; 300]).await.unwrap();
    growth.edge
}

impl Bare {
    async fn new(world: &World, endpoint: &str, name: &str) -> Self {
        let own = world.accounts.become_broker().await.unwrap();
        let settings = Settings {
            endpoint_url: Some(endpoint.to_owned()),
            credentials: Some(own),
            ..Settings::in_region("eu-central-1")
        };
        let aws = Aws::connect(&settings, Arc::new(MachineClock)).await;
        let mut role = fixtures::role("prod-admin");
        role.arn = RoleArn::try_from(world.accounts.roles[0].clone()).unwrap();
        role.external_id = world.accounts.external_id.clone();
        let mut opening = fixtures::Asking::new(1).opening();
        opening.request.resolved.role_arn = role.arn.clone();
        let now = halligan_core::floor_second(support::now());
        let pending = opening.open(now).grant;
        let grant = fixtures::acknowledge(&pending, "bob", now).grant;
        let archive = DirectoryArchive::open(name, world.directory().join(name)).await.unwrap();
        Self { minter: aws.minter(), archive, edge: Edge::default(), grant, role, position: 0 }
    }

    /// The right to mint, and the entry that says so.
    fn intend(&mut self) -> (Warrant, QueuedEntry) {
        self.position += 1;
        let now = support::now();
        let alice = self.grant.request.requester.clone();
        let fence = self.grant.mint_fence(&alice, now).unwrap();
        let uuid = fixtures::uuid(self.position);
        let draft = MintDraft {
            mint: MintId(uuid),
            role_arn: self.role.arn.clone(),
            external_id: self.role.external_id.clone(),
            session_name: SessionName::new(*uuid.as_bytes()),
            source_identity: SourceIdentity::new("alice", &alice.principal().issuer, &alice.principal().subject),
            policy: session_policy(&self.role.scopes[&self.role.default_scope], fence).unwrap(),
            token_seconds: MintDraft::token_seconds(now, fence, self.role.session_max),
            rules: Vec::new(),
        };
        let (mut transition, warrant) = self.grant.intend_mint(&alice, draft, false, now).unwrap();
        let recorded = transition.events.remove(0);
        let sealed = fixtures::draft(&self.grant, recorded, self.position).seal(now, now);
        (warrant, QueuedEntry::new(self.position, sealed))
    }

    /// One AssumeRole beside one publish.
    async fn once(&mut self) -> Duration {
        let (warrant, entry) = self.intend();
        let began = Instant::now();
        let (minted, written) = tokio::join!(self.minter.mint(&warrant), put(&self.archive, &self.edge, &entry));
        let took = began.elapsed();
        minted.unwrap();
        self.edge = written;
        took
    }

    async fn assume_role(&mut self) -> Duration {
        let (warrant, entry) = self.intend();
        self.edge = put(&self.archive, &self.edge, &entry).await;
        let began = Instant::now();
        self.minter.mint(&warrant).await.unwrap();
        began.elapsed()
    }

    async fn publish(&mut self) -> Duration {
        let (_, entry) = self.intend();
        let began = Instant::now();
        self.edge = put(&self.archive, &self.edge, &entry).await;
        began.elapsed()
    }
}

async fn mint(world: &World, path: &str, token: &str) -> Duration {
    let request = world.http().request(Method::POST, format!("{}{path}", world.broker.url)).bearer_auth(token);
    let began = Instant::now();
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body = answer.bytes().await.unwrap();
    let took = began.elapsed();
    assert!(status.is_success(), "{}", String::from_utf8_lossy(&body));
    took
}

async fn read(world: &World, path: &str, token: &str) -> Duration {
    let request = world.http().request(Method::GET, format!("{}{path}", world.broker.url)).bearer_auth(token);
    let began = Instant::now();
    request.send().await.unwrap().bytes().await.unwrap();
    began.elapsed()
}

fn median(samples: &mut [Duration]) -> f64 {
    samples.sort_unstable();
    samples[samples.len() / 2].as_secs_f64() * 1_000.0
}

/// From the start of the process, with an empty store, to the first ready answer.
async fn start_up(world: &World, number: usize) -> Duration {
    let port = support::stand_in::free_port();
    let mut config = world.config.clone();
    config["server"]["listen"] = format!("127.0.0.1:{port}").into();
    config["state_directory"] = format!("empty-{number}").into();
    let file = world.directory().join(format!("empty-{number}.toml"));
    std::fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
    let mut broker: Broker = world.broker.beside(&format!("http://127.0.0.1:{port}"), &file);
    let ready = format!("{}/readyz", broker.url);
    let began = Instant::now();
    broker.spawn();
    while !world.http().get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = began.elapsed();
    assert!(broker.stop().await.success());
    took
}

/// What the process has in memory, in MB.
fn resident_mb(broker: &Broker) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1_024.0
}

fn verdict(name: &str, value: String, held: bool, target: String) {
    println!("{name:<34}{value:>12}   target {target}: {}", if held { "held" } else { "MISSED" });
}

/// Medians, in milliseconds.
struct Costs {
    mint: f64,
    bare: f64,
    assume_role: f64,
    publish: f64,
    read: f64,
}

async fn measure(world: &World, endpoint: &str, name: &str) -> Costs {
    let grant = world.active(3_600).await;
    let credentials = format!("/v1/grants/{}/credentials", grant["id"].as_str().unwrap());
    let token = world.person("alice").token();
    let mut bare = Bare::new(world, endpoint, name).await;
    let mut samples = [const { Vec::new() }; 5];
    for round in 0..WARM_UP + ROUNDS {
        let taken = [
            mint(world, &credentials, &token).await,
            bare.once().await,
            bare.assume_role().await,
            bare.publish().await,
            read(world, "/v1/me", &token).await,
        ];
        if round >= WARM_UP {
            samples.iter_mut().zip(taken).for_each(|(all, sample)| all.push(sample));
        }
    }
    let [mint, bare, assume_role, publish, read] = samples.map(|mut all| median(&mut all));
    Costs { mint, bare, assume_role, publish, read }
}

#[tokio::main]
async fn main() -> ExitCode {
    // `cargo test --benches` asks every benchmark whether it works, not how fast it is.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    if std::env::var_os("HALLIGAN_MINISTACK").is_none() {
        eprintln!("HALLIGAN_MINISTACK is not set: run `eval \"$(tests/run env)\"` first");
        return ExitCode::from(2);
    }
    if cfg!(debug_assertions) {
        eprintln!("not an optimised build: the numbers mean nothing");
    }
    let mut world = World::without_broker().await;
    // No proxy between: what is compared goes the same way.
    world.config["aws"]["endpoint_url"] = world.stand_in_url().into();
    let limits = ["mints_per_minute", "requests_per_person", "requests_per_incident", "requests_per_address"]
        .map(|limit| (limit.to_owned(), toml::Value::from(1_000_000)));
    world.config.insert("limits".into(), toml::Table::from_iter(limits).into());
    world.broker.set("HALLIGAN_LOG", "info");
    world.configure();

    let mut starts = Vec::new();
    for number in 0..STARTS {
        starts.push(start_up(&world, number).await);
    }
    world.broker.start().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = resident_mb(&world.broker);

    let near = measure(&world, &world.stand_in_url(), "bare").await;
    world.broker.stop().await;
    world.config["aws"]["endpoint_url"] = world.proxy.url().into();
    world.configure();
    world.broker.start().await;
    world.proxy.trouble("Action=AssumeRole", usize::MAX, Trouble::Late(AWS_AWAY));
    let away = measure(&world, &world.proxy.url(), "bare-away").await;
    world.proxy.peace();

    println!("medians of {ROUNDS} rounds, in turns, in ms:");
    println!("{:<34}{:>12}{:>12}", "", "stand-in", "20 ms away");
    for (name, near, away) in [
        ("a mint, over loopback HTTP", near.mint, away.mint),
        ("one AssumeRole beside one publish", near.bare, away.bare),
        ("  AssumeRole alone", near.assume_role, away.assume_role),
        ("  a durable publish alone", near.publish, away.publish),
        ("a call that changes nothing", near.read, away.read),
    ] {
        println!("{name:<34}{near:>12.2}{away:>12.2}");
    }
    let start = median(&mut starts) / 1_000.0;
    println!();
    for (name, ratio) in [("mint ÷ bare", near.mint / near.bare), ("mint ÷ bare, 20 ms away", away.mint / away.bare)]
    {
        verdict(name, format!("{ratio:.2}"), ratio <= RATIO_MAX, format!("≤ {RATIO_MAX}"));
    }
    verdict(
        "start-up, empty store",
        format!("{start:.3} s"),
        start < START_MAX_SECONDS,
        format!("< {START_MAX_SECONDS} s"),
    );
    verdict("idle memory", format!("{idle:.0} MB"), idle < MEMORY_MAX_MB, format!("< {MEMORY_MAX_MB} MB"));
    world.post("carol", "/v1/revocations", &serde_json::json!({"all": true, "reason": "over"})).await.ok();
    world.done().await;
    ExitCode::SUCCESS
}
