//! The API's description: OpenAPI 3.1 at `/openapi.json`, a page to read it at `/docs`.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::App;
use crate::routes::{open, operations, v1};
use crate::views::ProblemView;

/// Makes a call that may be sent again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description: the header is read in `call`")]
pub(crate) struct IdempotencyKeyParam {
    /// 1 to 128 visible ASCII characters, new for each new call. The same call sent again under
    /// the same key does nothing new and gets the first answer again, for 24 hours.
    #[param(rename = "Idempotency-Key", required = false, max_length = 128, example = "5f2c1a9e")]
    idempotency_key: Option<String>,
}

/// Taken where a call can be sent again without one.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description: the header is read in `call`")]
pub(crate) struct NeedlessKeyParam {
    /// 1 to 128 visible ASCII characters. Taken and not needed: what is ended stays ended, and the
    /// same call sent again ends what has become active meanwhile, rather than repeat an answer.
    #[param(rename = "Idempotency-Key", required = false, max_length = 128, example = "5f2c1a9e")]
    idempotency_key: Option<String>,
}

macro_rules! refusals {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $status:literal, $description:literal;)* }) => {
        $(#[$doc])*
        #[derive(IntoResponses)]
        #[expect(dead_code, reason = "a description: answers are made in `problem`")]
        pub(crate) enum $name {
            $(
                #[response(status = $status, description = $description, content_type = "application/problem+json")]
                $variant(ProblemView),
            )*
        }
    };
}

refusals! {
    /// What any call can be refused with.
    ReadRefusals {
        Malformed = 400, "A field, parameter or header is malformed, missing or unknown";
        Unauthenticated = 401, "No usable bearer token";
        Forbidden = 403, "The login belongs to nobody here, or the policy does not permit it";
        NotFound = 404, "There is no such thing, or not for this caller's eyes";
        Internal = 500, "Something is broken here";
        Unavailable = 503, "The store does not answer, or the request took too long";
    }
}

refusals! {
    /// What a question to somebody else can be refused with.
    LookupRefusals {
        Malformed = 400, "A field, parameter or header is malformed, missing or unknown";
        Unauthenticated = 401, "No usable bearer token";
        Forbidden = 403, "The login belongs to nobody here, or the policy does not permit it";
        RateLimited = 429, "Too many of the caller's within a minute";
        Internal = 500, "Something is broken here";
        Unavailable = 503, "The store does not answer, or the request took too long";
    }
}

refusals! {
    /// What a call that changes something can be refused with.
    CommandRefusals {
        Malformed = 400, "A field, parameter or header is malformed, missing or unknown";
        Unauthenticated = 401, "No usable bearer token";
        Forbidden = 403, "The policy does not permit it, or another person must do it";
        NotFound = 404, "There is no such grant, or not for this caller's eyes";
        Conflict = 409, "The grant's state, its incident or another call does not allow it";
        TooLarge = 413, "The body is too large";
        NotJson = 415, "The body is not JSON";
        Unprocessable = 422, "An unknown role or scope, a duration out of bounds, a key used for another call";
        Internal = 500, "Something is broken here";
        Unavailable = 503, "The store or the incident tool does not answer, or the request took too long";
    }
}

refusals! {
    /// What a mint can be refused with: no credentials leave with any of these.
    MintRefusals {
        Malformed = 400, "A field, parameter or header is malformed or unknown; an idempotency key";
        Unauthenticated = 401, "No usable bearer token";
        Forbidden = 403, "The caller is not the requester, or the policy does not permit it";
        NotFound = 404, "There is no such grant";
        Conflict = 409, "The grant is not active, or its end moved meanwhile";
        TooLarge = 413, "The body is too large";
        NotJson = 415, "The body is not JSON";
        RateLimited = 429, "Too many mints of this grant";
        Internal = 500, "Something is broken here";
        AwsRefused = 502, "AWS refused";
        Unavailable = 503, "The record could not be made durable, or AWS, the store or the clock can't be relied on now";
        Lost = 504, "AWS's answer was lost";
    }
}

refusals! {
    /// To whom there is nothing.
    Hidden {
        NotFound = 404, "Nothing, to this caller";
    }
}

refusals! {
    /// Why the broker is not ready.
    NotReady {
        Unavailable = 503, "The store does not answer, or the log takes no entries";
    }
}

/// How callers say who they are.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "A token of a configured issuer, with `iss`, `aud`, `iat`, `exp` and the claims that name its subject",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Halligan",
        description = "Just-in-time privileged access to AWS: ask, have a second person acknowledge, use, and it is over on the second.\n\nEvery refusal is `application/problem+json` with a stable `type`. Times are UTC instants of RFC 3339, durations whole seconds.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(ProblemView)),
    modifiers(&Bearer),
    security(("bearer" = [])),
    tags(
        (name = "grants", description = "From request to end"),
        (name = "credentials", description = "What a grant is for: each call is a new, logged issuance"),
        (name = "catalogue", description = "What can be asked for, and on which occasion"),
        (name = "people", description = "Where somebody is signed in, and the end of it"),
        (name = "log", description = "The record of every step, verifiable by anybody who may read it"),
        (name = "operations", description = "For whoever runs the broker")
    )
)]
struct Frame;

/// The description of the whole API.
#[must_use]
pub fn document() -> OpenApi {
    let router: OpenApiRouter<App> = OpenApiRouter::with_openapi(Frame::openapi());
    let mut document = router.nest("/v1", v1()).nest("/v1", open()).merge(operations()).into_openapi();
    // OpenAPI has no word for the rest of a path.
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    document
}

/// `/openapi.json`, and `/docs`, which fetches nothing from elsewhere.
pub(crate) fn pages() -> Router<App> {
    let config = Config::default().validator_url("none").try_it_out_enabled(true).persist_authorization(false);
    let page = Router::from(SwaggerUi::new("/docs").url("/openapi.json", document()).config(config));
    // The page sets styles from its scripts, and shows icons from `data:`.
    let policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                  connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    page.layer(SetResponseHeaderLayer::overriding(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)))
        .layer(SetResponseHeaderLayer::overriding(CACHE_CONTROL, HeaderValue::from_static("no-cache")))
}
