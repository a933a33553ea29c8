use std::collections::BTreeMap;

use halligan_core::catalogue::{Role, RoleArn};
use halligan_core::iam::revocation::{Desired, Ended, Generation, Room, policy_name};
use halligan_engine::ports::{Minter as _, RolePolicies, RolePoliciesError, RolePolicy};
use jiff::{SignedDuration, Timestamp};

use crate::proxy::Trouble;
use crate::world::{World, deployment, grant_id};

/// The policy that ends these grants.
pub fn deny(numbers: &[u64]) -> RolePolicy {
    let ended_at: Timestamp = "2026-03-01T03:10:00Z".parse().unwrap();
    let ended_early =
        numbers.iter().map(|&number| Ended { grant: grant_id(number), ended_at, contained: false }).collect();
    let desired = Desired {
        ended_early,
        expired: Vec::new(),
        adopted: BTreeMap::new(),
        adopted_cut: None,
        active: BTreeMap::new(),
    };
    let compiled = desired.compile(Generation::default(), Room::beside(&[])).unwrap().unwrap();
    RolePolicy { name: policy_name(&deployment()), document: compiled.json }
}

fn foreign(name: &str) -> RolePolicy {
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ec2:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"a b%20+é"}}}]}"#;
    RolePolicy { name: name.to_owned(), document: document.to_owned() }
}

async fn names(policies: &impl RolePolicies, role: &Role) -> Vec<String> {
    policies.read(role).await.unwrap().into_iter().map(|policy| policy.name).collect()
}

#[tokio::test]
async fn policies_are_written_read_back_and_removed() {
    let world = World::new().await;
    let policies = world.aws.role_policies(&deployment());
    assert_eq!(policies.read(&world.role).await.unwrap(), []);

    let (ours, theirs) = (deny(&[1]), foreign("theirs"));
    policies.write(&world.role, &ours).await.unwrap();
    policies.write(&world.role, &theirs).await.unwrap();
    let mut read = policies.read(&world.role).await.unwrap();
    read.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(read, [ours.clone(), theirs], "to the character");

    policies.write(&world.role, &deny(&[1, 2])).await.unwrap();
    assert!(policies.read(&world.role).await.unwrap().contains(&deny(&[1, 2])), "replaced");

    policies.remove(&world.role, &ours.name).await.unwrap();
    assert_eq!(names(&policies, &world.role).await, ["theirs"]);
    policies.remove(&world.role, &ours.name).await.unwrap();
}

#[tokio::test]
async fn every_page_of_the_list_is_read() {
    let world = World::new().await;
    let policies = world.aws.role_policies(&deployment());
    for name in ["a", "b"] {
        policies.write(&world.role, &foreign(name)).await.unwrap();
    }
    let page = |names: &str, rest: &str| {
        Trouble::Answer(
            200,
            format!(
                "<ListRolePoliciesResponse><ListRolePoliciesResult><PolicyNames>{names}</PolicyNames>{rest}</ListRolePoliciesResult></ListRolePoliciesResponse>"
            ),
        )
    };
    let more = "<IsTruncated>true</IsTruncated><Marker>next</Marker>";
    world.proxy.trouble("Action=ListRolePolicies", 1, page("<member>a</member><member>gone</member>", more));
    world.proxy.trouble("Marker=next", 1, page("<member>b</member>", "<IsTruncated>false</IsTruncated>"));
    assert_eq!(names(&policies, &world.role).await, ["a", "b"], "and what went in between is left out");
}

#[tokio::test]
async fn a_deny_ends_one_grant_and_no_other() {
    let world = World::new().await;
    let (minter, policies) = (world.aws.minter(), world.aws.role_policies(&deployment()));
    let mut sessions = Vec::new();
    for number in [1, 2] {
        let credentials = minter.mint(&world.warrant(number, |_| ())).await.unwrap();
        sessions.push(aws_sdk_s3::Client::new(&world.holder(&credentials)));
    }
    for s3 in &sessions {
        s3.list_buckets().send().await.unwrap();
    }
    policies.write(&world.role, &deny(&[1])).await.unwrap();
    let refused = sessions[0].list_buckets().send().await.unwrap_err().into_service_error();
    assert!(refused.to_string().contains("AccessDenied"), "{refused}");
    sessions[1].list_buckets().send().await.unwrap();

    // A mint after the revocation is as dead as the one before it.
    let late = minter.mint(&world.warrant(1, |_| ())).await.unwrap();
    assert!(aws_sdk_s3::Client::new(&world.holder(&late)).list_buckets().send().await.is_err());
}

#[tokio::test]
async fn a_session_of_the_revoker_is_used_until_it_nears_its_end() {
    let world = World::new().await;
    let policies = world.aws.role_policies(&deployment());
    let assumed = || world.proxy.seen("Action=AssumeRole");
    for _ in 0..3 {
        policies.read(&world.role).await.unwrap();
    }
    assert_eq!(assumed().len(), 1);
    assert_eq!(assumed()[0].field("RoleSessionName").as_deref(), Some("halligan-example"));
    assert_eq!(assumed()[0].field("SourceIdentity"), None, "the revoker's trust policy doesn't allow one");

    world.clock.advance(SignedDuration::from_mins(13));
    policies.read(&world.role).await.unwrap();
    assert_eq!(assumed().len(), 1, "two minutes are left");
    world.clock.advance(SignedDuration::from_mins(1));
    policies.read(&world.role).await.unwrap();
    assert_eq!(assumed().len(), 2);
}

#[tokio::test]
async fn a_session_that_iam_has_done_with_is_replaced() {
    let world = World::new().await;
    let policies = world.aws.role_policies(&deployment());
    policies.read(&world.role).await.unwrap();
    for code in ["ExpiredToken", "InvalidClientTokenId"] {
        world.proxy.trouble("Action=PutRolePolicy", 1, Trouble::error(403, code, "gone"));
        policies.write(&world.role, &deny(&[1])).await.unwrap();
    }
    assert_eq!(world.proxy.seen("Action=AssumeRole").len(), 3);
    world.proxy.trouble("Action=PutRolePolicy", usize::MAX, Trouble::error(403, "InvalidClientTokenId", "gone"));
    let error = policies.write(&world.role, &deny(&[1])).await.unwrap_err();
    assert!(matches!(error, RolePoliciesError::Refused(_)), "once, not for ever: {error:?}");
}

#[tokio::test]
async fn each_failure_is_told_for_what_it_is() {
    let world = World::new().await;
    let policies = world.aws.role_policies(&deployment());
    policies.read(&world.role).await.unwrap();
    let error = Trouble::error;
    let cases = [
        ("no room", error(409, "LimitExceeded", "Maximum policy size of 10240 bytes exceeded"), "too large"),
        ("a malformed policy", error(400, "MalformedPolicyDocument", "no"), "refused"),
        ("no such role", error(404, "NoSuchEntity", "no"), "refused"),
        ("a role of AWS's own", error(400, "UnmodifiableEntity", "no"), "refused"),
        ("no right", error(403, "AccessDenied", "no"), "refused"),
        ("throttling", error(400, "Throttling", "Rate exceeded"), "unavailable"),
        ("somebody else writes", error(409, "ConcurrentModification", "try again"), "unavailable"),
        ("a failure of the service", error(500, "ServiceFailure", "sorry"), "unavailable"),
        ("a gateway's page", Trouble::Answer(502, "<html>".to_owned()), "unavailable"),
        ("a wall's page", Trouble::Answer(403, "<html>".to_owned()), "unavailable"),
        ("a reset", Trouble::Reset, "unavailable"),
        ("silence", Trouble::Silence, "unavailable"),
    ];
    for (name, trouble, expected) in cases {
        world.proxy.peace();
        world.proxy.trouble("Action=PutRolePolicy", usize::MAX, trouble);
        let error = policies.write(&world.role, &deny(&[1])).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{name}: {error}");
        assert!(error.to_string().contains("PutRolePolicy"), "{name}: {error}");
    }
}

fn kind(error: &RolePoliciesError) -> &'static str {
    match error {
        RolePoliciesError::Refused(_) => "refused",
        RolePoliciesError::TooLarge(_) => "too large",
        RolePoliciesError::Unavailable(_) => "unavailable",
    }
}

#[tokio::test]
async fn a_revoker_that_refuses_the_broker_is_told() {
    let world = World::new().await;
    let policies = world.aws.role_policies(&deployment());
    let role = Role { external_id: "another-external-id".to_owned(), ..world.role.clone() };
    let error = policies.read(&role).await.unwrap_err();
    assert!(
        matches!(&error, RolePoliciesError::Refused(text) if text.contains("AssumeRole: AccessDenied")),
        "{error:?}"
    );

    let arn = "arn:aws:iam::222222222222:role/halligan-nobody".to_owned();
    let gone = Role { arn: RoleArn::try_from(arn).unwrap(), ..world.role.clone() };
    let error = policies.read(&gone).await.unwrap_err();
    assert!(matches!(&error, RolePoliciesError::Refused(text) if text.contains("NoSuchEntity")), "{error:?}");

    world.proxy.trouble_all(Trouble::error(400, "Throttling", "Rate exceeded"));
    let policies = world.aws.role_policies(&deployment());
    assert_eq!(kind(&policies.read(&world.role).await.unwrap_err()), "unavailable");
}
