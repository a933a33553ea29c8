//! Bearer tokens: short, signed with Ed25519 by a key that stays on this machine.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use halligan_engine::ports::{Clock, Entropy};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::SecretString;
use serde::Serialize;
use zeroize::Zeroizing;

/// Who says so, when nothing else is said: whoever holds a key of an issuer can
/// vouch for each of its subjects, so each person's key has an issuer of its own.
#[must_use]
pub fn issuer_of(subject: &str) -> String {
    format!("halligan:{subject}")
}

/// For whom, when nothing else is said.
pub const AUDIENCE: &str = "halligan";

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not what `token key` makes.
    #[error("the key is no Ed25519 private key: expected PKCS#8 in PEM, as `halligan token key` writes it")]
    Key(#[source] jsonwebtoken::errors::Error),
    /// The library refuses.
    #[error("the token can't be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
    /// The library can't make a key.
    #[error("no key could be made")]
    Generate,
    /// Past the end of time.
    #[error("the token would live too long: expected an end within the calendar")]
    Time(#[source] jiff::Error),
}

/// A private key, ready to sign.
#[derive(Clone)]
pub struct SigningKey(EncodingKey);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// Reads PKCS#8 in PEM.
    ///
    /// # Errors
    /// When it is no Ed25519 private key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TokenError> {
        let key = EncodingKey::from_ed_pem(pem).map_err(TokenError::Key)?;
        // The library looks into the key only when it signs: look now.
        let probe = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &serde_json::json!({}), &key);
        probe.map(|_| Self(key)).map_err(TokenError::Key)
    }
}

/// What a token says.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// `aud`.
    pub audience: &'a str,
    /// The header's `kid`: which of the issuer's keys signs.
    pub key_id: Option<&'a str>,
    /// From now to `exp`.
    pub life: SignedDuration,
}

/// A signed token.
#[derive(Debug)]
pub struct Token {
    /// The token.
    pub text: SecretString,
    /// Its `exp`.
    pub expires_at: Timestamp,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
}

/// Signs what a statement says, from now on.
///
/// # Errors
/// When the key doesn't sign, or the end is past the calendar.
pub fn sign(
    key: &SigningKey,
    says: Statement<'_>,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<Token, TokenError> {
    let now = halligan_core::floor_second(clock.now());
    let expires_at = now.checked_add(says.life).map_err(TokenError::Time)?;
    // No `nbf`: a client whose clock is a second ahead would be refused for it.
    let claims = Claims {
        iss: says.issuer,
        sub: says.subject,
        aud: says.audience,
        iat: now.as_second(),
        exp: expires_at.as_second(),
        jti: hex::encode(entropy.bytes::<16>()),
    };
    let header = Header { kid: says.key_id.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
    let text = jsonwebtoken::encode(&header, &claims, &key.0).map_err(TokenError::Sign)?;
    Ok(Token { text: text.into(), expires_at })
}

/// A new pair of keys.
pub struct KeyPair {
    /// PKCS#8 in PEM.
    pub private_pem: Zeroizing<String>,
    /// `SubjectPublicKeyInfo` in PEM: what the broker's configuration takes.
    pub public_pem: String,
}

impl KeyPair {
    /// Makes one.
    ///
    /// # Errors
    /// When the library can't.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, TokenError> {
        let seed = Zeroizing::new(entropy.bytes::<32>());
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| TokenError::Generate)?;
        // Version 1: the one that every other tool reads.
        let private = pair.to_pkcs8v1().map_err(|_| TokenError::Generate)?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| TokenError::Generate)?;
        let pem = |tag, der: &[u8]| {
            let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
            pem::encode_config(&pem::Pem::new(tag, der), lines)
        };
        Ok(Self {
            private_pem: Zeroizing::new(pem("PRIVATE KEY", private.as_ref())),
            public_pem: pem("PUBLIC KEY", public.as_ref()),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use jsonwebtoken::{DecodingKey, Validation};
    use secrecy::ExposeSecret as _;

    use super::*;

    /// A clock that stands still, and randomness that repeats.
    pub struct Still(pub Timestamp);

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    impl Entropy for Still {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn now() -> Still {
        Still("2026-03-01T02:40:00.5Z".parse().unwrap())
    }

    fn statement() -> Statement<'static> {
        let life = SignedDuration::from_mins(5);
        Statement { issuer: "halligan", subject: "alice", audience: "broker", key_id: Some("laptop"), life }
    }

    #[test]
    fn a_token_says_what_was_asked_and_the_public_half_verifies_it() {
        let pair = KeyPair::generate(&now()).unwrap();
        let key = SigningKey::from_pem(pair.private_pem.as_bytes()).unwrap();
        let token = sign(&key, statement(), &now(), &now()).unwrap();
        let text = token.text.expose_secret();

        let mut strict = Validation::new(Algorithm::EdDSA);
        strict.set_audience(&["broker"]);
        strict.set_issuer(&["halligan"]);
        strict.validate_exp = false; // The clock of this test stands still.
        let public = DecodingKey::from_ed_pem(pair.public_pem.as_bytes()).unwrap();
        let read = jsonwebtoken::decode::<serde_json::Value>(text, &public, &strict).unwrap();
        assert_eq!(read.header.kid.as_deref(), Some("laptop"));
        assert_eq!(read.claims["sub"], "alice");
        assert_eq!(read.claims["iat"], 1_772_332_800);
        assert_eq!(read.claims["exp"], 1_772_332_800 + 300);
        assert_eq!(read.claims["jti"], "07".repeat(16));
        assert_eq!(token.expires_at.to_string(), "2026-03-01T02:45:00Z");

        let other = KeyPair::generate(&MoreRandom).unwrap();
        let stranger = DecodingKey::from_ed_pem(other.public_pem.as_bytes()).unwrap();
        assert!(jsonwebtoken::decode::<serde_json::Value>(text, &stranger, &strict).is_err());
    }

    struct MoreRandom;

    impl Entropy for MoreRandom {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(9);
        }
    }

    #[test]
    fn keys_are_plain_pem() {
        let pair = KeyPair::generate(&now()).unwrap();
        assert!(
            pair.private_pem.starts_with("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw"),
            "{}",
            pair.private_pem.as_str()
        );
        assert!(pair.public_pem.starts_with("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2Vw"), "{}", pair.public_pem);
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let pair = KeyPair::generate(&now()).unwrap();
        for text in ["", "hello", &pair.public_pem, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(matches!(SigningKey::from_pem(text.as_bytes()), Err(TokenError::Key(_))), "{text}");
        }
        assert_eq!(format!("{:?}", SigningKey::from_pem(pair.private_pem.as_bytes()).unwrap()), "SigningKey(…)");
    }

    #[test]
    fn a_life_past_the_calendar_is_refused() {
        let pair = KeyPair::generate(&now()).unwrap();
        let key = SigningKey::from_pem(pair.private_pem.as_bytes()).unwrap();
        let forever = Statement { life: SignedDuration::MAX, ..statement() };
        assert!(matches!(sign(&key, forever, &now(), &now()), Err(TokenError::Time(_))));
    }
}
