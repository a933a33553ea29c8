//! Over HTTP, by the log's own client and by others.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::sync::{Condvar, Mutex};

use halligan_connect::witness::HttpWitness;
use halligan_engine::ports::{Witness as _, WitnessError};
use halligan_server::serve::{ServeError, Server, Settings, Tls};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;

use super::*;
use crate::witness::http::router;

struct Served {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Served {
    async fn start(judge: Judge) -> Self {
        let settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), tls: None };
        let server = Server::bind_router(settings, false, router(Arc::new(judge))).await.unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { address, _stop: stop }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn client(&self) -> HttpWitness {
        HttpWitness::new("w1", &self.url(), witness_key().verifier(Kind::Cosigner)).unwrap()
    }

    async fn post(&self, body: Vec<u8>) -> reqwest::Response {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.post(format!("{}/add-checkpoint", self.url())).body(body).send().await.unwrap()
    }
}

#[tokio::test]
async fn the_log_s_client_and_the_witness_understand_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let served = Served::start(in_directory(directory.path())).await;
    let client = served.client();
    let ask = async |tree: &Tree, old: u64| {
        client.add_checkpoint(old, &tree.consistency(old), &tree.signed(&log_key()).to_bytes()).await
    };
    let line = ask(&Tree::of(9), 0).await.unwrap();
    assert!(cosigns(&line, &Tree::of(9)));
    let behind = ask(&Tree::of(20), 0).await.unwrap_err();
    assert!(matches!(behind, WitnessError::OtherSize { size: 9 }), "{behind}");
    assert!(cosigns(&ask(&Tree::of(20), 9).await.unwrap(), &Tree::of(20)));
    for (what, tree, old) in
        [("a fork of the same size", Tree::of(20).but(2), 20), ("a fork that is longer", Tree::of(30).but(2), 20)]
    {
        let refused = ask(&tree, old).await.unwrap_err();
        assert!(matches!(refused, WitnessError::Refused(_)), "{what}: {refused}");
    }
}

#[tokio::test]
async fn what_is_no_request_is_answered_as_the_specification_says() {
    let directory = tempfile::tempdir().unwrap();
    let served = Served::start(in_directory(directory.path())).await;
    let conflict = served.post(request(&Tree::of(9), 3)).await;
    assert_eq!(conflict.status(), 409);
    assert_eq!(conflict.headers()["content-type"], "text/x.tlog.size");
    assert_eq!(conflict.text().await.unwrap(), "0\n");
    assert_eq!(served.post(b"GET me a cosignature".to_vec()).await.status(), 400);
    assert_eq!(served.post(vec![b'x'; 65 << 10]).await.status(), 413);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let got = http.get(format!("{}/add-checkpoint", served.url())).send().await.unwrap();
    assert_eq!(got.status(), 405);
    let health = http.get(format!("{}/healthz", served.url())).send().await.unwrap();
    assert_eq!((health.status().as_u16(), health.text().await.unwrap().as_str()), (200, "ok\n"));
}

/// A state that stops in the middle of keeping, until it is told to go on.
struct Slow {
    directory: StateDirectory,
    reached: mpsc::Sender<()>,
    go: Arc<(Mutex<bool>, Condvar)>,
}

impl State for Slow {
    fn read(&self, origin: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.directory.read(origin)
    }

    fn keep(&self, origin: &str, note: &[u8]) -> Result<(), StateError> {
        self.reached.send(()).unwrap();
        let (gone_on, changed) = &*self.go;
        drop(changed.wait_while(gone_on.lock().unwrap(), |go| !*go).unwrap());
        self.directory.keep(origin, note)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_leaves_nothing_half_decided() {
    let directory = tempfile::tempdir().unwrap();
    let (reached, is_reached) = mpsc::channel();
    let go = Arc::new((Mutex::new(false), Condvar::new()));
    let state = Slow { directory: StateDirectory::open(directory.path()).unwrap(), reached, go: go.clone() };
    let served = Served::start(judge(state)).await;

    let body = request(&Tree::of(9), 0);
    let mut hasty = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let head = format!("POST /add-checkpoint HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    hasty.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    tokio::task::spawn_blocking(move || is_reached.recv().unwrap()).await.unwrap();
    drop(hasty);

    // Another tree comes while the first is being kept.
    let address = served.address;
    let fork = request(&Tree::of(9).but(4), 0);
    let asked = tokio::spawn(async move {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.post(format!("http://{address}/add-checkpoint")).body(fork).send().await.unwrap().status()
    });
    *go.0.lock().unwrap() = true;
    go.1.notify_all();
    assert_eq!(asked.await.unwrap(), 409, "two trees were cosigned");
}

#[tokio::test]
async fn nothing_is_served_in_the_clear_to_other_machines() {
    let directory = tempfile::tempdir().unwrap();
    let judge = Arc::new(in_directory(directory.path()));
    let settings = Settings { listen: "0.0.0.0:0".parse().unwrap(), tls: None };
    let refused = Server::bind_router(settings.clone(), false, router(judge.clone())).await;
    assert!(matches!(refused, Err(ServeError::PlainOffLoopback(_))));
    assert!(Server::bind_router(settings.clone(), true, router(judge.clone())).await.is_ok(), "a proxy is in front");
    let none = directory.path().join("none.pem");
    let tls = Some(Tls { certificate_file: none.clone(), key_file: none });
    assert!(Server::bind_router(Settings { tls, ..settings }, false, router(judge)).await.is_err());
}
