//! Seen from outside the broker: AWS's answers to the credentials that it issued.

use halligan_aws::{Attempt, Seen, Visitor};
use halligan_engine::ports::Clock as _;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::time::{Duration, MissedTickBehavior, interval, timeout};

use crate::client::machine::MachineClock;

const PAUSE: Duration = Duration::from_millis(200);
/// A call that takes longer shows nothing.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many denials make an end.
const DENIALS: usize = 3;

/// The demo's own clock: the machine's, which is the stand-in's too.
pub fn now() -> Timestamp {
    MachineClock.now()
}

/// One call and its answer. AWS judged it between the two instants.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Before it was sent.
    pub sent_at: Timestamp,
    /// After it was answered.
    pub answered_at: Timestamp,
    /// The answer.
    pub seen: Seen,
}

/// The same call over and over, with the same credentials.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    observations: Vec<Observation>,
}

impl Watch {
    /// Calls AWS five times a second until `done`, or until `give_up_at`.
    pub async fn until(visitor: &Visitor, give_up_at: Timestamp, done: impl Fn(&Self) -> bool) -> Self {
        let mut watch = Self::default();
        let mut ticks = interval(PAUSE);
        // After a call that took long, the rhythm goes on; nothing is made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !done(&watch) && now() < give_up_at {
            ticks.tick().await;
            watch.observations.push(observe(visitor).await);
        }
        watch
    }

    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.observations.len()
    }

    /// How many were allowed.
    pub fn allowed(&self) -> usize {
        self.allowed_calls().count()
    }

    /// When the last call was answered.
    pub fn last_answered_at(&self) -> Option<Timestamp> {
        self.observations.last().map(|last| last.answered_at)
    }

    /// Whether there were calls, and each was allowed.
    pub fn all_allowed(&self) -> bool {
        !self.observations.is_empty() && self.allowed() == self.calls()
    }

    /// How many calls that were sent at `from` or later were allowed.
    pub fn allowed_from(&self, from: Timestamp) -> usize {
        self.allowed_calls().filter(|call| call.sent_at >= from).count()
    }

    /// Whether the last calls were all denied by an explicit deny: enough of them for an end.
    pub fn is_over(&self) -> bool {
        let last = self.observations.iter().rev().take(DENIALS);
        last.filter(|call| call.seen == Seen::Denied { explicitly: true }).count() == DENIALS
    }

    /// Compared with the instant at which every call should begin to be denied.
    pub fn end(&self, due: Timestamp) -> End {
        let seconds = |at: Timestamp| at.duration_since(due).as_secs_f64();
        let denied = || self.observations.iter().filter(|call| matches!(call.seen, Seen::Denied { .. }));
        let last_allowed = self.allowed_calls().last().map(|call| call.sent_at);
        let denied_early = denied().filter(|call| call.answered_at < due).count();
        let allowed_late = self.allowed_from(due);
        End {
            due,
            last_allowed_seconds: last_allowed.map(seconds),
            first_denied_seconds: denied().next().map(|call| seconds(call.answered_at)),
            calls: self.calls(),
            denied_early,
            allowed_late,
            on_time: self.is_over() && last_allowed.is_some() && denied_early == 0 && allowed_late == 0,
        }
    }

    /// From `at` to the first denial, if it was denied from then on.
    pub fn denied_after(&self, at: Timestamp) -> Option<SignedDuration> {
        let first = self.observations.iter().rev().take_while(|call| call.seen != Seen::Allowed).last()?;
        self.is_over().then(|| first.answered_at.duration_since(at))
    }

    fn allowed_calls(&self) -> impl Iterator<Item = &Observation> {
        self.observations.iter().filter(|call| call.seen == Seen::Allowed)
    }
}

async fn observe(visitor: &Visitor) -> Observation {
    let sent_at = now();
    let answer = timeout(PATIENCE, visitor.attempt(Attempt::ListBuckets)).await;
    let seen = answer.unwrap_or_else(|_| Seen::Unclear("no answer".to_owned()));
    Observation { sent_at, answered_at: now(), seen }
}

/// How credentials died, beside when they were to.
#[derive(Debug, Clone, Serialize)]
pub struct End {
    /// When they were to.
    pub due: Timestamp,
    /// From then to the sending of the last call that was allowed: negative.
    pub last_allowed_seconds: Option<f64>,
    /// From then to the first denial.
    pub first_denied_seconds: Option<f64>,
    /// How many calls there were.
    pub calls: usize,
    /// Calls that were denied before.
    pub denied_early: usize,
    /// Calls that were allowed though they were sent after.
    pub allowed_late: usize,
    /// Allowed until then, and explicitly denied from then on.
    pub on_time: bool,
}

impl End {
    /// In words, of AWS's answers and the end.
    pub fn told(&self) -> String {
        let seconds = |found: Option<f64>| found.map_or("never".to_owned(), |found| format!("{:.2} s", found.abs()));
        let side = |found: Option<f64>| if found.is_some_and(|found| found < 0.0) { "before" } else { "after" };
        let (yes, no) = (self.last_allowed_seconds, self.first_denied_seconds);
        format!("last yes {} {}, first no {} {}", seconds(yes), side(yes), seconds(no), side(no))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const DENIED: Seen = Seen::Denied { explicitly: true };

    fn at(tenths: i64) -> Timestamp {
        Timestamp::from_millisecond(1_772_332_800_000 + tenths * 100).unwrap()
    }

    /// A call a second, from ten seconds before the end on.
    fn watch(answers: &[Seen]) -> Watch {
        let call = |(n, seen): (i64, &Seen)| Observation {
            sent_at: at(n * 10 - 101),
            answered_at: at(n * 10 - 100),
            seen: seen.clone(),
        };
        Watch { observations: (0..).zip(answers).map(call).collect() }
    }

    fn lives(seconds: usize) -> Vec<Seen> {
        vec![Seen::Allowed; seconds]
    }

    #[test]
    fn an_end_on_time_is_allowed_before_and_denied_after() {
        let end = watch(&[lives(10), vec![DENIED; 3]].concat()).end(at(0));
        assert!(end.on_time);
        assert_eq!((end.last_allowed_seconds, end.first_denied_seconds), (Some(-1.1), Some(0.0)));
        assert_eq!(end.told(), "last yes 1.10 s before, first no 0.00 s after");
    }

    #[test]
    fn anything_else_is_not_on_time() {
        let unclear = Seen::Unclear("no answer".into());
        let implicitly = Seen::Denied { explicitly: false };
        let cases = [
            ("never used", vec![DENIED; 3]),
            ("dies early", [lives(5), vec![DENIED; 8]].concat()),
            ("lives on", lives(20)),
            ("one call too late", [lives(12), vec![DENIED; 3]].concat()),
            ("comes back", [lives(10), vec![DENIED; 3], lives(1), vec![DENIED; 3]].concat()),
            ("nobody answered", [lives(10), vec![unclear; 5]].concat()),
            ("for another reason", [lives(10), vec![implicitly; 5]].concat()),
            ("too few denials", [lives(10), vec![DENIED; 2]].concat()),
            ("nothing was seen", vec![]),
        ];
        for (name, answers) in cases {
            assert!(!watch(&answers).end(at(0)).on_time, "{name}");
        }
    }

    #[test]
    fn a_denial_counts_from_the_first_of_the_last_run() {
        let seen = watch(&[lives(2), vec![DENIED], lives(1), vec![DENIED; 3]].concat());
        assert_eq!(seen.denied_after(at(-100)).unwrap().as_secs(), 4);
        assert!(watch(&lives(4)).denied_after(at(0)).is_none());
    }

    #[test]
    fn untouched_is_always_allowed() {
        assert!(watch(&lives(3)).all_allowed());
        assert!(!watch(&[lives(3), vec![DENIED]].concat()).all_allowed());
        assert!(!watch(&[]).all_allowed());
    }
}
