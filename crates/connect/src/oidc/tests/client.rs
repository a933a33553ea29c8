//! Signing in from a command line.

use std::time::Duration;

use serde_json::json;

use super::fake::{Fake, Key};
use super::real::{CLI, Provider};
use super::*;

fn client(issuer: &str) -> OidcClient {
    let settings = OidcSettings { scopes: vec!["offline_access".to_owned()], ..settings(issuer, (CLI, "")) };
    OidcClient(RelyingParty::new(settings, PATIENT).unwrap())
}

async fn through_loopback(client: &OidcClient, nth: u32, person: &str) -> Result<SignedIn, ProviderError> {
    let SignIn { state, nonce, verifier, .. } = SignIn::nth(nth);
    let (port, back) = (54321, loopback_redirect(54321));
    let mut browser = Browser::new();
    let page = browser.open(&client.begin_loopback(port, &state, &nonce, &verifier).await?, &back).await;
    let page = browser.submit(&page, &[("login", person)], &back).await;
    let answer = Answer::of(&page);
    let returned = Returned {
        code: &answer.code,
        issuer: answer.issuer.as_deref(),
        redirect_uri: &back,
        nonce: &nonce,
        verifier: &verifier,
        proven_since: None,
    };
    client.finish_loopback(&returned, now()).await
}

#[tokio::test]
async fn through_a_browser_on_this_machine() {
    let real = Provider::start(&[BACK]);
    let client = client(&real.issuer);
    let signed_in = through_loopback(&client, 1, "alice").await.unwrap();
    assert_eq!((&signed_in.claims["sub"], &signed_in.claims["aud"]), (&json!("alice"), &json!(CLI)));
    let lasts = signed_in.expires_at.duration_since(now());
    assert!(lasts > SignedDuration::ZERO && lasts <= SignedDuration::from_mins(10), "{lasts}");
    let shown = format!("{signed_in:?}");
    assert!(shown.starts_with("SignedIn { expires_at: ") && !shown.contains("alice"), "{shown}");
}

#[tokio::test]
async fn on_another_device() {
    let real = Provider::start(&[BACK]);
    let client = client(&real.issuer);
    let ask = client.begin_device().await.unwrap();
    assert_eq!(ask.verification_uri, format!("{}/device", real.issuer));
    assert_eq!((ask.interval, ask.expires_in), (Duration::from_secs(5), Duration::from_secs(600)));
    assert!(matches!(client.poll_device(&ask, now()).await.unwrap(), DevicePoll::Pending));

    let complete = ask.verification_uri_complete.as_deref().unwrap();
    assert!(complete.ends_with(&format!("?user_code={}", ask.user_code)), "{complete}");
    let mut browser = Browser::new();
    let page = browser.open(complete, BACK).await;
    let page = browser.submit(&page, &[], BACK).await;
    assert!(page.text.contains(&ask.user_code), "{}", page.text);
    assert!(matches!(client.poll_device(&ask, now()).await.unwrap(), DevicePoll::Pending));
    let page = browser.submit(&page, &[("confirm", "yes")], BACK).await;
    let page = browser.submit(&page, &[("login", "bob"), ("mfa", "yes")], BACK).await;
    assert_eq!(page.status, 200, "{}", page.text);

    let DevicePoll::Done(signed_in) = client.poll_device(&ask, now()).await.unwrap() else { panic!("not done") };
    assert_eq!((&signed_in.claims["sub"], &signed_in.claims["acr"]), (&json!("bob"), &json!("mfa")));
    assert!(signed_in.refresh_token.is_some());
    insta::assert_snapshot!(refused(client.poll_device(&ask, now()).await), @"its token endpoint said `invalid_grant`: the code or refresh token was used before, is too old, or is another client's");
}

#[tokio::test]
async fn somebody_says_no_on_the_other_device() {
    let real = Provider::start(&[BACK]);
    let client = client(&real.issuer);
    let ask = client.begin_device().await.unwrap();
    let mut browser = Browser::new();
    let page = browser.open(ask.verification_uri_complete.as_deref().unwrap(), BACK).await;
    let page = browser.submit(&page, &[], BACK).await;
    browser.submit(&page, &[("abort", "yes")], BACK).await;
    assert!(matches!(client.poll_device(&ask, now()).await.unwrap(), DevicePoll::Denied));
}

#[tokio::test]
async fn a_token_is_refreshed_until_it_is_revoked() {
    let real = Provider::start(&[BACK]);
    let client = client(&real.issuer);
    let first = through_loopback(&client, 1, "carol").await.unwrap();
    let refresh_token = first.refresh_token.unwrap();
    // New keys meanwhile.
    real.rotate_keys(false).await;
    let second = client.refresh(&refresh_token, "carol", now()).await.unwrap();
    assert_eq!(second.claims["sub"], "carol");
    let newer = second.refresh_token.unwrap();

    insta::assert_snapshot!(refused(client.refresh(&newer, "alice", now()).await), @"the ID token's `sub` is another person's than before");
    let third = through_loopback(&client, 2, "carol").await.unwrap();
    let last = third.refresh_token.unwrap();
    assert!(client.revoke(&last).await.unwrap());
    insta::assert_snapshot!(refused(client.refresh(&last, "carol", now()).await), @"its token endpoint said `invalid_grant`: the code or refresh token was used before, is too old, or is another client's");
}

#[tokio::test]
async fn what_a_provider_may_say_to_a_poll() {
    let fake = Fake::start().await;
    let issuer = fake.issuer();
    let device = json!({
        "device_code": "s3cret", "user_code": "AB\u{202e}CD", "verification_uri": format!("{issuer}/go"),
        "interval": 7, "expires_in": 60,
    });
    fake.set("/device", 200, &device.to_string());
    let key = Key::new("one");
    fake.keys(&[key.jwk()]);
    let client = client(&issuer);
    let ask = client.begin_device().await.unwrap();
    assert_eq!((ask.user_code.as_str(), ask.interval), ("AB CD", Duration::from_secs(7)));
    assert!(!format!("{ask:?}").contains("s3cret"));

    let mut said = Vec::new();
    for (status, body) in [
        (400, r#"{"error": "authorization_pending"}"#),
        (400, r#"{"error": "slow_down"}"#),
        (403, r#"{"error": "access_denied"}"#),
        (400, r#"{"error": "expired_token"}"#),
        (400, r#"{"error": "invalid_client"}"#),
        (404, "<html>"),
        (503, ""),
        (200, "{}"),
    ] {
        fake.set("/token", status, body);
        said.push(format!("{status} {body}: {:?}", client.poll_device(&ask, now()).await));
    }
    let claims = json!({ "iss": issuer, "sub": "alice", "aud": "other", "iat": now().as_second(), "exp": now().as_second() + 60 });
    fake.give(&key.sign(&json!({ "alg": "ES256", "kid": "one" }), &claims));
    said.push(format!("a token of another client: {:?}", client.poll_device(&ask, now()).await));
    insta::assert_snapshot!(said.join("\n"), @r#"
    400 {"error": "authorization_pending"}: Ok(Pending)
    400 {"error": "slow_down"}: Ok(SlowDown)
    403 {"error": "access_denied"}: Ok(Denied)
    400 {"error": "expired_token"}: Ok(Expired)
    400 {"error": "invalid_client"}: Err(Refused("its token endpoint said `invalid_client`: check the client id, its secret, and how it is registered"))
    404 <html>: Err(Refused("its token endpoint said `404`"))
    503 : Err(Unavailable("its token endpoint answered 503"))
    200 {}: Err(Refused("its token endpoint's answer makes no sense: expected JSON with tokens, or with an error"))
    a token of another client: Err(Refused("the ID token: it is for another audience: expected `aud` to be the configured client id alone"))
    "#);
}

#[tokio::test]
async fn where_a_provider_has_no_such_thing() {
    let fake = Fake::start().await;
    let client = client(&fake.issuer());
    let ask = json!({
        "device_code": "c", "user_code": "u", "verification_uri": "file:///etc/passwd", "expires_in": 60,
    });
    fake.set("/device", 200, &ask.to_string());
    insta::assert_snapshot!(refused(client.begin_device().await), @"the address of its verification page is not https: expected https, or http to this machine's loopback");
    fake.set("/device", 400, r#"{"error": "unauthorized_client"}"#);
    insta::assert_snapshot!(refused(client.begin_device().await), @"its device authorization endpoint said `unauthorized_client`: check the client id, its secret, and how it is registered");

    fake.describe(json!({ "device_authorization_endpoint": null, "revocation_endpoint": null }));
    let client = self::client(&fake.issuer());
    let reason = refused(client.begin_device().await);
    assert!(reason.contains("names no device_authorization_endpoint"), "{reason}");
    assert!(!client.revoke(&"token".into()).await.unwrap());
}
