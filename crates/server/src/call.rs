//! What a handler gets of a request: the caller, and a body that has been read,
//! hashed and parsed.

use axum::RequestPartsExt;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, OriginalUri, Path, Query, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use halligan_core::actor::{Channel, Party, Shown};
use halligan_core::text::printable;
use halligan_engine::caller::{Caller, IdempotencyUse};
use halligan_engine::identity::Bearer;
use halligan_engine::ports::{IdempotencyKey, SignInMethod};
use halligan_engine::problem::{Problem, ProblemKind};
use jiff::SignedDuration;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use sha2::{Digest, Sha256};

use crate::App;
use crate::context::Peer;
use crate::problem::ApiProblem;
use crate::views::EmptyBody;

/// The largest body, in bytes: a reason of the longest kind fits many times.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_KEY_CHARACTERS_MAX: usize = 128;
/// The longest text of a parser that is passed on, in characters.
const DETAIL_CHARACTERS_MAX: usize = 400;

/// Whose token it is: what the guard leaves with a request.
#[derive(Debug, Clone)]
pub(crate) struct Known(pub Bearer);

/// A body that a call can have.
pub(crate) trait Body: DeserializeOwned + Serialize + Send {
    /// What no body at all means; none: there must be one.
    fn absent() -> Option<Self> {
        None
    }
}

impl Body for EmptyBody {
    fn absent() -> Option<Self> {
        Some(Self {})
    }
}

/// A call that can be sent again under the same idempotency key.
pub(crate) struct Call<B> {
    pub caller: Caller,
    pub body: B,
}

/// A call that does a new thing each time, and so takes no idempotency key.
pub(crate) struct FreshCall {
    pub caller: Caller,
}

/// A call that changes nothing.
pub(crate) struct Reading(pub Caller);

/// The `{…}` of the route.
pub(crate) struct Named<T>(pub T);

/// The query. Parameters that the call doesn't have are refused.
pub(crate) struct Asked<T>(pub T);

impl<B: Body> FromRequest<App> for Call<B> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiProblem> {
        let (parts, caller, bytes) = received(request, app).await?;
        let idempotency = idempotency(&parts, &caller, &bytes)?;
        Ok(Self { caller: Caller { idempotency, ..caller }, body: parsed(&parts, &bytes)? })
    }
}

impl FromRequest<App> for FreshCall {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiProblem> {
        let (parts, caller, bytes) = received(request, app).await?;
        if parts.headers.contains_key(IDEMPOTENCY_KEY) {
            let detail =
                "this call takes no idempotency key: each one issues something new, and no answer of it is kept";
            return Err(ApiProblem::new(ProblemKind::IdempotencyNotSupported, detail).in_field("Idempotency-Key"));
        }
        let EmptyBody {} = parsed(&parts, &bytes)?;
        Ok(Self { caller })
    }
}

impl FromRequestParts<App> for Reading {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        Ok(Self(caller(parts, app)?))
    }
}

impl<T: DeserializeOwned + Send + 'static> FromRequestParts<App> for Named<T> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiProblem> {
        match parts.extract::<Path<T>>().await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejection) => {
                let detail =
                    format!("the path can't be read: {}", printable(&rejection.body_text(), DETAIL_CHARACTERS_MAX));
                Err(ApiProblem::new(ProblemKind::Invalid, detail).in_field("path"))
            }
        }
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Asked<T> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiProblem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let text = printable(&rejection.body_text(), DETAIL_CHARACTERS_MAX);
                let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
                // `limit: invalid digit …`: the parameter stands first, where the parser knows it.
                let first = text.split_once(": ").map(|(name, _)| name).filter(|name| !name.contains(' '));
                let field = first.map_or_else(|| field_of(text, ""), str::to_owned);
                let problem = ApiProblem::new(ProblemKind::Invalid, format!("the query can't be read: {text}"));
                Err(problem.in_field(field))
            }
        }
    }
}

/// The party that the guard has found, and from where the call comes.
pub(crate) fn caller(parts: &Parts, app: &App) -> Result<Caller, ApiProblem> {
    let known = parts.extensions.get::<Known>().map(|Known(bearer)| bearer.clone());
    // INVARIANT: every route under `/v1` that needs a caller stands behind the guard.
    let Bearer { party, fresh } =
        known.ok_or_else(|| ApiProblem::new(ProblemKind::Internal, "a route stands outside the guard"))?;
    let address = parts.extensions.get::<Peer>().map(|Peer(peer)| app.address(peer.ip(), &parts.headers));
    let shown = Shown { channel: Channel::Api, fresh };
    let method = party.human().map(|_| SignInMethod::Provider);
    let provider_proof_age = fresh.auth_age_seconds.map(SignedDuration::from_secs);
    Ok(Caller { party, shown, method, provider_proof_age, address, idempotency: None })
}

/// The verb of a route: entries know no paths.
pub(crate) fn action(parts: &Parts) -> &'static str {
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    match (parts.method.as_str(), route) {
        ("POST", "/v1/grants") => "request",
        ("POST", "/v1/grants/{id}/acknowledge" | "/v1/grants/{id}/acknowledge/challenge") => "acknowledge",
        ("POST", "/v1/grants/{id}/decline") => "decline",
        ("POST", "/v1/grants/{id}/credentials" | "/v1/grants/{id}/console") => "mint",
        ("POST", "/v1/grants/{id}/extend") => "extend",
        ("POST", "/v1/grants/{id}/withdraw") => "withdraw",
        ("POST", "/v1/grants/{id}/return") => "return",
        ("POST", "/v1/grants/{id}/revoke" | "/v1/revocations") => "revoke",
        ("POST", "/v1/log/override" | "/v1/log/override/end") => "override_log",
        ("POST", "/v1/me/sessions/{id}/end") => "end_session",
        ("POST", "/v1/me/sessions/end" | "/v1/people/{person}/sessions/end") => "sign_out",
        ("POST", "/v1/people/{person}/passkeys/remove") => "remove_passkey",
        ("GET", _) => "read",
        _ => "call",
    }
}

/// Takes a request apart, its body read whole.
async fn received(request: Request, app: &App) -> Result<(Parts, Caller, Bytes), ApiProblem> {
    let (parts, body) = request.into_parts();
    let caller = caller(&parts, app)?;
    Err(match Bytes::from_request(Request::from_parts(parts.clone(), body), app).await {
        Ok(bytes) => return Ok((parts, caller, bytes)),
        Err(BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_))) => ApiProblem::new(
            ProblemKind::TooLarge,
            format!("the body is larger than {BODY_BYTES_MAX} bytes: send at most that"),
        ),
        Err(_) => ApiProblem::new(ProblemKind::Invalid, "the body broke off before its end: send it whole"),
    })
}

fn idempotency(parts: &Parts, caller: &Caller, body: &[u8]) -> Result<Option<IdempotencyUse>, ApiProblem> {
    let mut found = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
    let header = match (found.next(), found.next()) {
        (None, _) => return Ok(None),
        (Some(header), None) => Some(header),
        (Some(_), Some(_)) => None,
    };
    let legal = |text: &&str| {
        (1..=IDEMPOTENCY_KEY_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    let Some(text) = header.and_then(|header| header.to_str().ok()).filter(legal) else {
        let detail = "the idempotency key is malformed: expected one header of 1 to 128 visible ASCII characters";
        return Err(ApiProblem::new(ProblemKind::Invalid, detail).in_field("Idempotency-Key"));
    };
    let path = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri).path();
    let route = format!("{} {path}", parts.method);
    let key = idempotency_key(&caller.party, route, text)?;
    Ok(Some(IdempotencyUse { key, body_sha256: hex::encode(Sha256::digest(body)) }))
}

/// A key is of one person, or of one machine that acts for one person.
fn idempotency_key(party: &Party, route: String, key: &str) -> Result<IdempotencyKey, ApiProblem> {
    let route = match party {
        Party::Human(_) => route,
        Party::Machine(machine) => match &machine.on_behalf_of {
            Some(person) => format!("{route} for {person}"),
            None => route,
        },
    };
    // Persons and machines share one set of names, of one form.
    let person = party.as_str().parse().map_err(|error| Problem::invalid("Idempotency-Key", error))?;
    Ok(IdempotencyKey { person, route, key: key.to_owned() })
}

fn parsed<B: Body>(parts: &Parts, bytes: &[u8]) -> Result<B, ApiProblem> {
    if bytes.is_empty() {
        return B::absent()
            .ok_or_else(|| ApiProblem::new(ProblemKind::Invalid, "the body is empty: expected a JSON object"));
    }
    let media_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|text| text.split(';').next()).map(str::trim);
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        let problem =
            ApiProblem::new(ProblemKind::Invalid, "the body's type is not JSON: send `Content-Type: application/json`");
        return Err(problem.in_field("Content-Type").with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    if parts.headers.contains_key(CONTENT_ENCODING) {
        let problem =
            ApiProblem::new(ProblemKind::Invalid, "the body is encoded: send it plain, without `Content-Encoding`");
        return Err(problem.in_field("Content-Encoding").with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiProblem::new(ProblemKind::Invalid, "the body is not a JSON object: expected `{`"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let body: B = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| malformed(&error))?;
    deserializer
        .end()
        .map_err(|error| ApiProblem::new(ProblemKind::Invalid, format!("the body is not one JSON object: {error}")))?;
    match listed(&body, bytes) {
        None => Ok(body),
        Some(field) => {
            let problem =
                ApiProblem::new(ProblemKind::Invalid, "a list stands where an object is expected: name each field");
            Err(problem.in_field(field))
        }
    }
}

/// The first object that was sent as a list of its fields' values: the parser takes both, and
/// what is documented is the one. Whatever was read is written again, and the shapes compared.
fn listed(body: &impl Serialize, bytes: &[u8]) -> Option<String> {
    let (Ok(read), Ok(sent)) = (serde_json::to_value(body), serde_json::from_slice::<Value>(bytes)) else {
        return Some(String::new());
    };
    let Value::Object(members) = &read else { return Some(String::new()) };
    let lists = |(_, value): &(&String, &Value)| value.is_object();
    let is_list = |(name, _): &(&String, &Value)| sent.get(name.as_str()).is_some_and(Value::is_array);
    members.iter().filter(lists).find(is_list).map(|(name, _)| name.clone())
}

fn malformed(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiProblem {
    // The parser quotes the caller's own text: shown harmless, and not at length.
    let text = printable(&error.inner().to_string(), DETAIL_CHARACTERS_MAX);
    let problem = ApiProblem::new(ProblemKind::Invalid, format!("the body can't be read: {text}"));
    // What is no JSON stops anywhere: no field is to blame.
    if error.inner().classify() != Category::Data {
        return problem;
    }
    let path = printable(&error.path().to_string(), 100);
    match field_of(&text, if path == "." { "" } else { &path }) {
        field if field.is_empty() => problem,
        field => problem.in_field(field),
    }
}

/// The field that a parser's message is about. What is unknown or of another type is where
/// the parser stopped; what is missing or there twice is not, and the message names it.
fn field_of(text: &str, path: &str) -> String {
    let after = |before: &str| text.split_once(before).and_then(|(_, rest)| rest.split_once('`')).map(|(name, _)| name);
    match after("missing field `").or_else(|| after("duplicate field `")) {
        Some(name) if path.is_empty() => name.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path.to_owned(),
    }
}
