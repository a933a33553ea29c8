//! ID tokens that are wrong in one way each.

use serde_json::{Value, json};

use super::fake::{Fake, Key, sign_with_secret, signing_input};
use super::*;

const NOW: &str = "2026-10-02T12:00:00Z";

fn at(seconds: i64) -> i64 {
    NOW.parse::<Timestamp>().unwrap().as_second() + seconds
}

/// As they should be, but for these.
fn claims(issuer: &str, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": issuer, "sub": "alice", "aud": "halligan", "nonce": "nonce-1", "iat": at(-1), "exp": at(300),
        "auth_time": at(-20),
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

async fn outcome(fake: &Fake, id_token: &str, proven_since: Option<i64>) -> Result<Claims, ProviderError> {
    fake.give(id_token);
    // A new one each time: it knows no keys yet.
    let provider = provider(&fake.issuer(), ("halligan", "halligan-secret"));
    let sign_in = SignIn::nth(1);
    let answer = Answer { code: "code".into(), issuer: None, state: None };
    let proven_since = proven_since.map(|second| Timestamp::from_second(second).unwrap());
    let returned = Returned { proven_since, ..sign_in.returned(&answer) };
    provider.exchange(&returned, NOW.parse().unwrap()).await
}

fn word(outcome: Result<Claims, ProviderError>) -> String {
    match outcome {
        Ok(claims) => format!("taken: {}", claims["sub"]),
        Err(ProviderError::Refused(reason)) => reason,
        Err(ProviderError::Unavailable(reason)) => format!("unavailable: {reason}"),
    }
}

#[tokio::test]
async fn claims_that_are_wrong_are_refused() {
    let fake = Fake::start().await;
    let key = Key::new("one");
    fake.keys(&[key.jwk()]);
    let issuer = fake.issuer();
    let cases = [
        ("as it should be", json!({}), None),
        ("another issuer", json!({ "iss": "https://login.example.com" }), None),
        ("the issuer with a slash", json!({ "iss": format!("{issuer}/") }), None),
        ("no issuer", json!({ "iss": null }), None),
        ("another client's", json!({ "aud": "other" }), None),
        ("another client's as well", json!({ "aud": ["halligan", "other"] }), None),
        ("a list of us alone", json!({ "aud": ["halligan"] }), None),
        ("no audience", json!({ "aud": null }), None),
        ("given to us", json!({ "azp": "halligan" }), None),
        ("given to another client", json!({ "azp": "other" }), None),
        ("azp is no text", json!({ "azp": 1 }), None),
        ("another nonce", json!({ "nonce": "nonce-2" }), None),
        ("no nonce", json!({ "nonce": null }), None),
        ("expired within the leeway", json!({ "exp": at(-4) }), None),
        ("expired 5 s ago", json!({ "exp": at(-5) }), None),
        ("expired 30 s ago", json!({ "exp": at(-30) }), None),
        ("never expires", json!({ "exp": null }), None),
        ("exp is a text", json!({ "exp": "2026-10-02T13:00:00Z" }), None),
        ("exp is digits in a text", json!({ "exp": at(300).to_string() }), None),
        ("exp is beyond all dates", json!({ "exp": 1e300 }), None),
        ("a fraction of a second", json!({ "exp": 1_790_942_700.5 }), None),
        ("issued within the leeway", json!({ "iat": at(5) }), None),
        ("issued in 6 s", json!({ "iat": at(6) }), None),
        ("never issued", json!({ "iat": null }), None),
        ("iat is a text", json!({ "iat": "2026-10-02T11:59:59Z" }), None),
        ("nbf within the leeway", json!({ "nbf": at(5) }), None),
        ("nbf ahead", json!({ "nbf": at(6) }), None),
        ("nbf is a text", json!({ "nbf": "2026-10-02T11:59:59Z" }), None),
        ("proven late enough", json!({}), Some(at(-15))),
        ("proven too early", json!({}), Some(at(-14))),
        ("proven in 6 s", json!({ "auth_time": at(6) }), Some(at(-14))),
        ("no auth_time, none wanted", json!({ "auth_time": null }), None),
        ("no auth_time", json!({ "auth_time": null }), Some(at(-300))),
        ("auth_time is a text", json!({ "auth_time": "2026-10-02T11:59:59Z" }), None),
        ("no subject", json!({ "sub": null }), None),
        ("an empty subject", json!({ "sub": "" }), None),
        ("claims of some providers", json!({ "updated_at": "2026-10-02T11:59:59Z", "email_verified": "true" }), None),
    ];
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "one" });
    let mut said = Vec::new();
    for (name, changes, since) in cases {
        let token = key.sign(&header, &claims(&issuer, &changes));
        said.push(format!("{name}: {}", word(outcome(&fake, &token, since).await)));
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    as it should be: taken: "alice"
    another issuer: the ID token: it is of another issuer: expected `iss` to be the configured issuer, to the letter
    the issuer with a slash: the ID token: it is of another issuer: expected `iss` to be the configured issuer, to the letter
    no issuer: the ID token can't be read: expected a JWT with `iss`, `sub`, `aud`, and `exp` and `iat` in seconds since 1970
    another client's: the ID token: it is for another audience: expected `aud` to be the configured client id alone
    another client's as well: the ID token: it is for another audience: expected `aud` to be the configured client id alone
    a list of us alone: taken: "alice"
    no audience: the ID token: it is for another audience: expected `aud` to be the configured client id alone
    given to us: taken: "alice"
    given to another client: the ID token's `azp` is another client: expected the configured client id
    azp is no text: the ID token can't be read: expected a JWT with `iss`, `sub`, `aud`, and `exp` and `iat` in seconds since 1970
    another nonce: the ID token: its nonce is not the one that was sent (it is of another sign-in)
    no nonce: the ID token: its nonce is not the one that was sent (there is none)
    expired within the leeway: taken: "alice"
    expired 5 s ago: the ID token: it has expired: expected `exp` to be ahead
    expired 30 s ago: the ID token: it has expired: expected `exp` to be ahead
    never expires: the ID token can't be read: expected a JWT with `iss`, `sub`, `aud`, and `exp` and `iat` in seconds since 1970
    exp is a text: the ID token's `exp` is not a number of seconds since 1970
    exp is digits in a text: the ID token can't be read: expected a JWT with `iss`, `sub`, `aud`, and `exp` and `iat` in seconds since 1970
    exp is beyond all dates: the ID token can't be read: expected a JWT with `iss`, `sub`, `aud`, and `exp` and `iat` in seconds since 1970
    a fraction of a second: taken: "alice"
    issued within the leeway: taken: "alice"
    issued in 6 s: the ID token's `iat` is missing or ahead of this machine's clock by more than 5 s
    never issued: the ID token can't be read: expected a JWT with `iss`, `sub`, `aud`, and `exp` and `iat` in seconds since 1970
    iat is a text: the ID token's `iat` is not a number of seconds since 1970
    nbf within the leeway: taken: "alice"
    nbf ahead: the ID token's `nbf` is ahead of this machine's clock by more than 5 s
    nbf is a text: the ID token's `nbf` is not a number of seconds since 1970
    proven late enough: taken: "alice"
    proven too early: the person last proved who they are at 2026-10-02T11:59:40Z: expected 2026-10-02T11:59:46Z or later (`auth_time`)
    proven in 6 s: the ID token's `auth_time` is ahead of this machine's clock by more than 5 s
    no auth_time, none wanted: taken: "alice"
    no auth_time: the ID token has no `auth_time`: expected one, since a `max_age` was asked for
    auth_time is a text: the ID token's `auth_time` is not a number of seconds since 1970
    no subject: the ID token can't be read: expected a JWT with `iss`, `sub`, `aud`, and `exp` and `iat` in seconds since 1970
    an empty subject: the ID token's `sub` is empty
    claims of some providers: taken: "alice"
    "#);
}

#[tokio::test]
async fn signatures_that_are_wrong_are_refused() {
    let fake = Fake::start().await;
    let (key, other) = (Key::new("one"), Key::new("two"));
    fake.keys(&[key.jwk(), other.jwk()]);
    let good = claims(&fake.issuer(), &json!({}));
    let es256 = |kid: &str| json!({ "alg": "ES256", "kid": kid });
    let with = |name: &str, value: Value| {
        let mut header = es256("one");
        header[name] = value;
        header
    };
    let signed = key.sign(&es256("one"), &good);
    let stranger = Key::new("one");
    let none = signing_input(&json!({ "alg": "none" }), &good);
    let tampered = {
        let (_, signature) = signed.rsplit_once('.').unwrap();
        let mallory = claims(&fake.issuer(), &json!({ "sub": "mallory" }));
        format!("{}.{signature}", signing_input(&es256("one"), &mallory))
    };
    let hs256 = json!({ "alg": "HS256", "kid": "one" });
    let cases = [
        ("as it should be", signed.clone()),
        ("not signed", format!("{none}.")),
        ("not signed, in capitals", format!("{}.", signing_input(&json!({ "alg": "NONE" }), &good))),
        (
            "not signed, with a signature",
            signed.replacen(signed.split_once('.').unwrap().0, none.split_once('.').unwrap().0, 1),
        ),
        ("the signature cut off", format!("{}.", signed.rsplit_once('.').unwrap().0)),
        ("other claims", tampered),
        ("by the client's secret", sign_with_secret(b"halligan-secret", &hs256, &good)),
        ("by the public key as a secret", sign_with_secret(key.public(), &hs256, &good)),
        ("by a secret, and says otherwise", sign_with_secret(key.public(), &es256("one"), &good)),
        ("by another key of theirs", other.sign(&es256("one"), &good)),
        ("by a stranger's key of that name", stranger.sign(&es256("one"), &good)),
        ("by a key that they don't have", stranger.sign(&es256("three"), &good)),
        ("by one of several, unnamed", key.sign(&json!({ "alg": "ES256" }), &good)),
        ("an algorithm of another kind of key", key.sign(&with("alg", json!("RS256")), &good)),
        ("an algorithm that nobody has", key.sign(&with("alg", json!("XS256")), &good)),
        ("a header that must be understood", key.sign(&with("crit", json!(["b64"])), &good)),
        ("a key of its own", stranger.sign(&with("jwk", stranger.jwk()), &good)),
        ("another type of token", key.sign(&with("typ", json!("at+jwt")), &good)),
        ("a token within", key.sign(&with("cty", json!("JWT")), &good)),
        ("not a token", "alice".to_owned()),
        ("two dots", "..".to_owned()),
    ];
    let mut said = Vec::new();
    for (name, token) in cases {
        said.push(format!("{name}: {}", word(outcome(&fake, &token, None).await)));
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    as it should be: taken: "alice"
    not signed: the ID token: it is not signed (`alg` is `none`)
    not signed, in capitals: the ID token can't be read: expected a JWT with `iss`, `sub`, `aud`, and `exp` and `iat` in seconds since 1970
    not signed, with a signature: the ID token: it is not signed (`alg` is `none`)
    the signature cut off: the ID token: its signature is not the provider's
    other claims: the ID token: its signature is not the provider's
    by the client's secret: the ID token: it is signed with an algorithm that is not allowed: expected RS, PS, ES or EdDSA
    by the public key as a secret: the ID token: it is signed with an algorithm that is not allowed: expected RS, PS, ES or EdDSA
    by a secret, and says otherwise: the ID token: its signature is not the provider's
    by another key of theirs: the ID token: its signature is not the provider's
    by a stranger's key of that name: the ID token: its signature is not the provider's
    by a key that they don't have: the ID token is signed with a key that is not in its key set
    by one of several, unnamed: the ID token: it doesn't say which of the provider's keys it is signed with (`kid`)
    an algorithm of another kind of key: the ID token is signed with a key that is not in its key set
    an algorithm that nobody has: the ID token can't be read: expected a JWT with `iss`, `sub`, `aud`, and `exp` and `iat` in seconds since 1970
    a header that must be understood: the ID token: it is of a kind that is not supported: expected a signed JWT without `cty`, `crit` or encryption
    a key of its own: the ID token: its signature is not the provider's
    another type of token: the ID token: it is of a kind that is not supported: expected a signed JWT without `cty`, `crit` or encryption
    a token within: the ID token: it is of a kind that is not supported: expected a signed JWT without `cty`, `crit` or encryption
    not a token: the ID token can't be read: expected a JWT with `iss`, `sub`, `aud`, and `exp` and `iat` in seconds since 1970
    two dots: the ID token can't be read: expected a JWT with `iss`, `sub`, `aud`, and `exp` and `iat` in seconds since 1970
    "#);
}

#[tokio::test]
async fn answers_of_the_token_endpoint_that_are_no_tokens() {
    let fake = Fake::start().await;
    fake.keys(&[Key::new("one").jwk()]);
    let provider = provider(&fake.issuer(), ("halligan", "halligan-secret"));
    let mut said = Vec::new();
    for (name, status, body) in [
        ("no ID token", 200, r#"{"access_token": "a", "token_type": "Bearer"}"#),
        ("no JSON", 200, "welcome"),
        ("nothing", 200, ""),
        ("a page", 404, "<html>"),
        ("not now", 400, r#"{"error": "temporarily_unavailable"}"#),
        ("not so", 400, r#"{"error": "invalid_grant", "error_description": "the code s3cret was used"}"#),
        ("a code that deceives", 400, r#"{"error": "a\u001b[31mb"}"#),
        ("a redirect", 302, ""),
    ] {
        fake.set("/token", status, body);
        let answer = Answer { code: "code".into(), issuer: None, state: None };
        said.push(format!("{name}: {}", word(SignIn::nth(1).exchange(&provider, &answer).await)));
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    no ID token: its token endpoint gave no ID token: expected one for the scope `openid`
    no JSON: its token endpoint's answer makes no sense: expected JSON with tokens, or with an error
    nothing: its token endpoint's answer makes no sense: expected JSON with tokens, or with an error
    a page: its token endpoint's answer makes no sense: expected JSON with tokens, or with an error
    not now: unavailable: its token endpoint said `temporarily_unavailable`
    not so: its token endpoint said `invalid_grant`: the code or refresh token was used before, is too old, or is another client's
    a code that deceives: its token endpoint said `a [31mb`
    a redirect: its token endpoint answered with a redirect (302), which is not followed
    "#);
}

#[tokio::test]
async fn a_sender_who_names_itself_must_be_the_one_that_was_asked() {
    let fake = Fake::start().await;
    let key = Key::new("one");
    fake.keys(&[key.jwk()]);
    fake.give(&key.sign(&json!({ "alg": "ES256", "kid": "one" }), &claims(&fake.issuer(), &json!({}))));
    let provider = provider(&fake.issuer(), ("halligan", "halligan-secret"));
    // It says nothing of whether its answers name it.
    for (issuer, taken) in [
        (None, true),
        (Some(fake.issuer()), true),
        (Some(format!("{}/", fake.issuer())), false),
        (Some("https://login.example.com".to_owned()), false),
        (Some(String::new()), false),
    ] {
        let answer = Answer { code: "code".into(), issuer, state: None };
        let outcome = SignIn::nth(1).exchange_at(&provider, &answer, NOW.parse().unwrap()).await;
        assert_eq!(outcome.is_ok(), taken, "{:?}", answer.issuer);
    }
}
