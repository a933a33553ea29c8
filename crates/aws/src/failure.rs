//! What an SDK error means: was anything done, is it worth another try, and
//! what of it may be shown.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use halligan_core::text::{printable, with_causes};

/// How a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The service said no, and will say so again.
    Refused,
    /// The service said not now, or nobody could be asked.
    Unavailable,
    /// Nobody knows whether it was done.
    Lost,
}

/// A failed call, in our words.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// The service's error code, where it gave one.
    pub(crate) code: Option<String>,
    /// Bounded, printable, free of secrets; begins with the call's name.
    pub(crate) text: String,
}

/// Codes of refusals that pass: throttling, our own credentials being renewed
/// late, and the ways of IAM and S3 of saying that somebody else is writing.
const PASSING: [&str; 19] = [
    "BandwidthLimitExceeded",
    "ConcurrentModification",
    "ConditionalRequestConflict",
    "EntityTemporarilyUnmodifiable",
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalFailure",
    "OperationAborted",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
];

impl Failure {
    pub(crate) fn of<E>(call: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        let passing = |code| PASSING.contains(&code) || matches!(status, Some(429 | 500..));
        let kind = match (error, code) {
            (SdkError::ServiceError(_), Some(code)) if passing(code) => Kind::Unavailable,
            (SdkError::ServiceError(_), Some(_)) => Kind::Refused,
            // Whether a dispatch that failed had been sent is told by the attempts (`Trail`).
            (SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_), _) => Kind::Unavailable,
            // No answer, half an answer, a gateway's page: whether AWS saw the call isn't known.
            (_, _) => Kind::Lost,
        };
        let said = match (code, error.as_service_error().and_then(ProvideErrorMetadata::message)) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            (None, _) => match (error, status) {
                // The SDK's parser has nothing to say that would help anybody.
                (SdkError::ServiceError(_), Some(status)) => {
                    format!("HTTP {status} with an answer that makes no sense")
                }
                (_, Some(status)) => format!("HTTP {status}: {}", with_causes(error)),
                (_, None) => with_causes(error),
            },
        };
        Self { kind, code: code.map(ToOwned::to_owned), text: presentable(&format!("{call}: {said}")) }
    }

    pub(crate) fn has_code(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }
}

const SHOWN_CHARACTERS_MAX: usize = 300;
/// The shortest secret of AWS's, the secret access key, in characters.
const SECRET_CHARACTERS_MIN: usize = 40;

/// `error` and its causes in one line, fit to be shown. `Display` only: `Debug`
/// of an SDK error shows the whole answer.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    presentable(&with_causes(error))
}

/// A foreign text made printable, short, and rid of whatever could be a secret:
/// `SignatureDoesNotMatch`, for one, repeats the request with its session token.
pub(crate) fn presentable(text: &str) -> String {
    let could_be_secret = |c: char| c.is_ascii_alphanumeric() || "+/=_%".contains(c);
    let mut shown = String::new();
    let mut run = String::new();
    let flush = |run: &mut String, shown: &mut String| {
        if run.len() >= SECRET_CHARACTERS_MIN {
            shown.push('…');
        } else {
            shown.push_str(run);
        }
        run.clear();
    };
    for c in text.chars() {
        if could_be_secret(c) {
            run.push(c);
        } else {
            flush(&mut run, &mut shown);
            shown.push(c);
        }
    }
    flush(&mut run, &mut shown);
    printable(&shown, SHOWN_CHARACTERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_printable_and_holds_no_secret() {
        let role = "User: arn:aws:sts::123456789012:assumed-role/halligan-break-glass/halligan-0123456789abcdef0123456789abcdef is not authorized";
        assert_eq!(presentable(role), role);
        assert_eq!(presentable("\u{1b}[2Jbell\u{7}\nnext"), "[2Jbell  next");
        assert_eq!(presentable("x ".repeat(1_000).as_str()).chars().count(), 299);
        for secret in ["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &format!("FwoGZX{}%2F==", "Ab1/".repeat(100))] {
            assert_eq!(presentable(&format!("token:{secret}, end")), "token:…, end");
            assert_eq!(presentable(&format!("token={secret}")), "…");
        }
    }
}
