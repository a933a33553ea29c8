//! Waiting for a sign-in on another device ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)).

use std::time::Duration;

use halligan_connect::oidc::{DevicePoll, SignedIn};
use halligan_engine::ports::{Clock, ProviderError};
use jiff::SignedDuration;

use super::SignInError;

/// By so much the provider wants to be asked less often.
const SLOWER: Duration = Duration::from_secs(5);
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Asks until the person is done, or it is too late; `pause` is what lies between two questions.
///
/// # Errors
/// They, or the provider, said no; nobody came in time; the answer is not good enough.
pub async fn wait(
    interval: Duration,
    expires_in: Duration,
    clock: &dyn Clock,
    pause: impl AsyncFn(Duration),
    mut poll: impl AsyncFnMut() -> Result<DevicePoll, ProviderError>,
) -> Result<SignedIn, SignInError> {
    let begun = clock.now();
    let had = SignedDuration::try_from(expires_in).unwrap_or(SignedDuration::MAX);
    let timed_out = SignInError::TimedOut { minutes: expires_in.as_millis().div_ceil(60_000) };
    let mut interval = interval.clamp(INTERVAL_MIN, INTERVAL_MAX);
    loop {
        pause(interval).await;
        match poll().await {
            Ok(DevicePoll::Done(signed_in)) => return Ok(*signed_in),
            Ok(DevicePoll::Pending) => {}
            Ok(DevicePoll::SlowDown) => interval = (interval + SLOWER).min(INTERVAL_MAX),
            Ok(DevicePoll::Denied) => return Err(SignInError::Denied(Some("access_denied".to_owned()))),
            Ok(DevicePoll::Expired) => return Err(timed_out),
            // A provider that is away for a moment costs no sign-in, and isn't hammered.
            Err(ProviderError::Unavailable(_)) => interval = (interval * 2).min(INTERVAL_MAX),
            Err(error @ ProviderError::Refused(_)) => return Err(SignInError::of_provider(error)),
        }
        if clock.now().duration_since(begun) >= had {
            return Err(timed_out);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::cell::RefCell;

    use jiff::ToSpan as _;

    use super::*;
    use crate::client::credentials::tests::Moved;

    fn signed_in() -> SignedIn {
        SignedIn {
            id_token: "id".into(),
            refresh_token: None,
            claims: serde_json::Map::new(),
            expires_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    type Polls = Vec<Result<DevicePoll, ProviderError>>;

    /// The outcome, and the seconds before each poll.
    async fn waited(mut polls: Polls) -> (Result<SignedIn, SignInError>, Vec<i64>) {
        let clock = Moved::at("2026-03-01T02:40:00Z");
        let begun = clock.now();
        let asked = RefCell::new(Vec::new());
        polls.reverse();
        let pause = async |length: Duration| clock.advance(i64::try_from(length.as_secs()).unwrap().seconds());
        let outcome = wait(Duration::from_secs(5), Duration::from_secs(600), clock.as_ref(), pause, async || {
            asked.borrow_mut().push(clock.now().duration_since(begun).as_secs());
            polls.pop().unwrap_or(Ok(DevicePoll::Pending))
        });
        let outcome = outcome.await;
        (outcome, asked.into_inner())
    }

    #[tokio::test]
    async fn it_asks_no_more_often_than_it_may() {
        let polls: Polls = vec![
            Ok(DevicePoll::Pending),
            Ok(DevicePoll::SlowDown),
            Ok(DevicePoll::Pending),
            Err(ProviderError::Unavailable("away".into())),
            Ok(DevicePoll::Done(Box::new(signed_in()))),
        ];
        let (outcome, asked) = waited(polls).await;
        assert!(outcome.is_ok());
        assert_eq!(asked, [5, 10, 20, 30, 50], "5, then 10 after slow_down, then 20 after no answer");
    }

    #[tokio::test]
    async fn it_ends() {
        let (denied, _) = waited(vec![Ok(DevicePoll::Denied)]).await;
        assert!(matches!(denied, Err(SignInError::Denied(_))));
        let (expired, _) = waited(vec![Ok(DevicePoll::Expired)]).await;
        assert!(matches!(expired, Err(SignInError::TimedOut { minutes: 10 })));
        let (refused, _) = waited(vec![Err(ProviderError::Refused("no".into()))]).await;
        assert!(matches!(refused, Err(SignInError::Refused(_))));
        let (never, asked) = waited(Vec::new()).await;
        assert!(matches!(never, Err(SignInError::TimedOut { minutes: 10 })));
        assert_eq!((asked.len(), asked.last()), (120, Some(&600)));
    }
}
