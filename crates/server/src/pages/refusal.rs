//! Refusals as pages: the words of the API's problem, and what can be done about it.

use askama::Template;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use halligan_engine::problem::Problem;

use super::answer::Answer;
use super::frame::{Frame, page_with};
use super::show::Words;
use super::step_up::StepUp;
use crate::context::RequestId;
use crate::problem::{ApiProblem, bare};
use crate::views::ProblemView;

/// A refusal on its way to a page.
#[derive(Clone)]
pub(super) struct Refusal(Box<Parts>);

#[derive(Clone)]
struct Parts {
    problem: ApiProblem,
    step_up: Option<StepUp>,
    sign: Option<Answer>,
    link: Option<Link>,
}

/// Where to go on.
#[derive(Clone)]
struct Link {
    to: String,
    text: &'static str,
}

/// The answer is written: no other layer says it in JSON.
#[derive(Clone, Copy)]
pub(crate) struct Written;

impl From<ApiProblem> for Refusal {
    fn from(problem: ApiProblem) -> Self {
        Self(Box::new(Parts { problem, step_up: None, sign: None, link: None }))
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        ApiProblem::from(problem).into()
    }
}

impl Refusal {
    pub(super) fn problem(&self) -> &Problem {
        self.0.problem.problem()
    }

    /// This page leads on.
    pub(super) fn with_link(mut self, to: impl Into<String>, text: &'static str) -> Self {
        self.0.link = Some(Link { to: to.into(), text });
        self
    }

    /// Proving oneself again would help.
    pub(super) fn with_step_up(mut self, step_up: Option<StepUp>) -> Self {
        self.0.step_up = step_up;
        self
    }

    /// Signing would help.
    pub(super) fn with_sign(mut self, sign: Option<Answer>) -> Self {
        self.0.sign = sign;
        self
    }

    /// For programs: another layer writes it.
    pub(super) fn into_problem(self, headers: HeaderMap) -> Response {
        let mut response = self.0.problem.into_response();
        response.headers_mut().extend(headers);
        response
    }

    /// For people.
    pub(super) fn into_page(self, frame: &Frame, id: Option<RequestId>, headers: HeaderMap) -> Response {
        let Parts { problem, step_up, sign, link } = *self.0;
        let ProblemView { title, status, detail, field, rules, unmet, retry_after_seconds, .. } =
            problem.view(id.as_ref());
        let page = Refused {
            frame,
            title,
            detail: Words::new(&detail),
            field,
            rules,
            unmet: unmet.iter().map(|text| Words::new(text)).collect(),
            retry_after_seconds,
            step_up,
            sign,
            link,
            reference: id.map(|RequestId(id)| id.to_string()),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = page_with(status, &page);
        let written = std::mem::replace(response.headers_mut(), headers);
        response.headers_mut().extend(written);
        if let Some(seconds) = retry_after_seconds {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(Written);
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.0.problem.clone().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The refusal that an answer is, with the headers that it had: `Allow`.
pub(super) fn taken(mut response: Response) -> Result<Response, (Refusal, HeaderMap)> {
    let status = response.status();
    let problem = response.extensions_mut().remove::<ApiProblem>();
    let refusal = match (response.extensions_mut().remove::<Refusal>(), problem) {
        (Some(refusal), _) => refusal,
        (None, Some(problem)) => problem.into(),
        (None, None) if status.is_client_error() || status.is_server_error() => bare(status).into(),
        (None, None) => return Ok(response),
    };
    let mut headers = std::mem::take(response.headers_mut());
    headers.remove(axum::http::header::CONTENT_TYPE);
    headers.remove(axum::http::header::CONTENT_LENGTH);
    Err((refusal, headers))
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused<'a> {
    frame: &'a Frame,
    title: String,
    detail: Words<'a>,
    field: Option<String>,
    rules: Vec<String>,
    unmet: Vec<Words<'a>>,
    retry_after_seconds: Option<u32>,
    step_up: Option<StepUp>,
    sign: Option<Answer>,
    link: Option<Link>,
    reference: Option<String>,
}
