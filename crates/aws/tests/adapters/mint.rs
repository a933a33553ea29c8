use aws_sdk_sts::error::ProvideErrorMetadata as _;
use halligan_core::grant::MintDraft;

use halligan_engine::ports::{Credentials, MintError, Minter as _};
use jiff::SignedDuration;

use crate::proxy::Trouble;
use crate::world::{World, text, warrant};

/// What the holder's call to S3 came to: nothing, or the message of a refusal.
async fn list_buckets(world: &World, credentials: &Credentials) -> Option<String> {
    let s3 = aws_sdk_s3::Client::new(&world.holder(credentials));
    let error = s3.list_buckets().send().await.err()?;
    Some(error.message().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn credentials_do_what_the_scope_says_and_nothing_else() {
    let world = World::new().await;
    let before = world.now();
    let credentials = world.aws.minter().mint(&world.warrant(1, |_| ())).await.unwrap();

    assert_eq!(list_buckets(&world, &credentials).await, None);
    let iam = aws_sdk_iam::Client::new(&world.holder(&credentials));
    assert_eq!(iam.list_roles().send().await.unwrap_err().code(), Some("AccessDenied"), "outside the scope");
    let left = credentials.token_expires_at.duration_since(before).as_secs();
    assert!((1_790..=1_801).contains(&left), "half an hour was asked for, {left} s were given");
    assert_eq!(
        format!("{credentials:?}"),
        format!("Credentials {{ access_key_id: {:?}, .. }}", credentials.access_key_id)
    );
}

#[tokio::test]
async fn everything_that_aws_records_is_asked_for() {
    let world = World::new().await;
    world.aws.minter().mint(&world.warrant(1, |_| ())).await.unwrap();
    let seen = world.proxy.seen("Action=AssumeRole");
    assert_eq!(seen.len(), 1);
    let fields: Vec<String> = seen[0]
        .fields()
        .into_iter()
        .filter(|(key, _)| key != "Policy")
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    insta::assert_snapshot!(fields.join("\n"), @r"
    Action=AssumeRole
    Version=2011-06-15
    RoleArn=arn:aws:iam::222222222222:role/halligan-break-glass
    RoleSessionName=halligan-019ca756a78170008000000000000001
    DurationSeconds=1800
    Tags.member.1.Key=halligan:grant
    Tags.member.1.Value=032aA1NyQoZHnfM5cJ46Hx
    Tags.member.2.Key=halligan:incident
    Tags.member.2.Value=file:INC-219
    TransitiveTagKeys.member.1=halligan:grant
    TransitiveTagKeys.member.2=halligan:incident
    ExternalId=stand-in-external-id
    SourceIdentity=alice-0db8d1fd53e1
    ");
    let policy = seen[0].field("Policy").unwrap();
    assert!(policy.contains("DateGreaterThanEquals") && policy.contains("s3:Get*"), "{policy}");
}

#[tokio::test]
async fn behind_the_fence_nothing_is_allowed() {
    let world = World::new().await;
    let long_ago = world.now() - SignedDuration::from_hours(2);
    let credentials = world.aws.minter().mint(&warrant(&world.role, 1, long_ago, |_| ())).await.unwrap();
    assert!(credentials.token_expires_at > world.now(), "the token lives on, the fence holds");
    let refusal = list_buckets(&world, &credentials).await.expect("the fence has passed");
    assert!(refusal.contains("with an explicit deny in a"), "{refusal}");
}

#[tokio::test]
async fn a_trust_policy_that_says_no_is_told_in_its_words() {
    let world = World::new().await;
    let other = world.warrant(1, |draft| "another-external-id".clone_into(&mut draft.external_id));
    let error = world.aws.minter().mint(&other).await.unwrap_err();
    let MintError::Refused(text) = &error else { panic!("{error:?}") };
    assert!(text.starts_with("AssumeRole: AccessDenied: ") && text.contains("halligan-break-glass"), "{text}");
    assert_eq!(world.proxy.seen("").len(), 1, "a refusal is not retried");
}

#[tokio::test]
async fn what_sts_would_refuse_is_not_sent() {
    let world = World::new().await;
    type Change = fn(&mut MintDraft);
    let cases: [(&str, Change); 4] = [
        ("DurationSeconds", |draft| draft.token_seconds = 899),
        ("DurationSeconds", |draft| draft.token_seconds = 43_200),
        ("ExternalId", |draft| draft.external_id = "x".repeat(1_225)),
        ("ExternalId", |draft| draft.external_id = "not # legal".to_owned()),
    ];
    for (field, change) in cases {
        let error = world.aws.minter().mint(&world.warrant(1, change)).await.unwrap_err();
        assert!(matches!(&error, MintError::Refused(text) if text.contains(field)), "{error:?}");
    }
    assert_eq!(world.proxy.seen("").len(), 0);
}

/// An answer with credentials that expire at `expiration`.
fn issued(expiration: &str, secret: &str) -> String {
    format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAEXAMPLEEXAMPLE00</AccessKeyId>\
         <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>FwoGZX</SessionToken>\
         <Expiration>{expiration}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )
}

#[tokio::test]
async fn each_failure_is_told_for_what_it_is() {
    use Trouble::{Answer, Bytes, Reset, Silence};
    let error = Trouble::error;
    let cut_short = b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n<AssumeRoleResponse><Assume".to_vec();
    let cases = [
        ("access denied", error(403, "AccessDenied", "no"), "refused", 1),
        ("a malformed policy", error(400, "MalformedPolicyDocument", "no"), "refused", 1),
        ("a validation error", error(400, "ValidationError", "no"), "refused", 1),
        ("a Region that is off", error(403, "RegionDisabledException", "no"), "refused", 1),
        ("keys that nobody knows", error(403, "InvalidClientTokenId", "no"), "refused", 1),
        ("too large once packed", error(400, "PackedPolicyTooLarge", "103 %"), "too large", 1),
        ("our own token has expired", error(400, "ExpiredTokenException", "no"), "unavailable", 1),
        ("throttling", error(400, "Throttling", "Rate exceeded"), "unavailable", 3),
        ("a failure of the service", error(500, "InternalFailure", "sorry"), "unavailable", 3),
        ("an overload", error(503, "ServiceUnavailable", "later"), "unavailable", 3),
        ("a gateway's page", Answer(502, "<html>bad gateway</html>".to_owned()), "unknown", 3),
        ("a wall's page", Answer(403, "<html>blocked</html>".to_owned()), "unknown", 1),
        ("garbage", Answer(200, "\u{1b}[31mgarbage".to_owned()), "unknown", 1),
        ("nothing", Answer(200, String::new()), "unknown", 1),
        (
            "no credentials",
            Answer(200, "<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>".to_owned()),
            "unknown",
            1,
        ),
        ("half of the credentials", Answer(200, issued("2099-01-01T00:00:00Z", "")), "unknown", 1),
        ("an expiry in the past", Answer(200, issued("2020-01-01T00:00:00Z", "s")), "unknown", 1),
        ("an expiry that is none", Answer(200, issued("tomorrow", "s")), "unknown", 1),
        ("an answer cut short", Bytes(cut_short), "unknown", 3),
        ("no HTTP", Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), "unknown", 3),
        ("a reset after the call was made", Reset, "unknown", 3),
        ("silence", Silence, "unknown", 3),
    ];
    let world = World::new().await;
    let mut told = Vec::new();
    for (name, trouble, expected, attempts) in cases {
        let before = world.proxy.seen("").len();
        world.proxy.peace();
        world.proxy.trouble_all(trouble);
        let error = world.aws.minter().mint(&world.warrant(1, |_| ())).await.unwrap_err();
        let kind = match &error {
            MintError::Refused(_) => "refused",
            MintError::PackedPolicyTooLarge(_) => "too large",
            MintError::Unavailable(_) => "unavailable",
            MintError::OutcomeUnknown(_) => "unknown",
        };
        assert_eq!(kind, expected, "{name}: {error}");
        let made = world.proxy.seen("").len() - before;
        // What isn't answered as HTTP may be retried or not: the SDK's business, within three attempts.
        assert!(
            made == attempts || matches!(name, "no HTTP" | "an answer cut short") && made <= 3,
            "{name}: {made} attempts"
        );
        let shown = error.to_string();
        assert!(shown.chars().count() < 400 && !shown.chars().any(char::is_control), "{name}: {shown}");
        told.push(format!("{name}: {}", text(&error)));
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    access denied: AssumeRole: AccessDenied: no
    a malformed policy: AssumeRole: MalformedPolicyDocument: no
    a validation error: AssumeRole: ValidationError: no
    a Region that is off: AssumeRole: RegionDisabledException: no
    keys that nobody knows: AssumeRole: InvalidClientTokenId: no
    too large once packed: AssumeRole: PackedPolicyTooLarge: 103 %
    our own token has expired: AssumeRole: ExpiredTokenException: no
    throttling: AssumeRole: Throttling: Rate exceeded
    a failure of the service: AssumeRole: InternalFailure: sorry
    an overload: AssumeRole: ServiceUnavailable: later
    a gateway's page: AssumeRole: HTTP 502 with an answer that makes no sense
    a wall's page: AssumeRole: HTTP 403 with an answer that makes no sense
    garbage: AssumeRole: HTTP 200 with an answer that makes no sense
    nothing: AssumeRole: HTTP 200 with an answer that makes no sense
    no credentials: AssumeRole: the answer holds no credentials
    half of the credentials: AssumeRole: the answer leaves out a part of the credentials
    an expiry in the past: AssumeRole: the answer has credentials that have expired already: compare the clocks
    an expiry that is none: AssumeRole: HTTP 200 with an answer that makes no sense
    an answer cut short: AssumeRole: HTTP 200: response error: error reading a body from connection: end of file before message length reached
    no HTTP: AssumeRole: dispatch failure: other: client error (SendRequest): invalid HTTP version parsed
    a reset after the call was made: AssumeRole: dispatch failure: other: client error (SendRequest): connection closed before message completed
    silence: AssumeRole: request has timed out: operation attempt timeout (single attempt) occurred after 700ms
    ");
}

#[tokio::test]
async fn what_never_left_made_no_token() {
    let world = World::new().await;
    let mint = world.aws.minter();
    let warrant = world.warrant(1, |_| ());
    world.proxy.close().await;
    let error = mint.mint(&warrant).await.unwrap_err();
    assert!(matches!(error, MintError::Unavailable(_)), "{error:?}");
    assert!(text(&error).contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn a_lost_answer_is_not_forgotten_over_a_later_refusal() {
    let world = World::new().await;
    world.proxy.trouble("", 1, Trouble::Reset);
    world.proxy.trouble_all(Trouble::error(403, "AccessDenied", "no longer"));
    let error = world.aws.minter().mint(&world.warrant(1, |_| ())).await.unwrap_err();
    assert!(matches!(&error, MintError::OutcomeUnknown(text) if text.contains("no longer")), "{error:?}");
}

#[tokio::test]
async fn trouble_that_passes_is_waited_out() {
    let world = World::new().await;
    for trouble in [Trouble::error(400, "Throttling", "Rate exceeded"), Trouble::Reset, Trouble::Silence] {
        let before = world.proxy.seen("").len();
        world.proxy.trouble("", 1, trouble.clone());
        let credentials = world.aws.minter().mint(&world.warrant(1, |_| ())).await.unwrap();
        assert_eq!(world.proxy.seen("").len() - before, 2, "{trouble:?}");
        assert_eq!(list_buckets(&world, &credentials).await, None);
    }
}

/// A test that waits for the proxy forever would hang: the limits hold.
#[tokio::test]
async fn the_wait_is_bounded() {
    let world = World::new().await;
    world.proxy.trouble_all(Trouble::Silence);
    let started = std::time::Instant::now();
    world.aws.minter().mint(&world.warrant(1, |_| ())).await.unwrap_err();
    assert!(started.elapsed() < crate::world::limits().operation + std::time::Duration::from_secs(1));
}
