//! Against a local server that speaks the federation endpoint: the stand-in has none.

use std::sync::Arc;

use halligan_aws::{Aws, Federation, Settings};
use halligan_engine::ports::{Console as _, Credentials, MintError};
use secrecy::ExposeSecret as _;

use crate::proxy::{Proxy, Trouble};
use crate::world::{TestClock, limits, text};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "FwoGZXIvYXdzEXAMPLE+token/with==";

fn credentials() -> Credentials {
    Credentials {
        access_key_id: "ASIAEXAMPLEEXAMPLE00".to_owned(),
        secret_access_key: SECRET.into(),
        session_token: TOKEN.into(),
        token_expires_at: "2026-03-01T04:00:00Z".parse().unwrap(),
        packed_policy_percent: None,
    }
}

async fn aws(region: &str) -> Aws {
    let settings = Settings { limits: limits(), ..Settings::in_region(region) };
    Aws::connect(&settings, Arc::<TestClock>::default()).await
}

/// A federation endpoint that answers as it is told, and the adapter that asks it.
async fn endpoint() -> (Proxy, Federation) {
    let proxy = Proxy::start(0).await;
    let url = format!("{}/federation", proxy.url());
    let console = aws("eu-central-1").await.console("https://halligan.example.com/grants", Some(&url)).unwrap();
    (proxy, console)
}

#[tokio::test]
async fn a_session_is_traded_for_a_url() {
    let (proxy, console) = endpoint().await;
    proxy.trouble_all(Trouble::Answer(200, r#"{"SigninToken":"a+b/c=&d"}"#.to_owned()));
    let url = console.sign_in(&credentials()).await.unwrap();
    let port = proxy.port;
    assert_eq!(
        url.expose_secret(),
        format!(
            "http://127.0.0.1:{port}/federation?Action=login&Issuer=https%3A%2F%2Fhalligan.example.com%2Fgrants\
             &Destination=https%3A%2F%2Fconsole.aws.amazon.com%2F&SigninToken=a%2Bb%2Fc%3D%26d"
        )
    );
    assert!(!format!("{url:?}").contains("SigninToken"), "Debug redacts it");

    let seen = proxy.seen("");
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].target, "/federation", "the session travels in the body, not in a URL");
    assert_eq!(seen[0].field("Action").as_deref(), Some("getSigninToken"));
    let session: serde_json::Value = serde_json::from_str(&seen[0].field("Session").unwrap()).unwrap();
    let expected =
        serde_json::json!({"sessionId": "ASIAEXAMPLEEXAMPLE00", "sessionKey": SECRET, "sessionToken": TOKEN});
    assert_eq!(session, expected);
    assert_eq!(seen[0].fields().len(), 2, "no SessionDuration: it may outlive the credentials");
}

#[tokio::test]
async fn each_partition_has_its_own_console() {
    for (region, signin, destination) in [
        ("eu-central-1", "https://signin.aws.amazon.com/federation", "https://console.aws.amazon.com/"),
        ("us-gov-west-1", "https://signin.amazonaws-us-gov.com/federation", "https://console.amazonaws-us-gov.com/"),
        ("cn-north-1", "https://signin.amazonaws.cn/federation", "https://console.amazonaws.cn/"),
    ] {
        let console = aws(region).await.console("https://halligan.example.com", None).unwrap();
        let shown = format!("{console:?}");
        assert!(shown.contains(destination), "{shown}");
        let host = signin.trim_start_matches("https://").trim_end_matches("/federation");
        assert!(shown.contains(host), "{shown}");
    }
    for (region, issuer, endpoint) in [
        ("us-iso-east-1", "https://halligan.example.com", None),
        ("eu-central-1", "halligan", None),
        ("eu-central-1", "https://halligan.example.com", Some("signin.aws.amazon.com")),
    ] {
        assert!(aws(region).await.console(issuer, endpoint).is_err(), "{region} {issuer} {endpoint:?}");
    }
}

#[tokio::test]
async fn each_failure_is_told_for_what_it_is_and_repeats_no_secret() {
    let echo = |status| Trouble::Answer(status, format!(r#"{{"sessionKey":"{SECRET}","sessionToken":"{TOKEN}"}}"#));
    let elsewhere =
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec();
    let huge = Trouble::Answer(200, format!(r#"{{"SigninToken":"{}"}}"#, "x".repeat(100_000)));
    let cases = [
        ("a refusal", echo(400), "refused", 1),
        ("a refusal", echo(403), "refused", 1),
        ("a redirect", Trouble::Bytes(elsewhere), "refused", 1),
        ("throttling", echo(429), "unavailable", 3),
        ("a failure", echo(500), "unavailable", 3),
        ("another answer", echo(200), "unknown", 1),
        ("garbage", Trouble::Answer(200, "<html>sign in</html>".to_owned()), "unknown", 1),
        ("an endless answer", huge, "unknown", 1),
        ("half an answer", Trouble::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_vec()), "unknown", 3),
        ("silence", Trouble::Silence, "unknown", 3),
    ];
    for (name, trouble, expected, attempts) in cases {
        let (proxy, console) = endpoint().await;
        proxy.trouble_all(trouble);
        let error = console.sign_in(&credentials()).await.unwrap_err();
        let kind = match &error {
            MintError::Refused(_) => "refused",
            MintError::PackedPolicyTooLarge(_) => "too large",
            MintError::Unavailable(_) => "unavailable",
            MintError::OutcomeUnknown(_) => "unknown",
        };
        assert_eq!(kind, expected, "{name}: {error}");
        assert_eq!(proxy.seen("").len(), attempts, "{name}");
        assert!(text(&error).starts_with("getSigninToken: "), "{name}: {error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(SECRET) && !shown.contains(TOKEN), "{name}: {shown}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_away_made_no_url() {
    let (proxy, console) = endpoint().await;
    proxy.close().await;
    let error = console.sign_in(&credentials()).await.unwrap_err();
    assert!(matches!(error, MintError::Unavailable(_)), "{error:?}");
}
