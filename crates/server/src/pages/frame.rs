//! What is around every page.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::assets::{ICON, SCRIPT, STYLE};
use super::visit::Visit;
use crate::App;

/// Header and footer.
pub(super) struct Frame {
    pub deployment: String,
    pub who: Option<Who>,
    pub style: &'static str,
    pub script: &'static str,
    pub icon: &'static str,
}

/// Who is signed in.
pub(super) struct Who {
    pub person: String,
    /// They came in by a passkey alone.
    pub past_provider: bool,
}

impl Frame {
    pub(super) fn new(app: &App, visit: &Visit) -> Self {
        let who = visit.visitor().map(|visitor| Who {
            person: visitor.caller.party.as_str().to_owned(),
            past_provider: visitor.is_past_provider(),
        });
        let deployment = app.broker().catalogue().deployment.to_string();
        Self { deployment, who, style: &STYLE, script: &SCRIPT, icon: &ICON }
    }
}

/// A page.
pub(super) fn page(template: &impl Template) -> Response {
    page_with(StatusCode::OK, template)
}

/// A page of another status.
pub(super) fn page_with(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page can't be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
