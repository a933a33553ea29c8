//! What pages are made of beside their text. A file's name holds the hash of what is in
//! it, so that browsers keep it for good and a new one has a new name.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use rust_embed::{Embed, EmbeddedFile};

#[derive(Embed)]
#[folder = "assets/"]
struct Files;

/// So many hexadecimal digits of the hash.
const DIGITS: usize = 16;

/// By the names that they are served under.
static SERVED: LazyLock<BTreeMap<String, (&'static str, EmbeddedFile)>> = LazyLock::new(|| {
    let file = |name: &str| Some((served_as(name)?, (media_type(name)?, Files::get(name)?)));
    Files::iter().filter_map(|name| file(&name)).collect()
});

pub(super) static STYLE: LazyLock<String> = LazyLock::new(|| path_of("halligan.css"));
pub(super) static SCRIPT: LazyLock<String> = LazyLock::new(|| path_of("halligan.js"));
pub(super) static ICON: LazyLock<String> = LazyLock::new(|| path_of("icon.svg"));

fn path_of(name: &str) -> String {
    format!("/assets/{}", served_as(name).unwrap_or_default())
}

/// `halligan.css` is served as `halligan.0123456789abcdef.css`.
fn served_as(name: &str) -> Option<String> {
    let hash = hex::encode(Files::get(name)?.metadata.sha256_hash());
    let (stem, extension) = name.rsplit_once('.')?;
    Some(format!("{stem}.{}.{extension}", hash.get(..DIGITS)?))
}

fn media_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

/// A file, for good.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let Some((media_type, file)) = SERVED.get(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [(CONTENT_TYPE, *media_type), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, file.data.clone()).into_response()
}
