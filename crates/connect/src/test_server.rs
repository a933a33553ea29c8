//! A server that answers as a test says.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;

/// A server on loopback that ends with the test, and counts what it was asked.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl TestServer {
    /// `answer` is given the request and how many came before it.
    pub(crate) async fn start<F>(answer: impl Fn(Request, usize) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let app =
            Router::new().fallback(move |request: Request| answer(request, counter.fetch_add(1, Ordering::SeqCst)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, asked, server }
    }

    /// The same answer each time.
    pub(crate) async fn always(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let (status, body) = (StatusCode::from_u16(status).unwrap(), body.into());
        Self::start(move |_, _| std::future::ready((status, body.clone()).into_response())).await
    }

    /// Its URL, with this path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}
