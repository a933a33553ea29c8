//! The queue of the journal that the version before publishes to.

use halligan_engine::fakes::fixtures::{Asking, at};

use crate::places::{Store, properties};

properties!(Store: publishing_moves_forward_and_never_past_the_end);

async fn publishing_moves_forward_and_never_past_the_end(store: Store) {
    let positions = async |limit| -> Vec<u64> {
        store.queue.unpublished(limit).await.unwrap().iter().map(|entry| entry.position).collect()
    };
    assert_eq!((store.queue.published().await.unwrap(), positions(10).await), (0, vec![]));
    store.queue.mark_published(3).await.unwrap();
    assert_eq!(store.queue.published().await.unwrap(), 0, "there is nothing yet");
    let grant = Asking::new(1).grant();
    store.note(&grant, &[1, 2, 3, 4, 5], at(0)).await.unwrap();
    assert_eq!(positions(2).await, [1, 2]);
    store.queue.mark_published(2).await.unwrap();
    assert_eq!((store.queue.published().await.unwrap(), positions(10).await), (2, vec![3, 4, 5]));
    store.queue.mark_published(1).await.unwrap();
    assert_eq!(store.queue.published().await.unwrap(), 2, "what is durable stays so");
    store.queue.mark_published(u64::MAX).await.unwrap();
    assert_eq!((store.queue.published().await.unwrap(), positions(10).await), (5, vec![]));
    store.note(&grant, &[6], at(0)).await.unwrap();
    assert_eq!(positions(10).await, [6]);
}
