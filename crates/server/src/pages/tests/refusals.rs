//! Whatever a page refuses is in the log once: with the name of whoever is signed in, in a count otherwise.

use std::collections::BTreeMap;

use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use jiff::SignedDuration;

use super::{Browser, Site, form, path_of};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const OURS: (&str, &str) = ("sec-fetch-site", "same-origin");

/// A request, and as what its refusal is in the log.
struct Case {
    name: &'static str,
    method: Method,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    status: u16,
    action: &'static str,
    problem: &'static str,
}

/// A form of ours.
fn sent(
    name: &'static str,
    path: &str,
    fields: &[(&str, &str)],
    status: u16,
    action: &'static str,
    problem: &'static str,
) -> Case {
    let (headers, body) = (vec![OURS, FORM], form(fields));
    Case { name, method: Method::POST, path: path.to_owned(), headers, body, status, action, problem }
}

fn opened(name: &'static str, path: &str, status: u16, action: &'static str, problem: &'static str) -> Case {
    let (method, body) = (Method::GET, String::new());
    Case { name, method, path: path.to_owned(), headers: vec![], body, status, action, problem }
}

/// Tries each, as a browser and as the script, and checks what it leaves: that, and nothing beside it.
async fn leave(browser: &mut Browser<'_>, who: Option<&str>, cases: Vec<Case>) {
    for Case { name, method, path, headers, body, status, action, problem } in cases {
        for accept in ["text/html", "application/json"] {
            let (before, site) = (browser.site.refusals().len(), browser.site);
            let mut headers = headers.clone();
            headers.push(("accept", accept));
            let shown = browser.ask(method.clone(), &path, &headers, &body).await;
            assert_eq!(shown.status.as_u16(), status, "{name}: {}", shown.text);
            let written = if accept == "text/html" { "text/html; charset=utf-8" } else { "application/problem+json" };
            assert_eq!(shown.headers[CONTENT_TYPE], written, "{name}");
            let (entries, counts) = (site.refusals().split_off(before), site.counted().await);
            let (named, counted) = match who {
                Some(who) => (vec![(who.to_owned(), action.to_owned(), problem.to_owned())], BTreeMap::new()),
                None => (vec![], [(problem.to_owned(), 1)].into()),
            };
            assert_eq!((entries, counts), (named, counted), "{name}, {accept}");
        }
    }
}

#[tokio::test]
async fn of_a_stranger_it_is_counted() {
    let site = Site::new();
    let cross_site = |mut case: Case, headers: &[(&'static str, &'static str)]| {
        case.headers = headers.iter().copied().chain([FORM]).collect();
        case
    };
    let away = |name, status, problem| sent(name, "/sign-in/okta", &[], status, "", problem);
    let cases = vec![
        sent("not signed in", "/passkeys/remove", &[("credential", "x")], 401, "", "unauthenticated"),
        sent("not signed in, an answer", "/grants/x/decline", &[("reason", "no")], 401, "", "unauthenticated"),
        sent("no provider", "/sign-in/nobody", &[], 404, "", "not-found"),
        sent("no name", "/sign-in/No%20Name", &[], 404, "", "not-found"),
        sent("down", "/sign-in/broken", &[], 503, "", "provider-unavailable"),
        sent("no answer", "/sign-in/passkey", &[("answer", "")], 400, "", "invalid-request"),
        sent("nonsense", "/sign-in/passkey", &[("answer", "{")], 400, "", "invalid-request"),
        sent("another field", "/sign-in/okta", &[("admin", "yes")], 400, "", "invalid-request"),
        sent("too large", "/sign-in/okta", &[("back_to", &"x".repeat(70_000))], 413, "", "too-large"),
        cross_site(away("another site", 403, "not-permitted"), &[("sec-fetch-site", "cross-site")]),
        cross_site(away("another origin", 403, "not-permitted"), &[("origin", "https://evil.example.org")]),
        cross_site(away("from nowhere", 403, "not-permitted"), &[]),
        opened("a link to a form", "/sign-out", 405, "", "method-not-allowed"),
        opened("no state", "/sign-in/okta/callback", 403, "", "sign-in-refused"),
        opened("a made-up state", "/sign-in/okta/callback?state=x&code=y", 403, "", "sign-in-refused"),
        opened("two states", "/sign-in/okta/callback?state=x&state=y", 400, "", "invalid-request"),
    ];
    leave(&mut site.browser(), None, cases).await;
}

#[tokio::test]
async fn of_whoever_is_signed_in_it_is_an_entry() {
    let site = Site::new();
    let grant = site.pending().await;
    let (acknowledge, hash) = (format!("{}/acknowledge", path_of(&grant)), grant.request_hash.to_string());
    let asking = format!("{}/challenge", path_of(&grant));
    let yes = [("request_hash", hash.as_str()), ("answer", "{")];
    let mut elsewhere = sent("another site", &acknowledge, &yes, 403, "acknowledge", "not-permitted");
    elsewhere.headers = vec![("sec-fetch-site", "cross-site"), FORM];
    let mut nowhere = sent("from nowhere", "/sign-out", &[], 403, "call", "not-permitted");
    nowhere.headers = vec![FORM];
    let invalid = "invalid-request";
    let cases = vec![
        elsewhere,
        nowhere,
        sent("nonsense", &acknowledge, &yes, 400, "acknowledge", invalid),
        sent("another field", &acknowledge, &[("by", "carol")], 400, "acknowledge", invalid),
        sent("no key", &asking, &yes[..1], 404, "acknowledge", "not-found"),
        sent("no reason", &format!("{}/decline", path_of(&grant)), &[("reason", "")], 400, "decline", invalid),
        sent("too large", &asking, &[("request_hash", &"x".repeat(70_000))], 413, "acknowledge", "too-large"),
        sent("not made", "/passkeys", &[("label", "key"), ("answer", "")], 400, "enrol_passkey", invalid),
        sent("unknown", "/passkeys/confirm/challenge", &[("credential", "x")], 404, "confirm_passkey", "not-found"),
        sent("unsigned", "/passkeys/confirm", &[("credential", "x")], 400, "confirm_passkey", invalid),
        sent("not theirs", "/passkeys/remove", &[("credential", "x")], 404, "remove_passkey", "not-found"),
        sent("without a key", "/step-up/passkey/challenge", &[], 404, "step_up", "not-found"),
        sent("unanswered", "/step-up/passkey", &[], 400, "step_up", invalid),
        sent("no provider", "/step-up/nobody", &[], 404, "step_up", "not-found"),
        sent("down", "/step-up/broken", &[], 503, "step_up", "provider-unavailable"),
        opened("no grant", "/grants/x", 400, "read", invalid),
        opened("a link to a form", &acknowledge, 405, "read", "method-not-allowed"),
        opened("no state", "/sign-in/okta/callback", 403, "sign_in", "sign-in-refused"),
    ];
    let mut bob = site.signed_in("bob").await;
    for case in cases {
        // Of a way back from a provider nobody but the provider says whose it is.
        let who = (!case.path.contains("/callback")).then_some("bob");
        leave(&mut bob, who, vec![case]).await;
    }
    // A session of the provider's, half an hour later.
    site.wait(SignedDuration::from_mins(30));
    let late = sent("late", "/passkeys/challenge", &[("label", "key")], 403, "enrol_passkey", "not-permitted");
    leave(&mut bob, Some("bob"), vec![late]).await;
}

/// Browsers and scanners look for much, and a broker that fails refuses nobody anything.
#[tokio::test]
async fn where_nothing_was_tried_nothing_is_left() {
    let site = Site::new();
    let mut bob = site.signed_in("bob").await;
    let mut nobody = site.browser();
    let entries = site.world.store.entries().len();
    for path in ["/favicon.ico", "/wp-login.php", "/assets/none"] {
        assert_eq!(bob.open(path).await.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(nobody.open(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    // Whoever isn't signed in is asked to sign in.
    assert_eq!(nobody.open("/passkeys").await.status, StatusCode::SEE_OTHER);
    site.world.store.set_down(true);
    assert_eq!(bob.open("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(nobody.send("/sign-in/okta", &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);
    site.world.store.set_down(false);
    assert_eq!(site.counted().await, BTreeMap::new());
    assert_eq!(site.world.store.entries().len(), entries);
}
