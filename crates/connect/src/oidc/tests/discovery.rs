//! What is asked for when, and what a provider may say of itself.

use futures::future::join_all;
use serde_json::json;

use super::fake::Fake;
use super::*;

async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_description_is_asked_for_once_an_hour() {
    let fake = Fake::start().await;
    let provider = provider(&fake.issuer(), real::WEB);
    for (after, asked) in [(0, 1), (3599, 1), (1, 2), (3599, 2), (3600, 3)] {
        pass(Duration::from_secs(after)).await;
        SignIn::nth(1).url(&provider).await.unwrap();
        assert_eq!(fake.server.asked(), asked, "after {after} s more");
    }
}

#[tokio::test]
async fn many_at_once_ask_once() {
    let fake = Fake::start().await;
    let provider = provider(&fake.issuer(), real::WEB);
    let sign_ins: Vec<SignIn> = (0..50).map(SignIn::nth).collect();
    for url in join_all(sign_ins.iter().map(|sign_in| sign_in.url(&provider))).await {
        url.unwrap();
    }
    assert_eq!(fake.server.asked(), 1);

    // And share the bad news, rather than wait in a row.
    pass(Duration::from_secs(3600)).await;
    fake.set("/.well-known/openid-configuration", 500, "");
    for url in join_all(sign_ins.iter().map(|sign_in| sign_in.url(&provider))).await {
        unavailable(url);
    }
    assert_eq!(fake.server.asked(), 2);
    // Who comes later asks anew.
    fake.describe(json!({}));
    SignIn::nth(1).url(&provider).await.unwrap();
}

#[tokio::test]
async fn descriptions_that_are_no_use() {
    let fake = Fake::start().await;
    let mut said = Vec::new();
    let path = "/.well-known/openid-configuration";
    let long = format!("{{\"issuer\": \"{}\"}}", "x".repeat(call::ANSWER_BYTES_MAX));
    for (name, status, body) in [
        ("no JSON", 200, "hello"),
        ("a list", 200, "[]"),
        ("too long", 200, &long),
        ("not there", 404, "{}"),
        ("elsewhere", 301, ""),
    ] {
        fake.set(path, status, body);
        said.push(format!("{name}: {}", refused(SignIn::nth(1).url(&provider(&fake.issuer(), real::WEB)).await)));
    }
    for (name, more) in [
        ("no authorization endpoint", json!({ "authorization_endpoint": null })),
        ("no keys", json!({ "jwks_uri": null })),
        ("keys in the open", json!({ "jwks_uri": "http://login.example.com/keys" })),
        ("keys in a file", json!({ "jwks_uri": "file:///etc/passwd" })),
        ("a name in the address", json!({ "token_endpoint": "https://a:b@login.example.com" })),
        ("a page that runs", json!({ "authorization_endpoint": "javascript:alert(1)" })),
    ] {
        fake.describe(more);
        let reason = refused(SignIn::nth(1).url(&provider(&fake.issuer(), real::WEB)).await);
        said.push(format!("{name}: {}", reason.replace(&fake.issuer(), "[issuer]")));
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    no JSON: its description of itself makes no sense (line 1, column 1): expected JSON with issuer and jwks_uri
    a list: its description of itself makes no sense (line 1, column 2): expected JSON with issuer and jwks_uri
    too long: its description of itself answers with more than 262144 bytes
    not there: its description of itself answered 404
    elsewhere: its description of itself answered with a redirect (301), which is not followed
    no authorization endpoint: `[issuer]` names no authorization_endpoint in its description of itself
    no keys: its description of itself makes no sense (line 1, column 50): expected JSON with issuer and jwks_uri
    keys in the open: the address of its key set is not https: expected https, or http to this machine's loopback
    keys in a file: the address of its key set is not https: expected https, or http to this machine's loopback
    a name in the address: the address of its token endpoint holds a user name or password: expected secrets in settings of their own
    a page that runs: the address of its authorization endpoint is not https: expected https, or http to this machine's loopback
    "#);
}

#[test]
fn an_issuer_over_https_has_nothing_in_the_open() {
    let issuer = reqwest::Url::parse("https://login.example.com").unwrap();
    let caller = call::Caller::new(&issuer, PATIENT).unwrap();
    assert!(caller.allowed("its key set", "https://keys.example.com/").is_ok());
    let reason = refused(caller.allowed("its key set", "http://127.0.0.1:1/keys"));
    assert_eq!(reason, "the address of its key set is not https, which the issuer's is");
}

#[test]
fn settings_that_no_provider_has() {
    let good = || settings("https://login.example.com", real::WEB);
    let mut said = Vec::new();
    for (name, settings) in [
        ("in the open", OidcSettings { issuer: "http://login.example.com".to_owned(), ..good() }),
        ("no URL", OidcSettings { issuer: "login.example.com".to_owned(), ..good() }),
        ("a query", OidcSettings { issuer: "https://login.example.com?tenant=1".to_owned(), ..good() }),
        ("a password", OidcSettings { issuer: "https://a:b@login.example.com".to_owned(), ..good() }),
        ("no client id", OidcSettings { client_id: String::new(), ..good() }),
        ("an empty secret", OidcSettings { client_secret: Some("".into()), ..good() }),
        ("two scopes in one", OidcSettings { scopes: vec!["email groups".to_owned()], ..good() }),
    ] {
        said.push(format!("{name}: {}", OidcProvider::new(settings).unwrap_err()));
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    in the open: issuer: is not https: expected https, or http to this machine's loopback
    no URL: issuer: is not a URL (relative URL without a base): expected the provider's issuer, such as `https://example.okta.com`
    a query: issuer: has a query or a fragment: expected the provider's issuer, such as `https://example.okta.com`
    a password: issuer: holds a user name or password: expected secrets in settings of their own
    no client id: client_id: is empty: expected the id that the provider gave to this client
    an empty secret: client_secret: is empty: expected the secret that the provider gave to this client
    two scopes in one: scopes: `email groups` is no scope: expected one word such as `email`
    "#);
}

#[tokio::test]
async fn a_verifier_of_a_wrong_length_is_refused() {
    let fake = Fake::start().await;
    let provider = provider(&fake.issuer(), real::WEB);
    let sign_in = SignIn { verifier: "short".into(), ..SignIn::nth(1) };
    let reason = refused(sign_in.url(&provider).await);
    assert_eq!(reason, "the PKCE verifier has a wrong length: expected 43 to 128");
}

#[tokio::test]
async fn whether_it_answers_is_asked_now_and_not_by_everybody() {
    let fake = Fake::start().await;
    fake.keys(&[fake::Key::new("one").jwk()]);
    let provider = provider(&fake.issuer(), real::WEB);
    let (path, keys) = ("/.well-known/openid-configuration", "/keys");
    provider.answers().await.unwrap();
    for (name, path, status, body, reason) in [
        ("down", path, 503, "", "its description of itself answered 503"),
        ("no keys", keys, 200, r#"{"keys": []}"#, "its key set holds no key that can be used"),
    ] {
        fake.set(path, status, body);
        provider.answers().await.unwrap();
        pass(Duration::from_secs(2)).await;
        let asked = fake.server.asked();
        assert_eq!(unavailable(provider.answers().await), reason, "{name}");
        let after = fake.server.asked();
        assert!(after > asked);

        fake.describe(json!({}));
        fake.keys(&[fake::Key::new("one").jwk()]);
        assert_eq!(unavailable(provider.answers().await), reason, "{name}");
        assert_eq!(fake.server.asked(), after, "asked again at once");
        pass(Duration::from_secs(2)).await;
        provider.answers().await.unwrap();
    }
}

#[tokio::test]
async fn an_endpoint_that_moved_is_found_at_the_next_sign_in() {
    let fake = Fake::start().await;
    let provider = provider(&fake.issuer(), real::WEB);
    let exchange = async || {
        let answer = Answer { code: "code".into(), issuer: None, state: None };
        refused(SignIn::nth(1).exchange(&provider, &answer).await)
    };
    fake.set("/token", 404, "<html>");
    assert!(exchange().await.starts_with("its token endpoint's answer makes no sense"));
    fake.describe(json!({ "token_endpoint": format!("{}/moved", fake.issuer()) }));
    fake.set("/moved", 400, r#"{"error": "invalid_grant"}"#);
    assert!(exchange().await.starts_with("its token endpoint said `invalid_grant`"));
}
