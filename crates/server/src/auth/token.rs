//! The rules of a token.
//!
//! What `jsonwebtoken` does: signature, `iss`, `aud`. What it is kept from:
//! choosing the algorithm (one of the issuer's, checked before), looking at the
//! time (its clock is the ambient one, its leeway a minute, its `nbf` check off;
//! ours below replaces all of that), taking claims of other types for absent
//! (ours are typed, and a claim that is there twice is refused).

use std::collections::BTreeMap;

use halligan_engine::ports::{Claims, Clock};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Header, TokenData, Validation, decode, decode_header};
use serde::Deserialize;

use super::algorithm::Algorithm;
use super::claims::Once;
use super::issuer::Verifier;
use super::keys::KeySet;
use super::published::KeysUnavailable;

/// How far an issuer's clock may be from ours.
pub const LEEWAY: SignedDuration = SignedDuration::from_secs(5);

/// Which rule a token breaks. The texts are constant: they name the rule and
/// nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Not three parts of base64url, or not JSON of the right shape in them.
    #[error(
        "the bearer token is not a signed JWT with the claims iss, aud, iat and exp, each once and of its own type"
    )]
    Malformed,
    /// A header that we don't follow, or another sort of token.
    #[error(
        "the bearer token asks for something that is not supported, or is of another sort: expected a plain JWT without crit, jku, x5u, jwk, cty, that tells of no events"
    )]
    Header,
    /// The issuer, the algorithm, the key's name, or the signature.
    #[error("the bearer token is not signed by a configured key of a configured issuer")]
    Signature,
    /// It is for somebody else.
    #[error("the bearer token is for another audience")]
    Audience,
    /// `exp` has passed.
    #[error("the bearer token has expired: get a new one")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("the bearer token is not valid yet: is the issuer's clock right?")]
    NotYet,
    /// From `iat` to `exp` it is longer than its issuer may make it.
    #[error("the bearer token lives longer than its issuer is allowed: get a shorter one")]
    TooLong,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unverified {
    /// It breaks a rule.
    #[error(transparent)]
    Fault(#[from] TokenFault),
    /// Nobody can tell: its issuer's keys can't be had.
    #[error("the keys of the token's issuer can't be had")]
    Keys(KeysUnavailable),
}

impl From<KeysUnavailable> for Unverified {
    fn from(error: KeysUnavailable) -> Self {
        Self::Keys(error)
    }
}

/// `iss`, before anything is verified: it only chooses who is to verify.
#[derive(Deserialize)]
struct Claimed {
    iss: String,
}

/// The issuer and the claims of a token that breaks no rule.
pub(super) async fn verified(
    text: &str,
    issuers: &BTreeMap<String, Verifier>,
    clock: &dyn Clock,
) -> Result<(String, Claims), Unverified> {
    // `none` and every name that the library doesn't know fail to parse here.
    let header = decode_header(text).map_err(|_| TokenFault::Malformed)?;
    plain(&header)?;
    let Claimed { iss } = insecure_decode_claims(text).map_err(|_| TokenFault::Malformed)?;
    let verifier = issuers.get(&iss).ok_or(TokenFault::Signature)?;
    let algorithm = verifier.algorithm(header.alg).ok_or(TokenFault::Signature)?;
    let keys = verifier.keys(header.kid.as_deref()).await?;
    let claims = signed(text, &iss, &header, verifier, (&keys, algorithm))?;
    // Fetching keys takes its time.
    in_time(&claims, verifier.max_lifetime, clock.now())?;
    if claims.0.contains_key("events") {
        return Err(TokenFault::Header.into());
    }
    Ok((iss, claims.0))
}

/// Keys come from where the configuration says; extensions that must be understood
/// aren't; and other sorts of signed things are not access tokens.
fn plain(header: &Header) -> Result<(), TokenFault> {
    let typed = header.typ.as_deref().is_none_or(|typ| {
        let typ = typ.to_ascii_lowercase();
        ["jwt", "at+jwt", "application/at+jwt"].contains(&typ.as_str())
    });
    let foreign = header.crit.is_some()
        || header.jku.is_some()
        || header.x5u.is_some()
        || header.jwk.is_some()
        || header.cty.is_some()
        || header.enc.is_some()
        || header.zip.is_some();
    if typed && !foreign { Ok(()) } else { Err(TokenFault::Header) }
}

fn signed(
    text: &str,
    iss: &str,
    header: &Header,
    verifier: &Verifier,
    (keys, algorithm): (&KeySet, Algorithm),
) -> Result<Once, TokenFault> {
    let mut validation = Validation::new(algorithm.library());
    validation.set_required_spec_claims(&["iss", "aud", "exp"]);
    validation.set_issuer(&[iss]);
    validation.set_audience(&verifier.audiences);
    // Replaced by `in_time`, which takes the time as an argument.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.leeway = 0;
    let check = |key: &DecodingKey| decode::<Once>(text, key, &validation);
    let mut fault = TokenFault::Signature;
    for key in keys.fitting(header.kid.as_deref(), algorithm) {
        match check(key) {
            Ok(TokenData { claims, .. }) if claims.is_for(&verifier.audiences)? => return Ok(claims),
            Ok(_) => return Err(TokenFault::Audience),
            Err(error) => match error.kind() {
                ErrorKind::InvalidAudience => fault = TokenFault::Audience,
                ErrorKind::Json(_) | ErrorKind::MissingRequiredClaim(_) => fault = TokenFault::Malformed,
                // Another key of the same name may fit.
                _ => {}
            },
        }
    }
    Err(fault)
}

fn in_time(claims: &Once, max_lifetime: SignedDuration, now: Timestamp) -> Result<(), TokenFault> {
    let instant = |second: i64| Timestamp::from_second(second).map_err(|_| TokenFault::Malformed);
    let needed = |claim: &str| claims.second(claim)?.ok_or(TokenFault::Malformed);
    let (issued, expires) = (instant(needed("iat")?)?, instant(needed("exp")?)?);
    let begins = claims.second("nbf")?.map(instant).transpose()?;
    // Differences, not sums: a time at the end of the calendar can't overflow.
    if now.duration_since(expires) >= LEEWAY {
        return Err(TokenFault::Expired);
    }
    if [Some(issued), begins].into_iter().flatten().any(|at| at.duration_since(now) > LEEWAY) {
        return Err(TokenFault::NotYet);
    }
    let lifetime = expires.duration_since(issued);
    if !lifetime.is_positive() {
        return Err(TokenFault::Malformed);
    }
    if lifetime > max_lifetime { Err(TokenFault::TooLong) } else { Ok(()) }
}
