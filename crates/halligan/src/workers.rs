//! Runs the reconcilers: each sleeps to its next deadline, and a commit wakes it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use halligan_engine::ports::Clock;
use halligan_engine::problem::{Problem, ProblemKind};
use halligan_engine::reconcile::Reconciler;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A commit wakes the workers of its own replica. What another replica left is
/// found by looking again; nothing is less safe until then, since deadlines are
/// judged by the clock wherever they matter. A replica alone sleeps to its deadlines.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// As long as it takes: timers have an upper bound of their own.
const NEVER: Duration = Duration::from_secs(24 * 3_600);
const BACKOFF_MAX_SECONDS: u64 = 30;

/// The workers of one process.
pub struct Workers {
    clock: Arc<dyn Clock>,
    sleep_max: Duration,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Workers {
    /// None yet; `shared` says whether other replicas may use the same store.
    pub fn new(clock: Arc<dyn Clock>, shared: bool) -> Self {
        let sleep_max = if shared { LOOK_AGAIN } else { NEVER };
        Self { clock, sleep_max, stop: CancellationToken::new(), tasks: TaskTracker::new() }
    }

    /// Runs `reconciler` at once, at each of its deadlines, and whenever it is woken.
    pub fn run(&self, reconciler: impl Reconciler + 'static, wake: Option<Arc<Notify>>) {
        let (clock, stop, sleep_max) = (self.clock.clone(), self.stop.clone(), self.sleep_max);
        let wake = wake.unwrap_or_default();
        self.tasks.spawn(async move {
            let mut failures = 0_u32;
            loop {
                // A defect in one tick must not end the worker for good, unseen.
                let ticked = AssertUnwindSafe(reconciler.tick(clock.now())).catch_unwind().await;
                let ticked = ticked.unwrap_or_else(|_| Err(Problem::new(ProblemKind::Internal, "the worker panicked")));
                let pause = match ticked {
                    Ok(status) => {
                        failures = 0;
                        until(status.next, clock.as_ref()).min(sleep_max)
                    }
                    Err(problem) => {
                        failures = failures.saturating_add(1);
                        tracing::error!(worker = reconciler.name(), %problem, failures, "a worker could not do its work");
                        let pause = backoff(failures);
                        // What failed just now is not tried again for a mere signal.
                        tokio::select! { () = sleep(pause) => continue, () = stop.cancelled() => return }
                    }
                };
                tokio::select! { () = wake.notified() => {}, () = sleep(pause) => {}, () = stop.cancelled() => return }
            }
        });
    }

    /// Lets each finish what it is at, and stops them.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn until(next: Option<Timestamp>, clock: &dyn Clock) -> Duration {
    let Some(next) = next else { return NEVER };
    let left = Duration::try_from(next.duration_since(clock.now())).unwrap_or(Duration::ZERO);
    // A millisecond more: a timer that rings early would find nothing due.
    left + Duration::from_millis(1)
}

fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX).min(BACKOFF_MAX_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_tried_again_later_and_later() {
        let waits: Vec<u64> = (1..8).map(|failures| backoff(failures).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff(u32::MAX).as_secs(), BACKOFF_MAX_SECONDS);
    }
}
