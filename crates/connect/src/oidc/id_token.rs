//! Whether an ID token is what it should be
//! ([OpenID Connect Core 1.0, 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation)).

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use halligan_engine::ports::Claims;
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{ClaimsVerificationError, ClientId, IssuerUrl, Nonce, SignatureVerificationError};
use serde_json::Value;

/// What signatures may be made with: nothing that whoever verifies could make too.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// How far the provider's clock and ours may be apart.
pub(super) const LEEWAY: SignedDuration = SignedDuration::from_secs(5);

/// What the token must say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a IssuerUrl,
    /// The one audience.
    pub(super) client_id: &'a ClientId,
    /// None: the flow has none.
    pub(super) nonce: Option<&'a str>,
    /// The earliest `auth_time`.
    pub(super) proven_since: Option<Timestamp>,
    /// A refreshed token is the same person's
    /// ([12.2](https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse)).
    pub(super) subject: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It may be signed by a key that is newer than these.
    UnknownKey,
    /// In words.
    Refused(String),
}

fn refused(reason: impl Into<String>) -> Wrong {
    Wrong::Refused(reason.into())
}

/// All claims of a token that is as expected at `now`, and when it expires.
pub(super) fn verify(
    token: &CoreIdToken,
    keys: &CoreJsonWebKeySet,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<(Claims, Timestamp), Wrong> {
    let latest = now.saturating_add(LEEWAY).unwrap_or(Timestamp::MAX);
    let earliest = now.saturating_sub(LEEWAY).unwrap_or(Timestamp::MIN);
    // As of a public client, always: a client's secret is no key of the provider's.
    let verifier =
        CoreIdTokenVerifier::new_public_client(expected.client_id.clone(), expected.issuer.clone(), keys.clone())
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || SystemTime::from(earliest).into());
    let nonce = |found: Option<&Nonce>| match (expected.nonce, found) {
        (Some(nonce), Some(found)) if found.secret() == nonce => Ok(()),
        (Some(_), Some(_)) => Err("it is of another sign-in".to_owned()),
        (Some(_), None) => Err("there is none".to_owned()),
        (None, _) => Ok(()),
    };
    token.claims(&verifier, nonce).map_err(of_library)?;

    // The library has read these very bytes; the rest is what it leaves open.
    let claims = payload(&token.to_string()).ok_or_else(|| refused("the ID token's claims can't be read"))?;
    // RFC 3339 in a claim like `updated_at` is common, and nothing is made to rest on it.
    let time = |claim: &str| match claims.get(claim) {
        None => Ok(None),
        Some(value) => instant(value)
            .map(Some)
            .ok_or_else(|| refused(format!("the ID token's `{claim}` is not a number of seconds since 1970"))),
    };
    let expires_at = time("exp")?.ok_or_else(|| refused("the ID token has no `exp`"))?;
    if time("iat")?.is_none_or(|issued_at| issued_at > latest) {
        return Err(refused("the ID token's `iat` is missing or ahead of this machine's clock by more than 5 s"));
    }
    if time("nbf")?.is_some_and(|not_before| not_before > latest) {
        return Err(refused("the ID token's `nbf` is ahead of this machine's clock by more than 5 s"));
    }
    if claims.get("azp").is_some_and(|azp| azp.as_str() != Some(expected.client_id.as_str())) {
        return Err(refused("the ID token's `azp` is another client: expected the configured client id"));
    }
    let auth_time = time("auth_time")?;
    if let Some(since) = expected.proven_since {
        check_auth_time(auth_time, since, latest)?;
    }
    let subject = claims.get("sub").and_then(Value::as_str);
    if subject.is_none_or(str::is_empty) {
        return Err(refused("the ID token's `sub` is empty"));
    }
    if expected.subject.is_some() && expected.subject != subject {
        return Err(refused("the ID token's `sub` is another person's than before"));
    }
    Ok((claims, expires_at))
}

fn check_auth_time(auth_time: Option<Timestamp>, since: Timestamp, latest: Timestamp) -> Result<(), Wrong> {
    let Some(auth_time) = auth_time else {
        return Err(refused("the ID token has no `auth_time`: expected one, since a `max_age` was asked for"));
    };
    if auth_time.saturating_add(LEEWAY).unwrap_or(auth_time) < since {
        return Err(refused(format!(
            "the person last proved who they are at {auth_time}: expected {since} or later (`auth_time`)"
        )));
    }
    if auth_time > latest {
        return Err(refused("the ID token's `auth_time` is ahead of this machine's clock by more than 5 s"));
    }
    Ok(())
}

fn payload(token: &str) -> Option<Claims> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// A NumericDate of [RFC 7519](https://www.rfc-editor.org/rfc/rfc7519#section-2), to the second.
fn instant(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_i64().or_else(|| {
        // Beyond what a float holds exactly there are no dates.
        value.as_f64().filter(|seconds| seconds.abs() < 9e15).map(|seconds| seconds.floor() as i64)
    })?;
    Timestamp::from_second(seconds).ok()
}

/// The library's texts name values that anybody can put into a token: ours don't.
fn of_library(error: ClaimsVerificationError) -> Wrong {
    use SignatureVerificationError as Signature;
    let reason = match error {
        ClaimsVerificationError::Expired(_) => "it has expired: expected `exp` to be ahead",
        ClaimsVerificationError::InvalidAudience(_) => {
            "it is for another audience: expected `aud` to be the configured client id alone"
        }
        ClaimsVerificationError::InvalidIssuer(_) => {
            "it is of another issuer: expected `iss` to be the configured issuer, to the letter"
        }
        ClaimsVerificationError::InvalidNonce(reason) => {
            return refused(format!("the ID token: its nonce is not the one that was sent ({reason})"));
        }
        ClaimsVerificationError::SignatureVerification(error) => match error {
            Signature::NoMatchingKey => return Wrong::UnknownKey,
            Signature::NoSignature => "it is not signed (`alg` is `none`)",
            Signature::DisallowedAlg(_) | Signature::UnsupportedAlg(_) => {
                "it is signed with an algorithm that is not allowed: expected RS, PS, ES or EdDSA"
            }
            Signature::AmbiguousKeyId(_) => "it doesn't say which of the provider's keys it is signed with (`kid`)",
            Signature::CryptoError(_) => "its signature is not the provider's",
            _ => "its signature can't be verified",
        },
        ClaimsVerificationError::Unsupported(_) => {
            "it is of a kind that is not supported: expected a signed JWT without `cty`, `crit` or encryption"
        }
        _ => "it is not valid",
    };
    refused(format!("the ID token: {reason}"))
}
