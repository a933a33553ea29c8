//! Who calls: a bearer token, checked, and whose it is.
//!
//! `jsonwebtoken` verifies signatures. Its defaults are lax (a leeway of a
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
use std::sync::Arc;

use axum::http::HeaderMap;
use halligan_engine::identity::{Bearer, Identity, Stranger};
use halligan_engine::ports::{Claims, Clock, KeySets};
use halligan_engine::problem::{Problem, ProblemKind};

pub use algorithm::Algorithm;
pub use issuer::{Issuer, IssuerError, IssuerKeys, TokenKey};
pub use published::{FETCH_EVERY, FRESH_FOR, GOOD_FOR};
pub use token::{LEEWAY, TokenFault};

use issuer::Verifier;
use published::KeysUnavailable;
use token::Unverified;

/// Tells callers apart.
pub struct Authenticator {
    issuers: BTreeMap<String, Verifier>,
    clock: Arc<dyn Clock>,
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
            Self::Stranger(_) => ProblemKind::UnlinkedPrincipal,
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

impl Authenticator {
    /// Trusts these issuers and no others. Nothing is fetched yet.
    ///
    /// # Errors
    /// An issuer can't be used as it stands.
    pub fn new(issuers: Vec<Issuer>, sets: &Arc<dyn KeySets>, clock: Arc<dyn Clock>) -> Result<Self, IssuerError> {
        let mut verifiers = BTreeMap::new();
        for issuer in issuers {
            let name = issuer.issuer.clone();
            if verifiers.insert(name.clone(), Verifier::new(issuer, sets, &clock)?).is_some() {
                return Err(IssuerError::Twice(name));
            }
        }
        Ok(Self { issuers: verifiers, clock })
    }

    /// Fetches what issuers publish, so that the first of their callers needn't wait; returns the
    /// issuers whose keys can't be had. Their tokens are refused until they can.
    pub async fn warm(&self) -> Vec<String> {
        let mut failed = Vec::new();
        for (name, verifier) in &self.issuers {
            if !verifier.warm().await {
                failed.push(name.clone());
            }
        }
        failed
    }

    /// Whose the token in the `Authorization` header of a call is.
    ///
    /// # Errors
    /// Which rule it breaks, or that it is nobody's.
    pub async fn authenticate(&self, identity: &Identity, headers: &HeaderMap) -> Result<Bearer, AuthError> {
        let (issuer, claims) = self.verified(headers).await?;
        Ok(identity.bearer(&issuer, &claims).await?)
    }

    /// The issuer and the claims of that token.
    async fn verified(&self, headers: &HeaderMap) -> Result<(String, Claims), AuthError> {
        let text = bearer::token(headers)?;
        Ok(token::verified(text, &self.issuers, &*self.clock).await?)
    }
}
