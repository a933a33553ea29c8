#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::ops::Deref;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap as Headers;
use axum::response::{IntoResponse, Redirect, Response as Answer};
use halligan_core::incident::OpenIncident;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::test_server::TestServer;

const TOKEN: &str = "Token token=halligan-test-secret";
/// Short pauses, and deadlines that no busy machine reaches.
const PATIENT: Patience = Patience {
    attempt: Duration::from_secs(30),
    total: Duration::from_secs(60),
    first_pause: Duration::from_millis(1),
    retries: PATIENCE.retries,
};

/// A tool on loopback that ends with the test, and counts what it was asked.
struct Tool(TestServer);

impl Deref for Tool {
    type Target = TestServer;

    fn deref(&self) -> &TestServer {
        &self.0
    }
}

impl Tool {
    async fn start<F>(answer: impl Fn(Request, usize) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self(TestServer::start(answer).await)
    }

    async fn always(status: u16, body: impl Into<String>) -> Self {
        let body = body.into();
        Self::start(move |_, _| {
            std::future::ready((StatusCode::from_u16(status).unwrap(), body.clone()).into_response())
        })
        .await
    }

    fn settings(&self) -> HttpSettings {
        settings(&format!("http://{}/incidents/{{id}}", self.address))
    }

    async fn check(&self, id: &str) -> IncidentStatus {
        self.check_within(id, PATIENT).await
    }

    async fn check_within(&self, id: &str, patience: Patience) -> IncidentStatus {
        check(self.settings(), id, patience).await
    }

    async fn unknown(&self) -> String {
        unknown_of(self.check("INC-1").await)
    }
}

fn settings(url: &str) -> HttpSettings {
    HttpSettings {
        url: url.to_owned(),
        headers: [("Authorization".to_owned(), TOKEN.to_owned().into())].into(),
        fields: Fields { status: "/status".to_owned(), title: Some("/title".to_owned()), ..Fields::default() },
        open_values: ["open".to_owned()].into(),
        closed_values: BTreeSet::new(),
    }
}

async fn check(settings: HttpSettings, id: &str, patience: Patience) -> IncidentStatus {
    let id = id.to_owned().try_into().unwrap();
    HttpIncidents::patiently(settings, patience).unwrap().check(&id).await
}

fn unknown_of(status: IncidentStatus) -> String {
    match status {
        IncidentStatus::Unknown { reason } => {
            assert!(!reason.contains("halligan-test-secret"), "{reason}");
            reason
        }
        other => panic!("{other:?}"),
    }
}

fn open() -> String {
    json!({"status": "open", "title": "checkout is down"}).to_string()
}

fn is_open(status: &IncidentStatus) -> bool {
    *status
        == IncidentStatus::Open(OpenIncident { title: Some("checkout is down".to_owned()), ..OpenIncident::default() })
}

#[tokio::test]
async fn a_tool_is_asked_with_its_headers_and_the_id_in_its_place() {
    let tool = Tool::start(|request, _| async move {
        let headers: &Headers = request.headers();
        assert_eq!(headers["authorization"], TOKEN);
        assert_eq!(headers["accept"], "application/json");
        let answer: Value = match (request.method().as_str(), request.uri().to_string().as_str()) {
            ("GET", "/incidents/example%2Fapi%2312") => json!({"status": "open", "title": "checkout is down"}),
            _ => json!({"status": "closed"}),
        };
        answer.to_string().into_response()
    })
    .await;
    assert!(is_open(&tool.check("example/api#12").await));
    assert_eq!(tool.check("INC-1").await, IncidentStatus::Closed { known: true });
}

#[tokio::test]
async fn what_the_tool_denies_having_is_closed() {
    for status in [404, 410] {
        let tool = Tool::always(status, "no such incident").await;
        assert_eq!(tool.check("INC-1").await, IncidentStatus::Closed { known: false });
        assert_eq!(tool.asked(), 1);
    }
}

#[tokio::test]
async fn answers_of_no_use_are_unknown_and_not_asked_for_again() {
    let huge = format!("\"{}\"", "x".repeat(BODY_BYTES_MAX));
    for (status, body, because) in [
        (200, "", "is not JSON"),
        (200, "<html>sign in</html>", "is not JSON"),
        (200, "{\"state\": \"open\"}", "no text, number or truth value at `/status`"),
        (200, huge.as_str(), "longer than 1048576 bytes"),
        (400, "", "answered 400"),
        (401, TOKEN, "refused the broker (401)"),
        (403, "", "refused the broker (403)"),
    ] {
        let tool = Tool::always(status, body).await;
        let reason = tool.unknown().await;
        assert!(reason.contains(because), "{reason}");
        assert_eq!(tool.asked(), 1, "{because}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_given_up_at_the_limit() {
    let tool = Tool::start(|_, _| async {
        let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 65_536]));
        Body::from_stream(endless).into_response()
    })
    .await;
    assert!(tool.unknown().await.contains("longer than 1048576 bytes"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Tool::always(200, open()).await;
    let to = format!("http://{}/incidents/INC-1", elsewhere.address);
    let tool = Tool::start(move |_, _| std::future::ready(Redirect::temporary(&to).into_response())).await;
    assert!(tool.unknown().await.contains("a redirect (307), which is not followed"));
    assert_eq!((tool.asked(), elsewhere.asked()), (1, 0), "the headers are a secret between two");
}

#[tokio::test]
async fn a_passing_failure_is_asked_again() {
    for failure in [500, 502, 503, 429] {
        for failures in [1, 2] {
            let tool = Tool::start(move |_, before| async move {
                let status = if before < failures { StatusCode::from_u16(failure).unwrap() } else { StatusCode::OK };
                (status, open()).into_response()
            })
            .await;
            assert!(is_open(&tool.check("INC-1").await), "{failure}");
            assert_eq!(tool.asked(), failures + 1);
        }
        let tool = Tool::always(failure, open()).await;
        assert!(tool.unknown().await.contains(&format!("answered {failure}")));
        assert_eq!(tool.asked(), 1 + PATIENCE.retries);
    }
}

#[tokio::test]
async fn a_tool_that_is_silent_is_given_up_in_time() {
    let silent = || Tool::start(|_, _| std::future::pending());
    let tool = silent().await;
    let patience = Patience { attempt: Duration::from_millis(300), ..PATIENT };
    let reason = unknown_of(tool.check_within("INC-1", patience).await);
    assert_eq!((reason.as_str(), tool.asked()), ("the tool gave no answer within 300ms", 1 + PATIENCE.retries));

    let tool = silent().await;
    let patience = Patience { total: Duration::from_millis(300), ..PATIENT };
    let reason = unknown_of(tool.check_within("INC-1", patience).await);
    assert_eq!((reason.as_str(), tool.asked()), ("the tool gave no answer within 300ms", 1));
}

/// Headers at once and then nothing: the deadline is for the whole answer.
#[tokio::test]
async fn a_body_that_stops_is_given_up_in_time() {
    let tool = Tool::start(|_, _| async {
        let first = futures::stream::iter([Ok::<_, std::io::Error>("{\"status\":")]);
        Body::from_stream(futures::StreamExt::chain(first, futures::stream::pending())).into_response()
    })
    .await;
    let patience = Patience { attempt: Duration::from_millis(300), ..PATIENT };
    assert_eq!(unknown_of(tool.check_within("INC-1", patience).await), "the tool gave no answer within 300ms");
}

#[tokio::test]
async fn a_tool_that_is_away_is_unknown() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let reason = unknown_of(check(settings(&format!("http://{address}/{{id}}")), "INC-1", PATIENT).await);
    assert!(reason.starts_with("the tool can't be reached: ") && reason.contains("refused"), "{reason}");
    assert!(!reason.contains("INC-1"), "{reason}");
}

#[tokio::test]
async fn garbage_instead_of_http_is_unknown() {
    use tokio::io::AsyncWriteExt;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The client may hang up first.
            let _ = stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").await;
        }
    });
    let reason = unknown_of(check(settings(&format!("http://{address}/{{id}}")), "INC-1", PATIENT).await);
    assert!(reason.starts_with("the tool can't be reached: "), "{reason}");
    server.abort();
}

#[test]
fn every_setting_that_can_t_be_used_is_named() {
    let invalid = HttpIncidents::new(HttpSettings {
        url: "http://tool.example.com/{id}".to_owned(),
        headers: [("Not a name".to_owned(), "x".into()), ("X-Key".to_owned(), "halligan-test-secret\n".into())].into(),
        fields: Fields { status: "status".to_owned(), title: Some("title".to_owned()), ..Fields::default() },
        open_values: BTreeSet::new(),
        closed_values: BTreeSet::new(),
    });
    let lines: Vec<String> = invalid.unwrap_err().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    url: is not https: expected https, or http to this machine's loopback
    headers.Not a name: is no header name: expected one such as `Authorization`
    headers.X-Key: has a value that no header can have: expected one line of visible characters
    status: is no JSON pointer: expected one such as `/incident/status`
    title: is no JSON pointer: expected one such as `/incident/status`
    open_values: is empty: expected the statuses of an incident that people are working on
    ");

    let mut both = settings("https://tool.example.com/{id}");
    both.closed_values = both.open_values.clone();
    let invalid = HttpIncidents::new(both).unwrap_err();
    assert_eq!(invalid.iter().map(|invalid| invalid.field.as_str()).collect::<Vec<_>>(), ["closed_values"]);
}

#[test]
fn headers_are_shown_nowhere() {
    let tool = HttpIncidents::new(settings("https://tool.example.com/{id}")).unwrap();
    assert!(!format!("{tool:?}").contains("halligan-test-secret"));
}
