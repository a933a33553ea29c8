//! A target account with a break-glass role and its revoker, the broker's role,
//! and the adapters connected to them with its credentials, through the proxy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::{Credentials as SdkCredentials, SharedCredentialsProvider};
use halligan_aws::provision::{self, BREAK_GLASS_ROLE, BROKER, TARGET_ACCOUNT};
use halligan_aws::{Aws, Limits, Settings, StaticCredentials};
use halligan_core::catalogue::{Role, RoleArn};
use halligan_core::floor_second;
use halligan_core::grant::{Command, MintDraft, Warrant};
use halligan_core::iam::{SessionName, SourceIdentity, session_policy};
use halligan_core::id::{DeploymentId, GrantId, MintId};
use halligan_engine::fakes::fixtures;
use halligan_engine::ports::{Clock, Credentials, MintError};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;

use crate::proxy::Proxy;
use crate::standin::StandIn;

pub const REGION: &str = "eu-central-1";
const BROKER_ACCOUNT: &str = "111111111111";
const TARGET: &str = "222222222222";
const EXTERNAL_ID: &str = "an-external-id-of-the-tests";

/// The machine's clock, moved by the test.
#[derive(Default)]
pub struct TestClock {
    ahead_ms: AtomicI64,
}

impl TestClock {
    pub fn advance(&self, by: SignedDuration) {
        self.ahead_ms.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    #[expect(clippy::disallowed_methods, reason = "the stand-in judges fences by the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_millis(self.ahead_ms.load(Ordering::SeqCst))
    }
}

pub struct World {
    pub proxy: Proxy,
    pub clock: Arc<TestClock>,
    pub aws: Aws,
    pub role: Role,
    /// The broker's own, which no error may show.
    pub broker: StaticCredentials,
    stand_in: StandIn,
}

/// Short: a test that waits for a limit waits for all of it.
pub fn limits() -> Limits {
    Limits {
        connect: Duration::from_millis(500),
        attempt: Duration::from_millis(700),
        operation: Duration::from_secs(4),
    }
}

impl World {
    pub async fn new() -> Self {
        let stand_in = StandIn::start();
        let proxy = Proxy::start(stand_in.port).await;
        let broker = provision(stand_in.port).await;
        let clock = Arc::<TestClock>::default();
        let settings = Settings {
            endpoint_url: Some(proxy.url()),
            credentials: Some(broker.clone()),
            limits: limits(),
            ..Settings::in_region(REGION)
        };
        let aws = Aws::connect(&settings, Arc::clone(&clock) as Arc<dyn Clock>).await;
        Self { proxy, clock, aws, role: role(), broker, stand_in }
    }

    /// Whoever holds these credentials, not through the proxy.
    pub fn holder(&self, credentials: &Credentials) -> SdkConfig {
        let keys = SdkCredentials::new(
            &credentials.access_key_id,
            credentials.secret_access_key.expose_secret(),
            Some(credentials.session_token.expose_secret().to_owned()),
            None,
            "minted",
        );
        sdk(self.stand_in.port, keys)
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// That `text` holds no secret of the broker's.
    pub fn assert_untold(&self, text: &str) {
        let token = self.broker.session_token.as_ref().unwrap().expose_secret();
        for secret in [self.broker.secret_access_key.expose_secret(), token] {
            assert_eq!(text.lines().find(|line| line.contains(secret)), None, "a secret of the broker's is told");
        }
    }

    /// What AWS says of a signature that doesn't match: the request, token and all.
    pub fn echo(&self) -> String {
        let token = self.broker.session_token.as_ref().unwrap().expose_secret();
        let key = self.broker.secret_access_key.expose_secret();
        format!("The canonical string should have been POST / x-amz-security-token:{token} {key}")
    }

    /// The right to mint under alice's `number`th grant, active since a moment ago.
    pub fn warrant(&self, number: u64, change: impl FnOnce(&mut MintDraft)) -> Warrant {
        warrant(&self.role, number, floor_second(self.now()), change)
    }
}

/// The right to mint under alice's `number`th grant, from `since` on for half an hour.
pub fn warrant(role: &Role, number: u64, since: Timestamp, change: impl FnOnce(&mut MintDraft)) -> Warrant {
    let mut opening = fixtures::Asking::new(number).opening();
    opening.request.resolved.role_arn = role.arn.clone();
    let pending = opening.open(since).grant;
    let yes = Command::Acknowledge { by: fixtures::human("bob"), hash: pending.request_hash };
    let active = pending.apply(yes, since).unwrap().grant;
    let alice = active.request.requester.clone();
    let fence = active.mint_fence(&alice, since).unwrap();
    let mut draft = MintDraft {
        mint: MintId(fixtures::uuid(number)),
        role_arn: role.arn.clone(),
        external_id: role.external_id.clone(),
        session_name: SessionName::new(*fixtures::uuid(number).as_bytes()),
        source_identity: SourceIdentity::new("alice", &alice.principal.issuer, &alice.principal.subject),
        policy: session_policy(&role.scopes[&role.default_scope], fence).unwrap(),
        token_seconds: MintDraft::token_seconds(since, fence, role.session_max),
    };
    change(&mut draft);
    active.intend_mint(&alice, draft, false, since).unwrap().1
}

pub fn grant_id(number: u64) -> GrantId {
    GrantId::new(fixtures::uuid(number))
}

pub fn deployment() -> DeploymentId {
    "example".parse().unwrap()
}

/// What an error says, whichever it is.
pub fn text(error: &MintError) -> &str {
    match error {
        MintError::Refused(text)
        | MintError::PackedPolicyTooLarge(text)
        | MintError::Unavailable(text)
        | MintError::OutcomeUnknown(text) => text,
    }
}

fn role() -> Role {
    let arn = |name: &str| RoleArn::try_from(format!("arn:aws:iam::{TARGET}:role/{name}")).unwrap();
    Role {
        arn: arn("halligan-break-glass"),
        revoker: arn("halligan-revoker"),
        external_id: EXTERNAL_ID.to_owned(),
        regions: vec![REGION.to_owned()],
        ..fixtures::role("prod-admin")
    }
}

fn sdk(port: u16, credentials: SdkCredentials) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .build()
}

/// The stand-in takes an account's number for the access key of its root.
fn root(port: u16, account: &str) -> SdkConfig {
    sdk(port, SdkCredentials::new(account, "test", None, None, "test"))
}

/// The documents of `deploy/aws/`, and the broker's credentials.
async fn provision(port: u16) -> StaticCredentials {
    let arn = |account: &str, name: &str| format!("arn:aws:iam::{account}:role/{name}");
    let broker = arn(BROKER_ACCOUNT, "halligan-broker");
    let deploy = async |account: &str, stack: &str, template: &str, pairs: &[(&str, &str)]| {
        let parameters: BTreeMap<String, String> =
            pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        provision::deploy(&root(port, account), stack, template, &parameters).await.unwrap();
    };
    let names = [
        ("BreakGlassRoleArns", arn(TARGET, "halligan-break-glass")),
        ("RevokerRoleArns", arn(TARGET, "halligan-revoker")),
        ("TrustedPrincipalArn", format!("arn:aws:iam::{BROKER_ACCOUNT}:root")),
    ];
    deploy(BROKER_ACCOUNT, "broker", BROKER, &names.each_ref().map(|(key, value)| (*key, value.as_str()))).await;
    let target = [("BrokerRoleArn", broker.as_str()), ("ExternalId", EXTERNAL_ID)];
    deploy(TARGET, "target", TARGET_ACCOUNT, &target).await;
    deploy(TARGET, "break-glass", BREAK_GLASS_ROLE, &target).await;

    let sts = aws_sdk_sts::Client::new(&root(port, BROKER_ACCOUNT));
    let answer = sts.assume_role().role_arn(broker).role_session_name("broker").send().await.unwrap();
    let keys = answer.credentials.unwrap();
    StaticCredentials {
        access_key_id: keys.access_key_id,
        secret_access_key: keys.secret_access_key.into(),
        session_token: Some(keys.session_token.into()),
    }
}
