//! Seen from outside the broker: AWS's answers to the credentials that it issued.

use halligan_aws::provision::Accounts;
use halligan_aws::{StaticCredentials, Visitor};
use halligan_engine::ports::{CallOutcome, Clock as _};
use halligan_server::views::CredentialsView;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Duration, sleep};

use crate::client::machine::MachineClock;

const PAUSE: Duration = Duration::from_millis(100);
/// So many refusals in a row are an end.
const REFUSALS: u32 = 3;
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// When credentials stopped working.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// When the last call that was allowed was sent.
    pub last_allowed: Option<Timestamp>,
    /// When the first of the calls that were refused was answered.
    pub first_refused: Timestamp,
    /// How many calls were made.
    pub calls: u32,
}

impl End {
    /// Seconds from `at` to the first refusal; negative if it came before.
    pub fn seconds_after(&self, at: Timestamp) -> f64 {
        self.first_refused.duration_since(at).as_secs_f64()
    }

    /// Whether nothing was allowed that was sent at `end` or later, and something
    /// was within two seconds before it.
    pub fn was_on_time(&self, end: Timestamp) -> bool {
        self.last_allowed.is_some_and(|at| at < end && end.duration_since(at) < SignedDuration::from_secs(2))
    }
}

/// Who holds these credentials.
pub fn visitor(accounts: &Accounts, issued: &CredentialsView) -> Visitor {
    let credentials = StaticCredentials {
        access_key_id: issued.access_key_id.clone(),
        secret_access_key: issued.secret_access_key.clone(),
        session_token: Some(issued.session_token.clone()),
    };
    Visitor::new(accounts, &credentials)
}

/// Whether a call that the scope allows goes through.
pub async fn works(visitor: &Visitor) -> bool {
    visitor.list_buckets().await == CallOutcome::Allowed
}

/// Calls AWS until it refuses for good, for a minute beyond `expected` at most.
pub async fn end_of(visitor: &Visitor, expected: Timestamp) -> anyhow::Result<End> {
    let (mut last_allowed, mut first_refused, mut refusals, mut calls) = (None, None, 0, 0);
    loop {
        let sent = MachineClock.now();
        let outcome = visitor.list_buckets().await;
        calls += 1;
        match outcome {
            CallOutcome::Allowed => (last_allowed, first_refused, refusals) = (Some(sent), None, 0),
            CallOutcome::Denied(_) | CallOutcome::Inconclusive(_) => {
                first_refused.get_or_insert(MachineClock.now());
                refusals += 1;
            }
        }
        if let Some(first_refused) = first_refused.filter(|_| refusals == REFUSALS) {
            return Ok(End { last_allowed, first_refused, calls });
        }
        anyhow::ensure!(sent.duration_since(expected) < PATIENCE, "credentials still work a minute after their end");
        sleep(PAUSE).await;
    }
}
