//! A proxy before the stand-in of AWS: it remembers what was asked, and makes
//! trouble where it is told to.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use reqwest::{Method, StatusCode, Url};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// Answered by the proxy itself.
    Answer(u16, String),
    /// Answered by these bytes, whatever they are, and an end of the connection.
    Bytes(Vec<u8>),
    /// Taken and never answered.
    Silence,
    /// Taken to the stand-in; its answer is thrown away with the connection.
    Reset,
    /// Taken to the stand-in; half of its answer comes back, and an end of the connection.
    Cut,
    /// Taken to the stand-in; its answer's `Date` is moved by so many seconds.
    Date(i64),
    /// Taken to the stand-in so much later: as far away as AWS is.
    Late(Duration),
}

impl Trouble {
    /// An error as STS and IAM write it.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Answer(
            status,
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                 <RequestId>7</RequestId></ErrorResponse>"
            ),
        )
    }
}

/// A request as the proxy saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub target: String,
    pub headers: HeaderMap,
    /// As text, to look into; it is taken on as it is.
    pub body: String,
    bytes: Vec<u8>,
}

impl Seen {
    /// A field of the form in its body.
    pub fn field(&self, name: &str) -> Option<String> {
        self.fields().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub fn fields(&self) -> Vec<(String, String)> {
        let url = Url::parse(&format!("http://form/?{}", self.body)).unwrap();
        url.query_pairs().into_owned().collect()
    }

    fn matches(&self, needle: &str) -> bool {
        self.body.contains(needle) || self.target.contains(needle)
    }
}

/// Credentials that AWS issued, whoever got to see them.
#[derive(Debug, Clone)]
pub struct Issued {
    pub request: Seen,
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    rules: Mutex<Vec<(String, Trouble, usize)>>,
    connections: AtomicUsize,
    issued: Mutex<Vec<Issued>>,
}

pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// In front of the stand-in at `upstream`.
    pub async fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serving.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, upstream, Arc::clone(&serving)));
            }
        });
        Self { port, state, task }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next `times` requests whose target or body holds `needle` are in trouble.
    pub fn trouble(&self, needle: &str, times: usize, trouble: Trouble) {
        self.state.rules.lock().unwrap().push((needle.to_owned(), trouble, times));
    }

    /// Every later request is in trouble that isn't already.
    pub fn trouble_all(&self, trouble: Trouble) {
        self.trouble("", usize::MAX, trouble);
    }

    /// Returns when the port is closed.
    pub async fn close(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// No trouble any more.
    pub fn peace(&self) {
        self.state.rules.lock().unwrap().clear();
    }

    /// The requests so far whose target or body holds `needle`.
    pub fn seen(&self, needle: &str) -> Vec<Seen> {
        self.state.seen.lock().unwrap().iter().filter(|seen| seen.matches(needle)).cloned().collect()
    }

    /// What was issued so far to requests whose body holds `needle`.
    pub fn issued(&self, needle: &str) -> Vec<Issued> {
        self.state.issued.lock().unwrap().iter().filter(|issued| issued.request.matches(needle)).cloned().collect()
    }

    /// The secrets that went by: what no other place may show.
    pub fn secrets(&self) -> BTreeSet<String> {
        let issued = self.issued("").into_iter().flat_map(|issued| [issued.secret_access_key, issued.session_token]);
        let seen = self.state.seen.lock().unwrap();
        let tokens = seen.iter().filter_map(|seen| seen.headers.get("x-amz-security-token"));
        issued.chain(tokens.map(|token| token.to_str().unwrap().to_owned())).collect()
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, upstream: u16, state: Arc<State>) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    while let Some((method, seen)) = read(&mut stream).await {
        state.seen.lock().unwrap().push(seen.clone());
        let answer = match next(&state, &seen) {
            None => forward(&http, upstream, method, &seen, &state).await,
            Some(Trouble::Answer(status, body)) => {
                Answer { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body: body.into() }
            }
            Some(Trouble::Date(seconds)) => {
                let mut answer = forward(&http, upstream, method, &seen, &state).await;
                let date = answer.headers.get(DATE).expect("the stand-in writes a Date").to_str().unwrap();
                let theirs: Timestamp = jiff::fmt::rfc2822::parse(date).unwrap().timestamp();
                let moved = theirs + SignedDuration::from_secs(seconds);
                let moved = DateTimePrinter::new().timestamp_to_rfc9110_string(&moved).unwrap();
                answer.headers.insert(DATE, HeaderValue::from_str(&moved).unwrap());
                answer
            }
            Some(Trouble::Late(by)) => {
                tokio::time::sleep(by).await;
                forward(&http, upstream, method, &seen, &state).await
            }
            Some(Trouble::Bytes(bytes)) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Some(Trouble::Silence) => {
                // Until the other side gives up.
                while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
                return;
            }
            Some(Trouble::Cut) => {
                let answer = forward(&http, upstream, method, &seen, &state).await;
                let bytes = answer.bytes();
                let _ = stream.write_all(&bytes[..bytes.len() - answer.body.len().div_ceil(2)]).await;
                return;
            }
            Some(Trouble::Reset) => {
                forward(&http, upstream, method, &seen, &state).await;
                return;
            }
        };
        if stream.write_all(&answer.bytes()).await.is_err() {
            return;
        }
    }
}

fn next(state: &State, seen: &Seen) -> Option<Trouble> {
    let mut rules = state.rules.lock().unwrap();
    let (_, trouble, times) = rules.iter_mut().find(|(needle, _, times)| *times > 0 && seen.matches(needle))?;
    *times -= 1;
    Some(trouble.clone())
}

/// One request, or none when the connection has ended.
async fn read(stream: &mut TcpStream) -> Option<(Method, Seen)> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut start = lines.next()?.split(' ');
    let (method, target) = (start.next()?.parse().unwrap(), start.next()?.to_owned());
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    assert!(!headers.contains_key(TRANSFER_ENCODING), "this proxy reads bodies of known length");
    let length = headers.get(CONTENT_LENGTH).map_or(0, |length| length.to_str().unwrap().parse::<usize>().unwrap());
    let mut body = bytes[head_end + 4..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((method, Seen { target, headers, body: String::from_utf8_lossy(&body).into_owned(), bytes: body }))
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {}\r\ncontent-length: {}\r\n", self.status, self.body.len()).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// With every header as it was: the signature covers them.
async fn forward(http: &reqwest::Client, upstream: u16, method: Method, seen: &Seen, state: &State) -> Answer {
    let url = format!("http://127.0.0.1:{upstream}{}", seen.target);
    let sent = http.request(method, url).headers(seen.headers.clone()).body(seen.bytes.clone()).send().await;
    let answer = sent.expect("the stand-in answers");
    let status = answer.status();
    let mut headers = answer.headers().clone();
    for of_the_hop in ["connection", "content-length", "keep-alive", "transfer-encoding"] {
        headers.remove(of_the_hop);
    }
    let body = answer.bytes().await.unwrap().to_vec();
    let text = String::from_utf8_lossy(&body);
    let value = |tag: &str| Some(text.split_once(&format!("<{tag}>"))?.1.split_once("</")?.0.to_owned());
    if let (Some(access_key_id), Some(secret_access_key), Some(session_token)) =
        (value("AccessKeyId"), value("SecretAccessKey"), value("SessionToken"))
    {
        let issued = Issued { request: seen.clone(), access_key_id, secret_access_key, session_token };
        state.issued.lock().unwrap().push(issued);
    }
    Answer { status, headers, body }
}
