//! What every page has, and what none has.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{Method, StatusCode};

use super::html::{has_nothing_inline, is_for_everybody, tags};
use super::{Shown, Site, path_of};

/// Each page there is, by name, with whatever a page can have on it.
async fn pages(site: &Site) -> Vec<(&'static str, Shown)> {
    let grant = site.pending().await;
    let path = path_of(&grant);
    let (mut nobody, mut alice, mut bob) = (site.browser(), site.signed_in("alice").await, site.signed_in("bob").await);
    let hash = grant.request_hash.to_string();
    let pages = vec![
        ("sign-in", nobody.open("/sign-in?back_to=/passkeys").await),
        ("away", nobody.send("/sign-in/okta", &[]).await),
        ("home of alice", alice.open("/").await),
        ("home of bob", bob.open("/").await),
        ("the grant, to alice", alice.open(&path).await),
        ("the grant, to bob", bob.open(&path).await),
        ("passkeys", bob.open("/passkeys").await),
        ("step-up", bob.open("/step-up?back_to=/").await),
        ("away to step up", bob.send("/step-up/okta", &[]).await),
        ("no such grant", bob.open("/grants/0000000000000000000000").await),
        ("no such page", bob.open("/nothing").await),
        ("no such page, to nobody", nobody.open("/nothing").await),
        ("another method", bob.open("/sign-out").await),
        ("one's own grant", alice.send(&format!("{path}/acknowledge"), &[("request_hash", &hash)]).await),
        ("a sign-in that nobody began", nobody.open("/sign-in/okta/callback?code=alice&state=x").await),
        ("a provider that is down", nobody.send("/sign-in/broken", &[]).await),
        ("not signed in", nobody.send(&format!("{path}/decline"), &[("reason", "no")]).await),
        ("from elsewhere", bob.send_with("/sign-out", &[("sec-fetch-site", "cross-site")], &[]).await),
        ("a form that is none", bob.send(&format!("{path}/decline"), &[("why", "no")]).await),
    ];
    for (name, page) in &pages {
        assert_eq!(page.headers[CONTENT_TYPE], "text/html; charset=utf-8", "{name}: {}", page.text);
    }
    pages
}

#[tokio::test]
async fn every_page_is_for_us_alone_and_kept_by_nobody() {
    for (name, page) in pages(&Site::new()).await {
        for (header, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            (
                "content-security-policy",
                "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                 form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; \
                 trusted-types 'none'",
            ),
        ] {
            assert_eq!(page.headers[header], value, "{name}");
        }
        assert_eq!(page.headers["x-request-id"].len(), 36, "{name}");
    }
}

#[tokio::test]
async fn every_page_is_for_everybody() {
    for (name, page) in pages(&Site::new()).await {
        is_for_everybody(name, &page.text);
        has_nothing_inline(name, &page.text);
    }
}

#[test]
fn no_template_has_anything_inline() {
    let templates = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/templates")).unwrap();
    let mut seen = 0;
    for file in templates {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        has_nothing_inline(&name, &text);
        assert!(!text.contains("|safe"), "{name}: what is not escaped");
        seen += 1;
    }
    assert!(seen > 5);
}

#[tokio::test]
async fn what_pages_are_made_of_is_kept_for_good_under_a_name_of_its_own() {
    let site = Site::new();
    let mut browser = site.browser();
    let page = browser.open("/sign-in").await;
    let tags = tags(&page.text);
    let addresses = tags.iter().filter_map(|tag| tag.attribute("src").or(tag.attribute("href")));
    let assets: Vec<&str> = addresses.filter(|address| address.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 3, "{assets:?}");
    for (path, media_type) in
        assets.into_iter().zip(["image/svg+xml", "text/css; charset=utf-8", "text/javascript; charset=utf-8"])
    {
        let asset = browser.open(path).await;
        assert_eq!((asset.status, &asset.headers[CONTENT_TYPE]), (StatusCode::OK, &media_type.parse().unwrap()));
        assert_eq!(asset.headers[CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(asset.headers["x-content-type-options"], "nosniff");
        assert!(!asset.headers.contains_key("set-cookie"));
    }
    for path in ["/assets/halligan.css", "/assets/../Cargo.toml", "/assets/halligan.0000000000000000.css"] {
        assert_eq!(browser.open(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn programs_are_told_in_json_and_browsers_on_pages() {
    let site = Site::new();
    let mut bob = site.signed_in("bob").await;
    for (name, accept, expected) in [
        ("a browser", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("a program", "application/json", "application/problem+json"),
    ] {
        let found = bob.ask(Method::GET, "/grants/0000000000000000000000", &[("accept", accept)], "").await;
        assert_eq!(
            (found.status, &found.headers[CONTENT_TYPE]),
            (StatusCode::NOT_FOUND, &expected.parse().unwrap()),
            "{name}"
        );
        let found = bob.ask(Method::GET, "/nothing", &[("accept", accept)], "").await;
        assert_eq!(
            (found.status, &found.headers[CONTENT_TYPE]),
            (StatusCode::NOT_FOUND, &expected.parse().unwrap()),
            "{name}"
        );
    }
    // Under `/v1` nobody is known by a cookie.
    let api = bob.ask(Method::GET, "/v1/me", &[("accept", "text/html")], "").await;
    assert_eq!(api.status, StatusCode::UNAUTHORIZED);
    assert_eq!(api.headers[CONTENT_SECURITY_POLICY], "default-src 'none'; frame-ancestors 'none'");
}

#[tokio::test]
async fn a_refusal_says_what_may_be_done_instead() {
    let site = Site::new();
    let mut bob = site.signed_in("bob").await;
    let found = bob.open("/sign-out").await;
    found.refuses(405, "takes other methods");
    assert_eq!(found.headers["allow"], "POST");
}
