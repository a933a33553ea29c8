//! People who sign in with a real provider.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::real::{HS256, Provider, WEB};
use super::*;

/// As a person in a fresh browser does it.
async fn sign_in(provider: &OidcProvider, nth: u32, person: &str) -> Result<Claims, ProviderError> {
    let sign_in = SignIn::nth(nth);
    let answer = sign_in.go(provider, &mut Browser::new(), person).await;
    sign_in.exchange(provider, &answer).await
}

fn seconds(claims: &Claims, claim: &str) -> Timestamp {
    Timestamp::from_second(claims[claim].as_i64().unwrap()).unwrap()
}

#[tokio::test]
async fn a_person_signs_in_and_all_claims_come_back() {
    let real = Provider::start(&[BACK]);
    let provider = provider(&real.issuer, WEB);
    assert_eq!(provider.issuer(), real.issuer);

    let sign_in = SignIn::nth(1);
    let url = reqwest::Url::parse(&sign_in.url(&provider).await.unwrap()).unwrap();
    let mut query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query.insert("code_challenge".to_owned(), "[hash]".to_owned()).unwrap().len(), 43);
    insta::assert_json_snapshot!(query, @r#"
    {
      "client_id": "halligan",
      "code_challenge": "[hash]",
      "code_challenge_method": "S256",
      "nonce": "nonce-1",
      "redirect_uri": "http://127.0.0.1:9/callback",
      "response_type": "code",
      "scope": "openid email",
      "state": "state-1"
    }
    "#);

    let mut browser = Browser::new();
    let page = browser.open(url.as_str(), BACK).await;
    let page = browser.submit(&page, &[("login", "alice"), ("mfa", "yes")], BACK).await;
    let answer = Answer::of(&page);
    assert_eq!((answer.state.as_deref(), answer.issuer.as_deref()), (Some("state-1"), Some(real.issuer.as_str())));
    let mut claims = sign_in.exchange(&provider, &answer).await.unwrap();
    assert_eq!(claims["iss"], real.issuer);
    for differs in ["auth_time", "exp", "iat", "iss"] {
        claims.insert(differs.to_owned(), "[differs]".into()).unwrap();
    }
    insta::assert_json_snapshot!(claims, @r#"
    {
      "sub": "alice",
      "acr": "mfa",
      "amr": [
        "pwd",
        "otp",
        "mfa"
      ],
      "auth_time": "[differs]",
      "email": "alice@example.com",
      "groups": [
        "sre",
        "payments"
      ],
      "nonce": "nonce-1",
      "aud": "halligan",
      "exp": "[differs]",
      "iat": "[differs]",
      "iss": "[differs]"
    }
    "#);
}

#[tokio::test]
async fn max_age_has_a_person_prove_themselves_again() {
    let real = Provider::start(&[BACK]);
    let provider = provider(&real.issuer, WEB);
    let mut browser = Browser::new();
    let first = SignIn::nth(1);
    let answer = first.go(&provider, &mut browser, "alice").await;
    let claims = first.exchange(&provider, &answer).await.unwrap();
    let proven_at = seconds(&claims, "auth_time");

    let second = SignIn::nth(2);
    let page = browser.open(&second.url(&provider).await.unwrap(), BACK).await;
    let unasked = Answer::of(&page);
    // As if it had been asked for a while later: what was proved at the first doesn't do.
    let since = Some(proven_at + SignedDuration::from_secs(6));
    let returned = Returned { proven_since: since, ..second.returned(&unasked) };
    let reason = refused(provider.exchange(&returned, now()).await);
    assert!(reason.starts_with("the person last proved who they are at"), "{reason}");
    let third = SignIn { max_age: Some(SignedDuration::ZERO), ..SignIn::nth(3) };
    let url = third.url(&provider).await.unwrap();
    assert!(url.contains("acr_values=mfa") && !second.url(&provider).await.unwrap().contains("acr_values"), "{url}");
    let page = browser.open(&url, BACK).await;
    let page = browser.submit(&page, &[("login", "alice")], BACK).await;
    let asked = Answer::of(&page);
    let returned = Returned { proven_since: Some(proven_at), ..third.returned(&asked) };
    let claims = provider.exchange(&returned, now()).await.unwrap();
    assert!(seconds(&claims, "auth_time") >= proven_at);
}

#[tokio::test]
async fn what_belongs_to_another_sign_in_is_refused() {
    let real = Provider::start(&[BACK]);
    let provider = provider(&real.issuer, WEB);
    let mut browser = Browser::new();

    let first = SignIn::nth(1);
    let answer = first.go(&provider, &mut browser, "alice").await;
    first.exchange(&provider, &answer).await.unwrap();
    insta::assert_snapshot!(refused(first.exchange(&provider, &answer).await), @"its token endpoint said `invalid_grant`: the code or refresh token was used before, is too old, or is another client's");

    let answer = SignIn::nth(2).go(&provider, &mut Browser::new(), "alice").await;
    let replayed = SignIn { nonce: "nonce-1".to_owned(), ..SignIn::nth(2) };
    insta::assert_snapshot!(refused(replayed.exchange(&provider, &answer).await), @"the ID token: its nonce is not the one that was sent (it is of another sign-in)");

    let answer = SignIn::nth(3).go(&provider, &mut Browser::new(), "alice").await;
    insta::assert_snapshot!(refused(SignIn::nth(4).exchange(&provider, &answer).await), @"its token endpoint said `invalid_grant`: the code or refresh token was used before, is too old, or is another client's");

    let answer = SignIn::nth(5).go(&provider, &mut Browser::new(), "alice").await;
    let sign_in = SignIn::nth(5);
    let returned = Returned { redirect_uri: "http://127.0.0.1:9/other", ..sign_in.returned(&answer) };
    insta::assert_snapshot!(refused(provider.exchange(&returned, now()).await), @"its token endpoint said `invalid_grant`: the code or refresh token was used before, is too old, or is another client's");
}

#[tokio::test]
async fn one_providers_answer_is_no_answer_of_another() {
    let (one, other) = (Provider::start(&[BACK]), Provider::start(&[BACK]));
    let (asked, honest) = (provider(&other.issuer, WEB), provider(&one.issuer, WEB));
    let sign_in = SignIn::nth(1);
    let answer = sign_in.go(&honest, &mut Browser::new(), "alice").await;

    let reason = refused(sign_in.exchange(&asked, &answer).await);
    let expected =
        format!("it comes from another issuer than the one that was asked (`iss`): expected `{}`", other.issuer);
    assert_eq!(reason, expected);
    let silent = Answer { issuer: None, ..answer };
    let reason = refused(sign_in.exchange(&asked, &silent).await);
    assert_eq!(reason, format!("it doesn't say which issuer it comes from: expected `iss` to be `{}`", other.issuer));
    assert_eq!(other.asked("/token").await, 0, "the code was shown to a stranger");

    // It is still good where it came from.
    let answer = Answer { issuer: Some(one.issuer.clone()), ..silent };
    assert_eq!(sign_in.exchange(&honest, &answer).await.unwrap()["sub"], "alice");
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let real = Provider::start(&[BACK]);
    let provider = provider(&real.issuer, (WEB.0, "another-secret"));
    insta::assert_snapshot!(refused(sign_in(&provider, 1, "alice").await), @"its token endpoint said `invalid_client`: check the client id, its secret, and how it is registered");
}

#[tokio::test]
async fn an_id_token_signed_with_the_clients_secret_is_refused() {
    let real = Provider::start(&[BACK]);
    let provider = provider(&real.issuer, HS256);
    insta::assert_snapshot!(refused(sign_in(&provider, 1, "alice").await), @"the ID token: it is signed with an algorithm that is not allowed: expected RS, PS, ES or EdDSA");
}

#[tokio::test]
async fn somebody_the_provider_sends_away_has_no_code() {
    let real = Provider::start(&[BACK]);
    let provider = provider(&real.issuer, WEB);
    let mut browser = Browser::new();
    let page = browser.open(&SignIn::nth(1).url(&provider).await.unwrap(), BACK).await;
    let page = browser.submit(&page, &[("login", "mallory")], BACK).await;
    assert_eq!((page.parameter("error").as_deref(), page.parameter("code")), (Some("access_denied"), None));
}

#[tokio::test]
async fn times_are_held_against_the_clock_that_is_passed_in() {
    let real = Provider::with(&json!({ "redirect_uris": [BACK], "id_token_seconds": 60 }));
    let provider = provider(&real.issuer, WEB);
    // Beyond any pause of a busy machine, but for the two that are about the leeway.
    for (case, name, ahead, expected) in [
        (1, "on time", 0, Ok("alice")),
        (2, "expired by 30 s", 90, Err("the ID token: it has expired: expected `exp` to be ahead")),
        (
            3,
            "issued in 30 s",
            -30,
            Err("the ID token's `iat` is missing or ahead of this machine's clock by more than 5 s"),
        ),
    ] {
        let sign_in = SignIn::nth(case);
        let answer = sign_in.go(&provider, &mut Browser::new(), "alice").await;
        let outcome = sign_in.exchange_at(&provider, &answer, now() + SignedDuration::from_secs(ahead)).await;
        match expected {
            Ok(subject) => assert_eq!(outcome.unwrap()["sub"], subject, "{name}"),
            Err(reason) => assert_eq!(refused(outcome), reason, "{name}"),
        }
    }
}

#[tokio::test]
async fn new_keys_are_looked_for_once_in_ten_seconds() {
    let real = Provider::start(&[BACK]);
    let provider = provider(&real.issuer, WEB);
    sign_in(&provider, 1, "alice").await.unwrap();
    sign_in(&provider, 2, "bob").await.unwrap();
    assert_eq!(real.asked("/jwks").await, 1, "keys are kept");

    real.rotate_keys(false).await;
    assert_eq!(sign_in(&provider, 3, "carol").await.unwrap()["sub"], "carol");
    assert_eq!(real.asked("/jwks").await, 2);

    real.rotate_keys(true).await;
    insta::assert_snapshot!(unavailable(sign_in(&provider, 4, "alice").await), @"the ID token is signed with a key that wasn't in its key set, which is looked at for new keys once in 10s");
    assert_eq!(real.asked("/jwks").await, 2, "an unknown key can't be used to hammer the provider");
    pass(cached::REFRESH_PAUSE).await;
    sign_in(&provider, 5, "alice").await.unwrap();
    assert_eq!(real.asked("/jwks").await, 3);
}

#[tokio::test]
async fn keys_that_were_withdrawn_are_trusted_for_ten_minutes() {
    let real = Provider::start(&[BACK]);
    let provider = provider(&real.issuer, WEB);
    sign_in(&provider, 1, "alice").await.unwrap();
    pass(Duration::from_secs(599)).await;
    sign_in(&provider, 2, "alice").await.unwrap();
    assert_eq!(real.asked("/jwks").await, 1);
    pass(Duration::from_secs(1)).await;
    sign_in(&provider, 3, "alice").await.unwrap();
    assert_eq!(real.asked("/jwks").await, 2);
}

/// Time passes here, not at the provider.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_provider_that_is_unwell_is_unavailable_and_recovers() {
    let real = Provider::start(&[BACK]);
    for (nth, (behaviour, reason)) in [
        (json!({ "only": "/.well-known", "status": 500 }), "its description of itself answered 500"),
        (json!({ "only": "/.well-known", "hold": true }), "its description of itself gave no answer within 300ms"),
        (json!({ "only": "/token", "status": 503 }), "its token endpoint answered 503"),
        (json!({ "only": "/token", "status": 429 }), "its token endpoint answered 429"),
        (json!({ "only": "/token", "hold": true }), "its token endpoint gave no answer within 300ms"),
        (json!({ "only": "/jwks", "status": 500 }), "its key set answered 500"),
        (json!({ "only": "/jwks", "hold": true }), "its key set gave no answer within 300ms"),
        (json!({ "empty_key_set": true }), "its key set holds no key that can be used"),
    ]
    .into_iter()
    .enumerate()
    {
        let nth = u32::try_from(nth).unwrap();
        let sign_in = SignIn::nth(nth);
        let answer = sign_in.go(&provider(&real.issuer, WEB), &mut Browser::new(), "alice").await;
        let in_haste = hurried(&real.issuer);
        real.behave(&behaviour).await;
        assert_eq!(unavailable(sign_in.exchange(&in_haste, &answer).await), reason, "{behaviour}");
        real.behave(&Value::Object(serde_json::Map::new())).await;

        // The same party, a second later, with as much patience as a busy machine takes.
        let sign_in = SignIn::nth(nth + 100);
        let answer = sign_in.go(&in_haste, &mut Browser::new(), "alice").await;
        sign_in.exchange(&in_haste, &answer).await.unwrap();
    }
}

#[tokio::test]
async fn a_provider_that_is_gone_is_unavailable() {
    let real = Provider::start(&[BACK]);
    let provider = provider(&real.issuer, WEB);
    let first = SignIn::nth(1);
    let answer = first.go(&provider, &mut Browser::new(), "alice").await;
    drop(real);
    let reason = unavailable(first.exchange(&provider, &answer).await);
    assert!(reason.starts_with("its token endpoint can't be reached: "), "{reason}");
    // What was known of it was forgotten, so this is asked for anew.
    let reason = unavailable(SignIn::nth(2).url(&provider).await);
    assert!(reason.starts_with("its description of itself can't be reached: "), "{reason}");
}

#[tokio::test]
async fn a_provider_that_describes_another_issuer_is_refused() {
    let real = Provider::start(&[BACK]);
    for described in ["https://login.example.com".to_owned(), format!("{}/", real.issuer), real.issuer.to_uppercase()] {
        real.behave(&json!({ "issuer": described })).await;
        let reason = refused(SignIn::nth(1).url(&provider(&real.issuer, WEB)).await);
        let expected =
            format!("it describes itself as the issuer `{described}`: expected `{}`, to the letter", real.issuer);
        assert_eq!(reason, expected);
    }
}
