//! Who looks at a page: the person of the session whose token the cookie holds.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, OriginalUri, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use halligan_core::id::PersonId;
use halligan_engine::caller::Caller;
use halligan_engine::identity::PASSKEY_ISSUER;
use halligan_engine::ports::{SecretText, Session};
use halligan_engine::problem::{Problem, ProblemKind};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::cookies::Cookies;
use super::frame::Frame;
use super::refusal::{self, Refusal};
use super::{accepts, see, wants_json};
use crate::App;
use crate::context::{Peer, RequestId};
use crate::guard;

/// Nothing from elsewhere, nothing inline, no frames. Forms go to us alone: who signs in
/// is sent on by a page and not by a redirect, because browsers hold the redirects after
/// a form to `form-action` too, and where a provider sends people is not ours to know.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    // Not `no-referrer`: with that, browsers hide the origin of forms even from us.
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (CACHE_CONTROL, "no-store"),
];

/// Who looks, found out once a request.
#[derive(Clone)]
pub(super) struct Visit(Arc<Result<Option<Visitor>, Problem>>);

/// Somebody who is signed in.
#[derive(Clone)]
pub(super) struct Visitor {
    pub caller: Caller,
    pub session: Session,
    pub token: SecretText,
}

impl Visitor {
    /// Whether no identity provider vouches for this session.
    pub(super) fn is_past_provider(&self) -> bool {
        self.session.principal.issuer == PASSKEY_ISSUER
    }

    pub(super) fn is(&self, person: &PersonId) -> bool {
        self.caller.party.human().is_some_and(|human| human.person == *person)
    }
}

impl Visit {
    /// Of nobody.
    fn of_nobody() -> Self {
        Self(Arc::new(Ok(None)))
    }

    async fn of(app: &App, headers: &HeaderMap, address: Option<IpAddr>) -> Self {
        let identity = app.broker().identity();
        let Some(token) = Cookies::new(identity.settings()).session(headers) else { return Self::of_nobody() };
        let found = match identity.session(&token, address).await {
            Ok((caller, session)) => Ok(Some(Visitor { caller, session, token })),
            Err(problem) if problem.kind == ProblemKind::Unauthenticated => Ok(None),
            Err(problem) => Err(problem),
        };
        Self(Arc::new(found))
    }

    /// Who it is, if anybody.
    pub(super) fn visitor(&self) -> Option<&Visitor> {
        self.0.as_ref().as_ref().ok().and_then(Option::as_ref)
    }
}

/// Around every page: finds out who looks, and writes refusals, for the log too.
pub(super) async fn attend(State(app): State<App>, request: Request, next: Next) -> Response {
    let action = action(&request);
    attended(app, request, next, Some(action)).await
}

/// As [`attend`]. Where nothing can be tried there is no `action`.
async fn attended(app: App, mut request: Request, next: Next, action: Option<&str>) -> Response {
    let visit = Visit::of(&app, request.headers(), address(&app, &request)).await;
    request.extensions_mut().insert(visit.clone());
    let (id, json) = (request.extensions().get::<RequestId>().copied(), wants_json(&request));
    let taken = refusal::taken(next.run(request).await);
    if let (Err((refusal, _)), Some(action)) = (&taken, action) {
        told(&app, &visit, action, refusal.problem().clone()).await;
    }
    let mut response = match taken {
        Ok(answered) => answered,
        Err((refusal, headers)) if json => refusal.into_problem(headers),
        Err((refusal, headers)) => refusal.into_page(&Frame::new(&app, &visit), id, headers),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Tells the log of a refusal that no use case has told it: by the name of whoever looks, or in a count.
async fn told(app: &App, visit: &Visit, action: &str, problem: Problem) {
    match visit.visitor() {
        Some(visitor) => guard::told(app, &visitor.caller, action, "pages", problem).await,
        None => drop(app.broker().refuse_stranger(problem)),
    }
}

/// What the form of a page does: entries know no paths.
fn action(request: &Request) -> &'static str {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    match (request.method().is_safe(), route) {
        (true, route) if !route.ends_with("/callback") => "read",
        (_, route) if route.starts_with("/sign-in") => "sign_in",
        (_, route) if route.starts_with("/step-up") => "step_up",
        (_, "/grants/{id}/acknowledge" | "/grants/{id}/challenge") => "acknowledge",
        (_, "/grants/{id}/decline") => "decline",
        (_, "/passkeys" | "/passkeys/challenge") => "enrol_passkey",
        (_, "/passkeys/confirm" | "/passkeys/confirm/challenge") => "confirm_passkey",
        (_, "/passkeys/remove" | "/people/{person}/passkeys/remove") => "remove_passkey",
        (_, "/sessions/end") => "end_session",
        (_, "/sessions/everywhere" | "/people/{person}/sign-out") => "sign_out",
        _ => "call",
    }
}

/// Around paths at which there is nothing: programs get a problem, browsers a page. Nothing was
/// tried there: browsers and scanners look for much, of themselves.
pub(crate) async fn attend_strangers(State(app): State<App>, request: Request, next: Next) -> Response {
    if accepts(&request, "text/html") { attended(app, request, next, None).await } else { next.run(request).await }
}

fn address(app: &App, request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|Peer(peer)| app.address(peer.ip(), request.headers()))
}

/// Anybody.
pub(super) struct Anybody {
    pub visit: Visit,
    pub frame: Frame,
    pub address: Option<IpAddr>,
}

impl FromRequestParts<App> for Anybody {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        // INVARIANT: every page stands behind the layer that finds this out.
        let visit = parts.extensions.get::<Visit>().cloned().unwrap_or_else(Visit::of_nobody);
        let address = parts.extensions.get::<Peer>().map(|Peer(peer)| app.address(peer.ip(), &parts.headers));
        Ok(Self { frame: Frame::new(app, &visit), visit, address })
    }
}

/// Somebody who is signed in.
pub(super) struct SignedIn {
    pub visitor: Visitor,
    pub frame: Frame,
}

/// Why a page isn't shown.
pub(super) enum Turned {
    /// They have to sign in first.
    Away(Response),
    /// They can't be let in.
    Refused(Refusal),
}

impl IntoResponse for Turned {
    fn into_response(self) -> Response {
        match self {
            Self::Away(response) => response,
            Self::Refused(refusal) => refusal.into_response(),
        }
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Turned;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Turned> {
        let Ok(Anybody { visit, frame, .. }) = Anybody::from_request_parts(parts, app).await;
        let visitor = match visit.0.as_ref() {
            Ok(Some(visitor)) => visitor.clone(),
            Ok(None) => return Err(turned_away(parts, app)),
            Err(problem) => return Err(Turned::Refused(problem.clone().into())),
        };
        // What would be shown before the log was read may have ended long ago. To say no is always safe.
        let path = parts.uri.path();
        let ends = ["/decline", "/sessions/end", "/sessions/everywhere", "/passkeys/remove", "/sign-out"];
        let ends = ends.iter().any(|end| path.ends_with(end));
        // Nor does whoever ends what was lost need the log: these show no grant.
        let begins = ["/sessions", "/people", "/passkeys"];
        let shows_no_grant = parts.method == Method::GET && begins.iter().any(|begin| path.starts_with(begin));
        if !ends && !shows_no_grant {
            app.broker().serving().await.map_err(|problem| Turned::Refused(problem.into()))?;
        }
        Ok(Self { visitor, frame })
    }
}

/// A page is come back to after signing in; what a form said is not said again by itself.
fn turned_away(parts: &Parts, app: &App) -> Turned {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    if parts.method != Method::GET {
        let detail = "you are not signed in, or no longer: sign in, and do it again";
        let refusal = Refusal::from(Problem::new(ProblemKind::Unauthenticated, detail));
        return Turned::Refused(refusal.with_link("/sign-in", "Sign in"));
    }
    let path = uri.path_and_query().map_or("/", |text| text.as_str());
    let to = match path {
        "/" => "/sign-in".to_owned(),
        path => format!("/sign-in?back_to={}", utf8_percent_encode(path, NON_ALPHANUMERIC)),
    };
    let mut response = see(&to);
    // The cookie of a session that is over.
    let cookies = Cookies::new(app.broker().identity().settings());
    if cookies.session(&parts.headers).is_some() {
        response.headers_mut().extend(cookies.forget_session().map(|cookie| (SET_COOKIE, cookie)));
    }
    Turned::Away(response)
}
