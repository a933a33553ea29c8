#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

//! The documents as they stand, with nothing left out for a stand-in, before a
//! judge of IAM documents that is not ours.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::template::{Stack, Template};
use super::{BREAK_GLASS_ROLE, BROKER, LOGGING_ACCOUNT, ProvisionError, TARGET_ACCOUNT, relaxations};

const TARGET: &str = "222222222222";
const ROLE: &str = "arn:aws:iam::222222222222:role/halligan-break-glass";
const REVOKER: &str = "arn:aws:iam::222222222222:role/halligan-revoker";
const BOUNDARY: &str = "arn:aws:iam::222222222222:policy/halligan-boundary";
const LOGGING: &str = "333333333333";
const SIGNER: &str = "arn:aws:iam::333333333333:role/halligan-log-signer";
const ERASER_ID: &str = "AROAERASERERASERERASE";
const KEY_ID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const EXTERNAL_ID: &str = "an-external-id-of-the-tests";
const TAG: &str = "aws:RequestTag/halligan:grant";

/// Customer managed policies hold so many characters, white space not counted.
const MANAGED_POLICY_CHARACTERS_MAX: usize = 6_144;
/// What stays for the lists of roles and actions that an operator gives.
const LISTS_CHARACTERS: usize = 2_500;

/// The properties of the template's resources in an account, by logical id.
fn resources(template: &str, account: &str, given: &[(&str, &str)]) -> BTreeMap<String, Value> {
    let template = Template::parse(template).unwrap();
    let own = |pairs: &[(&str, &str)]| pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    let parameters = template.parameters(&own(given)).unwrap();
    let arn = format!("arn:aws:cloudformation:eu-central-1:{account}:stack/s/1");
    let physical = own(&[
        ("Archive", "archive"),
        ("ArchivePolicy", "archive-policy"),
        ("Boundary", BOUNDARY),
        ("BreakGlassRole", "halligan-break-glass"),
        ("Broker", "halligan-broker"),
        ("Eraser", "halligan-log-eraser"),
        ("EventLog", "halligan"),
        ("LogKey", KEY_ID),
        ("LogReader", "halligan-log-reader"),
        ("LogSigner", "halligan-log-signer"),
        ("LogWriter", "halligan-log-writer"),
        ("PersonalArchive", "personal"),
        ("PersonalArchivePolicy", "personal-policy"),
        ("Revoker", "halligan-revoker"),
    ]);
    let attributes = own(&[("Eraser.RoleId", ERASER_ID), ("LogSigner.Arn", SIGNER)]);
    let stack = Stack::new("s", &arn, physical, parameters).unwrap().with_attributes(attributes);
    let resolved = template.resolve(&stack).unwrap();
    resolved.into_iter().map(|resource| (resource.name, Value::Object(resource.properties))).collect()
}

fn trusting(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let broker = "arn:aws:iam::111111111111:role/halligan-broker";
    [&[("BrokerRoleArn", broker), ("ExternalId", EXTERNAL_ID)], more].concat()
}

fn inline(role: &Value) -> Value {
    role["Policies"][0]["PolicyDocument"].clone()
}

/// `HALLIGAN_JUDGE`: questions and answers as JSON lines.
struct Judge {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Judge {
    fn start() -> Self {
        let command = env::var("HALLIGAN_JUDGE").expect("set HALLIGAN_JUDGE or run tests/run");
        let mut child = Command::new("sh")
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    fn ask(&mut self, request: Value, policies: &Value) -> String {
        let mut line = json!({"request": request, "policies": policies}).to_string();
        line.push('\n');
        self.child.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        line.clear();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        let decision = answer["decision"].as_str().unwrap();
        assert_ne!(decision, "invalid", "{answer}");
        assert_eq!(answer["detail"]["warnings"], json!([]), "{answer}");
        decision.to_owned()
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn only_what_a_stand_in_cannot_evaluate_is_left_out() {
    let all = [BROKER, TARGET_ACCOUNT, BREAK_GLASS_ROLE, LOGGING_ACCOUNT].map(|text| relaxations(text).unwrap());
    insta::assert_snapshot!(all.concat().join("\n"), @r"
    Revoker: WriteInlinePolicies: iam:PermissionsBoundary
    BreakGlassRole: BrokerWithGrant: sts:SourceIdentity
    BreakGlassRole: BrokerWithGrant: sts:TransitiveTagKeys
    ArchivePolicy: TlsOnly: aws:SecureTransport
    ArchivePolicy: WriteOnce: s3:if-none-match
    PersonalArchivePolicy: TlsOnly: aws:SecureTransport
    PersonalArchivePolicy: WriteOnce: s3:if-none-match
    ");
}

#[test]
fn a_relaxed_allow_keeps_its_other_conditions() {
    let mut template = Template::parse(BREAK_GLASS_ROLE).unwrap();
    super::relax::relax(template.resources_mut().unwrap());
    let body: Value = serde_json::from_str(&template.body()).unwrap();
    let statement = &body["Resources"]["BreakGlassRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(
        statement["Condition"],
        json!({"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}, "Null": {TAG: "false"}})
    );
}

#[test]
fn the_trust_policy_demands_external_id_grant_and_source_identity() {
    let mut judge = Judge::start();
    let given = [("BreakGlassRoleArns", ROLE), ("RevokerRoleArns", REVOKER)];
    let broker = inline(&resources(BROKER, "111111111111", &given)["Broker"]);
    let trust = &resources(BREAK_GLASS_ROLE, TARGET, &trusting(&[]))["BreakGlassRole"]["AssumeRolePolicyDocument"];
    let mut enter = |action: &str, context: &Value| {
        let session = "arn:aws:sts::111111111111:assumed-role/halligan-broker/i-1";
        let request = json!({"principal": session, "action": action, "resource": ROLE, "context": context});
        judge.ask(request, &json!({"identity": [broker], "trust": trust}))
    };
    let full = json!({
        "sts:ExternalId": EXTERNAL_ID,
        TAG: "g1",
        "aws:TagKeys": ["halligan:grant", "halligan:incident"],
        "sts:SourceIdentity": "alice-0123456789ab",
        "sts:TransitiveTagKeys": ["halligan:grant", "halligan:incident"],
    });
    assert_eq!(enter("sts:AssumeRole", &full), "allowed");
    for key in ["sts:ExternalId", TAG, "sts:SourceIdentity", "sts:TransitiveTagKeys"] {
        let mut less = full.clone();
        less.as_object_mut().unwrap().remove(key);
        assert_eq!(enter("sts:AssumeRole", &less), "implicitDeny", "without {key}");
    }
    for (name, key, value) in [
        ("another external id", "sts:ExternalId", json!("x")),
        ("the grant not transitive", "sts:TransitiveTagKeys", json!(["halligan:incident"])),
    ] {
        let mut other = full.clone();
        other[key] = value;
        assert_eq!(enter("sts:AssumeRole", &other), "implicitDeny", "{name}");
    }

    // STS asks for each action in turn, each with the keys that it has.
    let tags = |keys: &[&str]| json!({"aws:TagKeys": keys, "sts:TransitiveTagKeys": keys});
    assert_eq!(enter("sts:TagSession", &tags(&["halligan:grant", "halligan:incident"])), "allowed");
    assert_eq!(enter("sts:TagSession", &tags(&["halligan:grant", "team"])), "implicitDeny");
    assert_eq!(enter("sts:SetSourceIdentity", &json!({"sts:SourceIdentity": "alice-0123456789ab"})), "allowed");
}

#[test]
fn the_revoker_writes_only_to_roles_that_carry_the_boundary() {
    let mut judge = Judge::start();
    let policy = inline(&resources(TARGET_ACCOUNT, TARGET, &trusting(&[]))["Revoker"]);
    let mut put = |role: &str, context: Value| {
        let session = "arn:aws:sts::222222222222:assumed-role/halligan-revoker/r";
        let request =
            json!({"principal": session, "action": "iam:PutRolePolicy", "resource": role, "context": context});
        judge.ask(request, &json!({"identity": [policy]}))
    };
    let bounded = || json!({"iam:PermissionsBoundary": BOUNDARY});
    assert_eq!(put(ROLE, bounded()), "allowed");
    assert_eq!(put(ROLE, json!({"iam:PermissionsBoundary": "arn:aws:iam::222222222222:policy/x"})), "implicitDeny");
    assert_eq!(put(REVOKER, json!({})), "implicitDeny", "itself, which carries no boundary");
    assert_eq!(put("arn:aws:iam::222222222222:role/x", bounded()), "implicitDeny");
}

#[test]
fn the_revoker_sees_trails_and_touches_none() {
    let mut judge = Judge::start();
    let policy = inline(&resources(TARGET_ACCOUNT, TARGET, &trusting(&[]))["Revoker"]);
    let trail = "arn:aws:cloudtrail:eu-central-1:222222222222:trail/t";
    // An organization's trail has an ARN of the account that manages it; CloudTrail shows it to the members.
    let of_the_organization = "arn:aws:cloudtrail:eu-central-1:444444444444:trail/t";
    for (action, resource, decision) in [
        ("cloudtrail:DescribeTrails", "*", "allowed"),
        ("cloudtrail:GetTrailStatus", trail, "allowed"),
        ("cloudtrail:GetEventSelectors", trail, "allowed"),
        ("cloudtrail:GetTrailStatus", of_the_organization, "allowed"),
        ("cloudtrail:StopLogging", trail, "implicitDeny"),
        ("cloudtrail:UpdateTrail", trail, "implicitDeny"),
        ("cloudtrail:PutEventSelectors", trail, "implicitDeny"),
        ("cloudtrail:DeleteTrail", trail, "implicitDeny"),
        ("cloudtrail:LookupEvents", "*", "implicitDeny"),
    ] {
        let session = "arn:aws:sts::222222222222:assumed-role/halligan-revoker/r";
        let shown = json!({"resource": resource, "accountId": TARGET});
        let request = json!({"principal": session, "action": action, "resource": shown});
        assert_eq!(judge.ask(request, &json!({"identity": [policy]})), decision, "{action} {resource}");
    }
}

/// The logging account's documents before the judge.
struct Logging {
    judge: Judge,
    all: BTreeMap<String, Value>,
}

impl Logging {
    fn new(more: &[(&'static str, &'static str)]) -> Self {
        let given = trusting(&[&[("BucketName", "archive"), ("PersonalBucketName", "personal")], more].concat());
        Self { judge: Judge::start(), all: resources(LOGGING_ACCOUNT, LOGGING, &given) }
    }

    /// What becomes of a call over TLS: `who` is a role of the template or `Administrator`,
    /// `resource` an ARN without what begins every ARN.
    fn call(&mut self, who: &str, action: &str, resource: &str, more: Value) -> String {
        let administrator = json!({"Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
        let (name, id) = match who {
            "LogWriter" => ("halligan-log-writer", "AROAWRITER"),
            "LogReader" => ("halligan-log-reader", "AROAREADER"),
            "Eraser" => ("halligan-log-eraser", ERASER_ID),
            // The name of the eraser, made anew by somebody who may.
            "Impostor" => ("halligan-log-eraser", "AROAIMPOSTOR"),
            _ => ("administrator", "AROAADMINISTRATOR"),
        };
        let identity = if who == "Impostor" { inline(&self.all["Eraser"]) } else { self.identity(who, administrator) };
        let policy = ["archive", "personal"].iter().zip(["ArchivePolicy", "PersonalArchivePolicy"]);
        let policy = policy
            .filter(|(bucket, _)| resource.starts_with(&format!("s3:::{bucket}")))
            .map(|(_, name)| self.all[name]["PolicyDocument"].clone())
            .next();
        let mut context = json!({"aws:SecureTransport": "true", "aws:userid": format!("{id}:s")});
        context.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = json!({
            "principal": format!("arn:aws:sts::{LOGGING}:assumed-role/{name}/s"),
            "action": action,
            "resource": {"resource": format!("arn:aws:{resource}"), "accountId": LOGGING},
            "context": context,
        });
        self.judge.ask(request, &json!({"identity": [identity], "resource": policy}))
    }

    fn identity(&self, who: &str, otherwise: Value) -> Value {
        self.all.get(who).map_or(otherwise, inline)
    }
}

#[test]
fn both_buckets_are_written_once_and_over_tls() {
    let mut logging = Logging::new(&[("EraserPrincipalArn", "arn:aws:iam::333333333333:role/privacy")]);
    let (plain, once) = (json!({}), json!({"s3:if-none-match": "*"}));
    let http = json!({"aws:SecureTransport": "false", "s3:if-none-match": "*"});
    for (who, object, context, decision) in [
        ("LogWriter", "s3:::archive/tile/0/000", &once, "allowed"),
        ("LogWriter", "s3:::archive/tile/0/000", &plain, "explicitDeny"),
        ("LogWriter", "s3:::archive/checkpoint", &plain, "allowed"),
        ("LogWriter", "s3:::archive/checkpoint", &http, "explicitDeny"),
        ("LogWriter", "s3:::personal/personal/000", &once, "allowed"),
        ("LogWriter", "s3:::personal/personal/000", &plain, "explicitDeny"),
        ("LogWriter", "s3:::personal/personal/000", &http, "explicitDeny"),
        ("LogWriter", "s3:::personal/checkpoint", &plain, "explicitDeny"),
        ("LogWriter", "s3:::elsewhere/x", &once, "implicitDeny"),
        ("Administrator", "s3:::archive/tile/0/000", &plain, "explicitDeny"),
        ("Administrator", "s3:::personal/personal/000", &plain, "explicitDeny"),
        ("Eraser", "s3:::personal/personal/000", &plain, "allowed"),
        ("Eraser", "s3:::personal/personal/000", &http, "explicitDeny"),
        ("Impostor", "s3:::personal/personal/000", &plain, "explicitDeny"),
        ("Eraser", "s3:::archive/tile/0/000", &once, "implicitDeny"),
        ("LogReader", "s3:::archive/tile/0/000", &once, "implicitDeny"),
        ("LogReader", "s3:::personal/personal/000", &once, "implicitDeny"),
    ] {
        let decided = logging.call(who, "s3:PutObject", object, context.clone());
        assert_eq!(decided, decision, "{who} puts {object} with {context}");
    }
}

#[test]
fn nobody_gives_up_what_was_written_but_the_eraser_personal_parts() {
    let erasers: &[(&str, &str)] = &[("EraserPrincipalArn", "arn:aws:iam::333333333333:role/privacy")];
    let (mut without, mut with) = (Logging::new(&[]), Logging::new(erasers));
    for (who, what, decision) in [
        ("LogWriter", "archive/tile/0/000", "explicitDeny"),
        ("LogWriter", "personal/personal/000", "explicitDeny"),
        ("LogReader", "archive/tile/0/000", "explicitDeny"),
        ("LogReader", "personal/personal/000", "explicitDeny"),
        ("Administrator", "archive/checkpoint", "explicitDeny"),
        ("Administrator", "personal/personal/000", "explicitDeny"),
        ("Eraser", "archive/tile/0/000", "explicitDeny"),
        ("Impostor", "personal/personal/000", "explicitDeny"),
        ("Eraser", "personal/personal/000", "allowed"),
    ] {
        for action in ["s3:DeleteObject", "s3:DeleteObjectVersion"] {
            let object = format!("s3:::{what}");
            assert_eq!(with.call(who, action, &object, json!({})), decision, "{who} {action} {what}");
            if !matches!(who, "Eraser" | "Impostor") {
                assert_eq!(without.call(who, action, &object, json!({})), decision, "no eraser: {who} {action} {what}");
            }
        }
    }
    for action in ["s3:PutObjectRetention", "s3:PutObjectLegalHold", "s3:BypassGovernanceRetention"] {
        for who in ["LogWriter", "LogReader", "Eraser"] {
            let decided = with.call(who, action, "s3:::archive/tile/0/000", json!({}));
            assert_eq!(decided, "implicitDeny", "{who} {action}");
        }
    }
    assert!(!without.all.contains_key("Eraser"), "nobody was named, so there is none");
}

#[test]
fn the_writer_only_writes_and_the_reader_only_reads() {
    let mut logging = Logging::new(&[("TrailBucketName", "trail")]);
    let stream = "logs:eu-central-1:333333333333:log-group:halligan:log-stream:s";
    let group = "logs:eu-central-1:333333333333:log-group:halligan:*";
    let other = "logs:eu-central-1:333333333333:log-group:other:log-stream:s";
    for (action, resource, writer, reader) in [
        ("s3:GetObject", "s3:::archive/checkpoint", "implicitDeny", "allowed"),
        ("s3:GetObjectVersion", "s3:::archive/checkpoint", "implicitDeny", "allowed"),
        ("s3:GetObjectRetention", "s3:::archive/checkpoint", "implicitDeny", "allowed"),
        ("s3:GetObject", "s3:::personal/personal/000", "implicitDeny", "allowed"),
        ("s3:GetObjectVersion", "s3:::personal/personal/000", "implicitDeny", "allowed"),
        ("s3:ListBucket", "s3:::archive", "implicitDeny", "allowed"),
        ("s3:ListBucketVersions", "s3:::personal", "implicitDeny", "allowed"),
        ("s3:GetBucketObjectLockConfiguration", "s3:::archive", "implicitDeny", "allowed"),
        ("s3:GetLifecycleConfiguration", "s3:::personal", "implicitDeny", "allowed"),
        ("s3:GetBucketObjectLockConfiguration", "s3:::trail", "implicitDeny", "allowed"),
        ("s3:ListBucket", "s3:::trail", "implicitDeny", "implicitDeny"),
        ("s3:GetObject", "s3:::trail/AWSLogs/x", "implicitDeny", "implicitDeny"),
        ("s3:GetBucketObjectLockConfiguration", "s3:::elsewhere", "implicitDeny", "implicitDeny"),
        ("s3:PutBucketObjectLockConfiguration", "s3:::archive", "implicitDeny", "implicitDeny"),
        ("s3:PutLifecycleConfiguration", "s3:::personal", "implicitDeny", "implicitDeny"),
        ("s3:PutBucketVersioning", "s3:::personal", "implicitDeny", "implicitDeny"),
        ("s3:PutBucketPolicy", "s3:::archive", "implicitDeny", "implicitDeny"),
        ("logs:PutLogEvents", stream, "allowed", "implicitDeny"),
        ("logs:CreateLogStream", group, "allowed", "implicitDeny"),
        ("logs:PutLogEvents", other, "implicitDeny", "implicitDeny"),
        ("logs:GetLogEvents", stream, "implicitDeny", "implicitDeny"),
        ("logs:DeleteLogStream", stream, "implicitDeny", "implicitDeny"),
        ("logs:DeleteLogGroup", group, "implicitDeny", "implicitDeny"),
        ("logs:PutRetentionPolicy", group, "implicitDeny", "implicitDeny"),
    ] {
        assert_eq!(logging.call("LogWriter", action, resource, json!({})), writer, "the writer, {action} {resource}");
        assert_eq!(logging.call("LogReader", action, resource, json!({})), reader, "the reader, {action} {resource}");
    }
}

/// Roles are known in every Region: a stack in a second one names its own.
#[test]
fn a_second_archive_of_an_account_has_roles_of_its_own() {
    let names = |suffix: &'static str| {
        let more = [("SigningKey", "true"), ("EraserPrincipalArn", "arn:aws:iam::333333333333:role/privacy")];
        let more = [more.as_slice(), &[("RoleSuffix", suffix)]].concat();
        let given = trusting(&[&[("BucketName", "archive"), ("PersonalBucketName", "personal")], &*more].concat());
        let all = resources(LOGGING_ACCOUNT, LOGGING, &given);
        all.values().filter_map(|resource| Some(resource.get("RoleName")?.as_str()?.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["halligan-log-eraser", "halligan-log-reader", "halligan-log-signer", "halligan-log-writer"]);
    assert_eq!(names("-2"), names("").into_iter().map(|name| name + "-2").collect::<Vec<_>>());
}

#[test]
fn nobody_but_the_signer_signs() {
    let mut judge = Judge::start();
    let given = trusting(&[("BucketName", "archive"), ("PersonalBucketName", "personal"), ("SigningKey", "true")]);
    let all = resources(LOGGING_ACCOUNT, LOGGING, &given);
    let everything = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
    let key = format!("arn:aws:kms:eu-central-1:{LOGGING}:key/{KEY_ID}");
    for (who, action, decision) in [
        ("halligan-log-signer", "kms:Sign", "allowed"),
        ("halligan-log-signer", "kms:GetPublicKey", "allowed"),
        ("halligan-log-signer", "kms:PutKeyPolicy", "implicitDeny"),
        ("halligan-log-signer", "kms:ScheduleKeyDeletion", "implicitDeny"),
        ("administrator", "kms:Sign", "implicitDeny"),
        ("administrator", "kms:CreateGrant", "implicitDeny"),
        ("administrator", "kms:GetPublicKey", "allowed"),
        ("administrator", "kms:DisableKey", "allowed"),
    ] {
        let principal = format!("arn:aws:sts::{LOGGING}:assumed-role/{who}/s");
        let identity = if who == "administrator" { vec![everything.clone()] } else { vec![] };
        let request = json!({"principal": principal, "action": action, "resource": key});
        let policies = json!({"identity": identity, "resource": all["LogKey"]["KeyPolicy"]});
        assert_eq!(judge.ask(request, &policies), decision, "{who} {action}");
    }
    assert_eq!(all["LogSigner"].get("Policies"), None, "nothing else");
}

#[test]
fn the_boundary_withholds_what_outlives_a_session() {
    let mut judge = Judge::start();
    let boundary = |given: &[(&'static str, &'static str)]| {
        resources(TARGET_ACCOUNT, TARGET, &trusting(given))["Boundary"]["PolicyDocument"].clone()
    };
    let all = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
    let mut call = |boundary: &Value, action: &str, resource: &str| {
        let session = "arn:aws:sts::222222222222:assumed-role/halligan-break-glass/s";
        let context = json!({"aws:PrincipalTag/halligan:grant": "g1"});
        let request = json!({"principal": session, "action": action, "resource": resource, "context": context});
        judge.ask(request, &json!({"identity": [all], "boundary": [boundary]}))
    };

    let strict = boundary(&[]);
    for (action, resource, decision) in [
        ("s3:CreateBucket", "arn:aws:s3:::b", "allowed"),
        ("iam:GetRole", REVOKER, "allowed"),
        ("iam:CreateUser", "arn:aws:iam::222222222222:user/u", "implicitDeny"),
        ("iam:PassRole", "arn:aws:iam::222222222222:role/r", "implicitDeny"),
        ("iam:PutRolePolicy", ROLE, "explicitDeny"),
        ("iam:CreateOpenIDConnectProvider", "arn:aws:iam::222222222222:oidc-provider/p", "explicitDeny"),
        ("sts:AssumeRole", "arn:aws:iam::222222222222:role/r", "explicitDeny"),
        ("sts:GetWebIdentityToken", "*", "explicitDeny"),
        ("s3:GetDataAccess", "arn:aws:s3:eu-central-1:222222222222:access-grants/default", "explicitDeny"),
        ("ecr:GetAuthorizationToken", "*", "explicitDeny"),
        ("ssm:StartSession", "arn:aws:ec2:eu-central-1:222222222222:instance/i-1", "explicitDeny"),
        ("cloudtrail:StopLogging", "arn:aws:cloudtrail:eu-central-1:222222222222:trail/t", "explicitDeny"),
    ] {
        assert_eq!(call(&strict, action, resource), decision, "{action}");
    }

    let lenient = boundary(&[
        ("AllowedIamWrites", "iam:UpdateAccessKey"),
        ("PassableRoleArns", "arn:aws:iam::222222222222:role/r"),
        ("ChainableRoleArns", "arn:aws:iam::222222222222:role/r"),
        ("ProtectedArns", "arn:aws:s3:::trail,arn:aws:s3:::trail/*"),
        ("AllowRegistryLogins", "true"),
        ("AllowDatabaseLogins", "true"),
        ("AllowShells", "true"),
        ("AllowS3Express", "true"),
    ]);
    for (action, resource, decision) in [
        ("iam:UpdateAccessKey", "arn:aws:iam::222222222222:user/u", "allowed"),
        ("iam:CreateUser", "arn:aws:iam::222222222222:user/u", "implicitDeny"),
        ("iam:PassRole", "arn:aws:iam::222222222222:role/r", "allowed"),
        ("iam:PassRole", "arn:aws:iam::222222222222:role/other", "implicitDeny"),
        ("sts:AssumeRole", "arn:aws:iam::222222222222:role/other", "explicitDeny"),
        ("s3:PutObject", "arn:aws:s3:::trail/k", "explicitDeny"),
        ("ecr:GetAuthorizationToken", "*", "allowed"),
        ("ssm:StartSession", "arn:aws:ec2:eu-central-1:222222222222:instance/i-1", "allowed"),
    ] {
        assert_eq!(call(&lenient, action, resource), decision, "{action} with everything given back");
    }

    let characters = strict.to_string().len();
    assert!(characters + LISTS_CHARACTERS <= MANAGED_POLICY_CHARACTERS_MAX, "{characters}");
}

#[test]
fn a_template_that_asks_for_more_than_is_understood_is_refused() {
    for (name, text, problem) in [
        ("not YAML", "Resources: [", "template, document: "),
        ("no resources", "Parameters: {}", "template, Resources: expected an object"),
        (
            "an unknown intrinsic",
            "Resources: {A: {Type: T, Properties: {P: {'Fn::Select': [0, []]}}}}",
            "template, A.P.Fn::Select: not understood here in this form",
        ),
        (
            "an unknown reference",
            "Resources: {A: {Type: T, Properties: {P: {Ref: X}}}}",
            "template, A.P.Ref: there is nothing named `X`",
        ),
        (
            "an unknown attribute",
            "Resources: {A: {Type: T, DependsOn: B}}",
            "template, A: `DependsOn` is not understood here",
        ),
        ("an unknown condition", "Resources: {A: {Type: T, Condition: C}}", "template, A: there is no condition `C`"),
        (
            "an unknown return value",
            "Resources: {A: {Type: T, Properties: {P: {'Fn::GetAtt': [B, Arn]}}}}",
            "template, A.P.Fn::GetAtt: there is nothing named `B.Arn`",
        ),
    ] {
        let stack = || Stack::new("s", "arn:aws:cloudformation:r:1:stack/s/1", BTreeMap::new(), BTreeMap::new());
        let error = Template::parse(text)
            .and_then(|mut template| {
                template.resources_mut().map(|_| ()).and_then(|()| template.resolve(&stack()?).map(|_| ()))
            })
            .unwrap_err();
        assert!(matches!(error, ProvisionError::Template { .. }), "{name}");
        assert!(error.to_string().starts_with(problem), "{name}: {error}");
    }
}
