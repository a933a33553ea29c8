//! Lost answers, slow ones, refusals.

use std::time::{Duration, Instant};

use halligan_aws::AssumedRole;
use halligan_engine::ports::{Archive as _, ArchiveError, LogReader as _};
use halligan_log::Object;

use super::{Archived, entries, error, kind, settings, stored};
use crate::proxy::Trouble;
use crate::world::{World, deployment, limits};

const NOBODY: &str = "arn:aws:iam::333333333333:role/nobody";

#[tokio::test]
async fn a_put_whose_answer_is_lost_finds_its_own_bytes() {
    let archived = Archived::new().await;
    let (proxy, archive) = (&archived.world.proxy, &archived.archive);
    let cases = [
        ("the connection ends", Trouble::Reset),
        ("the answer breaks off", Trouble::Bytes(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec())),
        ("no answer comes", Trouble::Silence),
        ("the answer is slow", Trouble::Late(Duration::from_millis(300))),
        ("a failure", error(500, "InternalError")),
        ("a gateway's page", Trouble::Answer(502, "<html>".to_owned())),
        ("too many", error(503, "SlowDown")),
        ("another is writing", error(409, "ConditionalRequestConflict")),
        ("another is writing, in other words", error(409, "OperationAborted")),
    ];
    for (n, (name, trouble)) in (0..).zip(cases) {
        proxy.trouble("x-id=PutObject", 1, trouble.clone());
        archive.put_once(entries(n), b"bundle").await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(archive.read(entries(n)).await.unwrap(), stored(b"bundle"), "{name}");
        assert_eq!(archived.versions(entries(n)).await.len(), 1, "{name}");
        proxy.trouble("x-id=PutObject", 1, trouble);
        archive.put_checkpoint(b"note").await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    // Two publishers, and the answer to the first is lost: the second finds out.
    proxy.trouble("x-id=PutObject", usize::MAX, Trouble::Reset);
    let object = Object::Successor { size: 7, attempt: 0 };
    let lost = archive.put_once(object, b"one").await;
    assert!(lost.is_err(), "every answer is lost");
    proxy.peace();
    let taken = archived.afresh().put_once(object, b"two").await.unwrap_err();
    assert!(matches!(&taken, ArchiveError::Taken { found, .. } if found == b"one"), "{taken:?}");
    archive.put_once(object, b"one").await.unwrap();
}

#[tokio::test]
async fn each_failure_is_told_for_what_it_is_and_in_time() {
    let archived = Archived::new().await;
    let (proxy, archive) = (&archived.world.proxy, &archived.archive);
    archive.put_checkpoint(b"note").await.unwrap();
    archive.put_once(entries(0), b"bundle").await.unwrap();
    archive.read(entries(0)).await.unwrap();
    let cases = [
        ("no right, or another's bucket", error(403, "AccessDenied"), "refused"),
        ("no bucket", error(404, "NoSuchBucket"), "refused"),
        ("another Region's bucket", error(301, "PermanentRedirect"), "refused"),
        ("nothing to lock with", error(400, "InvalidRequest"), "refused"),
        ("throttling", error(503, "SlowDown"), "unavailable"),
        ("a failure", error(500, "InternalError"), "unavailable"),
        ("another is writing", error(409, "ConditionalRequestConflict"), "unavailable"),
        ("a gateway's page", Trouble::Answer(502, "<html>".to_owned()), "unavailable"),
        ("a wall's page", Trouble::Answer(403, "<html>".to_owned()), "unavailable"),
        ("nonsense", Trouble::Bytes(b"nonsense".to_vec()), "unavailable"),
        ("silence", Trouble::Silence, "unavailable"),
    ];
    for (name, trouble, expected) in cases {
        for call in ["PutObject", "GetObject", "ListObjectVersions"] {
            proxy.peace();
            let needle = if call == "ListObjectVersions" { "versions" } else { call };
            proxy.trouble(needle, usize::MAX, trouble.clone());
            let began = Instant::now();
            let error = match call {
                "PutObject" => archive.put_once(entries(1), b"bundle").await.unwrap_err(),
                "GetObject" => archive.read(Object::Checkpoint).await.unwrap_err(),
                _ => archive.read(entries(1)).await.unwrap_err(),
            };
            assert!(began.elapsed() < 2 * limits().operation, "{call}, {name}");
            assert_eq!(kind(&error), expected, "{call}, {name}: {error}");
            assert!(error.to_string().contains(call), "{call}, {name}: {error}");
        }
    }
    proxy.peace();
    assert_eq!(archive.read(entries(0)).await.unwrap(), stored(b"bundle"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let archived = Archived::new().await;
    let (proxy, archive) = (&archived.world.proxy, &archived.archive);
    let bytes = vec![7; 100_000];
    archive.put_once(entries(0), &bytes).await.unwrap();
    proxy.trouble("x-id=GetObject", 2, Trouble::Cut);
    assert_eq!(archive.read(entries(0)).await.unwrap(), stored(&bytes));
    proxy.trouble("x-id=GetObject", usize::MAX, Trouble::Cut);
    let error = archive.read(entries(0)).await.unwrap_err();
    assert!(kind(&error) == "unavailable" && error.to_string().contains("GetObject tile/entries/000"), "{error}");
    // A list that breaks off is no list, and bytes that aren't what their checksum says are none.
    let lie = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\
        x-amz-checksum-sha256: 2SmKENGwc1g33EvYXaxkGw887yekfl1TpU8vP1svz/o=\r\n\r\nwrong";
    for times in [2, usize::MAX] {
        proxy.peace();
        proxy.trouble("x-id=GetObject", times, Trouble::Bytes(lie.into()));
        let read = archive.read(entries(0)).await;
        assert_eq!(read.is_ok(), times == 2, "{read:?}");
    }
    proxy.peace();
    proxy.trouble("versions", usize::MAX, Trouble::Cut);
    assert_eq!(kind(&archived.afresh().read(entries(0)).await.unwrap_err()), "unavailable");
}

#[tokio::test]
async fn a_body_beyond_all_bounds_is_refused() {
    let archived = Archived::new().await;
    archived.overwrite(entries(0), &vec![0; 256 * (2 + 65_535) + 1]).await;
    let error = archived.archive.read(entries(0)).await.unwrap_err();
    insta::assert_snapshot!(error.to_string(), @"GetObject tile/entries/000: expected at most 16777472 bytes, found more");
    assert_eq!(kind(&error), "refused");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so() {
    let world = World::new().await;
    let with = |change: fn(&mut AssumedRole)| {
        let mut settings = settings(&world);
        change(&mut settings.writer);
        settings.reader.role.iter_mut().for_each(change);
        settings
    };
    let nobody = |role: &mut AssumedRole| role.arn = NOBODY.to_owned().try_into().unwrap();
    let stranger = |role: &mut AssumedRole| role.external_id = "another-external-id".to_owned();
    let cases = [("the external id", with(stranger)), ("no such role", with(nobody))];
    for (name, settings) in cases {
        let archive = world.aws.archive(&deployment(), settings);
        let errors = [
            archive.put_once(entries(0), b"bundle").await.unwrap_err(),
            archive.put_checkpoint(b"note").await.unwrap_err(),
            archive.read(entries(0)).await.unwrap_err(),
            archive.weaknesses().await.unwrap_err(),
        ];
        for error in errors {
            assert!(kind(&error) == "refused" && error.to_string().contains("AssumeRole"), "{name}: {error}");
        }
    }

    let mut elsewhere = settings(&world);
    elsewhere.reader.bucket = "halligan-elsewhere".to_owned();
    let elsewhere = world.aws.archive(&deployment(), elsewhere);
    for error in [
        elsewhere.put_once(entries(0), b"bundle").await.unwrap_err(),
        elsewhere.read(entries(0)).await.unwrap_err(),
        elsewhere.read(Object::Checkpoint).await.unwrap_err(),
        elsewhere.weaknesses().await.unwrap_err(),
    ] {
        assert_eq!(kind(&error), "refused", "another bucket: {error}");
    }
}

#[tokio::test]
async fn no_secret_is_repeated() {
    let archived = Archived::new().await;
    let echo = archived.world.echo();
    let trouble =
        Trouble::Answer(403, format!("<Error><Code>SignatureDoesNotMatch</Code><Message>{echo}</Message></Error>"));
    archived.world.proxy.trouble("/halligan-", usize::MAX, trouble);
    let error = archived.archive.put_once(entries(0), b"bundle").await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("SignatureDoesNotMatch"), "{shown}");
    archived.world.assert_untold(&shown);
}
