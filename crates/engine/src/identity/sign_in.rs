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

use super::passkey::KNOWN;
use super::{Identity, Outdated, SignedIn, freshness};
use crate::access::{Asker, Login, Matter, Occasion};
use crate::ports::{AuthorizeAsk, IdentityProvider, Proof, ProviderError, Returned, Room, SecretHash, SecretText};
use crate::problem::{Problem, ProblemKind};
use crate::rate::neighbourhood;

/// How long somebody may take at the provider.
const AWAY_MAX: SignedDuration = SignedDuration::from_mins(10);
/// Sign-ins of whoever comes. A flood of them makes the oldest begin again, and shuts out nobody.
const UNDER_WAY: Room = Room { name: "sign-in", max: 10_000 };

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
    /// Whose it was then: a code of one issuer must not be handed to another.
    issuer: String,
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
        let outcome = self.send_away_untold(provider, back_to, session, address).await;
        self.told_of_a_session(session.map(SecretHash::of).as_ref(), address, outcome).await
    }

    async fn send_away_untold(
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
            Some(token) => Some(self.live(&SecretHash::of(token)).await?.0.token),
            None => None,
        };
        let (state, browser) = (self.text(), self.text());
        let max_age = session.as_ref().map(|_| SignedDuration::ZERO);
        let away = Away {
            provider: provider.clone(),
            issuer: there.issuer().to_owned(),
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
        let room = if away.session.is_some() { KNOWN } else { UNDER_WAY };
        self.ports.ceremonies.begin(&key, &body, now + AWAY_MAX, room, now).await?;
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
        self.told_of_a_stranger(self.take_back_untold(provider, back, address)).await
    }

    async fn take_back_untold(
        &self,
        provider: &PlaceId,
        back: &Back<'_>,
        address: Option<IpAddr>,
    ) -> Result<(Option<SignedIn>, String), Problem> {
        let now = self.clock.now();
        let there = self.provider(provider)?;
        let state = back.state.ok_or_else(|| again("the provider sent back no state"))?;
        let taken = self.ports.ceremonies.take(&SecretHash::of(&state.to_owned().into()), now).await?;
        let away: Away = taken.and_then(|body| serde_json::from_str(&body).ok()).ok_or_else(|| {
            again("this sign-in was not begun here, took longer than ten minutes, or was used already")
        })?;
        if away.provider != *provider {
            return Err(again("this answer came back to another provider's address"));
        }
        if away.issuer != there.issuer() {
            return Err(again("the provider is another than when this sign-in was begun"));
        }
        if back.browser.map(SecretHash::of) != Some(away.browser.clone()) {
            return Err(again("this sign-in was begun in another browser"));
        }
        let vouched = self.vouched(provider, &*there, &away, back).await;
        let (login, human) = self.told_of_a_session(away.session.as_ref(), address, vouched).await?;
        let action = if away.session.is_some() { "step_up" } else { "sign_in" };
        let outcome = self.recognised(&away, &login, human.clone(), address).await;
        let opened = self.told_at_the_door(&human, action, address, outcome).await?;
        Ok((opened, away.back_to))
    }

    /// Who came back, by the provider's word.
    async fn vouched(
        &self,
        provider: &PlaceId,
        there: &dyn IdentityProvider,
        away: &Away,
        back: &Back<'_>,
    ) -> Result<(Login, Human), Problem> {
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
        let claims = there
            .exchange(&returned, self.clock.now())
            .await
            .map_err(|error| self.provider_failed(provider, &error))?;
        self.judge.providers().saw(false, self.clock.now());
        let (login, party) = self
            .known(there.issuer(), &claims)
            .map_err(|stranger| Problem::new(ProblemKind::UnlinkedPrincipal, stranger.to_string()))?;
        match party {
            Party::Human(human) => Ok((login, human)),
            Party::Machine(_) => {
                Err(Problem::new(ProblemKind::UnlinkedPrincipal, "this provider vouches for no people"))
            }
        }
    }

    /// Lets somebody in whom a provider vouches for, or notes that they have proved themselves again.
    async fn recognised(
        &self,
        away: &Away,
        login: &Login,
        human: Human,
        address: Option<IpAddr>,
    ) -> Result<Option<SignedIn>, Problem> {
        self.began_after(&human, away).await?;
        self.remember_groups(login).await;
        // Without `auth_time` nobody says when it was: a session at the provider may be days old.
        let at = login.authenticated_at.map(|at| at.min(self.clock.now()));
        let mfa_at = at.filter(|_| login.mfa);
        let proof = Proof { method: SignInMethod::Provider, at, mfa_at, at_provider: at };
        match &away.session {
            Some(token) => {
                self.step_up(token, human, proof).await?;
                Ok(None)
            }
            None => {
                let rules = self.may_come_in(&human, &proof).await?;
                let opened = self.open_session(human, proof, rules, address).await?;
                // Whoever was signed out everywhere meanwhile had this session not yet.
                if let Err(problem) = self.began_after(&opened.human, away).await {
                    self.sign_out(&opened.token).await?;
                    return Err(problem);
                }
                Ok(Some(opened))
            }
        }
    }

    /// By our own clock: whatever the provider's says, this began before they were signed out everywhere, or after.
    async fn began_after(&self, human: &Human, away: &Away) -> Result<(), Problem> {
        self.still_counts(&human.person, Some(away.sent_at)).await.map_err(|outdated| match outdated {
            Outdated::Unknown(problem) => *problem,
            Outdated::Before { .. } | Outdated::Undated { .. } => {
                let detail = "this sign-in was begun before you were signed out everywhere: sign in again";
                Problem::new(ProblemKind::SignIn, detail)
            }
        })
    }

    /// The policy lets them in.
    pub(super) async fn may_come_in(&self, human: &Human, proof: &Proof) -> Result<Vec<String>, Problem> {
        let now = self.clock.now();
        let party = Party::Human(human.clone());
        let shown =
            halligan_core::actor::Shown { channel: halligan_core::actor::Channel::Web, fresh: freshness(proof, now) };
        let asker = Asker::new(&party, shown);
        self.judge.permits(asker, Action::SignIn, Matter::Broker, Occasion::default()).await
    }

    /// What came of somebody's way to the provider and back: with a session that lives they are known.
    async fn told_of_a_session<T>(
        &self,
        session: Option<&SecretHash>,
        address: Option<IpAddr>,
        outcome: Result<T, Problem>,
    ) -> Result<T, Problem> {
        let (problem, session) = match (outcome, session) {
            (Ok(done), _) => return Ok(done),
            (Err(problem), None) => return Err(self.recorder.refuse_stranger(problem)),
            (Err(problem), Some(session)) => (problem, session),
        };
        match self.live(session).await {
            Ok((_, Party::Human(human))) => self.told_at_the_door(&human, "step_up", address, Err(problem)).await,
            Ok((_, Party::Machine(_))) | Err(_) => Err(self.recorder.refuse_stranger(problem)),
        }
    }

    /// The session's own person has proved themselves again, and nobody else.
    async fn step_up(&self, token: &SecretHash, human: Human, proof: Proof) -> Result<(), Problem> {
        let (session, _) = self.live(token).await.map_err(|problem| match problem.kind {
            ProblemKind::Unauthenticated => Problem::new(ProblemKind::SignIn, "the session is over: sign in again"),
            _ => problem,
        })?;
        let directory = &self.judge.access().now().directory;
        if directory.person(&session.principal).as_ref() != Ok(&human.person) {
            let detail = "you signed in as somebody else than before: sign out first";
            return Err(Problem::new(ProblemKind::SignIn, detail));
        }
        self.step_up_session(&session, human, proof).await
    }

    pub(super) fn may_try(&self, address: Option<IpAddr>, now: Timestamp) -> Result<(), Problem> {
        self.sign_ins.take(&address.map(neighbourhood), now).map_err(|seconds| {
            let detail = "there were too many attempts to sign in from this address within a minute";
            Problem::new(ProblemKind::RateLimited, detail).retry_after(seconds)
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
                Problem::new(ProblemKind::ProviderUnavailable, detail).retry_after(5)
            }
            ProviderError::Refused(_) => {
                tracing::warn!(%provider, %error, "a sign-in was refused");
                Problem::new(ProblemKind::SignIn, format!("{error}: sign in again"))
            }
        }
    }

    /// A secret as text: 43 characters that no URL changes.
    fn text(&self) -> SecretText {
        hex::encode(self.secret()).into()
    }
}

fn again(what: &str) -> Problem {
    Problem::new(ProblemKind::SignIn, format!("{what}: sign in again"))
}
