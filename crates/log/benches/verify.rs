//! Verifying a log ÷ plain SHA-256 over the same bytes: `cargo bench -p halligan-log --bench verify`.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use halligan_log::verify::{Bundle, Outcome, Walk};
use halligan_log::{Checkpoint, Edge, Leaf, Object};
use sha2::{Digest as _, Sha256};

const ENTRIES: u64 = 132_000;
const ROUNDS: usize = 7;
/// Bundles that wait for the thread that examines them.
const AHEAD: usize = 4;

type Archive = BTreeMap<Object, Vec<u8>>;

fn leaf(index: u64) -> Arc<Leaf> {
    let personal = index.is_multiple_of(3).then(|| {
        let reason = "the payment service answers nobody and the queue behind it is filling up";
        format!(r#"{{"salt":"{index:032x}","fields":{{"reason":"{reason}"}}}}"#).into_bytes()
    });
    let commitment =
        personal.as_ref().map(|part| format!(r#","personal_sha256":"{}""#, hex::encode(Sha256::digest(part))));
    let entry = format!(
        r#"{{"v":1,"id":"{}","time":"2026-03-{:02}T{:02}:{:02}:{:02}.123456789Z","type":"credentials.issued","data":{{"mint":"7Q2mC0sVkT0uJ1y3aBcDeF","role_arn":"arn:aws:iam::111122223333:role/prod-admin","session_name":"hg-7Q2mC0sVkT0uJ1y3aBcDeF","source_identity":"alice","access_key_id":"ASIAQWERTYUIOPASDFGH","expires_at":"2026-03-04T06:06:07Z","policy_hash":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","rules":["requesters of prod-admin","acknowledged by another person"]}},"actor":{{"person":"alice","principal":"https://id.example.com|alice","channel":"api"}},"subject":{{"kind":"aws-role","id":"prod-admin"}},"incident":{{"source":"file","id":"INC-219"}},"links":{{"grant":"7Q2mC0sVkT0uJ1y3aBcDeF"}}{}}}"#,
        uuid::Builder::from_unix_timestamp_millis(1_772_000_000_000 + index, &[7; 10]).into_uuid(),
        1 + index / 86_400,
        index / 3_600 % 24,
        index / 60 % 60,
        index % 60,
        commitment.unwrap_or_default(),
    );
    Arc::new(Leaf { entry: entry.into_bytes(), personal })
}

/// Walks through the log; `examine` may be another thread's.
fn walk(checkpoint: &Checkpoint, archive: &Archive, mut examine: impl FnMut(&mut Walk, Option<Bundle>)) -> Outcome {
    let mut walk = Walk::new(checkpoint.clone());
    let mut asked = VecDeque::new();
    loop {
        while asked.len() < 8
            && let Some(object) = walk.wanted()
        {
            asked.push_back(object);
        }
        let Some(object) = asked.pop_front() else { break };
        if let Some(bundle) = walk.feed(object, archive.get(&object).cloned()).unwrap() {
            examine(&mut walk, Some(bundle));
        }
    }
    examine(&mut walk, None);
    let outcome = walk.finish().unwrap();
    assert_eq!(outcome.found, 0);
    outcome
}

fn on_one_thread(checkpoint: &Checkpoint, archive: &Archive) -> Outcome {
    walk(checkpoint, archive, |walk, bundle| {
        if let Some(bundle) = bundle {
            black_box(walk.accept(bundle.examine()).unwrap().entries().count());
        }
    })
}

fn on_two_threads(checkpoint: &Checkpoint, archive: &Archive) -> Outcome {
    std::thread::scope(|scope| {
        let (to, bundles) = mpsc::channel::<Bundle>();
        let (back, examined) = mpsc::channel();
        scope.spawn(move || bundles.into_iter().all(|bundle| back.send(bundle.examine()).is_ok()));
        let mut waiting = VecDeque::new();
        // Every other bundle: reading and judging the rest leave this thread about as much to do.
        let mut here = false;
        walk(checkpoint, archive, |walk, bundle| {
            let last = bundle.is_none();
            if let Some(bundle) = bundle {
                here = !here;
                waiting.push_back(if here {
                    Some(bundle.examine())
                } else {
                    to.send(bundle).unwrap();
                    None
                });
            }
            while waiting.len() > if last { 0 } else { AHEAD } {
                let next = waiting.pop_front().unwrap().unwrap_or_else(|| examined.recv().unwrap());
                black_box(walk.accept(next).unwrap().entries().count());
            }
        })
    })
}

fn plain(archive: &Archive) -> Duration {
    let begin = Instant::now();
    for bytes in archive.values() {
        black_box(Sha256::digest(bytes));
    }
    begin.elapsed()
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let begin = Instant::now();
    black_box(work());
    begin.elapsed()
}

fn main() {
    let growth = Edge::default().grow((0..ENTRIES).map(leaf)).unwrap();
    let checkpoint = Checkpoint { origin: "log.example.com".to_owned(), size: ENTRIES, root: growth.edge.root() };
    let archive: Archive = growth.objects.into_iter().collect();
    let bytes: usize = archive.values().map(Vec::len).sum();
    // In turns, so that a noisy machine is noisy for all; the best of each is the least disturbed.
    let mut best = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        let round = [
            plain(&archive),
            timed(|| on_one_thread(&checkpoint, &archive)),
            timed(|| on_two_threads(&checkpoint, &archive)),
        ];
        best.iter_mut().zip(round).for_each(|(best, time)| *best = time.min(*best));
    }
    let [plain, one, two] = best.map(|time| time.as_secs_f64());
    let million = |seconds: f64| seconds / ENTRIES as f64 * 1e6;
    println!("{ENTRIES} entries, {bytes} bytes; seconds for a million:");
    println!("plain SHA-256  {:.3} ({:.0} MB/s)", million(plain), bytes as f64 / plain / 1e6);
    println!("one thread     {:.3}, {:.2} times plain", million(one), one / plain);
    println!("two threads    {:.3}, {:.2} times plain", million(two), two / plain);
}
