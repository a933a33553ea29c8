//! From a committed entry to a durable one, beside the bare puts of the same bytes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use halligan_connect::DirectoryArchive;
use halligan_core::entry::Draft;
use halligan_core::grant::Grant;
use halligan_engine::fakes::archive::FakeSigner;
use halligan_engine::fakes::environment::{FakeClock, FakeEntropy};
use halligan_engine::fakes::fixtures::{self, Asking};
use halligan_engine::ports::{Archive, Change, CheckpointSigner, GrantStore as _, LogStore as _};
use halligan_engine::publish::{OverrideRules, PublishPorts, PublishSettings, Publisher};
use halligan_engine::recorder::Recorder;
use halligan_log::key::Kind;
use halligan_log::{Checkpoint, Edge, Growth, Object, SignedCheckpoint, Successor};
use halligan_store::Database;
use jiff::SignedDuration;

use crate::away::Away;
use crate::table::{Table, median, milliseconds};

const ONE_MAX: f64 = 1.15;
const MANY: usize = 1_000;
const MANY_MAX: f64 = 3.0;
const WARM_UP: usize = 10;
/// How far away the archive is, in milliseconds, and how often it is tried.
const PLACES: [(u64, usize); 3] = [(0, 400), (20, 60), (200, 11)];
const MANY_PLACES: [(u64, usize); 2] = [(0, 41), (20, 21)];

type Place = Arc<Away<DirectoryArchive>>;

/// What a publisher over these is told.
pub fn ports(database: &Arc<Database>, archive: Arc<dyn Archive>, signer: Arc<dyn CheckpointSigner>) -> PublishPorts {
    PublishPorts {
        log: database.clone(),
        restore: database.clone(),
        leases: database.clone(),
        facts: database.clone(),
        cursors: database.clone(),
        passkeys: database.clone(),
        archives: vec![archive],
        signer,
        witnesses: Vec::new(),
    }
}

/// A single process's.
pub fn settings() -> PublishSettings {
    PublishSettings {
        deployment: fixtures::catalogue().deployment,
        replica: "one".to_owned(),
        shared: false,
        confirmations: 1,
        cosignatures: 0,
        heartbeat: SignedDuration::from_mins(10),
        former: Vec::new(),
        overrides: OverrideRules::default(),
    }
}

/// A store, a publisher, and an archive beside that is written to by hand.
struct Bench {
    database: Arc<Database>,
    publisher: Publisher,
    signer: Arc<FakeSigner>,
    archive: Place,
    bare: Place,
    edge: Edge,
    grant: Grant,
    number: u64,
}

impl Bench {
    async fn new(directory: &Path, way: Duration) -> Self {
        let database =
            Arc::new(Database::open(&format!("sqlite:{}", directory.join("store.db").display())).await.unwrap());
        let open = async |name: &str| {
            Arc::new(Away::new(DirectoryArchive::open(name, directory.join(name)).await.unwrap(), way))
        };
        let (archive, bare) = (open("published").await, open("bare").await);
        let signer = Arc::new(FakeSigner::seeded(1));
        let clock = Arc::new(FakeClock::at(fixtures::start()));
        let entropy = Arc::new(FakeEntropy::default());
        let recorder = Arc::new(Recorder::new(database.clone(), clock.clone(), entropy, Arc::default()));
        let publisher = Publisher::new(ports(&database, archive.clone(), signer.clone()), settings(), clock, recorder);
        publisher.publish().await.unwrap();
        let grant = Asking::new(1).active();
        Self { database, publisher, signer, archive, bare, edge: Edge::default(), grant, number: 10 }
    }

    /// An entry as a mint leaves it.
    fn draft(&mut self) -> Draft {
        self.number += 1;
        let (mut transition, _) = fixtures::mint(&self.grant, self.number, fixtures::at(90));
        fixtures::draft(&self.grant, transition.events.remove(0), self.number)
    }

    /// Commits so many entries; returns the last position.
    async fn commit(&mut self, entries: usize) -> u64 {
        let entries = (0..entries).map(|_| self.draft()).collect();
        let change = Change { entries, ..Change::default() };
        self.database.commit(change, fixtures::at(90)).await.unwrap().position.unwrap()
    }

    async fn publish(&self, position: u64) -> Duration {
        let epoch = self.publisher.epoch();
        let began = Instant::now();
        self.publisher.make_durable(position, epoch, SignedDuration::from_secs(30)).await.unwrap();
        let took = began.elapsed();
        // Whatever the store has to note about it is noted before anything else is measured.
        self.publisher.publish().await.unwrap();
        took
    }

    /// What an archive needs to hold the entries up to `position`, byte by byte as the publisher puts it.
    async fn puts(&self, position: u64) -> (Growth, Vec<u8>) {
        let more = u32::try_from(position - self.edge.size()).unwrap();
        let found = self.database.entries(self.edge.size() + 1, more).await.unwrap();
        let growth = self.edge.grow(found.into_iter().map(|entry| entry.leaf)).unwrap();
        let key = self.signer.key().of_kind(Kind::Log);
        let checkpoint =
            Checkpoint { origin: key.name().to_owned(), size: growth.edge.size(), root: growth.edge.root() };
        let seconds = u64::try_from(fixtures::start().as_second()).unwrap();
        let (body, timed) = (checkpoint.body(), checkpoint.timed_body(seconds));
        let mut signed = SignedCheckpoint::unsigned(checkpoint);
        signed.sign(&key, self.signer.sign(body.as_bytes()).await.unwrap());
        signed.cosign(&key, seconds, &self.signer.sign(timed.as_bytes()).await.unwrap());
        (growth, signed.to_bytes())
    }

    /// The same puts in the same order, and nothing around them.
    async fn put(&mut self, (mut growth, checkpoint): (Growth, Vec<u8>)) -> Duration {
        let successor = Successor { size: growth.edge.size(), root: growth.edge.root() }.to_bytes();
        growth.objects.push((Object::Successor { size: self.edge.size(), attempt: 0 }, successor));
        let began = Instant::now();
        try_join_all(growth.objects.iter().map(|(object, bytes)| self.bare.put_once(*object, bytes))).await.unwrap();
        self.bare.put_checkpoint(&checkpoint).await.unwrap();
        let took = began.elapsed();
        self.edge = growth.edge;
        took
    }
}

/// Where the numbers are taken: on the disk that the build is on.
pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

async fn one(table: &mut Table, way: u64, rounds: usize) {
    let directory = directory();
    let mut bench = Bench::new(directory.path(), Duration::from_millis(way)).await;
    let warm_up = WARM_UP.min(rounds);
    let (mut published, mut bare) = (Vec::new(), Vec::new());
    let mut puts = (0, 0);
    for round in 0..warm_up + rounds {
        let position = bench.commit(1).await;
        let wanted = bench.puts(position).await;
        // Who comes first changes: the second finds the disk as the first left it.
        let (ours, theirs) = if round % 2 == 0 {
            let ours = bench.publish(position).await;
            (ours, bench.put(wanted).await)
        } else {
            let theirs = bench.put(wanted).await;
            (bench.publish(position).await, theirs)
        };
        puts = (bench.archive.puts(), bench.bare.puts());
        if round >= warm_up {
            published.push(ours);
            bare.push(theirs);
        }
    }
    assert_eq!(puts.0, puts.1, "not the same puts");
    let (published, bare) = (median(&mut published), median(&mut bare));
    let place = if way == 0 { "directory".to_owned() } else { format!("{way} ms away") };
    table.told(format!("publish one entry, {place}"), milliseconds(published));
    table.told(format!("  bare puts of the same bytes, {place}"), milliseconds(bare));
    table.at_most(format!("  publish one ÷ bare puts, {place}"), published / bare, ONE_MAX, "");
}

async fn many(table: &mut Table, way: u64, rounds: usize) {
    let directory = directory();
    let mut bench = Bench::new(directory.path(), Duration::from_millis(way)).await;
    let (mut one, mut all, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    let (mut puts_one, mut puts_all) = (0, 0);
    for round in 0..2 + rounds {
        let position = bench.commit(1).await;
        bench.archive.puts();
        let single = bench.publish(position).await;
        let of_one = bench.archive.puts();
        let wanted = bench.puts(position).await;
        bench.put(wanted).await;
        let position = bench.commit(MANY).await;
        let wanted = bench.puts(position).await;
        bench.archive.puts();
        let thousand = bench.publish(position).await;
        let of_all = bench.archive.puts();
        let past = bench.put(wanted).await;
        if round >= 2 {
            bare.push(past);
            one.push(single);
            all.push(thousand);
            puts_one = puts_one.max(of_one);
            puts_all = puts_all.max(of_all);
        }
    }
    let (one, all, bare) = (median(&mut one), median(&mut all), median(&mut bare));
    let place = if way == 0 { "directory".to_owned() } else { format!("{way} ms away") };
    table.told(format!("{MANY} waiting, {place}"), milliseconds(all));
    table.told(format!("  bare puts of the same bytes, {place}"), milliseconds(bare));
    table.told(format!("  1 waiting, {place}"), milliseconds(one));
    table.at_most(format!("  {MANY} waiting ÷ 1 waiting, {place}"), all / one, MANY_MAX, "");
    table.told(format!("  puts of {MANY} and of 1 waiting, at most"), format!("{puts_all} and {puts_one}"));
}

pub async fn measure(table: &mut Table) {
    for (way, rounds) in PLACES {
        one(table, way, rounds).await;
    }
    for (way, rounds) in MANY_PLACES {
        many(table, way, rounds).await;
    }
}
