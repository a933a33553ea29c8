//! What the lock keeps and what it doesn't, and what readers make of that.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode};
use halligan_engine::ports::{Archive as _, ArchiveError, LogReader as _, Stored, Tampering};
use halligan_log::{Object, Span};

use super::{Archived, entries, stored};

fn tampered(bytes: &[u8], tampering: Tampering) -> Option<Stored> {
    Some(Stored { bytes: bytes.to_vec(), tampering: Some(tampering) })
}

#[tokio::test]
async fn nobody_deletes_a_version_or_shortens_its_retention() {
    let archived = Archived::new().await;
    archived.archive.put_once(entries(0), b"first").await.unwrap();
    archived.archive.put_checkpoint(b"note").await.unwrap();
    let writer = archived.world.holding(&archived.world.accounts.log_writer).await;
    let writer = aws_sdk_s3::config::Builder::from(writer.sdk()).force_path_style(true).build();
    let writer = aws_sdk_s3::Client::from_conf(writer);
    for object in [entries(0), Object::Checkpoint] {
        let (bucket, key) = (archived.bucket(object), object.to_string());
        let version = archived.versions(object).await.remove(0);
        let kept = archived.root.get_object_retention().bucket(bucket).key(&key).send().await.unwrap();
        let until = *kept.retention().unwrap().retain_until_date().unwrap();
        for (who, s3) in [("the administrator", &archived.root), ("the writer", &writer)] {
            let delete = s3.delete_object().bucket(bucket).key(&key).version_id(&version);
            let refused = delete.bypass_governance_retention(true).send().await.unwrap_err();
            assert!(refused.into_service_error().to_string().contains("AccessDenied"), "{who} deletes {object}");
            let shorter = ObjectLockRetention::builder()
                .mode(ObjectLockRetentionMode::Compliance)
                .retain_until_date(DateTime::from_secs(until.secs() - 3_600))
                .build();
            let governance = ObjectLockRetention::builder()
                .mode(ObjectLockRetentionMode::Governance)
                .retain_until_date(until)
                .build();
            for weaker in [shorter, governance] {
                let put = s3.put_object_retention().bucket(bucket).key(&key).version_id(&version);
                let refused = put.retention(weaker).bypass_governance_retention(true).send().await.unwrap_err();
                assert!(refused.into_service_error().to_string().contains("AccessDenied"), "{who} weakens {object}");
            }
        }
        assert_eq!(archived.versions(object).await, [version]);
    }
}

enum Deed {
    Hide,
    Write(&'static [u8]),
}

#[tokio::test]
async fn the_original_is_read_and_what_was_done_to_it_is_named() {
    use Deed::{Hide, Write};
    let archived = Archived::new().await;
    let cases: [(&str, &[Deed], Option<Tampering>); 9] = [
        ("nothing", &[], None),
        ("hidden", &[Hide], Some(Tampering::Hidden)),
        ("hidden twice", &[Hide, Hide], Some(Tampering::Hidden)),
        ("written over", &[Write(b"other")], Some(Tampering::Overwritten)),
        ("written over by more", &[Write(b"another length")], Some(Tampering::Overwritten)),
        ("hidden and replaced", &[Hide, Write(b"other")], Some(Tampering::Overwritten)),
        ("replaced and hidden", &[Write(b"other"), Hide], Some(Tampering::Hidden)),
        ("written over and restored", &[Write(b"other"), Write(b"first")], Some(Tampering::Overwritten)),
        ("the same again", &[Write(b"first")], None),
    ];
    for (n, (name, deeds, tampering)) in (0..).zip(cases) {
        archived.archive.put_once(entries(n), b"first").await.unwrap();
        for deed in deeds {
            match deed {
                Hide => archived.hide(entries(n)).await,
                Write(bytes) => archived.overwrite(entries(n), bytes).await,
            }
        }
        let expected = Some(Stored { bytes: b"first".to_vec(), tampering });
        assert_eq!(archived.afresh().read(entries(n)).await.unwrap(), expected, "{name}");
        // With the whole list known.
        let walking = archived.afresh();
        walking.read(entries(0)).await.unwrap();
        assert_eq!(walking.read(entries(n)).await.unwrap(), expected, "{name}, from a list");
    }
}

#[tokio::test]
async fn behind_a_delete_marker_s3_admits_other_bytes_and_readers_do_not() {
    let archived = Archived::new().await;
    let archive = &archived.archive;
    archive.put_once(entries(0), b"first").await.unwrap();
    archived.hide(entries(0)).await;

    // What S3 lets through, and why readers don't go by what a plain GET finds.
    archive.put_once(entries(0), b"other").await.unwrap();
    let plain = archived.root.get_object().bucket(archived.bucket(entries(0))).key(entries(0).to_string());
    let plain = plain.send().await.unwrap().body.collect().await.unwrap().to_vec();
    assert_eq!(plain, b"other");
    let original = tampered(b"first", Tampering::Overwritten);
    assert_eq!(archive.read(entries(0)).await.unwrap(), original);

    // From now on the key is taken, by the original.
    archive.put_once(entries(0), b"first").await.unwrap();
    let error = archive.put_once(entries(0), b"other").await.unwrap_err();
    assert!(matches!(&error, ArchiveError::Taken { found, .. } if found == b"first"), "{error:?}");
    assert_eq!(archive.read(entries(0)).await.unwrap(), original);
}

#[tokio::test]
async fn a_delete_marker_before_the_first_version_hides_nothing() {
    let archived = Archived::new().await;
    archived.hide(entries(0)).await;
    assert_eq!(archived.archive.read(entries(0)).await.unwrap(), None);
    archived.archive.put_once(entries(0), b"first").await.unwrap();
    assert_eq!(archived.archive.read(entries(0)).await.unwrap(), stored(b"first"));
}

#[tokio::test]
async fn a_hidden_checkpoint_is_found() {
    let archived = Archived::new().await;
    let archive = &archived.archive;
    for note in [b"one", b"two"] {
        archive.put_checkpoint(note).await.unwrap();
    }
    for _ in 0..10 {
        archived.hide(Object::Checkpoint).await;
        assert_eq!(archive.read(Object::Checkpoint).await.unwrap(), tampered(b"two", Tampering::Hidden));
    }
    archive.put_checkpoint(b"new").await.unwrap();
    assert_eq!(archive.read(Object::Checkpoint).await.unwrap(), stored(b"new"), "the next one is on top");
}

#[tokio::test]
async fn personal_parts_can_be_erased() {
    let archived = Archived::new().await;
    let archive = &archived.archive;
    let personal = |n| Object::Personal(Span::full(n));
    for n in 0..3 {
        archive.put_once(personal(n), b"first").await.unwrap();
    }
    assert_eq!(archive.read(personal(2)).await.unwrap(), stored(b"first"));

    // A part of a bundle: put anew without it, then the version that has it is deleted.
    let first = archived.versions(personal(0)).await.remove(0);
    archived.overwrite(personal(0), b"less").await;
    assert_eq!(archived.afresh().read(personal(0)).await.unwrap(), tampered(b"first", Tampering::Overwritten));
    let delete = |version: String| {
        let bucket = archived.bucket(personal(0));
        archived.root.delete_object().bucket(bucket).key(personal(0).to_string()).version_id(version).send()
    };
    delete(first).await.unwrap();
    assert_eq!(archived.afresh().read(personal(0)).await.unwrap(), stored(b"less"));

    // A whole bundle, as its lifecycle does it: first a marker, a day later for good.
    archived.hide(personal(1)).await;
    assert_eq!(archived.afresh().read(personal(1)).await.unwrap(), None);

    // For good, while somebody still has it on a list.
    let version = archived.versions(personal(2)).await.remove(0);
    let delete = archived.root.delete_object().bucket(archived.bucket(personal(2))).key(personal(2).to_string());
    delete.version_id(version).send().await.unwrap();
    assert_eq!(archive.read(personal(2)).await.unwrap(), None);
}
