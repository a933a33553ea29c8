//! Whether the target account is recorded, and the record is kept.
//!
//! The stand-in keeps trails, but delivers nothing and passes over the owner that
//! a call to S3 expects: what comes of those is answered by the proxy.

use aws_sdk_cloudtrail::types::{EventSelector, ReadWriteType};
use aws_sdk_s3::types::{
    CreateBucketConfiguration, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule,
};
use halligan_aws::provision::{LOGGING_ACCOUNT_ID, TARGET_ACCOUNT_ID};
use halligan_aws::{AssumedRole, CloudTrails, TrailsSettings};
use halligan_core::catalogue::{Role, RoleArn};
use halligan_engine::ports::Trails as _;
use serde_json::{Value, json};

use crate::proxy::Trouble;
use crate::world::{REGION, World, deployment};

/// In the body of the call and of no other.
const DESCRIBE: &str = "{}";
const STATUS: &str = r#"{"Name":"arn"#;
const SELECTORS: &str = r#"{"TrailName":"#;
/// In the address of the call.
const LOCK: &str = "object-lock";

struct Looking {
    world: World,
    trails: CloudTrails,
    /// What somebody with every right in the target account can do to the trail.
    root: aws_sdk_cloudtrail::Client,
    /// The same, to the bucket in the logging account.
    s3: aws_sdk_s3::Client,
}

impl Looking {
    async fn new() -> Self {
        let world = World::new().await;
        let trails = world.aws.trails(&deployment(), settings(&world));
        let root = aws_sdk_cloudtrail::Client::new(&world.accounts.root(TARGET_ACCOUNT_ID));
        let s3 = s3(&world, LOGGING_ACCOUNT_ID);
        Self { world, trails, root, s3 }
    }

    async fn missing(&self) -> Option<String> {
        self.trails.missing(&self.world.role).await.unwrap()
    }

    /// What the trail lacks, without what every such sentence begins with.
    async fn faults(&self) -> String {
        let sentence = self.missing().await.expect("something is missing");
        sentence.strip_prefix("the trail `org-trail` of account 222222222222 is not enough: ").unwrap().to_owned()
    }

    fn update(&self) -> aws_sdk_cloudtrail::operation::update_trail::builders::UpdateTrailFluentBuilder {
        self.root.update_trail().name(&self.world.accounts.trail)
    }

    async fn lock(&self, mode: Option<ObjectLockRetentionMode>) {
        let rule = mode.map(|mode| {
            let retention = DefaultRetention::builder().mode(mode).days(1).build();
            ObjectLockRule::builder().default_retention(retention).build()
        });
        let lock = ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).set_rule(rule);
        let put = self.s3.put_object_lock_configuration().bucket(&self.world.accounts.trail_archive);
        put.object_lock_configuration(lock.build()).send().await.unwrap();
    }
}

fn settings(world: &World) -> TrailsSettings {
    TrailsSettings {
        account: LOGGING_ACCOUNT_ID.to_owned(),
        region: REGION.to_owned(),
        reader: AssumedRole {
            arn: RoleArn::try_from(world.accounts.log_reader.clone()).unwrap(),
            external_id: world.accounts.external_id.clone(),
        },
    }
}

fn s3(world: &World, account: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&world.accounts.root(account)).force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

fn answer(body: Value) -> Trouble {
    Trouble::Answer(200, body.to_string())
}

#[tokio::test]
async fn a_trail_that_records_everything_into_a_locked_bucket_is_enough() {
    let looking = Looking::new().await;
    assert_eq!(looking.missing().await, None);
    let seen = looking.world.proxy.seen(LOCK);
    assert_eq!(seen[0].headers["x-amz-expected-bucket-owner"], LOGGING_ACCOUNT_ID);

    // Somebody's own trail beside it takes nothing away.
    let own = looking.root.create_trail().name("a-own").s3_bucket_name("a").is_multi_region_trail(false);
    own.send().await.unwrap();
    assert_eq!(looking.missing().await, None);
}

#[tokio::test]
async fn each_thing_that_a_trail_lacks_is_said() {
    let looking = Looking::new().await;
    let name = looking.world.accounts.trail.clone();

    looking.root.stop_logging().name(&name).send().await.unwrap();
    insta::assert_snapshot!(looking.faults().await, @"it is not logging in eu-central-1, start it");
    looking.root.start_logging().name(&name).send().await.unwrap();

    looking.update().enable_log_file_validation(false).send().await.unwrap();
    insta::assert_snapshot!(looking.faults().await, @"log file validation is off, turn it on");
    looking.update().enable_log_file_validation(true).include_global_service_events(false).send().await.unwrap();
    insta::assert_snapshot!(looking.faults().await, @"it leaves out IAM and the other global services, include them");
    looking.update().include_global_service_events(true).is_multi_region_trail(false).send().await.unwrap();
    insta::assert_snapshot!(looking.faults().await, @"it records eu-central-1 alone, make it a trail for all Regions");
    looking.update().is_multi_region_trail(true).send().await.unwrap();

    let writes = EventSelector::builder().read_write_type(ReadWriteType::WriteOnly).include_management_events(true);
    let writes = writes.exclude_management_event_sources("kms.amazonaws.com").build();
    looking.root.put_event_selectors().trail_name(&name).event_selectors(writes).send().await.unwrap();
    insta::assert_snapshot!(looking.faults().await, @"it leaves out reading management events and events of `kms.amazonaws.com`, include all");
    let all = EventSelector::builder().read_write_type(ReadWriteType::All).include_management_events(true).build();
    looking.root.put_event_selectors().trail_name(&name).event_selectors(all).send().await.unwrap();
    assert_eq!(looking.missing().await, None, "mended");

    looking.root.delete_trail().name(&name).send().await.unwrap();
    insta::assert_snapshot!(looking.missing().await.unwrap(), @"no trail records account 222222222222: make one for all Regions and all management events, with log file validation, into a bucket of account 333333333333 with Object Lock in compliance mode");
}

#[tokio::test]
async fn what_a_bucket_lacks_is_said() {
    let looking = Looking::new().await;
    looking.lock(Some(ObjectLockRetentionMode::Governance)).await;
    insta::assert_snapshot!(looking.faults().await, @"its bucket `org-trail` is locked in governance mode, lock it in compliance mode by default");
    looking.lock(None).await;
    insta::assert_snapshot!(looking.faults().await, @"its bucket `org-trail` gives what is delivered no retention, lock it in compliance mode by default");

    // A bucket that the reader was given no right to.
    looking.update().s3_bucket_name("elsewhere").send().await.unwrap();
    insta::assert_snapshot!(looking.faults().await, @"its bucket `elsewhere` is not account 333333333333's, or the log's reader can't see its lock: deliver to a bucket of that account, and name it as TrailBucketName of deploy/aws/logging-account.yaml");

    // One of the same name in another account, where the people with the broken glass are.
    let bucket = looking.world.accounts.trail_archive.as_str();
    looking.update().s3_bucket_name(bucket).send().await.unwrap();
    looking.s3.delete_bucket().bucket(bucket).send().await.unwrap();
    insta::assert_snapshot!(looking.faults().await, @"its bucket `org-trail` isn't there, make it or deliver to another");
    let place = CreateBucketConfiguration::builder().location_constraint(REGION.into()).build();
    let create = s3(&looking.world, TARGET_ACCOUNT_ID).create_bucket().bucket(bucket);
    create.create_bucket_configuration(place).send().await.unwrap();
    assert!(looking.faults().await.starts_with("its bucket `org-trail` is not account 333333333333's, or"));

    let no_lock = "<Error><Code>ObjectLockConfigurationNotFoundError</Code><Message>no</Message></Error>";
    looking.world.proxy.trouble(LOCK, 1, Trouble::Answer(404, no_lock.to_owned()));
    insta::assert_snapshot!(looking.faults().await, @"its bucket `org-trail` has no Object Lock, deliver to one that has");
}

#[tokio::test]
async fn of_several_trails_the_one_that_lacks_least_is_told() {
    let looking = Looking::new().await;
    for (name, everywhere) in [("another", true), ("the-poorest", false)] {
        let trail = looking.root.create_trail().name(name).s3_bucket_name(&looking.world.accounts.trail_archive);
        trail.is_multi_region_trail(everywhere).send().await.unwrap();
    }
    looking.root.stop_logging().name(&looking.world.accounts.trail).send().await.unwrap();
    assert_eq!(looking.faults().await, "it is not logging in eu-central-1, start it");
}

#[tokio::test]
async fn what_fails_to_be_delivered_from_any_region_is_said() {
    let looking = Looking::new().await;
    let role = Role { regions: vec![REGION.to_owned(), "us-west-2".to_owned()], ..looking.world.role.clone() };
    assert_eq!(looking.trails.missing(&role).await.unwrap(), None);
    let asked = looking.world.proxy.seen(STATUS);
    for (seen, region) in asked.iter().zip(&role.regions) {
        let signature = seen.headers["authorization"].to_str().unwrap();
        assert!(signature.contains(&format!("/{region}/cloudtrail/")), "{signature}");
    }
    assert_eq!(asked.len(), 2);

    let fine = json!({"IsLogging": true});
    let failing =
        json!({"IsLogging": true, "LatestDeliveryError": "AccessDenied", "LatestDigestDeliveryError": "NoSuchBucket"});
    looking.world.proxy.trouble(STATUS, 1, answer(fine));
    looking.world.proxy.trouble(STATUS, 1, answer(failing));
    let sentence = looking.trails.missing(&role).await.unwrap().unwrap();
    insta::assert_snapshot!(sentence, @"the trail `org-trail` of account 222222222222 is not enough: its latest delivery of log files in us-west-2 failed with `AccessDenied`, mend its bucket's policy; its latest delivery of digests in us-west-2 failed with `NoSuchBucket`, mend its bucket's policy");
}

#[tokio::test]
async fn advanced_selectors_are_read_too() {
    let looking = Looking::new().await;
    let field = |name: &str, value: &str| json!({"Field": name, "Equals": [value]});
    let selectors = |fields: Value| answer(json!({"AdvancedEventSelectors": [{"FieldSelectors": fields}]}));
    looking.world.proxy.trouble(SELECTORS, 1, selectors(json!([field("eventCategory", "Management")])));
    assert_eq!(looking.missing().await, None);
    let writes = json!([field("eventCategory", "Management"), field("readOnly", "false")]);
    looking.world.proxy.trouble(SELECTORS, 1, selectors(writes));
    assert_eq!(looking.faults().await, "it leaves out reading management events, include all");
}

#[tokio::test]
async fn a_bucket_in_another_region_is_found_there() {
    let looking = Looking::new().await;
    let settings = TrailsSettings { region: "eu-west-1".to_owned(), ..settings(&looking.world) };
    let trails = looking.world.aws.trails(&deployment(), settings);
    assert_eq!(trails.missing(&looking.world.role).await.unwrap(), None);
    let signature =
        |index: usize| looking.world.proxy.seen(LOCK)[index].headers["authorization"].to_str().unwrap().to_owned();
    assert!(signature(0).contains("/eu-west-1/s3/"), "{}", signature(0));
    assert!(signature(1).contains(&format!("/{REGION}/s3/")), "{}", signature(1));

    // Sent from one Region to the other and back: told, not asked for ever.
    let elsewhere = "HTTP/1.1 301 Moved Permanently\r\nx-amz-bucket-region: eu-west-1\r\ncontent-length: 0\r\n\r\n";
    looking.world.proxy.trouble(LOCK, 1, Trouble::Bytes(elsewhere.as_bytes().to_vec()));
    let error = looking.trails.missing(&looking.world.role).await.unwrap_err();
    assert!(error.to_string().starts_with("GetObjectLockConfiguration: PermanentRedirect"), "{error}");
    assert_eq!(looking.world.proxy.seen(LOCK).len(), 4);
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_no_finding() {
    let looking = Looking::new().await;
    assert_eq!(looking.missing().await, None);
    let error = |status, code: &str| Trouble::Answer(status, json!({"__type": code, "message": "no"}).to_string());
    let xml = |status, code: &str| Trouble::error(status, code, "no");
    for (name, needle, trouble, expected) in [
        ("no right", DESCRIBE, error(400, "AccessDeniedException"), "DescribeTrails: AccessDeniedException: no"),
        ("throttling", STATUS, error(400, "ThrottlingException"), "GetTrailStatus: ThrottlingException: no"),
        (
            "no such trail any more",
            STATUS,
            error(400, "TrailNotFoundException"),
            "GetTrailStatus: TrailNotFoundException: no",
        ),
        ("an outage", SELECTORS, error(500, "InternalFailure"), "GetEventSelectors: InternalFailure: no"),
        ("silence", SELECTORS, Trouble::Silence, "GetEventSelectors: "),
        ("S3 is slow", LOCK, xml(503, "SlowDown"), "GetObjectLockConfiguration: "),
    ] {
        looking.world.proxy.peace();
        looking.world.proxy.trouble(needle, usize::MAX, trouble);
        let error = looking.trails.missing(&looking.world.role).await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{name}: {error}");
        looking.world.assert_untold(&error.to_string());
    }
    looking.world.proxy.peace();
    let stranger = Role { external_id: "another-external-id".to_owned(), ..looking.world.role.clone() };
    // The session that is open was opened with the right one.
    let mut settings = settings(&looking.world);
    settings.reader.external_id = "another-external-id".to_owned();
    let again = looking.world.aws.trails(&deployment(), settings);
    for role in [&stranger, &looking.world.role] {
        let error = again.missing(role).await.unwrap_err();
        assert!(error.to_string().starts_with("AssumeRole: AccessDenied"), "{error}");
    }
}
