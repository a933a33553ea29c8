//! The door of `/v1`: nobody gets past it unknown, not even to learn which
//! paths there are. Whatever is refused behind it goes out through it, and into the log.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use halligan_core::actor::Party;
use halligan_core::entry::Subject;
use halligan_engine::caller::Caller;
use halligan_engine::problem::{Problem, ProblemKind};

use crate::App;
use crate::call::{Known, action, caller};
use crate::problem::ApiProblem;
use crate::routes::finished;

/// The longest path and query, in bytes: ids are 22 characters, incident ids 128.
const PATH_BYTES_MAX: usize = 2_048;

/// Lets known callers pass, as the [`Known`] of the request.
pub(crate) async fn known(State(app): State<App>, request: Request, next: Next) -> Response {
    let found = app.authenticator().authenticate(app.broker().identity(), request.headers()).await;
    let known = match found {
        Ok(bearer) => Known(bearer),
        Err(error) => {
            let problem = app.broker().refuse_stranger(error.problem());
            return ApiProblem::from(problem).with_challenge(error.challenge()).into_response();
        }
    };
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(known);
    let action = action(&parts);
    let caller = match caller(&parts, &app) {
        Ok(caller) => caller,
        Err(internal) => return internal.into_response(),
    };
    let mut response = admitted(&app, &caller, parts, body, next).await;
    if let Some(problem) = response.extensions_mut().get_mut::<ApiProblem>() {
        told(&app, &caller, action, "api", problem.problem().clone()).await;
        if let Party::Human(human) = &caller.party {
            let access = app.broker().judge().access().now();
            let rules = access.directory.rules(&human.principal.issuer);
            problem.demand_step_up(rules.into_iter().flat_map(|rules| rules.mfa.acr.iter().map(String::as_str)));
        }
    }
    response
}

/// Records what somebody known is refused, even if they have hung up.
pub(crate) async fn told(app: &App, caller: &Caller, action: &str, place: &'static str, problem: Problem) {
    let (app, caller, action) = (app.clone(), caller.clone(), action.to_owned());
    let telling = async move { Ok(app.broker().refuse(&caller, &action, Subject::broker(place), problem).await) };
    drop(finished(telling).await);
}

/// What somebody known is answered.
async fn admitted(app: &App, caller: &Caller, parts: Parts, body: Body, next: Next) -> Response {
    let bytes = parts.uri.path_and_query().map_or(0, |text| text.as_str().len());
    if bytes > PATH_BYTES_MAX {
        let detail = format!("the path and query are {bytes} bytes: expected at most {PATH_BYTES_MAX}");
        let problem = ApiProblem::new(ProblemKind::TooLarge, detail).in_field("path");
        return problem.with_status(StatusCode::URI_TOO_LONG).into_response();
    }
    if let Err(problem) = app.broker().may_come_in(caller).await {
        return ApiProblem::from(problem).into_response();
    }
    // What would be shown before the log was read may have ended long ago. The way
    // round an archive that can't be read must not need that archive, and whatever
    // ends access is safe, however old the store is.
    if !is_always_served(&parts)
        && let Err(problem) = app.broker().serving().await
    {
        return ApiProblem::from(problem).into_response();
    }
    next.run(Request::from_parts(parts, body)).await
}

fn is_always_served(parts: &Parts) -> bool {
    let path = parts.uri.path();
    let ends = ["/revoke", "/return", "/decline", "/withdraw"].iter().any(|end| path.ends_with(end));
    let shuts_out =
        path.starts_with("/me/sessions") || path.ends_with("/sessions/end") || path.ends_with("/passkeys/remove");
    path.starts_with("/log/override") || path == "/revocations" || shuts_out || (path.starts_with("/grants/") && ends)
}

/// Nothing is at this path.
pub(crate) async fn nothing_here() -> ApiProblem {
    ApiProblem::new(ProblemKind::NotFound, "there is nothing at this path: `/docs` lists what there is")
}

/// The path takes other methods. A link that somebody's mail scanner follows
/// comes here: it changes nothing.
pub(crate) async fn other_method() -> ApiProblem {
    ApiProblem::new(ProblemKind::MethodNotAllowed, "this path takes other methods: the `Allow` header lists them")
}
