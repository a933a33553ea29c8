//! Passkeys, as the script has them answer.

use axum::http::StatusCode;
use halligan_core::event::Event;
use halligan_log::passkey::Algorithm;
use halligan_log::passkey::soft::SoftAuthenticator;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Browser, Shown, Site, URL, path_of};

fn passkey(seed: u8) -> SoftAuthenticator {
    SoftAuthenticator::from_seed(Algorithm::ES256, [seed; 32], "halligan.example.com", URL).unwrap()
}

fn challenge(ask: &Value) -> [u8; 32] {
    let mut challenge = [0; 32];
    hex::decode_to_slice(ask["challenge"].as_str().unwrap(), &mut challenge).unwrap();
    challenge
}

/// What the script would put into `answer`.
async fn asserted(browser: &mut Browser<'_>, key: &SoftAuthenticator, path: &str, fields: &[(&str, &str)]) -> String {
    let asked = browser.fetch(path, fields).await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.text);
    let ask: Value = serde_json::from_str(&asked.text).unwrap();
    assert_eq!(ask["rp_id"], "halligan.example.com");
    let mut answer = serde_json::to_value(key.assert(&challenge(&ask)).unwrap()).unwrap();
    answer["nonce"] = ask["nonce"].clone();
    answer.to_string()
}

async fn enrol(browser: &mut Browser<'_>, key: &SoftAuthenticator, label: &str) -> Shown {
    let asked = browser.fetch("/passkeys/challenge", &[("label", label), ("answer", "")]).await;
    let ask: Value = serde_json::from_str(&asked.text).unwrap();
    assert_eq!(ask["user_id"].as_str().unwrap().len(), 64);
    assert_eq!(ask["algorithms"], json!([-7, -8, -257]));
    let mut answer = serde_json::to_value(key.register(&challenge(&ask)).unwrap()).unwrap();
    answer["nonce"] = ask["nonce"].clone();
    browser.send("/passkeys", &[("label", label), ("answer", &answer.to_string())]).await
}

/// bob and carol with a passkey each that counts: carol's by a notice long ago, bob's by carol's word.
async fn with_keys(site: &Site) -> (SoftAuthenticator, SoftAuthenticator) {
    let (bobs, carols) = (passkey(1), passkey(2));
    let (mut bob, mut carol) = (site.signed_in("bob").await, site.signed_in("carol").await);
    assert_eq!(enrol(&mut bob, &bobs, "blue key").await.location(), "/passkeys");
    assert_eq!(enrol(&mut carol, &carols, "red key").await.location(), "/passkeys");
    site.count(&carols.credential()).await;
    let page = carol.open("/passkeys").await;
    assert!(page.has("blue key") && page.has("Confirm with my passkey"), "{}", page.text);
    let credential = bobs.credential();
    let answer = asserted(&mut carol, &carols, "/passkeys/confirm/challenge", &[("credential", &credential)]).await;
    let confirmed = carol.send("/passkeys/confirm", &[("credential", &credential), ("answer", &answer)]).await;
    assert_eq!(confirmed.location(), "/passkeys", "{}", confirmed.text);
    (bobs, carols)
}

#[tokio::test]
async fn a_passkey_counts_when_somebody_else_has_confirmed_it() {
    let site = Site::new();
    let mut bob = site.signed_in("bob").await;
    let enrolled = enrol(&mut bob, &passkey(1), "blue <key>").await;
    assert_eq!(enrolled.location(), "/passkeys");
    let page = bob.open("/passkeys").await;
    assert!(page.has("blue &#60;key&#62;") && page.has("Doesn&#39;t count yet"), "{}", page.text);
    // Both see the same fingerprint.
    let fingerprint = page.text.split("Fingerprint: <code>").nth(1).unwrap().split('<').next().unwrap();
    let mut carol = site.signed_in("carol").await;
    assert!(carol.open("/passkeys").await.has(fingerprint));
    assert!(carol.open("/").await.has("1 passkey of somebody else waits"));
    // Nobody vouches for their own.
    let own = bob.fetch("/passkeys/confirm/challenge", &[("credential", &passkey(1).credential())]).await;
    assert_eq!(own.status, StatusCode::FORBIDDEN, "{}", own.text);

    let site = Site::new();
    with_keys(&site).await;
    let mut bob = site.signed_in("bob").await;
    assert!(bob.open("/passkeys").await.has("Counts. Confirmed by carol"));
}

#[tokio::test]
async fn a_signed_acknowledgement_is_bound_to_what_was_read() {
    let site = Site::new();
    let (bobs, carols) = with_keys(&site).await;
    let grant = site.pending().await;
    let (path, hash) = (path_of(&grant), grant.request_hash.to_string());
    let mut bob = site.signed_in("bob").await;
    let page = bob.open(&path).await;
    assert!(page.has("Acknowledge, signed with a passkey"), "{}", page.text);
    let fields = [("request_hash", hash.as_str()), ("answer", "")];
    let acknowledge = format!("{path}/acknowledge");
    let asking = format!("{path}/challenge");

    // Somebody else's key, another request's hash, and the same answer twice.
    let stolen = asserted(&mut bob, &carols, &asking, &fields).await;
    bob.send(&acknowledge, &[("request_hash", &hash), ("answer", &stolen)]).await.refuses(403, "not enrolled for you");
    let another = site.pending_because("something else").await;
    let wrong = asserted(&mut bob, &bobs, &format!("{}/challenge", path_of(&another)), &fields).await;
    bob.send(&acknowledge, &[("request_hash", &hash), ("answer", &wrong)]).await.refuses(403, "not made here for this");
    bob.send(&acknowledge, &[("request_hash", &hash), ("answer", &wrong)]).await.refuses(403, "answered already");
    assert_eq!(site.state(&grant).await, "pending");

    let answer = asserted(&mut bob, &bobs, &asking, &fields).await;
    let sent = bob.send(&acknowledge, &[("request_hash", &hash), ("answer", &answer)]).await;
    assert_eq!(sent.location(), path);
    let entries = site.world.store.entries();
    let signed = entries.iter().any(|queued| match &queued.sealed.entry.event {
        Event::GrantAcknowledged { signed, .. } => signed.is_some(),
        _ => false,
    });
    assert!(signed, "the entry has no signature");
}

#[tokio::test]
async fn what_the_policy_demands_is_offered_at_once() {
    let site = Site::with_policies(
        r#"@id("fresh") @satisfiedBy("prove who you are, with a second factor") @obliges("stepUp")
        forbid (principal, action == Halligan::Action::"acknowledge", resource)
        unless { context has mfaAgeSeconds && context.mfaAgeSeconds <= 900 };
        @id("signed") @satisfiedBy("sign it with a passkey") @obliges("sign")
        forbid (principal, action == Halligan::Action::"acknowledge", resource) unless { context.signed };"#,
    );
    let (bobs, _) = with_keys(&site).await;
    let grant = site.pending().await;
    let (path, hash) = (path_of(&grant), grant.request_hash.to_string());
    let acknowledge = format!("{path}/acknowledge");
    let mut bob = site.signed_in("bob").await;

    let refused = bob.send(&acknowledge, &[("request_hash", &hash)]).await;
    refused.refuses(403, "prove who you are, with a second factor");
    for offered in [
        "<code>fresh</code>",
        "<code>signed</code>",
        "sign it with a passkey",
        "action=\"/step-up/okta\"",
        "action=\"/step-up/passkey\"",
        &format!("data-challenge=\"{path}/challenge\""),
        &format!("name=\"back_to\" value=\"{path}\""),
    ] {
        assert!(refused.has(offered), "{offered} is not in {}", refused.text);
    }
    super::html::is_for_everybody("what the policy demands", &refused.text);
    super::html::has_nothing_inline("what the policy demands", &refused.text);

    // By the provider, with a second factor.
    let away = bob.send("/step-up/okta", &[("back_to", &path)]).await;
    assert!(away.headers["refresh"].to_str().unwrap().contains("max_age=0"));
    assert_eq!(bob.come_back("okta", "bob+mfa", &super::state(&away)).await.location(), path);
    let refused = bob.send(&acknowledge, &[("request_hash", &hash)]).await;
    refused.refuses(403, "sign it with a passkey");
    assert!(!refused.has("/step-up/"), "{}", refused.text);
    let answer = asserted(&mut bob, &bobs, &format!("{path}/challenge"), &[("request_hash", &hash)]).await;
    let sent = bob.send(&acknowledge, &[("request_hash", &hash), ("answer", &answer)]).await;
    assert_eq!(sent.location(), path, "{}", sent.text);
    assert_eq!(site.state(&grant).await, "active");
}

#[tokio::test]
async fn nothing_is_offered_that_would_not_help() {
    let site = Site::with_policies(
        r#"@id("signed") @satisfiedBy("sign it with a passkey") @obliges("sign")
        forbid (principal, action == Halligan::Action::"acknowledge", resource) unless { context.signed };
        @id("not-from-the-web") @satisfiedBy("acknowledge from the command line")
        forbid (principal, action == Halligan::Action::"acknowledge", resource) when { context.channel == "web" };"#,
    );
    let grant = site.pending().await;
    let mut bob = site.signed_in("bob").await;
    let path = format!("{}/acknowledge", path_of(&grant));
    let refused = bob.send(&path, &[("request_hash", &grant.request_hash.to_string())]).await;
    refused.refuses(403, "acknowledge from the command line");
    assert!(refused.has("sign it with a passkey") && !refused.has("data-passkey"), "{}", refused.text);
}

#[tokio::test]
async fn people_prove_themselves_again_as_themselves() {
    let site = Site::new();
    let (bobs, carols) = with_keys(&site).await;
    let mut bob = site.signed_in("bob").await;
    site.wait(SignedDuration::from_mins(20));
    assert!(bob.open("/step-up").await.has("No second factor is known of"));
    let theirs = asserted(&mut bob, &carols, "/step-up/passkey/challenge", &[("back_to", "/"), ("answer", "")]).await;
    bob.send("/step-up/passkey", &[("back_to", "/"), ("answer", &theirs)]).await.refuses(403, "not enrolled for you");
    let own = asserted(&mut bob, &bobs, "/step-up/passkey/challenge", &[("back_to", "/"), ("answer", "")]).await;
    let sent = bob.send("/step-up/passkey", &[("back_to", "/passkeys"), ("answer", &own)]).await;
    assert_eq!(sent.location(), "/passkeys");
    let page = bob.open("/step-up").await;
    assert!(page.has("With a second factor or a passkey") && page.has("(now)"), "{}", page.text);
    assert!(!page.has("past the identity provider"), "a session of the provider stays one");
    // One passkey doesn't make more of itself: that takes the provider's word.
    let barred = bob.fetch("/passkeys/challenge", &[("label", "green key"), ("answer", "")]).await;
    assert!(barred.status == StatusCode::FORBIDDEN && barred.has("stepUp"), "{}", barred.text);

    let away = bob.send("/step-up/okta", &[]).await;
    bob.come_back("okta", "carol", &super::state(&away)).await.refuses(403, "somebody else");
    let away = bob.send("/step-up/okta", &[("back_to", "/passkeys")]).await;
    assert_eq!(bob.come_back("okta", "bob", &super::state(&away)).await.location(), "/passkeys");
    assert_eq!(enrol(&mut bob, &passkey(3), "green key").await.location(), "/passkeys");
    assert!(bob.open("/").await.has("Signed in as <strong>bob</strong>"));
}

#[tokio::test]
async fn the_way_past_the_provider_is_loud() {
    let site = Site::with_policies(
        r#"@id("passkeys-always") @satisfiedBy("use a passkey")
        permit (principal, action == Halligan::Action::"signIn", resource)
        when { context has signInMethod && context.signInMethod == "passkey" };"#,
    );
    let (bobs, _) = with_keys(&site).await;
    let mut bob = site.browser();
    let answer =
        asserted(&mut bob, &bobs, "/sign-in/passkey/challenge", &[("back_to", "/passkeys"), ("answer", "")]).await;
    let sent = bob.send("/sign-in/passkey", &[("back_to", "/passkeys"), ("answer", &answer)]).await;
    assert_eq!(sent.location(), "/passkeys", "{}", sent.text);
    for path in ["/", "/passkeys", "/step-up", "/nothing"] {
        let page = bob.open(path).await;
        assert!(page.has("Signed in as <strong>bob</strong>"), "{path}");
        assert!(page.has("signed in with a passkey, past the identity provider. This was reported."), "{path}");
        super::html::is_for_everybody(path, &page.text);
    }
    let page = bob.open("/passkeys").await;
    assert!(page.has("can&#39;t enrol another") && !page.has("data-passkey=\"create\""), "{}", page.text);
    // Replayed.
    let again = site.browser().send("/sign-in/passkey", &[("answer", &answer)]).await;
    again.refuses(403, "answered already");
}

#[tokio::test]
async fn while_the_provider_answers_there_is_no_way_past_it() {
    let site = Site::new();
    let (bobs, _) = with_keys(&site).await;
    let mut bob = site.browser();
    let answer = asserted(&mut bob, &bobs, "/sign-in/passkey/challenge", &[("answer", "")]).await;
    let refused = bob.send("/sign-in/passkey", &[("answer", &answer)]).await;
    refused.refuses(403, "wait until the identity provider is known to be down");
    assert!(bob.cookies.is_empty());
}

#[tokio::test]
async fn a_passkey_that_is_removed_is_gone() {
    let site = Site::new();
    let (bobs, carols) = with_keys(&site).await;
    let mut bob = site.signed_in("bob").await;
    let foreign = bob.send("/passkeys/remove", &[("credential", &carols.credential())]).await;
    foreign.refuses(404, "no such passkey");
    assert_eq!(bob.send("/passkeys/remove", &[("credential", &bobs.credential())]).await.location(), "/passkeys");
    assert!(bob.open("/passkeys").await.has("You have none yet"));
    let grant = site.pending().await;
    let asked = bob.fetch(&format!("{}/challenge", path_of(&grant)), &[("request_hash", "")]).await;
    assert_eq!(asked.status, StatusCode::NOT_FOUND);
    assert!(asked.has("you have no passkey here: enrol one first"), "{}", asked.text);
}
