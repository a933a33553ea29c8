#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use halligan_connect::oidc::{DevicePoll, OidcClient, OidcProvider, OidcSettings};
use halligan_engine::ports::{AuthorizeAsk, IdentityProvider as _, ProviderError, Returned, SecretText};
use reqwest::{Client as Http, StatusCode, Url, redirect};

use super::*;
use crate::client::credentials::tests::Moved;
use crate::client::machine::MachineEntropy;
use jiff::ToSpan as _;

const BROKER: &str = "http://localhost:8080";
const CALLBACK: &str = "http://localhost:8080/sign-in/demo/callback";
const ACCOUNTS: [Account; 2] = [
    Account { name: "alice", subject: "u-alice", groups: &["on-call"] },
    Account { name: "bob", subject: "u-bob", groups: &[] },
];

struct World {
    provider: Provider,
    clock: Arc<Moved>,
    http: Http,
}

impl World {
    async fn new() -> Self {
        let clock = Moved::at("2026-03-01T02:40:00Z");
        let provider = Provider::start(BROKER, &ACCOUNTS, clock.clone(), Arc::new(MachineEntropy)).await.unwrap();
        let http = Http::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        Self { provider, clock, http }
    }

    fn settings(&self, client_id: &str) -> OidcSettings {
        let issuer = self.provider.issuer().to_owned();
        OidcSettings {
            issuer,
            client_id: client_id.to_owned(),
            client_secret: None,
            scopes: vec![],
            acr: vec![],
            ca_file: None,
        }
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.provider.issuer())
    }

    /// Where somebody is sent who says in a browser that they are `account`.
    async fn say(&self, page: &str, account: &str) -> Url {
        let answer = self.http.post(page).form(&[("account", account)]).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        answer.headers()["location"].to_str().unwrap().parse().unwrap()
    }

    /// The problem of a call to the token endpoint.
    async fn refused(&self, form: &[(&str, &str)]) -> String {
        let answer = self.http.post(self.at("token")).form(form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        answer.json::<Value>().await.unwrap()["error"].as_str().unwrap().to_owned()
    }
}

fn said(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn verifier(letter: &str) -> SecretText {
    letter.repeat(43).into()
}

fn ask<'a>(redirect_uri: &'a str, verifier: &'a SecretText) -> AuthorizeAsk<'a> {
    AuthorizeAsk { redirect_uri, state: "the state", nonce: "the nonce", verifier, max_age: None }
}

#[tokio::test]
async fn the_product_signs_in_with_it_by_a_browser_and_once() {
    let world = World::new().await;
    let product = OidcProvider::new(world.settings(WEB_CLIENT)).unwrap();
    let right = verifier("v");
    let page = product.authorize(&ask(CALLBACK, &right)).await.unwrap();
    let shown = world.http.get(&page).send().await.unwrap().text().await.unwrap();
    for word in ["no passwords", "value=alice", "value=bob"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let back = world.say(&page, "alice").await;
    assert!(back.as_str().starts_with(&format!("{CALLBACK}?")), "{back}");
    assert_eq!(said(&back, "state"), "the state");
    let (code, issuer): (SecretText, _) = (said(&back, "code").into(), said(&back, "iss"));
    let returned = Returned {
        code: &code,
        issuer: Some(&issuer),
        redirect_uri: CALLBACK,
        nonce: "the nonce",
        verifier: &right,
        proven_since: Some(world.clock.now()),
    };
    let claims = product.exchange(&returned, world.clock.now()).await.unwrap();
    assert_eq!((&claims["sub"], &claims["groups"]), (&json!("u-alice"), &json!(["on-call"])));
    assert_eq!(claims["amr"], json!(["mfa"]));
    let again = product.exchange(&returned, world.clock.now()).await;
    assert!(matches!(again, Err(ProviderError::Refused(_))), "{again:?}");
}

#[tokio::test]
async fn what_a_real_one_refuses_it_refuses() {
    let world = World::new().await;
    let product = OidcProvider::new(world.settings(WEB_CLIENT)).unwrap();
    let right = verifier("v");
    let page = product.authorize(&ask(CALLBACK, &right)).await.unwrap();
    let elsewhere: String = product.authorize(&ask("https://elsewhere.example.com/", &right)).await.unwrap();
    let other_path = product.authorize(&ask(&format!("{CALLBACK}/x"), &right)).await.unwrap();
    let unknown = page.replace("client_id=halligan", "client_id=other");
    for (name, page) in [("another host", elsewhere), ("another path", other_path), ("another client", unknown)] {
        for answer in [world.http.get(&page), world.http.post(&page).form(&[("account", "alice")])] {
            assert_eq!(answer.send().await.unwrap().status(), StatusCode::BAD_REQUEST, "{name}");
        }
    }
    for (name, from, to, problem) in [
        ("no challenge", "code_challenge=", "x=", "invalid_request"),
        ("a plain challenge", "=S256", "=plain", "invalid_request"),
        ("no code", "response_type=code", "response_type=token", "unsupported_response_type"),
        ("not OpenID", "scope=openid", "scope=email", "invalid_scope"),
    ] {
        let back = world.say(&page.replace(from, to), "alice").await;
        assert_eq!((said(&back, "error").as_str(), said(&back, "code").as_str()), (problem, ""), "{name}");
    }
    assert_eq!(said(&world.say(&page, "mallory").await, "error"), "access_denied");

    let (good, wrong) = ("v".repeat(43), "w".repeat(43));
    for (name, client, redirect_uri, verifier, late) in [
        ("another verifier", WEB_CLIENT, CALLBACK, &wrong, false),
        ("another redirect URI", WEB_CLIENT, BROKER, &good, false),
        ("another client", COMMAND_LINE_CLIENT, CALLBACK, &good, false),
        ("a minute later", WEB_CLIENT, CALLBACK, &good, true),
    ] {
        let code = said(&world.say(&page, "alice").await, "code");
        if late {
            world.clock.advance(60.seconds());
        }
        let form = |redirect_uri, verifier| {
            [
                ("grant_type", "authorization_code"),
                ("client_id", client),
                ("code", code.as_str()),
                ("redirect_uri", redirect_uri),
                ("code_verifier", verifier),
            ]
        };
        assert_eq!(world.refused(&form(redirect_uri, verifier)).await, "invalid_grant", "{name}");
        assert_eq!(world.refused(&form(CALLBACK, &good)).await, "invalid_grant", "{name}, and then the right one");
    }
}

#[tokio::test]
async fn a_command_line_waits_for_a_yes_and_renews_once_with_each_token() {
    let world = World::new().await;
    let product = OidcClient::new(world.settings(COMMAND_LINE_CLIENT)).unwrap();
    let now = world.clock.now();
    let begun = product.begin_device().await.unwrap();
    assert!(matches!(product.poll_device(&begun, now).await.unwrap(), DevicePoll::Pending));
    assert!(world.provider.approve("XXXX-XXXX", "alice").is_err(), "nobody waits with that");
    assert!(world.provider.approve(&begun.user_code, "mallory").is_err(), "nobody is called that");
    let page = begun.verification_uri_complete.clone().unwrap();
    let shown = world.http.get(page).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains(&begun.user_code) && shown.contains("value=alice"), "{shown}");
    world.provider.approve(&begun.user_code, "alice").unwrap();
    assert!(world.provider.approve(&begun.user_code, "bob").is_err(), "it has its answer");
    let DevicePoll::Done(signed_in) = product.poll_device(&begun, now).await.unwrap() else { panic!("not done") };
    assert_eq!(signed_in.claims["sub"], "u-alice");
    assert!(product.poll_device(&begun, now).await.is_err(), "once");

    let token = signed_in.refresh_token.unwrap();
    let renewed = product.refresh(&token, "u-alice", now).await.unwrap();
    assert!(product.refresh(&token, "u-alice", now).await.is_err(), "once");
    let token = renewed.refresh_token.unwrap();
    assert!(product.revoke(&token).await.unwrap());
    assert!(product.refresh(&token, "u-alice", now).await.is_err(), "signed out");
}

#[tokio::test]
async fn a_device_is_told_no_and_nobody_waits_for_ever() {
    let world = World::new().await;
    let product = OidcClient::new(world.settings(COMMAND_LINE_CLIENT)).unwrap();
    let begun = product.begin_device().await.unwrap();
    let form = [("user_code", begun.user_code.as_str()), ("account", "")];
    let answer = world.http.post(world.at("device")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(matches!(product.poll_device(&begun, world.clock.now()).await.unwrap(), DevicePoll::Denied));

    let begun = product.begin_device().await.unwrap();
    world.clock.advance(10.minutes());
    assert!(world.provider.approve(&begun.user_code, "alice").is_err(), "too late");
    assert!(matches!(product.poll_device(&begun, world.clock.now()).await.unwrap(), DevicePoll::Expired));
    let form = [("client_id", WEB_CLIENT)];
    let answer = world.http.post(world.at("device_authorization")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "the broker asks for no device");
}
