//! Sessions, as a browser shows and ends them; and others', for administrators.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::StatusCode;
use halligan_core::event::Event;
use halligan_engine::fakes::world::identity_settings;
use halligan_engine::identity::IdentitySettings;
use halligan_engine::ports::{AuthorizeAsk, Claims, IdentityProvider, ProviderError, Returned};
use jiff::{SignedDuration, Timestamp};

use super::{Browser, Site};
use crate::tests::access;

const ANOTHER_SITE: [(&str, &str); 2] = [("sec-fetch-site", "cross-site"), ("accept", "text/html")];

async fn is_in(browser: &mut Browser<'_>) -> bool {
    browser.open("/sessions").await.status == StatusCode::OK
}

/// The ids in the forms of the page, in their order.
async fn ids(browser: &mut Browser<'_>) -> Vec<String> {
    let page = browser.open("/sessions").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let forms = page.text.split("name=\"id\" value=\"").skip(1);
    forms.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

fn kinds(site: &Site) -> Vec<&'static str> {
    let entries = site.world.store.entries();
    let kind = |event: &Event| match event {
        Event::SessionEnded { .. } => Some("session.ended"),
        Event::PersonSignedOut { .. } => Some("person.signed_out"),
        Event::PasskeyRemoved { .. } => Some("passkey.removed"),
        _ => None,
    };
    entries.iter().filter_map(|queued| kind(&queued.sealed.entry.event)).collect()
}

#[tokio::test]
async fn somebody_ends_another_browser_and_then_their_own() {
    let site = Site::new();
    let mut old = site.signed_in("bob").await;
    site.wait(SignedDuration::from_mins(3));
    let (mut bob, mut carol) = (site.signed_in("bob").await, site.signed_in("carol").await);
    let page = bob.open("/sessions").await;
    assert!(page.has("This browser") && page.has("Another browser") && page.has("(3 min ago)"), "{}", page.text);
    assert!(bob.open("/").await.has("href=\"/sessions\""), "the frame leads there");
    let (mine, carols) = (ids(&mut bob).await, ids(&mut carol).await);
    assert_eq!((mine.len(), carols.len()), (2, 1));

    let (foreign, own) = ([("id", carols[0].as_str())], [("id", mine[1].as_str())]);
    bob.send("/sessions/end", &foreign).await.refuses(404, "no such session");
    bob.send("/sessions/end", &[("id", "x")]).await.refuses(400, "expected a UUID");
    bob.send_with("/sessions/end", &ANOTHER_SITE, &own).await.refuses(403, "another site");
    assert!(is_in(&mut old).await && is_in(&mut carol).await);
    assert_eq!(bob.send("/sessions/end", &own).await.location(), "/sessions");
    assert!(!is_in(&mut old).await && is_in(&mut bob).await);
    assert_eq!(kinds(&site), ["session.ended"]);
    let out = bob.send("/sessions/end", &[("id", &mine[0])]).await;
    assert_eq!(out.location(), "/sign-in");
    assert!(bob.cookies.is_empty() && !is_in(&mut bob).await && is_in(&mut carol).await);
}

#[tokio::test]
async fn signing_out_everywhere_takes_our_own_form_and_ends_every_browser() {
    let site = Site::new();
    let mut browsers = vec![site.signed_in("bob").await, site.signed_in("bob-at-home").await];
    let (mut bob, mut carol) = (site.signed_in("bob").await, site.signed_in("carol").await);
    site.wait(SignedDuration::from_secs(1));
    bob.send_with("/sessions/everywhere", &ANOTHER_SITE, &[]).await.refuses(403, "another site");
    bob.send_with("/sessions/everywhere", &[("accept", "text/html")], &[]).await.refuses(403, "doesn&#39;t say");
    assert_eq!(bob.open("/sessions/everywhere").await.status, StatusCode::METHOD_NOT_ALLOWED, "a link ends nothing");
    assert!(is_in(&mut bob).await);
    let cookies = bob.cookies.clone();
    assert_eq!(bob.send("/sessions/everywhere", &[]).await.location(), "/sign-in");
    assert!(bob.cookies.is_empty());
    bob.cookies = cookies;
    browsers.push(bob);
    for browser in &mut browsers {
        assert!(!is_in(browser).await);
    }
    assert!(is_in(&mut carol).await);
    site.wait(SignedDuration::from_secs(1));
    let mut again = site.signed_in("bob").await;
    assert_eq!(ids(&mut again).await.len(), 1);
    assert_eq!(kinds(&site), ["person.signed_out"]);
}

/// Whoever lost something can't wait for an archive.
#[tokio::test(start_paused = true)]
async fn what_was_lost_is_ended_before_the_log_was_read() {
    let before = Site::new();
    let cookies = [before.signed_in("bob").await, before.signed_in("carol").await].map(|browser| browser.cookies);
    // Started again, with sessions in the store and no archive that answers.
    before.world.archive.set_down(true);
    let site = Site::over(before.world.clone(), identity_settings());
    let [mut bob, mut carol] = cookies.map(|cookies| Browser { site: &site, cookies });
    carol.open("/").await.refuses(503, "has not read the log");
    for path in ["/sessions", "/people", "/people/bob", "/passkeys"] {
        let page = carol.open(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
    }
    site.wait(SignedDuration::from_secs(1));
    carol.send("/people/bob/sign-out", &[("reason", "the phone is lost")]).await.location();
    assert!(!is_in(&mut bob).await && is_in(&mut carol).await);
    assert_eq!(kinds(&site), ["person.signed_out"]);
}

/// carol is an administrator, bob is not.
#[tokio::test]
async fn a_colleague_ends_the_sessions_of_somebody_else() {
    let site = Site::new();
    let (mut bob, mut carol) = (site.signed_in("bob").await, site.signed_in("carol").await);
    site.wait(SignedDuration::from_secs(1));
    assert!(!bob.open("/sessions").await.has("/people"));
    bob.open("/people").await.refuses(403, "may not administer");
    bob.open("/people/carol").await.refuses(403, "may not administer");
    bob.send("/people/carol/sign-out", &[("reason", "why not")]).await.refuses(403, "may not administer");
    assert!(carol.open("/sessions").await.has("href=\"/people\""));
    assert!(carol.open("/people").await.has("href=\"/people/bob\""));
    assert!(carol.open("/people/bob").await.has("They have none"));
    for path in ["/sessions", "/people", "/people/bob"] {
        let page = carol.open(path).await;
        super::html::is_for_everybody(path, &page.text);
        super::html::has_nothing_inline(path, &page.text);
    }
    let out = "/people/bob/sign-out";
    carol.open("/people/nobody").await.refuses(404, "no person here");
    carol.send(out, &[("reason", "")]).await.refuses(400, "reason");
    carol.send_with(out, &ANOTHER_SITE, &[("reason", "stolen")]).await.refuses(403, "another site");
    assert!(is_in(&mut bob).await && kinds(&site).is_empty());
    assert_eq!(carol.send(out, &[("reason", "his phone was stolen")]).await.location(), "/people/bob");
    assert!(!is_in(&mut bob).await && is_in(&mut carol).await);
    assert_eq!(kinds(&site), ["person.signed_out"]);
}

#[tokio::test]
async fn enrolling_asks_for_a_fresh_proof_at_the_provider() {
    let site = Site::new();
    let mut bob = site.signed_in("bob").await;
    assert!(bob.open("/passkeys").await.has("data-passkey=\"create\""));
    site.wait(SignedDuration::from_mins(16));
    let page = bob.open("/passkeys").await;
    assert!(page.has("within 15 min") && !page.has("data-passkey=\"create\""), "{}", page.text);
    assert!(page.has("action=\"/step-up/okta\"") && page.has("value=\"/passkeys\""), "{}", page.text);
    assert!(!page.has("/step-up/passkey"), "a passkey's proof doesn't help: {}", page.text);
    let asked = bob.fetch("/passkeys/challenge", &[("label", "x"), ("answer", "")]).await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN, "{}", asked.text);
    let told: serde_json::Value = serde_json::from_str(&asked.text).unwrap();
    assert_eq!(told["obligations"], serde_json::json!(["stepUp"]), "{told}");
    let fields = [("label", "x"), ("answer", "{}")];
    let sent = bob.send("/passkeys", &fields).await;
    assert!(sent.status.is_client_error(), "{}", sent.text);

    let away = bob.send("/step-up/okta", &[("back_to", "/passkeys")]).await;
    assert_eq!(away.status, StatusCode::OK, "{}", away.text);
    let back = bob.come_back("okta", "bob", &super::state(&away)).await;
    assert_eq!(back.location(), "/passkeys");
    assert!(bob.open("/passkeys").await.has("data-passkey=\"create\""));
}

/// Says nothing of when somebody proved who they are.
struct Silent(super::FakeProvider);

#[async_trait]
impl IdentityProvider for Silent {
    fn issuer(&self) -> &str {
        self.0.issuer()
    }

    async fn answers(&self) -> Result<(), ProviderError> {
        self.0.answers().await
    }

    async fn authorize(&self, ask: &AuthorizeAsk<'_>) -> Result<String, ProviderError> {
        self.0.authorize(ask).await
    }

    async fn exchange(&self, returned: &Returned<'_>, now: Timestamp) -> Result<Claims, ProviderError> {
        let mut claims = self.0.exchange(returned, now).await?;
        claims.remove("auth_time");
        Ok(claims)
    }
}

/// Whether a page offers to enrol a passkey: at once after a sign-in, and a quarter of an hour later.
#[tokio::test]
async fn where_the_provider_says_no_time_signing_in_is_the_proof_only_if_somebody_said_so() {
    for (enrol_after_sign_in, offered) in [(false, [false, false]), (true, [true, false])] {
        let identity = IdentitySettings { enrol_after_sign_in, ..identity_settings() };
        let silent: Arc<dyn IdentityProvider> = Arc::new(Silent(super::FakeProvider { fails: false }));
        let site = Site::with_providers(access(), identity, [("okta", silent)].into());
        let mut bob = site.signed_in("bob").await;
        for (minutes, offered) in [0, 16].into_iter().zip(offered) {
            site.wait(SignedDuration::from_mins(minutes));
            let page = bob.open("/passkeys").await;
            assert_eq!(page.has("data-passkey=\"create\""), offered, "{enrol_after_sign_in}, {minutes}: {}", page.text);
        }
    }
}

#[tokio::test]
async fn the_page_promises_no_notice_that_nobody_sends_and_says_the_configured_time() {
    let identity = IdentitySettings { enrolment_wait: SignedDuration::from_hours(48), ..identity_settings() };
    let site = Site::with(access(), identity.clone());
    let page = site.signed_in("bob").await.open("/passkeys").await;
    assert!(page.has("has confirmed it with theirs.") && !page.has("after a notice"), "{}", page.text);
    let site = Site::telling(access(), identity);
    let page = site.signed_in("bob").await.open("/passkeys").await;
    assert!(page.has("or 2 d after a notice of it"), "{}", page.text);
}
