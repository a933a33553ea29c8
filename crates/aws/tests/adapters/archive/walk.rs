//! Many reads: what they cost, and what they see.

use aws_sdk_s3::primitives::ByteStream;
use halligan_engine::ports::{Archive as _, LogReader as _, Tampering};
use halligan_log::{Object, Span};
use jiff::SignedDuration;

use super::{Archived, entries, stored};

async fn fill(archived: &Archived, objects: impl IntoIterator<Item = Object>) {
    for object in objects {
        let put = archived.root.put_object().bucket(archived.bucket(object)).key(object.to_string());
        put.body(ByteStream::from(object.to_string().into_bytes())).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_walk_in_order_lists_many_at_once() {
    let archived = Archived::new().await;
    let bundles: Vec<Object> = (0..40).chain(998..1_003).map(entries).collect();
    let partial = (1..20).map(|width| Object::Entries(Span { n: 3, width }));
    fill(&archived, bundles.iter().copied().chain(partial)).await;
    for &object in &bundles {
        let read = archived.archive.read(object).await.unwrap();
        assert_eq!(read, stored(object.to_string().as_bytes()), "{object}");
    }
    assert_eq!(archived.lists(), 2, "32 versions, then as many as there are");
    assert_eq!(archived.world.proxy.seen("x-id=GetObject").len(), bundles.len());

    // Side by side, as whoever reads ahead does.
    let reader = archived.afresh();
    let reads = bundles.iter().map(|&object| reader.read(object));
    let read = futures::future::try_join_all(reads).await.unwrap();
    assert!(read.iter().all(Option::is_some));
    assert_eq!(archived.lists(), 4);
}

#[tokio::test]
async fn what_was_not_there_is_asked_for_again() {
    let archived = Archived::new().await;
    let archive = &archived.archive;
    fill(&archived, [entries(0), entries(2)]).await;
    archive.read(entries(0)).await.unwrap();
    let lists = archived.lists();
    assert_eq!(archive.read(entries(1)).await.unwrap(), None);
    assert_eq!(archive.read(entries(3)).await.unwrap(), None);
    assert_eq!(archived.lists(), lists + 2, "one each");
    fill(&archived, [entries(1), entries(3)]).await;
    for n in 0..4 {
        assert!(archive.read(entries(n)).await.unwrap().is_some(), "{n}");
    }
}

#[tokio::test]
async fn a_list_is_believed_for_a_minute() {
    let archived = Archived::new().await;
    let archive = &archived.archive;
    fill(&archived, [entries(0), entries(1)]).await;
    archive.read(entries(0)).await.unwrap();
    archived.hide(entries(1)).await;
    archived.world.clock.advance(SignedDuration::from_secs(30));
    let read = archive.read(entries(1)).await.unwrap().unwrap();
    assert_eq!(read.tampering, None, "not seen yet");
    archived.world.clock.advance(SignedDuration::from_secs(30));
    let read = archive.read(entries(1)).await.unwrap().unwrap();
    assert_eq!(read.tampering, Some(Tampering::Hidden));
}

#[tokio::test]
async fn the_oldest_of_many_versions_is_found() {
    let archived = Archived::new().await;
    let archive = &archived.archive;
    archive.put_once(entries(1), b"first").await.unwrap();
    fill(&archived, [entries(0), entries(2)]).await;
    for _ in 0..40 {
        archived.overwrite(entries(1), b"other").await;
    }
    for n in [0, 2] {
        let read = archived.afresh().read(entries(n)).await.unwrap();
        assert_eq!(read, stored(entries(n).to_string().as_bytes()), "{n}");
    }
    let walking = archived.afresh();
    for n in 0..3 {
        let read = walking.read(entries(n)).await.unwrap().unwrap();
        let tampering = (n == 1).then_some(Tampering::Overwritten);
        assert_eq!(read.tampering, tampering, "{n}");
    }
    let error = archive.put_once(entries(1), b"other").await.unwrap_err();
    assert!(error.to_string().contains("holds other bytes"), "{error}");
    assert_eq!(archived.afresh().read(entries(1)).await.unwrap().unwrap().bytes, b"first");
}

#[tokio::test]
async fn keys_of_nobody_are_passed_over() {
    let archived = Archived::new().await;
    let archive = &archived.archive;
    archive.put_once(entries(1), b"first").await.unwrap();
    let bucket = archived.bucket(entries(1));
    for n in 0..40 {
        for key in
            [format!("tile/entries/00/~ {n}+%"), format!("tile/entries/000~é{n}"), format!("tile/entries/001{n}")]
        {
            archived.root.put_object().bucket(bucket).key(key).send().await.unwrap();
        }
    }
    assert_eq!(archived.afresh().read(entries(1)).await.unwrap(), stored(b"first"));
    assert_eq!(archived.afresh().read(entries(0)).await.unwrap(), None);
}
