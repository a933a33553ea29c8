//! The archive on a bucket with Object Lock, whose administrator is the enemy.

mod lock;
mod trouble;
mod walk;
mod weakness;

use aws_sdk_s3::primitives::ByteStream;
use halligan_aws::provision::LOGGING_ACCOUNT_ID;
use halligan_aws::{ArchiveSettings, AssumedRole, ReaderSettings, S3Archive};
use halligan_core::catalogue::RoleArn;
use halligan_engine::ports::{Archive as _, ArchiveError, LogReader as _, Stored};
use halligan_log::{Object, Span};
use jiff::SignedDuration;

use crate::proxy::{Seen, Trouble};
use crate::world::{REGION, World, deployment};

pub struct Archived {
    pub world: World,
    pub archive: S3Archive,
    /// The root of the logging account, whom no bucket policy binds here: an
    /// administrator who has taken the policy away.
    pub root: aws_sdk_s3::Client,
}

impl Archived {
    pub async fn new() -> Self {
        let world = World::new().await;
        let archive = world.aws.archive(&deployment(), settings(&world));
        let root = world.accounts.root(LOGGING_ACCOUNT_ID);
        let root = aws_sdk_s3::config::Builder::from(&root).force_path_style(true).build();
        Self { archive, root: aws_sdk_s3::Client::from_conf(root), world }
    }

    /// As another replica, or later: with nothing remembered.
    pub fn afresh(&self) -> S3Archive {
        self.world.aws.archive(&deployment(), settings(&self.world))
    }

    pub fn bucket(&self, object: Object) -> &str {
        let accounts = &self.world.accounts;
        if object.is_personal() { &accounts.personal_archive } else { &accounts.archive }
    }

    pub async fn hide(&self, object: Object) {
        let hide = self.root.delete_object().bucket(self.bucket(object)).key(object.to_string());
        assert_eq!(hide.send().await.unwrap().delete_marker(), Some(true));
    }

    /// Over whatever is there.
    pub async fn overwrite(&self, object: Object, bytes: &[u8]) {
        let put = self.root.put_object().bucket(self.bucket(object)).key(object.to_string());
        put.body(ByteStream::from(bytes.to_vec())).send().await.unwrap();
    }

    /// The ids of all versions, newest first.
    pub async fn versions(&self, object: Object) -> Vec<String> {
        let list = self.root.list_object_versions().bucket(self.bucket(object)).prefix(object.to_string());
        let answer = list.send().await.unwrap();
        let key = object.to_string();
        let of_key = answer.versions().iter().filter(|version| version.key() == Some(&key));
        of_key.map(|version| version.version_id().unwrap().to_owned()).collect()
    }

    /// The requests to S3 so far.
    pub fn s3(&self) -> Vec<Seen> {
        self.world.proxy.seen("/halligan-")
    }

    pub fn lists(&self) -> usize {
        self.world.proxy.seen("versions").len()
    }
}

pub fn settings(world: &World) -> ArchiveSettings {
    let accounts = &world.accounts;
    let role = |arn: &String| AssumedRole {
        arn: RoleArn::try_from(arn.clone()).unwrap(),
        external_id: accounts.external_id.clone(),
    };
    ArchiveSettings {
        reader: ReaderSettings {
            name: "frankfurt".to_owned(),
            bucket: accounts.archive.clone(),
            personal_bucket: Some(accounts.personal_archive.clone()),
            region: REGION.to_owned(),
            account: Some(LOGGING_ACCOUNT_ID.to_owned()),
            role: Some(role(&accounts.log_reader)),
        },
        writer: role(&accounts.log_writer),
        retention_days: 1,
    }
}

pub fn entries(n: u64) -> Object {
    Object::Entries(Span::full(n))
}

pub fn stored(bytes: &[u8]) -> Option<Stored> {
    Some(Stored::untouched(bytes.to_vec()))
}

/// An error as S3 writes it.
pub fn error(status: u16, code: &str) -> Trouble {
    Trouble::Answer(status, format!("<Error><Code>{code}</Code><Message>no</Message></Error>"))
}

pub fn kind(error: &ArchiveError) -> &'static str {
    match error {
        ArchiveError::Unavailable(_) => "unavailable",
        ArchiveError::Refused(_) => "refused",
        ArchiveError::Taken { .. } => "taken",
    }
}

#[tokio::test]
async fn what_is_put_is_read() {
    let archived = Archived::new().await;
    let archive = &archived.archive;
    assert_eq!(archive.name(), "frankfurt");
    let every_byte: Vec<u8> = (0..=255).collect();
    let bundle = every_byte.repeat(5_000);
    let span = Span { n: 1_234_067, width: 12 };
    let objects = [
        (entries(0), &bundle),
        (Object::Entries(span), &every_byte),
        (Object::Personal(span), &every_byte),
        (Object::Hashes { level: 0, span }, &every_byte),
        (Object::Hashes { level: 2, span: Span { n: 0, width: 1 } }, &Vec::new()),
        (Object::Successor { size: 1_234_067, attempt: 3 }, &every_byte),
    ];
    for (object, bytes) in objects {
        assert_eq!(archive.read(object).await.unwrap(), None, "{object}");
        archive.put_once(object, bytes).await.unwrap();
        assert_eq!(archive.read(object).await.unwrap(), stored(bytes), "{object}");
        assert_eq!(archived.afresh().read(object).await.unwrap(), stored(bytes), "{object}, by somebody else");
    }
    let personal = archived.versions(Object::Personal(span)).await;
    assert_eq!(personal.len(), 1, "in a bucket of its own");
    let list = archived.root.list_objects_v2().bucket(&archived.world.accounts.archive).send().await.unwrap();
    assert_eq!(list.key_count(), Some(5));
}

#[tokio::test]
async fn only_the_checkpoint_is_replaced() {
    let archived = Archived::new().await;
    let archive = &archived.archive;
    assert_eq!(archive.read(Object::Checkpoint).await.unwrap(), None);
    for note in ["one", "two"] {
        archive.put_checkpoint(note.as_bytes()).await.unwrap();
        assert_eq!(archive.read(Object::Checkpoint).await.unwrap(), stored(note.as_bytes()));
    }
    assert_eq!(archived.versions(Object::Checkpoint).await.len(), 2);
    assert_eq!(kind(&archive.put_once(Object::Checkpoint, b"three").await.unwrap_err()), "refused");

    archive.put_once(entries(0), b"first").await.unwrap();
    archive.put_once(entries(0), b"first").await.unwrap();
    for other in [&b"other"[..], b"another length", b""] {
        let error = archive.put_once(entries(0), other).await.unwrap_err();
        assert!(
            matches!(&error, ArchiveError::Taken { object, found } if *object == entries(0) && found == b"first"),
            "{error:?}"
        );
    }
    assert_eq!(archive.read(entries(0)).await.unwrap(), stored(b"first"));
    assert_eq!(archived.versions(entries(0)).await.len(), 1);
}

#[tokio::test]
async fn each_call_says_whose_bucket_it_means_and_each_put_what_it_holds() {
    let archived = Archived::new().await;
    let archive = &archived.archive;
    archive.put_checkpoint(b"note").await.unwrap();
    archive.put_once(entries(0), b"bundle").await.unwrap();
    archive.put_once(entries(0), b"other").await.unwrap_err();
    for object in [Object::Checkpoint, entries(0), entries(1)] {
        archive.read(object).await.unwrap();
    }
    archive.weaknesses().await.unwrap();
    let header = |seen: &Seen, name: &str| seen.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    for seen in archived.s3() {
        let owner = header(&seen, "x-amz-expected-bucket-owner");
        assert_eq!(owner.as_deref(), Some(LOGGING_ACCOUNT_ID), "{}", seen.target);
    }
    let puts = archived.world.proxy.seen("x-id=PutObject");
    let told: Vec<_> = puts
        .iter()
        .map(|put| {
            let lock = put.headers.keys().any(|name| name.as_str().starts_with("x-amz-object-lock"));
            assert!(!lock, "retention is the bucket's");
            let condition = header(put, "if-none-match").unwrap_or_default();
            (put.target.as_str(), condition, header(put, "x-amz-checksum-sha256").unwrap())
        })
        .collect();
    insta::assert_debug_snapshot!(told, @r#"
    [
        (
            "/halligan-archive/checkpoint?x-id=PutObject",
            "",
            "7bRlYkKR5AU8bF6kt+syDex3PhClfSa5Xc8FZPjjEPg=",
        ),
        (
            "/halligan-archive/tile/entries/000?x-id=PutObject",
            "*",
            "Hm7WXXfWNk7q7Vp0W6XEmFritwDdhdfPfwJ73ylKM/w=",
        ),
        (
            "/halligan-archive/tile/entries/000?x-id=PutObject",
            "*",
            "2SmKENGwc1g33EvYXaxkGw887yekfl1TpU8vP1svz/o=",
        ),
    ]
    "#);
}

#[tokio::test]
async fn sessions_are_kept_and_renewed() {
    let archived = Archived::new().await;
    let (world, archive) = (&archived.world, &archived.archive);
    let assumed = || world.proxy.seen("Action=AssumeRole").len();
    for n in 0..3 {
        archive.put_once(entries(n), b"bundle").await.unwrap();
        archive.read(entries(n)).await.unwrap();
    }
    assert_eq!(assumed(), 2, "the writer's and the reader's");
    for code in ["ExpiredToken", "InvalidToken", "InvalidAccessKeyId"] {
        world.proxy.trouble("x-id=PutObject", 1, error(403, code));
        archive.put_checkpoint(b"note").await.unwrap();
    }
    assert_eq!(assumed(), 5, "what AWS has done with is replaced");
    world.clock.advance(SignedDuration::from_mins(14) + SignedDuration::from_secs(1));
    archive.put_once(entries(3), b"bundle").await.unwrap();
    assert_eq!(assumed(), 6, "and what nears its end");
}

#[tokio::test]
async fn the_archive_may_be_in_another_region() {
    let archived = Archived::new().await;
    let mut settings = settings(&archived.world);
    settings.reader.region = "eu-west-1".to_owned();
    let elsewhere = archived.world.aws.archive(&deployment(), settings);
    // What the stand-in makes of it is its own.
    let _ = elsewhere.put_checkpoint(b"note").await;
    let of_service = |needle: &str| {
        let seen = archived.world.proxy.seen(needle).pop().unwrap();
        seen.headers["authorization"].to_str().unwrap().to_owned()
    };
    assert!(of_service("x-id=PutObject").contains("/eu-west-1/s3/"));
    assert!(of_service("Action=AssumeRole").contains(&format!("/{REGION}/sts/")));
}

#[tokio::test]
async fn whoever_reads_may_have_credentials_of_their_own() {
    let archived = Archived::new().await;
    archived.archive.put_once(entries(0), b"bundle").await.unwrap();
    archived.archive.put_once(Object::Personal(Span::full(0)), b"personal").await.unwrap();
    let auditor = archived.world.holding(&archived.world.accounts.log_reader).await;
    let reader =
        ReaderSettings { role: None, account: None, personal_bucket: None, ..settings(&archived.world).reader };
    let reader = auditor.log_reader(&deployment(), reader);
    let before = archived.world.proxy.seen("Action=AssumeRole").len();
    assert_eq!(reader.read(entries(0)).await.unwrap(), stored(b"bundle"));
    assert_eq!(reader.read(Object::Personal(Span::full(0))).await.unwrap(), None, "it reads without them");
    assert_eq!(archived.world.proxy.seen("Action=AssumeRole").len(), before);
}
