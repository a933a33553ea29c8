//! Coming in and going out.

use axum::http::{Method, StatusCode};
use halligan_core::event::Event;
use halligan_engine::fakes::world::identity_settings;
use halligan_engine::identity::IdentitySettings;
use jiff::SignedDuration;

use super::{Site, path_of, state};
use crate::tests::access;

fn opened(site: &Site) -> usize {
    let entries = site.world.store.entries();
    entries.iter().filter(|queued| matches!(queued.sealed.entry.event, Event::SessionOpened { .. })).count()
}

#[tokio::test]
async fn who_signs_in_comes_back_to_where_they_were() {
    let site = Site::new();
    let grant = site.pending().await;
    let mut bob = site.browser();
    let turned = bob.open(&path_of(&grant)).await;
    let choose = turned.location().to_owned();
    assert_eq!(choose, format!("/sign-in?back_to=%2Fgrants%2F{}", grant.request.id));
    let choose = bob.open(&choose).await;
    assert!(choose.has(&format!("name=\"back_to\" value=\"{}\"", path_of(&grant))), "{}", choose.text);
    assert!(choose.has("Sign in with okta") && choose.has("Sign in with a passkey"), "{}", choose.text);

    let away = bob.send("/sign-in/okta", &[("back_to", &path_of(&grant))]).await;
    assert_eq!(
        away.headers["refresh"].to_str().unwrap().split('?').next(),
        Some("0;url=https://id.example.com/authorize")
    );
    assert!(away.has("href=\"https://id.example.com/authorize?"), "{}", away.text);
    let back = bob.come_back("okta", "bob", &state(&away)).await;
    assert_eq!(back.location(), path_of(&grant));
    assert_eq!(bob.cookies.keys().collect::<Vec<_>>(), ["__Host-halligan"], "what was for the way is gone");
    assert!(bob.open(&path_of(&grant)).await.has("Signed in as <strong>bob</strong>"));
    assert_eq!(bob.open("/sign-in?back_to=/passkeys").await.location(), "/passkeys", "who is in needn't again");
}

#[tokio::test]
async fn cookies_have_the_attributes_that_keep_them() {
    let site = Site::new();
    let mut bob = site.browser();
    let away = bob.send("/sign-in/okta", &[]).await;
    let cookie = away.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Secure-halligan-away="), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/sign-in/okta/callback; Max-Age=600"), "{cookie}");
    let back = bob.come_back("okta", "bob", &state(&away)).await;
    let cookies: Vec<&str> = back.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    let (session, rest) = cookies[0].split_once(';').unwrap();
    assert_eq!(session.len(), "__Host-halligan=".len() + 64);
    assert_eq!(rest, " HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=43200");
    assert_eq!(
        cookies[1],
        "__Secure-halligan-away=; HttpOnly; SameSite=Lax; Secure; Path=/sign-in/okta/callback; Max-Age=0"
    );
    // The token itself is on no page and in no entry.
    let token = session.split_once('=').unwrap().1.to_owned();
    assert!(!bob.open("/").await.has(&token));
    let entries = site.world.store.entries();
    assert!(entries.iter().all(|queued| !format!("{queued:?}").contains(&token)));
}

#[tokio::test]
async fn nobody_is_sent_to_another_host() {
    let site = Site::new();
    for back_to in
        ["//evil.example.org", "/\\evil.example.org", "https://evil.example.org/", "/\t/evil.example.org", ""]
    {
        let back = site.browser().sign_in("bob", back_to).await;
        assert_eq!(back.location(), "/", "{back_to:?}");
    }
    let mut bob = site.signed_in("bob").await;
    for back_to in
        ["//evil.example.org", "%2F%2Fevil.example.org", "%2F%5Cevil.example.org", "https:%2F%2Fevil.example.org"]
    {
        assert_eq!(bob.open(&format!("/sign-in?back_to={back_to}")).await.location(), "/", "{back_to}");
        let step_up = bob.open(&format!("/step-up?back_to={back_to}")).await;
        assert!(!step_up.has("evil"), "{back_to}");
    }
}

#[tokio::test]
async fn an_answer_of_the_provider_is_good_once_in_the_browser_that_asked() {
    let site = Site::new();
    let (mut bob, mut mallory) = (site.browser(), site.browser());
    let away = bob.send("/sign-in/okta", &[]).await;
    let elsewhere = mallory.send("/sign-in/okta", &[]).await;
    // Whoever plants their own answer in bob's browser would have bob act as them.
    mallory.come_back("okta", "carol", &state(&away)).await.refuses(403, "another browser");
    bob.come_back("okta", "bob", &state(&away)).await.refuses(403, "used already");
    bob.come_back("okta", "bob", &state(&elsewhere)).await.refuses(403, "another browser");
    assert_eq!(opened(&site), 0);

    let away = bob.send("/sign-in/okta", &[]).await;
    bob.come_back("broken", "bob", &state(&away)).await.refuses(403, "another provider");
    let away = bob.send("/sign-in/okta", &[]).await;
    let denied = bob.open(&format!("/sign-in/okta/callback?error=access_denied&state={}", state(&away))).await;
    denied.refuses(403, "access_denied");
    assert!(denied.has("href=\"/sign-in\""), "{}", denied.text);
    for (name, query) in
        [("nothing", ""), ("a code alone", "?code=bob"), ("twice", "?state=a&state=b"), ("no text", "?state=%ff")]
    {
        let back = bob.open(&format!("/sign-in/okta/callback{query}")).await;
        assert!(back.status.is_client_error() && back.has("<h1>"), "{name}: {}", back.text);
    }
    let away = bob.send("/sign-in/okta", &[]).await;
    let late = state(&away);
    site.wait(SignedDuration::from_mins(11));
    bob.come_back("okta", "bob", &late).await.refuses(403, "ten minutes");
    assert_eq!(opened(&site), 0);
}

#[tokio::test]
async fn a_login_that_is_nobody_s_gets_no_session() {
    let site = Site::new();
    let mut nobody = site.browser();
    nobody.sign_in("mallory", "/").await.refuses(403, "belongs to no person here");
    assert!(nobody.cookies.is_empty());
    assert_eq!(opened(&site), 0);
}

#[tokio::test]
async fn who_is_out_is_out() {
    let site = Site::new();
    let mut bob = site.signed_in("bob").await;
    let cookies = bob.cookies.clone();
    let out = bob.send("/sign-out", &[]).await;
    assert_eq!(out.location(), "/sign-in");
    assert!(bob.cookies.is_empty());
    // Whoever kept the cookie has nothing.
    bob.cookies = cookies;
    let turned = bob.open("/").await;
    assert_eq!(turned.location(), "/sign-in");
    assert!(bob.cookies.is_empty(), "a cookie that is worth nothing is forgotten");
    let grant = site.pending().await;
    let fields = [("request_hash", grant.request_hash.to_string())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    bob.send(&format!("{}/acknowledge", path_of(&grant)), &fields).await.refuses(401, "not signed in");
    assert_eq!(site.counted().await, [("unauthenticated".to_owned(), 1)].into());
    assert_eq!(site.refusals(), [], "nobody knows who it was");
    assert_eq!(site.state(&grant).await, "pending");
    // Twice does no harm.
    assert_eq!(bob.send("/sign-out", &[]).await.location(), "/sign-in");
}

#[tokio::test]
async fn a_session_ends_unused_and_after_the_longest_day() {
    let site = Site::new();
    let mut bob = site.signed_in("bob").await;
    site.wait(SignedDuration::from_mins(59));
    assert_eq!(bob.open("/").await.status, StatusCode::OK);
    site.wait(SignedDuration::from_mins(61));
    assert_eq!(bob.open("/").await.location(), "/sign-in");
    let mut bob = site.signed_in("bob").await;
    for _ in 0..14 {
        site.wait(SignedDuration::from_mins(50));
        assert_eq!(bob.open("/").await.status, StatusCode::OK);
    }
    site.wait(SignedDuration::from_mins(30));
    assert_eq!(bob.open("/").await.location(), "/sign-in");
}

#[tokio::test]
async fn who_signs_in_again_leaves_no_session_behind() {
    let site = Site::new();
    let mut bob = site.signed_in("bob").await;
    let before = bob.cookies.clone();
    bob.sign_in("bob-at-home", "/").await;
    assert_ne!(bob.cookies, before);
    assert_eq!(bob.open("/").await.status, StatusCode::OK);
    bob.cookies = before;
    assert_eq!(bob.open("/").await.location(), "/sign-in");
}

#[tokio::test]
async fn a_person_who_is_removed_is_told_so_and_sees_nothing() {
    let site = Site::new();
    let mut bob = site.signed_in("bob").await;
    let mut without = access();
    let people = without.directory.people().iter().filter(|(id, _)| id.as_str() != "bob");
    let people = people.map(|(id, member)| (id.clone(), member.clone())).collect();
    let rules = without.directory.rules(halligan_engine::fakes::fixtures::ISSUER).unwrap().clone();
    without.directory = halligan_engine::access::Directory::new(vec![rules], people, std::collections::BTreeMap::new());
    site.world.access.replace(without);
    bob.open("/").await.refuses(403, "belongs to no person any more");
    assert_eq!(bob.send("/sign-out", &[]).await.location(), "/sign-in");
}

#[tokio::test]
async fn when_the_store_is_down_people_are_told_when_to_come_back() {
    let site = Site::new();
    let mut bob = site.signed_in("bob").await;
    site.world.store.set_down(true);
    let down = bob.open("/").await;
    down.refuses(503, "store");
    assert_eq!(down.headers["retry-after"], "2");
    let out = bob.send("/sign-out", &[]).await;
    out.refuses(503, "store");
    assert!(bob.cookies.contains_key("__Host-halligan"), "it is needed to end the session");
}

#[tokio::test]
async fn sign_ins_from_one_address_are_bounded() {
    let identity = IdentitySettings { sign_ins_per_minute: 3, ..identity_settings() };
    let site = Site::with(access(), identity);
    let mut nobody = site.browser();
    for _ in 0..3 {
        assert_eq!(nobody.send("/sign-in/okta", &[]).await.status, StatusCode::OK);
    }
    let refused = nobody.send("/sign-in/okta", &[]).await;
    refused.refuses(429, "too many attempts");
    assert!(refused.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn where_passkeys_have_no_place_none_are_offered() {
    let identity =
        IdentitySettings { public_url: "http://127.0.0.1:8080".to_owned(), rp_id: None, ..identity_settings() };
    let site = Site::with(access(), identity);
    let mut bob = site.browser();
    let choose = bob.open("/sign-in").await;
    assert!(
        choose.has("Sign in with okta") && !choose.has("assertion") && !choose.has("data-passkey"),
        "{}",
        choose.text
    );
    bob.sign_in("bob", "/").await;
    assert_eq!(bob.cookies.keys().collect::<Vec<_>>(), ["halligan"], "on loopback there is no TLS");
    assert!(bob.open("/passkeys").await.has("Passkeys need a host name"));
    let asked = bob.ask(
        Method::POST,
        "/passkeys/challenge",
        &[
            ("accept", "application/json"),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
        ],
        "label=x",
    );
    assert_eq!(asked.await.status, StatusCode::NOT_FOUND);
}
