//! Whose forms change something: only ours.

use axum::http::{Method, StatusCode};

use super::{Site, path_of};

/// As HTML and over TLS, from `halligan.example.com`.
const OURS: &str = "https://halligan.example.com";

#[tokio::test]
async fn only_our_own_forms_are_taken() {
    let site = Site::new();
    let grant = site.pending().await;
    let (path, hash) = (format!("{}/acknowledge", path_of(&grant)), grant.request_hash.to_string());
    let before = site.happened();
    for (name, headers) in [
        ("another site", &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example.org")][..]),
        ("another host of ours", &[("sec-fetch-site", "same-site"), ("origin", "https://other.example.com")]),
        ("an old browser at another site", &[("origin", "https://evil.example.org")]),
        ("a frame without an origin", &[("origin", "null")]),
        ("plain HTTP", &[("origin", "http://evil.halligan.example.com")]),
        ("neither header", &[]),
        ("empty headers", &[("sec-fetch-site", ""), ("origin", "")]),
        ("a word that is none", &[("sec-fetch-site", "Same-Origin")]),
    ] {
        let mut bob = site.signed_in("bob").await;
        let sessions = site.happened();
        let sent = bob.send_with(&path, headers, &[("request_hash", &hash)]).await;
        let words = if headers.iter().all(|(_, value)| value.is_empty()) { "doesn&#39;t say" } else { "another site" };
        sent.refuses(403, words);
        assert_eq!((site.state(&grant).await.as_str(), site.happened()), ("pending", sessions), "{name}");
    }
    assert!(site.happened() > before);
    for (name, headers) in [
        ("a browser", &[("sec-fetch-site", "same-origin"), ("origin", OURS)][..]),
        ("typed in, or reloaded", &[("sec-fetch-site", "none")]),
        ("an old browser", &[("origin", OURS)]),
    ] {
        let site = Site::new();
        let grant = site.pending().await;
        let mut bob = site.signed_in("bob").await;
        let path = format!("{}/acknowledge", path_of(&grant));
        let sent = bob.send_with(&path, headers, &[("request_hash", &grant.request_hash.to_string())]).await;
        assert_eq!((sent.status, site.state(&grant).await.as_str()), (StatusCode::SEE_OTHER, "active"), "{name}");
    }
}

/// A proxy that writes its own `Host` makes our own origin look like another's.
#[tokio::test]
async fn behind_a_proxy_our_origin_is_still_ours() {
    let site = Site::new();
    let mut bob = site.signed_in("bob").await;
    let headers = [("origin", OURS), ("host", "10.0.0.7:8080"), ("content-type", "application/x-www-form-urlencoded")];
    let out = bob.ask(Method::POST, "/sign-out", &headers, "").await;
    assert_eq!(out.location(), "/sign-in");
}

/// A link preview, a mail scanner, a reload.
#[tokio::test]
async fn nothing_is_changed_by_following_links() {
    let site = Site::new();
    let grant = site.pending().await;
    let mut bob = site.signed_in("bob").await;
    let hash = grant.request_hash.to_string();
    let before = site.happened();
    for path in ["acknowledge", "decline", "challenge"] {
        let path = format!("{}/{path}?request_hash={hash}&reason=no", path_of(&grant));
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(bob.ask(method, &path, &[], "").await.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }
    for path in
        ["/sign-out", "/sign-in/okta", "/step-up/okta", "/passkeys/remove", "/passkeys/confirm", "/passkeys/challenge"]
    {
        assert_eq!(bob.open(path).await.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    for path in ["/", &path_of(&grant), "/passkeys", "/step-up"] {
        assert_eq!(bob.open(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!((site.state(&grant).await.as_str(), site.happened()), ("pending", before));
    // Other methods are refused like a form from elsewhere, and do nothing either.
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let asked = bob.ask(method, &format!("{}/acknowledge", path_of(&grant)), &[], "").await;
        assert!(asked.status.is_client_error());
    }
}
