//! Whether the broker's clock can be trusted, as far as AWS's answers tell.

use std::sync::Arc;

use halligan_core::actor::Actor;
use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::ports::ClockOffset;
use crate::recorder::Recorder;

/// Over this an alarm is raised.
pub const ALARM_OVER: SignedDuration = SignedDuration::from_secs(2);
/// Over this nothing is minted and nothing ends by time.
pub const STOP_OVER: SignedDuration = SignedDuration::from_secs(10);

/// How wrong the clock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Right,
    Alarm,
    Stop,
}

/// Guards what depends on the time of day.
///
/// An unknown offset is no reason to stop: where AWS doesn't answer, nothing is
/// minted anyway, and the fences that stand need no clock of ours.
pub struct SkewGuard {
    offset: Arc<dyn ClockOffset>,
    recorder: Arc<Recorder>,
    last: Mutex<Grade>,
}

impl SkewGuard {
    /// A guard that trusts the clock until it is told otherwise.
    pub fn new(offset: Arc<dyn ClockOffset>, recorder: Arc<Recorder>) -> Self {
        Self { offset, recorder, last: Mutex::new(Grade::Right) }
    }

    /// The time by AWS's clock, as far as it is known.
    pub async fn aws_now(&self, now: Timestamp) -> Timestamp {
        let offset = self.offset.offset().await;
        offset.and_then(|offset| now.checked_sub(offset.skew).ok()).unwrap_or(now)
    }

    /// The skew, if it is so large that nothing may depend on the clock.
    /// A change of grade is recorded.
    pub async fn stopped(&self) -> Option<SignedDuration> {
        let offset = self.offset.offset().await?;
        let skew = offset.skew.abs();
        let grade = match skew {
            _ if skew > STOP_OVER => Grade::Stop,
            _ if skew > ALARM_OVER => Grade::Alarm,
            _ => Grade::Right,
        };
        let mut last = self.last.lock().await;
        if *last != grade {
            *last = grade;
            let skew_ms = i64::try_from(offset.skew.as_millis()).unwrap_or(i64::MAX);
            if grade == Grade::Right {
                tracing::warn!(skew_ms, "the broker's clock and AWS's agree again");
            } else {
                tracing::error!(alarm = "clock.skewed", skew_ms, ?grade, "the broker's clock and AWS's differ");
            }
            let event = Event::ClockSkewed { skew_ms, stopped: grade == Grade::Stop };
            self.recorder.record(Actor::SYSTEM, Subject::broker("clock"), Recorded::plain(event)).await;
        }
        (grade == Grade::Stop).then_some(offset.skew)
    }
}
