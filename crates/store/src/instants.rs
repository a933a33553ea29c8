//! Instants as the columns hold them: milliseconds, rounded so that nothing is
//! due or over before its time.

use jiff::Timestamp;

const NANOSECONDS: i128 = 1_000_000;

/// The millisecond at or before `at`: what `now` is compared as.
pub fn floor(at: Timestamp) -> i64 {
    clamp(at.as_nanosecond().div_euclid(NANOSECONDS))
}

/// The millisecond at or after `at`: what a deadline is stored as.
pub fn ceil(at: Timestamp) -> i64 {
    let floored = floor(at);
    if i128::from(floored).saturating_mul(NANOSECONDS) == at.as_nanosecond() {
        floored
    } else {
        floored.saturating_add(1)
    }
}

/// Nanoseconds, up to the year 2262.
pub fn nanoseconds(at: Timestamp) -> i64 {
    clamp(at.as_nanosecond())
}

fn clamp(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_rounded_down_and_deadlines_up() {
        for (nanosecond, floored, ceiled) in [(0, 0, 0), (1, 0, 1), (999_999, 0, 1), (1_000_000, 1, 1), (-1, -1, 0)] {
            let at = Timestamp::from_nanosecond(nanosecond).unwrap();
            assert_eq!((floor(at), ceil(at)), (floored, ceiled), "{nanosecond} ns");
        }
    }
}
