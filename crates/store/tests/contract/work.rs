//! Work: asked for often, done once, and never lost.

use halligan_core::catalogue::Target;
use halligan_core::grant::Effect;
use halligan_engine::fakes::fixtures::{at, role_id, start};
use halligan_engine::ports::{Change, Effort};
use jiff::{SignedDuration, Timestamp};

use crate::places::{Store, properties};

properties!(
    Store: asks_for_the_same_are_one_piece_of_work,
    completing_an_older_ask_leaves_the_newer,
    a_finished_ask_is_never_mistaken_for_a_later_one,
    what_fails_is_postponed_and_counted,
    what_is_asked_for_while_it_fails_stays_due,
    the_sooner_time_holds,
    work_is_due_at_once_and_postponed_work_never_early,
    concurrent_asks_are_all_counted,
);

fn enforce(role: &str) -> Effect {
    Effect::Enforce(Target::role(role_id(role)))
}

async fn ask(store: &Store, roles: &[&str], now: Timestamp) {
    let effects = roles.iter().map(|role| enforce(role)).collect();
    store.grants.commit(Change { effects, ..Change::default() }, now).await.unwrap();
}

async fn only(store: &Store, now: Timestamp) -> Effort {
    let mut due = store.work.due(now).await.unwrap();
    assert_eq!(due.len(), 1, "{due:?}");
    due.remove(0)
}

async fn asks_for_the_same_are_one_piece_of_work(store: Store) {
    assert_eq!((store.work.due(at(0)).await.unwrap(), store.work.next().await.unwrap()), (vec![], None));
    ask(&store, &["prod-reader", "prod-admin"], at(0)).await;
    ask(&store, &["prod-admin", "prod-admin"], at(5)).await;
    let effort = |role, ask| Effort { effect: enforce(role), attempts: 0, ask };
    assert_eq!(store.work.due(at(0)).await.unwrap(), [effort("prod-admin", 3), effort("prod-reader", 1)]);
    assert_eq!(store.work.next().await.unwrap(), Some(at(0)));
    assert!(store.work.due(at(-1)).await.unwrap().is_empty());
}

async fn completing_an_older_ask_leaves_the_newer(store: Store) {
    ask(&store, &["prod-admin"], at(0)).await;
    let first = only(&store, at(0)).await;
    ask(&store, &["prod-admin"], at(1)).await;
    store.work.complete(&first).await.unwrap();
    let second = only(&store, at(1)).await;
    assert!(second.ask > first.ask);
    store.work.complete(&second).await.unwrap();
    assert!(store.work.due(at(100)).await.unwrap().is_empty());
    assert_eq!(store.work.next().await.unwrap(), None);
    // Twice is once.
    store.work.complete(&second).await.unwrap();
}

async fn a_finished_ask_is_never_mistaken_for_a_later_one(store: Store) {
    ask(&store, &["prod-admin"], at(0)).await;
    let slow = only(&store, at(0)).await;
    store.work.complete(&slow).await.unwrap();
    ask(&store, &["prod-admin"], at(1)).await;
    // A second worker did the same work, and only now says so.
    store.work.complete(&slow).await.unwrap();
    assert!(only(&store, at(1)).await.ask > slow.ask);
}

async fn what_fails_is_postponed_and_counted(store: Store) {
    ask(&store, &["prod-admin"], at(0)).await;
    for attempt in 1..=3 {
        let effort = only(&store, at(10 * attempt)).await;
        store.work.postpone(&effort, at(10 * attempt + 10)).await.unwrap();
        assert_eq!(store.work.next().await.unwrap(), Some(at(10 * attempt + 10)));
        assert!(store.work.due(at(10 * attempt + 9)).await.unwrap().is_empty());
    }
    let effort = only(&store, at(40)).await;
    assert_eq!((effort.attempts, effort.ask), (3, 1));
    store.work.complete(&effort).await.unwrap();
    store.work.postpone(&effort, at(50)).await.unwrap();
    assert_eq!(store.work.next().await.unwrap(), None, "what is done is not postponed");
    ask(&store, &["prod-admin"], at(50)).await;
    assert_eq!(only(&store, at(50)).await.attempts, 0, "a row of failures ends with the work");
}

async fn what_is_asked_for_while_it_fails_stays_due(store: Store) {
    ask(&store, &["prod-admin"], at(0)).await;
    let effort = only(&store, at(0)).await;
    ask(&store, &["prod-admin"], at(1)).await;
    store.work.postpone(&effort, at(1_000)).await.unwrap();
    let again = only(&store, at(1)).await;
    assert_eq!((again.attempts, again.ask), (1, 2));
    // And what waits for its next attempt doesn't make a new ask wait.
    store.work.postpone(&again, at(1_000)).await.unwrap();
    ask(&store, &["prod-admin"], at(2)).await;
    assert_eq!(only(&store, at(2)).await.attempts, 2);
}

async fn the_sooner_time_holds(store: Store) {
    let effect = enforce("prod-admin");
    for (due_at, next) in [(50, 50), (90, 50), (20, 20)] {
        store.work.schedule(&effect, at(due_at)).await.unwrap();
        assert_eq!(store.work.next().await.unwrap(), Some(at(next)));
    }
    assert_eq!(only(&store, at(20)).await.ask, 3);
    // Scheduled while it is being done, it isn't lost when that is done.
    let effort = only(&store, at(20)).await;
    store.work.schedule(&effect, at(60)).await.unwrap();
    store.work.complete(&effort).await.unwrap();
    let effort = only(&store, at(60)).await;
    store.work.complete(&effort).await.unwrap();
    store.work.schedule(&effect, at(70)).await.unwrap();
    assert_eq!(store.work.next().await.unwrap(), Some(at(70)));
}

async fn work_is_due_at_once_and_postponed_work_never_early(store: Store) {
    let between = start() + SignedDuration::from_nanos(1_500_001);
    ask(&store, &["prod-admin"], between).await;
    let effort = only(&store, between).await;
    store.work.postpone(&effort, between + SignedDuration::from_nanos(5)).await.unwrap();
    assert!(store.work.due(between).await.unwrap().is_empty());
    let next = store.work.next().await.unwrap().unwrap();
    assert!(next > between && next < between + SignedDuration::from_millis(1));
    only(&store, next).await;
}

async fn concurrent_asks_are_all_counted(store: Store) {
    let asks = (0..30).map(|number| {
        let store = store.clone();
        // In either order: nobody waits for somebody who waits for them.
        let roles = if number % 2 == 0 { ["prod-admin", "prod-reader"] } else { ["prod-reader", "prod-admin"] };
        tokio::spawn(async move { ask(&store, &roles, at(0)).await })
    });
    for ask in asks.collect::<Vec<_>>() {
        ask.await.unwrap();
    }
    let asks: Vec<u64> = store.work.due(at(0)).await.unwrap().iter().map(|effort| effort.ask).collect();
    assert_eq!(asks, [30, 30]);
}
