//! The listener: HTTP/1.1, plain or over TLS, with bounds on what one slow or
//! greedy client can hold. HTTP/2 is what a proxy in front speaks.

mod peers;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::STRICT_TRANSPORT_SECURITY;
use axum::http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::App;
use crate::context::Peer;
use crate::routes::{REQUEST_TIMEOUT, router};

use peers::{Peers, Seat};

pub use tls::TlsError;

/// Connections at a time; more wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 512;
/// Connections of one address at a time: others must find room. A proxy that is trusted is many.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 64;
/// From a connection's first byte, or its last answer, to a whole request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// For a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// After this a connection is asked to end: whoever reads no answer can't stay.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(600);
/// The largest request head, in bytes; a token takes up to 8 kB of it.
const HEAD_BYTES_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 64;
/// What requests in flight have left when the broker stops.
const GRACE: Duration = Duration::from_secs(10);
/// Out of file descriptors and the like: others must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where to listen.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The certificate, if TLS ends here.
    pub tls: Option<Tls>,
}

/// Where the certificate is. It is read at start: restart after renewing it.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The chain, leaf first, in PEM.
    pub certificate_file: PathBuf,
    /// Its private key, in PEM.
    pub key_file: PathBuf,
}

/// Why the API can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Tokens and credentials would cross the network in the clear.
    #[error("`{0}` is not a loopback address: expected a TLS certificate, or trusted proxies that end TLS in front")]
    PlainOffLoopback(SocketAddr),
    /// The address is taken, or not ours.
    #[error("can't listen on `{address}`")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificate can't be used.
    #[error("can't serve TLS")]
    Tls(#[from] TlsError),
}

/// Serves the API until `shutdown`, after telling `bound` the address it took.
///
/// # Errors
/// As [`Server::bind`]. What goes wrong later is one connection's trouble.
pub async fn serve(
    settings: Settings,
    app: App,
    shutdown: impl Future<Output = ()>,
    bound: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let server = Server::bind(settings, app).await?;
    bound(server.address());
    server.run(shutdown).await;
    Ok(())
}

/// A listener that has its address and waits to be run.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    peers: Arc<Peers>,
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// The address can't be taken, the certificate can't be used, or plain HTTP
    /// would leave the machine without a proxy in front.
    pub async fn bind(settings: Settings, app: App) -> Result<Self, ServeError> {
        let proxies = app.trusted_proxies().to_vec();
        let server = Self::bind_router(settings, !proxies.is_empty(), router(app)).await?;
        Ok(Self { peers: Arc::new(Peers::new(CONNECTIONS_PER_ADDRESS_MAX, proxies)), ..server })
    }

    /// The same listener for other routes, which bound what a request may take themselves. `proxied`: TLS ends in
    /// front of it.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub async fn bind_router(settings: Settings, proxied: bool, router: Router) -> Result<Self, ServeError> {
        let Settings { listen, tls } = settings;
        let tls = tls.as_ref().map(tls::acceptor).transpose()?;
        if tls.is_none() && !listen.ip().to_canonical().is_loopback() && !proxied {
            return Err(ServeError::PlainOffLoopback(listen));
        }
        let failed = |source| ServeError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let peers = Arc::new(Peers::new(CONNECTIONS_PER_ADDRESS_MAX, Vec::new()));
        Ok(Self { listener, address, tls, router, peers })
    }

    /// The address that was taken.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`; then answers what is in flight, for ten seconds at most.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, address: _, tls, mut router, peers } = self;
        if tls.is_some() {
            let year = HeaderValue::from_static("max-age=31536000");
            router = router.layer(SetResponseHeaderLayer::if_not_present(STRICT_TRANSPORT_SECURITY, year));
        }
        let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
        let accepting = async {
            let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
            loop {
                // The semaphore is never closed.
                let Ok(permit) = room.clone().acquire_owned().await else { return };
                match listener.accept().await {
                    Ok((stream, peer)) => match peers.admit(peer.ip()) {
                        Some(seat) => {
                            let router = router.clone();
                            let connection =
                                Connection { peer, router, stop: stop.clone(), _permit: permit, _seat: seat };
                            connections.spawn(connection.accepted(stream, tls.clone()));
                        }
                        // Hung up on, before anything was read of it.
                        None => tracing::debug!(%peer, "an address has as many connections as it may"),
                    },
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            () = shutdown => {}
        }
        drop(listener);
        stop.cancel();
        connections.close();
        if timeout(GRACE, connections.wait()).await.is_err() {
            tracing::warn!(open = connections.len(), "connections were cut off");
        }
    }
}

struct Connection {
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
    _seat: Seat,
}

impl Connection {
    async fn accepted(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection stays slow");
        }
        match tls {
            None => self.serve(stream).await,
            Some(tls) => match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.serve(stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            },
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { peer, router, stop, _permit, _seat } = self;
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            router.clone().oneshot(request)
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let mut serving = std::pin::pin!(serving);
        let ended = tokio::select! {
            ended = serving.as_mut() => Some(ended),
            () = stop.cancelled() => None,
            () = tokio::time::sleep(CONNECTION_AGE_MAX) => None,
        };
        let ended = match ended {
            Some(ended) => Ok(ended),
            None => {
                serving.as_mut().graceful_shutdown();
                timeout(REQUEST_TIMEOUT, serving).await
            }
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a connection broke off"),
            Err(_) => tracing::debug!("a connection was cut off"),
        }
    }
}

#[cfg(test)]
mod tests;
