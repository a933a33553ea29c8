//! Idempotency keys: one call, one answer, whoever dies in between.

use halligan_core::grant::Grant;
use halligan_engine::fakes::fixtures::{Asking, at, person};
use halligan_engine::ports::{Begun, Change, Idempotency, IdempotencyKey, StoreError, Version};

use crate::places::{Store, change, properties};

properties!(
    Store: of_twenty_calls_at_once_one_is_fresh,
    an_answer_is_given_again_as_it_was,
    a_key_is_one_persons_on_one_route,
    another_body_is_told,
    a_call_that_died_is_taken_over_once,
    of_a_slow_call_and_its_successor_one_commits,
    an_abandoned_key_is_free,
    an_answer_is_not_abandoned,
    what_is_old_is_forgotten,
);

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey { person: person("alice"), route: "POST /v1/grants".to_owned(), key: text.to_owned() }
}

async fn begin(store: &Store, text: &str, seconds: i64) -> Begun {
    store.idempotency.begin(&key(text), "body", at(seconds)).await.unwrap()
}

/// Answers the call with the `number`th request.
async fn answer(store: &Store, text: &str, number: u64) -> Result<Grant, StoreError> {
    let transition = Asking::new(number).open();
    let grant = transition.grant.clone();
    let change = Change { answers: Some(key(text)), ..change(transition, None, number) };
    store.grants.commit(change, at(0)).await.map(|_| grant)
}

async fn of_twenty_calls_at_once_one_is_fresh(store: Store) {
    // New, and then dead for long enough.
    for seconds in [0, 60] {
        let calls = (0..20).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { begin(&store, "a", seconds).await })
        });
        let mut fresh = 0;
        for call in calls.collect::<Vec<_>>() {
            match call.await.unwrap() {
                Begun::Fresh => fresh += 1,
                Begun::InFlight => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(fresh, 1, "at {seconds} s");
    }
}

async fn an_answer_is_given_again_as_it_was(store: Store) {
    assert_eq!(begin(&store, "a", 0).await, Begun::Fresh);
    let grant = answer(&store, "a", 1).await.unwrap();
    store.put(&Asking::new(1).active(), Some(Version(1))).await.unwrap();
    for seconds in [1, 61, 86_399] {
        assert_eq!(begin(&store, "a", seconds).await, Begun::Answered(Box::new(grant.clone())));
    }
}

async fn a_key_is_one_persons_on_one_route(store: Store) {
    assert_eq!(begin(&store, "a", 0).await, Begun::Fresh);
    let others = [
        IdempotencyKey { person: person("bob"), ..key("a") },
        IdempotencyKey { route: "POST /v1/revocations".to_owned(), ..key("a") },
        key("A"),
        key("a "),
        key("'; DROP TABLE idempotency; --"),
    ];
    for other in others {
        let begun = store.idempotency.begin(&other, "body", at(0)).await.unwrap();
        assert_eq!(begun, Begun::Fresh, "{other:?}");
    }
}

async fn another_body_is_told(store: Store) {
    let other = async |seconds| store.idempotency.begin(&key("a"), "other", at(seconds)).await.unwrap();
    begin(&store, "a", 0).await;
    assert_eq!(other(1).await, Begun::OtherBody);
    assert_eq!(other(1_000).await, Begun::OtherBody, "nobody knows whether the first left something behind");
    answer(&store, "a", 1).await.unwrap();
    assert_eq!(other(1_001).await, Begun::OtherBody);
}

async fn a_call_that_died_is_taken_over_once(store: Store) {
    let patience = Idempotency::IN_FLIGHT.as_secs();
    begin(&store, "a", 0).await;
    assert_eq!(begin(&store, "a", patience - 1).await, Begun::InFlight);
    assert_eq!(begin(&store, "a", patience).await, Begun::Fresh);
    assert_eq!(begin(&store, "a", patience).await, Begun::InFlight);
    assert_eq!(begin(&store, "a", 2 * patience - 1).await, Begun::InFlight, "its successor has as long");
    let grant = answer(&store, "a", 1).await.unwrap();
    assert_eq!(begin(&store, "a", 1_000).await, Begun::Answered(Box::new(grant)));
}

async fn of_a_slow_call_and_its_successor_one_commits(store: Store) {
    begin(&store, "a", 0).await;
    assert_eq!(begin(&store, "a", 60).await, Begun::Fresh);
    let first = answer(&store, "a", 1).await.unwrap();
    assert!(matches!(answer(&store, "a", 2).await, Err(StoreError::Conflict)));
    let second = Asking::new(2).grant();
    assert!(store.grants.grant(second.request.id).await.unwrap().is_none(), "two grants for one call");
    assert_eq!(begin(&store, "a", 61).await, Begun::Answered(Box::new(first)));
}

async fn an_abandoned_key_is_free(store: Store) {
    begin(&store, "a", 0).await;
    begin(&store, "b", 0).await;
    store.idempotency.abandon(&key("a")).await.unwrap();
    store.idempotency.abandon(&key("never begun")).await.unwrap();
    assert!(matches!(answer(&store, "a", 1).await, Err(StoreError::Conflict)), "whoever abandons has given up");
    let begun = store.idempotency.begin(&key("a"), "other", at(0)).await.unwrap();
    assert_eq!((begun, begin(&store, "b", 0).await), (Begun::Fresh, Begun::InFlight));
}

async fn an_answer_is_not_abandoned(store: Store) {
    begin(&store, "a", 0).await;
    let grant = answer(&store, "a", 1).await.unwrap();
    store.idempotency.abandon(&key("a")).await.unwrap();
    assert_eq!(begin(&store, "a", 1).await, Begun::Answered(Box::new(grant)));
}

async fn what_is_old_is_forgotten(store: Store) {
    begin(&store, "in flight", 0).await;
    begin(&store, "answered", 1).await;
    answer(&store, "answered", 1).await.unwrap();
    begin(&store, "young", 2).await;
    assert_eq!(store.idempotency.prune(at(0)).await.unwrap(), 0);
    assert_eq!(store.idempotency.prune(at(2)).await.unwrap(), 2);
    assert_eq!(begin(&store, "answered", 3).await, Begun::Fresh);
    assert_eq!(begin(&store, "young", 3).await, Begun::InFlight);
}
