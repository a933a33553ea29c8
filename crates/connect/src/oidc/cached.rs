//! What a provider publishes, kept for a while.

use std::sync::Arc;
use std::time::Duration;

use halligan_engine::ports::ProviderError;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// An answer that refers to something unknown may lead to one look at whether it is
/// news, so often and no more: whoever makes such answers can't hammer the provider.
pub(super) const REFRESH_PAUSE: Duration = Duration::from_secs(10);

/// One document. Of many who want it at once, one asks.
#[derive(Debug)]
pub(super) struct Cached<T> {
    lifetime: Duration,
    failure_lifetime: Duration,
    slot: Mutex<Slot<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    known: Option<(Instant, Arc<T>)>,
    failed: Option<(Instant, ProviderError)>,
    refreshed: Option<Instant>,
}

impl<T> Slot<T> {
    fn fill(&mut self, fetched: Result<T, ProviderError>) -> Result<Arc<T>, ProviderError> {
        match fetched {
            Ok(value) => {
                let value = Arc::new(value);
                self.known = Some((Instant::now(), Arc::clone(&value)));
                Ok(value)
            }
            Err(error) => {
                self.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

impl<T> Cached<T> {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self::with_failures(lifetime, Duration::ZERO)
    }

    /// Failures are kept for a while too.
    pub(super) fn with_failures(lifetime: Duration, failure_lifetime: Duration) -> Self {
        let slot = Mutex::new(Slot { known: None, failed: None, refreshed: None });
        Self { lifetime, failure_lifetime, slot }
    }

    /// The document, not older than its lifetime.
    ///
    /// # Errors
    /// `fetch`'s. Those who waited for it meanwhile get the same, and don't ask in turn.
    pub(super) async fn get(
        &self,
        fetch: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<Arc<T>, ProviderError> {
        let asked = Instant::now();
        let mut slot = self.slot.lock().await;
        if let Some((at, value)) = &slot.known
            && at.elapsed() < self.lifetime
        {
            return Ok(Arc::clone(value));
        }
        if let Some((at, error)) = &slot.failed
            && (*at >= asked || at.elapsed() < self.failure_lifetime)
        {
            return Err(error.clone());
        }
        slot.fill(fetch.await)
    }

    /// One that isn't `stale`. None: it was looked whether there is one, less than
    /// [`REFRESH_PAUSE`] ago.
    ///
    /// # Errors
    /// `fetch`'s: what was known stays.
    pub(super) async fn other_than(
        &self,
        stale: &Arc<T>,
        fetch: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<Option<Arc<T>>, ProviderError> {
        let mut slot = self.slot.lock().await;
        if let Some((_, value)) = &slot.known
            && !Arc::ptr_eq(value, stale)
        {
            return Ok(Some(Arc::clone(value)));
        }
        if slot.refreshed.is_some_and(|at| at.elapsed() < REFRESH_PAUSE) {
            return Ok(None);
        }
        slot.refreshed = Some(Instant::now());
        slot.fill(fetch.await).map(Some)
    }

    /// It led nowhere: the next who wants it asks anew.
    pub(super) async fn forget(&self, stale: &Arc<T>) {
        let mut slot = self.slot.lock().await;
        if slot.known.as_ref().is_some_and(|(_, value)| Arc::ptr_eq(value, stale)) {
            slot.known = None;
        }
    }
}
