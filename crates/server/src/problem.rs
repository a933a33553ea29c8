//! Refusals as `application/problem+json` (RFC 9457).
//!
//! A handler answers with an [`ApiProblem`]; the outermost layer writes the body,
//! because it alone knows the request's id, and gives one to whatever else
//! answers with a bare error status.

use axum::Json;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use halligan_engine::ports::Obligation;
use halligan_engine::problem::{Problem, ProblemKind};

use crate::context::RequestId;
use crate::pages::Written;
use crate::views::ProblemView;

/// The media type of every refusal.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A refusal on its way out.
#[derive(Debug, Clone)]
pub struct ApiProblem(Box<Refusal>);

#[derive(Debug, Clone)]
struct Refusal {
    problem: Problem,
    status: StatusCode,
    /// Where the engine's names of fields don't reach.
    field: Option<String>,
    challenge: Option<String>,
}

impl From<Problem> for ApiProblem {
    fn from(problem: Problem) -> Self {
        Self(Box::new(Refusal { status: status(problem.kind), problem, field: None, challenge: None }))
    }
}

impl ApiProblem {
    /// A problem without a field.
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Problem::new(kind, detail).into()
    }

    /// About this field, header or parameter.
    pub(crate) fn in_field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// With a narrower status than its kind has.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// With the header that says how to authenticate.
    pub(crate) fn with_challenge(mut self, challenge: Option<String>) -> Self {
        self.0.challenge = challenge;
        self
    }

    /// Where proving who they are again would help, says so to the caller's client: as RFC 9470
    /// has it, with 401. `acr` are the words that the caller's issuer has for a second factor.
    pub(crate) fn demand_step_up<'a>(&mut self, acr: impl Iterator<Item = &'a str>) {
        if !self.0.problem.obligations.contains(&Obligation::StepUp) {
            return;
        }
        // What a quoted string and a list by spaces can hold.
        let harmless = |text: &&str| text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
        let acr: Vec<&str> = acr.filter(harmless).collect();
        let mut challenge = "Bearer realm=\"halligan\", error=\"insufficient_user_authentication\", \
             error_description=\"prove who you are again, with a second factor\", max_age=\"0\""
            .to_owned();
        if !acr.is_empty() {
            challenge.push_str(&format!(", acr_values=\"{}\"", acr.join(" ")));
        }
        self.0.challenge = Some(challenge);
        self.0.status = StatusCode::UNAUTHORIZED;
    }

    /// What the engine records of it.
    pub(crate) fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// As callers see it.
    pub(crate) fn view(&self, id: Option<&RequestId>) -> ProblemView {
        let Refusal { problem, status, field: narrower, challenge: _ } = &*self.0;
        let Problem { kind, detail, field, rules, unmet, obligations, retry_after_seconds, .. } = problem;
        ProblemView {
            kind: format!("{}{}", ProblemView::TYPE_PREFIX, kind.slug()),
            title: kind.title().to_owned(),
            status: status.as_u16(),
            detail: detail.clone(),
            field: narrower.clone().or_else(|| field.map(str::to_owned)),
            rules: rules.clone(),
            unmet: unmet.clone(),
            obligations: obligations.iter().map(|obligation| obligation.as_str().to_owned()).collect(),
            retry_after_seconds: *retry_after_seconds,
            instance: id.map(|RequestId(id)| format!("urn:uuid:{id}")),
        }
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of every refusal.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().copied();
    let mut response = next.run(request).await;
    if response.extensions().get::<Written>().is_some() {
        return response;
    }
    let status = response.status();
    let problem = match response.extensions_mut().remove::<ApiProblem>() {
        Some(problem) => problem,
        None if status.is_client_error() || status.is_server_error() => bare(status),
        None => return response,
    };
    // What was answered before keeps its other headers: `Allow`.
    let (mut parts, _) = response.into_parts();
    parts.status = problem.0.status;
    let (written, body) = Json(problem.view(id.as_ref())).into_response().into_parts();
    parts.headers.extend(written.headers);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(seconds) = problem.0.problem.retry_after_seconds {
        parts.headers.insert(RETRY_AFTER, seconds.into());
    }
    if let Some(challenge) = problem.0.challenge.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        parts.headers.insert(WWW_AUTHENTICATE, challenge);
    }
    Response::from_parts(parts, body)
}

/// A refusal by a part that knows only statuses: the router, the time-out.
pub(crate) fn bare(status: StatusCode) -> ApiProblem {
    match status {
        StatusCode::NOT_FOUND => {
            ApiProblem::new(ProblemKind::NotFound, "there is nothing at this path: `/docs` lists what there is")
        }
        StatusCode::METHOD_NOT_ALLOWED => ApiProblem::new(
            ProblemKind::MethodNotAllowed,
            "this path takes other methods: the `Allow` header lists them",
        ),
        StatusCode::REQUEST_TIMEOUT => {
            let detail =
                "the request took too long and was given up: what had been begun goes on, so read before you ask again";
            Problem::new(ProblemKind::TimedOut, detail).retry_after(1).into()
        }
        _ if status.is_client_error() => {
            ApiProblem::new(ProblemKind::Invalid, "the request is malformed").with_status(status)
        }
        _ => {
            ApiProblem::new(ProblemKind::Internal, "something is broken here: the operators' log has this request's id")
        }
    }
}

/// The HTTP status of a problem.
#[must_use]
pub const fn status(kind: ProblemKind) -> StatusCode {
    match kind {
        ProblemKind::Invalid | ProblemKind::IdempotencyNotSupported => StatusCode::BAD_REQUEST,
        ProblemKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ProblemKind::UnlinkedPrincipal
        | ProblemKind::SignIn
        | ProblemKind::PasskeyRefused
        | ProblemKind::NotPermitted
        | ProblemKind::SamePerson
        | ProblemKind::NotRequester
        | ProblemKind::NoConsole => StatusCode::FORBIDDEN,
        ProblemKind::NotFound => StatusCode::NOT_FOUND,
        ProblemKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ProblemKind::IncidentClosed
        | ProblemKind::WrongState
        | ProblemKind::HashMismatch
        | ProblemKind::CatalogueChanged
        | ProblemKind::ExtensionPending
        | ProblemKind::NoExtension
        | ProblemKind::NotAcknowledged
        | ProblemKind::RoleAtCapacity
        | ProblemKind::RightLost
        | ProblemKind::IdempotencyInFlight
        | ProblemKind::Conflict => StatusCode::CONFLICT,
        ProblemKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ProblemKind::UnknownRole
        | ProblemKind::UnknownScope
        | ProblemKind::Duration
        | ProblemKind::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        ProblemKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ProblemKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ProblemKind::AwsRefused => StatusCode::BAD_GATEWAY,
        ProblemKind::TimedOut
        | ProblemKind::IncidentUnknown
        | ProblemKind::LogNotDurable
        | ProblemKind::Starting
        | ProblemKind::ProviderUnavailable
        | ProblemKind::ClockSkewed
        | ProblemKind::AwsUnavailable
        | ProblemKind::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ProblemKind::AwsOutcomeUnknown => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// What a caller can do about it, for the manual.
#[must_use]
pub const fn remedy(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Invalid => {
            "Correct the field that `field` names. Fields that the call doesn't have are refused too"
        }
        ProblemKind::Unauthenticated => {
            "Send one `Authorization: Bearer` header with a token of a configured issuer; `detail` names the rule that it breaks"
        }
        ProblemKind::Starting => "Ask again in a moment; if it goes on, no archive of the log can be reached",
        ProblemKind::UnlinkedPrincipal => {
            "Sign in with the login that is linked to you, or ask the operators to link this one"
        }
        ProblemKind::SignIn => "Sign in again from the beginning: what came back is good for nothing any more",
        ProblemKind::ProviderUnavailable => {
            "Ask again after `Retry-After`. Where the policy permits it, a passkey lets people in meanwhile"
        }
        ProblemKind::PasskeyRefused => {
            "Ask for a new challenge and answer it with a passkey that counts; `detail` names the rule"
        }
        ProblemKind::NotFound => "Check the id. What you have no part in looks the same as what is not there",
        ProblemKind::MethodNotAllowed => "Use a method of the `Allow` header. Nothing is changed by GET or HEAD",
        ProblemKind::TooLarge => "Send less; `detail` names the limit",
        ProblemKind::TimedOut => {
            "Read what became of it, then ask again, with the same `Idempotency-Key` where the call takes one"
        }
        ProblemKind::RateLimited => "Wait as long as `Retry-After` says",
        ProblemKind::UnknownRole => "Name a role of `GET /v1/roles`",
        ProblemKind::UnknownScope => "Name a scope of the role, as `GET /v1/roles` lists them, or none",
        ProblemKind::NotPermitted => "`unmet` says what would satisfy the policy",
        ProblemKind::SamePerson => "Have another person do it: all logins of one person count as one",
        ProblemKind::NotRequester => "Ask for a grant of your own: credentials go to its requester alone",
        ProblemKind::IncidentClosed => "Name an incident that is open",
        ProblemKind::IncidentUnknown => "Wait for the incident tool to answer again; `detail` says what it did instead",
        ProblemKind::WrongState => "Read the grant: it has moved on, or is over",
        ProblemKind::HashMismatch => "Read the grant again, and acknowledge what it says now",
        ProblemKind::CatalogueChanged => "Ask again: what was acknowledged is no longer what the role is",
        ProblemKind::Duration => "Ask for a duration within the bounds that `detail` names",
        ProblemKind::ExtensionPending => "Wait until the extension is answered or lapses",
        ProblemKind::NoExtension => "Read the grant: the extension was answered, has lapsed or never was",
        ProblemKind::NotAcknowledged => "Have a second person acknowledge the emergency start first",
        ProblemKind::RoleAtCapacity => "End a grant of the role that is no longer needed",
        ProblemKind::NoConsole => "Use credentials: this role has no console sign-in",
        ProblemKind::LogNotDurable => {
            "Nothing was handed out. The operators must bring a log archive back; then ask again"
        }
        ProblemKind::ClockSkewed => "The operators must correct the broker's clock",
        ProblemKind::AwsRefused => "The operators must correct what AWS refuses; `detail` has its words",
        ProblemKind::AwsUnavailable => "Ask again: nothing was handed out",
        ProblemKind::AwsOutcomeUnknown => "Ask again: the lost credentials count as issued and end with the grant",
        ProblemKind::RightLost => {
            "Read the grant: it ended or moved while credentials were minted, and they were discarded"
        }
        ProblemKind::IdempotencyInFlight => "Wait a second and send the same call again",
        ProblemKind::IdempotencyKeyReused => "Take a new key for a new call",
        ProblemKind::IdempotencyNotSupported => {
            "Leave the `Idempotency-Key` header out: each of these calls is a new issuance, never a replay"
        }
        ProblemKind::Conflict => "Read the grant again and decide again",
        ProblemKind::StoreUnavailable => "Ask again in a few seconds",
        ProblemKind::Internal => "Tell the operators the `instance`: their log has it",
    }
}

/// `docs/problems.md`: every type there is.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(
        "# Problems\n\n\
         Every refusal of the API is a problem detail of RFC 9457: `application/problem+json` with a stable `type`, which is \
         `urn:halligan:problem:` and one of the names below. Programs decide by `type`; `title` and `detail` are for people and may change.\n\n\
         | member | holds |\n\
         | --- | --- |\n\
         | `type`, `title`, `status` | which sort of problem; the `status` is also the answer's |\n\
         | `detail` | what was wrong, what was expected, what to do |\n\
         | `field` | the field (`incident.id`), parameter or header that was wrong, where there is one |\n\
         | `rules` | the names of the policies that refused |\n\
         | `unmet` | what would satisfy them |\n\
         | `obligations` | what the caller can do at once so that they are satisfied: `stepUp`, prove who they are again with a second factor; `sign`, sign the acknowledgement with a passkey |\n\
         | `retry_after_seconds` | when the same call may go through; also in `Retry-After` |\n\
         | `instance` | `urn:uuid:` and the request's id, which is also in `X-Request-Id` and in the broker's trace |\n\n\
         A refused call changes nothing. It leaves one log entry with the caller's name, or, for callers who are not known and past 60 a minute, counts in one. What is the broker's own fault (`starting`, `timed-out`, `store-unavailable`, `internal`) leaves none.\n\n\
         `invalid-request` answers 415 instead of 400 where the body is not JSON, and `too-large` 414 instead of 413 where the path is too long. \
         Where `obligations` has `stepUp`, a bearer token is answered with 401 instead of 403, and `WWW-Authenticate` has \
         `error=\"insufficient_user_authentication\"`, `max_age` and, where the issuer has words for a second factor, `acr_values` \
         (RFC 9470): sign in again with these, and send the same call with the new token.\n\n\
         | type | status | means | what to do |\n\
         | --- | --- | --- | --- |\n",
    );
    for kind in ProblemKind::ALL {
        text.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            kind.slug(),
            status(*kind).as_u16(),
            kind.title(),
            remedy(*kind)
        ));
    }
    text.push_str(
        "\nThis page is made from the code: `UPDATE_DOCS=1 cargo test -p halligan-server` writes it again.\n",
    );
    text
}
