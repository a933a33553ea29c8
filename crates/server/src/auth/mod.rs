//! Who calls: a bearer token, checked, and whose it is.
//!
//! Which issuers are trusted is swapped as a whole, with who is who: a call is judged by one
//! state of both. `jsonwebtoken` verifies signatures. Its defaults are lax (a leeway of a
//! minute, `nbf` and the issuer unchecked), so nothing is left to them: `token.rs`
//! has the rules.

mod algorithm;
mod bearer;
mod claims;
mod issuer;
mod keys;
mod published;
mod token;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::HeaderMap;
use halligan_engine::access::Access;
use halligan_engine::identity::{Bearer, Identity, Stranger};
use halligan_engine::ports::{Claims, Clock, KeySets};
use halligan_engine::problem::{Problem, ProblemKind};
use tokio::task::JoinSet;

pub use algorithm::Algorithm;
pub use issuer::{Issuer, IssuerError, IssuerKeys, TokenKey};
pub use published::{FETCH_EVERY, FRESH_FOR, GOOD_FOR};
pub use token::{LEEWAY, TokenFault};

use issuer::Verifier;
use published::KeysUnavailable;
use token::Unverified;

/// Tells callers apart.
pub struct Authenticator {
    trust: RwLock<Arc<Trust>>,
    clock: Arc<dyn Clock>,
}

/// The issuers that are trusted, ready to check tokens.
pub struct Trust {
    issuers: BTreeMap<String, Verifier>,
    /// Whose the logins are that they vouch for. None: as is in force when somebody comes.
    access: Option<Arc<Access>>,
}

/// Why a call is nobody's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No token, or none that can be read.
    #[error("{0}")]
    Missing(&'static str),
    /// The token breaks a rule.
    #[error("{0}")]
    Token(#[from] TokenFault),
    /// The keys of its issuer can't be had: nobody can tell whether it is good.
    #[error("the keys of the token's issuer can't be had now, so nobody can tell whether it is good: ask again")]
    Keys {
        /// When there may be another try.
        retry_after_seconds: u32,
    },
    /// The token is good, and its login is nobody's.
    #[error(transparent)]
    Stranger(#[from] Stranger),
}

impl AuthError {
    /// What the caller is told.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let kind = match self {
            Self::Missing(_) | Self::Token(_) => ProblemKind::Unauthenticated,
            Self::Keys { .. } => ProblemKind::ProviderUnavailable,
            Self::Stranger(Stranger::Outdated(problem)) => return Problem::clone(problem),
            Self::Stranger(Stranger::Fault(_) | Stranger::Unknown(_)) => ProblemKind::UnlinkedPrincipal,
        };
        let problem = Problem::new(kind, self.to_string());
        match self {
            Self::Missing(_) | Self::Token(_) => problem.in_field("Authorization"),
            Self::Keys { retry_after_seconds } => problem.retry_after(*retry_after_seconds),
            Self::Stranger(_) => problem,
        }
    }

    /// The `WWW-Authenticate` header that goes with it (RFC 6750, section 3).
    #[must_use]
    pub fn challenge(&self) -> Option<String> {
        match self {
            Self::Missing(_) => Some("Bearer realm=\"halligan\"".to_owned()),
            Self::Token(fault) => {
                Some(format!("Bearer realm=\"halligan\", error=\"invalid_token\", error_description=\"{fault}\""))
            }
            Self::Stranger(Stranger::Outdated(problem)) if problem.kind == ProblemKind::Unauthenticated => Some(
                "Bearer realm=\"halligan\", error=\"invalid_token\", error_description=\"its person was signed out everywhere\""
                    .to_owned(),
            ),
            Self::Keys { .. } | Self::Stranger(_) => None,
        }
    }
}

impl From<Unverified> for AuthError {
    fn from(error: Unverified) -> Self {
        match error {
            Unverified::Fault(fault) => Self::Token(fault),
            Unverified::Keys(KeysUnavailable { retry_after_seconds }) => Self::Keys { retry_after_seconds },
        }
    }
}

impl Trust {
    /// Keys that `before` fetched are kept, where nothing has changed in what may be done with them.
    fn new(
        issuers: Vec<Issuer>,
        before: Option<&Self>,
        sets: &Arc<dyn KeySets>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, IssuerError> {
        let mut verifiers = BTreeMap::new();
        for issuer in issuers {
            let name = issuer.issuer.clone();
            let same = before.and_then(|before| before.issuers.get(&name));
            if verifiers.insert(name.clone(), Verifier::new(issuer, same, sets, clock)?).is_some() {
                return Err(IssuerError::Twice(name));
            }
        }
        Ok(Self { issuers: verifiers, access: None })
    }
}

impl Authenticator {
    /// Trusts these issuers and no others. Nothing is fetched yet.
    ///
    /// # Errors
    /// An issuer can't be used as it stands.
    pub fn new(issuers: Vec<Issuer>, sets: &Arc<dyn KeySets>, clock: Arc<dyn Clock>) -> Result<Self, IssuerError> {
        let trust = Trust::new(issuers, None, sets, &clock)?;
        Ok(Self { trust: RwLock::new(Arc::new(trust)), clock })
    }

    /// Other issuers, for [`Authenticator::replace`]: nothing is trusted yet. Published keys that are
    /// there already are kept, if their issuer publishes them at the same place and signs with the
    /// same algorithms; the others are fetched when they are needed.
    ///
    /// # Errors
    /// An issuer can't be used as it stands.
    pub fn prepared(&self, issuers: Vec<Issuer>, sets: &Arc<dyn KeySets>) -> Result<Trust, IssuerError> {
        Trust::new(issuers, Some(&self.trust()), sets, &self.clock)
    }

    /// From now on trusts these issuers and no others, and their logins are whose `access` says. That
    /// goes for calls too that are waiting for keys.
    pub fn replace(&self, trust: Trust, access: Arc<Access>) {
        let trust = Trust { access: Some(access), ..trust };
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
    }

    fn trust(&self) -> Arc<Trust> {
        self.trust.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches what issuers publish, all at once, so that the first of their callers needn't wait;
    /// returns the issuers whose keys can't be had. Their tokens are refused until they can.
    pub async fn warm(&self) -> Vec<String> {
        let mut fetching = JoinSet::new();
        for (name, verifier) in &self.trust().issuers {
            if let Some(published) = verifier.published() {
                let (name, published) = (name.clone(), published.clone());
                fetching.spawn(async move { (!published.warm().await).then_some(name) });
            }
        }
        // A fetch that panicked came to nothing: the next one is told.
        let mut failed: Vec<String> = fetching.join_all().await.into_iter().flatten().collect();
        failed.sort();
        failed
    }

    /// Whose the token in the `Authorization` header of a call is.
    ///
    /// # Errors
    /// Which rule it breaks, or that it is nobody's.
    pub async fn authenticate(&self, identity: &Identity, headers: &HeaderMap) -> Result<Bearer, AuthError> {
        let (trust, (issuer, claims)) = self.verified(headers).await?;
        Ok(match &trust.access {
            Some(access) => identity.bearer_in(access, &issuer, &claims).await?,
            None => identity.bearer(&issuer, &claims).await?,
        })
    }

    /// The issuer and the claims of that token, and the trust that it was checked with.
    async fn verified(&self, headers: &HeaderMap) -> Result<(Arc<Trust>, (String, Claims)), AuthError> {
        let text = bearer::token(headers)?;
        loop {
            let trust = self.trust();
            let verified = token::verified(text, &trust.issuers, &*self.clock).await;
            // Keys may have been waited for, and another trust be in force by now.
            if Arc::ptr_eq(&trust, &self.trust()) {
                return Ok((trust, verified?));
            }
        }
    }
}
