//! The `Authorization` header.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::AuthError;

/// The longest header that is looked at, in bytes. Tokens of real issuers take
/// one to four thousand.
const HEADER_BYTES_MAX: usize = 8_192;

/// The token of a call. One header, one scheme: a second header could be what
/// another hop has checked.
pub(super) fn token(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut found = headers.get_all(AUTHORIZATION).iter();
    let header = match (found.next(), found.next()) {
        (None, _) => return Err(AuthError::Missing("the call has no bearer token: send `Authorization: Bearer …`")),
        (Some(_), Some(_)) => return Err(AuthError::Missing("the call has several `Authorization` headers: send one")),
        (Some(header), None) => header,
    };
    if header.len() > HEADER_BYTES_MAX {
        return Err(AuthError::Missing("the `Authorization` header is longer than 8192 bytes: no token here is"));
    }
    let malformed = AuthError::Missing("the `Authorization` header is malformed: expected `Bearer` and a token");
    let text = header.to_str().map_err(|_| malformed.clone())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(|| malformed.clone())?;
    let token = token.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() { Ok(token) } else { Err(malformed) }
}
