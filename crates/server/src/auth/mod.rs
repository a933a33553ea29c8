//! Who calls: a bearer token, checked, and the person that its login is linked to.
//!
//! `jsonwebtoken` verifies signatures. Its defaults are lax (a leeway of a
//! minute, `nbf` and the issuer unchecked), so nothing is left to them: `token.rs`
//! has the rules.

mod bearer;
mod issuer;
mod token;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::HeaderMap;
use halligan_core::actor::{Human, Principal};
use halligan_core::id::PersonId;
use halligan_engine::ports::Clock;
use halligan_engine::problem::{Problem, ProblemKind};

pub use issuer::{Algorithm, Issuer, IssuerError, TokenKey};
pub use token::{LEEWAY, TokenFault};

use issuer::Verifier;

/// Tells callers apart.
pub struct Authenticator {
    issuers: BTreeMap<String, Verifier>,
    links: BTreeMap<Principal, PersonId>,
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
    /// The token is good, and its issuer vouches for no humans.
    #[error("`{0}` is not an issuer of people: sign in as a person")]
    NotPeople(String),
    /// The token is good, and its login is linked to no person.
    #[error("the login `{subject}` of `{issuer}` belongs to no person here: ask the operators to link it")]
    Unlinked {
        /// Who vouches for it.
        issuer: String,
        /// Whom it names.
        subject: String,
    },
}

impl AuthError {
    /// What the caller is told.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let kind = match self {
            Self::Missing(_) | Self::Token(_) => ProblemKind::Unauthenticated,
            Self::NotPeople(_) | Self::Unlinked { .. } => ProblemKind::UnlinkedPrincipal,
        };
        let problem = Problem::new(kind, self.to_string());
        match kind {
            ProblemKind::Unauthenticated => problem.in_field("Authorization"),
            _ => problem,
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
            Self::NotPeople(_) | Self::Unlinked { .. } => None,
        }
    }
}

impl Authenticator {
    /// Trusts these issuers and no others.
    ///
    /// # Errors
    /// An issuer can't be used as it stands, or a link names a login that no
    /// issuer of people vouches for.
    pub fn new(
        issuers: Vec<Issuer>,
        links: BTreeMap<Principal, PersonId>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IssuerError> {
        let mut verifiers = BTreeMap::new();
        for issuer in issuers {
            let name = issuer.issuer.clone();
            if verifiers.insert(name.clone(), Verifier::new(issuer)?).is_some() {
                return Err(IssuerError::Twice(name));
            }
        }
        for principal in links.keys() {
            if !verifiers.get(&principal.issuer).is_some_and(|verifier| verifier.people) {
                return Err(IssuerError::LinkedElsewhere {
                    issuer: principal.issuer.clone(),
                    subject: principal.subject.clone(),
                });
            }
        }
        Ok(Self { issuers: verifiers, links, clock })
    }

    /// The human behind the `Authorization` header of a call.
    ///
    /// # Errors
    /// Which rule its token breaks.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Human, AuthError> {
        let text = bearer::token(headers)?;
        let principal = token::verified(text, &self.issuers, self.clock.now())?;
        if !self.issuers.get(&principal.issuer).is_some_and(|verifier| verifier.people) {
            return Err(AuthError::NotPeople(principal.issuer));
        }
        match self.links.get(&principal) {
            Some(person) => Ok(Human { person: person.clone(), principal }),
            None => Err(AuthError::Unlinked { issuer: principal.issuer, subject: principal.subject }),
        }
    }
}
