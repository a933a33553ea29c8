//! Where issuers of other tokens publish their keys.

use halligan_engine::ports::KeySets as _;
use serde_json::{Value, json};

use super::fake::{Fake, Key};
use super::real::Provider;
use super::*;

fn at(issuer: &str, jwks_uri: Option<String>) -> KeySource {
    KeySource { issuer: issuer.to_owned(), jwks_uri, ..KeySource::default() }
}

#[tokio::test]
async fn they_are_found_by_discovery_or_where_the_configuration_says() {
    let (real, fake) = (Provider::start(&[BACK]), Fake::start().await);
    let key = Key::new("one");
    fake.keys(&[key.jwk()]);
    // As little as GitHub Actions says of itself.
    let little = json!({ "issuer": fake.issuer(), "jwks_uri": format!("{}/keys", fake.issuer()) });
    fake.set("/.well-known/openid-configuration", 200, &little.to_string());
    let sources = [
        at(&real.issuer, None),
        at(&fake.issuer(), None),
        at("kubernetes/serviceaccount", Some(format!("{}/keys", fake.issuer()))),
    ];
    let sets = HttpKeySets::new(sources).unwrap();
    let parsed = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    let found = parsed(sets.key_set(&real.issuer).await.unwrap());
    assert_eq!(found["keys"].as_array().unwrap().len(), 2);
    for issuer in [fake.issuer().as_str(), "kubernetes/serviceaccount"] {
        assert_eq!(parsed(sets.key_set(issuer).await.unwrap()), json!({ "keys": [key.jwk()] }), "{issuer}");
    }

    // Each call asks.
    real.rotate_keys(false).await;
    assert_ne!(parsed(sets.key_set(&real.issuer).await.unwrap()), found);
    let reason = refused(sets.key_set("https://token.actions.example.com").await);
    assert_eq!(reason, "the issuer is not among those whose tokens are taken");
}

#[tokio::test]
async fn sets_that_are_none() {
    let (real, fake) = (Provider::start(&[BACK]), Fake::start().await);
    let sets = HttpKeySets::new([at(&fake.issuer(), None), at(&real.issuer, None)]).unwrap();
    let long = "x".repeat(call::ANSWER_BYTES_MAX + 1);
    let mut said = Vec::new();
    for (name, status, body) in [
        ("no JSON", 200, "keys"),
        ("no set", 200, "{}"),
        ("a set of texts", 200, r#"{"keys": ["a"]}"#),
        ("empty", 200, r#"{"keys": []}"#),
        ("too long", 200, &long),
        ("not there", 404, ""),
        ("elsewhere", 302, ""),
        ("hidden", 401, ""),
        ("unwell", 502, ""),
    ] {
        fake.set("/keys", status, body);
        said.push(format!("{name}: {}", sets.key_set(&fake.issuer()).await.unwrap_err()));
    }
    real.behave(&json!({ "issuer": fake.issuer() })).await;
    let reason = sets.key_set(&real.issuer).await.unwrap_err().to_string();
    said.push(reason.replace(&fake.issuer(), "[fake]").replace(&real.issuer, "[real]"));
    insta::assert_snapshot!(said.join("\n"), @r#"
    no JSON: the identity provider's answer is refused: its key set is no JWK set: expected JSON with `keys`
    no set: the identity provider's answer is refused: its key set is no JWK set: expected JSON with `keys`
    a set of texts: the identity provider's answer is refused: its key set is no JWK set: expected JSON with `keys`
    empty: the identity provider can't be reached: its key set is empty
    too long: the identity provider's answer is refused: its key set answers with more than 262144 bytes
    not there: the identity provider's answer is refused: its key set answered 404
    elsewhere: the identity provider's answer is refused: its key set answered with a redirect (302), which is not followed
    hidden: the identity provider's answer is refused: its key set answered 401
    unwell: the identity provider can't be reached: its key set answered 502
    the identity provider's answer is refused: it describes itself as the issuer `[fake]`: expected `[real]`, to the letter
    "#);
}
