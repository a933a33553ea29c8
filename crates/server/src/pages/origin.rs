//! Whose form it was: only ours change anything.

use axum::extract::Request;
use axum::http::header::{HeaderName, ORIGIN};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use halligan_engine::problem::{Problem, ProblemKind};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use super::refusal::Refusal;
use crate::App;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what another site sends, by `Sec-Fetch-Site` or `Origin`. Behind a proxy that
/// writes another `Host`, our origin is still the one that people see.
pub(super) fn layer(app: &App) -> CsrfLayer<impl FnMut(ProtectionError) -> Response + Clone + use<>> {
    let layer = CsrfLayer::new();
    // One that is no origin at all is passed over: then the host decides.
    let layer = layer.clone().add_trusted_origin(&app.broker().identity().settings().public_url).unwrap_or(layer);
    layer.with_rejection_response(|_| {
        let detail = "the form came from another site: open the page here and send its form";
        Refusal::from(Problem::new(ProblemKind::NotPermitted, detail)).into_response()
    })
}

/// The layer lets pass what has neither header, which programs send. A cookie goes along
/// with a form whoever made it, so here that is refused.
pub(super) async fn says_where_it_is_from(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let says = [SEC_FETCH_SITE, ORIGIN].iter().any(|name| headers.get(name).is_some_and(|value| !value.is_empty()));
    if says || request.method().is_safe() {
        return next.run(request).await;
    }
    let detail = "the browser doesn't say which site the form is from (`Sec-Fetch-Site` or `Origin`): \
                  expected one of the last years; programs use the API under `/v1`";
    Refusal::from(Problem::new(ProblemKind::NotPermitted, detail)).into_response()
}
