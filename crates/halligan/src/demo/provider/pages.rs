//! What a browser shows: plain pages, without scripts.

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::Account;

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// Who are you, for `client`?
pub(super) fn who(accounts: &[Account], client: &str) -> Response {
    let asks = format!("<p><b>{}</b> wants to know who you are.</p>", escaped(client));
    page(StatusCode::OK, &format!("{asks}<form method=post>{}</form>", buttons(accounts)))
}

/// Who lets a command line in, that shows `code`?
pub(super) fn device(accounts: &[Account], code: &str) -> Response {
    let code = escaped(code);
    let asks = format!(
        "<p>A command line shows the code</p><p class=code>{code}</p><p>Is it yours? Then say who you are.</p>\
         <form method=post action=/device><input type=hidden name=user_code value=\"{code}\">{}\
         <button name=account value=\"\">It is not mine</button></form>",
        buttons(accounts)
    );
    page(StatusCode::OK, &asks)
}

/// Which code does the command line show?
pub(super) fn type_code(unknown: bool) -> Response {
    let said = if unknown { "<p>No command line waits with that code. Is it older than ten minutes?</p>" } else { "" };
    let form = "<form action=/device><label>The code that your command line shows <input name=user_code autofocus></label>\
                <button>Go on</button></form>";
    page(StatusCode::OK, &format!("{said}{form}"))
}

/// Something to read.
pub(super) fn said(status: StatusCode, text: &str) -> Response {
    page(status, &format!("<p>{}</p>", escaped(text)))
}

fn buttons(accounts: &[Account]) -> String {
    let button = |account: &Account| format!("<button name=account value={0}>{0}</button>", account.name);
    accounts.iter().map(button).collect()
}

fn page(status: StatusCode, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>The demo's identity provider</title><style>body{{font:1.1rem/1.5 sans-serif;max-width:30rem;\
         margin:3rem auto;padding:0 1rem}}button{{font:inherit;display:block;width:100%;margin:.5rem 0;padding:.6rem}}\
         .code{{font:1.6rem monospace}}</style><h1>The demo's identity provider</h1>\
         <p>This is a demo: no passwords. Whoever opens this page can be anybody on it.</p>{body}"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, Html(html)).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
