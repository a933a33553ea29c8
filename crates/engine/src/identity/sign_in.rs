//! Signing in through an OpenID provider: authorization code with PKCE.
//!
//! What goes out with the browser is bound to it three times: `state` names the ceremony,
//! which is taken back once; a cookie's secret says that it is the same browser; the
//! nonce ties the ID token to it. Each provider has a redirect URI of its own, so that an
//! answer of one can't be taken for another's.

use std::net::IpAddr;

use halligan_core::actor::{Human, Party};
use halligan_core::id::PlaceId;
use halligan_policy::{Action, SignInMethod};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::passkey::WAITING_MAX;
use super::{Identity, SignedIn, freshness};
use crate::access::{Asker, Matter, Occasion};
use crate::ports::{AuthorizeAsk, IdentityProvider, Proof, ProviderError, Returned, SecretHash, SecretText};
use crate::problem::{Problem, ProblemKind};

/// How long somebody may take at the provider.
const AWAY_MAX: SignedDuration = SignedDuration::from_mins(10);
/// So many sign-ins under way at a time, of everybody.
const UNDER_WAY_MAX: u32 = 10_000;

/// The cookie's secret of a browser that was sent away.
pub type BrowserSecret = SecretText;

/// A browser on its way to the provider.
#[derive(Debug)]
pub struct SentAway {
    /// Where to.
    pub url: String,
    /// What it has to bring back in a cookie.
    pub browser: BrowserSecret,
}

/// What a browser came back with.
#[derive(Debug)]
pub struct Back<'a> {
    /// `code`.
    pub code: Option<&'a SecretText>,
    /// `state`.
    pub state: Option<&'a str>,
    /// `iss`.
    pub issuer: Option<&'a str>,
    /// `error`: the provider's word for why not.
    pub error: Option<&'a str>,
    /// The cookie's secret.
    pub browser: Option<&'a BrowserSecret>,
}

/// A sign-in under way.
#[derive(Serialize, Deserialize)]
struct Away {
    provider: PlaceId,
    nonce: String,
    verifier: String,
    browser: SecretHash,
    sent_at: Timestamp,
    max_age_seconds: Option<i64>,
    /// Of a session that is to be stepped up.
    session: Option<SecretHash>,
    back_to: String,
}

impl Identity {
    /// The providers that people can sign in with, and their issuers.
    pub fn providers(&self) -> impl Iterator<Item = (&PlaceId, &str)> {
        self.ports.providers.iter().map(|(name, provider)| (name, provider.issuer()))
    }

    /// Sends a browser to a provider, to come back to `back_to`, a path of our own. With
    /// the token of a session, its person proves themselves again.
    ///
    /// # Errors
    /// There is no such provider, it can't be reached, or this address tries too often.
    pub async fn send_away(
        &self,
        provider: &PlaceId,
        back_to: &str,
        session: Option<&SecretText>,
        address: Option<IpAddr>,
    ) -> Result<SentAway, Problem> {
        let now = self.clock.now();
        self.may_try(address, now)?;
        let there = self.provider(provider)?;
        let session = match session {
            Some(token) => Some(self.live(token).await?.token),
            None => None,
        };
        let (state, browser) = (self.text(), self.text());
        let max_age = session.as_ref().map(|_| SignedDuration::ZERO);
        let away = Away {
            provider: provider.clone(),
            nonce: self.text().expose_secret().to_owned(),
            verifier: self.text().expose_secret().to_owned(),
            browser: SecretHash::of(&browser),
            sent_at: now,
            max_age_seconds: max_age.map(|age| age.as_secs()),
            session,
            back_to: back_to.to_owned(),
        };
        let ask = AuthorizeAsk {
            redirect_uri: &self.redirect_uri(provider),
            state: state.expose_secret(),
            nonce: &away.nonce,
            verifier: &away.verifier.clone().into(),
            max_age,
        };
        let url = there.authorize(&ask).await.map_err(|error| self.provider_failed(provider, &error))?;
        let body = serde_json::to_string(&away).unwrap_or_default();
        let key = SecretHash::of(&state);
        // Strangers can't shut out who is signed in.
        let max = if away.session.is_some() { WAITING_MAX } else { UNDER_WAY_MAX };
        let kept = self.ports.ceremonies.begin(&key, &body, now + AWAY_MAX, max, now).await;
        kept.map_err(|error| self.too_many(error))?;
        Ok(SentAway { url, browser })
    }

    /// Takes a browser back: somebody has signed in, or has proved themselves again. Returns
    /// where they wanted to go.
    ///
    /// # Errors
    /// Which rule it breaks. Whatever came back is good for nothing then, not even again.
    pub async fn take_back(
        &self,
        provider: &PlaceId,
        back: &Back<'_>,
        address: Option<IpAddr>,
    ) -> Result<(Option<SignedIn>, String), Problem> {
        let now = self.clock.now();
        let there = self.provider(provider)?;
        let again = |what: &str| self.refused(ProblemKind::SignIn, format!("{what}: sign in again"));
        let state = back.state.ok_or_else(|| again("the provider sent back no state"))?;
        let taken = self.ports.ceremonies.take(&SecretHash::of(&state.to_owned().into()), now).await?;
        let away: Away = taken.and_then(|body| serde_json::from_str(&body).ok()).ok_or_else(|| {
            again("this sign-in was not begun here, took longer than ten minutes, or was used already")
        })?;
        if away.provider != *provider {
            return Err(again("this answer came back to another provider's address"));
        }
        if back.browser.map(SecretHash::of) != Some(away.browser.clone()) {
            return Err(again("this sign-in was begun in another browser"));
        }
        if let Some(error) = back.error {
            let shown = halligan_core::text::printable(error, 60);
            return Err(again(&format!("the provider refused (`{shown}`)")));
        }
        let code = back.code.ok_or_else(|| again("the provider sent back no code"))?;
        let proven_since = away.max_age_seconds.map(|age| away.sent_at - SignedDuration::from_secs(age));
        let returned = Returned {
            code,
            issuer: back.issuer,
            redirect_uri: &self.redirect_uri(provider),
            nonce: &away.nonce,
            verifier: &away.verifier.clone().into(),
            proven_since,
        };
        let claims = there.exchange(&returned, now).await.map_err(|error| self.provider_failed(provider, &error))?;
        let (login, party) = self
            .known(there.issuer(), &claims)
            .map_err(|stranger| self.refused(ProblemKind::UnlinkedPrincipal, stranger.to_string()))?;
        let Party::Human(human) = party else {
            return Err(self.refused(ProblemKind::UnlinkedPrincipal, "this provider vouches for no people"));
        };
        self.remember_groups(&login).await;
        // Without `auth_time` nobody says when it was: a session at the provider may be days old.
        let at = login.authenticated_at.map(|at| at.min(now));
        let proof = Proof { method: SignInMethod::Provider, at, mfa_at: at.filter(|_| login.mfa) };
        match &away.session {
            Some(token) => {
                self.step_up(token, human, proof).await?;
                Ok((None, away.back_to))
            }
            None => {
                let rules = self.may_come_in(&human, &proof, false).await?;
                Ok((Some(self.open_session(human, proof, rules, address).await?), away.back_to))
            }
        }
    }

    /// The policy lets them in.
    pub(super) async fn may_come_in(
        &self,
        human: &Human,
        proof: &Proof,
        provider_down: bool,
    ) -> Result<Vec<String>, Problem> {
        let now = self.clock.now();
        let party = Party::Human(human.clone());
        let shown =
            halligan_core::actor::Shown { channel: halligan_core::actor::Channel::Web, fresh: freshness(proof, now) };
        let asker = Asker::new(&party, shown);
        let occasion = Occasion { provider_down, ..Occasion::default() };
        self.judge.permits(asker, Action::SignIn, Matter::Broker, occasion).await
    }

    /// The session's own person has proved themselves again, and nobody else.
    async fn step_up(&self, token: &SecretHash, human: Human, proof: Proof) -> Result<(), Problem> {
        let session = self.ports.sessions.session(token).await?;
        let session = session.ok_or_else(|| self.refused(ProblemKind::SignIn, "the session is over: sign in again"))?;
        let directory = &self.judge.access().now().directory;
        if directory.person(&session.principal).as_ref() != Ok(&human.person) {
            let detail = "you signed in as somebody else than before: sign out first";
            return Err(self.refused(ProblemKind::SignIn, detail));
        }
        self.step_up_session(&session, human, proof).await
    }

    pub(super) fn may_try(&self, address: Option<IpAddr>, now: Timestamp) -> Result<(), Problem> {
        self.sign_ins.take(&address.map(neighbourhood), now).map_err(|seconds| {
            let detail = "there were too many attempts to sign in from this address within a minute";
            self.refused(ProblemKind::RateLimited, detail).retry_after(seconds)
        })
    }

    fn provider(&self, name: &PlaceId) -> Result<&dyn IdentityProvider, Problem> {
        let found = self.ports.providers.get(name).map(AsRef::as_ref);
        found.ok_or_else(|| {
            self.refused(ProblemKind::NotFound, format!("there is no provider `{name}` to sign in with"))
        })
    }

    fn redirect_uri(&self, provider: &PlaceId) -> String {
        format!("{}/sign-in/{provider}/callback", self.settings.public_url)
    }

    fn provider_failed(&self, provider: &PlaceId, error: &ProviderError) -> Problem {
        match error {
            ProviderError::Unavailable(_) => {
                tracing::error!(alarm = "identity.provider_down", %provider, %error, "people can't sign in");
                let detail = format!("the identity provider `{provider}` can't be reached now");
                self.refused(ProblemKind::ProviderUnavailable, detail).retry_after(5)
            }
            ProviderError::Refused(_) => {
                tracing::warn!(%provider, %error, "a sign-in was refused");
                self.refused(ProblemKind::SignIn, format!("{error}: sign in again"))
            }
        }
    }

    pub(super) fn too_many(&self, error: crate::ports::StoreError) -> Problem {
        match error {
            crate::ports::StoreError::Conflict => {
                self.refused(ProblemKind::RateLimited, "too many people are signing in at once").retry_after(10)
            }
            other => other.into(),
        }
    }

    /// A secret as text: 43 characters that no URL changes.
    fn text(&self) -> SecretText {
        hex::encode(self.secret()).into()
    }
}

/// Whoever has one address of a network of IPv6 has all of it: it counts as one.
fn neighbourhood(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => std::net::Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
    }
}
