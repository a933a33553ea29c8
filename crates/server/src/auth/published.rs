//! The keys that an issuer publishes, as they were last fetched.
//!
//! A set is fresh for ten minutes. After that it is fetched anew by the first call that
//! needs it, and the old keys go on meanwhile; a name that it doesn't know is a reason to
//! fetch at once. However many callers there are, one fetch is under way at a time and
//! one begins in thirty seconds, so that nobody can have us hammer the provider. What
//! comes back without a usable key never replaces what is good; a set that could not be
//! renewed for a day is good for nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use halligan_engine::ports::{Clock, KeySets, ProviderError};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::algorithm::Algorithm;
use super::keys::KeySet;

/// So long nobody asks whether there are newer keys.
pub const FRESH_FOR: SignedDuration = SignedDuration::from_mins(10);
/// So long the keys of an issuer that can't be reached are good.
pub const GOOD_FOR: SignedDuration = SignedDuration::from_hours(24);
/// From the beginning of one fetch to that of the next, whoever asks.
pub const FETCH_EVERY: SignedDuration = SignedDuration::from_secs(30);
/// A set that nobody has renewed for so long is waited for: keys that were withdrawn
/// meanwhile must not get one more call through.
const WAITED_FOR_AFTER: SignedDuration = SignedDuration::from_mins(20);
/// So long, while there are keys to go on with.
const PATIENCE: Duration = Duration::from_secs(2);
/// Whether the last fetch came to nothing, and when one last came to something.
const FAILING: &str = "halligan_issuer_keys_failing";
const FETCHED: &str = "halligan_issuer_keys_fetched_timestamp_seconds";
/// The longest that a fetch takes.
const FETCH_MAX: Duration = Duration::from_secs(10);

/// The issuer's keys can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeysUnavailable {
    /// When there may be another try.
    pub retry_after_seconds: u32,
}

/// The published keys of one issuer.
pub(super) struct Published {
    issuer: String,
    algorithms: Vec<Algorithm>,
    sets: Arc<dyn KeySets>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Counts the fetches that have ended.
    ended: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// When the last fetch began.
    asked_at: Option<Timestamp>,
    under_way: bool,
    /// Whether the last fetch came to nothing.
    failed: bool,
}

struct Held {
    keys: Arc<KeySet>,
    fetched_at: Timestamp,
}

/// A fetch is under way until this is dropped, even if it panics.
struct UnderWay(Arc<Published>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state().under_way = false;
        self.0.ended.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Published {
    pub fn new(issuer: String, algorithms: Vec<Algorithm>, sets: Arc<dyn KeySets>, clock: Arc<dyn Clock>) -> Self {
        Self { issuer, algorithms, sets, clock, state: Mutex::default(), ended: watch::Sender::new(0) }
    }

    /// The keys, after one more look at the issuer if they don't hold this name.
    pub async fn keys(self: &Arc<Self>, kid: Option<&str>) -> Result<Arc<KeySet>, KeysUnavailable> {
        let now = self.clock.now();
        let (usable, age) = self.look(kid, now);
        let is_stale = age.is_none_or(|age| age.is_negative() || age >= FRESH_FOR);
        if (!usable || is_stale)
            && let Some(mut fetch) = self.fetch(now)
        {
            if !usable {
                // A fetch ends by itself; the sender lives as long as we do.
                drop(fetch.changed().await);
            } else if age.is_none_or(|age| age >= WAITED_FOR_AFTER) {
                drop(timeout(PATIENCE, fetch.changed()).await);
            }
        }
        self.found(kid)
    }

    /// Fetches them, unless that has been done; returns whether there are any.
    pub async fn warm(self: &Arc<Self>) -> bool {
        if self.state().held.is_none()
            && let Some(mut fetch) = self.fetch(self.clock.now())
        {
            drop(fetch.changed().await);
        }
        self.state().held.is_some()
    }

    /// Whether there are keys that hold this name, and how old they are.
    fn look(&self, kid: Option<&str>, now: Timestamp) -> (bool, Option<SignedDuration>) {
        match &self.state().held {
            Some(held) => {
                let age = now.duration_since(held.fetched_at);
                (held.keys.knows(kid) && age < GOOD_FOR, Some(age))
            }
            None => (false, None),
        }
    }

    fn found(&self, kid: Option<&str>) -> Result<Arc<KeySet>, KeysUnavailable> {
        let now = self.clock.now();
        let state = self.state();
        // Whether the issuer has such a key is only known after a fetch that went well.
        let unsure = state.failed || state.under_way;
        match &state.held {
            Some(Held { keys, fetched_at })
                if now.duration_since(*fetched_at) < GOOD_FOR && (keys.knows(kid) || !unsure) =>
            {
                Ok(keys.clone())
            }
            Some(_) | None => {
                let passed = state.asked_at.map_or(FETCH_EVERY, |at| now.duration_since(at));
                let left = (FETCH_EVERY - passed).as_secs().clamp(0, FETCH_EVERY.as_secs()) + 1;
                Err(KeysUnavailable { retry_after_seconds: u32::try_from(left).unwrap_or(1) })
            }
        }
    }

    /// Begins a fetch, unless one is under way or it is too soon for one. None: too soon.
    fn fetch(self: &Arc<Self>, now: Timestamp) -> Option<watch::Receiver<u64>> {
        let mut state = self.state();
        let ended = self.ended.subscribe();
        if state.under_way {
            return Some(ended);
        }
        let since = state.asked_at.map(|at| now.duration_since(at));
        if since.is_some_and(|since| !since.is_negative() && since < FETCH_EVERY) {
            return None;
        }
        (state.under_way, state.failed, state.asked_at) = (true, true, Some(now));
        drop(state);
        let under_way = UnderWay(self.clone());
        // By itself: whoever began it may hang up, and others wait for it.
        tokio::spawn(async move { under_way.0.fetched().await }.in_current_span());
        Some(ended)
    }

    async fn fetched(&self) {
        let answer = timeout(FETCH_MAX, self.sets.key_set(&self.issuer)).await;
        let keys = match answer {
            Ok(Ok(text)) => KeySet::from_jwks(&text, &self.algorithms)
                .ok_or_else(|| "its key set has no key that its tokens may be signed with".to_owned()),
            Ok(Err(ProviderError::Unavailable(because) | ProviderError::Refused(because))) => Err(because),
            Err(_) => Err(format!("it took longer than {} s", FETCH_MAX.as_secs())),
        };
        match keys {
            Ok(keys) => {
                let mut state = self.state();
                state.held = Some(Held { keys: Arc::new(keys), fetched_at: self.clock.now() });
                state.failed = false;
                drop(state);
                self.gauge(FAILING, 0.0);
                self.gauge(FETCHED, self.clock.now().as_second() as f64);
            }
            Err(because) => {
                self.gauge(FAILING, 1.0);
                let because = halligan_core::text::printable(&because, 400);
                tracing::error!(alarm = "issuer.keys_unavailable", issuer = %self.issuer, because, "the keys of an issuer can't be had");
            }
        }
    }

    fn gauge(&self, name: &'static str, value: f64) {
        metrics::gauge!(name, "issuer" => self.issuer.clone()).set(value);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
