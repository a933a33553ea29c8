#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Redirect, Response as Answer};
use futures::StreamExt as _;
use halligan_log::Span;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::test_server::TestServer;

const SECRET: &str = "halligan-test-secret";
/// Short pauses, and deadlines that no busy machine reaches.
const PATIENT: Patience = Patience {
    attempt: Duration::from_secs(30),
    total: Duration::from_secs(60),
    first_pause: Duration::from_millis(1),
    retries: PATIENCE.retries,
};
const HURRIED: Patience = Patience { attempt: Duration::from_millis(300), retries: 0, ..PATIENT };
const TILE: Object = Object::Hashes { level: 0, span: Span { n: 1_000, width: 2 } };
const TILE_KEY: &str = "/tile/0/x001/000.p/2";

fn log(url: &str, patience: Patience) -> HttpLog {
    let token: Token = Arc::new(|| Ok(SECRET.to_owned().into()));
    HttpLog::patiently("copy".to_owned(), url, Some(token), patience).unwrap()
}

async fn read(server: &TestServer) -> Result<Option<Vec<u8>>, ArchiveError> {
    read_with(server, PATIENT).await
}

async fn read_with(server: &TestServer, patience: Patience) -> Result<Option<Vec<u8>>, ArchiveError> {
    let answer = log(&server.url("/prod"), patience).read(TILE).await;
    answer.map(|stored| {
        stored.map(|stored| {
            assert_eq!(stored.tampering, None);
            stored.bytes
        })
    })
}

/// Why it can't be read, and whether it may be later.
fn failure(answer: Result<Option<Vec<u8>>, ArchiveError>) -> (bool, String) {
    let error = answer.unwrap_err();
    let text = error.to_string();
    assert!(!text.contains(SECRET), "{text}");
    (matches!(error, ArchiveError::Unavailable(_)), text)
}

#[tokio::test]
async fn objects_stand_under_their_keys() {
    let server = TestServer::start(|request, _| {
        assert_eq!(request.headers()["authorization"], format!("Bearer {SECRET}"));
        let asked = format!("{} {}", request.method(), request.uri());
        std::future::ready(asked.into_response())
    })
    .await;
    let cases = [
        ("", Object::Checkpoint, "GET /checkpoint"),
        ("/", Object::Checkpoint, "GET /checkpoint"),
        ("/prod", Object::Entries(Span::full(7)), "GET /prod/tile/entries/007"),
        ("/a/b/", Object::Personal(Span { n: 1_234_067, width: 3 }), "GET /a/b/personal/x001/x234/067.p/3"),
        ("/prod//", Object::Successor { size: 5, attempt: 1 }, "GET /prod/successor/005.1"),
    ];
    for (path, object, expected) in cases {
        let stored = log(&server.url(path), PATIENT).read(object).await.unwrap().unwrap();
        assert_eq!(String::from_utf8(stored.bytes).unwrap(), expected);
    }
    assert_eq!(log("https://log.example.com", PATIENT).name(), "copy");
}

#[tokio::test]
async fn a_token_is_asked_for_each_time_and_none_is_sent_without_one() {
    let server = TestServer::start(|request, _| {
        let token = request.headers().get("authorization").map(|value| value.as_bytes().to_vec());
        std::future::ready(token.unwrap_or_default().into_response())
    })
    .await;
    let count = Arc::new(AtomicUsize::new(0));
    let token: Token = Arc::new(move || match count.fetch_add(1, Ordering::SeqCst) {
        2 => Err("the token has expired: sign in again".to_owned()),
        3 => Ok("two\nlines".into()),
        nth => Ok(format!("token{nth}").into()),
    });
    let log = HttpLog::new("copy", &server.url(""), Some(token)).unwrap();
    for expected in ["Bearer token0", "Bearer token1"] {
        assert_eq!(log.read(Object::Checkpoint).await.unwrap().unwrap().bytes, expected.as_bytes());
    }
    for because in ["the token has expired: sign in again", "the token can't stand in a header"] {
        let error = log.read(Object::Checkpoint).await.unwrap_err();
        assert!(matches!(&error, ArchiveError::Refused(text) if text.ends_with(because)), "{error}");
    }
    assert_eq!(server.asked(), 2);
    let anonymous = HttpLog::new("copy", &server.url(""), None).unwrap();
    assert_eq!(anonymous.read(Object::Checkpoint).await.unwrap().unwrap().bytes, b"");
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    for status in [404, 410] {
        let server = TestServer::always(status, "<html>not found</html>").await;
        assert_eq!(read(&server).await.unwrap(), None);
        assert_eq!(server.asked(), 1);
    }
}

#[tokio::test]
async fn a_refusal_is_not_asked_again() {
    for (status, because) in [
        (401, "answered 401: expected a token that may read it"),
        (403, "answered 403: expected a token that may read it"),
        (400, "answered 400: expected 200"),
        (204, "answered 204: expected 200"),
        (206, "answered 206: expected 200"),
        (304, "answered 304, a redirect"),
    ] {
        let server = TestServer::always(status, if status == 204 || status == 304 { "" } else { SECRET }).await;
        let (passing, text) = failure(read(&server).await);
        assert!(!passing && text.contains(because) && text.contains(TILE_KEY), "{text}");
        assert_eq!(server.asked(), 1, "{text}");
    }
}

#[tokio::test]
async fn a_passing_failure_is_asked_again() {
    for status in [500, 502, 503, 504, 429, 408] {
        for failures in [1, PATIENCE.retries] {
            let server = TestServer::start(move |_, before| async move {
                let status = if before < failures { StatusCode::from_u16(status).unwrap() } else { StatusCode::OK };
                (status, "tile").into_response()
            })
            .await;
            assert_eq!(read(&server).await.unwrap().unwrap(), b"tile");
            assert_eq!(server.asked(), failures + 1);
        }
        let server = TestServer::always(status, "tile").await;
        let (passing, text) = failure(read(&server).await);
        assert!(passing && text.ends_with(&format!("answered {status}")), "{text}");
        assert_eq!(server.asked(), 1 + PATIENCE.retries);
    }
}

/// Enough of it to be seen that it is no such object.
#[tokio::test]
async fn of_an_answer_without_end_one_byte_too_many_is_read() {
    let server = TestServer::start(|_, _| async {
        let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![7; 65_536]));
        Body::from_stream(endless).into_response()
    })
    .await;
    let log = log(&server.url(""), PATIENT);
    for (object, expected) in [
        (TILE, 2 * 32 + 1),
        (Object::Entries(Span { n: 0, width: 3 }), 3 * (2 + 65_535) + 1),
        (Object::Personal(Span { n: 0, width: 1 }), 2 + 65_535 + 1),
        (Object::Checkpoint, 65_536 + 1),
        (Object::Successor { size: 1, attempt: 0 }, 128 + 1),
    ] {
        assert_eq!(log.read(object).await.unwrap().unwrap().bytes.len(), expected, "{object}");
    }
}

#[tokio::test]
async fn the_largest_bundle_is_read_whole() {
    let span = Span::full(0);
    let texts = vec![vec![7; 65_535]; 256];
    let bundle = halligan_log::bundle::write(texts.iter().map(Vec::as_slice)).unwrap();
    let server = TestServer::always(200, bundle.clone()).await;
    let stored = log(&server.url(""), PATIENT).read(Object::Entries(span)).await.unwrap().unwrap();
    assert!(stored.bytes == bundle);
}

#[tokio::test]
async fn redirects_stay_where_the_token_is_known() {
    let elsewhere = TestServer::always(200, "tile").await;
    let to = elsewhere.url("/tile");
    let server = TestServer::start(move |request: Request, _| {
        assert_eq!(request.headers()["authorization"], format!("Bearer {SECRET}"));
        std::future::ready(match request.uri().path() {
            "/moved/checkpoint" => Redirect::permanent("/new/checkpoint").into_response(),
            "/new/checkpoint" => "the new place".into_response(),
            "/away/checkpoint" => Redirect::temporary(&to).into_response(),
            path => Redirect::temporary(path).into_response(),
        })
    })
    .await;
    let read = async |path| log(&server.url(path), PATIENT).read(Object::Checkpoint).await;
    assert_eq!(read("/moved").await.unwrap().unwrap().bytes, b"the new place");
    let before = server.asked();
    for path in ["/away", "/round"] {
        let error = read(path).await.unwrap_err();
        assert!(matches!(&error, ArchiveError::Refused(text) if text.contains("answered 307, a redirect")), "{error}");
    }
    assert_eq!((server.asked() - before, elsewhere.asked()), (1 + 1 + REDIRECTS_MAX, 0));
}

#[tokio::test]
async fn a_log_that_is_silent_is_given_up_in_time() {
    let silent = || TestServer::start(|_, _| std::future::pending::<Answer>());
    let server = silent().await;
    let (passing, text) = failure(read_with(&server, Patience { retries: 1, ..HURRIED }).await);
    assert!(passing && text.ends_with("the log gave no answer within 300ms"), "{text}");
    assert_eq!(server.asked(), 2);

    let server = silent().await;
    let (passing, text) = failure(read_with(&server, Patience { total: HURRIED.attempt, ..PATIENT }).await);
    assert!(passing && text.ends_with("the log gave no answer within 300ms"), "{text}");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_body_that_stops_is_given_up_in_time() {
    let server = TestServer::start(|_, _| async {
        let first = futures::stream::iter([Ok::<_, std::io::Error>("ti")]);
        Body::from_stream(first.chain(futures::stream::pending())).into_response()
    })
    .await;
    let (passing, text) = failure(read_with(&server, HURRIED).await);
    assert!(passing && text.ends_with("the log gave no answer within 300ms"), "{text}");
}

/// What a server says that is no server for HTTP, or dies: one answer for each connection.
async fn raw(answers: Vec<&'static [u8]>) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer).await.unwrap();
        }
    });
    (url, server)
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let half: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ntile";
    let whole: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntile";
    let (url, server) = raw(vec![half, b"no HTTP\r\n\r\n", whole]).await;
    assert_eq!(log(&url, PATIENT).read(TILE).await.unwrap().unwrap().bytes, b"tile");
    server.await.unwrap();

    let (url, server) = raw(vec![half]).await;
    let answer = log(&url, Patience { retries: 0, ..PATIENT }).read(TILE).await;
    let (passing, text) = failure(answer.map(|stored| stored.map(|stored| stored.bytes)));
    assert!(passing && text.contains("the log can't be reached"), "{text}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_log_that_is_away_may_come_back() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let answer = log(&format!("http://{address}"), PATIENT).read(TILE).await;
    let (passing, text) = failure(answer.map(|stored| stored.map(|stored| stored.bytes)));
    assert!(passing && text.contains("refused"), "{text}");
}

#[test]
fn a_url_that_can_t_be_used_is_refused() {
    for (url, because) in [
        ("log.example.com", "is not a URL"),
        ("http://log.example.com", "is not https"),
        ("http://127.0.0.1.example.com", "is not https"),
        ("file:///log", "is not https"),
        ("https://halligan:hunter2@log.example.com", "holds a user name or password"),
        ("https://log.example.com/?prefix=prod", "has a query or a fragment"),
        ("https://log.example.com/#top", "has a query or a fragment"),
    ] {
        let refusal = HttpLog::new("copy", url, None).unwrap_err();
        assert!(refusal.starts_with("the URL ") && refusal.contains(because), "{url}: {refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
    for url in ["https://log.example.com", "http://localhost:8080/log", "http://[::1]:8080/", "http://127.0.0.7/"] {
        let log = log(url, PATIENT);
        assert!(!format!("{log:?}").contains(SECRET), "{log:?}");
    }
}
