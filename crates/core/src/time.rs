//! IAM compares times in whole seconds, so every end is one.

use jiff::Timestamp;

/// The whole second at or before `at`. An end is rounded down: it may come
/// less than a second early, and never late.
#[must_use]
pub fn floor_second(at: Timestamp) -> Timestamp {
    let floored = at.as_millisecond().div_euclid(1000);
    Timestamp::from_second(floored).unwrap_or(at)
}

/// The whole second at or after `at`.
#[must_use]
pub fn ceil_second(at: Timestamp) -> Timestamp {
    let floored = floor_second(at);
    if floored == at {
        return at;
    }
    Timestamp::from_second(floored.as_second().saturating_add(1)).unwrap_or(at)
}
