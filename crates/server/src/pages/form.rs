//! What a form sends.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use halligan_core::text::printable;
use halligan_engine::problem::{Problem, ProblemKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use crate::App;
use crate::call::BODY_BYTES_MAX;
use crate::problem::ApiProblem;

/// The longest text of a parser that is passed on, in characters.
const DETAIL_CHARACTERS_MAX: usize = 400;

/// A form's fields. Those that the form doesn't have are refused.
pub(super) struct Sent<T>(pub T);

/// A form with nothing to fill in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Where to go afterwards.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackTo {
    #[serde(default)]
    pub back_to: String,
}

/// A passkey's answer, in JSON, and where to go afterwards.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    #[serde(default)]
    pub back_to: String,
    #[serde(default)]
    pub answer: String,
}

impl<T: DeserializeOwned + Send> FromRequest<App> for Sent<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        match Form::<T>::from_request(request, app).await {
            Ok(Form(fields)) => Ok(Self(fields)),
            Err(rejection) => Err(Refusal::from(refused(&rejection))),
        }
    }
}

fn refused(rejection: &FormRejection) -> ApiProblem {
    match rejection {
        FormRejection::InvalidFormContentType(_) => {
            let detail = "the body is no form: expected `application/x-www-form-urlencoded`";
            ApiProblem::new(ProblemKind::Invalid, detail).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        }
        FormRejection::FailedToDeserializeForm(_) | FormRejection::FailedToDeserializeFormBody(_) => {
            let text = printable(&rejection.body_text(), DETAIL_CHARACTERS_MAX);
            ApiProblem::new(ProblemKind::Invalid, format!("the form can't be read: {text}"))
        }
        rejection if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("the form is larger than {BODY_BYTES_MAX} bytes: send at most that");
            ApiProblem::new(ProblemKind::TooLarge, detail)
        }
        _ => ApiProblem::new(ProblemKind::Invalid, "the form broke off before its end: send it again"),
    }
}

/// The JSON that the script puts into a form's `answer`.
pub(super) fn answer<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    if text.is_empty() {
        let detail = "the passkey's answer is missing: signing needs JavaScript and a browser that has passkeys";
        return Err(Problem::invalid("answer", detail));
    }
    serde_json::from_str(text).map_err(|error| {
        let text = printable(&error.to_string(), DETAIL_CHARACTERS_MAX);
        Problem::invalid("answer", format!("the passkey's answer can't be read: {text}"))
    })
}
