//! An issuer of tokens: its name, its keys, and what it may say.

use std::collections::BTreeSet;
use std::sync::Arc;

use halligan_engine::ports::{Clock, KeySets};
use jiff::SignedDuration;

use super::algorithm::Algorithm;
use super::keys::{Key, KeySet};
use super::published::{KeysUnavailable, Published};

/// Who may vouch for logins, and how.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The `aud` of its tokens must hold one of these: ours, and the client ids whose ID tokens are taken.
    pub audiences: Vec<String>,
    /// The keys that its tokens are signed with.
    pub keys: IssuerKeys,
    /// The algorithms that it signs with. A token can't choose another.
    pub algorithms: Vec<Algorithm>,
    /// The longest from a token's `iat` to its `exp`.
    pub max_lifetime: SignedDuration,
}

/// Where an issuer's keys are.
#[derive(Debug, Clone)]
pub enum IssuerKeys {
    /// Here: their public halves.
    Fixed(Vec<TokenKey>),
    /// Where it publishes them; [`KeySets`] knows the way. The text tells one way from another: keys that
    /// were fetched are kept for as long as it stays the same.
    Published(String),
}

/// A key of an issuer.
#[derive(Debug, Clone)]
pub struct TokenKey {
    /// Its name in the tokens' header. A token that names a key is checked with
    /// that key alone, one that names none with the keys that have no name.
    pub kid: Option<String>,
    /// The public half: a PEM `PUBLIC KEY`.
    pub pem: String,
}

/// Why an issuer can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// Not one of ours, or one whose checker could also sign.
    #[error(
        "`{0}` is not an algorithm that tokens may be signed with: expected one of {names}",
        names = Algorithm::ALL.map(Algorithm::as_str).join(", ")
    )]
    Algorithm(String),
    /// Nothing to check its tokens with.
    #[error("the issuer `{issuer}` has no {what}: expected at least one")]
    Lacks {
        /// Which issuer.
        issuer: String,
        /// What.
        what: &'static str,
    },
    /// A text that must not be empty is.
    #[error("an issuer's `{0}` is empty")]
    Empty(&'static str),
    /// Not a public key, or not of a usable sort.
    #[error(
        "key {number} of the issuer `{issuer}` is not a public key: expected a PEM `PUBLIC KEY` of Ed25519, P-256, P-384 or RSA"
    )]
    Key {
        /// Which issuer.
        issuer: String,
        /// Which of its keys, from 1.
        number: usize,
    },
    /// Two keys can't be told apart by their names.
    #[error("two keys of the issuer `{issuer}` have the kid `{kid}`")]
    Kid {
        /// Which issuer.
        issuer: String,
        /// The name.
        kid: String,
    },
    /// None of its algorithms works with this key, or the other way round.
    #[error(
        "the issuer `{issuer}` has keys and algorithms that don't go together: expected an algorithm for each key, and a key for each algorithm"
    )]
    Mismatch {
        /// Which issuer.
        issuer: String,
    },
    /// A token of that life is none that could be used.
    #[error("the issuer `{issuer}` has a longest token life of {seconds} s: expected more than 0")]
    Lifetime {
        /// Which issuer.
        issuer: String,
        /// What was said.
        seconds: i64,
    },
    /// Two issuers of one name.
    #[error("the issuer `{0}` is there twice")]
    Twice(String),
}

/// An issuer, ready to check tokens.
pub(super) struct Verifier {
    pub(super) audiences: Vec<String>,
    pub(super) max_lifetime: SignedDuration,
    algorithms: Vec<Algorithm>,
    keys: Keys,
}

/// Where a verifier has its keys from.
enum Keys {
    Fixed(Arc<KeySet>),
    Published { way: String, published: Arc<Published> },
}

impl Verifier {
    /// Of the issuer that `before` was, if there was one.
    pub(super) fn new(
        issuer: Issuer,
        before: Option<&Self>,
        sets: &Arc<dyn KeySets>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, IssuerError> {
        issuer.check()?;
        let Issuer { issuer, audiences, keys, algorithms, max_lifetime } = issuer;
        let keys = match keys {
            IssuerKeys::Fixed(keys) => Keys::Fixed(Arc::new(fixed(&issuer, &keys, &algorithms)?)),
            IssuerKeys::Published(way) => {
                let kept = before.and_then(|before| before.kept(&way, &algorithms));
                let fresh = || Arc::new(Published::new(issuer, algorithms.clone(), sets.clone(), clock.clone()));
                Keys::Published { published: kept.unwrap_or_else(fresh), way }
            }
        };
        Ok(Self { audiences, max_lifetime, algorithms, keys })
    }

    /// The algorithm, if the issuer signs with it.
    pub(super) fn algorithm(&self, named: jsonwebtoken::Algorithm) -> Option<Algorithm> {
        self.algorithms.iter().copied().find(|algorithm| algorithm.library() == named)
    }

    /// What the issuer publishes, if it does.
    pub(super) const fn published(&self) -> Option<&Arc<Published>> {
        match &self.keys {
            Keys::Fixed(_) => None,
            Keys::Published { published, .. } => Some(published),
        }
    }

    /// What was fetched this way: for signatures by the same algorithms.
    fn kept(&self, way: &str, algorithms: &[Algorithm]) -> Option<Arc<Published>> {
        match &self.keys {
            Keys::Published { way: before, published } if before == way && self.algorithms == algorithms => {
                Some(published.clone())
            }
            Keys::Published { .. } | Keys::Fixed(_) => None,
        }
    }

    /// Keys that may hold the one of this name. A token that names none is checked with
    /// those that have no name.
    pub(super) async fn keys(&self, kid: Option<&str>) -> Result<Arc<KeySet>, KeysUnavailable> {
        match &self.keys {
            Keys::Fixed(keys) => Ok(keys.clone()),
            Keys::Published { published, .. } => published.keys(kid).await,
        }
    }
}

impl Issuer {
    /// Whether it can be used as it stands. Nothing is fetched.
    ///
    /// # Errors
    /// What is missing, or doesn't go together.
    pub fn check(&self) -> Result<(), IssuerError> {
        let Self { issuer, audiences, keys, algorithms, max_lifetime } = self;
        if issuer.is_empty() {
            return Err(IssuerError::Empty("issuer"));
        }
        if audiences.iter().any(String::is_empty) {
            return Err(IssuerError::Empty("audience"));
        }
        if !max_lifetime.is_positive() {
            return Err(IssuerError::Lifetime { issuer: issuer.clone(), seconds: max_lifetime.as_secs() });
        }
        for (what, none) in [("audience", audiences.is_empty()), ("algorithms", algorithms.is_empty())] {
            if none {
                return Err(IssuerError::Lacks { issuer: issuer.clone(), what });
            }
        }
        match keys {
            IssuerKeys::Fixed(keys) => fixed(issuer, keys, algorithms).map(drop),
            IssuerKeys::Published(_) => Ok(()),
        }
    }
}

/// Keys of the configuration: all of them must be good, for something is wrong with it else.
fn fixed(issuer: &str, keys: &[TokenKey], algorithms: &[Algorithm]) -> Result<KeySet, IssuerError> {
    if keys.is_empty() {
        return Err(IssuerError::Lacks { issuer: issuer.to_owned(), what: "keys" });
    }
    let mut kids = BTreeSet::new();
    let mut read = Vec::new();
    for (index, TokenKey { kid, pem }) in keys.iter().enumerate() {
        let bad = || IssuerError::Key { issuer: issuer.to_owned(), number: index + 1 };
        let key = Key::from_pem(kid.clone(), pem, algorithms).ok_or_else(bad)?;
        if let Some(kid) = kid
            && !kids.insert(kid)
        {
            return Err(IssuerError::Kid { issuer: issuer.to_owned(), kid: kid.clone() });
        }
        read.push(key);
    }
    let has_key = |algorithm: &Algorithm| read.iter().any(|key| key.fits(*algorithm));
    if !algorithms.iter().all(has_key)
        || !read.iter().all(|key| algorithms.iter().any(|algorithm| key.fits(*algorithm)))
    {
        return Err(IssuerError::Mismatch { issuer: issuer.to_owned() });
    }
    Ok(KeySet::new(read))
}
