//! The routes, one file a resource, and the layers around them.

mod credentials;
mod grants;
mod incidents;
mod log;
mod me;
mod operations;
mod revocations;
mod roles;
mod sessions;
mod work;

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler as _;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use halligan_engine::problem::ProblemKind;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::call::BODY_BYTES_MAX;
use crate::context::identify;
use crate::guard::{known, nothing_here, other_method};
use crate::openapi;
use crate::pages;
use crate::problem::{ApiProblem, render};

pub(crate) use sessions::session_named;
pub(crate) use work::finished;

/// How long a request may take, body and all. A mint takes up to about 20 s: its
/// record and AssumeRole, each with a deadline of its own.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The routes under `/v1`.
pub(crate) fn v1() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(grants::ask, grants::list))
        .routes(routes!(grants::read))
        .routes(routes!(grants::acknowledge))
        .routes(routes!(grants::challenge))
        .routes(routes!(grants::decline))
        .routes(routes!(grants::extend))
        .routes(routes!(grants::withdraw))
        .routes(routes!(grants::give_back))
        .routes(routes!(grants::revoke))
        .routes(routes!(credentials::credentials))
        .routes(routes!(credentials::console))
        .routes(routes!(revocations::revoke_all))
        .routes(routes!(roles::roles))
        .routes(routes!(incidents::incident))
        .routes(routes!(me::me))
        .routes(routes!(sessions::mine))
        .routes(routes!(sessions::end))
        .routes(routes!(sessions::everywhere))
        .routes(routes!(sessions::of_another))
        .routes(routes!(sessions::passkeys))
        .routes(routes!(sessions::remove_passkey))
        .routes(routes!(log::checkpoint))
        .routes(routes!(log::tile))
        .routes(routes!(log::personal))
        .routes(routes!(log::successor))
        .routes(routes!(log::entry))
        .routes(routes!(log::override_log))
        .routes(routes!(log::end_override))
}

/// The routes under `/v1` that strangers may call.
pub(crate) fn open() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(me::sign_in))
}

/// The routes beside it, open to all.
pub(crate) fn operations() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(operations::alive))
        .routes(routes!(operations::ready))
        .routes(routes!(operations::metrics))
}

/// The whole API, and the pages.
pub fn router(app: App) -> Router {
    let (v1, _) = v1().split_for_parts();
    let guarded = v1
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(app.clone(), known));
    let (open, _) = OpenApiRouter::new().nest("/v1", open()).split_for_parts();
    let (operations, _) = operations().split_for_parts();
    let routes = Router::new()
        .nest("/v1", guarded)
        .merge(open)
        .merge(operations)
        .merge(openapi::pages())
        .merge(pages::router(&app))
        .fallback(pages::nothing_here.layer(from_fn_with_state(app.clone(), pages::attend_strangers)));
    // The last layer is the outermost: an id first, the problem's body last.
    routes
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(render))
        .layer(default_header(CACHE_CONTROL, "no-store"))
        .layer(default_header(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
        .layer(default_header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(default_header(X_FRAME_OPTIONS, "DENY"))
        .layer(default_header(REFERRER_POLICY, "no-referrer"))
        .layer(from_fn_with_state(app.clone(), identify))
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION, COOKIE]))
        .with_state(app)
}

fn default_header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// What a caller learns of a defect: nothing but the id to report.
pub(crate) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("no text"), "a handler panicked");
    ApiProblem::new(ProblemKind::Internal, "something is broken here: the operators' log has this request's id")
        .into_response()
}
