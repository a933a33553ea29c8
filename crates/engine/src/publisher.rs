//! Takes entries from the store's order to the sink, and tells who waits.

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::{Mutex, watch};

use crate::ports::{Journal, JournalError, LogQueue, StoreError};

/// How many entries one append takes.
const BATCH: u32 = 512;
/// Why entries could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The sink didn't take them.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store didn't answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Publishes entries, one batch at a time in this process. Replicas may publish at
/// once: the sink passes over what it has, and knows other bytes when it sees them.
pub struct Publisher {
    queue: Arc<dyn LogQueue>,
    sink: Arc<dyn Journal>,
    turn: Mutex<()>,
    durable: watch::Sender<u64>,
    failure: watch::Sender<Option<String>>,
}

impl Publisher {
    /// A publisher of this queue.
    pub fn new(queue: Arc<dyn LogQueue>, sink: Arc<dyn Journal>) -> Self {
        Self { queue, sink, turn: Mutex::new(()), durable: watch::Sender::new(0), failure: watch::Sender::new(None) }
    }

    /// Publishes what waits; returns up to which position all is durable.
    ///
    /// # Errors
    /// The sink or the store failed: what waits goes on waiting.
    pub async fn publish(&self) -> Result<u64, PublishError> {
        let _turn = self.turn.lock().await;
        let outcome = self.publish_alone().await;
        match &outcome {
            Ok(position) => {
                self.durable
                    .send_if_modified(|durable| std::mem::replace(durable, (*durable).max(*position)) < *position);
                self.failure.send_if_modified(|failure| failure.take().is_some());
            }
            Err(error) => {
                let text = error.to_string();
                tracing::error!(error = %text, "entries can't be made durable");
                self.failure.send_replace(Some(text));
            }
        }
        outcome
    }

    async fn publish_alone(&self) -> Result<u64, PublishError> {
        loop {
            let batch = self.queue.unpublished(BATCH).await?;
            let Some(last) = batch.last().map(|entry| entry.position) else {
                return Ok(self.queue.published().await?);
            };
            self.sink.append(&batch).await?;
            self.queue.mark_published(last).await?;
            if batch.len() < BATCH as usize {
                return Ok(last);
            }
        }
    }

    /// Publishes until `position` is durable.
    ///
    /// # Errors
    /// A text for people: why it is not.
    pub async fn make_durable(&self, position: u64, within: SignedDuration) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + within.unsigned_abs();
        let mut last = "the log sink did not confirm in time".to_owned();
        loop {
            if *self.durable.borrow() >= position {
                return Ok(());
            }
            match tokio::time::timeout_at(deadline, self.publish()).await {
                Ok(Ok(durable)) if durable >= position => return Ok(()),
                Ok(Ok(_)) => {}
                Ok(Err(PublishError::Journal(JournalError::Fork { position }))) => {
                    return Err(JournalError::Fork { position }.to_string());
                }
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => return Err(last),
            }
            let pause = tokio::time::Duration::from_millis(50);
            if tokio::time::timeout_at(deadline, tokio::time::sleep(pause)).await.is_err() {
                return Err(last);
            }
        }
    }

    /// What the last attempt failed with, if it failed.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }
}
