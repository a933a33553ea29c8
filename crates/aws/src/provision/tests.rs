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
        ("LogReader", "halligan-log-reader"),
        ("LogWriter", "halligan-log-writer"),
        ("Revoker", "halligan-revoker"),
    ]);
    let stack = Stack::new("s", &arn, physical, parameters).unwrap();
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
fn the_archive_is_written_once_and_over_tls() {
    let mut judge = Judge::start();
    let archive = resources(LOGGING_ACCOUNT, "333333333333", &trusting(&[("BucketName", "archive")]));
    let policies = json!({
        "identity": [inline(&archive["LogWriter"])],
        "resource": archive["ArchivePolicy"]["PolicyDocument"],
    });
    let mut put = |key: &str, context: Value| {
        let resource = json!({"resource": format!("arn:aws:s3:::archive/{key}"), "accountId": "333333333333"});
        let session = "arn:aws:sts::333333333333:assumed-role/halligan-log-writer/w";
        judge.ask(
            json!({"principal": session, "action": "s3:PutObject", "resource": resource, "context": context}),
            &policies,
        )
    };
    let (tls, http) = (json!({"aws:SecureTransport": "true"}), json!({"aws:SecureTransport": "false"}));
    let once = json!({"aws:SecureTransport": "true", "s3:if-none-match": "*"});
    assert_eq!(put("tile/0/000", once), "allowed");
    assert_eq!(put("tile/0/000", tls.clone()), "explicitDeny", "not only if absent");
    assert_eq!(put("checkpoint", tls), "allowed");
    assert_eq!(put("checkpoint", http), "explicitDeny");
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
            "Resources: {A: {Type: T, Condition: C}}",
            "template, A: `Condition` is not understood here",
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
