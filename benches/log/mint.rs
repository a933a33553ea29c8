//! A mint while the archive is far away, and AWS too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use halligan_connect::DirectoryArchive;
use halligan_engine::access::AccessInForce;
use halligan_engine::broker::{Broker, Ports, Settings};
use halligan_engine::fakes::archive::FakeSigner;
use halligan_engine::fakes::aws::FakeAws;
use halligan_engine::fakes::environment::{FakeClock, FakeEntropy};
use halligan_engine::fakes::fixtures;
use halligan_engine::fakes::outside::FakeIncidents;
use halligan_engine::fakes::world::{MANY, caller, identity_settings};
use halligan_engine::identity::IdentityPorts;
use halligan_store::Database;
use jiff::SignedDuration;

use crate::away::{Away, LateMinter};
use crate::publish;
use crate::table::{Table, median, milliseconds};

const ARCHIVE: Duration = Duration::from_millis(200);
/// AssumeRole at once, and as long as nearly both of the archive's round trips.
const ASSUME_ROLE: [Duration; 2] = [Duration::ZERO, Duration::from_millis(380)];
const ROUNDS: usize = 9;
const ROUND_TRIPS_MAX: f64 = 2.0;
/// Disk, store and timers, in round trips: 40 ms.
const SMALL: f64 = 0.2;

async fn broker(directory: &std::path::Path, assume_role: Duration) -> Broker {
    let url = format!("sqlite:{}", directory.join("store.db").display());
    let database = Arc::new(Database::open(&url).await.unwrap());
    let archive = DirectoryArchive::open("away", directory.join("log")).await.unwrap();
    let clock = Arc::new(FakeClock::at(fixtures::start()));
    let aws = Arc::new(FakeAws::new(clock.clone()));
    let incidents = FakeIncidents::default();
    incidents.open(fixtures::incident("INC-219"));
    let groups = [("alice", "on-call"), ("bob", "leads")];
    let groups = groups.map(|(who, group)| (fixtures::person(who), [group.parse().unwrap()].into()));
    let ports = Ports {
        clock,
        entropy: Arc::new(FakeEntropy::default()),
        grants: database.clone(),
        idempotency: database.clone(),
        publish: publish::ports(&database, Arc::new(Away::new(archive, ARCHIVE)), Arc::new(FakeSigner::seeded(1))),
        access: Arc::new(AccessInForce::new(fixtures::access(BTreeMap::from(groups)))),
        identity: IdentityPorts {
            sessions: database.clone(),
            sign_outs: database.clone(),
            ceremonies: database.clone(),
            groups: database.clone(),
            passkeys: database.clone(),
            providers: BTreeMap::new(),
            notices: None,
        },
        incidents: Arc::new(incidents),
        minter: Arc::new(LateMinter { inner: aws.clone(), way: assume_role }),
        console: None,
        clock_offset: aws,
    };
    let settings = Settings {
        publish: publish::settings(),
        log_wait: SignedDuration::from_secs(10),
        mints_per_minute: 1_000,
        identity: identity_settings(),
        rates: MANY,
    };
    let broker = Broker::new(Arc::new(fixtures::catalogue()), ports, settings);
    broker.publisher().publish().await.unwrap();
    broker
}

async fn one(table: &mut Table, assume_role: Duration) {
    let directory = publish::directory();
    let broker = broker(directory.path(), assume_role).await;
    let grant = broker.request(&caller("alice"), fixtures::ask()).await.unwrap();
    let id = grant.request.id.to_string();
    broker.acknowledge(&caller("bob"), &id, &grant.request_hash.to_string(), None).await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..ROUNDS {
        // The log is at rest.
        broker.publisher().publish().await.unwrap();
        let began = Instant::now();
        broker.mint(&caller("alice"), &id).await.unwrap();
        taken.push(began.elapsed());
    }
    let taken = median(&mut taken);
    let late = assume_role.as_millis();
    table.told(format!("a mint, archive 200 ms away, AssumeRole {late} ms"), milliseconds(taken));
    let trips = taken / ARCHIVE.as_secs_f64();
    table.at_most("  in the archive's round trips", trips, ROUND_TRIPS_MAX + SMALL, "");
}

pub async fn measure(table: &mut Table) {
    for assume_role in ASSUME_ROLE {
        one(table, assume_role).await;
    }
}
