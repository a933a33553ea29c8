//! A target account with a break-glass role and its revoker, the broker's role,
//! and the adapters connected to them with its credentials, through the proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use halligan_aws::provision::{self, Accounts, Plan};
use halligan_aws::{Aws, Limits, Settings, StaticCredentials};
use halligan_core::catalogue::{Role, RoleArn};
use halligan_core::floor_second;
use halligan_core::grant::{Command, MintDraft, Warrant, Yes};
use halligan_core::iam::{SessionName, SourceIdentity, session_policy};
use halligan_core::id::{DeploymentId, GrantId, MintId};
use halligan_engine::fakes::fixtures;
use halligan_engine::ports::{Clock, Credentials, MintError};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;

use crate::proxy::Proxy;
use crate::stand_in::StandIn;

pub const REGION: &str = "eu-central-1";

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
    pub accounts: Accounts,
    _stand_in: StandIn,
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
        let stand_in = StandIn::start().await;
        let proxy = Proxy::start(stand_in.port).await;
        let plan = Plan { region: REGION.to_owned(), ..Plan::default() };
        let accounts = provision::stand_in(&stand_in.url(), &plan).await.unwrap();
        let broker = accounts.become_broker().await.unwrap();
        let clock = Arc::<TestClock>::default();
        let aws = connect(&proxy, &clock, broker.clone()).await;
        Self { proxy, clock, aws, role: role(&accounts), broker, accounts, _stand_in: stand_in }
    }

    /// Whoever holds these credentials, not through the proxy.
    pub fn holder(&self, credentials: &Credentials) -> SdkConfig {
        self.accounts.sdk(&StaticCredentials {
            access_key_id: credentials.access_key_id.clone(),
            secret_access_key: credentials.secret_access_key.clone(),
            session_token: Some(credentials.session_token.clone()),
        })
    }

    /// A process with a session of one of the broker's roles as its own credentials.
    pub async fn holding(&self, role: &str) -> Aws {
        let sts = aws_sdk_sts::Client::new(&self.accounts.sdk(&self.broker));
        let assume = sts.assume_role().role_arn(role).role_session_name("holder");
        let answer = assume.external_id(&self.accounts.external_id).send().await.unwrap();
        let given = answer.credentials.unwrap();
        let credentials = StaticCredentials {
            access_key_id: given.access_key_id,
            secret_access_key: given.secret_access_key.into(),
            session_token: Some(given.session_token.into()),
        };
        connect(&self.proxy, &self.clock, credentials).await
    }

    /// A process with the credentials of an account's root.
    pub async fn root(&self, account: &str) -> Aws {
        let credentials = StaticCredentials {
            access_key_id: account.to_owned(),
            secret_access_key: "test".to_owned().into(),
            session_token: None,
        };
        connect(&self.proxy, &self.clock, credentials).await
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

async fn connect(proxy: &Proxy, clock: &Arc<TestClock>, credentials: StaticCredentials) -> Aws {
    let settings = Settings {
        endpoint_url: Some(proxy.url()),
        credentials: Some(credentials),
        limits: limits(),
        ..Settings::in_region(REGION)
    };
    Aws::connect(&settings, Arc::clone(clock) as Arc<dyn Clock>).await
}

/// The right to mint under alice's `number`th grant, from `since` on for half an hour.
pub fn warrant(role: &Role, number: u64, since: Timestamp, change: impl FnOnce(&mut MintDraft)) -> Warrant {
    let mut opening = fixtures::Asking::new(number).opening();
    opening.request.resolved.role_arn = role.arn.clone();
    let pending = opening.open(since).grant;
    let (by, hash) = (fixtures::human("bob"), pending.request_hash);
    let yes = Command::Acknowledge { by, hash, yes: Yes::default() };
    let active = pending.apply(yes, since).unwrap().grant;
    let alice = active.request.requester.clone();
    let fence = active.mint_fence(&alice, since).unwrap();
    let mut draft = MintDraft {
        mint: MintId(fixtures::uuid(number)),
        role_arn: role.arn.clone(),
        external_id: role.external_id.clone(),
        session_name: SessionName::new(*fixtures::uuid(number).as_bytes()),
        source_identity: SourceIdentity::new("alice", &alice.principal().issuer, &alice.principal().subject),
        policy: session_policy(&role.scopes[&role.default_scope], fence).unwrap(),
        token_seconds: MintDraft::token_seconds(since, fence, role.session_max),
        rules: Vec::new(),
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

fn role(accounts: &Accounts) -> Role {
    let arn = |arn: &String| RoleArn::try_from(arn.clone()).unwrap();
    Role {
        arn: arn(&accounts.roles[0]),
        revoker: arn(&accounts.revoker),
        external_id: accounts.external_id.clone(),
        regions: vec![REGION.to_owned()],
        ..fixtures::role("prod-admin")
    }
}
