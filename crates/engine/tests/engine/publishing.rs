//! P3: whatever happens to the publisher, the archives and the store, there is one
//! log, nothing signed contradicts it, and nothing in it is lost.

use std::sync::Arc;

use halligan_core::grant::{Grant, Phase};
use halligan_engine::fakes::archive::{FakeArchive, FakeSigner};
use halligan_engine::fakes::store::Fault;
use halligan_engine::fakes::world::{FakeWorld, Running, caller};
use halligan_engine::ports::{Filter, GrantStore as _, LogStore as _, Tampering};
use halligan_engine::problem::ProblemKind;
use halligan_engine::publish::PublishError;
use halligan_log::{Edge, Object};

use crate::support::{active, advance, ask, id, mint, minted, now, refused, types, world};

/// Every checkpoint that any archive ever held is a prefix of the store's entries.
async fn assert_consistent(world: &FakeWorld, what: &str) {
    let entries = world.store.entries();
    for archive in std::iter::once(&world.archive).chain(&world.more_archives) {
        let (mut edge, mut last) = (Edge::default(), 0);
        for signed in archive.checkpoints() {
            let checkpoint = signed.checkpoint();
            assert!(checkpoint.size >= last, "{what}: a checkpoint went back");
            last = checkpoint.size;
            let more = &entries[usize::try_from(edge.size()).unwrap()..usize::try_from(checkpoint.size).unwrap()];
            edge = edge.grow(more.iter().map(|entry| entry.leaf.clone())).unwrap().edge;
            assert_eq!(edge.root(), checkpoint.root, "{what}: a checkpoint of {} is of another log", checkpoint.size);
        }
    }
}

/// Everything is in every archive, and said to be.
async fn assert_published(world: &FakeWorld, what: &str) {
    assert_consistent(world, what).await;
    let last = world.store.last().await.unwrap();
    assert_eq!(world.store.head().await.unwrap().size, last, "{what}: not all is durable");
    for archive in std::iter::once(&world.archive).chain(&world.more_archives) {
        assert_eq!(archive.size(), last, "{what}: an archive lacks entries");
    }
}

async fn publish(running: &Running) -> Result<u64, PublishError> {
    running.broker.publisher().publish().await
}

async fn grants(world: &FakeWorld) -> Vec<Grant> {
    let page = world.store.grants(&Filter::default(), 100).await.unwrap();
    page.grants.into_iter().map(|found| found.grant).collect()
}

/// Two archives, of which one suffices.
fn two_archives() -> FakeWorld {
    let (mut world, _) = world();
    world.more_archives = vec![Arc::new(FakeArchive::named("second"))];
    world
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_put_the_next_publisher_goes_on() {
    for fault in [Fault::NotDone, Fault::Done] {
        for nth in 0..24 {
            let what = format!("put {nth} {fault:?}");
            let (world, _) = world();
            let running = world.start();
            world.archive.fail_put(nth, fault);
            // Whoever had begun is gone after its failure: everything from there on is another process.
            let grant = active(&running.broker).await;
            publish(&running).await.ok();
            drop(running);
            let running = world.start();
            for _ in 0..3 {
                drop(mint(&running.broker, &grant).await);
            }
            running.settle().await.unwrap();
            assert_published(&world, &what).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_or_a_thousand_waiting_cost_the_same_few_puts() {
    let (world, _) = world();
    let running = world.start();
    let mut costs = Vec::new();
    for waiting in [1, 200, 1_000] {
        for _ in 0..waiting {
            let problem = halligan_engine::problem::Problem::new(ProblemKind::NotFound, "no such grant");
            let subject = halligan_core::entry::Subject::broker("grants");
            let recorder = running.broker.recorder();
            let event = halligan_core::event::Event::GrantWithdrawn {};
            recorder.record(caller("alice").actor(), subject, halligan_core::event::Recorded::plain(event)).await;
            drop(problem);
        }
        let before = world.archive.puts();
        publish(&running).await.unwrap();
        costs.push(world.archive.puts() - before);
    }
    // A bundle, a tile, a successor, the checkpoint; and what became full on the way.
    assert_eq!(costs[0], 4);
    assert!(costs[2] <= 4 + 2 * 4 + 1, "{costs:?}");
    assert_published(&world, "batches").await;
}

#[tokio::test(start_paused = true)]
async fn two_publishers_at_once_make_one_log() {
    let (world, _) = world();
    let (one, two) = (world.start_as("one"), world.start_as("two"));
    let grant = active(&one.broker).await;
    for _ in 0..20 {
        let both = tokio::join!(mint(&one.broker, &grant), mint(&two.broker, &grant));
        both.0.unwrap();
        both.1.unwrap();
    }
    one.settle().await.unwrap();
    assert_published(&world, "two publishers").await;
}

#[tokio::test(start_paused = true)]
async fn of_two_stores_that_go_different_ways_one_is_stopped_before_it_signs() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    minted(&running.broker, &grant).await;
    // Split brain: a copy of the store lives on elsewhere, with the same archive.
    let other = FakeWorld { store: Arc::new(world.store.backup()), ..world.clone() };
    let split = other.start_as("split");
    publish(&split).await.unwrap();
    minted(&running.broker, &grant).await;
    split.broker.request(&caller("bob"), ask()).await.unwrap();
    // Its own entry stands where the log has another: it is stopped, reads that, and its own comes behind.
    assert!(publish(&split).await.is_err());
    publish(&split).await.unwrap();
    assert_consistent(&other, "the second store").await;
    // The first finds what it doesn't have, takes it in, and goes on.
    running.settle().await.unwrap();
    minted(&running.broker, &grant).await;
    assert_consistent(&world, "the first store").await;
}

#[tokio::test(start_paused = true)]
async fn who_finds_the_follower_taken_signs_nothing() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    publish(&running).await.unwrap();
    let size = world.archive.size();
    // Another publisher, of another store, was about to sign something else.
    let taken = halligan_log::Successor { size: size + 1, root: halligan_log::Hash([9; 32]) };
    world.archive.corrupt(Object::Successor { size, attempt: 0 }, Some(taken.to_bytes()));
    let problem = refused(&world, mint(&running.broker, &grant).await, ProblemKind::LogNotDurable);
    assert!(problem.detail.contains("log recover"), "{problem}");
    assert_eq!(world.archive.size(), size, "something was signed");
}

#[tokio::test(start_paused = true)]
async fn a_store_restored_from_any_backup_learns_what_had_happened() {
    // Backups between the steps of a story, and what the grants were at its end.
    let (original, _) = world();
    let running = original.start();
    let mut backups = vec![original.store.backup()];
    let first = active(&running.broker).await;
    backups.push(original.store.backup());
    minted(&running.broker, &first).await;
    backups.push(original.store.backup());
    let second = running.broker.request(&caller("alice"), ask()).await.unwrap();
    publish(&running).await.unwrap();
    backups.push(original.store.backup());
    running.broker.revoke(&caller("carol"), &id(&first), "stop").await.unwrap();
    backups.push(original.store.backup());
    running.settle().await.unwrap();
    backups.push(original.store.backup());
    running.broker.acknowledge(&caller("bob"), &id(&second), &second.request_hash.to_string(), None).await.unwrap();
    let key = minted(&running.broker, &second).await;
    running.settle().await.unwrap();
    let expected = grants(&original).await;
    drop(running);

    for (number, backup) in backups.into_iter().enumerate() {
        let what = format!("backup {number}");
        let restored = FakeWorld {
            store: Arc::new(backup),
            archive: Arc::new(original.archive.copy()),
            aws: original.aws.clone(),
            ..original.clone()
        };
        let running = restored.start_as("restored");
        assert!(!running.broker.publisher().is_synced(), "{what}: it would serve an old state");
        publish(&running).await.unwrap();
        assert!(running.broker.publisher().is_synced());
        let found = grants(&restored).await;
        assert_eq!(found.len(), expected.len(), "{what}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.phase(), expected.phase(), "{what}: {}", found.request.id);
            assert_eq!(found.request, expected.request, "{what}");
        }
        let known = types(&restored.store.entries());
        assert_eq!(known.iter().filter(|kind| *kind == "log.imported").count(), usize::from(number < 7), "{what}");
        // Nothing that was ended comes back, and what is active goes on.
        refused(&restored, mint(&running.broker, &first).await, ProblemKind::WrongState);
        minted(&running.broker, &second).await;
        running.settle().await.unwrap();
        assert!(restored.aws.allows(&key), "{what}: another grant was touched");
        assert_published(&restored, &what).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_restored_store_did_by_itself_comes_behind_or_is_set_aside() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    publish(&running).await.unwrap();
    let backup = Arc::new(world.store.backup());
    running.broker.give_back(&caller("alice"), &id(&grant)).await.unwrap();
    running.settle().await.unwrap();
    drop(running);
    // While no archive could be reached, the restored broker ended the grant itself, and asked for another.
    let restored = FakeWorld { store: backup, ..world.clone() };
    world.archive.set_down(true);
    let running = restored.start_as("restored");
    running.broker.revoke(&caller("carol"), &id(&grant), "stop").await.unwrap();
    let other = running.broker.request(&caller("bob"), ask()).await.unwrap();
    assert!(publish(&running).await.is_err());
    world.archive.set_down(false);
    running.settle().await.unwrap();
    assert_eq!(now(&restored, &grant).await.phase(), Phase::Returned, "the log's word counts");
    assert_eq!(now(&restored, &other).await.phase(), Phase::Pending);
    let kinds = types(&restored.store.entries());
    for kind in ["log.entry_set_aside", "log.imported"] {
        assert!(kinds.contains(&kind.to_owned()), "{kinds:?}");
    }
    assert_eq!(kinds.iter().filter(|kind| *kind == "grant.returned").count(), 1);
    assert!(!kinds.contains(&"grant.revoked".to_owned()), "{kinds:?}");
    let times: Vec<_> = restored.store.entries().iter().map(|entry| entry.sealed.entry.time).collect();
    assert!(times.is_sorted(), "entry time went back");
    assert_published(&restored, "renumbered").await;
}

#[tokio::test(start_paused = true)]
async fn another_log_under_the_same_key_stops_minting() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    publish(&running).await.unwrap();
    drop(running);
    // The archive's tree of this very size is another one, and signed.
    let (other, _) = self::world();
    let running = other.start();
    for _ in 0..3 {
        running.broker.request(&caller("bob"), ask()).await.unwrap();
    }
    publish(&running).await.unwrap();
    let forked = FakeWorld { archive: other.archive.clone(), ..world.clone() };
    let running = forked.start();
    let problem = refused(&forked, mint(&running.broker, &grant).await, ProblemKind::LogNotDurable);
    assert!(problem.detail.contains("log recover"), "{problem}");
    assert!(publish(&running).await.unwrap_err().is_final());
    assert_eq!(other.archive.size(), 3, "something was signed");
}

#[tokio::test(start_paused = true)]
async fn one_of_two_archives_suffices_and_the_other_is_an_alarm() {
    let world = two_archives();
    let running = world.start();
    let grant = active(&running.broker).await;
    publish(&running).await.unwrap();
    for (archive, other) in [(&world.archive, &world.more_archives[0]), (&world.more_archives[0], &world.archive)] {
        archive.set_down(true);
        minted(&running.broker, &grant).await;
        minted(&running.broker, &grant).await;
        running.settle().await.unwrap();
        assert!(other.size() > archive.size());
        let failing = running.broker.publisher().health().all();
        assert!(failing.values().any(|place| place.failure.is_some()), "{failing:?}");
        archive.set_down(false);
        running.settle().await.unwrap();
        assert_eq!(archive.size(), other.size(), "it was not brought up to date");
    }
    let kinds = types(&world.store.entries());
    for (kind, times) in [("log.place_failing", 2), ("log.place_recovered", 2)] {
        assert_eq!(kinds.iter().filter(|found| *found == kind).count(), times, "{kind}: {kinds:?}");
    }
    assert_published(&world, "two archives").await;
    world.archive.set_down(true);
    world.more_archives[0].set_down(true);
    refused(&world, mint(&running.broker, &grant).await, ProblemKind::LogNotDurable);
}

#[tokio::test(start_paused = true)]
async fn a_slow_archive_holds_nobody_up() {
    let world = two_archives();
    let running = world.start();
    let grant = active(&running.broker).await;
    publish(&running).await.unwrap();
    world.more_archives[0].hold(true);
    for _ in 0..3 {
        minted(&running.broker, &grant).await;
    }
    world.more_archives[0].hold(false);
    running.settle().await.unwrap();
    assert_published(&world, "slow").await;
}

#[tokio::test(start_paused = true)]
async fn both_must_confirm_where_the_configuration_says_so() {
    let mut world = two_archives();
    world.confirmations = 2;
    let running = world.start();
    let grant = active(&running.broker).await;
    minted(&running.broker, &grant).await;
    world.more_archives[0].set_down(true);
    refused(&world, mint(&running.broker, &grant).await, ProblemKind::LogNotDurable);
    world.more_archives[0].set_down(false);
    minted(&running.broker, &grant).await;
    running.settle().await.unwrap();
    assert_published(&world, "both").await;
}

#[tokio::test(start_paused = true)]
async fn a_new_archive_gets_everything() {
    let (mut world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    for _ in 0..3 {
        minted(&running.broker, &grant).await;
    }
    running.settle().await.unwrap();
    drop(running);
    world.more_archives = vec![Arc::new(FakeArchive::named("new"))];
    let running = world.start();
    running.settle().await.unwrap();
    assert_published(&world, "a new archive").await;
    // And where it replaces the old one, it is written from the store alone.
    let replaced = FakeWorld { archive: Arc::new(FakeArchive::named("instead")), more_archives: Vec::new(), ..world };
    let running = replaced.start();
    minted(&running.broker, &grant).await;
    running.settle().await.unwrap();
    assert_published(&replaced, "another archive").await;
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_is_signed_anew_when_nothing_happens() {
    let (world, _) = world();
    let running = world.start();
    running.broker.request(&caller("alice"), ask()).await.unwrap();
    publish(&running).await.unwrap();
    let times = || -> Vec<Option<u64>> {
        let key = halligan_engine::ports::CheckpointSigner::key(world.signer.as_ref()).clone();
        world.archive.checkpoints().iter().map(|signed| signed.cosigned(&key).unwrap()).collect()
    };
    let before = times().len();
    publish(&running).await.unwrap();
    assert_eq!(times().len(), before, "nothing was due");
    advance(&world, 601);
    publish(&running).await.unwrap();
    let after = times();
    assert_eq!(after.len(), before + 1);
    assert!(after[before] >= after[before - 1].map(|seconds| seconds + 601), "{after:?}");
    // The clock stepping back takes no time from what was signed.
    advance(&world, -3_600);
    running.broker.request(&caller("bob"), ask()).await.unwrap();
    publish(&running).await.unwrap();
    assert!(times().is_sorted(), "{:?}", times());
    assert_published(&world, "heartbeat").await;
}

#[tokio::test(start_paused = true)]
async fn another_key_goes_on_where_the_first_is_known() {
    let (world, _) = world();
    let running = world.start();
    running.broker.request(&caller("alice"), ask()).await.unwrap();
    publish(&running).await.unwrap();
    drop(running);
    let old = halligan_engine::ports::CheckpointSigner::key(world.signer.as_ref()).clone();
    let rotated = FakeWorld { signer: Arc::new(FakeSigner::seeded(2)), ..world.clone() };
    let stranger = rotated.start();
    assert!(publish(&stranger).await.unwrap_err().to_string().contains("none of the log's keys"));
    drop(stranger);
    let rotated = FakeWorld { former: vec![old.clone()], ..rotated };
    let running = rotated.start();
    publish(&running).await.unwrap();
    let new = halligan_engine::ports::CheckpointSigner::key(rotated.signer.as_ref()).clone();
    let last = rotated.archive.checkpoints().pop().unwrap();
    assert!(last.signer(&[new]).is_ok() && last.signer(&[old]).is_err(), "it was not signed anew");
    assert_published(&rotated, "rotated").await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_does_not_sign_stops_minting() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    world.signer.set_down(true);
    refused(&world, mint(&running.broker, &grant).await, ProblemKind::LogNotDurable);
    world.signer.set_down(false);
    minted(&running.broker, &grant).await;
    assert_consistent(&world, "signer").await;
}

#[tokio::test(start_paused = true)]
async fn what_was_touched_is_an_entry() {
    let (world, _) = world();
    let running = world.start();
    running.broker.request(&caller("alice"), ask()).await.unwrap();
    publish(&running).await.unwrap();
    drop(running);
    world.archive.touch(Object::Checkpoint, Tampering::Hidden);
    let running = world.start();
    running.settle().await.unwrap();
    assert!(types(&world.store.entries()).contains(&"log.archive_touched".to_owned()));
    assert_published(&world, "touched").await;
}

#[tokio::test(start_paused = true)]
async fn one_archive_is_not_two_whatever_the_other_refuses() {
    let mut world = two_archives();
    world.confirmations = 2;
    let running = world.start();
    let grant = active(&running.broker).await;
    minted(&running.broker, &grant).await;
    running.settle().await.unwrap();
    let durable = world.store.head().await.unwrap().size;
    world.more_archives[0].refuse_checkpoints(true);
    for _ in 0..2 {
        refused(&world, mint(&running.broker, &grant).await, ProblemKind::LogNotDurable);
    }
    assert_eq!(world.store.head().await.unwrap().size, durable, "one signed checkpoint counted for two");
    drop(running);
    let running = world.start();
    refused(&world, mint(&running.broker, &grant).await, ProblemKind::LogNotDurable);
    world.more_archives[0].refuse_checkpoints(false);
    minted(&running.broker, &grant).await;
    running.settle().await.unwrap();
    assert_published(&world, "both again").await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_steps_back_under_a_running_broker_lets_nothing_out_unrecorded() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    running.settle().await.unwrap();
    let before = world.store.backup();
    for _ in 0..3 {
        minted(&running.broker, &grant).await;
    }
    running.broker.revoke(&caller("carol"), &id(&grant), "stop").await.unwrap();
    running.settle().await.unwrap();
    let size = world.archive.size();
    // The database fails over to a replica that lost the last commits.
    world.store.step_back(&before);
    assert!(mint(&running.broker, &grant).await.is_err(), "a grant that had ended gave credentials");
    running.settle().await.unwrap();
    assert_eq!(now(&world, &grant).await.phase(), Phase::Revoked);
    assert!(world.archive.size() > size);
    assert_published(&world, "stepped back").await;
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_lags_does_not_vouch_for_a_restored_store() {
    let world = two_archives();
    let running = world.start();
    let grant = active(&running.broker).await;
    running.settle().await.unwrap();
    let backup = Arc::new(world.store.backup());
    world.more_archives[0].set_down(true);
    running.broker.revoke(&caller("carol"), &id(&grant), "stop").await.unwrap();
    running.settle().await.unwrap();
    drop(running);
    // An hour later only the one that lags can be read.
    advance(&world, 3_600);
    world.archive.set_down(true);
    world.more_archives[0].set_down(false);
    let restored = FakeWorld { store: backup, ..world.clone() };
    let running = restored.start();
    let error = publish(&running).await.unwrap_err().to_string();
    assert!(error.contains("older than the log"), "{error}");
    assert!(!running.broker.publisher().is_synced());
    world.archive.set_down(false);
    publish(&running).await.unwrap();
    assert_eq!(now(&restored, &grant).await.phase(), Phase::Revoked);
    // A broker that restarts while one Region is down goes on: the other was in step just now.
    running.settle().await.unwrap();
    drop(running);
    world.archive.set_down(true);
    let running = restored.start();
    publish(&running).await.unwrap();
    assert!(running.broker.publisher().is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_went_back_is_an_alarm_and_is_written_again() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    running.settle().await.unwrap();
    let old = world.archive.objects()[&Object::Checkpoint].clone();
    minted(&running.broker, &grant).await;
    running.settle().await.unwrap();
    for restarted in [false, true] {
        world.archive.corrupt(Object::Checkpoint, Some(old.clone()));
        let again = if restarted { Some(world.start()) } else { None };
        let running = again.as_ref().unwrap_or(&running);
        minted(&running.broker, &grant).await;
        running.settle().await.unwrap();
        let told = types(&world.store.entries()).iter().filter(|kind| *kind == "log.place_failing").count();
        assert_eq!(told, 1 + usize::from(restarted), "restarted: {restarted}");
        assert_eq!(world.archive.size(), world.store.last().await.unwrap());
    }
}
