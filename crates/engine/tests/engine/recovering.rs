//! When the log has gone two ways a person decides, and nothing is lost unseen.

use std::sync::Arc;

use halligan_engine::fakes::store::Fault;
use halligan_engine::fakes::world::{FakeWorld, caller};
use halligan_engine::ports::{GrantStore as _, LogStore as _};
use halligan_engine::publish::Relation;
use halligan_log::{Hash, Object, Successor};

use crate::support::{active, advance, ask, id, mint, minted, types, world};

#[tokio::test(start_paused = true)]
async fn what_another_publisher_began_and_nobody_can_finish_is_given_up() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    running.settle().await.unwrap();
    let size = world.archive.size();
    let taken = Successor { size: size + 1, root: Hash([9; 32]) };
    world.archive.corrupt(Object::Successor { size, attempt: 0 }, Some(taken.to_bytes()));
    assert!(mint(&running.broker, &grant).await.is_err());
    drop(running);

    let running = world.start();
    let publisher = running.broker.publisher();
    let found = publisher.examine().await.unwrap();
    assert_eq!(found.archives[0].relation, Relation::Prefix);
    assert_eq!(found.archives[0].unfinished, Some(size + 1));
    let recovery = publisher.recover("memory").await.unwrap();
    assert_eq!(recovery.imported_from, None);
    minted(&running.broker, &grant).await;
    running.settle().await.unwrap();
    assert_eq!(world.archive.size(), world.store.last().await.unwrap());
    assert_eq!(publisher.examine().await.unwrap().archives[0].unfinished, None);
}

#[tokio::test(start_paused = true)]
async fn entries_that_were_staged_and_never_signed_are_nobodys_word() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    running.settle().await.unwrap();
    let backup = Arc::new(world.store.backup());
    // Its bundle, tile and successor are written, its checkpoint is not; then the store is lost.
    let other = running.broker.request(&caller("bob"), ask()).await.unwrap();
    world.archive.fail_put(4, Fault::NotDone);
    assert!(running.broker.publisher().publish().await.is_err());
    drop(running);

    let restored = FakeWorld { store: backup, ..world.clone() };
    let running = restored.start();
    assert!(mint(&running.broker, &grant).await.is_err(), "its own entry can't follow");
    drop(running);
    let running = restored.start();
    let recovery = running.broker.publisher().recover("memory").await.unwrap();
    assert_eq!(recovery.imported_from, None);
    // Whoever may put into the archive could have put it.
    assert!(restored.store.grant(other.request.id).await.unwrap().is_none());
    assert!(
        types(&restored.store.entries()).contains(&"log.archive_touched".to_owned()),
        "it is said what was given up"
    );
    minted(&running.broker, &grant).await;
    running.settle().await.unwrap();
    assert_eq!(restored.archive.size(), restored.store.last().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_true_fork_ends_with_the_archive_that_a_person_trusts() {
    let (world, _) = world();
    let running = world.start();
    let grant = active(&running.broker).await;
    minted(&running.broker, &grant).await;
    running.settle().await.unwrap();
    drop(running);
    let (other, _) = self::world();
    // Other ids than the first world's.
    advance(&other, -60);
    let running = other.start();
    let theirs = running.broker.request(&caller("bob"), ask()).await.unwrap();
    running.broker.publisher().publish().await.unwrap();
    drop(running);

    let forked = FakeWorld { archive: other.archive.clone(), ..world.clone() };
    let running = forked.start();
    let publisher = running.broker.publisher();
    assert!(publisher.publish().await.unwrap_err().is_final());
    let found = publisher.examine().await.unwrap();
    assert_eq!(found.archives[0].relation, Relation::Forked { from: 0 });
    let own = types(&forked.store.entries());
    let recovery = publisher.recover("memory").await.unwrap();
    assert_eq!(recovery.imported_from, Some(0));
    running.settle().await.unwrap();
    let kinds = types(&forked.store.entries());
    assert_eq!(kinds[0], "grant.requested");
    for kind in own {
        assert!(kinds.contains(&kind), "{kind} was lost");
    }
    assert!(kinds.contains(&"log.imported".to_owned()));
    assert!(
        running
            .broker
            .acknowledge(&caller("carol"), &id(&theirs), &theirs.request_hash.to_string(), None)
            .await
            .is_ok()
    );
    running.settle().await.unwrap();
    assert_eq!(forked.archive.size(), forked.store.last().await.unwrap());
}
