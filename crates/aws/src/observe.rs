//! What is seen of every call: AWS's clock, and attempts that came to nothing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry as _, RetryAction, SharedRetryClassifier};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::date_time::Format;
use halligan_engine::ports::{Clock, Offset};
use jiff::{SignedDuration, Timestamp};

use crate::failure;

/// `Date` counts whole seconds: on average half of one has passed.
const DATE_ROUNDING: SignedDuration = SignedDuration::from_millis(500);
/// The answer to a slower call says too little: `Date` was written somewhere within it.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(2);

/// The newest comparison with AWS's clock.
pub(crate) struct Dates {
    clock: Arc<dyn Clock>,
    newest: Mutex<Option<Offset>>,
}

impl Dates {
    pub(crate) const fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, newest: Mutex::new(None) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn newest(&self) -> Option<Offset> {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, date: &str, round_trip: Duration) {
        let offset = || {
            let theirs = aws_smithy_types::DateTime::from_str(date, Format::HttpDate).ok()?;
            let theirs = Timestamp::from_second(theirs.secs()).ok()?.checked_add(DATE_ROUNDING).ok()?;
            let half_way = SignedDuration::try_from(round_trip / 2).ok()?;
            let measured_at = self.now();
            let skew = measured_at.checked_sub(half_way).ok()?.duration_since(theirs);
            Some(Offset { skew, measured_at })
        };
        if round_trip > ROUND_TRIP_MAX {
            return;
        }
        if let Some(offset) = offset() {
            *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(offset);
        }
    }
}

impl fmt::Debug for Dates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dates").field("newest", &self.newest()).finish_non_exhaustive()
    }
}

/// An interceptor of every call.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    dates: Arc<Dates>,
}

impl Observer {
    pub(crate) const fn new(dates: Arc<Dates>) -> Self {
        Self { dates }
    }
}

/// When the attempt was sent.
#[derive(Debug)]
struct Departure(Instant);

impl Storable for Departure {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Observer {
    fn name(&self) -> &'static str {
        "HalliganObserver"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        bag.interceptor_state().store_put(Departure(Instant::now()));
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(date), Some(Departure(at))) = (context.response().headers().get("date"), bag.load::<Departure>()) {
            self.dates.note(date, at.elapsed());
        }
        Ok(())
    }

    /// Whoever waits sees why. What another attempt wouldn't change is for the
    /// caller to judge: a probe is meant to be denied.
    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Err(error)) = context.output_or_error() else { return Ok(()) };
        let status = context.response().map(|response| response.status().as_u16());
        let (service, operation) = bag.load::<Metadata>().map_or(("", ""), |of| (of.service(), of.name()));
        let attempt = bag.load::<RequestAttempts>().map_or(0, RequestAttempts::attempts);
        let cause = failure::chain(error);
        let passing = |classifier: SharedRetryClassifier| {
            matches!(classifier.classify_retry(context.inner()), RetryAction::RetryIndicated(_))
        };
        if components.retry_classifiers().any(passing) {
            tracing::warn!(service, operation, attempt, status, cause, "an attempt to reach AWS failed");
        } else {
            tracing::debug!(service, operation, attempt, status, cause, "AWS refused");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    fn dates(now: &str) -> Dates {
        Dates::new(Arc::new(At(now.parse().unwrap())))
    }

    #[test]
    fn the_offset_is_taken_half_way_and_mid_second() {
        let dates = dates("2026-03-01T00:00:10.500Z");
        dates.note("Sun, 01 Mar 2026 00:00:05 GMT", Duration::from_millis(400));
        let offset = dates.newest().unwrap();
        assert_eq!(offset.skew, SignedDuration::from_millis(4_800));
        assert_eq!(offset.measured_at, dates.now());
    }

    #[test]
    fn slow_answers_and_dates_that_are_none_say_nothing() {
        let dates = dates("2026-03-01T00:00:10Z");
        dates.note("Sun, 01 Mar 2026 00:00:05 GMT", Duration::from_millis(2_001));
        dates.note("yesterday", Duration::ZERO);
        dates.note("", Duration::ZERO);
        assert_eq!(dates.newest(), None);
    }
}
