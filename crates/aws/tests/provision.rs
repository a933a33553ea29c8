//! The documents of `deploy/aws/` in effect: who may do what, asked of a stand-in
//! of AWS with each role's own credentials.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../../../tests/support/stand_in.rs"]
mod stand_in;

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::PathBuf;

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use aws_sdk_kms::types::SigningAlgorithmSpec;
use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::types::Tag;
use halligan_aws::StaticCredentials;
use halligan_aws::provision::{
    self, Accounts, BROKER_ACCOUNT_ID as BROKER_ACCOUNT, LOGGING_ACCOUNT, LOGGING_ACCOUNT_ID as LOGGING, Plan,
    ProvisionError, TARGET_ACCOUNT_ID as TARGET,
};
use halligan_core::text::with_causes;
use serde_json::json;

use crate::stand_in::StandIn;

const EXTERNAL_ID: &str = "an-external-id-of-the-tests";
const ARCHIVE: &str = "halligan-archive";
const PERSONAL: &str = "halligan-personal";
const GRANT: &str = "halligan:grant";
const INCIDENT: &str = "halligan:incident";

fn parameters(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What the logging account's template can't do without.
const REQUIRED: [(&str, &str); 4] = [
    ("BucketName", ARCHIVE),
    ("PersonalBucketName", PERSONAL),
    ("BrokerRoleArn", "arn:aws:iam::111111111111:role/halligan-broker"),
    ("ExternalId", EXTERNAL_ID),
];

fn role_arn(account: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:role/{name}")
}

/// Everything deployed, as the manual says and in its order.
struct World {
    accounts: Accounts,
    broker: SdkConfig,
    _stand_in: StandIn,
}

impl World {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With parameters of the target account's own.
    async fn with(target: &[(&str, &str)]) -> Self {
        let stand_in = StandIn::start().await;
        let plan = Plan {
            region: "us-east-1".to_owned(),
            external_id: EXTERNAL_ID.to_owned(),
            target: parameters(target),
            ..Plan::default()
        };
        let accounts = match provision::stand_in(&stand_in.url(), &plan).await {
            Ok(accounts) => accounts,
            Err(error) => panic!("{}", with_causes(&error)),
        };
        let broker = accounts.sdk(&accounts.become_broker().await.unwrap());
        Self { accounts, broker, _stand_in: stand_in }
    }

    /// The configuration of a session that the broker opens.
    async fn session(&self, entry: &Entry) -> SdkConfig {
        self.accounts.sdk(&entry.enter(&self.broker).await.unwrap())
    }
}

/// One AssumeRole.
#[derive(Clone)]
struct Entry {
    role: String,
    external_id: Option<String>,
    tags: Vec<(&'static str, &'static str)>,
    source_identity: Option<&'static str>,
    policy: Option<String>,
}

impl Entry {
    fn of(role: &str) -> Self {
        Self { role: role.to_owned(), external_id: None, tags: vec![], source_identity: None, policy: None }
    }

    fn with_external_id(role: &str) -> Self {
        Self { external_id: Some(EXTERNAL_ID.to_owned()), ..Self::of(role) }
    }

    /// As the broker mints.
    fn break_glass(grant: &'static str) -> Self {
        Self {
            tags: vec![(GRANT, grant), (INCIDENT, "INC-1")],
            source_identity: Some("alice-0123456789ab"),
            ..Self::with_external_id(&role_arn(TARGET, "halligan-break-glass"))
        }
    }

    async fn enter(&self, sdk: &SdkConfig) -> Result<StaticCredentials, String> {
        let tag = |&(key, value): &(&str, &str)| Tag::builder().key(key).value(value).build().unwrap();
        let keys = self.tags.iter().map(|&(key, _)| key.to_owned()).collect();
        let answer = aws_sdk_sts::Client::new(sdk)
            .assume_role()
            .role_arn(&self.role)
            .role_session_name("the-tests")
            .set_external_id(self.external_id.clone())
            .set_source_identity(self.source_identity.map(str::to_owned))
            .set_tags(Some(self.tags.iter().map(tag).collect()))
            .set_transitive_tag_keys(Some(keys))
            .set_policy(self.policy.clone())
            .send()
            .await
            .map_err(|error| verdict(&error).to_owned())?;
        let found = answer.credentials().unwrap();
        Ok(StaticCredentials {
            access_key_id: found.access_key_id().to_owned(),
            secret_access_key: found.secret_access_key().to_owned().into(),
            session_token: Some(found.session_token().to_owned().into()),
        })
    }
}

/// `denied` and `denied explicitly` are what IAM says; anything else is the error's code.
fn verdict<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> &str {
    let message = error.message().unwrap_or_default();
    match error.code() {
        Some("AccessDenied" | "AccessDeniedException") if message.contains("explicit deny") => "denied explicitly",
        Some("AccessDenied" | "AccessDeniedException") => "denied",
        Some(code) => code,
        None => "no answer",
    }
}

async fn outcome<T, E, R, F>(call: F) -> String
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E, R>>>,
{
    match call.await {
        Ok(_) => "allowed".to_owned(),
        Err(error) => verdict(&error).to_owned(),
    }
}

/// A table of calls and what they come to, each row with its name for the failure.
macro_rules! expect {
    ($($name:literal: $call:expr => $verdict:literal;)+) => {
        $(assert_eq!(outcome($call).await, $verdict, $name);)+
    };
}

fn s3(sdk: &SdkConfig) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(sdk).force_path_style(true).build())
}

fn iam(sdk: &SdkConfig) -> aws_sdk_iam::Client {
    aws_sdk_iam::Client::new(sdk)
}

const ALLOW_ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

#[tokio::test]
async fn a_break_glass_role_is_entered_with_all_that_the_trust_policy_demands() {
    let world = World::new().await;
    let full = Entry::break_glass("g1");
    let incident_only = vec![(INCIDENT, "INC-1")];
    let foreign_tag = vec![(GRANT, "g1"), ("team", "sre")];
    let refused = [
        ("no external id", Entry { external_id: None, ..full.clone() }),
        ("another external id", Entry { external_id: Some("another-external-id".to_owned()), ..full.clone() }),
        ("no tags", Entry { tags: vec![], ..full.clone() }),
        ("no grant", Entry { tags: incident_only, ..full.clone() }),
        ("a foreign tag", Entry { tags: foreign_tag, ..full.clone() }),
    ];
    full.enter(&world.broker).await.unwrap();
    for (name, entry) in refused {
        assert_eq!(entry.enter(&world.broker).await.unwrap_err(), "denied", "{name}");
    }
    let another = world.accounts.root(BROKER_ACCOUNT);
    assert_eq!(full.enter(&another).await.unwrap_err(), "denied", "not the broker's role");

    // The gaps of the stand-in: on AWS this is refused, see docs/aws-verification.md.
    Entry { source_identity: None, ..full }.enter(&world.broker).await.unwrap();
}

#[tokio::test]
async fn a_session_policy_narrows_and_an_explicit_deny_in_it_is_final() {
    let world = World::new().await;
    let policy = |time: &str| {
        let fence = json!({"Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": {"DateGreaterThanEquals": {"aws:CurrentTime": time}}});
        let scope = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        Some(json!({"Version": "2012-10-17", "Statement": [scope, fence]}).to_string())
    };
    let before = world.session(&Entry { policy: policy("2100-01-01T00:00:00Z"), ..Entry::break_glass("g1") }).await;
    let after = world.session(&Entry { policy: policy("2000-01-01T00:00:00Z"), ..Entry::break_glass("g1") }).await;
    expect! {
        "in scope": s3(&before).list_buckets().send() => "allowed";
        "out of scope": iam(&before).list_users().send() => "denied";
        "past the fence": s3(&after).list_buckets().send() => "denied explicitly";
    }
}

#[tokio::test]
async fn a_session_can_neither_free_itself_nor_get_lasting_access() {
    let world = World::new().await;
    let sdk = world.session(&Entry::break_glass("g1")).await;
    let (iam, sts) = (iam(&sdk), aws_sdk_sts::Client::new(&sdk));
    let boundary = format!("arn:aws:iam::{TARGET}:policy/halligan-boundary");
    let own = "halligan-break-glass";
    expect! {
        "its work": s3(&sdk).create_bucket().bucket("alice-bucket").send() => "allowed";
        "reading IAM": iam.get_role().role_name(own).send() => "allowed";
        "a user": iam.create_user().user_name("stranger").send() => "denied";
        "a key": iam.create_access_key().user_name("stranger").send() => "denied";
        "a role": iam.create_role().role_name("x").assume_role_policy_document("{}").send() => "denied";
        "a provider": iam.create_saml_provider().name("x").saml_metadata_document("x").send() => "denied";
        "its own policies": iam.put_role_policy().role_name(own).policy_name("p").policy_document(ALLOW_ALL).send() => "denied explicitly";
        "the deny on itself": iam.delete_role_policy().role_name(own).policy_name("p").send() => "denied explicitly";
        "its boundary": iam.delete_role_permissions_boundary().role_name(own).send() => "denied explicitly";
        "its trust": iam.update_assume_role_policy().role_name(own).policy_document("{}").send() => "denied explicitly";
        "its managed policies": iam.attach_role_policy().role_name(own).policy_arn(&boundary).send() => "denied explicitly";
        "the boundary's document": iam.create_policy_version().policy_arn(&boundary).policy_document(ALLOW_ALL).set_as_default(true).send() => "denied explicitly";
        "the revoker": iam.delete_role_policy().role_name("halligan-revoker").policy_name("revoke").send() => "denied explicitly";
        "a federation token": sts.get_federation_token().name("stranger").send() => "denied explicitly";
        "who am I": sts.get_caller_identity().send() => "allowed";
    }
    for role in ["halligan-revoker", "halligan-break-glass", "any"] {
        let chain = Entry { tags: vec![], ..Entry::with_external_id(&role_arn(TARGET, role)) };
        assert!(chain.enter(&sdk).await.unwrap_err().starts_with("denied"), "chaining to {role}");
    }
}

#[tokio::test]
async fn the_lists_of_the_target_account_give_back_what_they_name_and_no_more() {
    let world = World::with(&[
        ("AllowedIamWrites", "iam:CreateUser,iam:PutRolePolicy"),
        ("ChainableRoleArns", &role_arn(TARGET, "listed")),
        ("ProtectedArns", "arn:aws:s3:::trail*"),
    ])
    .await;
    let root = world.accounts.root(TARGET);
    let anyone = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}});
    for role in ["listed", "unlisted"] {
        iam(&root).create_role().role_name(role).assume_role_policy_document(anyone.to_string()).send().await.unwrap();
    }
    s3(&root).create_bucket().bucket("trail-1").send().await.unwrap();

    let sdk = world.session(&Entry::break_glass("g1")).await;
    let iam = iam(&sdk);
    let put = |role: &str| iam.put_role_policy().role_name(role).policy_name("p").policy_document(ALLOW_ALL).send();
    expect! {
        "listed write": iam.create_user().user_name("carol").send() => "allowed";
        "another write": iam.delete_user().user_name("carol").send() => "denied";
        "listed write, any role": put("unlisted") => "allowed";
        "listed write, a guard": put("halligan-revoker") => "denied explicitly";
        "the trail's bucket": s3(&sdk).put_object().bucket("trail-1").key("k").send() => "denied explicitly";
        "reading the trail": s3(&sdk).list_objects_v2().bucket("trail-1").send() => "allowed";
    }
    Entry::of(&role_arn(TARGET, "listed")).enter(&sdk).await.unwrap();
    assert_eq!(Entry::of(&role_arn(TARGET, "unlisted")).enter(&sdk).await.unwrap_err(), "denied explicitly");
}

#[tokio::test]
async fn without_a_grant_the_role_is_useless() {
    let world = World::new().await;
    let root = world.accounts.root(TARGET);
    // Somebody with IAM rights opens another way into the role.
    let anyone = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}});
    let role = "halligan-break-glass";
    iam(&root).update_assume_role_policy().role_name(role).policy_document(anyone.to_string()).send().await.unwrap();
    let sdk = world.accounts.sdk(&Entry::of(&role_arn(TARGET, role)).enter(&root).await.unwrap());
    expect! {
        "S3": s3(&sdk).list_buckets().send() => "denied explicitly";
        "IAM": iam(&sdk).get_role().role_name(role).send() => "denied explicitly";
        "CloudFormation": aws_sdk_cloudformation::Client::new(&sdk).list_stacks().send() => "denied explicitly";
        "who am I, which nothing can deny": aws_sdk_sts::Client::new(&sdk).get_caller_identity().send() => "allowed";
    }
}

#[tokio::test]
async fn the_revoker_ends_one_grant_and_reaches_no_other_role() {
    let world = World::new().await;
    let root = world.accounts.root(TARGET);
    iam(&root).create_role().role_name("other").assume_role_policy_document("{}").send().await.unwrap();
    let revoker = role_arn(TARGET, "halligan-revoker");
    assert_eq!(Entry::of(&revoker).enter(&world.broker).await.unwrap_err(), "denied", "no external id");

    let ended = world.session(&Entry::break_glass("g1")).await;
    let stays = world.session(&Entry::break_glass("g2")).await;
    let sdk = world.session(&Entry::with_external_id(&revoker)).await;
    let deny = json!({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalTag/halligan:grant": ["g1"]}}}})
    .to_string();
    let revoker = iam(&sdk);
    let put = |role: &str| revoker.put_role_policy().role_name(role).policy_name("r").policy_document(&deny).send();
    let role = "halligan-break-glass";
    let boundary = format!("arn:aws:iam::{TARGET}:policy/halligan-boundary");
    expect! {
        "before": s3(&ended).list_buckets().send() => "allowed";
        "the deny": put(role) => "allowed";
        "after": s3(&ended).list_buckets().send() => "denied explicitly";
        "another grant": s3(&stays).list_buckets().send() => "allowed";
        "reading it back": revoker.get_role_policy().role_name(role).policy_name("r").send() => "allowed";
        "looking for foreign ones": revoker.list_role_policies().role_name(role).send() => "allowed";
        "reading the role": revoker.get_role().role_name(role).send() => "allowed";
        "reading the boundary": revoker.get_policy().policy_arn(&boundary).send() => "allowed";
        "another role": put("other") => "denied";
        "the role's trust": revoker.update_assume_role_policy().role_name(role).policy_document("{}").send() => "denied";
        "the role's boundary": revoker.delete_role_permissions_boundary().role_name(role).send() => "denied";
        "a user": revoker.create_user().user_name("stranger").send() => "denied";
        "anything else": s3(&sdk).list_buckets().send() => "denied";
        "taking it back": revoker.delete_role_policy().role_name(role).policy_name("r").send() => "allowed";
    }
}

#[tokio::test]
async fn the_archive_is_written_once_and_gives_nothing_up() {
    let world = World::new().await;
    let writer = s3(&world.session(&Entry::with_external_id(&role_arn(LOGGING, "halligan-log-writer"))).await);
    let reader = s3(&world.session(&Entry::with_external_id(&role_arn(LOGGING, "halligan-log-reader"))).await);
    let put = |key: &str| writer.put_object().bucket(ARCHIVE).key(key).body(b"x".to_vec().into());
    let later = aws_sdk_s3::primitives::DateTime::from_secs(4_102_444_800);
    let retention =
        ObjectLockRetention::builder().mode(ObjectLockRetentionMode::Compliance).retain_until_date(later).build();
    expect! {
        "an entry": put("tile/0/000").if_none_match("*").send() => "allowed";
        "the entry again": put("tile/0/000").if_none_match("*").send() => "PreconditionFailed";
        "the checkpoint": put("checkpoint").send() => "allowed";
        "the next checkpoint": put("checkpoint").send() => "allowed";
        "the writer reads": writer.get_object().bucket(ARCHIVE).key("checkpoint").send() => "denied";
        "the writer lists": writer.list_objects_v2().bucket(ARCHIVE).send() => "denied";
        "the writer sets retention": writer.put_object_retention().bucket(ARCHIVE).key("checkpoint").retention(retention).send() => "denied";
        "the writer deletes": writer.delete_object().bucket(ARCHIVE).key("checkpoint").send() => "denied explicitly";
        "the reader reads": reader.get_object().bucket(ARCHIVE).key("checkpoint").send() => "allowed";
        "the reader reads the lock": reader.get_object_lock_configuration().bucket(ARCHIVE).send() => "allowed";
        "the reader puts": reader.put_object().bucket(ARCHIVE).key("k").if_none_match("*").send() => "denied";
        "the reader deletes": reader.delete_object().bucket(ARCHIVE).key("checkpoint").send() => "denied explicitly";
    }
    let versions = reader.list_object_versions().bucket(ARCHIVE).send().await.unwrap();
    let versions = versions.versions();
    assert_eq!(versions.iter().filter(|version| version.key() == Some("checkpoint")).count(), 2);
    let kept = reader.get_object_retention().bucket(ARCHIVE).key("tile/0/000").send().await.unwrap();
    assert_eq!(kept.retention().unwrap().mode(), Some(&ObjectLockRetentionMode::Compliance));

    // An administrator of the logging account; and its root, whom bucket policies don't bind.
    let root = world.accounts.root(LOGGING);
    let admin = administrator(&world, &root).await;
    let version = versions[0].version_id().unwrap();
    let key = versions[0].key().unwrap();
    expect! {
        "an administrator hiding it": s3(&admin).delete_object().bucket(ARCHIVE).key(key).send() => "denied explicitly";
        "an administrator deleting it": s3(&admin).delete_object().bucket(ARCHIVE).key(key).version_id(version).send() => "denied explicitly";
        "root deleting it": s3(&root).delete_object().bucket(ARCHIVE).key(key).version_id(version).send() => "denied";
    }
    let session = world.session(&Entry::break_glass("g1")).await;
    expect! {
        "a break-glass session": s3(&session).put_object().bucket(ARCHIVE).key("k").if_none_match("*").send() => "denied";
    }
}

#[tokio::test]
async fn personal_parts_are_the_erasers_to_erase_and_nobody_elses() {
    let world = World::new().await;
    let root = world.accounts.root(LOGGING);
    let writer = s3(&world.session(&Entry::with_external_id(&world.accounts.log_writer)).await);
    let reader = s3(&world.session(&Entry::with_external_id(&world.accounts.log_reader)).await);
    let eraser = s3(&world.accounts.sdk(&Entry::of(&world.accounts.log_eraser).enter(&root).await.unwrap()));
    let admin = s3(&administrator(&world, &root).await);
    let refused = Entry::of(&world.accounts.log_eraser).enter(&world.broker).await.unwrap_err();
    assert_eq!(refused, "denied", "the broker erases nothing");

    let key = "personal/000";
    let put = |s3: &aws_sdk_s3::Client| s3.put_object().bucket(PERSONAL).key(key).body(b"x".to_vec().into());
    expect! {
        "the writer": put(&writer).if_none_match("*").send() => "allowed";
        "the writer again": put(&writer).if_none_match("*").send() => "PreconditionFailed";
        "the writer reads": writer.get_object().bucket(PERSONAL).key(key).send() => "denied";
        "the writer deletes": writer.delete_object().bucket(PERSONAL).key(key).send() => "denied explicitly";
        "the reader reads": reader.get_object().bucket(PERSONAL).key(key).send() => "allowed";
        "the reader looks at the retention": reader.get_bucket_lifecycle_configuration().bucket(PERSONAL).send() => "allowed";
        "the reader puts": put(&reader).if_none_match("*").send() => "denied";
        "the reader deletes": reader.delete_object().bucket(PERSONAL).key(key).send() => "denied explicitly";
        "an administrator deletes": admin.delete_object().bucket(PERSONAL).key(key).send() => "denied explicitly";
        "the eraser puts the bundle anew": put(&eraser).send() => "allowed";
        "the eraser, in the archive": eraser.put_object().bucket(ARCHIVE).key("k").if_none_match("*").send() => "denied";
        "the eraser reads the archive": eraser.get_object().bucket(ARCHIVE).key("checkpoint").send() => "denied";
    }
    let versions = reader.list_object_versions().bucket(PERSONAL).send().await.unwrap();
    let first = versions.versions().iter().find(|version| version.is_latest() == Some(false)).unwrap();
    let first = first.version_id().unwrap();
    expect! {
        "an administrator deletes what was erased": admin.delete_object().bucket(PERSONAL).key(key).version_id(first).send() => "denied explicitly";
        "the eraser does": eraser.delete_object().bucket(PERSONAL).key(key).version_id(first).send() => "allowed";
    }
    let versions = reader.list_object_versions().bucket(PERSONAL).send().await.unwrap();
    assert_eq!(versions.versions().len(), 1, "nothing holds it any more");
}

#[tokio::test]
async fn the_log_group_takes_events_of_the_writer_alone() {
    let world = World::new().await;
    let logs =
        async |role: &str| aws_sdk_cloudwatchlogs::Client::new(&world.session(&Entry::with_external_id(role)).await);
    let (writer, reader) = (logs(&world.accounts.log_writer).await, logs(&world.accounts.log_reader).await);
    let group = world.accounts.log_group.as_str();
    let event = InputLogEvent::builder().timestamp(1_772_000_000_000).message("x").build().unwrap();
    let put = |logs: &aws_sdk_cloudwatchlogs::Client, group: &str| {
        logs.put_log_events().log_group_name(group).log_stream_name("s").log_events(event.clone()).send()
    };
    expect! {
        "a stream": writer.create_log_stream().log_group_name(group).log_stream_name("s").send() => "allowed";
        "an event": put(&writer, group) => "allowed";
        "in another group": put(&writer, "other") => "denied";
        "another group": writer.create_log_group().log_group_name("other").send() => "denied";
        "the writer reads": writer.get_log_events().log_group_name(group).log_stream_name("s").send() => "denied";
        "the writer deletes": writer.delete_log_stream().log_group_name(group).log_stream_name("s").send() => "denied";
        "the writer shortens": writer.put_retention_policy().log_group_name(group).retention_in_days(1).send() => "denied";
        "the reader writes": put(&reader, group) => "denied";
    }
}

#[tokio::test]
async fn the_key_signs_for_the_signer_alone() {
    let world = World::new().await;
    let key = world.accounts.log_key.as_str();
    assert!(key.starts_with(&format!("arn:aws:kms:us-east-1:{LOGGING}:key/")), "{key}");
    let signer = world.session(&Entry::with_external_id(&world.accounts.log_signer)).await;
    let reader = world.session(&Entry::with_external_id(&world.accounts.log_reader)).await;
    let admin = administrator(&world, &world.accounts.root(LOGGING)).await;
    let [signer, reader, admin] = [&signer, &reader, &admin].map(aws_sdk_kms::Client::new);
    let sign = |kms: &aws_sdk_kms::Client| {
        let algorithm = SigningAlgorithmSpec::Ed25519Sha512;
        kms.sign().key_id(key).signing_algorithm(algorithm).message(b"x".to_vec().into()).send()
    };
    expect! {
        "the public key": signer.get_public_key().key_id(key).send() => "allowed";
        "a signature": sign(&signer) => "allowed";
        "the signer deletes": signer.schedule_key_deletion().key_id(key).send() => "denied";
        "the reader signs": sign(&reader) => "denied";
        "an administrator signs": sign(&admin) => "denied";
        "an administrator looks": admin.describe_key().key_id(key).send() => "allowed";
    }
}

#[tokio::test]
async fn the_revoker_sees_the_trail_and_leaves_it_alone() {
    let world = World::new().await;
    let session = world.session(&Entry::with_external_id(&world.accounts.revoker)).await;
    let trails = aws_sdk_cloudtrail::Client::new(&session);
    let name = world.accounts.trail.as_str();
    expect! {
        "the trails": trails.describe_trails().send() => "allowed";
        "its status": trails.get_trail_status().name(name).send() => "allowed";
        "its events": trails.get_event_selectors().trail_name(name).send() => "allowed";
        "stopping it": trails.stop_logging().name(name).send() => "denied";
        "deleting it": trails.delete_trail().name(name).send() => "denied";
        "what it recorded": trails.lookup_events().send() => "denied";
    }
    let reader = s3(&world.session(&Entry::with_external_id(&world.accounts.log_reader)).await);
    let bucket = world.accounts.trail_archive.as_str();
    expect! {
        "its bucket's lock": reader.get_object_lock_configuration().bucket(bucket).send() => "allowed";
        "its bucket's objects": reader.list_objects_v2().bucket(bucket).send() => "denied";
    }
}

#[tokio::test]
async fn what_is_optional_is_left_out() {
    let stand_in = StandIn::start().await;
    let accounts = Accounts::planned(&stand_in.url(), &Plan::default());
    // A trust policy names only what exists.
    iam(&accounts.root(BROKER_ACCOUNT))
        .create_role()
        .role_name("halligan-broker")
        .assume_role_policy_document("{}")
        .send()
        .await
        .unwrap();
    let root = accounts.root(LOGGING);
    let outputs = provision::deploy(&root, "s", LOGGING_ACCOUNT, &parameters(&REQUIRED)).await.unwrap();
    let outputs: Vec<_> = outputs.keys().map(String::as_str).collect();
    assert_eq!(outputs, ["BucketName", "LogGroupName", "LogReaderRoleArn", "LogWriterRoleArn", "PersonalBucketName"]);
    let admin = s3(&root);
    let lifecycle = admin.get_bucket_lifecycle_configuration().bucket(PERSONAL).send().await.unwrap();
    assert_eq!(lifecycle.rules()[0].expiration().unwrap().days(), Some(400), "the default");
    let roles = iam(&root).list_roles().send().await.unwrap();
    let roles: Vec<_> = roles.roles().iter().map(|role| role.role_name()).collect();
    assert_eq!(roles, ["halligan-log-reader", "halligan-log-writer"]);
}

async fn administrator(world: &World, root: &SdkConfig) -> SdkConfig {
    let iam = iam(root);
    iam.create_user().user_name("carol").send().await.unwrap();
    iam.put_user_policy().user_name("carol").policy_name("all").policy_document(ALLOW_ALL).send().await.unwrap();
    let key = iam.create_access_key().user_name("carol").send().await.unwrap();
    let key = key.access_key().unwrap();
    world.accounts.sdk(&StaticCredentials {
        access_key_id: key.access_key_id().to_owned(),
        secret_access_key: key.secret_access_key().to_owned().into(),
        session_token: None,
    })
}

#[tokio::test]
async fn the_broker_may_assume_its_roles_and_nothing_else() {
    let world = World::new().await;
    let root = world.accounts.root(TARGET);
    let trust = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": role_arn(BROKER_ACCOUNT, "halligan-broker")}}});
    iam(&root).create_role().role_name("other").assume_role_policy_document(trust.to_string()).send().await.unwrap();
    let other = Entry::of(&role_arn(TARGET, "other"));
    assert_eq!(other.enter(&world.broker).await.unwrap_err(), "denied", "a role that trusts it but isn't listed");
    let revoker = Entry { tags: vec![(GRANT, "g1")], ..Entry::with_external_id(&role_arn(TARGET, "halligan-revoker")) };
    assert_eq!(revoker.enter(&world.broker).await.unwrap_err(), "denied", "tags where none belong");
    expect! {
        "S3": s3(&world.broker).list_buckets().send() => "denied";
        "IAM": iam(&world.broker).list_roles().send() => "denied";
    }
}

#[tokio::test]
async fn what_goes_wrong_is_named() {
    let stand_in = StandIn::start().await;
    let sdk = Accounts::planned(&stand_in.url(), &Plan::default()).root(LOGGING);
    let attempt = async |sdk: &SdkConfig, stack: &str, template: &str, given: &[(&str, &str)]| {
        let error = provision::deploy(sdk, stack, template, &parameters(given)).await.unwrap_err();
        (with_causes(&error), error)
    };

    let mut without_endpoint = sdk.to_builder();
    without_endpoint.set_endpoint_url(None);
    let (_, error) = attempt(&without_endpoint.build(), "s", LOGGING_ACCOUNT, &REQUIRED).await;
    assert!(matches!(error, ProvisionError::NotAStandIn));

    let (text, _) = attempt(&sdk, "s", LOGGING_ACCOUNT, &[&REQUIRED[..], &[("Bucket", "x")]].concat()).await;
    assert_eq!(text, "parameter `Bucket`: the template has none of this name");

    let (text, _) = attempt(&sdk, "s", LOGGING_ACCOUNT, &REQUIRED[..3]).await;
    assert_eq!(text, "parameter `ExternalId`: expected a value, it has no default");

    let (text, _) = attempt(&sdk, "s", LOGGING_ACCOUNT, &[&REQUIRED[..3], &[("ExternalId", "short")]].concat()).await;
    assert!(text.starts_with("cloudformation:CreateStack failed: ") && text.contains("ExternalId"), "{text}");

    let owned = LOGGING_ACCOUNT.replace("BucketOwnerEnforced", "ObjectWriter");
    let (text, _) = attempt(&sdk, "owned", &owned, &REQUIRED).await;
    assert_eq!(
        text,
        r#"Archive: OwnershipControls is not in effect, expected {"Rules":[{"ObjectOwnership":"ObjectWriter"}]}, found {"Rules":[{"ObjectOwnership":"BucketOwnerEnforced"}]}"#
    );

    let encrypted = LOGGING_ACCOUNT
        .replace("      ObjectLockEnabled: true", "      ObjectLockEnabled: true\n      BucketEncryption: {}");
    let other = [
        ("BucketName", "another"),
        ("PersonalBucketName", "more"),
        ("LogGroupName", "third"),
        REQUIRED[2],
        REQUIRED[3],
    ];
    let (text, _) = attempt(&sdk, "encrypted", &encrypted, &other).await;
    assert!(text.contains("BucketEncryption"), "{text}");
}

/// The directory of the templates, from this crate's own.
fn deployment() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/aws")
}

#[test]
fn the_manual_gives_parameters_that_the_templates_have() {
    let manual = fs::read_to_string(deployment().join("README.md")).unwrap();
    let commands: Vec<_> = manual.split("--template-file ").skip(1).collect();
    assert_eq!(commands.len(), 5);
    for command in commands {
        // Up to the next command or the end of the block.
        let command = command.split("\n\n").next().unwrap().split("aws cloudformation").next().unwrap();
        let (file, arguments) = command.split_once(' ').unwrap();
        let template = fs::read_to_string(deployment().join(file)).unwrap();
        let given: Vec<_> = arguments.split_whitespace().filter_map(|word| word.split_once('=')).collect();
        assert!(given.len() >= 3, "{file}: {given:?}");
        for (name, _) in given {
            assert!(template.contains(&format!("\n  {name}:\n    Type: ")), "{file} has no parameter {name}");
        }
    }
}
