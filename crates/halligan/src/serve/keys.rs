//! Fetches the keys that issuers publish before anybody needs them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use halligan_engine::problem::Problem;
use halligan_engine::reconcile::{Reconciler, Status};
use halligan_server::auth::{Authenticator, FETCH_EVERY, FRESH_FOR};
use jiff::Timestamp;
use tokio::time::timeout;

/// A fetch that takes longer goes on by itself: whoever stops the broker doesn't wait for it.
const WAIT: Duration = Duration::from_secs(2);

/// At the start, when there are other issuers, and again for as long as there are issuers
/// whose keys can't be had. Keys that are there are renewed when somebody needs them.
pub struct IssuerKeys {
    authenticator: Arc<Authenticator>,
    /// The issuers whose keys were missing at the last look.
    missing: Mutex<Option<Vec<String>>>,
}

impl IssuerKeys {
    /// Of these issuers.
    pub const fn new(authenticator: Arc<Authenticator>) -> Self {
        Self { authenticator, missing: Mutex::new(None) }
    }

    fn tell(&self, missing: &[String]) {
        let mut told = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_deref() == Some(missing) {
            return;
        }
        if missing.is_empty() {
            tracing::info!("the keys of every issuer are there");
        } else {
            let issuers = missing.join(", ");
            tracing::warn!(
                issuers,
                "the keys of issuers are not there yet: their tokens are refused, and others are taken"
            );
        }
        *told = Some(missing.to_vec());
    }
}

#[async_trait]
impl Reconciler for IssuerKeys {
    fn name(&self) -> &'static str {
        "issuer-keys"
    }

    async fn tick(&self, now: Timestamp) -> Result<Status, Problem> {
        let warmed = timeout(WAIT, self.authenticator.warm()).await;
        if let Ok(missing) = &warmed {
            self.tell(missing);
        }
        let again = if warmed.is_ok_and(|missing| missing.is_empty()) { FRESH_FOR } else { FETCH_EVERY };
        Ok(Status { done: 0, next: Some(now + again) })
    }
}
