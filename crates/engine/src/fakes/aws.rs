//! AWS in memory, as far as the ports see it: sessions with a tag and a fence,
//! and one inline policy a role that denies by tag. Its IAM writes can be late,
//! refused, lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use halligan_core::catalogue::Role;
use halligan_core::grant::Warrant;
use halligan_core::iam::revocation::RevocationPolicy;
use halligan_core::id::GrantId;
use jiff::{SignedDuration, Timestamp};

use super::store::Fault;
use crate::ports::{
    CallOutcome, Clock, ClockOffset, Console, ConsoleUrl, Credentials, Denial, MintError, Minter, Offset, ProbeSession,
    ProbeSpec, Probes, RolePolicies, RolePoliciesError, RolePolicy, SecretText,
};

/// AWS in memory.
#[derive(Clone)]
pub struct FakeAws {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    sessions: BTreeMap<String, Session>,
    policies: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether denies bite at all.
    inert: bool,
    skew: SignedDuration,
    mint_faults: VecDeque<MintError>,
    meanwhile: VecDeque<Box<dyn FnOnce() + Send>>,
    write_faults: VecDeque<(Fault, RolePoliciesError)>,
    probes_refused: bool,
}

#[derive(Clone)]
struct Session {
    role: String,
    tag: GrantId,
    issued_at: Timestamp,
    fence: Timestamp,
    token_until: Timestamp,
}

impl FakeAws {
    /// An empty AWS that keeps this time.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Arc::default() }
    }

    /// The next AssumeRole comes to this. [`MintError::OutcomeUnknown`] mints all the same.
    pub fn fail_mint(&self, error: MintError) {
        self.state().mint_faults.push_back(error);
    }

    /// This happens while the next AssumeRole runs.
    pub fn while_minting(&self, happens: impl FnOnce() + Send + 'static) {
        self.state().meanwhile.push_back(Box::new(happens));
    }

    /// The next write of a role's policy comes to this.
    pub fn fail_write(&self, fault: Fault, error: RolePoliciesError) {
        self.state().write_faults.push_back((fault, error));
    }

    /// From now on denies bite, or not.
    pub fn set_inert(&self, inert: bool) {
        self.state().inert = inert;
    }

    /// From now on probe sessions can be opened, or not.
    pub fn refuse_probes(&self, refused: bool) {
        self.state().probes_refused = refused;
    }

    /// How far the broker's clock is ahead of AWS's.
    pub fn set_skew(&self, skew: SignedDuration) {
        self.state().skew = skew;
    }

    /// The inline policies of a role, to tamper with.
    pub fn policies<T>(&self, role: &str, touch: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> T {
        touch(self.state().policies.entry(role.to_owned()).or_default())
    }

    /// Whether a call with these credentials is allowed now.
    #[must_use]
    pub fn allows(&self, access_key_id: &str) -> bool {
        matches!(self.call(access_key_id), CallOutcome::Allowed)
    }

    /// Every session that was ever minted: its access key id and its grant.
    #[must_use]
    pub fn sessions(&self) -> Vec<(String, GrantId)> {
        self.state().sessions.iter().map(|(key, session)| (key.clone(), session.tag)).collect()
    }

    fn call(&self, access_key_id: &str) -> CallOutcome {
        let now = self.clock.now();
        let state = self.state();
        let Some(session) = state.sessions.get(access_key_id) else {
            return CallOutcome::Inconclusive("InvalidClientTokenId".to_owned());
        };
        if now >= session.token_until {
            return CallOutcome::Inconclusive("ExpiredToken".to_owned());
        }
        let policies = state.policies.get(&session.role).into_iter().flat_map(BTreeMap::values);
        let denied =
            policies.filter_map(|json| RevocationPolicy::parse(json).ok()).any(|policy| denies(&policy, session));
        if now >= session.fence || (denied && !state.inert) {
            return CallOutcome::Denied(Denial::Explicit);
        }
        CallOutcome::Allowed
    }

    fn session(&self, role: &str, tag: GrantId, fence: Timestamp, token_seconds: u32) -> String {
        let issued_at = self.clock.now();
        let token_until = issued_at + SignedDuration::from_secs(i64::from(token_seconds));
        let mut state = self.state();
        let key = format!("ASIA{:016}", state.sessions.len());
        let session = Session { role: role.to_owned(), tag, issued_at, fence, token_until };
        state.sessions.insert(key.clone(), session);
        key
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn denies(policy: &RevocationPolicy, session: &Session) -> bool {
    let cut =
        policy.cut.as_ref().is_some_and(|cut| session.issued_at < cut.before && !cut.exempt.contains(&session.tag));
    policy.listed.contains(&session.tag) || cut
}

#[async_trait]
impl Minter for FakeAws {
    async fn mint(&self, warrant: &Warrant) -> Result<Credentials, MintError> {
        let draft = warrant.draft();
        let fault = self.state().mint_faults.pop_front();
        if let Some(error) = fault.as_ref().filter(|error| !matches!(error, MintError::OutcomeUnknown(_))) {
            return Err(error.clone());
        }
        let role = draft.role_arn.to_string();
        let access_key_id = self.session(&role, warrant.grant(), draft.policy.fence(), draft.token_seconds);
        let meanwhile = self.state().meanwhile.pop_front();
        if let Some(happens) = meanwhile {
            happens();
        }
        match fault {
            Some(error) => Err(error),
            None => Ok(Credentials {
                token_expires_at: self.clock.now() + SignedDuration::from_secs(i64::from(draft.token_seconds)),
                secret_access_key: SecretText::from(format!("secret-of-{access_key_id}")),
                session_token: SecretText::from(format!("token-of-{access_key_id}")),
                access_key_id,
                packed_policy_percent: Some(10),
            }),
        }
    }
}

#[async_trait]
impl Console for FakeAws {
    async fn sign_in(&self, credentials: &Credentials) -> Result<ConsoleUrl, MintError> {
        Ok(SecretText::from(format!("https://console.example.com/{}", credentials.access_key_id)))
    }
}

#[async_trait]
impl RolePolicies for FakeAws {
    async fn read(&self, role: &Role) -> Result<Vec<RolePolicy>, RolePoliciesError> {
        let policy =
            |(name, document): (&String, &String)| RolePolicy { name: name.clone(), document: document.clone() };
        Ok(self.state().policies.get(&role.arn.to_string()).into_iter().flatten().map(policy).collect())
    }

    async fn write(&self, role: &Role, policy: &RolePolicy) -> Result<(), RolePoliciesError> {
        self.change(role, |policies| {
            policies.insert(policy.name.clone(), policy.document.clone());
        })
    }

    async fn remove(&self, role: &Role, name: &str) -> Result<(), RolePoliciesError> {
        self.change(role, |policies| {
            policies.remove(name);
        })
    }
}

impl FakeAws {
    fn change(&self, role: &Role, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<(), RolePoliciesError> {
        let fault = self.state().write_faults.pop_front();
        if !matches!(fault, Some((Fault::NotDone, _))) {
            self.policies(&role.arn.to_string(), change);
        }
        fault.map_or(Ok(()), |(_, error)| Err(error))
    }
}

struct FakeProbe {
    aws: FakeAws,
    access_key_id: String,
}

#[async_trait]
impl ProbeSession for FakeProbe {
    async fn call(&self, _region: &str) -> CallOutcome {
        self.aws.call(&self.access_key_id)
    }
}

#[async_trait]
impl Probes for FakeAws {
    async fn open(&self, role: &Role, spec: &ProbeSpec) -> Result<Box<dyn ProbeSession>, MintError> {
        if self.state().probes_refused {
            return Err(MintError::Refused("told to refuse probes".to_owned()));
        }
        let access_key_id = self.session(&role.arn.to_string(), spec.tag, spec.policy.fence(), 900);
        Ok(Box::new(FakeProbe { aws: self.clone(), access_key_id }))
    }
}

#[async_trait]
impl ClockOffset for FakeAws {
    async fn offset(&self) -> Option<Offset> {
        Some(Offset { skew: self.state().skew, measured_at: self.clock.now() })
    }
}
