//! How people come in, prove themselves again, and sign what they say.

mod enrol;
mod notices;
mod out;
mod passkey;
mod providers;
mod session;
mod sign_in;
mod told;
mod yes;

use std::net::IpAddr;
use std::sync::Arc;

use halligan_core::actor::{Actor, Channel, Freshness, Party, Shown};
use halligan_core::entry::{Draft, Subject};
use halligan_core::event::{Event, Recorded};
use halligan_log::passkey::Relying;
use halligan_policy::SignInMethod;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::access::{Access, Judge, Login, LoginFault, UnknownLogin};
use crate::caller::Caller;
use crate::ports::{
    Ceremonies, Claims, Clock, Entropy, LoginGroups, Notices, Passkeys, Proof, Session, Sessions, SignOuts,
};
use crate::problem::{Problem, ProblemKind};
use crate::rate::Rate;
use crate::recorder::Recorder;
use crate::refusals::Tried;

use providers::Providers;

pub use enrol::{EnrolmentAsk, PasskeyStanding};
use out::Outdated;
pub use passkey::{ChallengeAsk, PasskeyAnswer};
pub use providers::ByName;
pub use session::{PASSKEY_ISSUER, SignedIn};
pub use sign_in::{Back, BrowserSecret, SentAway};

/// Everything outside that coming in needs.
#[derive(Clone)]
#[expect(missing_docs, reason = "each port is documented where it is defined")]
pub struct IdentityPorts {
    pub sessions: Arc<dyn Sessions>,
    pub sign_outs: Arc<dyn SignOuts>,
    pub ceremonies: Arc<dyn Ceremonies>,
    pub groups: Arc<dyn LoginGroups>,
    pub passkeys: Arc<dyn Passkeys>,
    /// The providers that people sign in with, by their names in the configuration.
    pub providers: ByName,
    /// Where people are told of enrolments, beside the browser.
    pub notices: Option<Arc<dyn Notices>>,
}

/// What the configuration says about coming in.
#[derive(Debug, Clone)]
pub struct IdentitySettings {
    /// Scheme, host and port that people see, without a `/` at its end.
    pub public_url: String,
    /// The host of it: what passkeys belong to. None: it is an address, which has no passkeys.
    pub rp_id: Option<String>,
    /// So long the groups count that a provider last said.
    pub groups_kept: SignedDuration,
    /// A session that nobody uses for so long is over.
    pub session_idle: SignedDuration,
    /// However it is used, it is over after so long.
    pub session_max: SignedDuration,
    /// So long after its notice an enrolment counts that nobody confirmed.
    pub enrolment_wait: SignedDuration,
    /// Whoever enrols a passkey has proved who they are to their provider so lately.
    pub enrol_within: SignedDuration,
    /// Whether signing in is that proof, where the provider doesn't say when there was one.
    pub enrol_after_sign_in: bool,
    /// How often one address may begin to sign in, a minute.
    pub sign_ins_per_minute: u32,
}

impl IdentitySettings {
    fn relying(&self) -> Result<(String, [String; 1]), Problem> {
        let id = self.rp_id.clone().ok_or_else(|| {
            let detail = "passkeys need a host name, and `server.public_url` has an address";
            Problem::new(ProblemKind::NotFound, detail)
        })?;
        Ok((id, [self.public_url.clone()]))
    }
}

/// The use cases of coming in.
pub struct Identity {
    ports: IdentityPorts,
    providers: Providers,
    settings: IdentitySettings,
    judge: Arc<Judge>,
    recorder: Arc<Recorder>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    sign_ins: Rate<Option<IpAddr>>,
    challenges: Rate<halligan_core::id::PersonId>,
    groups_told: Rate<halligan_core::actor::Principal>,
}

/// A token of the API that was checked, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// Who.
    pub party: Party,
    /// How fresh the proof of who they are.
    pub fresh: Freshness,
}

/// Why claims are nobody's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// They make no login.
    #[error(transparent)]
    Fault(#[from] LoginFault),
    /// The login is nobody's.
    #[error(transparent)]
    Unknown(#[from] UnknownLogin),
    /// It is from before its person was signed out everywhere, or may be. They are known, and it is recorded.
    #[error(transparent)]
    Outdated(Box<Problem>),
}

/// Challenges that one person may ask for, a minute.
const CHALLENGES_PER_MINUTE: u32 = 30;
/// Between an issuer's clock and ours.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(5);

impl Identity {
    /// Over these ports.
    pub fn new(
        ports: IdentityPorts,
        settings: IdentitySettings,
        judge: Arc<Judge>,
        recorder: Arc<Recorder>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let minute = SignedDuration::from_mins(1);
        let sign_ins = Rate::new(settings.sign_ins_per_minute, minute);
        let (challenges, groups_told) = (Rate::new(CHALLENGES_PER_MINUTE, minute), Rate::new(1, minute));
        let providers = Providers::new(ports.providers.clone());
        Self { ports, providers, settings, judge, recorder, clock, entropy, sign_ins, challenges, groups_told }
    }

    /// What the configuration says.
    #[must_use]
    pub const fn settings(&self) -> &IdentitySettings {
        &self.settings
    }

    /// Whose token of the API it is, and how fresh. Its signature, issuer, audience and times were checked.
    ///
    /// # Errors
    /// Nobody's; or it is from before its person was signed out everywhere.
    pub async fn bearer(&self, issuer: &str, claims: &Claims) -> Result<Bearer, Stranger> {
        self.bearer_in(&self.judge.access().now(), issuer, claims).await
    }

    /// The same, where `access` says whose it is: the state of it that goes with the keys that the token
    /// was checked with. What they may do is asked of what is in force then.
    ///
    /// # Errors
    /// As [`Identity::bearer`].
    pub async fn bearer_in(&self, access: &Access, issuer: &str, claims: &Claims) -> Result<Bearer, Stranger> {
        let (login, party) = known(access, issuer, claims)?;
        // Machines come with a new token each time, and nobody signs them out.
        if let Party::Human(human) = &party
            && let Err(outdated) = self.still_counts(&human.person, login.issued_at).await
        {
            let problem = self.recorder.refuse(Tried::with_token(&party, "sign_in"), outdated.into()).await;
            return Err(Stranger::Outdated(Box::new(problem)));
        }
        self.remember_groups(&login).await;
        let now = self.clock.now();
        // A time that has not come is nobody's.
        let at = login.authenticated_at.filter(|at| at.duration_since(now) <= CLOCKS_APART);
        let age = at.map(|at| now.duration_since(at).as_secs().max(0));
        let fresh = Freshness { auth_age_seconds: age, mfa_age_seconds: age.filter(|_| login.mfa) };
        Ok(Bearer { party, fresh })
    }

    fn known(&self, issuer: &str, claims: &Claims) -> Result<(Login, Party), Stranger> {
        known(&self.judge.access().now(), issuer, claims)
    }

    /// Keeps the groups that a token says, at most once a minute a login, as of when it was
    /// issued: an older token brings no group back. What can't be kept is missing at the next
    /// check: permits by group permit nobody then, and forbids by group forbid nobody.
    async fn remember_groups(&self, login: &Login) {
        let Some(groups) = &login.groups else { return };
        let now = self.clock.now();
        if self.groups_told.take(&login.principal, now).is_err() {
            return;
        }
        if let Err(error) =
            self.ports.groups.saw_groups(&login.principal, groups, login.issued_at.unwrap_or(now).min(now)).await
        {
            tracing::error!(%error, "the groups that a provider says could not be kept");
        }
    }

    fn secret(&self) -> [u8; 32] {
        self.entropy.bytes()
    }

    fn draft(&self, party: Option<&Party>, subject: Subject, recorded: Recorded) -> Draft {
        let channel = if party.is_some() { Channel::Web } else { Channel::System };
        self.recorder.draft(Actor { party: party.cloned(), channel }, subject, recorded)
    }
}

fn known(access: &Access, issuer: &str, claims: &Claims) -> Result<(Login, Party), Stranger> {
    let rules = access.directory.rules(issuer).ok_or_else(|| UnknownLogin::Issuer(issuer.to_owned()))?;
    let login = rules.login(claims)?;
    let party = access.directory.party(&login)?;
    Ok((login, party))
}

/// How fresh a proof is at `now`.
fn freshness(proof: &Proof, now: Timestamp) -> Freshness {
    let age = |at: Timestamp| now.duration_since(at).as_secs().max(0);
    Freshness { auth_age_seconds: proof.at.map(age), mfa_age_seconds: proof.mfa_at.map(age) }
}

/// A session, as a subject of entries.
fn session_subject(id: Uuid) -> Subject {
    Subject { kind: "session".to_owned(), id: id.to_string() }
}

/// A passkey, as a subject of entries: credentials may be long, so by the hash of what was enrolled.
fn passkey_subject(enrolment: &str) -> Subject {
    Subject { kind: "passkey".to_owned(), id: enrolment.to_owned() }
}

/// With the address that it came from.
fn from_address(event: Event, address: Option<IpAddr>) -> Recorded {
    let mut recorded = Recorded::plain(event);
    if let Some(address) = address {
        recorded.personal = recorded.personal.with("address", address.to_string());
    }
    recorded
}

/// The relying party, borrowed.
fn relying((id, origins): &(String, [String; 1])) -> Relying<'_> {
    Relying::new(id, origins)
}

impl Identity {
    /// A caller in a browser.
    fn web_caller(&self, party: Party, session: &Session, address: Option<IpAddr>, now: Timestamp) -> Caller {
        let proof = &session.proof;
        let shown = Shown { channel: Channel::Web, fresh: freshness(proof, now) };
        // Of a session of a provider it stays one, whatever its person proved themselves with since.
        let past_provider = party.principal().issuer == PASSKEY_ISSUER;
        let method = if past_provider { SignInMethod::Passkey } else { SignInMethod::Provider };
        let by_sign_in = (self.settings.enrol_after_sign_in && !past_provider).then_some(session.opened_at);
        let at_provider = proof.at_provider.or(by_sign_in);
        let provider_proof_age = at_provider.map(|at| now.duration_since(at));
        Caller { party, shown, method: Some(method), provider_proof_age, address, idempotency: None }
    }
}
