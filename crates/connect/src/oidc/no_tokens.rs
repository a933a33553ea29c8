//! What a token endpoint answers when it isn't tokens.

use halligan_core::text::printable;
use halligan_engine::ports::ProviderError;
use openidconnect::core::CoreErrorResponseType;
use openidconnect::{HttpResponse, RequestTokenError, StandardErrorResponse};
use serde::Deserialize;
use serde_json::Value;

/// As errors name it.
pub(super) const TOKEN_ENDPOINT: &str = "its token endpoint";

pub(super) type TokenError = RequestTokenError<ProviderError, StandardErrorResponse<CoreErrorResponseType>>;

/// Only the code of the answer: the rest of it may repeat what was sent.
pub(super) fn of_token_endpoint(error: TokenError) -> ProviderError {
    match error {
        RequestTokenError::ServerResponse(answer) => of_code(TOKEN_ENDPOINT, answer.error().as_ref()),
        RequestTokenError::Request(error) => error,
        RequestTokenError::Parse(_, body) => no_tokens(&body),
        RequestTokenError::Other(_) => no_tokens(&[]),
    }
}

/// An answer that should have held tokens.
pub(super) fn no_tokens(body: &[u8]) -> ProviderError {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let reason = if answer.get("id_token").is_some() && answer.get("access_token").is_some() {
        "the ID token can't be read: expected a JWT with `iss`, `sub`, `aud`, and `exp` and `iat` in seconds since 1970"
    } else {
        "its token endpoint's answer makes no sense: expected JSON with tokens, or with an error"
    };
    ProviderError::Refused(reason.to_owned())
}

/// An error code of [RFC 6749, 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2), and those that say "later".
pub(super) fn of_code(whose: &str, code: &str) -> ProviderError {
    let code = printable(code, 40);
    let hint = match code.as_str() {
        "server_error" | "temporarily_unavailable" | "slow_down" => {
            return ProviderError::Unavailable(format!("{whose} said `{code}`"));
        }
        "invalid_client" | "unauthorized_client" => ": check the client id, its secret, and how it is registered",
        "invalid_grant" => ": the code or refresh token was used before, is too old, or is another client's",
        "invalid_scope" => ": check the scopes",
        _ => "",
    };
    ProviderError::Refused(format!("{whose} said `{code}`{hint}"))
}

/// The `error` of an answer; without one, its status.
pub(super) fn error_code(answer: &HttpResponse) -> String {
    #[derive(Deserialize)]
    struct Error {
        error: String,
    }
    match serde_json::from_slice::<Error>(answer.body()) {
        Ok(Error { error }) => error,
        Err(_) => answer.status().as_u16().to_string(),
    }
}
