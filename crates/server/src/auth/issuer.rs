//! An issuer of tokens: its name, its keys, and what it may say.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use jsonwebtoken::{AlgorithmFamily, DecodingKey};
use serde::{Deserialize, Serialize};

/// Who may vouch for logins, and how.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The `aud` of its tokens must hold one of these: ours, and the client ids whose ID tokens are taken.
    pub audiences: Vec<String>,
    /// The keys that its tokens are signed with: their public halves.
    pub keys: Vec<TokenKey>,
    /// The algorithms that it signs with. A token can't choose another.
    pub algorithms: Vec<Algorithm>,
    /// The longest from a token's `iat` to its `exp`.
    pub max_lifetime: SignedDuration,
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

/// The signatures that tokens may have: asymmetric ones, so that who can check
/// a token can't make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names of RFC 7518 and RFC 8037")]
pub enum Algorithm {
    EdDSA,
    ES256,
    ES384,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
}

impl Algorithm {
    /// Every one of them.
    pub const ALL: [Self; 9] = [
        Self::EdDSA,
        Self::ES256,
        Self::ES384,
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
    ];

    /// The name, as a token's header writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDSA => "EdDSA",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
        }
    }

    pub(super) const fn library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDSA => jsonwebtoken::Algorithm::EdDSA,
            Self::ES256 => jsonwebtoken::Algorithm::ES256,
            Self::ES384 => jsonwebtoken::Algorithm::ES384,
            Self::RS256 => jsonwebtoken::Algorithm::RS256,
            Self::RS384 => jsonwebtoken::Algorithm::RS384,
            Self::RS512 => jsonwebtoken::Algorithm::RS512,
            Self::PS256 => jsonwebtoken::Algorithm::PS256,
            Self::PS384 => jsonwebtoken::Algorithm::PS384,
            Self::PS512 => jsonwebtoken::Algorithm::PS512,
        }
    }

    const fn family(self) -> AlgorithmFamily {
        match self {
            Self::EdDSA => AlgorithmFamily::Ed,
            Self::ES256 | Self::ES384 => AlgorithmFamily::Ec,
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => AlgorithmFamily::Rsa,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = IssuerError;

    fn from_str(text: &str) -> Result<Self, IssuerError> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text);
        found.ok_or_else(|| IssuerError::Algorithm(halligan_core::text::printable(text, 40)))
    }
}

/// Why an issuer can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// Not one of ours, or one whose checker could also sign.
    #[error(
        "`{0}` is not an algorithm that tokens may be signed with: expected EdDSA, ES256, ES384, RS256, RS384, RS512, PS256, PS384 or PS512"
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
    keys: Vec<(Option<String>, DecodingKey)>,
}

impl Verifier {
    pub(super) fn new(issuer: Issuer) -> Result<Self, IssuerError> {
        let Issuer { issuer, audiences, keys, algorithms, max_lifetime } = issuer;
        if issuer.is_empty() {
            return Err(IssuerError::Empty("issuer"));
        }
        if audiences.iter().any(String::is_empty) {
            return Err(IssuerError::Empty("audience"));
        }
        if !max_lifetime.is_positive() {
            return Err(IssuerError::Lifetime { issuer, seconds: max_lifetime.as_secs() });
        }
        for (what, none) in
            [("audience", audiences.is_empty()), ("algorithms", algorithms.is_empty()), ("keys", keys.is_empty())]
        {
            if none {
                return Err(IssuerError::Lacks { issuer, what });
            }
        }
        let mut kids = BTreeSet::new();
        let mut decoded = Vec::new();
        for (index, TokenKey { kid, pem }) in keys.into_iter().enumerate() {
            let key = decode(&pem).ok_or_else(|| IssuerError::Key { issuer: issuer.clone(), number: index + 1 })?;
            if let Some(kid) = &kid
                && !kids.insert(kid.clone())
            {
                return Err(IssuerError::Kid { issuer, kid: kid.clone() });
            }
            decoded.push((kid, key));
        }
        let key_for = |algorithm: &Algorithm| decoded.iter().any(|(_, key)| key.family() == algorithm.family());
        let algorithm_for = |key: &DecodingKey| algorithms.iter().any(|algorithm| algorithm.family() == key.family());
        if !algorithms.iter().all(key_for) || !decoded.iter().all(|(_, key)| algorithm_for(key)) {
            return Err(IssuerError::Mismatch { issuer });
        }
        Ok(Self { audiences, max_lifetime, algorithms, keys: decoded })
    }

    /// The algorithm, if the issuer signs with it.
    pub(super) fn algorithm(&self, named: jsonwebtoken::Algorithm) -> Option<Algorithm> {
        self.algorithms.iter().copied().find(|algorithm| algorithm.library() == named)
    }

    /// The keys that a token of this header may be signed with.
    pub(super) fn keys<'a>(
        &'a self,
        kid: Option<&'a str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'a DecodingKey> {
        let fits = move |(name, key): &&(Option<String>, DecodingKey)| {
            name.as_deref() == kid && key.family() == algorithm.family()
        };
        self.keys.iter().filter(fits).map(|(_, key)| key)
    }
}

/// A public key of any usable sort.
fn decode(pem: &str) -> Option<DecodingKey> {
    // The library takes an RSA private key or a certificate for a public key.
    // Neither belongs into a configuration of public halves.
    let public = ["-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----"]
        .iter()
        .any(|begin| pem.trim_start().starts_with(begin));
    if !public {
        return None;
    }
    let bytes = pem.as_bytes();
    let key = DecodingKey::from_ed_pem(bytes)
        .or_else(|_| DecodingKey::from_ec_pem(bytes))
        .or_else(|_| DecodingKey::from_rsa_pem(bytes));
    key.ok()
}
