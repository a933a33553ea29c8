use halligan_core::catalogue::{ProbeCall, Role};
use halligan_core::iam::{SessionName, probe_policy};
use halligan_engine::ports::{CallOutcome, Denial, MintError, ProbeSession, ProbeSpec, Probes as _, RolePolicies as _};
use jiff::SignedDuration;

use crate::proxy::Trouble;
use crate::revoker::deny;
use crate::world::{REGION, World, grant_id, limits};

fn spec(world: &World, number: u64, call: ProbeCall) -> ProbeSpec {
    ProbeSpec {
        session_name: SessionName::new([u8::try_from(number).unwrap(); 16]),
        tag: grant_id(number),
        policy: probe_policy(call, world.now() + SignedDuration::from_mins(10)),
    }
}

async fn open(world: &World, number: u64) -> Box<dyn ProbeSession> {
    world.aws.probes().open(&world.role, &spec(world, number, world.role.probe)).await.unwrap()
}

#[tokio::test]
async fn a_deny_on_the_tag_bites_the_probe_and_spares_the_control() {
    for call in [ProbeCall::ListAllMyBuckets, ProbeCall::ListAccountAliases] {
        let mut world = World::new().await;
        world.role.probe = call;
        let (probe, control) = (open(&world, 1).await, open(&world, 2).await);
        assert_eq!(probe.call(REGION).await, CallOutcome::Allowed, "{call:?}");
        assert_eq!(control.call(REGION).await, CallOutcome::Allowed, "{call:?}");

        let policies = world.aws.role_policies(&crate::world::deployment());
        policies.write(&world.role, &deny(&[1])).await.unwrap();
        assert_eq!(probe.call(REGION).await, CallOutcome::Denied(Denial::Explicit), "{call:?}");
        assert_eq!(control.call(REGION).await, CallOutcome::Allowed, "{call:?}");
    }
}

#[tokio::test]
async fn a_probe_is_known_for_what_it_is_and_calls_where_it_is_told() {
    let world = World::new().await;
    let probe = open(&world, 1).await;
    let opened = world.proxy.seen("Action=AssumeRole").remove(0);
    let field = |name: &str| opened.field(name);
    assert_eq!(field("SourceIdentity").as_deref(), Some("halligan-probe"));
    assert_eq!(field("Tags.member.1.Key").as_deref(), Some("halligan:grant"));
    assert_eq!(field("Tags.member.1.Value"), Some(grant_id(1).to_string()));
    assert_eq!(field("TransitiveTagKeys.member.1").as_deref(), Some("halligan:grant"));
    assert_eq!(field("DurationSeconds").as_deref(), Some("900"));
    assert!(field("Policy").unwrap().contains("s3:ListAllMyBuckets"));

    let before = world.proxy.connections();
    for region in ["eu-central-1", "us-east-1", "ap-southeast-2"] {
        assert_eq!(probe.call(region).await, CallOutcome::Allowed);
    }
    assert_eq!(world.proxy.connections() - before, 3, "each call on a connection of its own");
    let signed: Vec<String> = world
        .proxy
        .seen("max-buckets=1")
        .iter()
        .map(|seen| seen.headers["authorization"].to_str().unwrap().to_owned())
        .collect();
    for (signed, region) in signed.iter().zip(["eu-central-1", "us-east-1", "ap-southeast-2"]) {
        assert!(signed.contains(&format!("/{region}/s3/")), "{signed}");
    }
    assert_eq!(signed.len(), 3);
}

#[tokio::test]
async fn behind_its_own_fence_a_probe_is_denied_too() {
    let world = World::new().await;
    let spec = ProbeSpec { policy: probe_policy(world.role.probe, world.now()), ..spec(&world, 1, world.role.probe) };
    let probe = world.aws.probes().open(&world.role, &spec).await.unwrap();
    assert_eq!(probe.call(REGION).await, CallOutcome::Denied(Denial::Explicit));
}

#[tokio::test]
async fn what_no_policy_allows_shows_nothing() {
    let world = World::new().await;
    let narrow = spec(&world, 1, ProbeCall::ListAccountAliases);
    let probe = world.aws.probes().open(&world.role, &narrow).await.unwrap();
    let outcome = probe.call(REGION).await;
    assert!(matches!(&outcome, CallOutcome::Inconclusive(text) if text.contains("because no ")), "{outcome:?}");
}

#[tokio::test]
async fn only_a_denial_is_taken_for_one() {
    let world = World::new().await;
    let probe = open(&world, 1).await;
    let s3 = |status, code: &str, message: &str| {
        Trouble::Answer(status, format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
    };
    let denied = "User: arn:aws:sts::222222222222:assumed-role/r/s is not authorized to perform: s3:ListAllMyBuckets";
    let cases = [
        (
            "an explicit deny",
            s3(403, "AccessDenied", &format!("{denied} with an explicit deny in an identity-based policy")),
            "explicitly denied",
        ),
        (
            "a named one",
            s3(403, "AccessDenied", &format!("{denied} with an explicit deny in a service control policy: arn:aws:x")),
            "explicitly denied",
        ),
        ("no reason", s3(403, "AccessDenied", "Access Denied"), "denied"),
        (
            "an implicit deny",
            s3(403, "AccessDenied", &format!("{denied} because no session policy allows the action")),
            "inconclusive",
        ),
        ("an expired token", s3(400, "ExpiredToken", "The provided token has expired."), "inconclusive"),
        ("a Region that is off", s3(403, "InvalidAccessKeyId", "does not exist"), "inconclusive"),
        ("an overload", s3(503, "SlowDown", "Please reduce your request rate."), "inconclusive"),
        (
            "a wall's page",
            Trouble::Answer(403, "<html>Access Denied with an explicit deny in a policy</html>".to_owned()),
            "inconclusive",
        ),
        ("a portal's page", Trouble::Answer(200, "<html>sign in</html>".to_owned()), "inconclusive"),
        ("nothing", Trouble::Answer(200, String::new()), "inconclusive"),
        ("a reset", Trouble::Reset, "inconclusive"),
        ("silence", Trouble::Silence, "inconclusive"),
    ];
    for (name, trouble, expected) in cases {
        let before = world.proxy.seen("").len();
        world.proxy.peace();
        world.proxy.trouble_all(trouble);
        let shown = probe.call(REGION).await.to_string();
        assert_eq!(shown.split(" (").next(), Some(expected), "{name}: {shown}");
        assert_eq!(world.proxy.seen("").len() - before, 1, "{name}: one call is one observation");
    }
}

#[tokio::test]
async fn a_probe_that_nobody_answers_is_given_up() {
    let world = World::new().await;
    let probe = open(&world, 1).await;
    world.proxy.trouble_all(Trouble::Silence);
    let started = std::time::Instant::now();
    assert!(matches!(probe.call(REGION).await, CallOutcome::Inconclusive(_)));
    let limit = limits().operation.min(std::time::Duration::from_secs(5));
    assert!(started.elapsed() < limit + std::time::Duration::from_secs(1));
    world.proxy.close().await;
    let outcome = probe.call(REGION).await;
    assert!(matches!(&outcome, CallOutcome::Inconclusive(text) if text.contains("Connection refused")), "{outcome:?}");
}

#[tokio::test]
async fn a_role_that_refuses_the_broker_opens_no_probe() {
    let world = World::new().await;
    let role = Role { external_id: "another-external-id".to_owned(), ..world.role.clone() };
    let error = world.aws.probes().open(&role, &spec(&world, 1, role.probe)).await.err();
    assert!(matches!(error, Some(MintError::Refused(_))), "{error:?}");
}
