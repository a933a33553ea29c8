//! Whether identity providers answer, as this replica last saw: read in each decision, and
//! never asked there.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Somebody looks every minute: two that failed to say nothing yet.
const KNOWN_FOR: SignedDuration = SignedDuration::from_mins(3);

/// What was last seen.
#[derive(Debug, Default)]
pub struct ProvidersSeen(Mutex<Option<(Timestamp, bool)>>);

impl ProvidersSeen {
    /// At this time none answered, or one did.
    pub fn saw(&self, down: bool, at: Timestamp) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two looks that overlapped, the later counts.
        if last.is_none_or(|(seen_at, _)| seen_at <= at) {
            *last = Some((at, down));
        }
    }

    /// Whether none answers; none: nobody has looked lately.
    #[must_use]
    pub fn down(&self, now: Timestamp) -> Option<bool> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(at, _)| now.duration_since(*at) < KNOWN_FOR).map(|(_, down)| down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::fixtures::at;

    #[test]
    fn what_was_seen_last_counts_for_a_while() {
        let seen = ProvidersSeen::default();
        assert_eq!(seen.down(at(0)), None, "nobody has looked");
        seen.saw(true, at(10));
        seen.saw(false, at(9));
        assert_eq!(seen.down(at(189)), Some(true));
        assert_eq!(seen.down(at(190)), None);
        seen.saw(false, at(200));
        assert_eq!(seen.down(at(201)), Some(false));
    }
}
