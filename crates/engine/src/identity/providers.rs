//! The providers that people sign in with: which there are now, and whether any of them answers.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use halligan_core::id::PlaceId;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::Identity;
use crate::ports::IdentityProvider;
use crate::problem::{Problem, ProblemKind};

/// One provider that answers within this is enough.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// So long is known whether any does: strangers make us ask.
const KNOWN_FOR: SignedDuration = SignedDuration::from_secs(5);

/// The providers by their names in the configuration.
pub type ByName = BTreeMap<PlaceId, Arc<dyn IdentityProvider>>;

/// The providers, swapped as a whole.
pub(super) struct Providers {
    now: RwLock<Arc<ByName>>,
    /// Whether none of these answered, and when that was found.
    down: Mutex<Option<(Arc<ByName>, Timestamp, bool)>>,
}

impl Providers {
    pub(super) fn new(providers: ByName) -> Self {
        Self { now: RwLock::new(Arc::new(providers)), down: Mutex::default() }
    }

    fn now(&self) -> Arc<ByName> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Identity {
    /// The names of the providers that people can sign in with.
    pub fn providers(&self) -> Vec<PlaceId> {
        self.providers.now().keys().cloned().collect()
    }

    /// From now on people sign in with these, and with no others. Who is at a provider meanwhile
    /// comes back to the one of that name, if it still is the same issuer's.
    pub fn replace_providers(&self, providers: ByName) {
        *self.providers.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(providers);
    }

    pub(super) fn provider(&self, name: &PlaceId) -> Result<Arc<dyn IdentityProvider>, Problem> {
        let found = self.providers.now().get(name).cloned();
        found.ok_or_else(|| {
            Problem::new(ProblemKind::NotFound, format!("there is no provider `{name}` to sign in with"))
        })
    }

    /// Whether no identity provider answers: all are asked at once, and the answer is known for a few
    /// seconds to whoever else wants it. Where there are none, none is down.
    pub async fn providers_are_down(&self) -> bool {
        let providers = self.providers.now();
        if providers.is_empty() {
            self.judge.providers().saw(false, self.clock.now());
            return false;
        }
        // Of many who want to know, one asks.
        let mut known = self.providers.down.lock().await;
        if let Some((of, at, down)) = &*known
            && Arc::ptr_eq(of, &providers)
            && (SignedDuration::ZERO..KNOWN_FOR).contains(&self.clock.now().duration_since(*at))
        {
            return *down;
        }
        let asked = async {
            let mut answers: FuturesUnordered<_> = providers.values().map(|provider| provider.answers()).collect();
            while let Some(answer) = answers.next().await {
                if answer.is_ok() {
                    return true;
                }
            }
            false
        };
        let down = !tokio::time::timeout(ANSWER_WITHIN, asked).await.unwrap_or(false);
        let at = self.clock.now();
        *known = Some((providers, at, down));
        self.judge.providers().saw(down, at);
        down
    }
}
