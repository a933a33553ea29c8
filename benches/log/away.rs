//! An archive, and AWS, as far away as one likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use halligan_core::grant::Warrant;
use halligan_engine::ports::{Archive, ArchiveError, Credentials, LogReader, MintError, Minter, Stored, Weakness};
use halligan_log::Object;

/// An archive of which each call takes a while longer.
pub struct Away<A> {
    inner: A,
    way: Duration,
    puts: AtomicU64,
}

impl<A> Away<A> {
    pub fn new(inner: A, way: Duration) -> Self {
        Self { inner, way, puts: AtomicU64::new(0) }
    }

    /// How many objects were put since the last time that this was asked.
    pub fn puts(&self) -> u64 {
        self.puts.swap(0, Ordering::Relaxed)
    }

    async fn go(&self) {
        if !self.way.is_zero() {
            tokio::time::sleep(self.way).await;
        }
    }
}

#[async_trait]
impl<A: Archive> LogReader for Away<A> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn read(&self, object: Object) -> Result<Option<Stored>, ArchiveError> {
        self.go().await;
        self.inner.read(object).await
    }
}

#[async_trait]
impl<A: Archive> Archive for Away<A> {
    async fn put_once(&self, object: Object, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.puts.fetch_add(1, Ordering::Relaxed);
        self.go().await;
        self.inner.put_once(object, bytes).await
    }

    async fn put_checkpoint(&self, note: &[u8]) -> Result<(), ArchiveError> {
        self.puts.fetch_add(1, Ordering::Relaxed);
        self.go().await;
        self.inner.put_checkpoint(note).await
    }

    async fn weaknesses(&self) -> Result<Vec<Weakness>, ArchiveError> {
        self.go().await;
        self.inner.weaknesses().await
    }
}

/// An AssumeRole that takes a while longer.
pub struct LateMinter {
    pub inner: Arc<dyn Minter>,
    pub way: Duration,
}

#[async_trait]
impl Minter for LateMinter {
    async fn mint(&self, warrant: &Warrant) -> Result<Credentials, MintError> {
        tokio::time::sleep(self.way).await;
        self.inner.mint(warrant).await
    }
}
